"""Columns of numbers and moments: a token for each adaptive quantile, and the value within it drawn
from the bin's own values, in the data's resolution.

Sorted values are dealt into bins of about equal mass; a value that alone has half a bin's mass (a
zero, a round number, a cap) is a bin of its own, so spikes and heavy tails stay what they are.
Within a bin values are drawn by the frequencies of training, where few different ones stand in it,
else between its quantiles, rounded to the resolution. Cells that are no numbers ("", "NA", "?") are
tokens of their own: a missing value is a value.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from castalia.modalities.table.columns.base import Cells, Column
from castalia.modalities.table.columns.discrete import RARE
from castalia.modalities.table.columns.scales import Scale, restored, steps

LISTED = 24  # different values that a bin lists one by one
KNOTS = 12  # quantiles by which a bin with more values is known
ROWS = 25  # of training, a bin at least
MOST_SPECIAL = 64  # cells that are no numbers and have a token


class Bin:
    """Whole units from low to high. knots: ascending units; cumulative: how much of the bin's mass
    lies up to each one, of a listed bin, else None: knots are equally spaced quantiles.
    """

    __slots__ = ("cumulative", "high", "knots", "low", "mass")

    def __init__(self, knots: list[int], cumulative: list[float] | None, mass: float) -> None:
        self.knots, self.cumulative, self.mass = knots, cumulative, mass
        self.low, self.high = knots[0], knots[-1]

    @classmethod
    def of(cls, values: Sequence[int], counts: Sequence[int], total: int, smooth: bool) -> Bin:
        """smooth: values between those that were seen may come."""
        mass = sum(counts)
        if len(values) == 1 or (not smooth and len(values) <= LISTED):
            running, cumulative = 0, []
            for count in counts:
                running += count
                cumulative.append(running / mass)
            return cls(list(values), cumulative, mass / total)
        knots, running, place = [], counts[0], 0
        for number in range(KNOTS):
            wanted = number / (KNOTS - 1) * mass
            while running < wanted and place < len(values) - 1:
                place += 1
                running += counts[place]
            knots.append(values[place])
        knots[0], knots[-1] = values[0], values[-1]
        return cls(knots, None, mass / total)

    def at(self, chance: float, step: int) -> int:
        """The value at this quantile of the bin."""
        if self.cumulative is not None:
            return self.knots[min(bisect_right(self.cumulative, chance), len(self.knots) - 1)]
        place = chance * (len(self.knots) - 1)
        below = int(place)
        one, other = self.knots[below], self.knots[min(below + 1, len(self.knots) - 1)]
        exact = one + (place - below) * (other - one)
        return min(max(self.low, self.low + round((exact - self.low) / step) * step), self.high)

    def share(self, units: int) -> float:
        """About how much of the bin's mass lies below a value of it: the middle of its own part."""
        if self.cumulative is not None:
            place = min(bisect_left(self.knots, units), len(self.knots) - 1)
            below = self.cumulative[place - 1] if place else 0.0
            return (below + self.cumulative[place]) / 2
        place = min(max(bisect_right(self.knots, units) - 1, 0), len(self.knots) - 2)
        one, other = self.knots[place], self.knots[place + 1]
        part = (units - one) / (other - one) if other > one else 0.5
        return min(1.0, max(0.0, (place + part) / (len(self.knots) - 1)))


