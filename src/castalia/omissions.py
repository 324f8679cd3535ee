"""Omissions: what is left out of data while they are read, counted where it happens and reported.

Three places leave something out, and each has its way to report it:

    files that no codec reads      data/file_discovery.py adds an `Omission` for each kind of them
    parts of a file between items  readers call `omit`; it is collected while the files are hashed
                                   (data/source.py)
        omit(say("rows without the column '{0}'", "text"), example="data.jsonl, line 21",
            remedy=say("name the column: codec.field=..."))
    parts of an item               `Codec.omitted(item)` lists them; data/cache.py keeps the sums

All arrive in the data report as "omitted", which `castalia check` puts first and `castalia train`
prints before the first step. As with `warnings.warn`, a reader that calls `omit` does not know the
collector: the collector is a context variable, and without one nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

_MOST = 200  # different sentences that are kept apart


class Omission(NamedTuple):
    """what: the things left out, as a plural ("rows without ..."). count: how many. example: where
    the first of them is. remedy: what to do.
    """

    what: str
    count: int
    example: str
    remedy: str


class Omissions:
    """Omissions by what was left out and what to do about it: counts add up, the first example
    stays.
    """

    def __init__(self, entries: Iterable[Omission] = ()) -> None:
        self._kept: dict[tuple[str, str], Omission] = {}
        self.extend(entries)

    def add(self, entry: Omission) -> None:
        key = (entry.what, entry.remedy)
        known = self._kept.get(key)
        if known is not None:
            self._kept[key] = known._replace(count=known.count + entry.count)
        elif len(self._kept) < _MOST:
            self._kept[key] = entry

    def extend(self, entries: Iterable[Omission]) -> None:
        for entry in entries:
            self.add(entry)

    def listed(self) -> list[Omission]:
        """The largest count first."""
        return sorted(self._kept.values(), key=lambda entry: -entry.count)

    def __bool__(self) -> bool:
        return bool(self._kept)

    def plain(self) -> list[dict[str, Any]]:
        """As JSON: [{"what", "count", "example", "remedy"}, ...]."""
        return [
            {**entry._asdict(), "what": str(entry.what), "remedy": str(entry.remedy)}
            for entry in self.listed()
        ]

    @classmethod
    def of(cls, plain: Iterable[dict[str, Any]]) -> Omissions:
        """From what `plain` gave."""
        return cls(
            Omission(str(one["what"]), int(one["count"]), str(one["example"]), str(one["remedy"]))
            for one in plain
        )


_collector: ContextVar[Omissions | None] = ContextVar("castalia_omissions", default=None)


def omit(what: str, count: int = 1, *, example: str = "", remedy: str = "") -> None:
    """Counts something that is left out. what: a plural, the same words each time; example: the
    file and the line or item.
    """
    omissions = _collector.get()
    if omissions is not None:
        omissions.add(Omission(what, count, example, remedy))


@contextmanager
def collected(into: Omissions | None = None) -> Iterator[Omissions]:
    """Collects what is omitted inside the block. An outer collector does not see it."""
    omissions = Omissions() if into is None else into
    token = _collector.set(omissions)
    try:
        yield omissions
    finally:
        _collector.reset(token)
