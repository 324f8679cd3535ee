"""A whole evaluation: which real items it compares with, what it does with few of them, and what it
says in words.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from castalia import registry
from castalia.errors import AbilityError, CastaliaError, MissingExtra
from castalia.evaluation import Evaluation, evaluate
from castalia.evaluation.base import DenseEvidence, Estimate, Metric, MetricResult, _words
from castalia.evaluation.dense_evidence import gather
from castalia.evaluation.dense_verdict import verdict_dense
from castalia.evaluation.features import features_for
from castalia.families.base import Family, FamilyConfig
from castalia.modalities.image.metrics.features import effnetlite0
from castalia.nn.counter_random import randn_rows
from castalia.spec import Batch, Classes, Dense, Tokens

SPEC = Dense((1, 8, 8), levels=256)
KEYS = [
    "name",
    "value",
    "low",
    "high",
    "n",
    "seeds",
    "better",
    "floor",
    "baselines",
    "informative",
    "seconds",
    "details",
]


def pictures(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft blobs in one of four corners: (n, 1, 8, 8) in [-1, 1] and the corner."""
    rng = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 4, (n,), generator=rng)
    centre = (
        torch.stack([corner // 2, corner % 2], 1) * 3.5
        + 1.7
        + 0.5 * torch.randn(n, 2, generator=rng)
    )
    width = 1 + torch.rand(n, 1, 1, generator=rng)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    square = (y - centre[:, :1, None]) ** 2 + (x - centre[:, 1:, None]) ** 2
    return (2 * torch.exp(-square / (2 * width**2)) - 1)[:, None], corner


CODEC = SimpleNamespace(name="made", native=object, spec=SPEC)


class Items:
    def __init__(self, n: int, seed: int) -> None:
        self.x, self.labels = pictures(n, seed)
        self.asked: list[torch.Tensor] = []

    def __len__(self) -> int:
        return len(self.x)

    def take(self, indices) -> Batch:
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        self.asked.append(chosen)
        return Batch(self.x[chosen], cond={"label": self.labels[chosen]})


class Data:
    """What evaluation needs of a Dataset."""

    def __init__(self, train: int, validation: int, spec=SPEC) -> None:
        self.spec, self.codec = spec, None
        self.train, self.validation = Items(train, 0), Items(validation, 1)
        self.conditions = {"label": Classes(("a", "b", "c", "d"))}


class Painter(Family):
    """Draws new pictures of the same kind, told the corner or not; `store` makes it replay pictures
    instead.
    """

    name, accepts, Config, exact = "painter", (Dense, Tokens), FamilyConfig, False

    def __init__(
        self, conditions=None, store: torch.Tensor | None = None, noise: float = 0.0
    ) -> None:
        super().__init__(FamilyConfig(), SPEC, conditions or {})
        self.weight = torch.nn.Parameter(torch.zeros(3))
        self.store, self.noise, self.told = store, noise, []

    def phases(self):
        return []

    def forward(self, batch, phase="main"):
        raise NotImplementedError

    def sample(self, rngs, cond, options):
        self.told.append(cond)
        numbers = [int(torch.randint(2**31, (1,), generator=rng)) for rng in rngs]
        x = (
            torch.cat([pictures(1, number)[0] for number in numbers])
            if self.store is None
            else self.store[torch.tensor(numbers) % len(self.store)]
        )
        return x + self.noise * randn_rows(rngs, *SPEC.shape)

    def to_latent(self, x, cond, rngs=None):
        return x.flatten(1)

    def from_latent(self, z, cond):
        return z.unflatten(1, SPEC.shape)

    def nats(self, batch, rngs=None):
        return 100 + batch.x.flatten(1).mean(1)


class Mute(Painter):
    sample = None  # type: ignore[assignment]


@pytest.fixture(scope="module")
def judged() -> Evaluation:
    return evaluate(Painter(), CODEC, Data(900, 100), n=300, seed=3, batch=50)


def test_every_score_is_there_with_every_key(judged):
    document = judged.to_json("run-1")
    assert list(document) == ["schema", "run", "language", "verdict", "notes", "scores"]
    assert document["schema"] == 1 and document["run"] == "run-1"
    json.dumps(document, allow_nan=False)
    assert all(list(score) == KEYS for score in document["scores"])
    network = "-castalia-net32-v1"
    kinds = (
        "frechet",
        "kernel",
        "precision",
        "recall",
        "density",
        "coverage",
        "copies",
        "c2st",
        "vendi",
        "class-balance",
        "data-copying",
    )
    comparing = [name + network for name in kinds]
    assert {score["name"] for score in document["scores"]} == {
        *comparing,
        "creativity" + network,
        "bits-per-dimension",
        "samples-per-second",
        "peak-memory",
        "parameters",
    }
    for score in document["scores"]:
        if score["name"] in comparing:
            assert score["low"] <= score["value"] <= score["high"]
            assert (
                score["n"] == (50 if "data-copying" in score["name"] else 300)
                and score["seeds"] == [3]
                and score["floor"] is not None
            )
            assert set(score["baselines"]) == {"naive", "memoriser"} and isinstance(
                score["informative"], bool
            )


def test_a_perfect_model_cannot_be_told_from_real_data(judged):
    for name in ("frechet", "kernel", "precision", "recall", "density", "coverage", "copies"):
        score = judged.score(name)
        assert score.informative, score
        low, high = (
            score.details["intervals"]["floor"]
            if "intervals" in score.details
            else (score.floor, score.floor)
        )
        assert score.low <= high * 1.3 + 0.02 and low <= score.high, score
    assert dict(judged.verdict)["headline"] in (
        "The samples are hard to tell from new real data.",
        "The samples come close to real data.",
    )


def test_the_evidence_for_the_eye(judged):
    assert judged.samples.shape == (256, 1, 8, 8) and len(judged.real) == 64
    assert judged.neighbours.items.shape[:2] == judged.neighbours.indices.shape == (8, 4)
    data = Data(900, 100)
    torch.testing.assert_close(judged.neighbours.items, data.train.x[judged.neighbours.indices])
    assert (judged.neighbours.distances[:, 0].diff() >= 0).all()
    assert judged.interpolation.shape == (5, 9, 1, 8, 8)
    # a perfect reconstruction
    torch.testing.assert_close(judged.interpolation[:, 0], judged.interpolation[:, 1])
    torch.testing.assert_close(
        judged.interpolation[:, 4], (judged.interpolation[:, 0] + judged.interpolation[:, -1]) / 2
    )


def test_the_same_seed_gives_the_same_scores(judged):
    again = evaluate(Painter(), CODEC, Data(900, 100), n=300, seed=3, batch=50)
    changing = ("samples-per-second", "peak-memory")
    assert [s.value for s in again.scores if s.name not in changing] == [
        s.value for s in judged.scores if s.name not in changing
    ]
    torch.testing.assert_close(again.samples, judged.samples)


def test_a_copying_model_is_found_out():
    data = Data(400, 100)
    found = evaluate(Painter(store=data.train.x), CODEC, data, n=200, seed=0, batch=100)
    assert found.score("copies").value > 0.95
    assert dict(found.verdict)["headline"] == "The model repeats its training data."
    assert "copies" in dict(found.verdict)["novelty"]
    assert any("cannot see copying" in words for words in found.score("frechet").details["words"])


def test_scores_fall_with_the_model():
    data = Data(400, 100)
    values = [
        evaluate(
            Painter(noise=noise),
            CODEC,
            data,
            n=200,
            seed=0,
            batch=100,
            metrics=["kernel", "manifold"],
        )
        for noise in (0.0, 0.15, 0.6)
    ]
    assert [found.score("kernel").value for found in values] == sorted(
        found.score("kernel").value for found in values
    )
    assert values[0].score("precision").value > values[-1].score("precision").value
    assert (
        "far from the data" in dict(values[-1].verdict)["headline"]
        or "gaps" in dict(values[-1].verdict)["headline"]
    )


def test_sides_do_not_overlap_and_have_equal_n():
    data = Data(300, 40)
    found = gather(Painter(), data, n=150, seed=0, batch=64, against=None, network="raw")
    sides = {
        "reference": found.evidence.reference,
        **{name: found.evidence.candidates[name] for name in ("floor", "memoriser")},
    }
    assert {len(side) for side in found.evidence.candidates.values()} == {150}
    rows = {name: {tuple(row.tolist()) for row in side} for name, side in sides.items()}
    assert not rows["reference"] & rows["floor"] and not rows["reference"] & rows["memoriser"]
    held_out = {tuple(row.tolist()) for row in data.validation.x.flatten(1)}
    assert held_out <= rows["reference"]  # held-out items come first
    assert "40 held-out items and 110 training items" in found.evidence.about["reference"]


def test_conditions_follow_the_training_items():
    data = Data(200, 50)
    data.train.labels[:] = 2
    model = Painter(conditions=data.conditions)
    evaluate(model, CODEC, data, n=40, seed=0, batch=40, metrics=["cost"])
    assert model.told[0].keys() == {"label"} and (model.told[0]["label"] == 2).all()
    free = Painter()
    evaluate(free, CODEC, data, n=40, seed=0, batch=40, metrics=["cost"])
    assert free.told[0] == {}


def test_few_items_give_words_not_errors():
    found = evaluate(Painter(), CODEC, Data(80, 10), n=2000, seed=0, batch=64)
    frechet = found.score("frechet")
    assert (
        frechet.value is None
        and "needs at least 129" in frechet.details["words"][0]
        and "45 could be used" in frechet.details["words"][0]
    )
    assert found.score("kernel").value is not None and found.score("kernel").n == 45
    assert (
        found.score("copies").value is None
        and "12 held-out" in found.score("copies").details["words"][0]
    )
    assert any("n was reduced from 2,000 to 45" in note for note in found.notes)


@pytest.mark.parametrize(("train", "validation"), [(3, 0), (1, 1), (12, 2)])
def test_hardly_any_items(train, validation):
    found = evaluate(Painter(), CODEC, Data(train, validation), n=100, seed=0, batch=64)
    json.dumps(found.to_json("x"), allow_nan=False)
    assert found.score("precision") is None or found.score("precision").value is None
    assert "too little" in dict(found.verdict)["headline"]
    assert found.score("parameters").value == 3


def test_against_other_real_data():
    data, other = Data(300, 50), pictures(120, 9)[0]
    found = evaluate(Painter(), CODEC, data, n=200, seed=0, batch=64, against=other)
    assert (
        found.score("kernel").n == 120
        and "120 of 120 given items" in found.score("kernel").details["reference"]
    )
    torch.testing.assert_close(found.real, other[:64])
    shifted = evaluate(Painter(), CODEC, data, n=200, seed=0, batch=64, against=-other)
    assert shifted.score("kernel").floor > found.score("kernel").high


def test_a_model_that_cannot_sample_is_refused():
    with pytest.raises(AbilityError, match="be judged by its samples"):
        evaluate(Mute(), CODEC, Data(50, 10), n=10)


def test_training_mode_is_restored():
    model = Painter().train()
    evaluate(model, CODEC, Data(30, 5), n=5, batch=5, metrics=["cost"])
    assert model.training


def test_a_metric_that_gives_up_costs_only_its_own_scores(monkeypatch):
    class Broken(Metric):
        name = "broken"

        def scores(self, evidence):
            raise CastaliaError("no luck")

    original = registry.resolve
    monkeypatch.setattr(
        registry, "resolve", lambda kind, name: Broken if name == "kernel" else original(kind, name)
    )
    found = evaluate(Painter(), CODEC, Data(100, 20), n=50, batch=50, metrics=["kernel", "cost"])
    assert (
        found.notes[-1] == "The metric 'kernel' gave up: no luck."
        and found.score("parameters") is not None
    )


# words


def estimate(value: float, half: float = 0.01) -> Estimate:
    return Estimate(value, value - half, value + half)


def sides(*values: float) -> dict[str, Estimate]:
    return dict(zip(("model", "floor", "naive", "memoriser"), map(estimate, values), strict=True))


def test_words_when_the_network_cannot_tell_real_data_from_noise():
    words = " ".join(_words("higher", sides(0.5, 0.9, 0.895, 0.9), False, 300, DenseEvidence))
    assert "says nothing here" in words and "0.895" in words


def test_words_when_the_naive_baseline_wins():
    words = " ".join(_words("lower", sides(5, 1, 3, 1), True, 300, DenseEvidence))
    assert (
        "is better than the model" in words
        and "not there yet" in words
        and "cannot see copying" in words
    )


def test_an_uninformative_score_does_not_carry_the_verdict():
    good = MetricResult(
        "precision-castalia-net32-v1",
        0.9,
        0.88,
        0.92,
        100,
        (0,),
        "higher",
        0.9,
        {"naive": 0.9},
        True,
    )
    recall = replace(good, name="recall-castalia-net32-v1")
    assert "close" in dict(verdict_dense([good, recall]))["headline"]
    blind = replace(good, informative=False)
    words = dict(verdict_dense([blind, recall]))
    assert (
        "too little" in words["headline"] and "Not informative here: precision" in words["fidelity"]
    )


def test_bits_per_dimension_compare_with_a_gaussian(judged):
    score = judged.score("bits-per-dimension") or judged.score("bits")
    assert score.value == pytest.approx(
        (100 + Data(900, 100).validation.x.mean().item()) / (64 * 0.6931471805599453), rel=1e-5
    )
    assert (
        score.details["exact"] is False
        and score.details["uniform"] == 8.0
        and score.baselines["naive"] > 0
    )


def test_the_extra_network_is_optional_and_named():
    try:
        effnetlite0()
    except MissingExtra as error:
        assert "castalia[effnet]" in str(error)
        return
    features = features_for(SPEC, "effnetlite0")
    assert features.name == "effnetlite0" and "states no licence" in features.about
    vectors = features.extract(pictures(2, 0)[0])
    assert vectors.shape == (2, 1280) and torch.isfinite(vectors).all()
