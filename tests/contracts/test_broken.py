"""The contract tests can fail: each item catches a family that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.counter_random import randn_rows
from castalia.spec import Batch, Condition, Dense, Loss, Spec, Tokens
from castalia.testing import FAMILY_CHECKS, SPECS, FamilyCase, check_family

SPEC = SPECS["vector"]


class Honest(Family):
    """The least that keeps the contract: a Gaussian with a learned mean."""

    name = "honest"
    accepts = (Dense,)
    Config = FamilyConfig

    def __init__(self, config: Any, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)
        self.mean = nn.Linear(1, spec.size)
        self.spare = nn.Linear(1, 1)

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("mean", "spare")),)

    def value(self) -> Tensor:
        return self.mean(torch.ones(1, 1)).view(1, *self.spec.shape)  # type: ignore[union-attr]

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        self.check(batch)
        total = (
            batch.x - self.value() + 0.01 * torch.randn_like(batch.x)
        ).square().mean() + self.spare(torch.ones(1, 1)).square().sum()
        return Loss(total, {"error": total.detach()})

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        low, high = self.spec.limits  # type: ignore[union-attr]
        return (self.value() + randn_rows(rngs, *self.spec.shape)).clamp(low, high)  # type: ignore[union-attr]


def test_honest_family_passes_everywhere() -> None:
    check_family(Honest)


class NotFinite(Honest):
    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        loss = super().forward(batch)
        return Loss(loss.total * float("nan"), loss.parts)


class OwnNoise(Honest):
    """Draws from a generator of its own, which a resumed run would start anew."""

    rng = torch.Generator().manual_seed(0)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        loss = super().forward(batch)
        return Loss(loss.total + torch.rand((), generator=self.rng), loss.parts)


class Orphan(Honest):
    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("mean",)),)


class Idle(Honest):
    """Names a module that its loss does not reach."""

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        self.check(batch)
        total = (batch.x - self.value()).square().mean()
        return Loss(total, {"error": total.detach()})


class Learnless(Honest):
    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        loss = super().forward(batch)
        return Loss(1000 + loss.total, loss.parts)


class Forgetful(Honest):
    """State that steers the training but is not saved."""

    calls = 0

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        loss = super().forward(batch)
        self.calls += 1
        return Loss(loss.total * self.calls, loss.parts)


class Global(Honest):
    """Samples from the global generator."""

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        return torch.randn(len(rngs), *self.spec.shape)  # type: ignore[union-attr]


class Coupled(Honest):
    """A row depends on the other rows: batch statistics at sampling time."""

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        x = super().sample(rngs, cond, options)
        return x - x.mean(0, keepdim=True)


class Careless(Honest):
    def check(self, batch: Batch) -> None:
        pass


class Clairvoyant(Honest):
    """Attends to what comes later."""

    accepts = (Tokens,)

    def __init__(self, config: Any, spec: Spec, conditions: dict[str, Condition]) -> None:
        Family.__init__(self, config, spec, conditions)

    def attention(self, x: Tensor) -> list[Tensor]:
        return [torch.full((len(x), 1, x.shape[1], x.shape[1]), 1 / x.shape[1])]


def test_looking_ahead_is_caught() -> None:
    with pytest.raises(AssertionError, match="a token looks ahead"):
        FAMILY_CHECKS["attends"](FamilyCase(Clairvoyant, FamilyConfig(), SPECS["tokens"]))


@pytest.mark.parametrize(
    ("family", "check"),
    [
        (NotFinite, "finite loss"),
        (OwnNoise, "noise is ambient only"),
        (Orphan, "phases move their own"),
        (Idle, "phases move their own"),
        (Learnless, "overfits one batch"),
        (Forgetful, "resumes bit-exactly"),
        (Global, "samples"),
        (Coupled, "samples"),
        (Careless, "refuses wrong shapes"),
    ],
)
def test_broken_family_is_caught(family: type[Family], check: str) -> None:
    with pytest.raises(AssertionError):
        FAMILY_CHECKS[check](FamilyCase(family, FamilyConfig(), SPEC))
