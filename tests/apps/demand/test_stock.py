"""Draws of demand and stock: against closed forms, and cases small enough to follow by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from castalia.apps.demand.forecasting import (
    DRAWS,
    KINDS,
    METHODS,
    History,
    Rule,
    drawn,
    kinds,
    learned,
    stock_level,
    weekly,
)
from castalia.apps.demand.stock import (
    Terms,
    back_test,
    fixed_cover,
    normal_quantile,
    seasonal_naive,
    simulate,
)


def history(units: list[list[float]], season: int = 1) -> History:
    matrix = np.array(units, float)
    return History(matrix, (matrix > 0).argmax(1), season, True)


def poisson(items: int, periods: int, rate: float, seed: int = 0) -> History:
    units = np.random.default_rng(seed).poisson(rate, (items, periods)).astype(float)
    units[:, 0] = np.maximum(units[:, 0], 1)
    return history(units.tolist())


def test_the_level_is_the_newsvendors():
    terms = Terms(1, 1, under=9.0, over=1.0)
    assert terms.level == pytest.approx(0.9)
    # the quantile at that level costs least: Poisson demand of mean 20
    demand = np.arange(200)
    weights = stats.poisson(20).pmf(demand)
    costs = [
        (weights * (9 * np.maximum(0, demand - kept) + np.maximum(0, kept - demand))).sum()
        for kept in range(60)
    ]
    assert int(np.argmin(costs)) == int(stats.poisson(20).ppf(terms.level))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("rate", [0.3, 4.0, 60.0])
def test_draws_have_the_mean_and_the_spread_of_poisson_demand(name: str, rate: float):
    known = poisson(150, 120, rate)
    draws = METHODS[name](known, 3, np.random.default_rng(1))
    assert draws.shape == (150, DRAWS) and draws.min() >= 0
    assert np.array_equal(draws, np.round(draws))
    # `changes` begins at the last sum, so it is right on average over items; where that is often
    # nought, it can only rise
    assert draws.mean() == pytest.approx(3 * rate, rel=0.3 if name == "changes" else 0.12)
    spread = math.sqrt(float((draws.std(1) ** 2).mean()))
    assert 0.85 * math.sqrt(3 * rate) < spread < 2.2 * math.sqrt(3 * rate) + 0.5


def test_normal_quantiles_are_scipys():
    for level in (0.5, 0.9, 0.95, 0.999):
        assert normal_quantile(level) == pytest.approx(stats.norm.ppf(level), abs=1e-9)


def test_kinds_are_those_of_syntetos_and_boylan():
    rng = np.random.default_rng(0)
    smooth = rng.poisson(20, 60).astype(float)
    erratic = np.where(np.arange(60) % 2, 1.0, 100.0)
    intermittent = np.where(np.arange(60) % 4 == 0, 5.0, 0.0)
    lumpy = np.where(np.arange(60) % 8 == 0, 50.0, np.where(np.arange(60) % 8 == 4, 1.0, 0.0))
    found = kinds(history([list(smooth), list(erratic), list(intermittent), list(lumpy)]))
    assert [KINDS[one % len(KINDS)] for one in found] == list(KINDS)


def test_weekdays_are_those_of_all_items_and_know_where_the_history_begins():
    week = np.array([1, 1, 1, 1, 2, 1, 0], float)
    units = np.tile(week, 11)[:75] * 10
    found = weekly(history([units.tolist()], season=7))
    assert found == pytest.approx(week / week.mean())
    assert weekly(history([units[3:].tolist()], season=7)) == pytest.approx(
        np.roll(week, -3) / week.mean()
    )


def test_what_a_policy_would_have_cost_can_be_followed_by_hand():
    # targets 5 at each review, arriving one period later, reviewed every period
    terms = Terms(lead=1, review=1, under=3.0, over=1.0)
    targets = np.array([[5.0, 5.0]])
    demand = np.array([[2.0, 1.0, 4.0]])
    found = simulate(targets, demand, terms)
    # period 0: 5 are ordered, 2 are owed; period 1: 5 arrive, 2 are ordered (5 - (-2 + 5)), 1 is
    # sold, 2 are left; period 2: 2 arrive, 4 are sold, none is left
    assert found.met.tolist() == [2.0] and found.cost.tolist() == [2.0]
    assert found.missing.tolist() == [0.0] and found.wanted.tolist() == [5.0]
    short = simulate(targets - 2, demand, terms)
    assert short.met.tolist() == [1.0] and short.cost.tolist() == [6.0]


def test_without_a_lead_time_an_order_is_there_at_once():
    found = simulate(np.array([[4.0, 4.0]]), np.array([[3.0, 5.0]]), Terms(0, 1, 1.0, 1.0))
    assert found.met.tolist() == [1.0] and found.cost.tolist() == [2.0]


def test_base_stock_meets_demand_as_often_as_its_quantile_says():
    demand = np.random.default_rng(3).poisson(6.0, (400, 60)).astype(float)
    terms = Terms(lead=2, review=1, under=19.0, over=1.0)
    level = stats.poisson(18).ppf(0.95)
    found = simulate(np.full((400, 50), level), demand[:, : 49 + 3], terms)
    reached = found.met.sum() / (400 * found.orders)
    assert reached == pytest.approx(stats.poisson(18).cdf(level), abs=0.01)


def test_the_plan_reaches_what_is_asked_and_is_the_same_again():
    known = poisson(300, 90, 2.5)
    terms = Terms(lead=1, review=1, under=9.0, over=1.0)
    tested = back_test(known, terms, 52, 0)
    assert tested is not None
    reached = tested.service("ours")
    assert 0.88 < reached.value < 0.97  # whole units reach a little more
    assert reached.low < reached.value < reached.high
    assert tested.cost_against("naive", "naive").value == 1.0
    rules = learned(known, 2, 0.9, 0)
    draws = drawn(known, 2, rules, 0)
    assert np.array_equal(draws, drawn(known, 2, learned(known, 2, 0.9, 0), 0))
    again = back_test(known, terms, 52, 0)
    assert again is not None and again.service("ours") == reached
    kept = stock_level(known, draws, rules)
    assert np.mean(kept) == pytest.approx(stats.poisson(5).ppf(0.9), abs=1.2)


def test_a_rule_is_a_quantile_or_a_margin():
    draws = np.sort(np.random.default_rng(0).normal(100, 10, (1, DRAWS)), 1)
    assert Rule("counts", 0.9, 0.0, 1, 0.0).stock(draws)[0] == pytest.approx(112.8, abs=2)
    assert Rule("counts", None, 2.0, 1, 0.0).stock(draws)[0] == pytest.approx(120, abs=2)


def test_baselines():
    known = history([[4.0, 8.0] * 10])
    # the same two periods a season of two ago; all errors are nought
    assert seasonal_naive(known, 2, season=2, level=0.95).tolist() == [12.0]
    assert fixed_cover(history([[3.0] * 20]), 2).tolist() == [12.0]


def test_a_shop_with_one_item_is_not_stocked_by_the_luckiest_rule():
    """So few past orders cannot choose among so many rules: the level may not be lowered."""
    met = orders = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        units = rng.negative_binomial(2, 0.3, (1, 200)).astype(float)
        units[:, 0] = np.maximum(units[:, 0], 1)
        tested = back_test(history(units.tolist(), season=7), Terms(3, 4, 9.0, 1.0), 7, seed)
        assert tested is not None
        met += tested.outcomes["ours"].met.sum()
        orders += tested.outcomes["ours"].orders
    assert met / orders > 0.88
