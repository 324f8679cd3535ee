"""Exercises of arithmetic, fractions and equations, built backwards from their answers.

The answer is chosen first and taken apart (27 becomes 3 × 9, then 3 × (14 − 5)), so it is known
before anything is computed; the checker reads the printed text and computes forwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd
from random import Random

from castalia.apps.lesson.exercise import Exercise
from castalia.apps.lesson.expressions import UNKNOWN, Leaf, Operation, Tree
from castalia.apps.lesson.printing import number, printed
from castalia.apps.lesson.working import solution, steps

SIGNS = "+−×÷"
TRIES = 400
_WORDS = {
    "en": {"lowest": "Put into lowest terms: {0}", "compare": "Write <, > or = : {0} ○ {1}"},
    "zh": {"lowest": "约成最简分数：{0}", "compare": "填上 <、> 或 =：{0} ○ {1}"},
}


def arithmetic(
    rng: Random, wanted: int, largest: int, signs: Sequence[str], language: str
) -> Exercise | None:
    """`wanted` operations on whole numbers, none above `largest` on the way; of one operation, one
    in four asks for a number in it. None where a draw came to nothing.
    """
    answer = rng.randint(1, largest)
    tree: Tree = Leaf(Fraction(answer))
    for _ in range(wanted):
        grown = _apart(tree, rng, largest, signs)
        if grown is None:
            return None
        tree = grown
    if wanted == 1 and rng.random() < 0.25 and isinstance(tree, Operation):
        return _missing(tree, answer, rng)
    lines = steps(tree)
    return Exercise("arithmetic", f"{printed(tree)} = ?", number(Fraction(answer)), lines)


def fractions(
    rng: Random, wanted: int, largest: int, signs: Sequence[str], language: str
) -> Exercise | None:
    """Fractions to be added, multiplied, put into lowest terms or compared; no denominator above
    `largest`, and none above 60.
    """
    most = min(largest, 60)
    words = _WORDS[language]
    if wanted == 1 and rng.random() < 0.3:
        value, factor = _fraction(rng, 12), rng.randint(2, 9)
        under = value.denominator * factor
        if under > most or value.denominator == 1:
            return None
        shown = Leaf(Fraction(value.numerator * factor), under)
        return Exercise(
            "fractions", words["lowest"].format(printed(shown)), number(value), steps(shown)
        )
    if wanted == 2 and rng.random() < 0.2:
        return _compared(rng, most, words["compare"])
    answer = _fraction(rng, 12) if rng.random() < 0.9 else Fraction(rng.randint(1, 5))
    tree: Tree = _leaf(answer, rng, mixed=False)
    for _ in range(1 if wanted < 5 else 2):
        grown = _apart_fraction(tree, rng, most, signs)
        if grown is None:
            return None
        tree = grown
    lines = steps(tree)
    if not lines or lines[-1] != f"= {number(answer)}":
        return None
    return Exercise("fractions", f"{printed(tree)} = ?", number(answer), lines)


def equations(
    rng: Random, wanted: int, largest: int, signs: Sequence[str], language: str
) -> Exercise | None:
    """A linear equation in x with a whole solution, no number above `largest` in it."""
    x = rng.choice([one for one in range(-12, 13) if one not in (0, 1)])

    def some(low: int = 2, high: int = 9) -> int:
        return rng.randint(low, high) * rng.choice((1, 1, -1))

    a, b, c, d = rng.randint(2, 9), some(1, 20), rng.randint(2, 9), some(1, 20)
    shapes: dict[int, list[tuple[Tree, Tree]]] = {
        1: [
            (_plus(UNKNOWN, b), _num(x + b)),
            (_times(a, UNKNOWN), _num(a * x)),
            (Operation("÷", UNKNOWN, _num(a), bar=True), _num(Fraction(x, a))),
        ],
        2: [
            (_plus(_times(a, UNKNOWN), b), _num(a * x + b)),
            (_plus(Operation("÷", UNKNOWN, _num(a), bar=True), b), _num(Fraction(x, a) + b)),
            (Operation("−", _num(b * a), _times(a, UNKNOWN)), _num(a * b - a * x)),
        ],
        3: [
            (_plus(_times(a, UNKNOWN), b), _plus(_times(c, UNKNOWN), (a - c) * x + b)),
            (_times(a, _plus(UNKNOWN, b)), _num(a * (x + b))),
        ],
        4: [
            (_times(a, _plus(UNKNOWN, b)), _plus(_times(c, UNKNOWN), a * (x + b) - c * x)),
            (_plus(_times(a, _plus(UNKNOWN, b)), d), _num(a * (x + b) + d)),
        ],
    }
    both = _plus(_times(c, _plus(UNKNOWN, d)), a * (x + b) - c * (x + d))
    shapes[5] = [
        (_plus(_times(a, _plus(UNKNOWN, b)), d), _plus(_times(c, UNKNOWN), a * (x + b) + d - c * x))
    ]
    shapes[6] = [(_times(a, _plus(UNKNOWN, b)), both)]
    shapes[7] = [(_plus(_times(a, _plus(UNKNOWN, b)), d), _plus(both, d))]
    left, right = rng.choice(shapes[min(wanted, 7)])
    if _largest(left, right) > largest or (a == c and wanted > 2):
        return None
    if _has_fraction(left, right):
        return None
    question = f"{printed(left)} = {printed(right)}"
    return Exercise("equations", question, f"x = {number(Fraction(x))}", solution(left, right))


def _apart(tree: Tree, rng: Random, largest: int, signs: Sequence[str]) -> Tree | None:
    """The tree with one of its numbers turned into an operation that gives it."""
    if isinstance(tree, Operation):
        left = rng.random() < 0.5
        inner = _apart(tree.left if left else tree.right, rng, largest, signs)
        if inner is None:
            return None
        return Operation(tree.sign, *((inner, tree.right) if left else (tree.left, inner)))
    value = int(tree.value)
    sign = rng.choice(list(signs))
    pair: tuple[int, int] | None = None
    if sign == "+" and value > 2:
        part = rng.randint(1, value - 1)
        pair = (value - part, part)
    elif sign == "−" and value < largest:
        part = rng.randint(1, largest - value)
        pair = (value + part, part)
    elif sign == "×":
        factors = [one for one in range(2, value) if value % one == 0]
        if factors:
            factor = rng.choice(factors)
            pair = (factor, value // factor)
    elif sign == "÷" and 2 * value <= largest:
        factor = rng.randint(2, min(12, largest // value))
        pair = (value * factor, factor)
    if pair is None or 0 in pair:
        return None
    return Operation(sign, _num(pair[0]), _num(pair[1]))


def _missing(tree: Operation, answer: int, rng: Random) -> Exercise | None:
    """One number of an operation asked for: □ + 27 = 75."""
    left = rng.random() < 0.5
    asked, right = (tree.left if left else tree.right), Leaf(Fraction(answer))
    if not left and tree.sign in "−÷":
        return None  # 75 − □: two thoughts, not one
    shown = Operation(tree.sign, *((UNKNOWN, tree.right) if left else (tree.left, UNKNOWN)))
    question = f"{printed(shown, '□')} = {printed(right)}"
    return Exercise("arithmetic", question, printed(asked), solution(shown, right, "□"))


def _apart_fraction(tree: Tree, rng: Random, most: int, signs: Sequence[str]) -> Tree | None:
    if isinstance(tree, Operation):
        inner = _apart_fraction(tree.left, rng, most, signs)
        if inner is None:
            return None
        return Operation(tree.sign, inner, tree.right)
    value, other = tree.value, _fraction(rng, 12)
    if other == 1:
        return None
    sign = rng.choice(list(signs))
    first = {
        "+": value - other,
        "−": value + other,
        "×": value / other,
        "÷": value * other,
    }[sign]
    if first <= 0 or first.denominator > most or first.numerator > most or first == 1:
        return None
    mixed = rng.random() < 0.35
    return Operation(sign, _leaf(first, rng, mixed), _leaf(other, rng, mixed=False))


def _compared(rng: Random, most: int, words: str) -> Exercise | None:
    one, other = _fraction(rng, 12), _fraction(rng, 12)
    if one.denominator == other.denominator or one == other:
        return None
    common = one.denominator * other.denominator // gcd(one.denominator, other.denominator)
    if common > most:
        return None
    sign = "<" if one < other else ">"
    scaled = [Leaf(value * common, common) for value in (one, other)]
    line = f"{printed(scaled[0])} ○ {printed(scaled[1])}"
    lines = (line, line.replace("○", sign))
    return Exercise("fractions", words.format(number(one), number(other)), sign, lines)


def _fraction(rng: Random, under: int) -> Fraction:
    """A proper fraction, or one a little above 1."""
    below = rng.randint(2, under)
    return Fraction(rng.randint(1, below + below // 2), below)


def _leaf(value: Fraction, rng: Random, mixed: bool) -> Leaf:
    whole, rest = divmod(value.numerator, value.denominator)
    if mixed and whole and rest and value.denominator > 1:
        return Leaf(Fraction(rest), value.denominator, whole)
    return Leaf(Fraction(value.numerator), value.denominator)


def _num(value: int | Fraction) -> Leaf:
    return Leaf(Fraction(value))


def _plus(tree: Tree, value: int | Fraction) -> Operation:
    return Operation("+" if value >= 0 else "−", tree, _num(abs(value)))


def _times(factor: int, tree: Tree) -> Operation:
    return Operation("×", _num(factor), tree)


def _leaves(*trees: Tree) -> list[Fraction]:
    found: list[Fraction] = []
    for tree in trees:
        if isinstance(tree, Operation):
            found += _leaves(tree.left, tree.right)
        elif isinstance(tree, Leaf):
            found.append(tree.value)
    return found


def _largest(*trees: Tree) -> Fraction:
    return max(map(abs, _leaves(*trees)), default=Fraction(0))


def _has_fraction(*trees: Tree) -> bool:
    return any(one.denominator != 1 or one == 0 for one in _leaves(*trees))
