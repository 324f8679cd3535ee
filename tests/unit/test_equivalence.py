"""Equality is claimed only where the interval leaves no room for a difference that matters."""

from __future__ import annotations

import math

import pytest
import torch

from castalia.errors import RecipeError
from castalia.evaluation.base import Estimate, MetricResult, compared, mean_interval
from castalia.evaluation.dense_verdict import verdict_dense
from castalia.evaluation.equivalence import MARGIN, equivalence
from castalia.evaluation.verdict_sentences import two_sample_words
from castalia.verbs.evaluate import measured


def two_sample(n: int) -> MetricResult:
    """Of a model that is exactly as good: right in half of the cases, with the interval of n items
    a side.
    """
    half = 1.96 * 0.5 / math.sqrt(2 * n)
    real = Estimate(0.5, 0.5 - half, 0.5 + half)
    sides = {
        "model": real,
        "floor": real,
        "naive": Estimate(1.0, 0.99, 1.0),
        "memoriser": Estimate(0.9, 0.85, 0.95),
    }
    return compared("c2st-raw", "lower", sides, True, n, 0, 0.0, {})


def test_few_samples_are_no_proof():
    assert "too few" in two_sample_words(
        two_sample(40)
    ) and "cannot tell samples" in two_sample_words(two_sample(2000))


@pytest.mark.parametrize("n", [20, 40, 100, 150])
def test_what_is_asked_for_is_enough(n: int):
    """An equally good model is shown to be so with as many samples as the sentence asks for, and
    not with half as many as it takes.
    """
    score = two_sample(n)
    found = equivalence("lower", score.value, score.low, score.high, 0.5, 1.0, n)
    assert not found.shown and found.needed is not None
    again = two_sample(found.needed)
    assert equivalence("lower", 0.5, again.low, again.high, 0.5, 1.0, found.needed).shown
    enough = math.ceil((1.96 * 0.5 / (0.5 * MARGIN)) ** 2 / 2)  # the closed form for a share of 1/2
    assert enough <= found.needed <= max(1.1 * enough, 2 * n)


@pytest.mark.parametrize(
    ("better", "low", "high", "shown"),
    [
        ("higher", 0.88, 0.94, True),
        ("higher", 0.70, 0.99, False),
        ("lower", 0.80, 0.92, True),
        (None, 0.88, 0.94, True),
        (None, 0.70, 0.94, False),
    ],
)
def test_the_side_that_counts(better, low: float, high: float, shown: bool):
    naive = 1.8 if better == "lower" else 0.0
    assert equivalence(better, (low + high) / 2, low, high, 0.9, naive, 300).shown is shown


def test_a_headline_needs_proof():
    def shares(n: int) -> list[MetricResult]:
        names = ("precision", "recall", "coverage")
        half = 1 / math.sqrt(n)
        one = Estimate(0.9, 0.9 - half, min(1.0, 0.9 + half))
        return [
            *(
                compared(
                    f"{name}-raw",
                    "higher",
                    {"model": one, "floor": one, "naive": Estimate(0, 0, 0.01), "memoriser": one},
                    True,
                    n,
                    0,
                    0.0,
                    {},
                )
                for name in names
            ),
            compared(
                "kernel-raw",
                "lower",
                {
                    "model": Estimate(0.0, -half, half),
                    "floor": Estimate(0.0, -half, half),
                    "naive": Estimate(3, 2.9, 3.1),
                    "memoriser": Estimate(0, -half, half),
                },
                True,
                n,
                0,
                0.0,
                {},
            ),
            two_sample(n),
        ]

    assert "hard to tell" not in dict(verdict_dense(shares(60)))["headline"]
    assert "hard to tell" in dict(verdict_dense(shares(2000)))["headline"]
    # of two samples, intervals reach down to where nothing is alike
    assert "Too few samples" in dict(verdict_dense(shares(2)))["headline"]


def test_one_value_has_no_interval():
    mean, low, high = mean_interval(torch.tensor([3.0]))
    assert (mean, low, high) == (3.0, -math.inf, math.inf)
    assert MetricResult("x", mean, low, high).to_json()["low"] is None


@pytest.mark.parametrize("n", [1, 4, 19])
def test_too_few_are_refused_before_the_work(n: int):
    with pytest.raises(RecipeError, match="too few") as caught:
        measured(None, n=n)  # type: ignore[arg-type] - the run is not looked at
    assert "-n 300" in caught.value.fix and "40" in caught.value.fix
