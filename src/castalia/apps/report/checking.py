"""Whether a text says a number that none of a report's facts has.

Digits in any grouping, numbers in English words, and numerals in Chinese characters are looked for,
so a text may be polished by hand or by a language model and be checked again. Names cannot be
proved so: those that a report showed and a text no longer has are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

_DIGITS = re.compile(r"(?<![\w#])[+-]?\d+(?:[,.  ']\d{3})*(?:[.,]\d+)?(?:[eE][+-]?\d+)?(?![\w])")
_WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundreds?|thousands?|millions?|billions?|dozens?|half|halves|twice|doubl\w+|tripl\w+|"
    r"quarters?|thirds?|tenths?)\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"[零〇一二两三四五六七八九十百千万亿半]+(?:[成倍折万亿千百半]|分之)|[二两三四五六七八九十百千万亿]{2,}"
)


@dataclass(frozen=True)
class Unproved:
    """A number that no fact has. line: of the text, from 1."""

    number: str
    line: int
    around: str


def unproved(
    text: str, shown: Iterable[str], names: Iterable[str] = (), declared: str = ""
) -> list[Unproved]:
    """The numbers of a text that are neither in `shown`, facts as they are written, nor a part of
    `names`, nor in `declared`, what the author of the template wrote.
    """
    facts = list(shown)
    known = {_plain(number) for fact in facts for number in _numbers(fact)}
    known |= {_plain(number) for number in _numbers(declared)}
    numbered = sorted({name for name in names if _numbers(name)}, key=len, reverse=True)
    masks = [
        re.compile(rf"(?<![\w.,]){re.escape(normalize('NFKC', one))}(?!\w)") for one in numbered
    ]
    found = []
    for place, line in enumerate(normalize("NFKC", text).splitlines(), 1):
        rest = line
        for mask in masks:  # "Line 7" is a name, and its number is a part of it
            rest = mask.sub(" ", rest)
        rest = re.sub(r"^\s*\d+[.)]\s", " ", rest)  # numbers of a list
        found += [
            Unproved(number, place, line.strip()[:120])
            for number in _numbers(rest)
            if _plain(number) not in known
        ]
    return found


def lost(text: str, names: Sequence[str]) -> list[str]:
    """The names that a text no longer has."""
    flat = normalize("NFKC", text)
    return [name for name in dict.fromkeys(names) if normalize("NFKC", name) not in flat]


def _numbers(text: str) -> list[str]:
    flat = normalize("NFKC", text).replace("−", "-")
    return [match.group() for form in (_DIGITS, _WORDS, _CHINESE) for match in form.finditer(flat)]


def _plain(number: str) -> str:
    """One spelling for a number: no sign, no grouping, no zeros at the end."""
    text = number.lower().lstrip("+-")
    if not text[:1].isdigit():
        return text
    text = re.sub(r"[,  '](?=\d{3}(?!\d))", "", text)
    whole, point, rest = text.replace(",", ".").partition(".")
    return whole.lstrip("0") + (f".{rest.rstrip('0')}" if point and rest.rstrip("0") else "")
