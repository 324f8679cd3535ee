"""Bits per byte and per character of held-out text under a model of tokens, beside baselines and
xz.

bits = nats / (units * ln 2), nats of `Scores.nats` on non-overlapping rows of the context's length.
Per unit of the text, not per token, so models with different tokenizers can be compared; the
perplexity of a token, which cannot, is only among the details. Baselines see the same rows, with
the same context:

    naive       the frequencies of single tokens.
    counts      interpolated Kneser-Ney (nn/kneser_ney.py) of the order that predicts chunks of the
                *training* text best, fitted to the others.
    memoriser   knows training n-grams and nothing else: the shares of what followed the longest
                context seen, mixed with a uniform distribution by a weight that is fitted to the
                same chunks.
    xz          what the held-out text adds to the compressed training text (`lzma`, preset 9e, at
                most the last XZ_PREFIX characters).

Intervals are delete-a-group jackknife intervals over documents, over rows where there are fewer
than GROUPS documents.
"""

from __future__ import annotations

import lzma
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from castalia.abilities import Scores
from castalia.evaluation.base import (
    BLIND,
    GROUPS,
    Better,
    Estimate,
    Metric,
    MetricResult,
    TokenEvidence,
    clearly,
    estimated,
    group_ids,
    separations,
    show,
)
from castalia.evaluation.likelihood import held_out_nats
from castalia.language import Message, say, series
from castalia.nn.kneser_ney import Counts, nats_by_order
from castalia.spec import Batch, Tokens

# beyond SMALL training tokens the longer n-grams would only cost memory
ORDERS, SMALL = (range(1, 9), range(1, 7)), 2_000_000
CHUNKS = 200  # of the training text, every 10th of which chooses the order
XZ_PREFIX = 2_000_000
UNITS = {
    "byte": say("byte"),
    "character": say("character"),
    "token": say("token"),
    "step": say("step"),
    "note": say("note"),
}
NAMES = {
    "naive": say("single-token frequencies"),
    "counts": say("Kneser-Ney counts"),
    "memoriser": say("the memoriser"),
    "xz": say("xz"),
}


def unit_name(unit: str) -> Message:
    """What sentences call a unit; one that a modality counts may be in its own catalogue."""
    return UNITS.get(unit) or Message(unit, unit)


