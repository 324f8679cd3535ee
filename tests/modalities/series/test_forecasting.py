"""Forecasts beside closed forms and stated baselines."""

import base64
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.apps.command import castalia as run_castalia
from tests.apps.serving import serving

import castalia
from castalia.errors import RecipeError
from castalia.evaluation.base import Metric
from castalia.modalities.series import classical, forecasting, measures
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.forecasting import Forecast
from castalia.modalities.series.metrics.backtest import Backtest
from castalia.modalities.series.metrics.courses import Courses
from castalia.modalities.series.metrics.usefulness import Usefulness
from castalia.modalities.series.series import Series
from castalia.modalities.series.verdict import verdict_series
from castalia.testing.metrics import check_metric
from castalia.verbs.evaluate import judge

RNG = np.random.default_rng


def ar(coefficients: list[float], steps: int, seed: int) -> np.ndarray:
    rng, values = RNG(seed), np.zeros(steps + 50)
    for t in range(len(coefficients), len(values)):
        values[t] = rng.normal() + sum(
            weight * values[t - lag] for lag, weight in enumerate(coefficients, 1)
        )
    return values[50:]


def test_levinson_solves_yule_and_walkers_equations():
    values = ar([0.6, -0.3], 4000, 0)
    centred = values - values.mean()
    weights = classical.yule_walker(centred, 12)
    count, order = len(centred), len(weights)
    covariance = [centred[lag:] @ centred[: count - lag] / count for lag in range(order + 1)]
    matrix = np.array([[covariance[abs(i - j)] for j in range(order)] for i in range(order)])
    assert weights == pytest.approx(np.linalg.solve(matrix, covariance[1:]), abs=1e-9)
    assert weights[:2] == pytest.approx([0.6, -0.3], abs=0.05)


def test_akaike_chooses_few_coefficients_for_noise():
    orders = [len(classical.yule_walker(RNG(seed).normal(size=400), 20)) for seed in range(20)]
    assert np.median(orders) <= 1


def test_autoregression_tells_its_spread():
    """Of an AR(1) the variance h steps ahead is (1 - a^2h) / (1 - a^2)."""
    paths = classical.autoregression(ar([0.8], 3000, 3), 10, 1, 4000, RNG(0))
    wanted = [np.sqrt((1 - 0.8 ** (2 * h)) / (1 - 0.64)) for h in (1, 5, 10)]
    assert paths.std(0)[[0, 4, 9]] == pytest.approx(wanted, rel=0.1)


def test_the_seasonal_naive_repeats_the_last_season():
    history = np.tile(np.arange(6.0), 20)
    assert classical.naive_values(history, 8, 6).tolist() == [0, 1, 2, 3, 4, 5, 0, 1]
    paths = classical.seasonal_naive(history, 8, 6, 10, RNG(0))
    assert (paths == classical.naive_values(history, 8, 6)).all()


def test_theta_follows_half_of_the_trend():
    history = np.arange(100.0)
    paths = classical.theta(history, 10, 1, 50, RNG(0))
    assert np.median(paths, 0)[-1] == pytest.approx(99 + 5, abs=2)


def test_the_linear_member_is_drawn_to_its_prior_where_data_are_few():
    prior = np.array([1.5, -0.5])
    few = classical.linear(prior)(ar([0.0], 14, 1).cumsum(), 4, 1, 10, RNG(0))
    assert few.shape == (10, 4) and np.isfinite(few).all()
    line = np.arange(60.0)
    straight = classical.linear(np.array([2.0, -1.0]))(line, 5, 1, 5, RNG(0))
    assert straight[0] == pytest.approx(np.arange(60.0, 65.0), abs=1e-6)


