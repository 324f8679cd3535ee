"""What the methods would have suggested in the past, against what then happened.

Events are split at two moments for all users alike: methods learn from what came before the first,
weights are chosen on what came between, and what came after the second is looked at once. All items
are ranked, none is sampled. The transformer is not trained again between the two moments; its
histories go on. Intervals: 95% percentiles of 1,000 bootstraps over users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from castalia.apps.recommend.blending import chosen, fused, hits, lists_of, ndcg, recall
from castalia.apps.recommend.events import DAY, Events, split
from castalia.apps.recommend.methods import Past, Scores
from castalia.evaluation.base import Estimate
from castalia.nn.counter_random import counter_seed

SHARES, ENOUGH, FEWEST = (0.1, 0.2, 0.3), 50, 5
MOST_USERS, MOST_CHOOSING = 2000, 600
BOOTSTRAPS = 1000
TASKS = ("all", "new", "basket")
Methods = Callable[[Past, float], dict[str, Scores]]  # (what is known, seconds of "of late")


@dataclass(frozen=True)
class Cuts:
    """How many events come before the validation period, and before the test period."""

    first: int
    second: int


@dataclass(frozen=True)
class Task:
    """users: how many were judged. weights: of the blend. scores: method -> (NDCG@10, recall@10).
    against: (NDCG@10, recall@10) of the blend minus those of item neighbours, user by user.
    """

    users: int
    weights: Mapping[str, float]
    scores: Mapping[str, tuple[Estimate, Estimate]]
    against: Mapping[str, tuple[Estimate, Estimate]]


@dataclass(frozen=True)
class Tested:
    """begin, end: moments of the test period. users: those with events in it, `cold` of them
    without any before; drawn: how many were judged. cold_items: items of the period that were not
    there before; cold_events: share of its events that are theirs.
    """

    begin: float
    end: float
    users: int
    cold: int
    drawn: int
    cold_items: int
    cold_events: float
    tasks: Mapping[str, Task]


def cuts_of(events: Events) -> Cuts | None:
    """The shortest of three test periods in which enough known users come back; None where a past
    and two periods after it cannot be told apart, or hardly anybody comes back.
    """
    found = None
    for share in SHARES:
        second = split(events, share)
        first = split(events.before(second), share / (1 - share)) if second else 0
        if not 0 < first < second < len(events):
            continue
        back = min(
            len(np.intersect1d(events.user[:first], events.user[first:second])),
            len(np.intersect1d(events.user[:second], events.user[second:])),
        )
        if back >= FEWEST:
            found = Cuts(first, second)
        if back >= ENOUGH:
            break
    return found


def tested(events: Events, cuts: Cuts, methods: Methods, seed: int) -> Tested:
    """Both periods: weights from the first, figures from the second."""
    known, later = events.before(cuts.first), _between(events, cuts.first, cuts.second)
    window = max(DAY, float(later.time[-1] - later.time[0]))
    users = _drawn(np.intersect1d(known.user, later.user), MOST_CHOOSING, "choosing", seed)
    past = Past(known)
    lists = dict(zip(("all", "new"), lists_of(methods(past, window), past, users), strict=True))
    width = len(events.items)
    weights: dict[str, dict[str, float]] = {}
    for name in ("all", "new"):
        targets = _targets(past, later, users, name)
        some = [place for place, own in enumerate(targets) if len(own)]
        weights[name] = (
            chosen(
                {method: found[some] for method, found in lists[name].items()},
                [targets[place] for place in some],
                width,
            )
            if some
            else {"knn": 1.0}
        )
    return _judged(events, cuts, methods, window, weights, seed)


def _judged(
    events: Events,
    cuts: Cuts,
    methods: Methods,
    window: float,
    weights: Mapping[str, Mapping[str, float]],
    seed: int,
) -> Tested:
    known, later = events.before(cuts.second), _between(events, cuts.second, len(events))
    past, width = Past(known), len(events.items)
    present = np.unique(later.user)
    warm = np.intersect1d(known.user, present)
    users = _drawn(warm, MOST_USERS, "judged", seed)
    whole, new = lists_of(methods(past, window), past, users)
    cold = ~np.isin(later.item, known.item)
    tasks = {}
    for name in TASKS:
        lists, weight = (new, weights["new"]) if name == "new" else (whole, weights["all"])
        targets = _targets(past, later, users, name)
        some = [place for place, own in enumerate(targets) if len(own)]
        if not some:
            continue
        wanted = [targets[place] for place in some]
        each = {}
        for method, shares in {**{one: {one: 1.0} for one in lists}, "blend": weight}.items():
            part = {one: found[some] for one, found in lists.items()}
            found = hits(fused(part, shares, width), wanted)
            each[method] = (ndcg(found, wanted), recall(found, wanted))
        tasks[name] = Task(
            len(some),
            weight,
            {method: (_mean(pair[0], seed), _mean(pair[1], seed)) for method, pair in each.items()},
            {
                method: (
                    _mean(pair[0] - each["knn"][0], seed),
                    _mean(pair[1] - each["knn"][1], seed),
                )
                for method, pair in each.items()
                if method in ("ar", "blend")
            },
        )
    return Tested(
        float(later.time[0]),
        float(later.time[-1]),
        len(present),
        len(present) - len(warm),
        len(users),
        len(np.unique(later.item[cold])),
        float(cold.mean()),
        tasks,
    )


def _between(events: Events, first: int, last: int) -> Events:
    part = slice(first, last)
    return Events(
        events.source,
        events.users,
        events.items,
        events.names,
        events.user[part],
        events.item[part],
        events.time[part],
        events.weight[part],
    )


def _drawn(users: np.ndarray, most: int, name: str, seed: int) -> np.ndarray:
    """At most so many users, every one as likely."""
    if len(users) <= most:
        return users
    rng = np.random.default_rng(counter_seed(name, seed))
    return np.sort(rng.choice(users, most, replace=False))


def _targets(past: Past, later: Events, users: np.ndarray, task: str) -> Sequence[np.ndarray]:
    """Of each user the items of the period: all of them; those that are new to the user; those of
    the first day on which the user comes back.
    """
    order = np.argsort(later.user, kind="stable")
    starts = np.searchsorted(later.user[order], users)
    ends = np.searchsorted(later.user[order], users, side="right")
    found = []
    for user, start, end in zip(users.tolist(), starts, ends, strict=True):
        own = order[start:end]
        if task == "basket":
            days = np.floor(later.time[own] / DAY)
            own = own[days == days[0]]
        items = np.unique(later.item[own])
        if task == "new":
            items = np.setdiff1d(items, past.items_of(user)[0])
        found.append(items)
    return found


def _mean(values: np.ndarray, seed: int) -> Estimate:
    rng = np.random.default_rng(counter_seed("bootstrap", seed))
    draws = rng.integers(0, len(values), (BOOTSTRAPS, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))
