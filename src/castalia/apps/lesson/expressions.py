"""Exact arithmetic as it is printed: text to a tree, and what a tree is worth.

    read("3 × (14 − 5) + 1/2")                       a tree
    worth(read("2(x − 3) + 1"))                      Linear(constant=-5, slope=2)

A tree is a `Leaf`, the `Unknown` or an `Operation`. Numbers are whole, decimal, fractions (3/4) and
mixed (1 1/2); a fraction bar without blanks binds tighter than ÷, as in print. The unknown is one
letter, □, or __. All values are fractions.Fraction, so nothing is rounded. Brackets deeper than
`DEEPEST`, more than `LONGEST` characters and powers are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple
from unicodedata import normalize

from castalia.errors import DataError
from castalia.sentences import say

LONGEST, DEEPEST, MOST_DIGITS = 500, 30, 30
SIGNS = {"+": 1, "−": 1, "×": 2, "÷": 2}
_SAME = str.maketrans({"-": "−", "–": "−", "*": "×", "·": "×", "✕": "×", "∕": "/", "⁄": "/"})
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<sign>[+−×÷/()])|(?P<unknown>[a-zA-Z□]|_{2,}))"
)


@dataclass(frozen=True)
class Leaf:
    """A number as it is written: whole + over/under, or a decimal."""

    over: Fraction
    under: int = 1
    whole: int = 0

    @property
    def value(self) -> Fraction:
        return self.whole + self.over / self.under


@dataclass(frozen=True)
class Unknown:
    """What is asked for."""


@dataclass(frozen=True)
class Operation:
    """left sign right. sign: + − × ÷. bar: the ÷ is written as a fraction bar."""

    sign: str
    left: Tree
    right: Tree
    bar: bool = False


Tree = Leaf | Unknown | Operation
UNKNOWN = Unknown()


class Linear(NamedTuple):
    """constant + slope · x."""

    constant: Fraction
    slope: Fraction

    def at(self, x: Fraction) -> Fraction:
        return self.constant + self.slope * x


def plain(text: str) -> str:
    """Full-width characters as usual ones; one sign for each operation; no thousands commas. A
    vulgar fraction such as ½ becomes 1/2 behind a blank.
    """
    flat = "".join(f" {one}" if "\u00bc" <= one <= "\u00be" else one for one in text)
    flat = normalize("NFKC", flat).translate(_SAME)
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", flat)


def read(text: str) -> Tree:
    """The tree of an expression. Raises DataError for what is none."""
    if len(text) > LONGEST:
        raise _unread(text, say("it has more than {0} characters", LONGEST))
    parser = _Parser(plain(text), text)
    tree = parser.sum(0)
    if parser.tokens:
        raise _unread(text, say("'{0}' does not belong there", parser.tokens[0][1]))
    return tree


def worth(tree: Tree) -> Linear:
    """What a tree is worth, exactly. Raises DataError for a division by zero, and where the unknown
    is multiplied by itself or divided by.
    """
    if isinstance(tree, Unknown):
        return Linear(Fraction(0), Fraction(1))
    if isinstance(tree, Leaf):
        return Linear(tree.value, Fraction(0))
    left, right = worth(tree.left), worth(tree.right)
    match tree.sign:
        case "+":
            return Linear(left.constant + right.constant, left.slope + right.slope)
        case "−":
            return Linear(left.constant - right.constant, left.slope - right.slope)
        case "×" if not left.slope or not right.slope:
            factor, other = (left.constant, right) if not left.slope else (right.constant, left)
            return Linear(factor * other.constant, factor * other.slope)
        case "÷" if not right.slope and right.constant:
            return Linear(left.constant / right.constant, left.slope / right.constant)
    if tree.sign == "÷" and not right.slope:
        raise DataError(say("something is divided by zero"), tree.sign, say("mend the exercise"))
    raise DataError(
        say("the unknown is multiplied by itself, or something is divided by it"),
        tree.sign,
        say("equations are linear here"),
    )


class _Parser:
    def __init__(self, text: str, given: str) -> None:
        self.given = given
        self.tokens: list[tuple[str, str, bool]] = []  # kind, text, whether a blank stands before
        place, text = 0, text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _unread(given, say("'{0}' does not belong there", text[place:].strip()[:1]))
            kind = str(match.lastgroup)
            word = match[kind]
            if len(word) > MOST_DIGITS:
                raise _unread(given, say("a number has more than {0} digits", MOST_DIGITS))
            self.tokens.append((kind, word, match.start(kind) > place))
            place = match.end()

    def peek(self) -> str:
        return self.tokens[0][1] if self.tokens else ""

    def kind(self, ahead: int = 0) -> str:
        return self.tokens[ahead][0] if len(self.tokens) > ahead else ""

    def take(self) -> str:
        if not self.tokens:
            raise _unread(self.given, say("something is missing at the end"))
        return self.tokens.pop(0)[1]

    def sum(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise _unread(self.given, say("the brackets are more than {0} deep", DEEPEST))
        tree = self.product(depth)
        while self.peek() in ("+", "−"):
            tree = Operation(self.take(), tree, self.product(depth))
        return tree

    def product(self, depth: int) -> Tree:
        tree = self.signed(depth)
        while self.peek() in ("×", "÷"):
            tree = Operation(self.take(), tree, self.signed(depth))
        return tree

    def signed(self, depth: int) -> Tree:
        if self.peek() != "−":
            return self.joined(depth)
        self.take()
        if depth > DEEPEST:
            raise _unread(self.given, say("the brackets are more than {0} deep", DEEPEST))
        inner = self.signed(depth + 1)
        if isinstance(inner, Leaf) and not inner.whole:
            return Leaf(-inner.over, inner.under)
        return Operation("×", Leaf(Fraction(-1)), inner)

    def joined(self, depth: int) -> Tree:
        """Factors without a sign between them, 3x and 2(x + 1), and fraction bars."""
        tree = self.factor(depth)
        while self.tokens:
            if self.peek() == "/":
                self.take()
                tree = Operation("÷", tree, self.factor(depth), bar=True)
            elif self.peek() == "(" or (self.kind() == "unknown" and not self.tokens[0][2]):
                tree = Operation("×", tree, self.factor(depth))
            else:
                break
        return tree

    def factor(self, depth: int) -> Tree:
        kind = self.kind()
        if self.peek() == "(":
            self.take()
            tree = self.sum(depth + 1)
            if self.take() != ")":
                raise _unread(self.given, say("a bracket is not closed"))
            return tree
        word = self.take()
        if kind == "unknown":
            return UNKNOWN
        if kind != "number":
            raise _unread(self.given, say("'{0}' does not belong there", word))
        if "." in word:
            return Leaf(Fraction(word))
        if self._is_fraction(0) and self.tokens[0][1] == "/":
            return self._fraction(word, 0)
        if self.kind() == "number" and self.tokens[0][2] and self._is_fraction(1):
            return self._fraction(self.take(), int(word))  # 1 1/2
        return Leaf(Fraction(word))

    def _is_fraction(self, ahead: int) -> bool:
        """Whether a bar and a whole number follow, `ahead` tokens on."""
        rest = self.tokens[ahead : ahead + 2]
        return (
            len(rest) == 2
            and rest[0][1] == "/"
            and rest[1][0] == "number"
            and "." not in rest[1][1]
            and not rest[0][2]
            and not rest[1][2]
        )

    def _fraction(self, over: str, whole: int) -> Leaf:
        self.take()
        under = int(self.take())
        if not under:
            raise DataError(
                say("something is divided by zero"), self.given[:80], say("mend the exercise")
            )
        return Leaf(Fraction(over), under, whole)


def _unread(text: str, why: str) -> DataError:
    return DataError(
        say("this cannot be read as arithmetic: {0}", why),
        text[:80],
        say("write it like {0}", "3 × (14 − 5) + 1/2"),
    )
