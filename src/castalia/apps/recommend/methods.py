"""Simple methods that say what a user may want next, each a function of users to scores of items.

Popularity, overall and of late; what a user took before, the later the more; neighbours of items
(Sarwar et al. 2001: cosine between items over users, shrunk where few share them); matrix
factorisation for implicit feedback (Hu, Koren & Volinsky 2008) by alternating least squares, with
the Gram trick of its section 4. The transformer is in histories.py, how methods are put together in
blending.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from castalia.apps.recommend.events import Events
from castalia.nn.counter_random import counter_seed

Scores = Callable[[np.ndarray], np.ndarray]  # users (U,) -> (U, I) float32, the more the better
NEIGHBOURS, SHRINKAGE = 100, 10.0
FACTORS, ROUNDS, TRUST, RIDGE = 32, 8, 10.0, 5.0
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Past:
    """What is known at a moment. rows: of each user, where the items and strengths begin (CSR).
    strength: log2(1 + sum of weights), so 1 for one event of weight 1.
    """

    events: Events

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rows (U + 1,), item (P,), strength (P,) float32), items ascending in each row."""
        width = len(self.events.items)
        key, place = np.unique(self.events.user * width + self.events.item, return_inverse=True)
        strength = np.log2(1 + np.bincount(place, self.events.weight)).astype(np.float32)
        rows = np.searchsorted(key, np.arange(len(self.events.users) + 1) * width)
        return rows, key % width, strength

    @cached_property
    def holders(self) -> np.ndarray:
        """(I,) users of each item."""
        return np.bincount(self.pairs[1], minlength=len(self.events.items))

    def items_of(self, user: int) -> tuple[np.ndarray, np.ndarray]:
        """(items ascending, strengths) of a user."""
        rows, items, strength = self.pairs
        own = slice(rows[user], rows[user + 1])
        return items[own], strength[own]

    def dense(self, users: np.ndarray) -> np.ndarray:
        """(U, I) float32 strengths."""
        made = np.zeros((len(users), len(self.events.items)), np.float32)
        for row, user in enumerate(users):
            items, strength = self.items_of(int(user))
            made[row, items] = strength
        return made

    def recent(self, window: float) -> np.ndarray:
        """(I,) users of each item in the last `window` seconds."""
        late = self.events.time > self.events.time[-1] - window
        width = len(self.events.items)
        pair = np.unique(self.events.user[late] * width + self.events.item[late])
        return np.bincount(pair % width, minlength=width)

    @cached_property
    def neighbours(self) -> Neighbours:
        """Of each item, as they are found by default."""
        return neighbours(self)

    @property
    def sparse(self) -> torch.Tensor:
        """(U, I) float32."""
        rows, items, strength = self.pairs
        owner = np.repeat(np.arange(len(rows) - 1), np.diff(rows))
        return torch.sparse_coo_tensor(
            torch.from_numpy(np.stack([owner, items])),
            torch.from_numpy(strength),
            (len(rows) - 1, len(self.events.items)),
            check_invariants=True,
        ).coalesce()


def same_for_all(counts: np.ndarray) -> Scores:
    """Popularity: (I,) counts."""
    row = counts.astype(np.float32)
    return lambda users: np.broadcast_to(row, (len(users), len(row))).copy()


def before(past: Past, window: float) -> Scores:
    """What a user took before: each event counts exp(-age / window)."""
    events, width = past.events, len(past.events.items)
    worth = np.exp((events.time - events.time[-1]) / max(window, 1.0))
    key, place = np.unique(events.user * width + events.item, return_inverse=True)
    total = np.bincount(place, worth).astype(np.float32)
    rows = np.searchsorted(key, np.arange(len(events.users) + 1) * width)

    def scores(users: np.ndarray) -> np.ndarray:
        made = np.zeros((len(users), width), np.float32)
        for row, user in enumerate(users):
            own = slice(rows[user], rows[user + 1])
            made[row, key[own] % width] = total[own]
        return made

    return scores


