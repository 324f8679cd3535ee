"""How often each class was seen, in buffers of a family: what to draw where none is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from castalia.nn.condition_embedding import slot
from castalia.spec import Classes, Condition


def add_counts(family: nn.Module, conditions: dict[str, Condition]) -> None:
    """A buffer of zeros for each class condition; the last entry counts dropped ones."""
    for name, condition in conditions.items():
        if isinstance(condition, Classes):
            family.register_buffer(
                f"seen_{slot(name)}", torch.zeros(len(condition) + 1, dtype=torch.int64)
            )


def count(family: nn.Module, conditions: dict[str, Condition], cond: dict[str, Any]) -> None:
    """Add the classes of a batch."""
    for name, value in cond.items():
        if isinstance(conditions.get(name), Classes) and value is not None:
            seen = family.get_buffer(f"seen_{slot(name)}")
            seen += torch.bincount(value, minlength=len(seen)).to(seen)


def with_drawn_classes(
    family: nn.Module,
    conditions: dict[str, Condition],
    cond: dict[str, Any],
    rngs: Sequence[torch.Generator],
    device: torch.device,
) -> dict[str, Any]:
    """`cond` on the device, with every missing or dropped class replaced by one drawn from its
    row's generator, as often as it was seen.
    """
    return _completed(
        family,
        conditions,
        cond,
        len(rngs),
        device,
        lambda seen: torch.cat([torch.multinomial(seen, 1, generator=rng) for rng in rngs]),
    )


def with_commonest_classes(
    family: nn.Module,
    conditions: dict[str, Condition],
    cond: dict[str, Any],
    rows: int,
    device: torch.device,
) -> dict[str, Any]:
    """`cond` on the device, with every missing or dropped class replaced by the one that was seen
    most often.
    """
    return _completed(
        family, conditions, cond, rows, device, lambda seen: seen.argmax().expand(rows)
    )


def _completed(
    family: nn.Module,
    conditions: dict[str, Condition],
    cond: dict[str, Any],
    rows: int,
    device: torch.device,
    choice: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """choice: counts of the classes (C,) float32, not all 0, to a class for each row (rows,)."""
    full = {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in cond.items()
        if name in conditions and value is not None
    }
    for name, condition in conditions.items():
        if not isinstance(condition, Classes):
            continue
        asked = full.get(name, torch.full((rows,), len(condition), device=device))
        seen = family.get_buffer(f"seen_{slot(name)}").float().cpu()
        if not seen.any():
            seen = torch.ones(len(condition))
        full[name] = torch.where(asked == len(condition), choice(seen).to(device), asked)
    return full
