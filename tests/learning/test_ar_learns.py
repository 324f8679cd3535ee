"""On a text made by a small grammar: a few seconds beat the unigram by far, and filling beats
drawing at random.
"""

from __future__ import annotations

import math

import pytest
import torch
from tests.texts import corpus

from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare
from castalia.families.ar import Ar
from castalia.families.base import Family
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.nn.counter_random import generators
from castalia.recipe import load
from castalia.training.device import Solo
from castalia.training.held_out import held_out_loss
from castalia.training.loop import Trainer, start


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("texts")
    return prepare(
        DataConfig(source=str(corpus(folder / "texts", files=60)), development=0.1),
        TextCodec(TextConfig(length=64)),
        home=folder / "home",
    )


def trained(recipe: str, data: Dataset, overrides: dict[str, object]) -> Trainer:
    plan = load(recipe, None, {"training.threads": 1, **overrides})
    torch.manual_seed(0)
    family: Family = Ar(plan.family.config, data.spec, {})  # type: ignore[arg-type]
    trainer = start(
        family, plan.training, data.train, data.validation, Solo(), None, data.development
    )
    while trainer.step < plan.training.steps:
        trainer.train_step()
    trainer.averaged()
    return trainer


def unigram(data: Dataset) -> float:
    """Held-out nats per token of the training frequencies."""
    size = data.spec.vocab  # type: ignore[union-attr]
    counts = (
        sum(torch.bincount(document[1:], minlength=size) for document in data.train.documents())
        + 1e-6
    )  # type: ignore[union-attr]
    held = torch.cat([document[1:] for document in data.validation.documents()])  # type: ignore[union-attr]
    return float(-(counts / counts.sum()).log()[held].mean())  # type: ignore[union-attr,operator]


def test_seconds_of_ar_small_beat_the_unigram(texts: Dataset) -> None:
    """The grammar itself leaves log(4) nats at three places of a sentence of about 22 characters:
    0.19 a character. The unigram costs 2.6.
    """
    model = trained("text/ar-small", texts, {"training.steps": 50, "training.batch": 16}).family
    loss, baseline = held_out_loss(model, texts), unigram(texts)
    assert loss is not None and baseline > 2.4
    assert 0.15 < loss < 0.35 < baseline / 5


def test_counts_help_a_network_that_has_just_begun(texts: Dataset) -> None:
    """0.58 against 1.17 nats a character after eight steps, the gate having had one turn."""
    trainer = trained(
        "text/ar-small",
        texts,
        {"training.steps": 8, "training.batch": 16, "family.counts": 4, "family.ngrams": ()},
    )
    model = trainer.family
    both = held_out_loss(model, texts)
    model.gate = None  # type: ignore[assignment]
    alone = held_out_loss(model, texts)
    assert both is not None and alone is not None and both < alone - 0.3


def test_filling_beats_drawing_at_random(texts: Dataset) -> None:
    """One hidden character in the middle of known ones: how often it comes back, against the share
    of the most frequent character.
    """
    model = trained(
        "text/ar-infill",
        texts,
        {
            "training.steps": 150,
            "training.batch": 16,
            "family.width": 64,
            "family.depth": 2,
            "family.heads": 2,
            "family.dropout": 0.0,
        },
    ).family
    x = texts.validation.take(range(len(texts.validation))).x[:64, :48]
    x = x[(x[:, 1:] > 1).all(1)]
    keep = torch.ones(x.shape).bool()
    keep[:, [12, 24, 36]] = False
    found = model.infill(x, keep, generators(0, 0, len(x)), {})  # type: ignore[operator]
    right = float((found == x)[~keep].float().mean())
    often = max(torch.bincount(x.flatten()).tolist()) / x.numel()
    assert torch.equal(found[keep], x[keep])
    assert right > 0.6 > 2 * often, (right, often)
    assert right > often + 3 * math.sqrt(0.25 / int((~keep).sum()))
