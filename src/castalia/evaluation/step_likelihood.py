"""Nats a step and a note, for tokens that come in steps (`Tokens.period`): the measure of the
classic benchmarks of polyphonic music.

    nats-per-step           sum over all steps of all held-out rows, the first one included, divided
                            by the steps
    nats-per-note           the same sum divided by the notes, where the codec counts notes
    nats-per-step-averaged  the same of a mixture: each token's distribution is the mean of those
                            that the model gives in every symmetric copy of the row
                            (`Symmetric`: a score in other keys), mapped back. A distribution
                            again, and often a better one

What the grammar forces (slots left empty after the last note) costs nothing where the grammar
renormalises (`Grammar.along`). Whether a row ends at a step is another question than what sounds
there: steps are scored with `end` barred, and what the ends cost stands apart in the details.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from castalia.evaluation.base import (
    GROUPS,
    Metric,
    MetricResult,
    TokenEvidence,
    estimated,
    group_ids,
)
from castalia.language import say
from castalia.spec import Batch, Tokens

MOST_AVERAGED = 50_000  # tokens of the rows that are read in every copy


@runtime_checkable
class ScoresTokens(Protocol):
    exact: bool

    def token_nats(
        self, batch: Batch, order: Tensor | None = None, barred: Tensor | None = None
    ) -> Tensor:
        """(B, T - 1) nats of x[:, 1:]; tokens of `barred` (V,) bool are known not to come."""
        ...


class StepNats(NamedTuple):
    """Of each row, (N,) float64: nats of what stands in its steps, nats of its end and of not
    ending before, and steps.
    """

    nats: Tensor
    ends: Tensor
    steps: Tensor


def step_nats(
    model: ScoresTokens, batches: Sequence[Batch], spec: Tokens, symmetries: Sequence[Tensor] = ()
) -> StepNats:
    """symmetries: see codecs/protocols.py; with more than the identity the mixture is scored, whose
    ends are not asked for (zero).
    """
    of_batches: list[tuple[Tensor, Tensor, Tensor]] = []
    never = torch.zeros(spec.vocab, dtype=torch.bool)
    if spec.end is not None:
        never[spec.end] = True
    for batch in batches:
        after = batch.x[:, 1:]
        inside = (after != spec.begin) & (after != (-1 if spec.end is None else spec.end))
        ends = torch.zeros(len(after), dtype=torch.float64)
        if symmetries:
            token = averaged_nats(model, batch, symmetries, never)
        else:
            token = model.token_nats(batch, barred=never).double()
            whole = model.token_nats(batch).double()
            ends = (whole * (after != spec.begin)).sum(1).cpu() - (token * inside).sum(1).cpu()
        of_batches.append(
            ((token * inside).sum(1).cpu(), ends, inside.sum(1).double().cpu() / spec.period)
        )
    return StepNats(*(torch.cat(parts) for parts in zip(*of_batches, strict=True)))


def averaged_nats(
    model: ScoresTokens, batch: Batch, symmetries: Sequence[Tensor], barred: Tensor
) -> Tensor:
    """(B, T - 1) float64 nats of the mixture over copies of the rows; `barred` (V,) bool as in
    token_nats.

    A copy takes part as long as everything read so far has an image in it; it gives no probability
    to tokens that have none, and tokens that are no image are barred in it. So the mean over the
    copies that still take part is a distribution at every place. One symmetry must be the identity.
    """
    x = batch.x
    total = torch.full(x[:, 1:].shape, -math.inf, dtype=torch.float64, device=x.device)
    speaking = torch.zeros(x[:, 1:].shape, dtype=torch.float64, device=x.device)
    for given in symmetries:
        images = given.to(x.device)
        image = torch.zeros(len(images), dtype=torch.bool)
        image[given[given >= 0]] = True
        copy = images[x]
        known = copy >= 0
        alive = known.cumprod(1).bool()
        nats = model.token_nats(
            batch._replace(x=torch.where(known, copy, x)), barred=barred | ~image
        ).double()
        speaking += alive[:, :-1]
        total = torch.where(alive[:, 1:], torch.logaddexp(total, -nats), total)
    return speaking.log() - total


class Steps(Metric):
    """See the module; lower is better. Only for tokens in steps and models that score each token
    exactly.
    """

    name = "steps"
    reads = TokenEvidence

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        model, spec = evidence.model, evidence.spec
        if (
            not isinstance(spec, Tokens)
            or spec.period == 1
            or not isinstance(model, ScoresTokens)
            or not model.exact
            or not evidence.batches
        ):
            return []
        begun = time.perf_counter()
        with torch.inference_mode():
            plain = step_nats(model, evidence.batches, spec)
        seconds = time.perf_counter() - begun
        ends = float(plain.ends.sum() / max(1, int(evidence.owners.max()) + 1))
        details = {
            "exact": True,
            "steps": round(float(plain.steps.sum())),
            "nats_of_an_end": round(ends, 4),
        }
        words = [
            say(
                "On {0:,} held-out steps; that a piece ends costs {1} nats apart.",
                details["steps"],
                f"{ends:.2f}",
            )
        ]
        scores = [
            self._one(
                "nats-per-step",
                plain.nats,
                plain.steps,
                evidence,
                seconds,
                {**details, "words": words},
            )
        ]
        if "note" in evidence.units:
            scores.append(
                self._one(
                    "nats-per-note",
                    plain.nats,
                    evidence.units["note"],
                    evidence,
                    seconds,
                    {**details, "words": words},
                )
            )
        if len(evidence.symmetries) > 1:
            chosen, rows = _first(evidence.batches, MOST_AVERAGED)
            begun = time.perf_counter()
            with torch.inference_mode():
                mixed = step_nats(model, chosen, spec, evidence.symmetries)
            alone = float(plain.nats[:rows].sum() / plain.steps[:rows].sum())
            facts = {
                **details,
                "copies": len(evidence.symmetries),
                "steps": round(float(mixed.steps.sum())),
                "alone": round(alone, 4),
            }
            facts["words"] = [
                say(
                    "Predictions averaged over {0} copies in other keys; without, the same "
                    "steps need {1}.",
                    facts["copies"],
                    f"{alone:.3f}",
                )
            ]
            seconds = time.perf_counter() - begun
            scores.append(
                self._one(
                    "nats-per-step-averaged", mixed.nats, mixed.steps, evidence, seconds, facts
                )
            )
        return scores

    def _one(
        self,
        name: str,
        nats: Tensor,
        amount: Tensor,
        evidence: TokenEvidence,
        seconds: float,
        details: dict[str, object],
    ) -> MetricResult:
        owners = evidence.owners[: len(nats)]
        documents = int(owners.max()) + 1
        groups = group_ids(documents)[owners] if documents >= GROUPS else group_ids(len(owners))
        above, below = (
            torch.zeros(GROUPS, dtype=torch.float64).index_add_(0, groups, values[: len(nats)])
            for values in (nats, amount)
        )
        rest = below.sum() - below
        without = ((above.sum() - above) / rest)[rest > 0].tolist()
        result = estimated((above.sum() / below.sum()).item(), without)
        return MetricResult(
            name,
            result.value,
            result.low,
            result.high,
            n=len(nats),
            seeds=(evidence.seed,),
            better="lower",
            seconds=seconds,
            details={**details, "without": list(result.without) or None},
        )


def _first(batches: Sequence[Batch], most: int) -> tuple[list[Batch], int]:
    """The first batches up to so many tokens, at least one, and how many rows they are."""
    chosen: list[Batch] = []
    for batch in batches:
        if chosen and sum(one.x.numel() for one in chosen) + batch.x.numel() > most:
            break
        chosen.append(batch)
    return chosen, sum(len(one.x) for one in chosen)
