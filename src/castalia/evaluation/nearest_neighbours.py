"""Exact nearest neighbours, by blocks of one matrix product.

Squared distances come from |a|^2 - 2 a.b + |b|^2 on centred data. `nearest` shortlists with them
and measures the shortlist again from differences, so that a copy has distance 0, not the rounding
error of a product.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from castalia.errors import SpecError
from castalia.sentences import plural, say

BLOCK = 16_000_000  # entries of one block of a distance matrix: 64 MB in float32
SPARE = 8  # shortlist beyond k


def chunks(rows: Tensor, width: int) -> Iterator[tuple[int, Tensor]]:
    """(start, rows[start : stop]) such that a block of `width` columns stays within
    BLOCK entries.
    """
    step = max(1, BLOCK // max(width, 1))
    for start in range(0, len(rows), step):
        yield start, rows[start : start + step]


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, D), (M, D) -> (N, M) squared Euclidean distances, never negative; dtype of the inputs."""
    return (a.square().sum(1)[:, None] - 2 * (a @ b.T) + b.square().sum(1)).clamp_min_(0)


def nearest(
    queries: Tensor, items: Tensor, k: int = 1, *, exclude_self: bool = False
) -> tuple[Tensor, Tensor]:
    """The k nearest `items` of each query: distances (N, k) float64 ascending, indices (N, k)
    int64.

    queries (N, D), items (M, D) float. exclude_self: query i is item i and does not count as its
    own neighbour. Raises SpecError when there are fewer than k items to choose from.
    """
    available = len(items) - int(exclude_self)
    if not 1 <= k <= available:
        raise SpecError(
            say(
                "cannot find {0} among {1}",
                plural("{0} neighbour", "{0} neighbours", k),
                plural("{0} item", "{0} items", available),
            ),
            where="neighbours",
            fix=say("use a smaller k or more data"),
        )
    queries, items = queries.flatten(1).float(), items.flatten(1).float()
    centre = items.mean(0)
    queries, items = queries - centre, items - centre
    short = min(k + SPARE, available)
    distances, indices = [], []
    for start, rows in chunks(queries, len(items)):
        block = squared_distances(rows, items)
        if exclude_self:
            own = torch.arange(len(rows))
            block[own, start + own] = float("inf")
        listed = block.topk(short, largest=False).indices
        # (256, short, D) at a time
        for part, places in zip(rows.split(256), listed.split(256), strict=True):
            exact = (part[:, None].double() - items[places].double()).norm(dim=2)
            best = exact.sort(dim=1, stable=True)
            distances.append(best.values[:, :k])
            indices.append(places.gather(1, best.indices[:, :k]))
    return torch.cat(distances), torch.cat(indices)
