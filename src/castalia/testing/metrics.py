"""Contract tests of metrics, as functions of a metric object.

    from castalia.testing.metrics import check_metric
    check_metric(MyMetric)

On samples of the data's own distribution, model and floor must agree, and both intervals must hold
the ideal where the metric names one. Every score that looks at samples must fall, monotonically and
in the end clearly, under growing damage of at least one kind (noise, loss of variety, copying, lost
classes, wrong labels, repetition ...); a likelihood must fall with damage to what is scored. Every
metric must give the same scores twice, under unique names, and JSON that holds every key; too few
items are refused in words. A metric is shown the kinds of evidence that it reads: vectors,
sequences of tokens, or both; one that judges the items of a modality is shown such items, which the
modality's `contract` makes (MetricContract).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from castalia import modality
from castalia.evaluation.base import (
    Comparison,
    DenseEvidence,
    Evidence,
    Labelled,
    Metric,
    MetricResult,
    TokenEvidence,
)
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.counter_random import generator, randn_rows
from castalia.spec import Batch, Dense, Loss, Tokens

N, DIMENSION = 400, 8
VOCAB, LENGTH = 40, 24
STRENGTHS = (0.5, 1.0, 2.0)  # of damage; undamaged comes before them


class MetricContract(Protocol):
    """What `Modality.contract` names: a class that is called without arguments.

    native   the kind of items, as `Codec.native`.
    further  optional: contracts of the other kinds of items that the modality has.
    """

    native: type

    def evidence(self, shown: Any, n: int) -> Evidence:
        """`shown` with n native items on each side: a perfect model, and a memoriser that replays
        the training items.
        """
        ...

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        """Kinds of damage: (evidence, strength) -> evidence; at strength `most` all of a model's
        items are hit.
        """
        ...


def contract_of(metric: Metric) -> MetricContract | None:
    """That of the modality whose items the metric judges; None where any items will do."""
    if metric.judges is object:
        return None
    first = [one.load("contract")() for one in modality.every().values() if one.contract]
    contracts = [other for one in first for other in (one, *getattr(one, "further", ()))]
    return next((one for one in contracts if issubclass(metric.judges, one.native)), None)


class Normal(Family):
    """A vector family that needs no training: independent standard normal numbers, with an exact
    likelihood.
    """

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
        return (
            -torch.distributions.Normal(self.shift.detach(), 1.0)
            .log_prob(batch.x)
            .flatten(1)
            .sum(1)
        )


def check_metric(metric: type[Metric] | Metric) -> None:
    """All contract items; raises AssertionError that names the broken one."""
    made = metric() if isinstance(metric, type) else metric
    for name, check in METRIC_CHECKS.items():
        try:
            check(made)
        except AssertionError as error:
            raise AssertionError(f"{made.name}: {name}: {error}") from error


def evidence(n: int = N) -> DenseEvidence:
    """A perfect model of standard normal vectors, with everything a metric may ask for. Classes are
    the quadrants of the first two numbers.
    """
    model = Normal(Dense((DIMENSION,), unit="standard", layout="vector"))
    training, held_out = features(2 * n, "training"), features(n, "held out")
    replayed = torch.randperm(2 * n, generator=generator("metric contract", "replayed"))[:n]
    sides = {name: features(n, name) for name in ("model", "floor")} | {
        "naive": 0.3 * features(n, "naive") + 6
    }
    sides["memoriser"] = training[replayed]
    raw = {
        "training": training,
        "held_out": held_out,
        **{name: sides[name] for name in ("model", "naive", "memoriser")},
    }
    labelled = Labelled(
        names=("++", "+-", "-+", "--"),
        training=(training, quadrants(training)),
        held_out=(held_out, quadrants(held_out)),
        replayed=quadrants(sides["memoriser"]),
        requested=quadrants(sides["model"]),
        raw=raw,
    )
    return DenseEvidence(
        model=model,
        spec=model.spec,
        network="normal",
        seed=0,
        candidates=sides,
        reference=features(n, "reference"),
        batches=[Batch(held_out)],
        timings=[(n, 0.01), (n, 0.01)],
        training=training,
        held_out=held_out,
        moments=(torch.zeros(DIMENSION), torch.ones(DIMENSION)),
        labelled=labelled,
    )


def quadrants(x: Tensor) -> Tensor:
    """(N,) int64 in [0, 4)."""
    return 2 * (x[:, 0] < 0).long() + (x[:, 1] < 0).long()


class Chain(Family):
    """A token family that needs no training: from each of VOCAB - 2 symbols to one of its three
    successors, with an exact likelihood.
    """

    name, accepts, Config, exact = "chain", (Tokens,), FamilyConfig, True
    step: Tensor

    def __init__(self, spec: Tokens) -> None:
        super().__init__(FamilyConfig(), spec, {})
        self.temper = torch.nn.Parameter(torch.zeros(1))
        self.register_buffer(
            "step",
            2
            + torch.randint(
                0, VOCAB - 2, (VOCAB, 3), generator=generator("metric contract", "chain")
            ),
        )

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
            torch.randint(0, 3, (length,), generator=rng).tolist(),
            torch.rand(length, generator=rng).tolist(),
            strict=True,
        ):
            row.append(
                int(self.step[row[-1], choice])
                if stray > 0.03
                else 2 + int(stray * 1e6) % (VOCAB - 2)
            )
        return torch.tensor(row[1:])


def token_evidence(n: int = N) -> TokenEvidence:
    """A perfect model of sequences, beside a memoriser that replays training sequences and tokens
    without any order.
    """
    spec = Tokens(length=LENGTH, vocab=VOCAB, begin=0, end=1)
    model = Chain(spec)
    names = ("model", "other", "reference", "training")
    sides = {name: [model.walk(LENGTH, name, row) for row in range(n)] for name in names}
    sides["naive"] = [
        2
        + torch.randint(
            0, VOCAB - 2, (LENGTH,), generator=generator("metric contract", "naive", row)
        )
        for row in range(n)
    ]
    sides["memoriser"] = sides["training"]
    begin = torch.zeros(n, 1, dtype=torch.int64)
    held_out = torch.cat([begin, torch.stack(sides["reference"])], 1)
    return TokenEvidence(
        model=model,
        spec=spec,
        network="counts",
        seed=0,
        candidates={"model": counts(sides["model"]), "floor": counts(sides["other"])}
        | {name: counts(sides[name]) for name in ("naive", "memoriser")},
        reference=counts(sides["reference"]),
        batches=[Batch(held_out)],
        timings=[(n, 0.01), (n, 0.01)],
        passages={
            name: sides["reference" if name == "floor" else name]
            for name in ("model", "floor", "naive", "memoriser")
        },
        unseen=sides["reference"],
        training=sides["training"],
        documents=[
            torch.cat([torch.zeros(1, dtype=torch.int64), row, torch.ones(1, dtype=torch.int64)])
            for row in sides["training"]
        ],
        owners=torch.arange(n),
        units={
            "byte": torch.full((n,), 2.0 * LENGTH, dtype=torch.float64),
            "character": torch.full((n,), float(LENGTH), dtype=torch.float64),
        },
    )


def counts(passages: Sequence[Tensor]) -> Tensor:
    """(N, VOCAB) float32: how often each token stands in each passage."""
    return torch.stack([row.bincount(minlength=VOCAB) for row in passages]).float()


def evidences(metric: Metric, n: int = N) -> list[Evidence]:
    """Of every kind that the metric reads."""
    kinds: dict[type[Evidence], Callable[[int], Evidence]] = {
        DenseEvidence: evidence,
        TokenEvidence: lambda n: token_evidence(n // 2 or 1),
    }
    if (contract := contract_of(metric)) is not None:
        return [contract.evidence(token_evidence(1), max(3, n // 10))]
    return [make(n) for kind, make in kinds.items() if issubclass(kind, metric.reads)]


def features(n: int, name: str) -> Tensor:
    """(n, DIMENSION) standard normal, a function of its arguments."""
    return torch.randn(n, DIMENSION, generator=generator("metric contract", name))


def scores_are_sound(metric: Metric) -> None:
    """Unique names, finite numbers inside their intervals, every key in the JSON, the
    same twice.
    """
    for first, second in (
        (metric.scores(shown), metric.scores(again))
        for shown, again in zip(evidences(metric), evidences(metric), strict=True)
    ):
        _ensure(len({score.name for score in first}) == len(first), "two scores share a name")
        for one, other in zip(first, second, strict=True):
            document = one.to_json()
            _ensure(
                set(document) == {field.name for field in fields(MetricResult)},
                f"keys {sorted(document)}",
            )
            json.dumps(document, allow_nan=False)
            _ensure(one.better in ("lower", "higher", None), f"better is {one.better!r}")
            if one.value is not None and one.low is not None and one.high is not None:
                _ensure(
                    one.low <= one.value <= one.high,
                    f"{one.name}: {one.value} is outside {one.low} .. {one.high}",
                )
            if not one.name.startswith(("samples-per-second", "peak-memory")):
                _ensure(one.value == other.value, f"{one.name}: {one.value}, then {other.value}")


def refuses_in_words(metric: Metric) -> None:
    """Three items are too few for a comparison: no value, no exception, and words that say why."""
    for shown in evidences(metric, 3):
        scores = metric.scores(shown)
        if isinstance(metric, Comparison):
            for score in scores:
                _ensure(score.value is None, f"{score.name} claims {score.value} from three items")
                _ensure(
                    bool(score.details.get("words")),
                    f"{score.name} does not say why it has no value",
                )


def equal_sets_are_equal(metric: Metric) -> None:
    """A perfect model: its interval meets the floor's, and both hold the ideal; a comparison can
    tell a far, narrow cluster from the data.
    """
    for shown in evidences(metric):
        for score in metric.scores(shown):
            if score.floor is None or score.low is None or score.high is None:
                continue
            low, high = score.details["intervals"]["floor"]
            _ensure(
                score.low <= high and low <= score.high, f"{score.name}: model and floor disagree"
            )
            ideal = next(
                (value for kind, value in metric.ideal.items() if score.name.startswith(kind)), None
            )
            if ideal is not None:
                _ensure(
                    low <= ideal <= high,
                    f"{score.name}: real data get {low} .. {high}, which should hold {ideal}",
                )
                _ensure(
                    score.low <= ideal <= score.high,
                    f"{score.name}: a perfect model gets {score.low} .. {score.high}, not {ideal}",
                )
            _ensure(
                score.informative is True
                or not isinstance(metric, Comparison)
                or isinstance(shown, TokenEvidence),
                f"{score.name} cannot tell a far, narrow cluster from the data",
            )


def falls_with_damage(metric: Metric) -> None:
    """Each score that looks at samples or held-out items: monotone, and clearly worse in the end,
    under one kind of damage at least.
    """
    for shown in evidences(metric):
        ladders = DENSE_DAMAGE if isinstance(shown, DenseEvidence) else TOKEN_DAMAGE
        contract = contract_of(metric)
        ladders = contract.damages(STRENGTHS[-1]) if contract is not None else ladders
        sound = {
            score.name: score
            for score in metric.scores(shown)
            if score.floor is not None or score.baselines is not None
        }
        seen: dict[str, dict[str, list[float | None]]] = {
            name: {} for name in sound
        }  # the rest are facts, such as the number of parameters
        fallen: set[str] = set()
        for kind, damage in ladders.items():
            if fallen == set(sound):
                break
            rungs = [
                {score.name: score for score in metric.scores(damage(shown, strength))}
                for strength in STRENGTHS
            ]
            for name, first in sound.items():
                row = [first, *(rung[name] for rung in rungs if name in rung)]
                seen[name][kind] = [score.value for score in row]
                fallen |= {name} if _falls(row) else set()
        missing = {name: seen[name] for name in sound if name not in fallen}
        _ensure(not missing, f"under no damage falls: {missing}")


def _falls(row: list[MetricResult]) -> bool:
    known = [(score.value, score.low, score.high) for score in row]
    if len(row) <= len(STRENGTHS) or any(part is None for one in known for part in one):
        return False
    values, (_, low, high), (_, lowest, highest) = [one[0] for one in known], known[0], known[-1]
    rises = all(a <= b for a, b in pairwise(values)) and high < lowest  # type: ignore[operator]
    sinks = all(a >= b for a, b in pairwise(values)) and low > highest  # type: ignore[operator]
    return {"lower": rises, "higher": sinks, None: rises or sinks}[row[0].better]


def _items(shown: DenseEvidence, x: Tensor, classes: Tensor | None = None) -> DenseEvidence:
    """The same evidence of a model that drew x (N, D), asked for `classes`."""
    labelled = shown.labelled
    if labelled is not None and labelled.requested is not None and labelled.raw is not None:
        labelled = replace(
            labelled,
            requested=labelled.requested if classes is None else classes,
            raw={**labelled.raw, "model": x},
        )
    return replace(shown, candidates={**shown.candidates, "model": x}, labelled=labelled)


def _some(strength: float, kind: str, n: int) -> Tensor:
    """(n,) bool: a share strength / STRENGTHS[-1] of the items, the same ones and more at a greater
    strength.
    """
    return torch.rand(n, generator=generator("metric contract", kind)) < strength / STRENGTHS[-1]


def _noise(shown: DenseEvidence, strength: float) -> DenseEvidence:
    x = shown.candidates["model"]
    return _items(shown, x + strength * features(len(x), "damage"))


def _less_variety(shown: DenseEvidence, strength: float) -> DenseEvidence:
    x = shown.candidates["model"]
    kept = max(3, round(len(x) * 0.12**strength))
    return _items(shown, x[:kept].repeat(len(x), 1)[: len(x)])


def _copying(shown: DenseEvidence, strength: float) -> DenseEvidence:
    x, copies = shown.candidates["model"], shown.training[: len(shown.candidates["model"])]
    return _items(shown, torch.where(_some(strength, "copies", len(x))[:, None], copies, x))


def _lost_classes(shown: DenseEvidence, strength: float) -> DenseEvidence:
    x = shown.candidates["model"]
    return _items(
        shown,
        torch.where(
            _some(strength, "classes", len(x))[:, None], torch.cat([x[:, :2].abs(), x[:, 2:]], 1), x
        ),
    )


def _wrong_labels(shown: DenseEvidence, strength: float) -> DenseEvidence:
    x = shown.candidates["model"]
    wrong = torch.randint(0, 4, (len(x),), generator=generator("metric contract", "wrong"))
    return _items(shown, x, torch.where(_some(strength, "labels", len(x)), wrong, quadrants(x)))


def _noisy_test(shown: DenseEvidence, strength: float) -> DenseEvidence:
    return replace(
        shown,
        batches=[
            Batch(batch.x + strength * features(len(batch.x), "damage")) for batch in shown.batches
        ],
    )


def _passages(shown: TokenEvidence, rows: list[Tensor]) -> TokenEvidence:
    """The same evidence of a model that drew `rows`."""
    return replace(
        shown,
        candidates={**shown.candidates, "model": counts(rows)},
        passages={**shown.passages, "model": rows},
    )


def _random_tokens(rows: Sequence[Tensor], strength: float) -> list[Tensor]:
    """A share of the tokens drawn anew."""
    result = []
    for number, row in enumerate(rows):
        rng = generator("metric contract", "tokens", number)
        chosen = torch.rand(len(row), generator=rng) < strength / STRENGTHS[-1]
        result.append(
            torch.where(chosen, 2 + torch.randint(0, VOCAB - 2, row.shape, generator=rng), row)
        )
    return result


def _looping(row: Tensor, strength: float) -> Tensor:
    """Its last part, longer with strength, goes round and round in three symbols."""
    start = len(row) - round(len(row) * strength / STRENGTHS[-1])
    return torch.cat(
        [
            row[:start],
            row[max(0, start - 3) : start].repeat(len(row)) if start else row[:3].repeat(len(row)),
        ]
    )[: len(row)]


def _few_symbols(row: Tensor, strength: float) -> Tensor:
    return 2 + (row - 2) % max(4, round((VOCAB - 2) * (1 - strength / STRENGTHS[-1])))


def _test_tokens(shown: TokenEvidence, strength: float) -> TokenEvidence:
    return replace(
        shown,
        batches=[
            Batch(torch.stack([*_random_tokens(list(batch.x), strength)]))
            for batch in shown.batches
        ],
    )


DENSE_DAMAGE: dict[str, Callable[[Any, float], Evidence]] = {
    "noise": _noise,
    "loss of variety": _less_variety,
    "copying": _copying,
    "lost classes": _lost_classes,
    "wrong labels": _wrong_labels,
    "noise in what is scored": _noisy_test,
}
TOKEN_DAMAGE: dict[str, Callable[[Any, float], Evidence]] = {
    "random tokens": lambda shown, strength: _passages(
        shown, _random_tokens(shown.passages["model"], strength)
    ),
    "few passages": lambda shown, strength: _passages(
        shown,
        [
            shown.passages["model"][row % max(3, round(N * 0.12**strength))]
            for row in range(len(shown.passages["model"]))
        ],
    ),
    "copying": lambda shown, strength: _passages(
        shown,
        [
            copy if some else row
            for row, copy, some in zip(
                shown.passages["model"],
                shown.training,
                _some(strength, "copies", len(shown.training)).tolist(),
                strict=True,
            )
        ],
    ),
    "loops": lambda shown, strength: _passages(
        shown, [_looping(row, strength) for row in shown.passages["model"]]
    ),
    "few symbols": lambda shown, strength: _passages(
        shown, [_few_symbols(row, strength) for row in shown.passages["model"]]
    ),
    "noise in what is scored": _test_tokens,
}
METRIC_CHECKS: dict[str, Callable[[Metric], None]] = {
    "scores are sound": scores_are_sound,
    "refuses in words": refuses_in_words,
    "equal sets are equal": equal_sets_are_equal,
    "falls with damage": falls_with_damage,
}


def _ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
