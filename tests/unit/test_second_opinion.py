"""What a judge does not see: real items without their details, and a second network that may
disagree with the first.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from castalia.errors import MissingExtra
from castalia.evaluation import features, second_opinion
from castalia.evaluation.base import MetricResult
from castalia.evaluation.baselines import softened
from castalia.evaluation.dense_verdict import verdict_dense
from castalia.evaluation.features import Features
from castalia.evaluation.plain_summary import in_short
from castalia.evaluation.precision_recall import Manifold
from castalia.nn.counter_random import generator
from castalia.spec import Dense
from castalia.testing.metrics import evidence

PICTURES = Dense((1, 32, 32))


def noise(*shape: int, key: str = "x") -> torch.Tensor:
    return torch.randn(shape, generator=generator("second opinion", key))


def test_softened_items_keep_what_is_even_and_lose_what_is_fine():
    even = torch.full((2, 1, 32, 32), 0.3)
    torch.testing.assert_close(softened(even, PICTURES), even)
    fine = torch.ones(2, 1, 32, 32)
    fine[..., ::2] = -1
    assert softened(fine, PICTURES)[..., 2:-2].abs().max() < 0.5
    assert softened(noise(2, 2, 30), Dense((2, 30))).shape == (2, 2, 30)
    assert softened(noise(2, 1, 9, 9, 9), Dense((1, 9, 9, 9))).shape == (2, 1, 9, 9, 9)
    assert softened(noise(2, 7), Dense((7,), unit="standard", layout="vector")) is None


def test_precision_says_what_softened_items_get():
    made = evidence()
    seen = replace(made, softened=made.candidates["naive"])
    unseen = replace(made, softened=made.candidates["floor"])
    low, high = (
        next(one for one in Manifold().scores(given) if one.name.startswith("precision"))
        for given in (seen, unseen)
    )
    assert low.details["softened"] < 0.1 < 0.7 < high.details["softened"] == high.floor
    assert any("without fine details" in words for words in high.details["words"])


def score(name: str, value: float, floor: float = 0.9, network: str = "raw", **details):
    return MetricResult(
        f"{name}-{network}",
        value,
        value - 0.02,
        value + 0.02,
        500,
        (0,),
        "higher",
        floor,
        {"naive": 0.0},
        True,
        details=details,
    )


@pytest.mark.parametrize(("soft", "right"), [(0.1, True), (0.85, False)])
def test_samples_look_right_only_where_a_blur_would_have_been_seen(soft, right):
    scores = [score("precision", 0.85, softened=soft), score("recall", 0.3)]
    words, short = dict(verdict_dense(scores)), dict(in_short(scores))
    assert ("missing details" in short["Do the samples look real?"]) is not right
    assert ("look right" in words["headline"]) is right
    assert ("85% of real items without fine details" in words["fidelity"]) is not right
    assert "leaves out part" in words["headline"]


def opinion(monkeypatch, look, first: float) -> tuple[list[MetricResult], list[str]]:
    other = Features("other", "of this test", look)
    monkeypatch.setattr(second_opinion, "second_networks", lambda spec, name: [other])
    sides = {name: noise(120, 6, key=name) for name in ("model", "floor", "reference")}
    sides["model"] = sides["model"] + 12 * torch.eye(6)[0]
    return second_opinion.second_opinion(
        evidence(), [score("precision", first, network="normal")], sides
    )


def test_a_second_network_agrees_or_disagrees(monkeypatch):
    # the samples differ from real items in the first number only
    scores, words = opinion(monkeypatch, lambda x: x[:, 1:], 0.85)
    assert {one.name for one in scores} == {"precision-other", "kernel-other"}
    assert len(words) == 1 and "other, agrees" in words[0]
    scores, words = opinion(monkeypatch, lambda x: x, 0.85)
    assert "other, disagrees: 0% there" in words[0]
    assert "agrees" in opinion(monkeypatch, lambda x: x, 0.1)[1][0]


def test_a_network_that_is_not_installed_is_not_asked(monkeypatch):
    class Missing:
        default, about, needs = False, "", ""

        def fits(self, spec):
            return True

        def confirms(self, spec):
            return True

        def extractor(self, spec):
            raise MissingExtra("a package", "an-extra", where="feature network 'missing'")

    monkeypatch.setattr(features, "_networks", lambda: {"missing": Missing()})
    monkeypatch.setattr(features, "network_names", lambda: ["missing", "raw"])
    assert features.second_networks(PICTURES, "raw") == []


def test_small_pictures_ask_no_second_network():
    assert features.second_networks(Dense((1, 28, 28)), "castalia-net32-v1") == []
