"""What audit.py and audit_music.py have in common: planted copies and fresh items, counted against
a threshold, over splits and rounds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.evaluation.base import wilson
from castalia.governance.calibration import Calibration, crossed, threshold_of, verdict_of

GOALS = {"found": 0.95, "false_alarms": 0.01}


def counts(
    held_out: Tensor,
    alone: Tensor,
    copies: Mapping[str, Tensor],
    counted: Collection[str],
    farthest: float,
    rounds: int,
    rng: torch.Generator,
) -> dict[str, Any]:
    """One split, from distances of held-out items, of fresh ones, and of planted copies by kind;
    `counted`: the kinds that the goal speaks of.
    """
    threshold, false = threshold_of(held_out, farthest), crossed(held_out, farthest)
    calibration = Calibration(
        threshold, "held-out items", len(held_out), false, float(held_out.min())
    )
    every = torch.cat([found for kind, found in copies.items() if kind in counted])
    return {
        "held": len(held_out),
        "crossed": false,
        "fresh": len(alone),
        "false": int((alone < threshold).sum()),
        "threshold": round(threshold, 4),
        "kinds": {
            kind: (int((found < threshold).sum()), len(found)) for kind, found in copies.items()
        },
        "rounds": rounds,
        "copies": sum(_says_copies(alone, every, calibration, rng) for _ in range(rounds)),
        "alone": int(verdict_of(alone, calibration)[0] == "copies"),
    }


def pooled(splits: Sequence[Mapping[str, Any]], counted: Collection[str]) -> dict[str, Any]:
    """Shares over all splits, as `counts` gave them."""

    def both(hits: str, n: str) -> dict[str, Any]:
        return share(sum(row[hits] for row in splits), sum(row[n] for row in splits))

    kinds = {
        kind: [sum(row["kinds"][kind][part] for row in splits) for part in (0, 1)]
        for kind in splits[0]["kinds"]
    }
    return {
        "thresholds": [row["threshold"] for row in splits],
        "found": share(
            *(sum(hits[part] for kind, hits in kinds.items() if kind in counted) for part in (0, 1))
        ),
        "by_kind": {kind: share(*hits) for kind, hits in kinds.items()},
        "false_alarms": both("false", "fresh"),
        "reported_false_alarms": both("crossed", "held"),
        "verdict_copies_with_1_percent": both("copies", "rounds"),
        "verdict_copies_without": sum(row["alone"] for row in splits),
    }


def share(hits: int, n: int) -> dict[str, Any]:
    value = hits / max(1, n)
    return {
        "value": round(value, 4),
        "interval": [round(end, 4) for end in wilson(value, max(1, n))],
        "n": n,
    }


def _says_copies(
    alone: Tensor, copies: Tensor, calibration: Calibration, rng: torch.Generator
) -> bool:
    """Whether an audit of fresh items, 1% of which are copies, says so."""
    count = max(1, round(0.01 * len(alone)))
    drawn = copies[torch.randperm(len(copies), generator=rng)[:count]]
    mixed = torch.cat([alone[torch.randperm(len(alone), generator=rng)[count:]], drawn])
    return verdict_of(mixed, calibration)[0] == "copies"