class Compression(Metric):
    """`bits-per-byte`, `bits-per-character`, or whatever units the codec counts (`bits-per-token`
    without any); lower is better.
    """

    name = "compression"
    reads = TokenEvidence
    better: Better = "lower"

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        model, spec = evidence.model, evidence.spec
        if not isinstance(model, Scores) or not isinstance(spec, Tokens) or not evidence.batches:
            return []
        begun = time.perf_counter()
        nats = {"model": held_out_nats(model, evidence.batches, evidence.seed)}
        tokens = torch.cat([batch.counted(spec.begin) for batch in evidence.batches]).double().cpu()
        about: dict[str, object] = {
            "exact": bool(model.exact),
            "documents": int(evidence.owners.max()) + 1,
            "tokens": int(tokens.sum()),
            "nats_per_token": (nats["model"].sum() / tokens.sum()).item(),
            "perplexity_per_token": (nats["model"].sum() / tokens.sum()).exp().item(),
        }
        if any(len(document) > 1 for document in evidence.documents):
            nats_of_baselines, facts = baseline_nats(
                [batch.x.cpu() for batch in evidence.batches],
                evidence.documents,
                spec,
                _weights(evidence.batches),
            )
            nats |= nats_of_baselines
            about |= facts
        groups = _groups(evidence.owners)
        results = {}
        for unit, amount in (evidence.units or {"token": tokens}).items():
            if amount.sum() > 0:
                results[unit] = {
                    side: _bits(values, amount, groups) for side, values in nats.items()
                }
                gains = {
                    side: _bits(values - nats["model"], amount, groups)
                    for side, values in nats.items()
                    if side != "model"
                }
                results[unit] |= {f"{side} - model": gain for side, gain in gains.items()}
        squeezed = _xz(*evidence.texts) if evidence.texts and evidence.texts[0] else {}
        seconds = (time.perf_counter() - begun) / max(1, len(results))
        return [
            self._one(unit, sides, squeezed, about, evidence, seconds)
            for unit, sides in results.items()
        ]

    def _one(
        self,
        unit: str,
        sides: dict[str, Estimate],
        squeezed: dict[str, int],
        about: dict[str, object],
        evidence: TokenEvidence,
        seconds: float,
    ) -> MetricResult:
        model = sides["model"]
        baselines: dict[str, float | None] = {
            side: sides[side].value for side in NAMES if side in sides
        }
        total = evidence.units[unit].sum().item() if evidence.units else 1.0
        bits = {name: 8 * size / total for name, size in squeezed.items()}
        if bits:
            baselines["xz"] = bits["xz_after_training"]
        separates = separations(sides)
        words = _words(unit, model, sides, baselines, about)
        return MetricResult(
            f"bits-per-{unit}",
            model.value,
            model.low,
            model.high,
            n=len(evidence.owners),
            seeds=(evidence.seed,),
            better=self.better,
            baselines=baselines or None,
            informative=any(separates.values()) if separates else None,
            seconds=seconds,
            details={
                **about,
                f"{unit}s": round(total) if evidence.units else about["tokens"],
                **bits,
                "nats_per_unit": model.value * math.log(2),
                "intervals": {
                    side: [sides[side].low, sides[side].high] for side in NAMES if side in sides
                },
                "gains": {
                    side: [s.value, s.low, s.high]
                    for side in NAMES
                    if (s := sides.get(f"{side} - model")) is not None
                },
                "words": words if any(separates.values()) or not separates else [BLIND, *words],
                "separates": separates,
                "without": list(model.without) or None,
            },
        )


def baseline_nats(
    rows: Sequence[Tensor],
    documents: Sequence[Tensor],
    spec: Tokens,
    weights: Sequence[Tensor] | None = None,
) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Nats (N,) float64 of each row (B, T) under the baselines that learn from training documents
    (n,), and facts about them. weights: of the rows' tokens (B, T), where not all count.
    """
    size = sum(map(len, documents))
    chunk = min(2048, max(16, size // CHUNKS))
    chunks = [part for document in documents for part in document.split(chunk) if len(part) > 1]
    kept = [part for place, part in enumerate(chunks) if place % 10 != 9 or len(chunks) < 10]
    development = [
        row
        for place, part in enumerate(chunks)
        if place % 10 == 9
        for row in part.split(spec.length + 1)
        if len(row) > 1
    ]
    orders = ORDERS[size > SMALL]
    counts = Counts(spec.vocab, max(orders), spec.begin).fit(kept)
    nats, weight = (
        nats_by_order(counts, development or kept, orders),
        _weight(counts, development or kept),
    )
    order = min(nats, key=lambda order: (nats[order], order))
    counts.fit(documents)

    def total(score: Callable[[Tensor], Tensor]) -> Tensor:
        if weights is None:
            return -torch.cat([score(x).double().sum(1) for x in rows])
        return -torch.cat(
            [
                (score(x).double() * weight[:, 1:]).sum(1)
                for x, weight in zip(rows, weights, strict=True)
            ]
        )

    sides = {
        "naive": total(lambda x: counts.score(x, order=1)[0]),
        "counts": total(lambda x: counts.score(x, order=order)[0]),
        "memoriser": total(lambda x: _recalled(counts, weight, x)),
    }
    facts = {
        "counts_order": order,
        "counts_nats_by_order": {str(n): value for n, value in nats.items()},
        "memoriser_weight": weight,
    }
    return sides, facts


def _weights(batches: Sequence[Batch]) -> list[Tensor] | None:
    weights = [batch.weight.cpu() for batch in batches if batch.weight is not None]
    return weights if len(weights) == len(batches) else None


def _recalled(counts: Counts, weight: float, x: Tensor) -> Tensor:
    """Log-probabilities (B, T - 1) of the memoriser; 0 where nothing is coded."""
    p = weight * counts.recall(x) + (1 - weight) / max(1, counts.vocab - 1)
    return p.log().masked_fill(x[:, 1:] == counts.begin, 0.0)


def _weight(counts: Counts, development: Sequence[Tensor]) -> float:
    """How far the memoriser trusts its memory: the likeliest weight, by
    expectation-maximisation.
    """
    shares = torch.cat(
        [counts.recall(row[None])[0, row[1:] != counts.begin] for row in development]
    ).double()
    uniform, weight = 1 / max(1, counts.vocab - 1), 0.5
    for _ in range(50):
        weight = (weight * shares / (weight * shares + (1 - weight) * uniform)).mean().item()
    return min(max(weight, 1e-3), 0.999)


def _xz(held_out: str, training: str) -> dict[str, int]:
    """Bytes of the held-out text compressed alone, and of what it adds to the end of the training
    text.
    """
    text, before = held_out.encode(errors="replace"), training[-XZ_PREFIX:].encode(errors="replace")

    def size(data: bytes) -> int:
        return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))

    return {
        "xz_alone": size(text),
        "xz_after_training": size(before + b"\n" + text) - size(before) if before else size(text),
    }


def _groups(owners: Tensor) -> Tensor:
    """(rows,) int64: the jackknife's group of each row; whole documents where there are enough."""
    documents = int(owners.max()) + 1
    return group_ids(documents)[owners] if documents >= GROUPS else group_ids(len(owners))


