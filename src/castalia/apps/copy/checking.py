"""Whether a text says anything that its product's facts do not.

The text is taken apart; each part has to stand in the facts, or be of the words that say nothing
(vocabulary.py). What is left is not proved and has a rule:

    number      a number, or its unit, that no fact has; a number word that no fact has
    label       a number of another fact than the one that the clause speaks of
    brand       a word with a capital letter inside a sentence; the name of another product
    attribute   a word that other products of the table have and this one has not
    word        any other word
    claim       what claims.py forbids; personal what text_files/personal_data.py finds

Words are compared without endings, Chinese by the pieces that cover it. Nothing is understood: that
"soft" is proved because a fact says "soft sole" is a limit of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from castalia.apps.copy.claims import claims
from castalia.apps.copy.facts import HAN, PRICED, UNITS, Fact, Product, folded, numbers
from castalia.apps.copy.vocabulary import chinese_pieces, english_words
from castalia.sentences import Message, say
from castalia.text_files import personal_data

LONGEST = 20_000
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’-][A-Za-z\u00c0-\u024f]+)*")
_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_ENGLISH_NUMBER = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundred|"
    r"thousand|million|dozen|half|double|twice|triple)\b",
    re.IGNORECASE,
)
_CHINESE_NUMBER = re.compile(r"[二两三四五六七八九十百千万半双]+(?=[\u4e00-\u9fff])")
# words that say of which fact a clause speaks
CUES: dict[str, re.Pattern[str]] = {
    "weight": re.compile(r"\bweigh\w*|重(?:量|达|约|为)*$|净重"),
    "capacity": re.compile(r"\bholds?\b|\bcapacity\b|容量|净含量"),
    "price": re.compile(r"\bcosts?\b|\bprices?\b|\byours for\b|售价|价格"),
    "power": re.compile(r"\bpower\b|功率"),
    "battery": re.compile(r"\bbattery\b|续航"),
    "warranty": re.compile(r"\bwarrant\w+|\bguarantee\b|质保|保修"),
    "dimensions": re.compile(r"\bmeasures?\b|尺寸"),
    "rating": re.compile(r"\bratings?\b|评分"),
}


@dataclass(frozen=True)
class Finding:
    """rule: of the list above. words: as the text has them. source: of a forbidden claim, the rule
    of claims.py and its law.
    """

    rule: str
    words: str
    source: str = ""

    @property
    def why(self) -> Message:
        """A sentence."""
        match self.rule:
            case "number":
                return say("the number {0} is in none of the facts", self.words)
            case "label":
                return say("the number {0} belongs to another fact", self.words)
            case "brand":
                return say("the name '{0}' is in none of the facts", self.words)
            case "attribute":
                return say("'{0}' is said of other products, not of this one", self.words)
            case "claim":
                return say("'{0}' is forbidden by the rule {1}", self.words, self.source)
            case "personal":
                return say("'{0}' is personal data", self.words)
        return say("'{0}' is in none of the facts", self.words)


def check(text: str, product: Product, others: Collection[str] = ()) -> list[Finding]:
    """What a text says that is not proved or not allowed, by rule; empty for a text that may go
    out. others: words of the other products of the table (`words_of`), by which an attribute is
    told from a word.
    """
    flat = folded(text[:LONGEST])
    found = [
        Finding("personal", personal_data.shown(flat, one)) for one in personal_data.find(flat)
    ]
    found += [Finding("claim", one.words, f"{one.rule.id}") for one in claims(flat)]
    found += _numbers(flat, product)
    rest = _masked(flat, product)
    found += _words(rest, product, others)
    found += _pieces(rest, product, others)
    return list(dict.fromkeys(found))


def covered(text: str, facts: Sequence[Fact]) -> list[bool]:
    """Of each fact, whether the text says it: all of its values, or its label."""
    flat = folded(text).casefold()
    return [
        all(folded(value).casefold() in flat for value in one.values)
        if one.said is None
        else folded(one.label).casefold().replace("_", " ") in flat
        for one in facts
    ]


def words_of(product: Product) -> set[str]:
    """The words that a product's values have, for `others`."""
    found: set[str] = set()
    for one in product.facts:
        for value in (product.name, *one.values):
            found |= {_stem(word) for word in _WORD.findall(folded(value))}
            found |= set(_HAN_RUN.findall(folded(value)))
    return found


