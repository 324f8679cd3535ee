"""Cross-entropy of tokens in nats, computed within a bounded memory."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

AT_ONCE = 2**25  # logits that are held at once while a likelihood is computed
# a logit whose probability is zero; finite, because what stands there is multiplied by zero later
NEVER = -1e4
TINY = 1e-9  # a weight that stands for none


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """logits (B, T, V), targets (B, T) int64 -> nats (B, T)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(
        targets.shape
    )


def row_blocks(x: Tensor, vocab: int) -> list[slice]:
    """The rows of x (B, T) in blocks whose logits over `vocab` tokens do not exceed `AT_ONCE`."""
    size = max(1, AT_ONCE // (x.shape[1] * vocab))
    return [slice(at, at + size) for at in range(0, len(x), size)]
