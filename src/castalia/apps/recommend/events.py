"""Events, a table of whom, what and when, as arrays in the order of time.

Returns, doubled rows and rows without a name are left out; each is counted and said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from castalia.errors import DataError
from castalia.sentences import plural, say
from castalia.text_files import columns
from castalia.text_files.columns import Source

Counted = Callable[[int], str]
MOST_EVENTS, MOST_ITEMS, MOST_USERS = 3_000_000, 50_000, 1_000_000
DAY = 86_400.0
# numbers that are seconds since 1970: from 1973 on, for three centuries
_SECONDS = (1e8, 1e10)


@dataclass(frozen=True)
class Events:
    """user, item (N,) int64 numbers into users and items; time (N,) float64, seconds since 1970,
    never falling; weight (N,) float64, above zero. names: of the items, as people read them. notes:
    sentences about what was done.
    """

    source: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    names: tuple[str, ...]
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    weight: np.ndarray
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.user)

    def before(self, count: int) -> Events:
        """The first `count` events; users and items keep their numbers."""
        return replace(
            self,
            user=self.user[:count],
            item=self.item[:count],
            time=self.time[:count],
            weight=self.weight[:count],
        )

    @property
    def repeated(self) -> float:
        """Share of events in which a user comes back to an item, on another day."""
        days = np.floor(self.time / DAY).astype(np.int64)
        pairs = self.user * len(self.items) + self.item
        different = len(np.unique(np.stack([pairs, days], 1), axis=0))
        return 1 - len(np.unique(pairs)) / max(1, different)


def day_of(moment: float) -> str:
    """2024-03-31"""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def read(
    path: Path,
    user: str,
    item: str,
    time: str,
    *,
    name: str | None = None,
    weight: str | None = None,
    least: float | None = None,
) -> Events:
    """The events of a table. name: a column with names of items. weight: a column of quantities or
    ratings: what is zero or below is a return; with `least`, what is below that is left out.

    Raises DataError for a file that cannot be used, naming the line where there is one.
    """
    wanted = [user, item, time, *([name] if name else []), *([weight] if weight else [])]
    table = columns.read(path, list(dict.fromkeys(wanted)))
    if len(table) > MOST_EVENTS:
        raise DataError(
            say("there are {0:,} events", len(table)),
            path.name,
            say("{0:,} at most: begin later", MOST_EVENTS),
        )
    notes: list[str] = []
    who, what = table.cells(user), table.cells(item)
    whole = np.array([bool(a) and bool(b) for a, b in zip(who, what, strict=True)])
    _note(
        notes,
        lambda count: plural(
            "{0:,} row without '{1}' or '{2}' is left out",
            "{0:,} rows without '{1}' or '{2}' are left out",
            count,
            user,
            item,
        ),
        int((~whole).sum()),
    )
    if not whole.any():
        raise DataError(
            say("no row names a user and an item"), path.name, say("name the two columns")
        )
    moments, more = _moments(table, time)
    notes += more
    amounts = np.ones(len(table)) if weight is None else _amounts(table, weight)
    users, user_of = _numbered(who)
    items, item_of = _numbered(what)
    for count, most, words in (
        (len(items), MOST_ITEMS, say("there are {0:,} items", len(items))),
        (len(users), MOST_USERS, say("there are {0:,} users", len(users))),
    ):
        if count > most:
            fix = say("{0:,} at most: leave out those that hardly occur", most)
            raise DataError(words, path.name, fix)
    kept = whole & _not_returned(user_of * len(items) + item_of, amounts, notes)
    if least is not None:
        low = kept & (amounts < least)
        _note(
            notes,
            lambda count: plural(
                "{0:,} event below {1:g} is left out",
                "{0:,} events below {1:g} are left out",
                count,
                least,
            ),
            int(low.sum()),
        )
        kept &= ~low
    order = np.flatnonzero(kept)
    order = order[np.argsort(moments[order], kind="stable")]
    rows = np.stack([user_of[order], item_of[order], (moments[order] * 1000).astype(np.int64)], 1)
    first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    _note(
        notes,
        lambda count: plural(
            "{0:,} event stands there twice, at the same moment; it counts once",
            "{0:,} events stand there twice, at the same moment; they count once",
            count,
        ),
        len(order) - len(first),
    )
    order = order[first]
    titles = _titles(what, table.cells(name), items) if name else items
    return _compact(
        Events(
            path.name,
            users,
            items,
            titles,
            user_of[order],
            item_of[order],
            moments[order],
            amounts[order],
            notes,
        )
    )


def _compact(events: Events) -> Events:
    """Without users and items that have no event left. Raises DataError where too few are."""
    users, user = np.unique(events.user, return_inverse=True)
    items, item = np.unique(events.item, return_inverse=True)
    if len(items) < 2 or len(users) < 2:
        raise DataError(
            say("there are {0} users and {1} items with events", len(users), len(items)),
            events.source,
            say("two of each at least: what others do is what suggestions are learned from"),
        )
    return replace(
        events,
        users=tuple(events.users[place] for place in users),
        items=tuple(events.items[place] for place in items),
        names=tuple(events.names[place] for place in items),
        user=user.astype(np.int64),
        item=item.astype(np.int64),
    )


def _note(notes: list[str], words: Counted, count: int) -> None:
    if count:
        notes.append(words(count))


def _moments(table: Source, column: str) -> tuple[np.ndarray, list[str]]:
    """(N,) seconds since 1970. Files of many moments write ISO dates or seconds mostly, which are
    tried first.
    """
    cells = table.cells(column)
    try:
        values = np.array(cells, dtype=np.float64)
        for scale in (1.0, 1000.0):
            if ((values >= _SECONDS[0] * scale) & (values < _SECONDS[1] * scale)).all():
                return values / scale, []
    except ValueError:
        pass
    try:
        known = {cell: _seconds(datetime.fromisoformat(cell)) for cell in dict.fromkeys(cells)}
        if not all(cell.isdigit() for cell in known):  # 20240331 is tried below, with other forms
            return np.array([known[cell] for cell in cells]), []
    except ValueError:
        pass
    found, notes = table.moments(column)
    return np.array([_seconds(one) for one in found]), notes


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _amounts(table: Source, column: str) -> np.ndarray:
    values = np.array(table.numbers(column)[0])
    empty = np.flatnonzero(~np.isfinite(values))
    if len(empty):
        raise DataError(
            say("a cell of the column '{0}' is empty", column),
            table.place(column, int(empty[0])),
            say("write how many, or leave --weight out"),
        )
    return values


def _not_returned(pair: np.ndarray, amounts: np.ndarray, notes: list[str]) -> np.ndarray:
    """(N,) bool: an event that is no return, and whose item the user did not give back whole."""
    back = amounts <= 0
    if not back.any():
        return ~back
    _, place = np.unique(pair, return_inverse=True)
    left = np.bincount(place, amounts)[place] > 0
    _note(
        notes,
        lambda count: plural(
            "{0:,} row is a return (zero or below) and no event",
            "{0:,} rows are returns (zero or below) and no events",
            count,
        ),
        int(back.sum()),
    )
    _note(
        notes,
        lambda count: plural(
            "{0:,} event is left out because all of it came back",
            "{0:,} events are left out because all of it came back",
            count,
        ),
        int((~back & ~left).sum()),
    )
    kept: np.ndarray = ~back & left
    return kept


def _numbered(cells: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """(different cells in the order of first mention, (N,) int64 number of each)."""
    places: dict[str, int] = {}
    numbers = [places.setdefault(cell, len(places)) for cell in cells]
    return tuple(places), np.array(numbers, dtype=np.int64)


def _titles(what: Sequence[str], names: Sequence[str], items: Sequence[str]) -> tuple[str, ...]:
    """The last name of each item that is not empty; its number where there is none."""
    known = {cell: name for cell, name in zip(what, names, strict=True) if name}
    return tuple(known.get(item, item) for item in items)


def split(events: Events, share: float) -> int:
    """How many events come before the last `share` of them; events of one moment stay together."""
    cut = math.floor(len(events) * (1 - share))
    return int(np.searchsorted(events.time, events.time[min(cut, len(events) - 1)], side="left"))
