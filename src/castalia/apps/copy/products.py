"""A table of products, read as a stream of facts; what is wrong with a row is named, and the others
go on.

    empty          no name, or nothing beside it
    contradiction  two rows of one product with different facts, two columns of one measure that
                   disagree, an offer above the price
    currency       a price without a currency
    price          a price that is no number above zero
    unproved       none of our texts of it passes the checker
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from castalia.apps.copy.facts import MOST_DIGITS, UNITS, Fact, Product, folded
from castalia.apps.copy.roles import NO, ONE, YES, role_of, unit_of
from castalia.errors import DataError
from castalia.sentences import Message, say
from castalia.text_files import columns, tables

MOST_PRODUCTS, MOST_COLUMNS, LONGEST = 1_000_000, 100, 2000
_PRICE = re.compile(
    r"(?P<before>[€$£¥￥]|[A-Z]{3}(?=\s?\d))?\s?(?P<amount>\d+(?:,\d{3})*(?:\.\d+)?)\s?"
    r"(?P<after>[€$£¥￥元]|[A-Z]{3})?"
)
_PARTS = re.compile(r"\s*[;；|、]\s*")
_SCALES = {"g": ("g", 1), "kg": ("g", 1000), "ml": ("ml", 1), "l": ("ml", 1000)} | {
    "mm": ("mm", 1),
    "cm": ("mm", 10),
    "m": ("mm", 1000),
}
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}


@dataclass(frozen=True)
class Problem:
    """A row that is not used. rule: of the list above, or of claims.py."""

    line: int
    name: str
    rule: str
    what: Message


def products(path: Path, currency: str = "", name: str = "") -> Iterator[Product | Problem]:
    """The products of a table in its order. currency: of prices that have none of their own. name:
    the column of names; "" finds it. Raises DataError for a table without such a column.
    """
    doubtful = _contradicting(path, name)
    seen: set[str] = set()
    for line, row in tables.rows(path)[1]:
        made = product(row, line, currency, name, path.name)
        if isinstance(made, Problem):
            yield made
        elif made.name in doubtful:
            lines = ", ".join(map(str, doubtful[made.name]))
            what = say("rows of the same product have different facts: lines {0}", lines)
            yield Problem(line, made.name, "contradiction", what)
        elif made.name not in seen:
            seen.add(made.name)
            yield made
    if not seen and not doubtful:
        return


def product(
    row: Mapping[str, Any], line: int, currency: str, name: str, source: str
) -> Product | Problem:
    """One row as facts, or what is wrong with it. Raises DataError where no column is of names."""
    named = name_column(list(row), name, source)
    title = _text(row.get(named))
    found: list[Fact] = []
    prices: dict[str, Fraction] = {}
    column = next((key for key in row if role_of(key) == "currency"), "")
    usual = _text(row.get(column)) or currency
    if not title:
        return Problem(line, "", "empty", say("the row has no name"))
    for header, cell in row.items():
        value = _text(cell)
        label, unit = unit_of(header)
        role = role_of(label)
        if not value or header in (named, column) or role == "id":
            continue
        if role in ("price", "sale"):
            shown = _price(value, unit or usual)
            if isinstance(shown, Message):
                rule = "currency" if "currency" in shown.template else "price"
                return Problem(line, title, rule, shown)
            prices[role] = shown[1]
            found.append(Fact(label, (shown[0],), role))
        elif value.casefold() in YES | NO and role not in ONE:
            found.append(Fact(label, (), role, value.casefold() in YES))
        else:
            found.append(Fact(label, _values(value, unit, role), role))
    if not found:
        return Problem(line, title, "empty", say("nothing is said of it but its name"))
    if len(prices) == 2 and prices["sale"] > prices["price"]:
        return Problem(line, title, "contradiction", say("the offer is above the price"))
    against = _measured_twice(found)
    if against is not None:
        return Problem(line, title, "contradiction", against)
    return Product(title, tuple(found), line)


def name_column(headers: Sequence[str], name: str, source: str) -> str:
    """The column of names. Raises DataError where there is none."""
    if name:
        if name not in headers:
            raise columns.missing(name, list(headers), source)
        return name
    for wanted in ("name", "id"):
        for header in headers:
            if role_of(header) == wanted:
                return header
    raise DataError(
        say("no column is the name of the product"),
        source,
        say("name it with --name; columns: {0}", ", ".join(headers)[:200]),
    )


def _contradicting(path: Path, name: str) -> dict[str, list[int]]:
    """Names of rows that differ, with their lines. Of each name a digest is kept, not its row."""
    digests: dict[str, tuple[bytes, int]] = {}
    found: dict[str, list[int]] = {}
    for count, (line, row) in enumerate(tables.rows(path)[1], 1):
        if count > MOST_PRODUCTS or len(row) > MOST_COLUMNS:
            raise DataError(
                say("the table is too large"),
                path.name,
                say("{0:,} products of {1} columns at most", MOST_PRODUCTS, MOST_COLUMNS),
            )
        title = _text(row.get(name_column(list(row), name, path.name)))
        said = "\x1f".join(f"{key}={_text(value)}" for key, value in row.items())
        digest = hashlib.blake2b(said.encode(errors="replace"), digest_size=12).digest()
        before, first = digests.setdefault(title, (digest, line))
        if title and before != digest:
            found.setdefault(title, [first]).append(line)
    return found


def _price(value: str, currency: str) -> tuple[str, Fraction] | Message:
    """(as it is printed, the amount), or what is wrong with it."""
    match = _PRICE.fullmatch(folded(value).strip())
    if match is None or len(match["amount"]) > MOST_DIGITS:
        return say("the price '{0}' is no number", value[:40])
    amount = Fraction(match["amount"].replace(",", ""))
    if amount <= 0:
        return say("the price '{0}' is not above zero", value[:40])
    own = match["before"] or match["after"]
    if not own and not currency:
        return say("the price '{0}' has no currency", value[:40])
    if own:
        return value, amount
    code = currency.strip().upper()
    if code in ("CNY", "RMB", "元", "¥"):
        return f"{value}元", amount
    symbol = _SYMBOLS.get(code, code)
    return (f"{symbol}{value}" if len(symbol) == 1 else f"{value} {symbol}"), amount


def _values(value: str, unit: str, role: str) -> tuple[str, ...]:
    parts = [value] if role in ONE else [part for part in _PARTS.split(value) if part]
    between = "" if re.search(r"[\u4e00-\u9fff%]", unit) else " "
    bare = re.compile(r"\d+(?:[.,]\d+)*")
    return tuple(
        f"{part}{between}{unit}" if unit and bare.fullmatch(part) else part for part in parts
    )


def _measured_twice(facts: Sequence[Fact]) -> Message | None:
    """Two columns of one role whose measures disagree."""
    known: dict[str, tuple[str, Fraction, str]] = {}
    for one in facts:
        for value in one.values:
            match = re.fullmatch(r"(\d{1,20}(?:\.\d{1,9})?)\s*(\S+)", folded(value))
            scale = _SCALES.get(UNITS.get(match[2].lower(), "")) if match else None
            if match is None or scale is None or not one.role:
                continue
            base, amount = scale[0], Fraction(match[1]) * scale[1]
            before = known.setdefault(f"{one.role} {base}", (base, amount, value))
            if before[1] != amount and one.role in ONE:
                return say("'{0}' and '{1}' contradict each other", before[2], value)
    return None


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(str(cell).split())[:LONGEST]
