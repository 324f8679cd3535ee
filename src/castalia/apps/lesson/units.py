"""Exercises of units, built by ladders of neighbouring units: 1 km is 1000 m, 1 m is 100 cm.

The checker (quantities.py) has a table of its own, each unit in base units, so a wrong rung is
found. Chinese sheets have Chinese names and the market units; English ones the metric and the
imperial.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import NamedTuple

from castalia.apps.lesson.exercise import Exercise
from castalia.apps.lesson.printing import decimal

# (unit, how many of the next smaller one)
Ladder = tuple[tuple[str, int], ...]
LADDERS: dict[str, tuple[Ladder, ...]] = {
    "en": (
        (("km", 1000), ("m", 100), ("cm", 10), ("mm", 1)),
        (("t", 1000), ("kg", 1000), ("g", 1000), ("mg", 1)),
        (("L", 10), ("dL", 100), ("mL", 1)),
        (("d", 24), ("h", 60), ("min", 60), ("s", 1)),
        (("m²", 10_000), ("cm²", 100), ("mm²", 1)),
        (("yd", 3), ("ft", 12), ("in", 1)),
        (("lb", 16), ("oz", 1)),
    ),
    "zh": (
        (("千米", 1000), ("米", 10), ("分米", 10), ("厘米", 10), ("毫米", 1)),
        (("吨", 1000), ("千克", 1000), ("克", 1)),
        (("千克", 2), ("斤", 10), ("两", 50), ("克", 1)),
        (("升", 1000), ("毫升", 1)),
        (("天", 24), ("时", 60), ("分", 60), ("秒", 1)),
        (("公顷", 10_000), ("平方米", 100), ("平方分米", 100), ("平方厘米", 1)),
        (("元", 10), ("角", 10), ("分", 1)),
    ),
}
COMPOUND = frozenset(
    [
        *(("h", "min"), ("min", "s"), ("yd", "ft"), ("ft", "in"), ("lb", "oz")),
        *(("km", "m"), ("m", "cm"), ("kg", "g"), ("千米", "米"), ("米", "厘米"), ("米", "分米")),
        *(("吨", "千克"), ("千克", "克"), ("时", "分"), ("分", "秒"), ("元", "角"), ("角", "分")),
    ]
)
_TIME = ("秒", "分", "时", "天", "s", "min", "h", "d")
MOST = 10**6  # of a number in an exercise


class Rung(NamedTuple):
    """`times` of the unit `below` make one of the unit `above`."""

    above: str
    below: str
    times: int


def units(rng: Random, wanted: int, largest: int, signs: object, language: str) -> Exercise | None:
    """A quantity in other units, `wanted` rungs away; with two units of its own from 2 steps on,
    sometimes.
    """
    ladder = rng.choice(LADDERS[language])
    rungs = [Rung(above, below, times) for (above, times), (below, _) in pairwise(ladder)]
    if wanted == 2 and rng.random() < 0.5:
        return _compound(rng, rungs, largest)
    if wanted == 3 and rng.random() < 0.7:
        return _compound_down(rng, rungs, largest)
    if wanted > len(rungs):
        return None
    begin = rng.randint(0, len(rungs) - wanted)
    path = rungs[begin : begin + wanted]
    return _down(rng, path, largest) if rng.random() < 0.6 else _up(rng, path, largest)


def _down(rng: Random, path: list[Rung], largest: int) -> Exercise | None:
    """From the larger unit to the smaller: multiply."""
    decimals = path[0].times % 10 == 0 and path[0].above not in _TIME and rng.random() < 0.4
    value = Fraction(rng.randint(2, largest))
    if decimals:
        value /= 10
    unit, first, lines = path[0].above, value, []
    for rung in path:
        value *= rung.times
        lines.append(f"= {decimal(value)} {rung.below}")
    if value > MOST or value.denominator != 1 or first == 1:
        return None
    question = f"{decimal(first)} {unit} = ? {path[-1].below}"
    return Exercise("units", question, f"{decimal(value)} {path[-1].below}", tuple(lines))


def _up(rng: Random, path: list[Rung], largest: int) -> Exercise | None:
    """From the smaller to the larger: divide. Whole results, or tenths of decimal units."""
    value = Fraction(rng.randint(2, largest))
    if all(rung.times % 10 == 0 for rung in path) and rng.random() < 0.4:
        value /= 10
    answer = value
    amounts = [value]
    for rung in path:
        value *= rung.times
        amounts.append(value)
    if (
        value > MOST
        or value.denominator != 1
        or (path[0].above in _TIME and answer.denominator > 1)
    ):
        return None
    names = [rung.above for rung in path]
    lines = [f"= {decimal(one)} {name}" for one, name in zip(amounts, names, strict=False)][::-1]
    question = f"{decimal(value)} {path[-1].below} = ? {path[0].above}"
    return Exercise("units", question, f"{decimal(answer)} {path[0].above}", tuple(lines))


def _compound(rng: Random, rungs: list[Rung], largest: int) -> Exercise | None:
    """2 h 35 min = ? min, and back; over two rungs where the pair is two apart (1 m 5 cm)."""
    pairs = [
        Rung(one.above, other.below, one.times * (other.times if one is not other else 1))
        for start, one in enumerate(rungs)
        for other in rungs[start : start + 2]
        if (one.above, other.below) in COMPOUND
    ]
    if not pairs:
        return None
    rung = rng.choice(pairs)
    many, few = rng.randint(1, min(12, largest)), rng.randint(1, rung.times - 1)
    whole = many * rung.times
    both, total = f"{many} {rung.above} {few} {rung.below}", f"{whole + few} {rung.below}"
    if rng.random() < 0.5:
        lines = (f"= {whole} {rung.below} + {few} {rung.below}", f"= {total}")
        return Exercise("units", f"{both} = ? {rung.below}", total, lines)
    lines = (f"= {whole} {rung.below} + {few} {rung.below}", f"= {both}")
    return Exercise("units", f"{total} = ? {rung.above} ? {rung.below}", both, lines)


def _compound_down(rng: Random, rungs: list[Rung], largest: int) -> Exercise | None:
    """2 h 35 min = ? s: together in the smaller unit, then one rung further down."""
    pairs = [(one, other) for one, other in pairwise(rungs) if (one.above, one.below) in COMPOUND]
    if not pairs:
        return None
    first, second = rng.choice(pairs)
    many, few = rng.randint(1, min(12, largest)), rng.randint(1, first.times - 1)
    whole = many * first.times
    total = (whole + few) * second.times
    if total > MOST:
        return None
    lines = (
        f"= {whole} {first.below} + {few} {first.below}",
        f"= {whole + few} {first.below}",
        f"= {total} {second.below}",
    )
    question = f"{many} {first.above} {few} {first.below} = ? {second.below}"
    return Exercise("units", question, f"{total} {second.below}", lines)
