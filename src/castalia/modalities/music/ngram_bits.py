"""Bits of each symbol of a melody under an n-gram model of all other pieces (how surprising it is
where it stands).

A scale, a cadence or a repeated note that many pieces have is weak evidence of where it was taken
from; what only one piece does is strong evidence. Not here: what symbols are (melody.py), and how
matches are found (governance/local_alignment.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from castalia.evaluation.token_evidence import mixed


def surprise(
    rows: Sequence[np.ndarray], owners: Sequence[int] | np.ndarray, vocab: int, order: int
) -> list[np.ndarray]:
    """Of each row (n,) int64 in [0, vocab), (n,) float64 bits: -log2 p(symbol | up to `order`
    symbols before it in the row).

    owners: the piece that each row is of; what is counted in a piece does not speak for its own
    symbols. Contexts of 0 .. order symbols are interpolated as Witten and Bell 1991 do: a context
    with T different followers in N places gives T / (N + T) to the next shorter one, the shortest
    to all symbols alike.
    """
    if not rows:
        return []
    symbols = np.concatenate(rows).astype(np.uint64)
    owner = np.repeat(np.asarray(owners, dtype=np.int64), [len(row) for row in rows])
    place = np.concatenate([np.arange(len(row)) for row in rows])
    share = np.full(len(symbols), 1.0 / vocab)
    context = np.zeros(len(symbols), np.uint64)
    for length in range(order + 1):
        known = place >= length
        if length:
            context[length:] = mixed(context[length:], symbols[:-length] + np.uint64(1))
        here, after = context[known], mixed(context[known], symbols[known] + np.uint64(1))
        seen, alike = _others(here, owner[known]), _others(after, owner[known])
        followers = _followers(here, after)
        total = seen + followers
        share[known] = np.where(
            seen > 0, (alike + followers * share[known]) / np.maximum(total, 1), share[known]
        )
    return np.split(-np.log2(share), np.cumsum([len(row) for row in rows])[:-1])


def _others(codes: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(n,) how often each code stands in pieces of other owners."""
    _, number, count = np.unique(codes, return_inverse=True, return_counts=True)
    _, pair, own = np.unique(
        number * (int(owner.max(initial=0)) + 1) + owner, return_inverse=True, return_counts=True
    )
    result: np.ndarray = count[number] - own[pair]
    return result


def _followers(here: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(n,) how many different codes `after` stand behind each code `here`."""
    _, first = np.unique(after, return_index=True)
    _, number = np.unique(here, return_inverse=True)
    result: np.ndarray = np.bincount(number[first], minlength=number.max(initial=0) + 1)[number]
    return result
