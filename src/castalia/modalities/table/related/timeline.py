"""Children in time: their order, and moments as differences, so that order holds by construction.

The rows of a parent are sorted by one column. Its cell becomes the difference from the row before;
of the first row, that from a date of the parent's where there is one that comes before nearly all
of them, else the moment itself. Other moments of a row become differences from the row's own. All
differences are whole units of the column (days, seconds), written as numbers, and found again
exactly. Rows without a moment come last, in the order of their file.

Data end somewhere, and differences know nothing of it: a history that would go on behind the last
moment of the training data is drawn together so that it ends there, its order kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.columns.infer import kind_of
from castalia.modalities.table.columns.scales import (
    Moments,
    Numbers,
    Scale,
    moments_of,
    numbers_of,
    restored,
    steps,
)
from castalia.modalities.table.related.record import Record
from castalia.modalities.table.row import Row

DAY = 86_400  # seconds
AFTER = 0.95  # share of parents whose first child comes after the parent's date
MOMENTS = ("date", "datetime")


class Timeline:
    """names: of the child's columns without the one that links. place: of the column that orders
    them; None: they keep the order of their file. offsets: scales of other moments, by place.
    start: the parent's date that first children are counted from, and `base`, where a parent has
    none. last: the latest moment; step: all differences are multiples of it. All units of time are
    those of `scale`.
    """

    def __init__(
        self,
        names: Sequence[str],
        place: int | None = None,
        scale: Scale | None = None,
        offsets: Mapping[int, Scale] | None = None,
        start: tuple[str, Scale] | None = None,
        base: int = 0,
        last: int | None = None,
        step: int = 1,
    ) -> None:
        self.names, self.place, self.scale = tuple(names), place, scale
        self.offsets, self.start, self.base = dict(offsets or {}), start, base
        self.last, self.step = last, step

    @classmethod
    def found(
        cls,
        names: Sequence[str],
        records: Sequence[Record],
        order: str | None,
        kinds: Mapping[str, str],
    ) -> Timeline:
        """The one of the training records. order: the column that orders the children; None: their
        first that holds dates. kinds: of columns, where the recipe says them.
        """
        cells = {
            name: Counter(row.get(name) or "" for record in records for row in record.children)
            for name in names
        }
        moments = {
            place: found
            for place, name in enumerate(names)
            if kinds.get(name, kind_of(name, cells[name])[0]) in MOMENTS
            and (found := moments_of(cells[name])) is not None
        }
        if order is None:
            place = next(iter(moments), None)
            scale: Scale | None = None if place is None else moments[place]
        else:
            place = list(names).index(order)
            scale = moments.get(place) or numbers_of(cells[order])
            if scale is None:
                place = None
        if place is None or scale is None:
            return cls(names)
        made = cls(
            names,
            place,
            scale,
            {other: one for other, one in moments.items() if other != place and unit(scale)},
        )
        made._begin(records)
        groups = [
            [moment for moment in made._moments(record) if moment is not None] for record in records
        ]
        made.last = max((group[-1] for group in groups if group), default=None)
        made.step = steps(moment - group[0] for group in groups for moment in group)
        return made

    def _begin(self, records: Sequence[Record]) -> None:
        """Finds the parent's date that first children come after."""
        if not records or self.scale is None or not unit(self.scale):
            return
        best: tuple[float, int, str, Moments, list[int]] | None = None
        firsts = [self._moments(record)[0] for record in records if record.children]
        with_children = [record for record in records if record.children]
        for place, name in enumerate(records[0].parent.header.names):
            cells = Counter(record.parent.get(name) or "" for record in records)
            scale = moments_of(cells)
            if scale is None or scale.kind not in MOMENTS:
                continue
            dates = [self._date(record.parent, name, scale) for record in with_children]
            pairs = [
                (date, first)
                for date, first in zip(dates, firsts, strict=True)
                if date is not None and first is not None
            ]
            if len(pairs) < AFTER * len(with_children):
                continue
            share = sum(date <= first for date, first in pairs) / max(1, len(pairs))
            known = sorted(date for date, _ in pairs)
            if share >= AFTER and (best is None or (known[-1], -place) > (best[1], -place)):
                best = (share, known[-1], name, scale, known)
        if best is not None:
            self.start, self.base = (best[2], best[3]), best[4][len(best[4]) // 2]

    def _date(self, parent: Row, name: str, scale: Scale) -> int | None:
        units = scale.parse(parent.get(name) or "")
        return None if units is None else units * unit(scale) // unit(self.scale)

    def _moments(self, record: Record) -> list[int | None]:
        """Of the children in their order: moments, ascending, None at the end."""
        return [moment for moment, _ in self.in_order(record)]

    def in_order(self, record: Record) -> list[tuple[int | None, Row]]:
        """The children with their moments, ascending; those without one at the end."""
        if self.place is None or self.scale is None:
            return [(None, row) for row in record.children]
        name, parse = self.names[self.place], self.scale.parse
        timed = [(parse(row.get(name) or ""), row) for row in record.children]
        return sorted(timed, key=lambda pair: (pair[0] is None, pair[0] or 0))

    def inner(self, record: Record) -> tuple[str, list[list[str]]]:
        """(the first child's moment as a difference, "" where there is none; the cells of each
        child in its order, moments as differences).
        """
        start, rows, last = "", [], None
        for number, (moment, row) in enumerate(self.in_order(record)):
            cells = [row.get(name) or "" for name in self.names]
            if self.place is not None:
                if not number:
                    start = (
                        cells[self.place]
                        if moment is None
                        else str(moment - self._from(record.parent))
                    )
                    cells[self.place] = ""
                elif moment is not None and last is not None:
                    cells[self.place] = str(moment - last)
                for place, scale in self.offsets.items():
                    own = scale.parse(cells[place])
                    if own is not None:
                        cells[place] = "" if moment is None else str(own - self._in(moment, scale))
                last = moment
            rows.append(cells)
        return start, rows

    def outer(
        self, parent: Row, start: str, rows: Sequence[Sequence[str]], least: Sequence[str] = ()
    ) -> list[list[str]]:
        """The cells of the children as their file has them, from what `inner` gave. least: of each
        child, the smallest difference that will do, for histories that go on behind the data's.
        """
        if self.place is None or self.scale is None or not rows:
            return [list(row) for row in rows]
        gaps = [start, *(row[self.place] for row in rows[1:])]
        moments = self._summed(parent, gaps)
        if self._beyond(moments) and len(least) == len(gaps):
            moments = self._within(self._summed(parent, least))
        missing = [gap for gap in gaps if whole(gap) is None]
        made: list[list[str]] = []
        for row, moment in zip(rows, self._within(moments), strict=True):
            cells = list(row)
            cells[self.place] = (
                (missing[0] if missing else "") if moment is None else self.scale.write(moment)
            )
            for place, scale in self.offsets.items():
                offset = whole(cells[place])
                if offset is not None:
                    cells[place] = (
                        "" if moment is None else scale.write(offset + self._in(moment, scale))
                    )
            made.append(cells)
        return made

    def _summed(self, parent: Row, gaps: Sequence[str]) -> list[int | None]:
        """Moments from differences, ascending; None from the first that is none on."""
        moments: list[int | None] = []
        moment: int | None = self._from(parent)
        for number, cell in enumerate(gaps):
            gap = whole(cell)
            if gap is None or moment is None:
                moment = None
            else:
                moment += gap if not number else max(0, gap)
            moments.append(moment)
        return moments

    def _beyond(self, moments: Sequence[int | None]) -> bool:
        """Whether a history begins among the data and ends behind their last moment."""
        known = [moment for moment in moments if moment is not None]
        return bool(known) and self.last is not None and known[0] <= self.last < known[-1]

    def _within(self, moments: Sequence[int | None]) -> list[int | None]:
        """The same, drawn together where they would go on behind the last one of the data."""
        if self.last is None or not self._beyond(moments):
            return list(moments)
        known = [moment for moment in moments if moment is not None]
        first, span, room = known[0], known[-1] - known[0], self.last - known[0]
        return [
            None
            if moment is None
            else first + (moment - first) * room // span // self.step * self.step
            for moment in moments
        ]

    def _from(self, parent: Row) -> int:
        if self.start is None:
            return 0
        date = self._date(parent, *self.start)
        return self.base if date is None else date

    def _in(self, moment: int, scale: Scale) -> int:
        """A moment in the units of another column."""
        return moment * unit(self.scale) // unit(scale)

    def state(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "place": self.place,
            "scale": None if self.scale is None else self.scale.state(),
            "offsets": [[place, scale.state()] for place, scale in self.offsets.items()],
            "start": None if self.start is None else [self.start[0], self.start[1].state()],
            "base": self.base,
            "last": self.last,
            "step": self.step,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Timeline:
        start = state["start"]
        return cls(
            state["names"],
            state["place"],
            None if state["scale"] is None else restored(state["scale"]),
            {int(place): restored(scale) for place, scale in state["offsets"]},
            None if start is None else (start[0], restored(start[1])),
            int(state["base"]),
            state["last"],
            int(state["step"]),
        )


def unit(scale: Scale | None) -> int:
    """Seconds of a unit; 0 of what is no moment."""
    if not isinstance(scale, Moments) or scale.kind not in MOMENTS:
        return 0
    return DAY if scale.kind == "date" else 1


def whole(cell: str) -> int | None:
    """The whole number that a difference is; None of a cell that says there is none."""
    try:
        return int(cell) if not is_missing(cell) else None
    except ValueError:
        return None


WHOLE = Numbers()  # how differences are written
