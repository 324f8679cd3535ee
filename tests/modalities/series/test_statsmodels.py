"""Classical members beside statsmodels, where it is installed."""

import numpy as np
import pytest
from tests.modalities.series.test_forecasting import ar, seasonal

from castalia.errors import MissingExtra
from castalia.modalities.series import classical, exponential_smoothing, forecasting
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.series import Series

RNG = np.random.default_rng


def test_coefficients_and_order_are_those_of_statsmodels():
    """Levinson's recursion there, of every order, with the same criterion."""
    tools = pytest.importorskip("statsmodels.tsa.stattools")
    for seed, weights in enumerate(([0.6, -0.3], [0.5], [0.2, 0.1, 0.4])):
        values = ar(weights, 800, seed)
        centred = values - values.mean()
        criteria, found = [], []
        for order in range(1, 13):
            variance, coefficients, *_ = tools.levinson_durbin(centred, nlags=order)
            criteria.append(len(values) * np.log(variance) + 2 * order)
            found.append(coefficients)
        best = found[int(np.argmin(criteria))]
        assert classical.yule_walker(centred, 12) == pytest.approx(best, abs=1e-9)


def test_theta_is_that_of_statsmodels():
    module = pytest.importorskip("statsmodels.tsa.forecasting.theta")
    values = 20 + 0.3 * np.arange(150) + ar([0.5], 150, 4)
    theirs = np.asarray(module.ThetaModel(values, deseasonalize=False).fit().forecast(12))
    ours = classical.theta(values, 12, 1, 4000, RNG(0)).mean(0)
    assert ours == pytest.approx(theirs, abs=0.6)  # smoothing constants are on a grid


def test_ets_follows_season_and_spread():
    pytest.importorskip("statsmodels")
    history, horizon = seasonal(0, 162), 12
    paths = exponential_smoothing.ets(history[:-horizon], horizon, 12, 400, RNG(0))
    again = exponential_smoothing.ets(history[:-horizon], horizon, 12, 400, RNG(0))
    assert paths.shape == (400, horizon) and np.array_equal(paths, again)
    assert np.abs(paths.mean(0) - history[-horizon:]).mean() < 2
    assert 0.7 < paths[:, 0].std() < 1.6
    long = exponential_smoothing.ets(np.tile(np.arange(48.0), 12), 48, 48, 20, RNG(0))
    assert np.abs(np.median(long, 0) - np.arange(48)).max() < 3
    assert (exponential_smoothing.ets(np.full(40, 3.0), 5, 7, 10, RNG(0)) == 3).all()


def test_ets_joins_where_it_is_installed_and_series_are_few(monkeypatch: pytest.MonkeyPatch):
    items = [Series(str(n), seasonal(n, 60)) for n in range(2)]
    model = Coding.fitted([one.values for one in items], 13, 64, 12)
    how = {"paths": 20, "levels": (0.5,), "seed": 0}
    if exponential_smoothing.installed():
        made = forecasting.forecast(model, items, 6, None, 64, **how)
        assert made.weights["ets"] > 0
    else:
        with pytest.raises(MissingExtra, match="statsmodels"):
            forecasting.forecast(model, items, 6, None, 64, members=["ets"], **how)
    monkeypatch.setattr(exponential_smoothing, "installed", lambda: False)
    assert "ets" not in forecasting.forecast(model, items, 6, None, 64, **how).weights
