"""Loss on held-out data while training, and before and after fine-tuning
(RUN/eval/forgetting.json).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from castalia import atomic
from castalia.abilities import Scores
from castalia.data.stream import Dataset, Side
from castalia.errors import CastaliaError
from castalia.families.base import Family
from castalia.nn.counter_random import generator
from castalia.progress import stage
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Tokens
from castalia.training.setup import new_family, open_data, parameter_count


@dataclass(frozen=True)
class Effort:
    """How much of the held-out side is used: rows at most; multiplications and additions of a pass
    over them, which makes it fewer of a large model.
    """

    rows: int
    work: float


# once, before and after; again and again while a model trains
WHOLE, QUICK = Effort(256, 2e12), Effort(32, 5e10)


def held_out_loss(family: Family, dataset: Dataset) -> float | None:
    """Mean nats per coded token (Tokens) or per item (Dense) over held-out rows; None where nothing
    can be scored.
    """
    found = loss_on(dataset.validation, family, WHOLE)
    return None if found is None else found.value


@dataclass(frozen=True)
class HeldOut:
    """Mean nats per coded token or per item, and its standard error by leaving out one row at a
    time (Efron & Stein 1981); None of a single row.
    """

    value: float
    error: float | None

    @classmethod
    def of(cls, nats: Tensor, counts: Tensor) -> HeldOut | None:
        """nats (n,) float64 of rows, and how many tokens or items each holds. None of nothing."""
        total, rows = counts.sum(), len(nats)
        if not total:
            return None
        without = (nats.sum() - nats) / (total - counts)
        error = ((rows - 1) * without.var(correction=0)).sqrt().item()
        return cls((nats.sum() / total).item(), error if math.isfinite(error) else None)


def loss_on(side: Side, family: Family, effort: Effort) -> HeldOut | None:
    """Over some rows of a side, the same ones each time; None where nothing can be scored."""
    if not isinstance(family, Scores) or not len(side):
        return None
    length = side.spec.length if isinstance(side.spec, Tokens) else 1
    passes = getattr(family, "passes", 1)
    work = 2 * parameter_count(family) * length * passes
    most = max(8, min(effort.rows // min(passes, 4), int(effort.work / work)))
    rows = torch.linspace(0, len(side) - 1, min(most, len(side))).long().unique()
    nats, counts = [], []
    for part in rows.split(16):
        batch = side.take(part)
        rngs = [generator("held out", int(row)) for row in part]
        nats.append(family.nats(batch.to(family.device), rngs).double().cpu())
        counts.append(
            batch.counted(side.spec.begin).double()
            if isinstance(side.spec, Tokens)
            else torch.ones(len(part), dtype=torch.float64)
        )
    return HeldOut.of(torch.cat(nats), torch.cat(counts))


@dataclass(frozen=True)
class Forgetting:
    """Nats on held-out data, old and new, before fine-tuning: what RUN/eval/forgetting.json
    compares with what they are after it.
    """

    new: float | None
    old: dict[str, Any]
    parent: str | None = None

    @classmethod
    def before(cls, run: Run, dataset: Dataset) -> Forgetting | None:
        """None for a run that starts from nothing, or whose file is there already."""
        source, base = run.recipe.start_from, run.recipe.family.config.model_dump().get("base")
        if (source is None and base is None) or (run.folder / "eval" / "forgetting.json").exists():
            return None
        with stage("measuring the loss on held-out data"):
            if source is None:
                return cls(
                    held_out_loss(run.build(), dataset),
                    {"source": "", "why": say("the data of a model of others are not at hand")},
                )
            try:
                parent = Run.open(source)
                model = (
                    parent.model()
                    if parent.spec == run.spec
                    else new_family(run.recipe, run.spec, run.conditions, parent)
                )
                new, old = held_out_loss(model, dataset), {"source": parent.recipe.data.named}
            except CastaliaError as error:
                return cls(None, {"source": "", "why": say("not measured: {0}", error.what)})
            try:
                return cls(
                    new, old | {"before": held_out_loss(model, open_data(parent))}, parent.id
                )
            except CastaliaError as error:
                return cls(new, old | {"why": say("not measured: {0}", error.what)}, parent.id)

    def write(self, run: Run, dataset: Dataset) -> None:
        """What the run gained and what it lost."""
        model = run.model()
        new = {"source": run.recipe.data.named, "after": held_out_loss(model, dataset)}
        losses = {
            "unit": "nats per token" if isinstance(dataset.spec, Tokens) else "nats per item",
            "new": new,
            "old": dict(self.old),
        }
        if self.new is not None:
            new["before"] = self.new
        if self.parent is not None:
            losses["parent"] = self.parent
        if "before" in self.old and run.recipe.start_from is not None:
            losses["old"]["after"] = held_out_loss(
                model, open_data(Run.open(run.recipe.start_from))
            )
        atomic.write_json(run.folder / "eval" / "forgetting.json", losses)
