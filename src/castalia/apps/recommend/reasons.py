"""Why an item is suggested, in words that are true in the events.

A reason names items of the user's own history alone, and counts of at least `least` users, so that
nobody can be told from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from castalia.apps.recommend.events import DAY, day_of
from castalia.apps.recommend.methods import Neighbours, Past
from castalia.sentences import plural, say


@dataclass(frozen=True, slots=True)
class Reason:
    """kind: "before", "with", "popular" or "order". because: the number of the item of the user's
    own history that speaks for it, -1 for none. users, among: the counts that are said, 0 for none.
    """

    kind: str
    words: str
    because: int = -1
    users: int = 0
    among: int = 0


class Reasons:
    """Over one past. window: seconds of "of late". least: users that a count must have."""

    def __init__(self, past: Past, found: Neighbours, window: float, least: int) -> None:
        self._past, self._found, self._least = past, found, least
        self._days = max(1, round(window / DAY))
        self._recent = past.recent(window)
        events = past.events
        order = np.argsort(events.user, kind="stable")
        self._events = order
        self._starts = np.searchsorted(events.user[order], np.arange(len(events.users) + 1))

    def of(self, user: int | None, item: int) -> Reason:
        """user: None for somebody without a history."""
        if user is not None:
            for reason in (self._before(user, item), self._with(user, item)):
                if reason is not None:
                    return reason
        recent, ever = int(self._recent[item]), int(self._past.holders[item])
        if recent >= self._least:
            words = say("popular: {0} users in the last {1} days", recent, self._days)
            return Reason("popular", words, users=recent)
        if ever >= self._least:
            return Reason("popular", say("popular: {0} users so far", ever), users=ever)
        return Reason(
            "order",
            say("by what came before it; fewer than {0} users had it", self._least),
        )

    def _before(self, user: int, item: int) -> Reason | None:
        events = self._past.events
        own = self._events[self._starts[user] : self._starts[user + 1]]
        times = events.time[own[events.item[own] == item]]
        if not len(times):
            return None
        words = plural(
            "had {0} time before, last on {1}",
            "had {0} times before, last on {1}",
            len(times),
            day_of(float(times[-1])),
        )
        return Reason("before", words, item)

    def _with(self, user: int, item: int) -> Reason | None:
        """The item of the history that is nearest to it, by users who had both."""
        own, found = self._past.items_of(user)[0], self._found
        best: tuple[float, int, int] | None = None
        listed = np.flatnonzero(np.isin(found.item[item], own))
        pairs = [
            (float(found.near[item, at]), int(found.both[item, at]), int(found.item[item, at]))
            for at in listed.tolist()
        ]
        rows, places = np.nonzero(found.item[own] == item)
        pairs += [
            (float(found.near[one, at]), int(found.both[one, at]), int(one))
            for one, at in zip(own[rows].tolist(), places.tolist(), strict=True)
        ]
        for near, both, other in pairs:
            if both >= self._least and other != item and (best is None or near > best[0]):
                best = (near, both, other)
        if best is None:
            return None
        _, both, other = best
        among = int(self._past.holders[other])
        words = say(
            "goes with {0}: {1} of {2} users who had that had this, too",
            self._past.events.names[other],
            both,
            among,
        )
        return Reason("with", words, other, both, among)