def _bits(nats: Tensor, units: Tensor, groups: Tensor) -> Estimate:
    """Bits per unit, the ratio of two sums over rows."""
    above = torch.zeros(GROUPS, dtype=torch.float64).index_add_(0, groups, nats) / math.log(2)
    below = torch.zeros(GROUPS, dtype=torch.float64).index_add_(0, groups, units)
    value = (above.sum() / below.sum()).item()
    rest = below.sum() - below
    without = ((above.sum() - above) / rest)[rest > 0].tolist()
    return (
        estimated(value, without) if len(units) > 1 and without else Estimate(value, value, value)
    )


def _words(
    unit: str,
    model: Estimate,
    sides: dict[str, Estimate],
    baselines: dict[str, float | None],
    about: dict[str, object],
) -> list[str]:
    words: list[str] = []
    if "counts" in sides:
        gain = sides["counts - model"]
        beside_counts = say(
            "Kneser-Ney counts of order {0} need {1} bits per {2}",
            about["counts_order"],
            show(sides["counts"].value),
            unit_name(unit),
        )
        if gain.low > 0:
            words.append(
                say(
                    "{0}: the model saves {1} ({2} to {3}).",
                    beside_counts,
                    *map(show, (gain.value, gain.low, gain.high)),
                )
            )
        elif gain.high < 0:
            words.append(
                say(
                    "{0}, {1} less than the model: counting n-grams predicts these data "
                    "better than the model does. Train longer, on more "
                    "data, or with regularisation.",
                    *(beside_counts, show(-gain.value)),
                )
            )
        else:
            words.append(
                say("{0}: the model is not clearly better than counting n-grams.", beside_counts)
            )
        if not clearly("lower", model, sides["naive"]):
            words.append(
                say(
                    "Not even single-token frequencies ({0}) are clearly worse than the model.",
                    show(sides["naive"].value),
                )
            )
    others = [
        say("{0} {1}", NAMES[side], show(value))
        for side, value in baselines.items()
        if side != "counts"
    ]
    if others:
        words.append(say("For comparison: {0}.", series(others)))
    facts = about["documents"], about["tokens"]
    words.append(
        say("On {0:,} held-out documents, {1:,} tokens.", *facts)
        if about["exact"]
        else say(
            "On {0:,} held-out documents, {1:,} tokens; an upper bound (the truth is lower).",
            *facts,
        )
    )
    return words
