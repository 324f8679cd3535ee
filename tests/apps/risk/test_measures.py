"""Value at risk, expected shortfall and their tests against closed forms and published figures."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from castalia.apps.risk.measures import basel_zone, beyond, coverage, shortfall, var_es


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
def test_a_normal_distribution_has_its_closed_forms(level: float):
    mean, spread = 0.001, 0.02
    draws = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000, mean, spread)
    var, es = var_es(np.random.default_rng(0).permutation(draws), level)
    edge = stats.norm.ppf(1 - level)
    assert var == pytest.approx(-(mean + spread * edge), rel=1e-3)
    assert es == pytest.approx(spread * stats.norm.pdf(edge) / (1 - level) - mean, rel=1e-3)


def test_students_t_has_its_closed_form():
    """McNeil, Frey and Embrechts 2015, eq. 2.25."""
    nu, level = 5.0, 0.99
    draws = stats.t.ppf((np.arange(400_000) + 0.5) / 400_000, nu)
    edge = stats.t.ppf(level, nu)
    exact = stats.t.pdf(edge, nu) / (1 - level) * (nu + edge**2) / (nu - 1)
    assert var_es(draws, level) == (pytest.approx(edge, rel=1e-3), pytest.approx(exact, rel=1e-3))


def test_the_draw_at_the_edge_counts_in_part():
    # 15% of ten draws are the worst and half of the second
    var, es = var_es(np.array([-8.0, 3, -2, 5, 1, 0, 4, 2, 6, 7]), 0.85)
    assert var == 2
    assert es == pytest.approx((8 + 0.5 * 2) / 1.5)


def test_fewer_draws_than_the_level_asks_for_give_the_worst():
    assert var_es(np.array([-3.0, 1, 2]), 0.99) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("days", "exceedances", "share", "statistic"),
    [
        (252, 20, 0.05, 3.91),  # Jorion, Value at Risk, 3rd ed., chapter 6: J.P. Morgan in 1998
        # documentation of MathWorks' Risk Management Toolbox, function pof
        (1043, 57, 0.05, 0.46147),
        (1043, 59, 0.05, 0.91023),
        (1043, 12, 0.01, 0.22768),
        (1043, 17, 0.01, 3.5118),
        (1043, 22, 0.01, 9.8298),
    ],
)
def test_kupiecs_statistic_is_as_published(
    days: int, exceedances: int, share: float, statistic: float
):
    found = coverage(np.arange(days) < exceedances, 1 - share)
    assert found.uc == pytest.approx(statistic, rel=1.3e-3 if statistic == 3.91 else 2e-5)


@pytest.mark.parametrize(
    ("days", "share", "low", "high"),
    [
        # Kupiec 1995, table 3: numbers of exceedances that do not reject at 5%, both ends outside
        (255, 0.01, 0, 7),  # the table has no lower end here, as 0 is no overstatement to it
        (510, 0.01, 1, 11),
        (1000, 0.01, 4, 17),
        (255, 0.025, 2, 12),
        (510, 0.025, 6, 21),
        (1000, 0.025, 15, 36),
        (255, 0.05, 6, 21),
        (510, 0.05, 16, 36),
        (1000, 0.05, 37, 65),
    ],
)
def test_kupiecs_regions_are_as_published(days: int, share: float, low: int, high: int):
    kept = [
        count
        for count in range(days // 5)
        if coverage(np.arange(days) < count, 1 - share).kupiec >= 0.05
    ]
    assert (kept[0], kept[-1]) == (low + 1, high - 1)


def test_independence_is_the_g_test_of_a_table_of_transitions():
    hits = np.random.default_rng(3).random(800) < 0.06
    hits[100:108] = True
    table = np.zeros((2, 2))
    for before, after in pairwise(hits):
        table[int(before), int(after)] += 1
    exact = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    found = coverage(hits, 0.95)
    assert found.ind == pytest.approx(exact.statistic)
    assert found.independence == pytest.approx(exact.pvalue)
    assert found.joint == pytest.approx(stats.chi2.sf(found.uc + found.ind, 2))
    assert found.after == pytest.approx(table[1, 1] / table[1].sum())


def test_exceedances_that_follow_one_another_by_hand():
    # five pairs and ten alone: 252 transitions, of which 5 of 20 and 15 of 232 lead to one
    pattern = [False, True, True, False] * 5 + [False, True, False] * 10
    hits = np.array(pattern + [False] * (253 - len(pattern)))
    found = coverage(hits, 0.95)
    assert (found.after, found.otherwise) == (pytest.approx(5 / 20), pytest.approx(15 / 232))

    def at(successes: int, count: int) -> float:
        share = successes / count
        return successes * math.log(share) + (count - successes) * math.log(1 - share)

    assert found.ind == pytest.approx(2 * (at(5, 20) + at(15, 232) - at(20, 252)))
    assert found.independence < 0.05


def test_what_cannot_be_tested_is_not_a_number():
    found = coverage(np.zeros(100, dtype=bool), 0.99)
    assert found.exceedances == 0 and found.uc == pytest.approx(-200 * math.log(0.99))
    assert math.isnan(found.ind) and math.isnan(found.independence) and math.isnan(found.joint)


@pytest.mark.parametrize("freedom", [1, 2])
def test_chi_square_in_closed_form(freedom: int):
    for at in (0.0, 0.1, 3.84, 5.99, 40.0):
        assert beyond(at, freedom) == pytest.approx(stats.chi2.sf(at, freedom), rel=1e-12)


def test_acerbi_and_szekelys_critical_value_is_as_published():
    """Acerbi and Szekely 2014, table 4: -0.7 for a normal tail of 2.5% in 250 days, at 5%."""
    rng = np.random.default_rng(1)
    days, level = 250, 0.975
    edge = stats.norm.ppf(level)
    var, es = np.full(days, edge), np.full(days, stats.norm.pdf(edge) / (1 - level))
    null = rng.standard_normal((3000, days))
    tests = [shortfall(row, var, es, null, level) for row in null[:120]]
    assert abs(np.mean([one.z for one in tests])) < 0.1
    assert 0.01 <= np.mean([one.p < 0.05 for one in tests]) <= 0.1
    drawn = 1 + np.where(null < -edge, null, 0.0).sum(1) / (days * (1 - level) * es[0])
    assert np.quantile(drawn, 0.05) == pytest.approx(-0.70, abs=0.05)


def test_larger_losses_than_expected_shortfall_are_noticed():
    rng = np.random.default_rng(2)
    edge = stats.norm.ppf(0.975)
    var, es = np.full(500, edge), np.full(500, stats.norm.pdf(edge) / 0.025)
    null = rng.standard_normal((1000, 500))
    found = shortfall(1.4 * rng.standard_normal(500), var, es, null, 0.975)
    assert found.z < -0.7 and found.p < 0.01


def test_basels_zones():
    hits = np.zeros(400, dtype=bool)
    assert basel_zone(hits) == "green" and basel_zone(hits[:200]) == ""
    hits[-5:] = True
    assert basel_zone(hits) == "yellow"
    hits[-10:] = True
    assert basel_zone(hits) == "red"
    hits[:100] = True  # before the last 250
    assert basel_zone(np.concatenate([hits, np.zeros(250, dtype=bool)])) == "green"
