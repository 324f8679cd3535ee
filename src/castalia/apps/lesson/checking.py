"""Whether answers are right, from the printed text alone, so that exercises from elsewhere can be
checked, too.

    check("3 × (14 − 5) = ?", "27")             right
    check("3x + 5 = 20", "x = 4")               wrong, expected x = 5
    check("2 h 35 min = ? min", "155 min")      right

What is read: arithmetic and fractions (expressions.py), a fraction to be put into lowest terms, two
to be compared, linear equations, a division with remainder, quantities (quantities.py), stories
(stories.py), and with their text cloze and vocabulary (word_checks.py). An answer to an equation is
put into it, and no second one may exist. Everything is exact. Nothing of the generators is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from castalia.apps.lesson import quantities
from castalia.apps.lesson.expressions import (
    LONGEST,
    Linear,
    Operation,
    Tree,
    Unknown,
    plain,
    read,
    worth,
)
from castalia.apps.lesson.printing import decimal, number
from castalia.apps.lesson.stories import told_value
from castalia.errors import DataError
from castalia.sentences import Message, say

RIGHT, WRONG, UNREAD = "right", "wrong", "unread"
LONGEST_QUESTION = 2000  # characters
_BLANK = re.compile(r"[?？_□\s]*[.。]?")
_PREFIX = re.compile(r"^[^:：]{0,80}[:：]\s*")
_LOWEST = re.compile(r"lowest terms|simplif|最简|约分|约成", re.IGNORECASE)
_REMAINDER = re.compile(
    r"(?P<over>\d+)\s*[÷/]\s*(?P<under>\d+)\s*=\s*\?\s*(?:R|r|余|…+|⋯+|remainder)\s*\?"
)
_REST = re.compile(r"\s*(\d+)\s*(?:R|r|余|\.{3,}|…+|⋯+|remainder)\s*(\d+)\s*")


@dataclass(frozen=True)
class Verdict:
    """state: right, wrong or unread. expected: the right answer, "" where it is not known. why:
    one sentence; "" where there is nothing to say.
    """

    state: str
    expected: str = ""
    why: str = ""


Check = Callable[[str, str], Verdict | None]


def check(question: str, answer: str, choices: Sequence[str] = ()) -> Verdict:
    """The verdict on one exercise of numbers. choices: exactly one of them may be right, and it has
    to be the answer.
    """
    if len(question) > LONGEST_QUESTION or len(answer) > LONGEST:
        return Verdict(UNREAD, "", say("it is too long"))
    found = _check(question, answer)
    if found.state != RIGHT or not choices:
        return found
    others = [one for one in choices if _check(question, one).state == RIGHT]
    if len(others) != 1:
        return Verdict(WRONG, found.expected, say("{0} of the choices are right", len(others)))
    return found


def working_holds(question: str, answer: str, working: Sequence[str]) -> bool:
    """Whether every line of a working is true: equal to the answer, or an equation that it
    solves.
    """
    left, _, right = question.partition("=")
    asked = [*(quantities.parts(left) or ()), *(quantities.parts(right) or ())]
    return all(_line_holds(line, answer, [unit for _, unit in asked]) for line in working)


def _check(question: str, answer: str) -> Verdict:
    question = question.replace("＝", "=")
    bare = _PREFIX.sub("", question)
    kinds: tuple[tuple[Check, str], ...] = (
        (_lowest, question),
        (_compared, bare),
        (_with_remainder, bare),
        (_units, bare),
        (_story, question),
        (_equation, bare),
        (_expression, bare),
    )
    problem: Message | str = say("this is no exercise that can be checked")
    for kind, text in kinds:
        try:
            found = kind(text, answer)
        except DataError as error:
            problem = error.what
            continue
        if found is not None:
            return found
    return Verdict(UNREAD, "", problem)


def _lowest(question: str, answer: str) -> Verdict | None:
    if not _LOWEST.search(question):
        return None
    match = re.search(r"(\d+)\s*/\s*(\d+)", plain(question))
    if match is None or not int(match[2]):
        return None
    value = Fraction(int(match[1]), int(match[2]))
    expected = number(value)
    given = re.fullmatch(r"(\d+)(?:\s*/\s*(\d+))?", plain(answer).strip())
    over, under = (int(given[1]), int(given[2] or 1)) if given else (0, 0)
    if not under or Fraction(over, under) != value:
        return Verdict(WRONG, expected, say("it is not the same number"))
    if gcd(over, under) != 1:
        return Verdict(WRONG, expected, say("it is not in lowest terms"))
    return Verdict(RIGHT, expected)


def _compared(question: str, answer: str) -> Verdict | None:
    one, circle, other = question.partition("○")
    if not circle:
        return None
    left, right = _value(one), _value(other)
    expected = "<" if left < right else ">" if left > right else "="
    return _verdict(plain(answer).strip() == expected, expected)


def _with_remainder(question: str, answer: str) -> Verdict | None:
    match = _REMAINDER.search(question)
    if match is None or not int(match["under"]):
        return None
    whole, rest = divmod(int(match["over"]), int(match["under"]))
    given = _REST.fullmatch(answer)
    return _verdict(
        given is not None and (int(given[1]), int(given[2])) == (whole, rest), f"{whole} R {rest}"
    )


def _units(question: str, answer: str) -> Verdict | None:
    left, sign, right = question.partition("=")
    given, asked = quantities.parts(left), quantities.parts(right)
    if not sign or given is None or asked is None:
        return None
    names = [unit for _, unit in (*given, *asked)]
    dimension = quantities.dimension_of(names)
    total = quantities.quantity(given, dimension).amount
    expected, rest = [], total
    for place, (_, unit) in enumerate(asked):
        each = quantities.UNITS[dimension][unit]
        share = rest / each if place == len(asked) - 1 else Fraction(rest // each)
        rest -= share * each
        expected.append((share, unit))
    shown = " ".join(f"{decimal(share)} {unit}" for share, unit in expected)
    reply = quantities.parts(answer)
    if reply is None and len(asked) == 1:
        reply = [(plain(answer).strip(), asked[0][1])]  # a bare number, in the unit asked for
    same = [(_given(amount), unit) for amount, unit in reply or ()] == expected
    return _verdict(same, shown)


def _story(question: str, answer: str) -> Verdict | None:
    value = told_value(question)
    if value is None:
        return None
    return _verdict(_given(re.sub(r"[^\d./−-]+$", "", plain(answer))) == value, number(value))


def _equation(question: str, answer: str) -> Verdict | None:
    left, sign, right = question.rstrip(".。").partition("=")
    if not sign or _BLANK.fullmatch(right.replace("□", "x")) or "=" in right:
        return None
    sides = read(left), read(right)
    if not any(map(_has_unknown, sides)):
        return None
    one, other = map(worth, sides)
    slope = one.slope - other.slope
    if not slope:
        return Verdict(WRONG, "", say("it has no solution, or every number solves it"))
    expected = number((other.constant - one.constant) / slope)
    given = _given(answer)
    # the answer is put into the printed equation
    return _verdict(given is not None and one.at(given) == other.at(given), expected)


def _expression(question: str, answer: str) -> Verdict | None:
    left, sign, right = question.partition("=")
    if sign and not _BLANK.fullmatch(right):
        return None
    value = _constant(worth(read(left)))
    expected = number(value)
    return _verdict(_given(answer) == value, expected)


def _verdict(right: bool, expected: str) -> Verdict:
    if right:
        return Verdict(RIGHT, expected)
    return Verdict(WRONG, expected, say("it is not the answer"))


def _given(answer: str) -> Fraction | None:
    """The number of an answer such as "5/6", "0.5" or "x = 5"; None for what is none."""
    try:
        return _value(plain(answer).rpartition("=")[2])
    except DataError:
        return None


def _value(text: str) -> Fraction:
    return _constant(worth(read(text)))


def _constant(found: Linear) -> Fraction:
    if found.slope:
        raise DataError(
            say("the answer has an unknown"), "x", say("write a number, or x = a number")
        )
    return found.constant


def _has_unknown(tree: Tree) -> bool:
    if isinstance(tree, Operation):
        return _has_unknown(tree.left) or _has_unknown(tree.right)
    return isinstance(tree, Unknown)


def _line_holds(line: str, answer: str, units: Sequence[str]) -> bool:
    if "○" in line or answer in ("<", ">"):
        bare = re.split(r"\s*[○<>]\s*", line)
        signs = re.findall(r"[<>]", line)
        one, other = map(_value, bare)
        return not signs or (one < other) == (signs[0] == "<")
    left, _, right = line.partition("=")
    if not left.strip():
        terms = [quantities.parts(one) for one in right.split("+")]
        if all(terms):
            whole = [pair for one in terms for pair in one or []]
            reply = quantities.parts(answer) or []
            dimension = quantities.dimension_of([*units, *(unit for _, unit in (*whole, *reply))])
            amounts = {quantities.quantity(part, dimension).amount for part in (whole, reply)}
            return len(amounts) == 1
        return _value(right) == _value(answer)
    x = _value(answer.rpartition("=")[2])
    return worth(read(left)).at(x) == worth(read(right)).at(x)
