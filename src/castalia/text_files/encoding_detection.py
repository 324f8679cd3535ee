"""Detect the encoding of bytes that are not UTF-8: each candidate is decoded, and scored by how
likely its characters are in some language.

The score of an encoding is the log-likelihood of the bytes: of the best language, the sum over
characters of their logarithmic probability by letter frequency (text_files/letter_frequencies.py),
lower where a character cannot stand (a capital behind a small letter, a sign inside a word, letters
of two scripts in one word), higher for words that the language is full of. An ASCII character costs
the same in all, so encodings that swallow one as the second half of a character gain nothing.
Encodings that decode to the same text share their place; the best wins if it leads by MARGIN nats,
else the result is uncertain, and the caller asks.
"""

from __future__ import annotations

import codecs
import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from castalia.text_files.letter_frequencies import (
    ALPHABETS,
    FREQUENT_HANGUL,
    FREQUENT_HANS,
    FREQUENT_HANT,
    FREQUENT_HIRAGANA,
    FREQUENT_KANJI,
    LATIN,
)

SAMPLE = 12 << 10  # bytes that are scored
_FIRST_BYTES = 1 << 10  # bytes that all candidates are scored on
_HOPELESS = 100.0  # nats behind the best on those, beyond which a candidate is dropped
MARGIN = 4.0  # nats by which the best must lead
_FLOOR = -16.0  # a character that the language does not have
_WRONG = -9.0  # added where a character cannot stand
_UNUSUAL = -6.0  # where it hardly ever stands
_ERROR = -18.0  # a byte that cannot be decoded
_ASCII = math.log(1 / 25)
_WORD = 2.5  # added for a frequent word
# Candidates (Python's names) with the logarithm of how much rarer than the first they are in files
# of today.
CANDIDATES: Mapping[str, float] = {
    "cp1252": 0.0,
    "gb18030": 0.0,
    "big5hkscs": -1.0,
    "cp932": -1.0,
    "cp949": -1.0,
    "euc_jp": -1.0,
    "cp1251": -1.0,
    "cp1250": -5.5,
    "cp1253": -1.0,
    "cp1254": -1.0,
    "cp1255": -1.0,
    "cp1256": -1.0,
    "cp1257": -6.0,
    "cp874": -3.0,
    "iso8859-15": -2.0,
    "iso8859-2": -6.0,
    "iso8859-5": -2.0,
    "iso8859-7": -2.0,
    "iso8859-6": -2.0,
    "iso8859-8": -2.0,
    "iso8859-13": -7.0,
    "koi8-r": -1.5,
    "koi8-u": -1.6,
    "mac-roman": -2.0,
    "mac-latin2": -7.0,
    "mac-cyrillic": -3.0,
    "cp866": -4.0,
    "cp850": -5.0,
    "cp852": -7.0,
    "utf-16-le": -12.0,
    "utf-16-be": -12.0,
}
# Signs beyond ASCII that texts of any language have, and how often.
_SIGNS = {
    **dict.fromkeys("“”’", math.log(0.01)),
    **dict.fromkeys("‘–—…«»„\u00a0、。，：；？！「」（）《》·・", math.log(0.006)),
    **dict.fromkeys("€£°§©®™•¿¡ºª½¼¾×÷†²³‚‹›№¶±%～『』【】−￥‰µ", math.log(0.0005)),
}
_RARE_SIGNS = frozenset("§•ªº½¼¾×÷†²³‚‹›¶±‰µ")  # hardly ever right before a word
_INSIDE = "’‘'·-\u00ad‧"  # signs that may stand between letters
_BEYOND = re.compile(r"[^\x00-\x7f]")
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Guess:
    """codec: Python's name of the best. sure: whether it leads by enough. rivals: the others that
    cannot be ruled out, best first.
    """

    codec: str
    sure: bool
    rivals: tuple[str, ...]
    score: float


def guess(sample: bytes) -> Guess:
    """The encoding of bytes that begin at a character, in none of the UTF-8 forms; the end may be
    cut.
    """
    key = hashlib.blake2b(sample, digest_size=16).digest()
    if key not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = _guess(sample)
    return _KNOWN[key]


# called whenever a file is read: hashed, fitted, encoded
_KNOWN: dict[bytes, Guess] = {}
_MOST_KNOWN = 1 << 16