def _numbers(flat: str, product: Product) -> Iterator[Finding]:
    """Numbers and number words that no fact has, or that stand with the label of another."""
    names = [folded(one) for one in (product.name, product.value("brand")) if re.search(r"\d", one)]
    bare = flat
    for name in names:  # the number of a name is a part of it
        bare = bare.replace(name, "\x00" * len(name))
    known = {(one.value, one.unit) for one in product.numbers}
    units = {unit for _, unit in known}
    for one in numbers(bare):
        unit = one.unit if one.unit in units or one.unit in UNITS.values() else ""
        words = flat[one.start : one.stop]
        if (one.value, unit) not in known and (one.value, one.unit) not in known:
            yield Finding("number", f"{words} {one.unit}".strip())
        elif _of_another(flat, one.start, one.value, product):
            yield Finding("label", words)
    said = " ".join(folded(phrase) for phrase in product.phrases).casefold()
    for match in _ENGLISH_NUMBER.finditer(flat):
        if not re.search(rf"\b{match[0].casefold()}\b", said):
            yield Finding("number", match[0])


def _of_another(flat: str, start: int, value: Fraction, product: Product) -> bool:
    """Whether the words right before a number, without another number between, speak of a fact
    that has other numbers.
    """
    before = re.split(r"\d|[.;!?。；！？]\s*(?=\D)", flat[:start])[-1]
    cues = [(match.start(), role) for role, form in CUES.items() for match in form.finditer(before)]
    if not cues:
        return False
    role = max(cues)[1]
    roles = PRICED if role == "price" else (role,)
    meant = [part for one in product.facts if one.role in roles for part in one.values]
    amounts = {one.value for part in meant for one in numbers(part)}
    return bool(amounts) and value not in amounts


def _masked(flat: str, product: Product) -> str:
    """The text without whole phrases of the facts, the longest first."""
    rest = flat
    for phrase in sorted(map(folded, product.phrases), key=len, reverse=True):
        form = re.escape(phrase)
        if re.match(r"\w", phrase) and not HAN.match(phrase):
            form = rf"(?<![A-Za-z0-9]){form}(?![A-Za-z0-9])"
        rest = re.sub(form, lambda match: "\x00" * len(match[0]), rest, flags=re.IGNORECASE)
    return rest


def _words(rest: str, product: Product, others: Collection[str]) -> Iterator[Finding]:
    """Words in Latin letters."""
    known = {_stem(word) for phrase in product.said for word in _WORD.findall(folded(phrase))}
    for match in _WORD.finditer(rest):
        word = match[0]
        if word.lower().replace("’", "'") in english_words() or _stem(word) in known:
            continue
        if word.lower() in UNITS and re.search(r"\d[ -]?$", rest[: match.start()]):
            continue  # its number was looked at
        before = rest[: match.start()].rstrip(" \x00\"'“‘(")
        inside = bool(before) and before[-1] not in ".!?:\n"
        if _stem(word) in others:
            yield Finding("attribute", word)
        else:
            yield Finding("brand" if word[0].isupper() and inside else "word", word)


def _pieces(rest: str, product: Product, others: Collection[str]) -> Iterator[Finding]:
    """Chinese that pieces of facts and of our phrases do not cover."""
    known = _known_pieces(product.said)
    for match in _HAN_RUN.finditer(rest):
        for piece in uncovered(match[0], known):
            if any(piece in other or other in piece for other in others if HAN.match(other)):
                yield Finding("attribute", piece)
            elif _CHINESE_NUMBER.fullmatch(piece + "个"):
                yield Finding("number", piece)
            else:
                yield Finding("word", piece)


@lru_cache(maxsize=256)
def _known_pieces(said: tuple[str, ...]) -> frozenset[str]:
    own = {run for phrase in said for run in _HAN_RUN.findall(folded(phrase))}
    return frozenset(own | chinese_pieces())


def uncovered(run: str, known: Collection[str]) -> list[str]:
    """The pieces of a run that no sequence of known pieces covers, as few characters as can be: by
    dynamic programming over its places.
    """
    most = max(map(len, known), default=1)
    best: list[tuple[int, int, bool]] = [(0, 0, True)]  # characters left, from where, whether known
    for stop in range(1, len(run) + 1):
        options = [(best[stop - 1][0] + 1, stop - 1, False)]
        for start in range(max(0, stop - most), stop):
            if run[start:stop] in known:
                options.append((best[start][0], start, True))
        best.append(min(options, key=lambda one: (one[0], not one[2])))
    found: list[str] = []
    stop, joined = len(run), False
    while stop:
        _, start, is_known = best[stop]
        if not is_known:
            if joined:
                found[-1] = run[start:stop] + found[-1]
            else:
                found.append(run[start:stop])
        joined, stop = not is_known, start
    return found[::-1]


def _stem(word: str) -> str:
    """An English word in small letters without its commonest endings."""
    low = word.lower().replace("’", "'").removesuffix("'s")
    for ending in ("ies", "es", "s"):
        if low.endswith(ending) and len(low) - len(ending) >= 3 and not low.endswith("ss"):
            return low[: -len(ending)] + ("y" if ending == "ies" else "")
    return low