def test_measures_of_known_forecasts():
    truth = np.array([[1.0, 3.0]])
    quantiles = np.array([[[0.0, 1.0], [2.0, 2.0], [4.0, 5.0]]])
    loss = measures.quantile_loss(truth, quantiles, (0.1, 0.5, 0.9))
    # 2 * (0.1 + 0.2 + 0.5 + 0.5 + 0.3 + 0.2) / 3
    assert loss[0] == pytest.approx(2 * 1.8 / 3)
    assert measures.smape(truth, np.array([[1.0, 1.0]]))[0] == pytest.approx((0 + 100) / 2)
    assert measures.mase(truth, truth + 2, np.array([4.0]))[0] == 0.5
    assert measures.covered(truth, truth - 1, np.array([[2.0, 2.0]]))[0] == 0.5
    assert np.isnan(measures.naive_error(np.zeros(20), 4))


def model_of(series: list[np.ndarray], season: int) -> Coding:
    return Coding.fitted(series, 2 * season + 1, 64, season)


def seasonal(seed: int, steps: int = 150) -> np.ndarray:
    rng = RNG(seed)
    wave = 4 * np.sin(2 * np.pi * np.arange(steps) / 12)
    return 50 + wave + 0.1 * np.arange(steps) + rng.normal(size=steps)


def test_the_ensemble_beats_the_seasonal_naive_and_covers():
    whole = [seasonal(seed) for seed in range(30)]
    items = [Series(str(n), one[:-12]) for n, one in enumerate(whole)]
    truth = np.stack([one[-12:] for one in whole])
    made = forecasting.forecast(
        model_of([one.values for one in items], 12),
        items,
        12,
        None,
        64,
        paths=80,
        levels=measures.LEVELS,
        seed=0,
    )
    loss = measures.quantile_loss(truth, made.quantiles, measures.LEVELS).sum()
    naive = np.repeat(made.naive[:, None], 9, 1)
    assert loss < 0.7 * measures.quantile_loss(truth, naive, measures.LEVELS).sum()
    inside = measures.covered(truth, made.quantiles[:, 0], made.quantiles[:, -1]).mean()
    assert 0.7 < inside < 0.92
    assert sum(made.weights.values()) == pytest.approx(1) and not made.naive_wins
    assert (np.diff(made.quantiles, axis=1) >= -1e-9).all()


def test_what_repeats_exactly_goes_on_so():
    items = [Series("x", np.tile(RNG(0).normal(size=7), 30))]
    made = forecasting.forecast(
        model_of([items[0].values], 7), items, 7, None, 64, paths=20, levels=(0.5,), seed=0
    )
    assert made.quantiles[0, 0] == pytest.approx(items[0].values[:7], abs=0.01)


def test_what_was_never_negative_stays_so_and_short_ones_are_continued():
    demand = np.maximum(0, RNG(0).poisson(0.3, 60)).astype(float)
    items = [
        Series("zeros", np.zeros(40)),
        Series("demand", demand),
        Series("short", demand[-9:] + 1),
    ]
    made = forecasting.forecast(
        model_of([demand], 7), items, 14, None, 64, paths=50, levels=(0.1, 0.5, 0.9), seed=0
    )
    assert (made.quantiles >= 0).all() and (made.paths >= 0).all()
    assert made.quantiles[0] == pytest.approx(np.zeros((3, 14)))
    for horizon in (0, 10_001):
        with pytest.raises(RecipeError, match="horizon"):
            forecasting.forecast(
                model_of([demand], 7), items, horizon, None, 64, paths=5, levels=(0.5,), seed=0
            )


def test_members_are_chosen_by_name_and_the_naive_is_shown():
    items = [Series(str(n), seasonal(n)) for n in range(3)]
    model = model_of([one.values for one in items], 12)
    how = {"paths": 30, "levels": (0.5,), "seed": 0}
    made = forecasting.forecast(model, items, 6, None, 64, members=["theta"], **how)
    assert made.weights == {"theta": 1.0}
    assert set(made.scores) == {"theta", "seasonal-naive", "ensemble"}
    with pytest.raises(RecipeError, match="no member"):
        forecasting.forecast(model, items, 6, None, 64, members=["thetas"], **how)


