"""Power of a t-test against scipy, published figures, and experiments that are really repeated."""

import numpy as np
import pytest
from scipy import stats

from castalia.apps.simulate.power import (
    cases_needed,
    compared,
    exact_power,
    pooled_spread,
    share_found,
)
from castalia.evaluation.base import wilson


@pytest.mark.parametrize(
    ("size", "n", "m", "level"),
    [
        *[(0.5, 64, 64, 0.05), (0.2, 20, 30, 0.05), (1.0, 3, 3, 0.05), (0.1, 2000, 1500, 0.01)],
        *[(0.0, 10, 10, 0.05), (-0.8, 12, 25, 0.1), (2.0, 5, 9, 0.001), (5.0, 100, 100, 0.05)],
    ],
)
def test_the_noncentral_t_is_that_of_scipy(size: float, n: int, m: int, level: float):
    freedom, centre = n + m - 2, size * np.sqrt(n * m / (n + m))
    edge = stats.t.ppf(1 - level / 2, freedom)
    exact = stats.nct.sf(edge, freedom, centre) + stats.nct.cdf(-edge, freedom, centre)
    assert exact_power(size, n, m, level) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("size", "needed"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_cases_needed_are_as_published(size: float, needed: int):
    """Cohen 1988, table 2.4.1, at 5% on both sides and 80%: 393, 64, 26; G*Power says 394."""
    assert cases_needed(size, 0.05) == needed


def test_what_cannot_be_found_needs_no_number_of_cases():
    assert cases_needed(0.0, 0.05) is None and cases_needed(1e-5, 0.05) is None
    many = cases_needed(0.02, 0.05)
    assert many is not None and exact_power(0.02, many, many, 0.05) == pytest.approx(0.8, abs=1e-3)


def test_one_comparison_is_students():
    rng = np.random.default_rng(0)
    one, other = rng.normal(10, 2, 40), rng.normal(11, 2, 55)
    found, exact = compared(one, other, 0.05), stats.ttest_ind(other, one)
    assert (found.t, found.p) == (pytest.approx(exact.statistic), pytest.approx(exact.pvalue))
    bounds = exact.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    same = compared(np.ones(5), np.ones(5), 0.05)
    assert same.p == 1.0
    assert compared(np.ones(5), np.zeros(5), 0.05).p == 0.0


def test_repeated_experiments_have_the_closed_forms_power():
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, (20_000, 30)), rng.normal(0.6, 1, (20_000, 40))
    exact = exact_power(0.6, 30, 40, 0.05)
    low, high = wilson(share_found(one, other, 0.05), 20_000)
    assert low - 0.002 < exact < high + 0.002
    counted = [
        stats.ttest_ind(a, b).pvalue < 0.05 for a, b in zip(one[:200], other[:200], strict=True)
    ]
    assert share_found(one[:200], other[:200], 0.05) == pytest.approx(np.mean(counted))


def test_the_spread_inside_two_groups():
    one, other = np.array([1.0, 3.0]), np.array([10.0, 14.0, 12.0])
    assert pooled_spread(one, other) == pytest.approx(np.sqrt((2 + 8) / 3))
