"""Optimisers and learning-rate schedules of one phase.

AdamW (Loshchilov & Hutter 2019) for everything, or Muon (Jordan et al. 2024) for hidden matrices
and AdamW for the rest. The rate is a function of the step, so no scheduler has state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from castalia.recipe_sections import OptimiserConfig, ScheduleConfig


def factor(step: int, steps: int, schedule: ScheduleConfig) -> float:
    """What the learning rate is multiplied by at `step` (0-based) of `steps`; in [floor, 1]."""
    if step < schedule.warmup:
        return (step + 1) / (schedule.warmup + 1)
    match schedule.name:
        case "constant":
            return 1.0
        case "wsd":
            start = steps * (1 - schedule.decay)
        case _:
            start = float(schedule.warmup)
    if step <= start:
        return 1.0
    progress = min(1.0, (step - start) / max(1.0, steps - start))
    fall = 0.5 * (1 + math.cos(math.pi * progress)) if schedule.name == "cosine" else 1 - progress
    return schedule.floor + (1 - schedule.floor) * fall


class PhaseOptimiser:
    """The optimisers of one phase, stepped together.

    Weight decay touches matrices and kernels only, never biases, gains or embeddings' offsets
    (tensors of rank < 2).
    """

    def __init__(
        self, phase: str, modules: Mapping[str, nn.Module], config: OptimiserConfig
    ) -> None:
        self.parameters: list[nn.Parameter] = []
        matrices: list[nn.Parameter] = []
        tables: list[nn.Parameter] = []
        seen: set[int] = set()
        for module in modules.values():
            hidden = {
                id(layer.weight)
                for layer in module.modules()
                if isinstance(layer, nn.Linear) and not getattr(layer, "is_head", False)
            }
            embeddings = {
                id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Embedding)
            }
            for parameter in module.parameters():
                # frozen: see nn/lora.py and training/frozen_parts.py
                if id(parameter) in seen or getattr(parameter, "frozen", False):
                    continue
                seen.add(id(parameter))
                self.parameters.append(parameter)
                if config.name == "muon" and id(parameter) in hidden:
                    matrices.append(parameter)
                elif config.embedding_rate is not None and id(parameter) in embeddings:
                    tables.append(parameter)
        chosen = {id(parameter) for parameter in [*matrices, *tables]}
        rest = [parameter for parameter in self.parameters if id(parameter) not in chosen]
        rate = config.rates.get(phase, config.rate)
        groups = [
            {
                "params": [parameter for parameter in rest if parameter.ndim >= 2],
                "weight_decay": config.weight_decay,
            },
            {
                "params": [parameter for parameter in rest if parameter.ndim < 2],
                "weight_decay": 0.0,
            },
        ]
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.rates: dict[str, float] = {}
        if rest:
            filled = [group for group in groups if group["params"]]
            self.optimisers["adamw"] = torch.optim.AdamW(
                filled, lr=rate, betas=config.betas, eps=config.eps, fused=True
            )
            self.rates["adamw"] = rate
        if tables and config.embedding_rate is not None:
            self.optimisers["tables"] = torch.optim.AdamW(
                tables,
                lr=config.embedding_rate,
                betas=config.betas,
                eps=config.eps,
                weight_decay=config.weight_decay,
                fused=True,
            )
            self.rates["tables"] = config.embedding_rate
        if matrices:
            self.optimisers["muon"] = torch.optim.Muon(
                matrices, lr=config.muon_rate, weight_decay=config.weight_decay
            )
            self.rates["muon"] = config.muon_rate

    def step(self, scale: float) -> None:
        """One step at `scale` times the configured rates; gradients are dropped afterwards."""
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.rates[name] * scale
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """All state tensors by name, e.g. "adamw.3.exp_avg"."""
        return {
            f"{name}.{index}.{key}": value if isinstance(value, Tensor) else torch.tensor(value)
            for name, optimiser in self.optimisers.items()
            for index, entries in optimiser.state_dict()["state"].items()
            for key, value in entries.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        for name, optimiser in self.optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                owner, index, entry = key.split(".", 2)
                if owner == name:
                    state.setdefault(int(index), {})[entry] = value
            optimiser.load_state_dict(
                {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
            )
            # The moments must lie in memory as the parameter does: fused kernels walk both
            # together.
            for parameter, entries in optimiser.state.items():
                for entry, value in entries.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        entries[entry] = torch.empty_like(parameter).copy_(value)