class Binned(Column):
    """Tokens: first the special cells, then the bins in ascending order."""

    sort = "binned"

    def __init__(
        self,
        name: str,
        kind: str,
        scale: Scale,
        specials: list[str],
        bins: list[Bin],
        step: int = 1,
        special_mass: list[float] | None = None,
    ) -> None:
        super().__init__(name, kind)
        self.scale, self.specials, self.bins, self.step = scale, specials, bins, step
        self.special_mass = special_mass or [0.0] * len(specials)
        self._tokens = {cell: token for token, cell in enumerate(specials)}
        self._known: dict[str, int] = {}
        self._tops = [one.high for one in bins]
        self._single = {one.low: place for place, one in enumerate(bins) if one.low == one.high}

    @classmethod
    def of(cls, name: str, kind: str, cells: Cells, scale: Scale, most: int) -> Binned:
        """most: bins at most; fewer where rows are few."""
        units: dict[int, int] = {}
        special: dict[str, int] = {}
        for cell, count in cells.items():
            if (number := scale.parse(cell)) is None:
                special[cell] = special.get(cell, 0) + count
            else:
                units[number] = units.get(number, 0) + count
        ranked = sorted(special, key=lambda cell: (-special[cell], cell))
        kept = ranked[:MOST_SPECIAL]
        if len(ranked) > len(kept):
            kept.append(RARE)
        values = sorted(units)
        rows, total = sum(units.values()), sum(cells.values())
        step = steps(value - values[0] for value in values) if values else 1
        wanted = min(most, max(8, rows // ROWS))
        smooth = rows < 2 * len(values) and len(values) > LISTED
        bins = [
            Bin.of(part, [units[value] for value in part], total, smooth)
            for part in _parts(values, units, wanted)
        ]
        masses = [special.get(cell, 0) / total for cell in kept]
        return cls(name, kind, scale, kept, bins, step, masses)

    @property
    def size(self) -> int:
        return len(self.specials) + len(self.bins)

    @property
    def ordered(self) -> bool:
        return True

    def encode(self, cell: str) -> int:
        token = self._tokens.get(cell)
        if token is not None:
            return token
        token = self._known.get(cell)
        if token is None:
            token = self._token(cell)
            if len(self._known) < 1 << 16:
                self._known[cell] = token
        return token

    def _token(self, cell: str) -> int:
        units = self.scale.parse(cell)
        if units is None:  # another way to say that there is nothing
            return len(self.specials) - 1 if self.specials else 0
        if not self.bins:
            return 0
        alone = self._single.get(units)
        place = bisect_left(self._tops, units) if alone is None else alone
        return len(self.specials) + min(place, len(self.bins) - 1)

    def decode(self, token: int, chance: float) -> str:
        if token < len(self.specials):
            return self.specials[token]
        one = self.bins[token - len(self.specials)]
        units = one.at(chance, self.step)
        if units in self._single and one.low != one.high:  # another bin's own value
            units = one.low
        return self.scale.write(units)

    def value(self, cell: str) -> float | None:
        units = self.scale.parse(cell)
        return None if units is None else self.scale.value(units)

    def typed(self) -> Callable[[str], Any]:
        return self.scale.typed()

    def quantile(self, cell: str) -> float | None:
        """How much of the mass of numbers lies below a cell, in (0, 1); None for a special one."""
        units = None if cell in self._tokens else self.scale.parse(cell)
        if units is None or not self.bins:
            return None
        place = self._token(cell) - len(self.specials)
        below = math.fsum(one.mass for one in self.bins[:place])
        whole = math.fsum(one.mass for one in self.bins)
        return (below + self.bins[place].mass * self.bins[place].share(units)) / max(whole, 1e-12)

    def at_quantile(self, share: float) -> str:
        """The cell at a quantile in [0, 1] of all numbers."""
        left = min(max(share, 0.0), 1.0 - 1e-9) * math.fsum(one.mass for one in self.bins)
        for one in self.bins:
            if left < one.mass:
                return self.scale.write(one.at(left / one.mass, self.step))
            left -= one.mass
        return self.scale.write(self.bins[-1].high) if self.bins else ""

    def label(self, token: int) -> str:
        if token < len(self.specials):
            return self.specials[token] or "∅"
        one = self.bins[token - len(self.specials)]
        low, high = self.scale.write(one.low), self.scale.write(one.high)
        return low if low == high else f"{low}…{high}"

    def middle(self, token: int) -> float | None:
        """The median of a token as a number; None of a special cell."""
        if token < len(self.specials):
            return None
        return self.scale.value(self.bins[token - len(self.specials)].at(0.5, self.step))

    def state(self) -> dict[str, Any]:
        return {
            "scale": self.scale.state(),
            "specials": self.specials,
            "masses": self.special_mass,
            "step": self.step,
            "bins": [[one.knots, one.cumulative, one.mass] for one in self.bins],
        }

    @classmethod
    def restored(cls, name: str, kind: str, state: dict[str, Any]) -> Binned:
        return cls(
            name,
            kind,
            restored(state["scale"]),
            list(state["specials"]),
            [Bin(list(knots), sums, mass) for knots, sums, mass in state["bins"]],
            state["step"],
            list(state["masses"]),
        )


def _parts(values: list[int], units: dict[int, int], wanted: int) -> list[list[int]]:
    """Ascending values dealt into at most about `wanted` parts. Values of half a part's mass stand
    alone, and what is left is dealt among the parts that are left, so a column of many zeros has as
    many parts for its other values as one without.
    """
    alone: set[int] = set()
    while True:
        rest = sum(count for value, count in units.items() if value not in alone)
        mass = max(rest / max(wanted - len(alone), 8), min(ROWS, rest / 8))
        more = {value for value, count in units.items() if value not in alone and count >= mass / 2}
        if not more or len(alone) + len(more) > wanted:
            break
        alone |= more
    parts: list[list[int]] = []
    held: list[int] = []
    weight = 0
    for value in values:
        if value in alone:
            parts += [held] if held else []
            parts.append([value])
            held, weight = [], 0
            continue
        held.append(value)
        weight += units[value]
        if weight >= mass:
            parts.append(held)
            held, weight = [], 0
    return [*parts, held] if held else parts
