"""The way from a question to its answer, one line for each step: that is how steps are counted.

    steps("2 + 3 × 4")        = 2 + 12, = 14
    steps("1/2 + 1/3")        = 3/6 + 2/6, = 5/6
    solution("3(x − 2) = 9")  3x − 6 = 9, 3x = 15, x = 5

A step is one operation, one change to a common denominator, one mixed number made improper, one
division turned into a product, one fraction put into lowest terms; in an equation brackets
multiplied out on one side, like terms of one side put together, x or numbers brought to one side,
or both sides divided. Counting them orders exercises; how hard a child finds them was not measured.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from castalia.apps.lesson.expressions import SIGNS, Leaf, Linear, Operation, Tree, worth
from castalia.apps.lesson.printing import decimal, printed
from castalia.errors import DataError
from castalia.sentences import say

MOST_LINES = 60


def steps(tree: Tree) -> tuple[str, ...]:
    """Lines "= ..." down to one number in lowest terms. The tree has no unknown."""
    lines: list[str] = []
    for _ in range(MOST_LINES):
        further = _reduced(tree)
        if further is None:
            return tuple(lines)
        tree = further
        lines.append(f"= {printed(tree)}")
    raise DataError(
        say("the exercise takes more than {0} steps", MOST_LINES),
        printed(tree)[:80],
        say("make it shorter"),
    )


def solution(left: Tree, right: Tree, unknown: str = "x") -> tuple[str, ...]:
    """Lines of a linear equation down to "x = ...". The unknown stands on one side at least, and
    there is one solution.
    """
    sides = [_terms(left), _terms(right)]
    lines: list[str] = []

    def note() -> None:
        lines.append(f"{_sum(sides[0], unknown)} = {_sum(sides[1], unknown)}")

    for place, tree in enumerate((left, right)):
        if _has_brackets(tree):
            if not place and _has_brackets(right):
                lines.append(f"{_sum(sides[0], unknown)} = {printed(right, unknown)}")
            else:
                note()
    for place in (0, 1):
        kinds = [bool(term.slope) for term in sides[place]]
        if max(kinds.count(True), kinds.count(False)) > 1:
            sides[place] = _collected(sides[place])
            note()
    one, other = worth(left), worth(right)
    if one.slope < other.slope:
        one, other = other, one
        sides.reverse()
    if other.slope:
        one, other = Linear(one.constant, one.slope - other.slope), Linear(other.constant, _ZERO)
        sides = [_of(one), _of(other)]
        note()
    if one.constant:
        one, other = Linear(_ZERO, one.slope), Linear(other.constant - one.constant, _ZERO)
        sides = [_of(one), _of(other)]
        note()
    if one.slope != 1:
        lines.append(f"{unknown} = {_number(other.constant / one.slope)}")
    return tuple(lines)


_ZERO = Fraction(0)


def _reduced(tree: Tree) -> Tree | None:
    """One step on, or None where nothing is left to do."""
    if isinstance(tree, Leaf):
        return _simpler(tree)
    for sign in (2, 1):
        done = _first(tree, sign)
        if done is not None:
            return done
    return None


def _simpler(leaf: Leaf) -> Leaf | None:
    if leaf.whole:
        return _improper(leaf)
    lowest = _lowest(leaf.value)
    return lowest if leaf.under != 1 and leaf != lowest else None


def _improper(leaf: Leaf) -> Leaf:
    return Leaf(leaf.whole * leaf.under + leaf.over, leaf.under)


def _first(tree: Tree, rank: int) -> Tree | None:
    """The tree with its first operation of this rank (2 for × and ÷) done whose sides are
    numbers.
    """
    if not isinstance(tree, Operation):
        return None
    if isinstance(tree.left, Leaf) and isinstance(tree.right, Leaf):
        return _done(tree, tree.left, tree.right) if SIGNS[tree.sign] == rank else None
    for left in (True, False):
        inner = _first(tree.left if left else tree.right, rank)
        if inner is not None:
            sides = (inner, tree.right) if left else (tree.left, inner)
            return Operation(tree.sign, *sides, tree.bar)
    return None


def _done(tree: Operation, left: Leaf, right: Leaf) -> Tree:
    """One step on an operation of two numbers, the last of which gives a number."""
    if left.whole or right.whole:
        return Operation(tree.sign, _improper(left), _improper(right))
    whole = left.under == right.under == 1
    if not whole and (left.over.denominator, right.over.denominator) != (1, 1):
        return Operation(tree.sign, _as_fraction(left), _as_fraction(right))
    value = worth(tree).constant
    if whole and tree.sign != "÷":
        return Leaf(value)
    if whole:
        return Leaf(value) if decimal(value) == printed(Leaf(value)) else _lowest(value)
    if tree.sign in "+−":
        return _added(tree, left, right)
    if tree.sign == "÷":
        if not right.over:
            raise DataError(say("something is divided by zero"), "÷", say("mend the exercise"))
        return Operation("×", left, _fraction(Fraction(right.under), int(right.over)))
    return _fraction(left.over * right.over, left.under * right.under)


def _added(tree: Operation, left: Leaf, right: Leaf) -> Tree:
    if left.under != right.under:
        common = lcm(left.under, right.under)
        return Operation(tree.sign, _widened(left, common), _widened(right, common))
    over = left.over + (right.over if tree.sign == "+" else -right.over)
    return _fraction(over, left.under)


def _widened(leaf: Leaf, under: int) -> Leaf:
    return Leaf(leaf.over * (under // leaf.under), under)


def _fraction(over: Fraction, under: int) -> Leaf:
    return Leaf(over, under) if under > 0 else Leaf(-over, -under)


def _as_fraction(leaf: Leaf) -> Leaf:
    return leaf if leaf.over.denominator == 1 else _lowest(leaf.value)


def _lowest(value: Fraction) -> Leaf:
    return Leaf(Fraction(value.numerator), value.denominator)


# Equations ----------------------------------------------------------------------------------------


def _terms(tree: Tree) -> list[Linear]:
    """The terms of one side with brackets multiplied out, in order; each a number or a multiple of
    the unknown.
    """
    if isinstance(tree, Operation) and tree.sign in "+−":
        turn = 1 if tree.sign == "+" else -1
        right = [Linear(turn * one.constant, turn * one.slope) for one in _terms(tree.right)]
        return [*_terms(tree.left), *right]
    if isinstance(tree, Operation) and _has_brackets(tree):
        left, right = worth(tree.left), worth(tree.right)
        inner, factor = (
            (tree.right, left.constant)
            if tree.sign == "×" and not left.slope
            else (tree.left, right.constant if tree.sign == "×" else 1 / right.constant)
        )
        return [Linear(factor * one.constant, factor * one.slope) for one in _terms(inner)]
    found = worth(tree)
    return [found]


def _has_brackets(tree: Tree) -> bool:
    """Whether a product or quotient in it has a sum with the unknown for a factor."""
    if not isinstance(tree, Operation):
        return False
    if tree.sign in "×÷" and any(
        isinstance(one, Operation) and (one.sign in "+−" or _has_brackets(one)) and worth(one).slope
        for one in (tree.left, tree.right)
    ):
        return True
    return _has_brackets(tree.left) or _has_brackets(tree.right)


def _collected(terms: list[Linear]) -> list[Linear]:
    return _of(
        Linear(sum((t.constant for t in terms), _ZERO), sum((t.slope for t in terms), _ZERO))
    )


def _of(one: Linear) -> list[Linear]:
    parts = [Linear(_ZERO, one.slope)] if one.slope else []
    return parts + ([Linear(one.constant, _ZERO)] if one.constant or not parts else [])


def _sum(terms: list[Linear], unknown: str) -> str:
    words = ""
    for one in terms:
        value = one.slope or one.constant
        text = _multiple(abs(value), unknown) if one.slope else _number(abs(value))
        if not words:
            words = f"−{text}" if value < 0 else text
        else:
            words += f" − {text}" if value < 0 else f" + {text}"
    return words


def _multiple(slope: Fraction, unknown: str) -> str:
    over = f"{slope.numerator}" if slope.numerator != 1 else ""
    joined = f"{over} × {unknown}" if over and unknown != "x" else f"{over}{unknown}"
    return joined if slope.denominator == 1 else f"{joined}/{slope.denominator}"


def _number(value: Fraction) -> str:
    return printed(_lowest(value)) if value.denominator != 1 else printed(Leaf(value))
