"""Methods, drawn paths and the rule of trading against closed forms, `arch`, and by hand."""

import numpy as np
import pytest

from castalia.apps.risk import paths, trading
from castalia.apps.risk.backtest import backtest, reasons, verdict
from castalia.apps.risk.methods import REFIT, Filtered, Garch, Historical, Method, Simulated


def returns_of(count: int, assets: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.standard_t(6, (count, 1))
    return 0.01 * (0.7 * shared + 0.5 * rng.standard_t(6, (count, assets)))


def made(name: str, returns: np.ndarray) -> Method:
    one = returns[:, 0]
    return {
        "historical": lambda: Historical(one, 250),
        "filtered": lambda: Filtered(one, 250, 0.94, 0),
        "simulated": lambda: Simulated(returns, np.ones(returns.shape[1]), 300, 0),
        "garch": lambda: Garch(one, 300, 0),
    }[name]()


@pytest.mark.parametrize("name", ["historical", "filtered", "simulated", "garch"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_a_forecast_sees_nothing_of_its_own_or_later_steps(name: str, horizon: int):
    if name == "garch":
        pytest.importorskip("arch")
    returns = returns_of(420)
    other = returns.copy()
    other[330:] = 0.2 * np.sign(other[330:])
    one, two = (made(name, each).draws(330, horizon, 500) for each in (returns, other))
    assert np.array_equal(one, two)
    later = made(name, other).draws(340, horizon, 500)
    assert not np.array_equal(later, one)


def test_the_moving_average_of_squares_is_its_sum():
    returns = returns_of(300, 2)
    found = paths.filtered(returns, np.array([0.94, 0.9]))
    weights = 0.94 ** np.arange(200)
    exact = 0.06 * (weights * returns[199::-1, 0] ** 2).sum()
    exact += 0.94**200 * (returns[: paths.BEGINNING, 0] ** 2).mean()
    assert found.volatility[200, 0] ** 2 == pytest.approx(exact)
    assert np.allclose(found.residuals * found.volatility[:-1], returns)


def test_prices_that_stood_still_make_no_wild_residuals():
    still = [np.zeros((400, 1)), returns_of(100), np.zeros((60, 1)), returns_of(9)]
    returns = np.concatenate(still)
    found = paths.filtered(returns, np.array([0.9]))
    assert np.abs(found.residuals).max() <= paths.MOST
    drawn = Simulated(returns, np.ones(1), 450, 0).paths(len(returns), 10, 2000)
    assert np.quantile(np.abs(drawn), 0.999) < 0.5


@pytest.mark.parametrize("decay", [0.9, 0.97])
def test_the_decay_of_a_process_is_found(decay: float):
    rng, variance, rows = np.random.default_rng(4), 1e-4, []
    for shock in rng.standard_normal(6000):
        rows.append(np.sqrt(variance) * shock)
        variance = max(decay * variance + (1 - decay) * rows[-1] ** 2, 1e-6)
    assert paths.fitted_decay(np.array(rows)[:, None])[0] == pytest.approx(decay, abs=0.021)


def test_drawn_paths_keep_variance_correlation_and_drift():
    returns = returns_of(1500, 2, seed=5)
    found = paths.filtered(returns, np.array([0.94, 0.94]))
    volatility, drift = np.array([0.02, 0.01]), np.array([0.001, -0.002])
    drawn = paths.drawn(
        found.residuals,
        volatility,
        found.decay,
        40_000,
        1,
        np.random.default_rng(0),
        drift=drift,
    )[:, 0]
    assert np.allclose(drawn.mean(0), drift, atol=4 * volatility / 200)
    assert np.allclose(drawn.std(0), volatility * found.residuals.std(0), rtol=0.02)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(
        np.corrcoef(found.residuals.T)[0, 1], abs=0.02
    )
    assert len(np.unique(drawn[:, 0])) == 40_000, "smoothed draws are no replay"


def test_many_paths_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch):
    returns = returns_of(420, 3)
    whole = Simulated(returns, np.full(3, 1 / 3), 300, 0).paths(400, 5, 999)
    monkeypatch.setattr("castalia.apps.risk.methods.AT_ONCE", 1500)
    pieces = Simulated(returns, np.full(3, 1 / 3), 300, 0).paths(400, 5, 999)
    assert pieces.shape == whole.shape == (999, 5)
    assert np.allclose(np.quantile(pieces, 0.1, 0), np.quantile(whole, 0.1, 0), rtol=0.25)
    assert len(np.unique(pieces[:, 0])) == 999


def test_blocks_have_the_asked_length_on_average():
    residuals = np.arange(5000.0)[:, None]
    drawn = paths.drawn(
        residuals,
        np.ones(1),
        np.ones(1),  # volatility stays
        400,
        100,
        np.random.default_rng(0),
        block=8,
        smooth=False,
    )[:, :, 0]
    follows = (np.diff(drawn) == 1).mean()
    assert follows == pytest.approx(1 - 1 / 8, abs=0.01)


def test_volatility_follows_the_drawn_returns():
    """Over many steps returns of paths have fatter tails than those of one step."""
    returns = np.random.default_rng(0).standard_normal((1000, 1)) * 0.01
    found = paths.filtered(returns, np.array([0.8]))
    drawn = paths.drawn(
        found.residuals, np.array([0.01]), found.decay, 20_000, 30, np.random.default_rng(1)
    )[:, :, 0]

    def kurtosis(x: np.ndarray) -> float:
        return float(((x - x.mean()) ** 4).mean() / x.var() ** 2)

    assert kurtosis(drawn[:, -1]) > kurtosis(drawn[:, 0]) + 0.5


def test_volatility_returns_to_the_usual_one():
    residuals = np.random.default_rng(0).standard_normal((2000, 1))
    drawn = paths.drawn(
        residuals,
        np.array([0.05]),
        np.array([0.94]),
        4000,
        400,
        np.random.default_rng(1),
        usual=np.array([0.01]),
    )[:, :, 0]
    assert drawn[:, 0].std() == pytest.approx(0.05, rel=0.05)
    # (1 - PULL)^35 of the difference is half of it
    half = np.sqrt(0.01**2 + (0.05**2 - 0.01**2) * (1 - paths.PULL) ** 35)
    assert drawn[:, 35].std() == pytest.approx(half, rel=0.12)
    assert drawn[:, 300:].std() == pytest.approx(0.01, rel=0.1)


def test_history_over_several_steps_is_every_overlapping_stretch():
    returns = returns_of(70)[:, 0]
    found = Historical(returns, 60).draws(70, 3, 0)
    assert len(found) == 58
    assert found[0] == pytest.approx(np.prod(1 + returns[10:13]) - 1)
    assert found[-1] == pytest.approx(np.prod(1 + returns[-3:]) - 1)


def test_filtered_history_is_scaled_to_today():
    returns = returns_of(500)[:, 0]
    method = Filtered(returns, 200, 0.94, 0)
    volatility = method.made.volatility[:, 0]
    exact = returns[300:500] / volatility[300:500] * volatility[500]
    assert np.allclose(method.draws(500, 1, 0), exact)


def test_garch_is_that_of_arch():
    arch = pytest.importorskip("arch")
    returns = returns_of(700, seed=8)[:, 0]
    method = Garch(returns, 600, 0)
    model = arch.arch_model(100 * returns[:600], mean="Constant", dist="t", rescale=False)
    fit = model.fit(disp="off")
    ahead = fit.forecast(horizon=10, reindex=False)
    draws = method.draws(600, 1, 20_000) * 100
    assert draws.mean() == pytest.approx(float(ahead.mean.iloc[0, 0]), abs=1e-3)
    assert draws.var() == pytest.approx(float(ahead.variance.iloc[0, 0]), rel=0.02)
    # between two fits, the variance is followed with the same parameters
    fixed = arch.arch_model(
        100 * returns[: 600 + REFIT - 1], mean="Constant", dist="t", rescale=False
    ).fix(fit.params)
    later = float(fixed.forecast(horizon=1, reindex=False).variance.iloc[0, 0])
    assert (method.draws(600 + REFIT - 1, 1, 20_000) * 100).var() == pytest.approx(later, rel=0.02)
    # over ten steps: the sum of arch's variances, compounding being small
    many = method.draws(600, 10, 40_000) * 100
    assert many.var() == pytest.approx(float(ahead.variance.iloc[0].sum()), rel=0.08)


def test_a_right_model_is_seldom_rejected_and_a_wrong_one_is():
    class Known(Method):
        name = "historical"

        def __init__(self, spread: float) -> None:
            self.spread = spread

        def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
            return self.spread * np.random.default_rng(step).standard_normal(count)

    rejected = []
    for seed in range(12):
        returns = 0.01 * np.random.default_rng(100 + seed).standard_normal(600)
        tests = backtest(Known(0.01), returns, 100, (0.975,), 1, 0)
        rejected.append(bool(tests[0].rejected))
    assert sum(rejected) <= 4  # three tests at 5% each
    (tested,) = backtest(Known(0.006), returns, 100, (0.975,), 1, 0)
    assert {"kupiec", "shortfall"} <= set(tested.rejected)
    assert tested.words()[0].startswith("Rejected:") and "understates" in tested.words()[0]
    assert "rejected at 97.5%" in verdict([tested])[0]
    assert "understates" in reasons([tested])[0]
    (tested,) = backtest(Known(0.02), returns, 100, (0.975,), 1, 0)
    assert "overstates" in tested.words()[0]
    (tested,) = backtest(Known(0.01), returns[:150], 100, (0.99,), 1, 0)
    assert tested.rejected or "proves little" in tested.words()[0]


def test_longer_forecasts_do_not_overlap():
    returns = returns_of(400)[:, 0]
    (tested,) = backtest(Historical(returns, 250), returns, 300, (0.95,), 10, 0)
    assert tested.steps.tolist() == list(range(300, 391, 10))
    assert tested.returns[1] == pytest.approx(np.prod(1 + returns[310:320]) - 1)


# The rule of trading ------------------------------------------------------------------------------


def test_the_rule_by_hand():
    before = np.zeros(3)
    returns = np.array([[0.1, 0.1, -0.5, 0.0]])
    held = trading.positions(returns, before, 1, 3)
    # prices 1 1 1 | 1.1 1.21 .605 .605: the last above the mean of three, from the step after
    assert held.tolist() == [[0.0, 1.0, 1.0, 0.0]]
    found = trading.outcome(returns, held, 0.01)
    value = (1 + 0.1) * 0.99 * (1 - 0.5) * 0.99
    assert found.total[0] == pytest.approx(value - 1)
    assert found.changes[0] == 2 and found.costs[0] == pytest.approx(0.02)
    peak = 1.1 * 0.99
    assert found.drawdown[0] == pytest.approx(1 - value / peak)


def test_holding_all_the_time_is_the_market_less_one_cost():
    returns = returns_of(200)[:, 0][None]
    found = trading.outcome(returns, np.ones_like(returns), 0.001)
    assert found.total[0] == pytest.approx(0.999 * np.prod(1 + returns) - 1)


def test_a_rule_does_not_see_the_step_it_trades():
    returns, before = returns_of(300, seed=3)[:, 0][None], returns_of(100, seed=4)[:, 0]
    other = returns.copy()
    other[0, 200:] = -0.05
    one, two = (trading.positions(each, before, 5, 30) for each in (returns, other))
    assert np.array_equal(one[0, :201], two[0, :201])


def test_costs_only_lower_what_is_left():
    returns, before = returns_of(300, seed=3)[:, 0][None], returns_of(100, seed=4)[:, 0]
    held = trading.positions(returns, before, 5, 30)
    free, dear = (trading.outcome(returns, held, cost).total[0] for cost in (0.0, 0.01))
    assert dear < free
