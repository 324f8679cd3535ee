"""Lists of several methods put together by weighted reciprocal ranks, with weights chosen on a past
period.

Fusion: score = sum of weight / (60 + rank) over the methods (Cormack, Clarke & Buettcher 2009). The
weights are counts of a greedy selection with replacement (Caruana et al. 2004): from the best
method, one is added at a time, as long as NDCG grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from castalia.apps.recommend.methods import Past, Scores

DEPTH, OFFSET, STEPS = 200, 60.0, 10
TOP = 10
# a method that has too little to say is continued by this one
FILLER, FILL = "recent", 1e-6
_ROWS = 256
Lists = Mapping[str, np.ndarray]  # method -> (U, DEPTH) int64 items, the best first, -1 for none


def ranked(scores: np.ndarray, most: int = DEPTH) -> np.ndarray:
    """(U, most) items by falling score; -1 where the score is no finite number above -inf."""
    width = min(most, scores.shape[1])
    part = np.argpartition(-scores, width - 1, 1)[:, :width]
    found = np.take_along_axis(scores, part, 1)
    order = np.lexsort((part, -found))
    items = np.take_along_axis(part, order, 1)
    items[~np.isfinite(np.take_along_axis(found, order, 1))] = -1
    return items


def lists_of(
    methods: Mapping[str, Scores], past: Past, users: np.ndarray, barred: np.ndarray | None = None
) -> tuple[Lists, Lists]:
    """(lists among all items, lists among those that a user never had). barred (I,) bool: items
    that nobody gets.
    """
    whole: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    new: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    nothing = past.holders == 0
    if barred is not None:
        nothing = nothing | barred
    for start in range(0, len(users), _ROWS):
        block = users[start : start + _ROWS]
        seen = past.dense(block) > 0
        for name, method in methods.items():
            scores = method(block)
            scores[:, nothing] = -np.inf
            if name in ("before", "knn", "popular", "recent"):
                scores[scores <= 0] = -np.inf  # nothing speaks for it
            whole[name].append(ranked(scores))
            scores[seen] = -np.inf
            new[name].append(ranked(scores))
    return tuple(  # type: ignore[return-value]
        {name: np.concatenate(parts) for name, parts in lists.items()} for lists in (whole, new)
    )


def fused(lists: Lists, weights: Mapping[str, float], width: int, most: int = TOP) -> np.ndarray:
    """(U, most) items of all lists together; width: how many items there are."""
    users = len(next(iter(lists.values())))
    made = np.full((users, most), -1, np.int64)
    for start in range(0, users, _ROWS):
        stop = min(users, start + _ROWS)
        scores = np.full((stop - start, width), -np.inf)
        for name, weight in {FILLER: FILL, **weights}.items():
            if not weight:
                continue
            items = lists[name][start:stop]
            row, place = np.nonzero(items >= 0)
            chosen = items[row, place]
            old = scores[row, chosen]
            scores[row, chosen] = np.where(np.isfinite(old), old, 0) + weight / (OFFSET + place)
        best = ranked(scores, most)
        made[start:stop, : best.shape[1]] = best
    return made


def hits(items: np.ndarray, targets: Sequence[np.ndarray]) -> np.ndarray:
    """(U, n) bool: the suggestion is among the user's targets."""
    return np.stack([np.isin(row, own) for row, own in zip(items, targets, strict=True)])


def ndcg(found: np.ndarray, targets: Sequence[np.ndarray]) -> np.ndarray:
    """(U,) normalised discounted cumulative gain of hits (U, n), each target worth 1."""
    discount = 1 / np.log2(np.arange(found.shape[1]) + 2)
    best = np.cumsum(discount)
    most = np.array([min(len(own), found.shape[1]) for own in targets])
    gained: np.ndarray = (found * discount).sum(1) / best[most - 1]
    return gained


def recall(found: np.ndarray, targets: Sequence[np.ndarray]) -> np.ndarray:
    """(U,) share of a user's targets that stand among the suggestions."""
    share: np.ndarray = found.sum(1) / np.array([len(own) for own in targets])
    return share


def chosen(lists: Lists, targets: Sequence[np.ndarray], width: int) -> dict[str, float]:
    """Weights of the methods, adding up to 1."""

    def worth(counts: Mapping[str, float]) -> float:
        return float(ndcg(hits(fused(lists, counts, width), targets), targets).mean())

    counts: dict[str, float] = {}
    best = -1.0
    for _ in range(STEPS):
        tried = {name: worth({**counts, name: counts.get(name, 0) + 1}) for name in sorted(lists)}
        name = max(tried, key=lambda one: tried[one])
        if tried[name] <= best:
            break
        best, counts[name] = tried[name], counts.get(name, 0) + 1
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}
