"""Low-rank adaptation: y = W x + (alpha / r) B A x with W frozen (Hu et al. 2021,
arXiv:2106.09685).

`adapt` replaces every linear layer of a model by one with a pair A, B and freezes all else; B
begins at zero, so nothing changes at first. `merge` puts the pairs into the weights and the plain
layers back: what is sampled from and exported. Not here: which run uses it (training.adapt in the
recipe).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.errors import RecipeError
from castalia.sentences import say


class LoraLinear(nn.Linear):
    """A linear layer whose weight and bias are frozen; `a` (rank, in) and `b` (out, rank) learn."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(
            layer.in_features, layer.out_features, layer.bias is not None, device="meta"
        )
        self.weight, self.bias = layer.weight, layer.bias
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.empty(rank, layer.in_features))
        self.b = nn.Parameter(torch.zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return (
            F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.a), self.b) * self.scale
        )

    def plain(self) -> nn.Linear:
        """One layer that computes the same."""
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        layer.weight, layer.bias = (
            nn.Parameter(self.weight.detach() + self.scale * self.b.detach() @ self.a.detach()),
            self.bias,
        )
        return layer


def adapt(model: nn.Module, rank: int, alpha: float) -> None:
    """In place: pairs of `rank` in every linear layer that is no head; everything else is marked as
    frozen.

    Raises RecipeError where the model has no linear layer.
    """
    for parameter in model.parameters():
        parameter.frozen = True  # type: ignore[attr-defined] - training/optim.py leaves such parameters alone
    layers = [
        (parent, name, layer)
        for parent in list(model.modules())
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Linear) and not getattr(layer, "is_head", False)
    ]
    if not layers:
        raise RecipeError(
            say("there is no linear layer to adapt"),
            where="training.adapt.lora",
            fix=say("leave it out: the whole model is fine-tuned"),
        )
    for parent, name, layer in layers:
        setattr(parent, name, LoraLinear(layer, rank, alpha))


def merge(model: nn.Module) -> None:
    """In place: plain layers again, with what the pairs learned."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, LoraLinear):
                setattr(parent, name, layer.plain())
