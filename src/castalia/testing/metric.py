"""What every metric owes its callers, as functions of a metric object.

    from castalia.testing.metric import check_metric
    check_metric(MyMetric)

A comparing metric must find equal sets equal, fall monotonically under growing damage of at least one of two kinds (noise,
which ruins fidelity, and loss of variety, which ruins diversity), and refuse in words when there are too few items.
Every metric must give the same scores twice, under unique names, and JSON that holds every key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from castalia.evaluation.base import Comparison, DenseEvidence, Metric, Score
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.random import generator, randn_rows
from castalia.spec import Batch, Dense, Loss

N, DIMENSION = 400, 8
STRENGTHS = (0.0, 0.5, 1.0, 2.0)


class Normal(Family):
    """A vector family that needs no training: independent standard normal numbers, with an exact likelihood."""

    name, accepts, Config, exact = "normal", (Dense,), FamilyConfig, True

    def __init__(self, spec: Dense) -> None:
        super().__init__(FamilyConfig(), spec, {})
        self.shift = torch.nn.Parameter(torch.zeros(spec.shape))

    def phases(self) -> list[Phase]:
        return [Phase("main", ())]

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        return Loss((batch.x - self.shift).square().mean(), {})

    def sample(self, rngs: Any, cond: dict[str, Any], options: Any) -> Tensor:
        return self.shift.detach() + randn_rows(rngs, *self.shift.shape)

    def nats(self, batch: Batch, rngs: Any = None) -> Tensor:
        return -torch.distributions.Normal(self.shift.detach(), 1.0).log_prob(batch.x).flatten(1).sum(1)


def check_metric(metric: type[Metric] | Metric) -> None:
    """All contract items; raises AssertionError that names the broken one."""
    made = metric() if isinstance(metric, type) else metric
    for name, check in METRIC_CHECKS.items():
        try:
            check(made)
        except AssertionError as error:
            raise AssertionError(f"{made.name}: {name}: {error}") from error


def evidence(n: int = N) -> DenseEvidence:
    """A perfect model of standard normal vectors, with everything a metric may ask for."""
    model = Normal(Dense((DIMENSION,), unit="standard", layout="vector"))
    sides = {name: features(n, name) for name in ("model", "floor", "memoriser")} | {"naive": 0.3 * features(n, "naive") + 6}
    held_out = features(n, "held out")
    moments = (torch.zeros(DIMENSION), torch.ones(DIMENSION))
    return DenseEvidence(
        model=model,
        spec=model.spec,
        network="raw",
        seed=0,
        candidates=sides,
        reference=features(n, "reference"),
        batches=[Batch(held_out)],
        timings=[(n, 0.01), (n, 0.01)],
        training=features(2 * n, "training"),
        held_out=held_out,
        moments=moments,
    )


def features(n: int, name: str) -> Tensor:
    """(n, DIMENSION) standard normal, a function of its arguments."""
    return torch.randn(n, DIMENSION, generator=generator("metric contract", name))


def scores_are_sound(metric: Metric) -> None:
    """Unique names, finite numbers inside their intervals, every key in the JSON, the same twice."""
    first, second = metric.scores(evidence()), metric.scores(evidence())
    _ensure(len({score.name for score in first}) == len(first), "two scores share a name")
    for one, other in zip(first, second, strict=True):
        document = one.to_json()
        _ensure(set(document) == {field.name for field in fields(Score)}, f"keys {sorted(document)}")
        json.dumps(document, allow_nan=False)
        _ensure(one.better in ("lower", "higher", None), f"better is {one.better!r}")
        if one.value is not None and one.low is not None and one.high is not None:
            _ensure(one.low <= one.value <= one.high, f"{one.name}: {one.value} is outside {one.low} .. {one.high}")
        if not one.name.startswith(("samples-per-second", "peak-memory")):
            _ensure(one.value == other.value, f"{one.name}: {one.value}, then {other.value}")


def refuses_in_words(metric: Metric) -> None:
    """Three items are too few for a comparison: no value, no exception, and words that say why."""
    if isinstance(metric, Comparison):
        for score in metric.scores(evidence(3)):
            _ensure(score.value is None, f"{score.name} claims {score.value} from three items")
            _ensure(bool(score.details.get("words")), f"{score.name} does not say why it has no value")


def equal_sets_are_equal(metric: Metric) -> None:
    """Two draws of one distribution: the model's interval meets the floor's."""
    if isinstance(metric, Comparison):
        for score in metric.scores(evidence()):
            low, high = score.details["intervals"]["floor"]
            _ensure(
                score.low is not None and score.high is not None and score.low <= high and low <= score.high,
                f"{score.name}: model and floor disagree",
            )
            _ensure(score.informative is True, f"{score.name} cannot tell a far, narrow cluster from the data")


def falls_with_damage(metric: Metric) -> None:
    """Monotone, and clearly worse in the end, under noise or under loss of variety."""
    if not isinstance(metric, Comparison):
        return
    reference = features(N, "reference")
    ladders: dict[str, Callable[[float], Tensor]] = {
        "noise": lambda strength: features(N, "model") + strength * features(N, "damage"),
        "loss of variety": lambda strength: features(N, "model")[: max(3, round(N * 0.12**strength))].repeat(N, 1)[:N],
    }
    tables = {kind: [metric.compare(ladder(strength), reference) for strength in STRENGTHS] for kind, ladder in ladders.items()}
    for name, better in metric.better.items():
        sign = 1.0 if better == "lower" else -1.0
        falls = []
        for table in tables.values():
            values = [sign * row[name].value for row in table]
            apart = table[0][name].high < table[-1][name].low if better == "lower" else table[0][name].low > table[-1][name].high
            falls.append(apart and all(a <= b for a, b in pairwise(values)))
        seen = {kind: [row[name].value for row in table] for kind, table in tables.items()}
        _ensure(any(falls), f"'{name}' falls neither with noise nor with loss of variety: {seen}")


METRIC_CHECKS: dict[str, Callable[[Metric], None]] = {
    "scores are sound": scores_are_sound,
    "refuses in words": refuses_in_words,
    "equal sets are equal": equal_sets_are_equal,
    "falls with damage": falls_with_damage,
}


def _ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
