"""What every metric owes its callers, as functions of a metric object.

    from castalia.testing.metric import check_metric
    check_metric(MyMetric)

A comparing metric must find equal sets equal, fall monotonically under growing damage of at least one of two kinds (noise,
which ruins fidelity, and loss of variety, which ruins diversity), and refuse in words when there are too few items.
Every metric must give the same scores twice, under unique names, and JSON that holds every key. A metric is shown the kinds of evidence
that it reads: vectors, sequences of tokens, or both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from castalia.evaluation.base import Comparison, DenseEvidence, Evidence, Metric, Score, TokenEvidence
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.random import generator, randn_rows
from castalia.spec import Batch, Dense, Loss, Tokens

N, DIMENSION = 400, 8
VOCAB, LENGTH = 40, 24
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


class Chain(Family):
    """A token family that needs no training: from each of VOCAB - 2 symbols to one of its three successors, with an exact likelihood."""

    name, accepts, Config, exact = "chain", (Tokens,), FamilyConfig, True
    step: Tensor

    def __init__(self, spec: Tokens) -> None:
        super().__init__(FamilyConfig(), spec, {})
        self.temper = torch.nn.Parameter(torch.zeros(1))
        self.register_buffer("step", 2 + torch.randint(0, VOCAB - 2, (VOCAB, 3), generator=generator("metric contract", "chain")))

    def phases(self) -> list[Phase]:
        return [Phase("main", ())]

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        return Loss(self.nats(batch).mean() + self.temper.square().sum(), {})

    def nats(self, batch: Batch, rngs: Any = None) -> Tensor:
        likely = (self.step[batch.x[:, :-1]] == batch.x[:, 1:, None]).sum(-1) / 3
        coded = batch.x[:, 1:] != self.spec.begin
        return -(torch.where(coded, 0.97 * likely + 0.03 / (VOCAB - 1), 1.0).log()).sum(1).detach()

    def walk(self, length: int, *counters: int | str) -> Tensor:
        """(length,) int64, a function of the counters."""
        rng, row = generator("metric contract", *counters), [0]
        for choice, stray in zip(
            torch.randint(0, 3, (length,), generator=rng).tolist(), torch.rand(length, generator=rng).tolist(), strict=True
        ):
            row.append(int(self.step[row[-1], choice]) if stray > 0.03 else 2 + int(stray * 1e6) % (VOCAB - 2))
        return torch.tensor(row[1:])


def token_evidence(n: int = N) -> TokenEvidence:
    """A perfect model of sequences, beside a memoriser that replays training sequences and tokens without any order."""
    spec = Tokens(length=LENGTH, vocab=VOCAB, begin=0, end=1)
    model = Chain(spec)
    sides = {name: [model.walk(LENGTH, name, row) for row in range(n)] for name in ("model", "floor", "reference", "training")}
    sides["naive"] = [2 + torch.randint(0, VOCAB - 2, (LENGTH,), generator=generator("metric contract", "naive", row)) for row in range(n)]
    sides["memoriser"] = sides["training"]
    begin = torch.zeros(n, 1, dtype=torch.int64)
    held_out = torch.cat([begin, torch.stack(sides["reference"])], 1)
    names = ("model", "floor", "naive", "memoriser")
    return TokenEvidence(
        model=model,
        spec=spec,
        network="counts",
        seed=0,
        candidates={name: torch.stack([row.bincount(minlength=VOCAB) for row in sides[name]]).float() for name in names},
        reference=torch.stack([row.bincount(minlength=VOCAB) for row in sides["reference"]]).float(),
        batches=[Batch(held_out)],
        timings=[(n, 0.01), (n, 0.01)],
        passages={name: sides["reference" if name == "floor" else name] for name in names},
        unseen=sides["reference"],
        training=sides["training"],
        documents=[torch.cat([torch.zeros(1, dtype=torch.int64), row, torch.ones(1, dtype=torch.int64)]) for row in sides["training"]],
        owners=torch.arange(n),
        units={
            "byte": torch.full((n,), 2.0 * LENGTH, dtype=torch.float64),
            "character": torch.full((n,), float(LENGTH), dtype=torch.float64),
        },
    )


def evidences(metric: Metric, n: int = N) -> list[Evidence]:
    """Of every kind that the metric reads."""
    kinds: dict[type[Evidence], Callable[[int], Evidence]] = {DenseEvidence: evidence, TokenEvidence: token_evidence}
    return [make(n) for kind, make in kinds.items() if issubclass(kind, metric.reads)]


def features(n: int, name: str) -> Tensor:
    """(n, DIMENSION) standard normal, a function of its arguments."""
    return torch.randn(n, DIMENSION, generator=generator("metric contract", name))


def scores_are_sound(metric: Metric) -> None:
    """Unique names, finite numbers inside their intervals, every key in the JSON, the same twice."""
    for first, second in (
        (metric.scores(shown), metric.scores(again)) for shown, again in zip(evidences(metric), evidences(metric), strict=True)
    ):
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
    for shown in evidences(metric, 3):
        scores = metric.scores(shown)
        if isinstance(metric, Comparison):
            for score in scores:
                _ensure(score.value is None, f"{score.name} claims {score.value} from three items")
                _ensure(bool(score.details.get("words")), f"{score.name} does not say why it has no value")


def equal_sets_are_equal(metric: Metric) -> None:
    """Two draws of one distribution: the model's interval meets the floor's."""
    for shown in evidences(metric):
        if not isinstance(metric, Comparison) and isinstance(shown, DenseEvidence):
            continue
        for score in metric.scores(shown):
            if score.floor is None or score.low is None or score.high is None:
                continue
            low, high = score.details["intervals"]["floor"]
            _ensure(score.low <= high and low <= score.high, f"{score.name}: model and floor disagree")
            _ensure(
                score.informative is True or not isinstance(metric, Comparison) or isinstance(shown, TokenEvidence),
                f"{score.name} cannot tell a far, narrow cluster from the data",
            )


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
