"""The gate of a mixture of a network and counts (Neubig & Dyer 2016, arXiv:1606.00499). Not here:
how it is trained (families/ar.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """How much of the mixture the counts get: a small network on what both models say of
    themselves.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.into = nn.Linear(features + 2, 24)
        self.out = nn.Linear(24, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """logits (..., V) and features (..., F) of the counts -> (...) logit of the
        counts' share.
        """
        log_probs = logits.detach().log_softmax(-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        own = torch.stack([entropy, log_probs.amax(-1)], -1)
        return self.out(torch.tanh(self.into(torch.cat([own, features.to(own)], -1).float())))[
            ..., 0
        ].float()
