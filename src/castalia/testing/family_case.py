"""`FamilyCase`: a family with a config and a spec, which contract tests of families are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from castalia.families.base import Family
from castalia.nn.counter_random import counter_seed
from castalia.spec import Batch, Condition, Dense, Tokens
from castalia.testing.synthetic import synthetic


@dataclass(frozen=True)
class FamilyCase:
    """A family, a config for it and a spec; `build` and `batch` are functions of the seed alone."""

    family: type[Family]
    config: Any
    spec: Dense | Tokens
    conditions: dict[str, Condition] = field(default_factory=dict)

    def build(self, seed: int = 0) -> Family:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(counter_seed("contract", seed))
            model = self.family(self.config, self.spec, self.conditions)
            model.prepare(self.batch(1, number) for number in range(4))
            return model

    def batch(self, rows: int = 8, seed: int = 0) -> Batch:
        return synthetic(self.spec, rows, seed, self.conditions)
