"""Music from files to scores, verdict, page and audit: which metrics a run of music gets, what they
say of good and bad models, in both languages.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.modalities.music.pieces import Tunes, folder_of

from castalia import evaluation, registry
from castalia.codecs.base import CodecConfig
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare
from castalia.evaluation.base import MetricResult
from castalia.evaluation.report_page import page
from castalia.families.base import Family, FamilyConfig
from castalia.language import Voice
from castalia.modalities.music.contract import piece
from castalia.modalities.music.metrics.statistics import STATISTICS
from castalia.modalities.music.score import Part, Score
from castalia.modalities.music.verdict import verdict_music
from castalia.spec import Tokens
from castalia.training.setup import open_data


class Fixed(Family):
    """Tells the given documents over again, row after row; every token of another is as likely as
    any.
    """

    name, accepts, Config, exact = "fixed", (Tokens,), FamilyConfig, True

    def __init__(self, spec: Tokens, documents: list[torch.Tensor]) -> None:
        super().__init__(FamilyConfig(), spec, {})
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.rows, self.given = documents, 0

    def phases(self):
        return []

    def forward(self, batch, phase="main"):
        raise NotImplementedError

    def nats(self, batch, rngs=None):
        return (batch.x[:, 1:] != self.spec.begin).sum(1) * torch.tensor(
            float(self.spec.vocab)
        ).log()

    def prefill(self, ids, mask, cond):
        which = torch.arange(len(ids)) + self.given
        self.given += len(ids)
        return self.step_of(which, torch.ones(len(ids), dtype=torch.int64))

    def step(self, tokens, state):
        return self.step_of(state.which, state.lengths + 1)

    def step_of(self, which, lengths):
        logits = torch.full((len(which), self.spec.vocab), -1e9)
        for row, (document, place) in enumerate(zip(which.tolist(), lengths.tolist(), strict=True)):
            own = self.rows[document % len(self.rows)]
            logits[row, own[min(place, len(own) - 1)]] = 0.0
        return logits, Place(which, lengths)


class Place:
    def __init__(self, which, lengths):
        self.which, self.lengths = which, lengths

    def take(self, rows):
        return Place(self.which[rows], self.lengths[rows])

    def join(self, other):
        return Place(torch.cat([self.which, other.which]), torch.cat([self.lengths, other.lengths]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    folder = folder_of(
        tmp_path_factory.mktemp("tunes"), (piece("piece", number) for number in range(160))
    )
    return prepare(
        DataConfig(source=str(folder), validation=0.5, conditions=("first", "voices")),
        Tunes(CodecConfig()),
    )


def judged(dataset: Dataset, pieces: list[Score], **more: object) -> evaluation.Evaluation:
    model = Fixed(dataset.spec, [dataset.codec.encode(one).long() for one in pieces])
    return evaluation.evaluate(model, dataset.codec, dataset, n=40, batch=40, **more)


@pytest.fixture(scope="module")
def good(dataset: Dataset) -> evaluation.Evaluation:
    return judged(dataset, [piece("new", number) for number in range(40)])


def test_music_gets_the_scores_of_music_and_none_of_text(good):
    names = [score.name for score in good.scores]
    assert set(STATISTICS) | {
        "bits-per-step",
        "bits-per-note",
        "seen-motifs",
        "longest-motif",
        "parameters",
    } <= set(names)
    assert not [
        name
        for name in names
        if name.startswith(
            ("distinct", "self-bleu", "loops", "seen-8", "longest-copy", "bits-per-byte")
        )
    ]
    json.dumps(good.to_json("run"), allow_nan=False)


def test_nats_are_exact_per_step_and_per_note(good, dataset: Dataset):
    pieces = [dataset.codec.decode(document) for document in dataset.validation.documents()]
    tokens = sum(len(document) - 1 for document in dataset.validation.documents())
    nats = tokens * torch.tensor(float(dataset.spec.vocab)).log().item()
    for unit in ("step", "note"):
        total = sum(dataset.codec.units(one)[unit] for one in pieces)
        assert good.score(f"bits-per-{unit}").details["nats_per_unit"] == pytest.approx(
            nats / total, rel=1e-5
        )


def test_text_gets_no_scores_of_music():
    text = registry.resolve("codec", "text").native
    assert {"music", "motifs"} <= {
        name
        for name in registry.known("metric")
        if not issubclass(text, registry.resolve("metric", name).judges)
    }


def many(good: evaluation.Evaluation) -> list[MetricResult]:
    """The scores of a model as good as this one from so many samples that intervals
    have no width.
    """
    return [
        replace(score, value=score.floor, low=score.floor, high=score.floor, n=100_000)
        if score.floor is not None and (score.name in STATISTICS or score.name.startswith("c2st"))
        else score
        for score in good.scores
    ]


def test_a_perfect_model_is_told_so(good):
    words = dict(good.verdict)
    assert words["headline"].startswith(
        "No difference from real pieces is shown, and 40 samples cannot show that there is none"
    )
    assert "nats per step" in words["fidelity"]
    assert "Too few to tell: " in words["fidelity"]
    words = dict(verdict_music(many(good)))
    assert (
        words["headline"] == "By what is counted here, the samples cannot be told from real pieces."
    )
    assert "As in real pieces: melodic intervals" in words["fidelity"]
    for name in ("melodic-interval", "voice-range", "groove"):
        score = good.score(name)
        assert score.informative
        assert score.low <= score.details["intervals"]["floor"][1]
        assert score.baselines["naive"] > score.value


def test_a_classifier_that_sees_through_it_is_heard(good):
    """What is counted one by one may all be as in real pieces, and yet together it is not."""
    floor = {"floor": [0.45, 0.6]}
    fooled, sees = (
        MetricResult(
            "c2st-ngrams-v1",
            value,
            low,
            high,
            better="lower",
            floor=0.5,
            baselines={"naive": 1.0},
            informative=True,
            details={"intervals": floor},
        )
        for value, low, high in ((0.52, 0.5, 0.54), (0.9, 0.8, 1.0))
    )
    scores = [score for score in many(good) if not score.name.startswith("c2st")]
    assert "cannot be told" in dict(verdict_music([*scores, fooled]))["headline"]
    headline = dict(verdict_music([*scores, sees]))["headline"]
    assert "a classifier tells them apart in 90%" in headline
    assert "分类器" in Voice("zh")(headline)


def test_what_the_chain_has_and_the_samples_have_not_is_said(dataset: Dataset):
    """The chain draws from the pitch classes of the data, so they do not tell it from real pieces;
    samples in one key alone are told all the same.
    """
    lines = [piece("new", number) for number in range(40)]
    flat = [
        Score(
            tuple(
                Part(part.name, notes=tuple(note._replace(pitch=60) for note in part.notes))
                for part in one.parts
            ),
            one.resolution,
        )
        for one in lines
    ]
    found = judged(dataset, flat, metrics=["music"])
    assert not found.score("pitch-class").informative
    assert "Unlike real pieces: pitch classes" in dict(found.verdict)["fidelity"]


def test_a_model_that_replays_in_other_keys_is_found_out(dataset: Dataset):
    training = [dataset.codec.decode(document) for document in dataset.train.documents()]
    found = judged(dataset, [one.transposed(5) for one in training], metrics=["motifs", "music"])
    assert dict(found.verdict)["headline"] == "The model repeats melodies of its training pieces."
    assert found.score("seen-motifs").value > 0.9 > found.score("seen-motifs").floor


def test_a_model_without_sense_is_told_what_is_wrong(dataset: Dataset):
    pieces = [piece("new", number) for number in range(40)]
    high = [
        Score((one.parts[2], one.parts[1], one.parts[0]), one.resolution, metres=one.metres)
        for one in pieces
    ]
    found = judged(dataset, high, metrics=["music"])
    assert "crossings of voices" in dict(found.verdict)["fidelity"]
    assert found.score("crossings").low > found.score("crossings").details["intervals"]["floor"][1]
    assert "Samples have" in found.score("crossings").details["words"][0]


def test_few_pieces_are_refused_in_words(dataset: Dataset):
    found = evaluation.evaluate(
        Fixed(dataset.spec, list(dataset.train.documents())[:3]),
        dataset.codec,
        dataset,
        n=5,
        batch=5,
        metrics=["music"],
    )
    assert found.score("groove").value is None
    assert "Not computed" in found.score("groove").details["words"][0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_pieces_and_speaks(good, dataset: Dataset, language: str):
    text = page(good, dataset.codec, title="tunes", curves=[], about={}, voice=Voice(language))
    assert text.count("<img") >= 2
    assert {"en": "Parallel fifths and octaves", "zh": "平行五度与八度"}[language] in text
    assert {"en": "real pieces", "zh": "真实乐曲"}[language] in text
    if language == "zh":
        assert "Other real pieces" not in text


def test_facts_of_music_are_conditions(dataset: Dataset):
    assert list(dataset.conditions) == ["first"]
    assert any("only one value of 'voices'" in note for note in dataset.report["notes"])
    told = dataset.train.take([0]).cond["first"]
    item = dataset.codec.decode(next(iter(dataset.train.documents())))
    assert dataset.conditions["first"].names[int(told)] == dataset.codec.facts(item)["first"]


def test_a_roll_of_dense_numbers_is_judged_as_music_too(tmp_path: Path):
    """The same statistics for a family of Dense data whose codec decodes to scores."""
    from castalia.spec import Dense
    from castalia.testing.metrics import Normal

    class Rolls(Tunes):
        name = "rolls"

        @property
        def spec(self):
            return Dense((64, 3), unit="standard")

        def encode(self, item):
            row = super().encode(item)[1:-1].float()
            return torch.nn.functional.pad(row, (0, 192 - len(row)), value=2.0)[:192].view(64, 3)

        def decode(self, x):
            return super().decode(x.flatten().nan_to_num(2.0).round().clamp(2, 131).long())

    folder = folder_of(tmp_path / "rolls", (piece("piece", number) for number in range(120)))
    data = prepare(DataConfig(source=str(folder), validation=0.5), Rolls(CodecConfig()))
    found = evaluation.evaluate(
        Normal(data.spec), data.codec, data, n=24, batch=24, metrics=["music", "motifs"]
    )
    assert (
        found.score("melodic-interval").low
        > found.score("melodic-interval").details["intervals"]["floor"][1]
    )
    assert dict(found.verdict)["headline"].startswith("The samples differ from real pieces")


def test_an_audit_of_files_finds_copies_in_other_keys(tmp_path: Path):
    """A run of music, audited by a folder of another program's pieces, some of which are training
    pieces in another key.
    """
    import jsonschema

    import castalia
    from castalia.governance import audit as module
    from castalia.governance.audit_index import open_index
    from castalia.run import Run

    folder = folder_of(tmp_path / "tunes", (piece("piece", number) for number in range(150)))
    plan = {
        "codec.name": f"{Path(__file__).parent / 'pieces.py'}:Tunes",
        "training.steps": 2,
        "training.batch": 2,
        "training.sample_every": 0,
        "training.threads": 1,
        "family.width": 16,
        "family.depth": 1,
        "family.heads": 2,
        "data.validation": 0.5,
    }
    recipe = tmp_path / "tunes.yaml"
    recipe.write_text(
        json.dumps(
            {
                "format": 1,
                "data": {},
                "codec": {"name": plan.pop("codec.name")},
                "family": {"name": "ar"},
            }
        ),
        encoding="utf-8",
    )
    run = castalia.train(str(recipe), str(folder), plan, out=tmp_path / "run")
    run = Run.open(run.folder, trust_code=True)
    training = [run.codec.decode(document) for document in open_data(run).train.documents()]
    made = [one.transposed(3) for one in training[:8]] + [
        piece("fresh", number) for number in range(40)
    ]
    document = castalia.audit(run, samples=folder_of(tmp_path / "made", made))
    jsonschema.validate(
        document,
        json.loads(
            (Path(module.__file__).parent / "audit.schema.json").read_text(encoding="utf-8")
        ),
    )
    assert document["matcher"] == "music"
    assert document["verdict"] == "copies"
    assert {pair["sample"] for pair in document["pairs"]} >= {
        f"{number:03d}.tune" for number in range(8)
    }
    assert document["copies"] <= 10
    assert all(pair["kind"] == "transposed" for pair in document["pairs"][:8])
    assert min(document["calibration"]["power"].values()) > 0.9
    page_ = (run.folder / "audit" / "audit.html").read_text(encoding="utf-8")
    assert page_.count('<svg class="roll"') >= 16
    assert "in another key" in page_
    nearest = open_index(run).nearest(training[5].transposed(-2))
    assert (
        nearest.item
        == document["pairs"][[pair["sample"] for pair in document["pairs"]].index("005.tune")][
            "train"
        ]
    )
