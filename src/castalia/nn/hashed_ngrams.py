"""Hashed n-grams: row numbers of an embedding table for each stretch of tokens, without a list of
them (compare Roy et al. 2022, N-Grammer, arXiv:2207.06366).

The arithmetic is that of 64-bit integers that wrap around; other implementations (export/) must
keep to it. The tables are the family's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

PRIMES = (
    0x9E3779B1,
    0x85EBCA77,
    0xC2B2AE3D,
    0x27D4EB2F,
    0x165667B1,
    0x2545F491,
    0x5851F42D,
    0x14057B7F,
)
LONGEST = len(PRIMES)  # tokens of an n-gram


def hashed(earlier: Sequence[Tensor], sizes: Sequence[int], rows: int) -> list[Tensor]:
    """Numbers in [0, rows) of the n-grams of each size. earlier[s] int64, of any shape, holds the
    tokens s places back.
    """
    numbers = []
    for size in sizes:
        mixed = torch.zeros_like(earlier[0])
        for shift in range(size):
            mixed = (mixed ^ (earlier[shift] + 1)) * PRIMES[shift]
            mixed = mixed ^ (mixed >> 15)
        numbers.append(mixed.remainder(rows))
    return numbers