@dataclass(frozen=True)
class Neighbours:
    """Of each item the nearest items (I, K), how near they are, and how many users hold both."""

    item: np.ndarray
    near: np.ndarray
    both: np.ndarray


def neighbours(past: Past, most: int = NEIGHBOURS, shrinkage: float = SHRINKAGE) -> Neighbours:
    """Cosine c_ij / (|i| |j| + shrinkage) over strengths; an item is its own nearest neighbour."""
    x = past.sparse
    length = torch.sqrt(torch.sparse.sum(x * x, 0).to_dense())
    count = x.shape[1]
    kept = min(most, count)
    parts: list[tuple[torch.Tensor, ...]] = []
    columns = x.t().coalesce()
    binary = torch.sparse_coo_tensor(
        columns.indices(), torch.ones(columns._nnz()), columns.shape, check_invariants=True
    ).coalesce()
    for start in range(0, count, _BLOCK):
        block = torch.arange(start, min(count, start + _BLOCK))
        own = x.index_select(1, block)
        product = torch.sparse.mm(columns, own.to_dense()).t()
        near = product / (length[block, None] * length[None] + shrinkage)
        best, place = near.topk(kept, 1)
        shared = torch.sparse.mm(binary, (own.to_dense() > 0).float()).t()
        parts.append((place, best, shared.gather(1, place).long()))
    item, near, both = (torch.cat(one).numpy() for one in zip(*parts, strict=True))
    return Neighbours(item, near, both)


def by_neighbours(past: Past, found: Neighbours) -> Scores:
    """Sum over a user's items of strength x nearness."""
    width = len(past.events.items)

    def scores(users: np.ndarray) -> np.ndarray:
        made = np.zeros((len(users), width), np.float32)
        for row, user in enumerate(users):
            items, strength = past.items_of(int(user))
            worth = (strength[:, None] * found.near[items]).ravel()
            made[row] = np.bincount(found.item[items].ravel(), worth, width)
        return made

    return scores


def factorised(
    past: Past,
    seed: int,
    factors: int = FACTORS,
    rounds: int = ROUNDS,
    trust: float = TRUST,
    ridge: float = RIDGE,
) -> Scores:
    """Minimises sum c_ui (p_ui - x_u . y_i)^2 + ridge (|x|^2 + |y|^2) over all pairs, p = 1 where
    there were events and else 0, c = 1 + trust x strength.
    """
    rows, items, strength = past.pairs
    users, width = len(rows) - 1, len(past.events.items)
    owner = np.repeat(np.arange(users), np.diff(rows))
    turned = np.argsort(items, kind="stable")
    starts = np.searchsorted(items[turned], np.arange(width + 1))
    rng = np.random.default_rng(counter_seed("factors", seed))
    y = rng.normal(0, 0.01, (width, factors))
    x = np.zeros((users, factors))
    for _ in range(rounds):
        x = solved(rows, items, strength, y, trust, ridge)
        y = solved(starts, owner[turned], strength[turned], x, trust, ridge)
    x = solved(rows, items, strength, y, trust, ridge)
    return lambda wanted: (x[wanted] @ y.T).astype(np.float32)


def solved(
    rows: np.ndarray,
    others: np.ndarray,
    strength: np.ndarray,
    y: np.ndarray,
    trust: float,
    ridge: float,
) -> np.ndarray:
    """One half of a round: (n, F), row u = (Y'Y + Y'(C_u - 1)Y + ridge)^-1 Y' C_u p_u."""
    width = y.shape[1]
    gram = y.T @ y + ridge * np.eye(width)
    made = np.zeros((len(rows) - 1, width))
    for row in np.flatnonzero(np.diff(rows)):
        own = slice(rows[row], rows[row + 1])
        part, more = y[others[own]], trust * strength[own, None].astype(np.float64)
        made[row] = np.linalg.solve(gram + part.T @ (more * part), ((1 + more) * part).sum(0))
    return made
