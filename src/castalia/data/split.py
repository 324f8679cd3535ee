"""Split items into training and validation by their content, so that adding files moves no old file
across.

An item's position in [0, 1) is the first 8 bytes of its content hash; those below `data.validation`
validate. Items of one group share the group's position, and groups that share an item count as one.
Only when a side would stay empty although there are two different items does the lowest (or
highest) position move there: no rule can be both never empty and independent of the other files.
"""

from __future__ import annotations

import hashlib

import numpy as np


def ranks(digests: np.ndarray) -> np.ndarray:
    """(N,) int64 for (N, 16) uint8: equal digests get equal numbers, in the digests' order, from 0
    without gaps.
    """
    halves = np.ascontiguousarray(digests).view(">u8").astype(np.uint64)  # (N, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    ordered = halves[order]
    step = np.ones(len(order), dtype=np.int64)
    if len(order):
        step[0] = 0
        step[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    result = np.empty(len(order), dtype=np.int64)
    result[order] = np.cumsum(step)
    return result


def limited(digests: np.ndarray, limit: int) -> np.ndarray:
    """(N,) bool: `limit` items by the second half of their hash, independent of the split; a
    smaller limit is a subset of a larger one.
    """
    order = np.lexsort(
        (np.arange(len(digests)), np.ascontiguousarray(digests[:, 8:]).view(">u8").ravel())
    )
    chosen = np.zeros(len(digests), dtype=bool)
    chosen[order[:limit]] = True
    return chosen


def validates(
    digests: np.ndarray, group: np.ndarray, groups: list[str], share: float
) -> np.ndarray:
    """(N,) bool: True on the validation side. digests (N, 16) uint8; group (N,) int into `groups`,
    -1 for none.
    """
    if share == 0 or len(digests) == 0:
        return np.zeros(len(digests), dtype=bool)
    content = ranks(digests)
    unit, position = (
        (content, _positions(digests, content))
        if (group < 0).all()
        else _grouped(digests, content, group, groups)
    )
    low = position < share
    if not low.any() and len(position) > 1:
        low[position.argmin()] = True
    if low.all() and len(position) > 1:
        low[position.argmax()] = False
    side: np.ndarray = low[unit]
    return side


def _positions(digests: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Position of each rank: (number of distinct digests,) float64."""
    position = np.empty(content.max() + 1)
    position[content] = np.ascontiguousarray(digests[:, :8]).view(">u8").ravel() / 2.0**64
    return position


def _grouped(
    digests: np.ndarray, content: np.ndarray, group: np.ndarray, groups: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(unit of each item, position of each unit): units are groups, or single contents, joined
    where they share an item.
    """
    single = _positions(digests, content)
    node = np.where(group < 0, content + len(groups), group)
    position = np.concatenate([[_group_position(name) for name in groups], single])
    parent = np.arange(len(position))

    def root(start: int) -> int:
        while parent[start] != start:
            parent[start] = parent[parent[start]]
            start = int(parent[start])
        return start

    first: dict[int, int] = {}
    for content_rank, item_node in zip(content.tolist(), node.tolist(), strict=True):
        one, other = root(first.setdefault(content_rank, item_node)), root(item_node)
        parent[max(one, other)] = min(one, other)
    roots = np.array([root(item_node) for item_node in node.tolist()])
    used, unit = np.unique(roots, return_inverse=True)
    lowest = np.full(len(used), np.inf)
    np.minimum.at(lowest, unit, position[node])
    return unit, lowest


def _group_position(name: str) -> float:
    return int.from_bytes(hashlib.sha256(b"group/" + name.encode()).digest()[:8], "big") / 2.0**64
