"""A product as facts, and the numbers that they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple
from unicodedata import normalize

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# one spelling for a unit
UNITS: Mapping[str, str] = {
    spelling: unit
    for unit, spellings in {
        "g": "g gram grams 克",
        "kg": "kg kilogram kilograms kilos 千克 公斤",
        "mg": "mg 毫克",
        "ml": "ml millilitre millilitres milliliters 毫升",
        "l": "l litre litres liter liters 升",
        "mm": "mm 毫米",
        "cm": "cm centimetre centimetres centimeters 厘米",
        "m": "m metre metres meter meters 米",
        "in": "in inch inches 英寸",
        "w": "w watt watts 瓦",
        "v": "v volt volts 伏",
        "mah": "mah 毫安时",
        "h": "h hour hours hrs 小时",
        "min": "min minute minutes 分钟",
        "day": "day days 天",
        "month": "month months 个月",
        "year": "year years 年",
        "%": "% percent ％",
        "€": "€ eur euro euros 欧元",
        "$": "$ usd dollar dollars 美元",
        "£": "£ gbp pound pounds 英镑",
        "¥": "¥ ￥ cny rmb yuan 元 人民币",
        "piece": "piece pieces pcs 件 个 只 支 片 枚",
    }.items()
    for spelling in spellings.split()
}
_SYMBOLS = "€$£¥￥"
_NUMBER = re.compile(rf"([{_SYMBOLS}]\s?)?(?<![A-Za-z0-9.])(\d+(?:,\d{{3}})*(?:\.\d+)?)(?![\d])")
_AFTER = re.compile(r"[ \u00a0-]?(个月|小时|分钟|毫安时|[^\W\d_a-zA-Z]|[a-zA-Z]+|[%°€$£¥])")
MOST_DIGITS = 30
PRICED = ("price", "sale")
NOT = "{0}: no"


class Number(NamedTuple):
    """value: exact. unit: one spelling of it, or the word behind the number; "" for none. start,
    stop: its characters.
    """

    value: Fraction
    unit: str
    start: int
    stop: int


@dataclass(frozen=True)
class Fact:
    """values: as they are written, one or several. role: roles.py; "" for a column without one.
    said: None, or whether a column of yes and no says yes; then the label is what is said.
    """

    label: str
    values: tuple[str, ...]
    role: str = ""
    said: bool | None = None

    @property
    def shown(self) -> str:
        if self.said is None:
            return ", ".join(self.values)
        return NOT.format(self.label) if not self.said else self.label


@dataclass(frozen=True)
class Product:
    """line: of the table. facts: in the order of its columns, name and kind among them."""

    name: str
    facts: tuple[Fact, ...]
    line: int
    key: str = ""

    def of(self, role: str) -> Fact | None:
        """The first fact with a role."""
        return next((one for one in self.facts if one.role == role), None)

    def value(self, role: str) -> str:
        found = self.of(role)
        return found.values[0] if found else ""

    @cached_property
    def said(self) -> tuple[str, ...]:
        """All that may be said of it, in whole or in words: names, labels, values."""
        found = [self.name]
        for one in self.facts:
            found += [] if one.said is False else [one.label.replace("_", " ")]
            found += one.values
        return tuple(dict.fromkeys(filter(None, found)))

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """`said`, and what may be said as a whole only: what it is not."""
        found = list(self.said)
        for one in self.facts:
            label = one.label.replace("_", " ")
            if one.said is True:
                found += [f"{label}: yes", f"{label}：是"]
            elif one.said is False:  # the label alone would say the contrary
                found += [f"{label}: no", f"{label}：否", f"not {label}", f"不{label}"]
        return tuple(found)

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        return tuple(number for phrase in self.phrases for number in numbers(phrase))


def folded(text: str) -> str:
    """A text as it is compared: full-width characters as usual ones."""
    return normalize("NFKC", text.replace("²", "^2").replace("³", "^3")).replace("−", "-")


def numbers(text: str) -> Iterator[Number]:
    """The numbers of a text, each with the unit or the word behind it."""
    flat = folded(text)
    for match in _NUMBER.finditer(flat):
        symbol = (match[1] or "").strip()
        behind = _AFTER.match(flat, match.end())
        word = behind[1].lower() if behind else ""
        unit = UNITS.get(symbol) or UNITS.get(word) or word
        digits = match[2].replace(",", "")
        # a longer one is in no table, and Python refuses to read it
        value = Fraction(digits) if len(digits) <= MOST_DIGITS else Fraction(-1)
        yield Number(value, unit, match.start(), match.end())
