"""The gate that mixes a network with an n-gram model (Neubig & Dyer 2016, arXiv:1606.00499). Its
training is in families/ar.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """The n-gram model's share of the mixture, from a small network on features of both models."""

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
