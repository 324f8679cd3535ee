"""Equivalence tests: when samples may be called as good as real data (never by the absence of a
difference).

With few samples no difference is ever shown, so "no difference shown" is no evidence. A score is
called equal only where its 95% interval leaves no room for a difference that matters (two one-sided
tests, Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657-680). What matters is MARGIN of the way
from real data to the naive baseline: a two-sample test that is right in at most 55% of the cases, a
precision that keeps nine tenths of what separates real data from noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

MARGIN = 0.1
Better = Literal["lower", "higher"]  # which values of a score are the better ones


class Interval(Protocol):
    """A value and the ends of its 95% interval (base.Estimate)."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Score(Protocol):
    """What is asked of base.MetricResult."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def floor(self) -> float | None: ...
    @property
    def baselines(self) -> Mapping[str, float] | None: ...
    @property
    def better(self) -> Better | None: ...
    @property
    def informative(self) -> bool | None: ...
    @property
    def n(self) -> int | None: ...


class Equivalence(NamedTuple):
    """n: samples that were judged. shown: whether the model is as good as real data. room: how far
    from real data it may still lie, in the unit of the score. needed: samples (and as many real
    items) from which on a model that is as good would be shown to be so; None where no number of
    them is known.
    """

    n: int
    shown: bool
    room: float
    needed: int | None


def equivalence(
    better: Better | None,
    value: float,
    low: float,
    high: float,
    floor: float,
    naive: float | None,
    n: int,
) -> Equivalence:
    """low, high: the 95% interval of `value` at n samples. floor: what real data get. naive: what
    the baseline gets; without one, MARGIN of the floor counts.
    """
    room = {"lower": high - floor, "higher": floor - low, None: max(high - floor, floor - low)}[
        better
    ]
    margin = MARGIN * (abs(floor) if naive is None else abs(naive - floor))
    if room <= margin:
        return Equivalence(n, True, max(0.0, room), None)
    half = {"lower": high - value, "higher": value - low, None: (high - low) / 2}[better]
    if not math.isfinite(half) or margin <= 0:
        return Equivalence(n, False, room, None)
    wanted = n * max(
        2.0,
        (half / margin) ** 2,
        # an interval narrows with the root of n; twice as many where only the value stands in the
        # way
    )
    return Equivalence(n, False, room, _rounded(wanted))


def of_sides(
    better: Better | None, model: Interval, floor: Interval, naive: Interval | None, n: int
) -> Equivalence:
    """The same of estimates."""
    return equivalence(
        better,
        model.value,
        model.low,
        model.high,
        floor.value,
        None if naive is None else naive.value,
        n,
    )


def of_score(score: Score | None) -> Equivalence | None:
    """The same of a score that compares with real data; None for one that does not, or that is not
    informative.
    """
    if (
        score is None
        or score.value is None
        or score.low is None
        or score.high is None
        or score.floor is None
        or score.informative is False
    ):
        return None
    naive = (score.baselines or {}).get("naive")
    return equivalence(
        score.better, score.value, score.low, score.high, score.floor, naive, score.n or 0
    )


def _rounded(wanted: float) -> int:
    """Up to two significant digits."""
    unit = 10 ** max(0, math.floor(math.log10(max(wanted, 1))) - 1)
    return math.ceil(wanted / unit) * unit
