"""The gate keeps its rate: bounds against closed forms, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from castalia.apps.assistant.gate import choose, fitted, grouped_bound, upper_bound


def test_the_bound_of_no_passes_is_that_of_the_formula():
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(0, 59) < 0.05 < upper_bound(0, 58)
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1


def test_the_bound_is_that_of_scipy():
    beta = pytest.importorskip("scipy.stats").beta
    for passed, of in [(1, 108), (7, 200), (30, 31)]:
        assert upper_bound(passed, of) == pytest.approx(beta.ppf(0.95, passed + 1, of - passed))


def test_the_regression_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(200, 3)) * (1, 5, 0.1) + 2
    labels = (draw.random(200) < 1 / (1 + np.exp(-rows[:, 0]))).astype(float)
    mean, scale, weights = fitted(rows, labels)
    other = linear_model.LogisticRegression(C=1.0, tol=1e-10).fit((rows - mean) / scale, labels)
    assert weights[:-1] == pytest.approx(other.coef_[0], abs=1e-4)
    assert weights[-1] == pytest.approx(other.intercept_[0], abs=1e-4)


def test_the_dial_is_kept_in_95_of_100_draws():
    draw = np.random.default_rng(1)
    broken = 0
    for _ in range(400):
        threshold, _, bound = choose(draw.random(200), np.arange(200), 0.05)
        broken += 1 - threshold > 0.05  # scores are uniform, so this is the true rate
        assert bound <= 0.05
    assert broken <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5


def test_too_few_questions_let_nothing_pass():
    threshold, passed, bound = choose(np.linspace(0, 0.8, 20), np.arange(20), 0.05)
    assert threshold > 0.8 and passed == 0 and bound > 0.05


def test_questions_that_pass_together_widen_the_bound():
    together = np.repeat(np.arange(20), 10)
    apart = np.tile(np.arange(20), 10)
    assert grouped_bound(together, 10) > grouped_bound(apart, 10)
    assert grouped_bound(np.arange(20), 5) == 0