def test_paths_of_one_member_are_its_own():
    """Quantiles on a grid would cut tails off, which risk is about."""
    items = [Series("one", ar([0.5], 300, 1))]
    model = model_of([one.values for one in items], 1)
    how = {"paths": 1000, "seed": 0, "members": ["ar"]}
    made = forecasting.forecast(model, items, 3, None, 64, levels=(0.5,), **how)
    histories = [one.values for one in items]
    [(_, exact)] = forecasting.member_paths(model, histories, 3, None, 64, **how)
    assert np.array_equal(np.sort(made.paths, 1), np.sort(exact, 1))
    assert made.paths.min() < np.quantile(exact, 0.001)


def test_paths_have_the_averaged_marginals_and_the_templates_order():
    grid = (np.arange(100) + 0.5) / 100
    marginal = np.quantile(RNG(0).normal(size=(1, 500, 3)), grid, axis=1).transpose(1, 0, 2)
    template = RNG(1).normal(size=(1, 50, 3))
    paths = forecasting._shuffled(marginal, grid, template)
    assert (paths.argsort(1) == template.argsort(1)).all()
    assert paths.std() == pytest.approx(1, abs=0.15)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> castalia.Run:
    folder = tmp_path_factory.mktemp("series")
    lines = [
        f"s{n},{np.datetime64('2015-01-01', 'M') + step}-01,{value:.1f}"
        for n in range(12)
        for step, value in enumerate(seasonal(n, 96))
    ]
    (folder / "train.csv").write_text("id,time,value\n" + "\n".join(lines))
    small = {
        "training.steps": 30,
        "training.batch": 8,
        "training.threads": 1,
        "training.sample_every": 0,
        "family.width": 32,
        "family.depth": 1,
        "codec.length": 64,
        "codec.bins": 64,
        "data.validation": 0.4,
    }
    return castalia.train("series/ar", folder / "train.csv", small, out=folder / "run")


def test_forecast_from_a_run(run: castalia.Run, tmp_path: Path):
    files = [run.folder.parent / "train.csv"]
    made: Forecast = castalia.forecast(run, files, 12, paths=20)
    assert made.quantiles.shape == (12, 13, 12) and made.paths.shape == (12, 20, 12)
    assert "network" in made.weights and made.histories[0].stamp(96) == "2023-01-01"
    again: Forecast = castalia.forecast(run, files, 12, paths=20)
    assert np.array_equal(made.quantiles, again.quantiles)
    other: Forecast = castalia.forecast(
        run, [run.folder.parent / "train.csv"], 12, paths=20, seed=1
    )
    assert not np.array_equal(made.quantiles, other.quantiles)


def test_rows_beyond_the_context_are_read_anew(run: castalia.Run):
    from castalia.sampling.continuations import continuations

    family = run.model()
    prompt = torch.tensor([0, *[295, 296] * 20])
    made = continuations(family, [prompt, prompt[:9]], 90, 3, seed=0, banned=range(290))
    assert made.shape == (2, 3, 90) and int(made.min()) >= 290
    first = continuations(family, [prompt], 90, 3, seed=0, banned=range(290))
    assert torch.equal(first[0], made[0])


