"""Multi-head attention written out (Vaswani et al. 2017, arXiv:1706.03762), for networks whose
forward derivatives are asked for, which fused kernels do not have.
"""

from __future__ import annotations

from torch import Tensor

HEAD = 32  # numbers of a head


def heads_of(width: int) -> int:
    """How many heads of about HEAD numbers divide the width."""
    return next(heads for heads in range(max(1, width // HEAD), 0, -1) if not width % heads)


def split(x: Tensor, heads: int) -> Tensor:
    """(B, S, width) -> (B, heads, S, width / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    """(B, heads, S, width / heads) -> (B, S, width)."""
    return x.transpose(1, 2).flatten(2)


def attended(
    query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None
) -> Tensor:
    """(B, T, width) and (B, S, width) twice -> (B, T, width). mask: (B, 1, 1, S) bool, what may be
    looked at; a row that may look at nothing looks at everything.
    """
    query, key, value = (split(part, heads) for part in (query, key, value))
    weights = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:  # not minus infinity, of which nothing would be left to share
        weights = weights.masked_fill(~mask, -1e4)
    return joined(weights.softmax(-1) @ value)
