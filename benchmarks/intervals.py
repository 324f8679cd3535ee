"""Do the intervals of the scores cover at the nominal rate, and do equal models get "no difference
shown"?

    python benchmarks/intervals.py
        some minutes; writes benchmarks/results/intervals.json
    python benchmarks/intervals.py --quick --out DIR   smoke test

Every repetition draws everything anew: samples of a model, real items, training and held-out items,
all from Gaussians whose laws are known. An interval speaks of its statistic at this n, so the truth
is the mean of the statistic over all repetitions; where a score has an ideal that does not depend
on n (kernel distance 0, two-sample test 0.5, C_T 0), a perfect model's interval must cover that.
Two cases: "equal", a perfect model, and "shifted", one that is 30% too wide and off by 0.3. Then
two equally good models are compared against the same real items: the share of repetitions in which
a single difference misses 0, paired and not, and in which Holm's procedure shows any difference at
all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from castalia import registry
from castalia.evaluation.base import DenseEvidence, Labelled, MetricResult
from castalia.evaluation.compare import difference, holm
from castalia.nn.counter_random import generator
from castalia.testing.metrics import DIMENSION, evidence, quadrants
from machine import RESULTS, write_result

METRICS = (
    "frechet",
    "kernel",
    "manifold",
    "two-sample",
    "vendi",
    "class-balance",
    "data-copying",
    "creativity",
    "utility",
    "novelty",
)
CASES = {"equal": (0.0, 1.0), "shifted": (0.3, 1.3)}


def draw(n: int, repetition: int, side: str) -> torch.Tensor:
    return torch.randn(n, DIMENSION, generator=generator("intervals", repetition, side))


def world(base: DenseEvidence, n: int, repetition: int) -> DenseEvidence:
    """Everything but the model, drawn anew."""
    training, held_out = draw(2 * n, repetition, "training"), draw(n, repetition, "held out")
    replayed = training[
        torch.randint(
            0, len(training), (n,), generator=generator("intervals", repetition, "replayed")
        )
    ]
    sides = {
        "model": held_out,
        "floor": draw(n, repetition, "floor"),
        "naive": 0.3 * draw(n, repetition, "naive") + 6,
        "memoriser": replayed,
    }
    labelled = Labelled(
        ("++", "+-", "-+", "--"),
        (training, quadrants(training)),
        (held_out, quadrants(held_out)),
        quadrants(replayed),
    )
    return replace(
        base,
        candidates=sides,
        reference=draw(n, repetition, "reference"),
        training=training,
        held_out=held_out,
        labelled=labelled,
    )


def judged(found: DenseEvidence, x: torch.Tensor) -> Iterator[MetricResult]:
    """Scores of a model that drew x (N, D)."""
    labelled = (
        replace(found.labelled, requested=quadrants(x)) if found.labelled is not None else None
    )
    shown = replace(found, candidates={**found.candidates, "model": x}, labelled=labelled)
    for name in METRICS:
        yield from registry.resolve("metric", name)().scores(shown)


def coverage(rows: list[MetricResult], ideal: float | None) -> dict[str, Any]:
    known = [(score.value, score.low, score.high) for score in rows if score.value is not None]
    truth = sum(value for value, _, _ in known) / len(known)
    covered = sum(low <= truth <= high for _, low, high in known) / len(known)
    facts = {
        "mean": truth,
        "covers": covered,
        "half_width": sum(high - low for _, low, high in known) / 2 / len(known),
        "n": len(known),
    }
    if ideal is not None:
        facts |= {
            "ideal": ideal,
            "covers_ideal": sum(low <= ideal <= high for _, low, high in known) / len(known),
        }
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    repetitions, n = (3, 100) if options.quick else (options.repetitions, options.n)
    base = evidence(n)
    ideals = {
        kind: value
        for name in METRICS
        for kind, value in registry.resolve("metric", name).ideal.items()
    }
    found: dict[str, dict[str, list[MetricResult]]] = {case: {} for case in CASES}
    alone = {"paired": 0, "unpaired": 0}
    comparisons = any_shown = 0
    for repetition in range(repetitions):
        real = world(base, n, repetition)
        scores: dict[str, dict[str, MetricResult]] = {}
        for case, (shift, scale) in CASES.items():
            scores[case] = {
                score.name: score
                for score in judged(real, scale * draw(n, repetition, "model") + shift)
            }
            for name, score in scores[case].items():
                found[case].setdefault(name, []).append(score)
        other = {
            score.name: score for score in judged(real, 1.3 * draw(n, repetition, "other") + 0.3)
        }
        pairs = [
            (name, ("a", one), ("b", other[name]))
            for name, one in scores["shifted"].items()
            if one.value is not None and name in other and other[name].value is not None
        ]
        gaps = {
            kind: [difference(*pair, paired=kind == "paired") for pair in pairs] for kind in alone
        }
        for kind, row in gaps.items():
            alone[kind] += sum(not one.low <= 0 <= one.high for one in row)
        comparisons += len(pairs)
        any_shown += any(
            one.shown
            for one in holm(gaps["paired"], {name: one.better for name, (_, one), _ in pairs})
        )
    results = {
        "n": n,
        "repetitions": repetitions,
        "dimension": DIMENSION,
        "nominal": 0.95,
        "coverage": {
            case: {
                name: coverage(
                    row, ideals.get(name.removesuffix("-normal")) if case == "equal" else None
                )
                for name, row in rows.items()
            }
            for case, rows in found.items()
        },
        "equal_models": {
            "single_difference_misses_0": {
                kind: count / comparisons for kind, count in alone.items()
            },
            "any_difference_shown_on_a_page": any_shown / repetitions,
        },
    }
    write_result("intervals", results, seeds=range(repetitions), folder=options.out)


if __name__ == "__main__":
    main()