def _guess(sample: bytes) -> Guess:
    names = list(CANDIDATES)
    if len(sample) > 2 * _FIRST_BYTES:
        first = _ranking(sample[:_FIRST_BYTES], names)
        names = [
            name for value, others in first if first[0][0] - value < _HOPELESS for name in others
        ]
    ranking = _ranking(sample, names) or _ranking(sample, list(CANDIDATES))
    if not ranking:
        return Guess("", False, (), -math.inf)
    best, same = ranking[0]
    rivals = tuple(others[0] for value, others in ranking[1:] if best - value < MARGIN)
    return Guess(same[0], not rivals and not same[0].startswith("utf-16"), rivals, best)


def _ranking(sample: bytes, names: Iterable[str]) -> list[tuple[float, list[str]]]:
    """(score, the encodings that decode to the same text, the likeliest first), best first."""
    texts: dict[str, list[str]] = {}
    for name in names:
        text = _decode(sample, name)
        if text is not None:
            texts.setdefault(text, []).append(name)
    made = [
        (score(text), sorted(same, key=lambda name: -CANDIDATES[name]))
        for text, same in texts.items()
    ]
    return sorted(
        ((value + CANDIDATES[same[0]], same) for value, same in made), key=lambda pair: -pair[0]
    )


def wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, by Python's name; None where the bytes are
    likelier no text.
    """
    best, winner = -9.0, None  # nats a character
    for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        try:
            text = codecs.getincrementaldecoder(name)().decode(head[: SAMPLE // 3])
        except UnicodeDecodeError:
            continue
        if text and score(text) / len(text) > best:
            best, winner = score(text) / len(text), name
    return winner


def score(text: str) -> float:
    """Log-likelihood (nats) of a text by the language it fits best; damage is U+FFFD."""
    placed = _place(text)
    base = text.count("\ufffd") * _ERROR + placed
    beyond = Counter(_BEYOND.findall(text))
    ascii_count = len(text) - beyond.total()
    del beyond["\ufffd"]
    words = _WORDS.findall(text.lower())
    best = -math.inf
    for name, model in _models().items():
        value = sum(count * model(character) for character, count in beyond.items())
        if name in LATIN and words:
            value += _WORD * sum(word in LATIN[name].words for word in words)
        best = max(best, value)
    return base + best + ascii_count * _ASCII


def sample_of(window: bytes, begins: bool) -> bytes:
    """At most SAMPLE bytes of lines with bytes above 127: the first ones, then any that show bytes
    not seen before.

    begins: whether the window starts where a character does.
    """
    lines = window.split(b"\n")
    if not begins and len(lines) > 1:
        lines = lines[1:]
    kept: list[bytes] = []
    size, seen = 0, set[int]()
    for line in lines:
        high = {byte for byte in line if byte > 127}
        if not high or (size > SAMPLE // 2 and high <= seen):
            continue
        kept.append(line[: SAMPLE // 4])
        size += len(kept[-1])
        seen |= high
        if size >= SAMPLE:
            break
    return b"\n".join(kept)


def _decode(sample: bytes, name: str) -> str | None:
    """The sample, a cut end left out; None where it breaks too often to be meant."""
    parts = []
    if name.startswith("utf-16"):
        lines = [sample[: len(sample) // 2 * 2]]
    else:
        lines = sample.split(b"\n")
    errors = 0
    for line in lines:
        decoder = codecs.getincrementaldecoder(name)("replace")
        text = decoder.decode(line, len(line) < SAMPLE // 4)
        errors += text.count("\ufffd")
        if errors > 3 + len(sample) // 100:
            return None
        parts.append(text)
    return "\n".join(parts)


# Characters and where they may stand --------------------------------------------------------------


def _place(text: str) -> float:
    """What characters cost that stand where they cannot."""
    cost = 0.0
    framed = f"\n{text}\n"
    for match in _BEYOND.finditer(framed):
        place, character = match.start(), match[0]
        last, follows = framed[place - 1], framed[place + 1]
        if character.isalpha():
            if last.isalpha() and last < "\u0370" and character < "\u0370":
                cost += _WRONG * (character.isupper() and last.islower() and character not in "ªº")
            elif (
                last.isalpha()
                and _script(last) != _script(character)
                and "Han" not in (_script(last), _script(character))
            ) or (last.isalpha() and character.isupper() and last.islower()):
                cost += _WRONG
            if (
                follows.isalpha()
                and follows < "\x80"
                and _script(character) not in ("Latin", "Han")
            ):
                cost += _WRONG
            if not last.isalpha() and follows.isdigit():
                cost += _UNUSUAL
        elif unicodedata.category(character) in ("Cc", "Cn", "Co") or (
            unicodedata.category(character) == "Mn" and last < "\u0370"
        ):
            cost += _WRONG
        elif (character == "’" and not last.isalnum() and last != "’" and follows.isalpha()) or (
            character in _RARE_SIGNS and not last.isalnum() and follows.isalpha()
        ):
            cost += _UNUSUAL
        elif character in _SIGNS:
            cost += _WRONG * (
                last.isalpha()
                and follows.isalpha()
                and character not in _INSIDE
                and character < "\u3000"
                and last < "\u3000"
            )
    return cost


@cache
def _script(character: str) -> str:
    code = ord(character)
    for name, first, last in _SCRIPTS:
        if first <= code <= last:
            return name
    return "other"


_SCRIPTS = (
    ("Latin", 0x41, 0x24F),
    ("Greek", 0x370, 0x3FF),
    ("Cyrillic", 0x400, 0x52F),
    ("Hebrew", 0x590, 0x5FF),
    ("Arabic", 0x600, 0x6FF),
    ("Thai", 0xE00, 0xE7F),
    ("Han", 0x3040, 0x9FFF),
    ("Han", 0xAC00, 0xD7AF),
    ("Han", 0xF900, 0xFAFF),
)


# Languages ----------------------------------------------------------------------------------------

Model = Callable[[str], float]


def _ranked(letters: str, mass: float, slack: float) -> dict[str, float]:
    """Probabilities `mass` in all that fall with the rank."""
    letters = "".join(dict.fromkeys(letters))
    weights = [1 / (rank + slack) for rank in range(len(letters))]
    return {
        letter: math.log(mass * weight / sum(weights))
        for letter, weight in zip(letters, weights, strict=True)
    }


@cache
def _models() -> dict[str, Model]:
    made: dict[str, Model] = {}
    for name, latin in LATIN.items():
        table = _ranked(latin.letters, latin.share, 1.5)
        made[name] = _of(
            table
            | {
                letter.upper(): value - 2.5
                for letter, value in table.items()
                if len(letter.upper()) == 1
            }
            | table
        )
    for name, alphabet in ALPHABETS.items():
        table = _ranked(alphabet.letters, 0.9, 6.0)
        upper = (
            {letter.upper(): value - 3.0 for letter, value in table.items()}
            if alphabet.cased
            else {}
        )
        made[name] = _of(upper | table)
    kana = _ranked(FREQUENT_HIRAGANA, 0.5, 6.0)
    katakana = {chr(code): math.log(0.1 / 86) for code in range(0x30A1, 0x30FD)}
    rare_kana = {chr(code): math.log(0.01 / 80) for code in range(0x3041, 0x3097)}
    han_j = _level("euc_jp", range(0xB0, 0xD0), 0.12) | _ranked(FREQUENT_KANJI, 0.2, 20.0)
    made["ja"] = _of(
        _level("euc_jp", range(0xD0, 0xF5), 0.003) | han_j | katakana | rare_kana | kana
    )
    syllables = _level("euc_kr", range(0xB0, 0xC9), 0.15) | _ranked(FREQUENT_HANGUL, 0.75, 20.0)
    made["ko"] = _of(_level("euc_kr", range(0xCA, 0xFE), 0.003) | syllables)
    simple = _level("gb2312", range(0xB0, 0xD8), 0.28) | _ranked(FREQUENT_HANS, 0.6, 40.0)
    made["zh-Hans"] = _of(_level("gb2312", range(0xD8, 0xF8), 0.02) | simple)
    full = _level("big5", range(0xA4, 0xC7), 0.28) | _ranked(FREQUENT_HANT, 0.6, 40.0)
    made["zh-Hant"] = _of(_level("big5", range(0xC9, 0xFA), 0.02) | full)
    return made


def _of(table: Mapping[str, float]) -> Model:
    both = {**_SIGNS, **table}
    return lambda character: both.get(character, _FLOOR)


def _level(codec: str, leads: range, mass: float) -> dict[str, float]:
    """The characters of some rows of a national standard, equally likely, `mass` in all."""
    characters = []
    for lead in leads:
        for trail in [*range(0x40, 0x7F), *range(0xA1, 0xFF)]:
            try:
                text = bytes([lead, trail]).decode(codec)
            except UnicodeDecodeError:
                continue
            if len(text) == 1:
                characters.append(text)
    return dict.fromkeys(characters, math.log(mass / len(characters)))
