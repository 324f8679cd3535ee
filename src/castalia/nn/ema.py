"""Exponential moving average of a model's weights: what samples are drawn from.

Parameters are averaged; buffers are copied, because an average of batch-norm statistics fits no
weights at all: a family recomputes such buffers for the averaged weights in `Family.refresh`. The
average is a function of the weights and the step alone, so that its state is a plain state dict and
a resumed run continues bit-exactly.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class Ema:
    """Holds `model`, a copy of the trained module with averaged parameters (no gradients,
    evaluation mode).

    decay  weight of the past in each update, in [0, 1); early on it is min(decay, (1 + step) / (10
           + step)), so that the random initial weights are forgotten even in a short run.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._averages: list[torch.Tensor] = [
            p for p in self.model.parameters() if p.is_floating_point()
        ]
        self._weights: list[torch.Tensor] = [p for p in model.parameters() if p.is_floating_point()]
        self._buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """One update after optimiser step `step` (0-based) of the model that this is the average
        of.
        """
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._weights, weight)
        for own, other in self._buffers:
            own.copy_(other)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.model.load_state_dict(state)
