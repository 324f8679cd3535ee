"""Fill in the middle: rearrange documents as prefix, suffix, middle, so that a left-to-right model
learns to fill gaps.

Bavarian et al. 2022, arXiv:2207.14255 (the order "PSM", half of the documents): <prefix> A <suffix>
C <middle> B. The three marks take the place of the piece's first three tokens, so that rows keep
their length.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

SHARE = 0.5  # of the pieces that are rearranged
SHORTEST = 8  # tokens of a piece below which there is nothing to fill


def rearranged(
    x: Tensor, rng: torch.Generator, *, begin: int, end: int | None, marks: tuple[int, int, int]
) -> Tensor:
    """Rows (B, T) of packed documents; each piece between two `begin` is rearranged with
    probability SHARE.
    """
    x = x.clone()
    for row in x:
        edges = [0, *(row[1:] == begin).nonzero()[:, 0].add(1).tolist(), len(row)]
        for start, stop in pairwise(edges):
            stop -= int(end is not None and stop - 1 > start and int(row[stop - 1]) == end)
            body = row[start + 1 : stop]
            if len(body) < SHORTEST or torch.rand((), generator=rng) >= SHARE:
                continue
            text = body[3:].clone()
            one, other = torch.randint(0, len(text) + 1, (2,), generator=rng).sort().values.tolist()
            prefix, suffix, middle = (body.new_tensor([mark]) for mark in marks)
            row[start + 1 : stop] = torch.cat(
                [prefix, text[:one], suffix, text[other:], middle, text[one:other]]
            )
    return x