def test_commands(run: castalia.Run, tmp_path: Path):
    file, out = str(run.folder.parent / "train.csv"), tmp_path / "out"
    words = ["--horizon", "6", "--paths", "10", "--out", out]
    said = run_castalia("forecast", run.folder, file, *words, cwd=tmp_path)
    assert "seasonal-naive" in said and "12 series continued" in said
    with open(out / "quantiles.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 12 * 6 and rows[0]["time"] == "2023-01-01" and "seasonal_naive" in rows[0]
    assert (out / "plot.svg").read_text().startswith("<svg")
    manifest = json.loads((out / "quantiles.json").read_text())
    assert manifest["synthetic"] and manifest["forecast"] == 6 and manifest["backtest"]
    run_castalia("verify", out / "quantiles.csv", out / "plot.svg", cwd=tmp_path)
    assert "nats" in run_castalia("predict", run.folder, file, "--out", "rated", cwd=tmp_path)


def test_over_http(run: castalia.Run):
    """The same files as on the command line; what is wrong is said."""
    content = (run.folder.parent / "train.csv").read_bytes()
    with serving(run.folder) as up:

        def asked(**fields: str):
            files = {"inputs": ("history.csv", content, "text/csv")}
            return up.post("/api/forecast", data={"run": "run", **fields}, files=files)

        answer = asked(horizon="6", paths="10").json()
        quantiles = answer["parts"]["quantiles"]
        assert quantiles["manifest"]["forecast"] == 6
        lines = base64.b64decode(quantiles["data"]).decode().splitlines()
        assert len(lines) >= 12 * 6
        assert asked(horizon="0").status_code in (400, 422)
        assert asked(horizon="6", paths="1").status_code == 400
        assert asked(horizon="6", members="oracle").status_code == 400
        assert "forecast" in up.get("/api/runs").json()["runs"][0]["can"]


def test_gaps_are_filled_and_all_else_stays(run: castalia.Run):
    from castalia.modalities.series.edits import filled

    values = seasonal(40, 96)
    values[50:54] = np.nan
    one = filled(run.model(), run.codec, Series("x", values), 0)
    kept = np.isfinite(values)
    assert np.array_equal(one.values[kept], values[kept]) and np.isfinite(one.values).all()
    assert np.abs(one.values[50:54] - seasonal(40, 96)[50:54]).mean() < 8


def test_passages_are_stretches_in_their_own_scale(run: castalia.Run):
    codec, values = run.codec, 1000 + 30 * seasonal(5, 150)
    parts = codec.passages(torch.from_numpy(codec.fitted.encode(values)), 64)
    again = [codec.decode(part).values for part in parts]
    assert [len(one) for one in again] == [62, 62, 26]
    for one, first in zip(again, (0, 62, 124), strict=True):
        assert one == pytest.approx(values[first : first + len(one)], rel=0.15)


def test_windows_with_gaps_are_not_rated(run: castalia.Run):
    values = seasonal(3, 96)
    every = run.codec.parts_to_rate([Series("x", values)])
    values[60] = np.nan
    kept = run.codec.parts_to_rate([Series("x", values)])
    assert len(kept) == len(every) - 1
    assert all(not (one.first <= 60 < one.first + one.count) for one, _, _ in kept)


def test_copies_are_found_whatever_their_scale(run: castalia.Run):
    from castalia.modalities.series.copies import Stretches

    training = [Series("", ar([0.9], 120, seed)) for seed in range(30)]
    matcher = Stretches(run.codec, training)
    planted = matcher.plant([training[7].part(20, 80)], "scaled", torch.Generator())
    found = matcher.match([*planted, training[3], Series("", ar([0.9], 120, 99))])
    assert found.train.tolist()[:2] == [7, 3] and found.kinds[:2] == ["scaled", "exact"]
    assert float(found.distance[2]) > 0.2 > float(found.distance[0])


@pytest.mark.parametrize("metric", [Backtest, Courses, Usefulness])
def test_scores_keep_the_contract(metric: type[Metric]):
    check_metric(metric)


def test_the_back_test_stands_beside_the_seasonal_naive(run: castalia.Run):
    scores = {score.name: score for score in judge(run, n=24).scores}
    for name in ("wql", "mase", "smape", "coverage-80"):
        score = scores[name]
        assert score.value is not None and score.baselines is not None
        assert score.low <= score.value <= score.high and score.baselines["naive"] > 0
    assert 0 <= scores["coverage-50"].value <= scores["coverage-95"].value <= 1
    assert "seasonal naive" in scores["wql"].details["words"][0]
    headline = dict(verdict_series(list(scores.values())))["headline"]
    assert "seasonal naive" in headline
