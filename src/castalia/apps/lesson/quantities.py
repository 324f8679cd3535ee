"""Quantities as they are printed, and what they are in base units: the checker's own table.

    quantity("2 h 35 min")      Quantity(9300 s)

Not the generator's ladders (units.py): each unit stands here once, in the base unit of its
dimension. Sources: SI brochure (BIPM 2019, tables 2, 4, 5 and 8); the international yard and pound
of 1959 (1 yd = 0.9144 m, 1 lb = 0.45359237 kg); the Chinese market units of 1959
(国务院关于统一计量制度的命令): 1 斤 = 500 g, 1 斤 = 10 两.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from castalia.apps.lesson.expressions import plain
from castalia.errors import DataError
from castalia.sentences import say

_F = Fraction
UNITS: dict[str, dict[str, Fraction]] = {
    "length": {  # m
        "km": _F(1000),
        "m": _F(1),
        "dm": _F(1, 10),
        "cm": _F(1, 100),
        "mm": _F(1, 1000),
        "yd": _F("0.9144"),
        "ft": _F("0.3048"),
        "in": _F("0.0254"),
        "mi": _F("1609.344"),
        "千米": _F(1000),
        "公里": _F(1000),
        "米": _F(1),
        "分米": _F(1, 10),
        "厘米": _F(1, 100),
        "毫米": _F(1, 1000),
    },
    "mass": {  # g
        "t": _F(10**6),
        "kg": _F(1000),
        "g": _F(1),
        "mg": _F(1, 1000),
        "lb": _F("453.59237"),
        "oz": _F("453.59237") / 16,
        "吨": _F(10**6),
        "千克": _F(1000),
        "公斤": _F(1000),
        "克": _F(1),
        "毫克": _F(1, 1000),
        "斤": _F(500),
        "两": _F(50),
    },
    "volume": {  # L
        "L": _F(1),
        "l": _F(1),
        "dL": _F(1, 10),
        "cL": _F(1, 100),
        "mL": _F(1, 1000),
        "ml": _F(1, 1000),
        "升": _F(1),
        "毫升": _F(1, 1000),
    },
    "time": {  # s
        "d": _F(86400),
        "h": _F(3600),
        "min": _F(60),
        "s": _F(1),
        "天": _F(86400),
        "日": _F(86400),
        "小时": _F(3600),
        "时": _F(3600),
        "分钟": _F(60),
        "分": _F(60),
        "秒": _F(1),
    },
    "area": {  # m²
        "km²": _F(10**6),
        "m²": _F(1),
        "cm²": _F(1, 10**4),
        "mm²": _F(1, 10**6),
        "公顷": _F(10**4),
        "ha": _F(10**4),
        "平方千米": _F(10**6),
        "平方米": _F(1),
        "平方分米": _F(1, 100),
        "平方厘米": _F(1, 10**4),
    },
    "money": {"元": _F(1), "角": _F(1, 10), "分": _F(1, 100)},
}
_SQUARE = str.maketrans({"²": "\u2072"})  # kept from the folding of superscripts
_PART = re.compile(r"\s*(\d+(?:\.\d+)?|\?|_{2,})\s*([^\d\s?_+=]+)")


class Quantity(NamedTuple):
    """amount: in the base unit of the dimension. parts: (number, unit) as printed."""

    amount: Fraction
    dimension: str
    parts: tuple[tuple[Fraction, str], ...]


def parts(text: str) -> list[tuple[str, str]] | None:
    """(number or "?", unit) of a printed quantity; None for what is none."""
    flat = plain(text.translate(_SQUARE)).replace("\u2072", "²").strip().rstrip("。.")
    found, place = [], 0
    while place < len(flat):
        match = _PART.match(flat, place)
        if match is None or not _dimensions(match[2]):
            return None
        found.append((match[1], match[2]))
        place = match.end()
    return found or None


def dimension_of(names: list[str]) -> str:
    """The one dimension that all units have; 分 is time beside 秒 and 小时, money beside 元 and 角.
    Raises DataError where there is none, or more than one is possible.
    """
    shared = set.intersection(*(_dimensions(name) for name in names))
    if len(shared) != 1:
        raise DataError(
            say("these units do not belong together"), ", ".join(names), say("mend the exercise")
        )
    return next(iter(shared))


def quantity(found: list[tuple[str, str]], dimension: str) -> Quantity:
    """The sum of the parts. Raises DataError for an unknown number."""
    known = []
    for amount, unit in found:
        if not amount[:1].isdigit():
            raise DataError(say("a number is missing"), unit, say("mend the exercise"))
        known.append((Fraction(amount), unit))
    total = sum((amount * UNITS[dimension][unit] for amount, unit in known), Fraction(0))
    return Quantity(total, dimension, tuple(known))


def _dimensions(name: str) -> set[str]:
    return {dimension for dimension, table in UNITS.items() if name in table}
