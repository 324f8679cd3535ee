"""Forecasts beside the field's figures: M4's hourly series and ETTh1.

    python benchmarks/series_race.py m4_hourly Hourly-train.csv [--minutes 10] [--earlier 0]
    python benchmarks/series_race.py etth1 ETTh1.csv [--minutes 10] [--stride 24]
        # each adds its row to benchmarks/results/series_race.json; what is there is kept

m4_hourly: the last 48 values of each of the 414 given series are the test (GIFT-Eval's short term,
on the given part); training and histories end before them. `--earlier 1` takes the 48 values before
those instead, on which settings are tuned, and writes nothing. The weighted quantile loss is the
mean over the levels .1 .. .9, MASE has season 24, coverage is of 50, 80 and 95%. Figures of the
field: AutoARIMA .0337 and 1.03 (Aksu et al. 2024, arXiv:2410.10393; Ansari et al. 2024).

etth1: months 12/4/4 (Zhou et al. 2021), values standardised by the training months, look-back 336,
horizon 96, all seven channels, mean of paths as the point; every `stride`-th window of the test
months. DLinear's MSE is .375 (Zeng et al. 2023, arXiv:2205.13504).
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import castalia
from castalia.modalities.series import measures
from castalia.modalities.series.forecasting import Forecast
from castalia.modalities.series.series import Series
from castalia.run import Run
from castalia.sampling.continuations import continuations
from machine import RESULTS, write_result

PATH = RESULTS / "series_race.json"
SEASON = 24
HOUR, LOOK_BACK, AHEAD = 48, 336, 96
MONTHS = (8640, 11_520, 14_400)  # rows where training, validation and test of ETTh1 end
LEVELS = (
    0.025,
    *measures.LEVELS[:2],
    0.25,
    *measures.LEVELS[2:7],
    0.75,
    *measures.LEVELS[7:],
    0.975,
)


def trained(file: Path, minutes: float, folder: Path, **more: Any) -> tuple[Run, float]:
    """A run of series/ar and the seconds it took."""
    begun = time.perf_counter()
    given = {"training.minutes": minutes, "training.sample_every": 0, **more}
    run = castalia.train("series/ar", file, given, out=folder)
    return run, time.perf_counter() - begun


def scored(made: Forecast, truth: np.ndarray, scale: np.ndarray) -> dict[str, float]:
    """All scores of an ensemble's quantiles."""
    place = {level: number for number, level in enumerate(made.levels)}
    nine = made.quantiles[:, [place[level] for level in measures.LEVELS]]
    size = measures.absolute_size(truth).sum()
    found = {
        "wql": float(measures.quantile_loss(truth, nine, measures.LEVELS).sum() / size),
        "mase": float(np.nanmean(measures.mase(truth, nine[:, 4], scale))),
        "smape": float(measures.smape(truth, nine[:, 4]).mean()),
    }
    for width, (low, high) in {50: (0.25, 0.75), 80: (0.1, 0.9), 95: (0.025, 0.975)}.items():
        bounds = (made.quantiles[:, place[low]], made.quantiles[:, place[high]])
        found[f"coverage_{width}"] = float(measures.covered(truth, *bounds).mean())
    return found


def m4_hourly(
    file: Path, minutes: float, folder: Path, stride: int, earlier: int
) -> dict[str, Any]:
    with open(file, newline="") as lines:
        head, *rows = list(csv.reader(lines))
    whole = [[cell for cell in row if cell] for row in rows]
    whole = [row[: len(row) - earlier * HOUR] for row in whole]
    given = folder / "given.csv"
    with open(given, "w", newline="") as lines:
        csv.writer(lines).writerows([head, *(row[:-HOUR] for row in whole)])
    values = [np.array(row[1:], dtype=np.float64) for row in whole]
    truth = np.stack([one[-HOUR:] for one in values])
    scale = np.array([measures.naive_error(one[:-HOUR], SEASON) for one in values])
    run, seconds = trained(given, minutes, folder / "run")
    begun = time.perf_counter()
    made = castalia.forecast(run, [given], HOUR, levels=LEVELS)
    naive = {
        "wql": float(np.abs(truth - made.naive).sum() / np.abs(truth).sum()),
        "mase": float(np.nanmean(measures.mase(truth, made.naive, scale))),
    }
    return {
        **scored(made, truth, scale),
        "seasonal_naive_point": naive,
        "members": dict(made.weights),
        "backtest": {name: dict(one) for name, one in made.scores.items()},
        "training_seconds": seconds,
        "forecast_seconds": time.perf_counter() - begun,
    }


def etth1(file: Path, minutes: float, folder: Path, stride: int, earlier: int) -> dict[str, Any]:
    with open(file, newline="") as lines:
        head, *rows = list(csv.reader(lines))
    given = folder / "given.csv"
    with open(given, "w", newline="") as lines:
        csv.writer(lines).writerows([head, *rows[: MONTHS[0]]])
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    known = values[: MONTHS[0]]
    values = (values - known.mean(0)) / known.std(0)
    starts = range(MONTHS[1], MONTHS[2] - AHEAD + 1, stride)
    places = [(start, channel) for start in starts for channel in range(values.shape[1])]
    truth = np.stack([values[start : start + AHEAD, channel] for start, channel in places])
    items = [
        Series(f"{channel} {start}", values[start - LOOK_BACK : start, channel])
        for start, channel in places
    ]
    more = {"codec.lags": LOOK_BACK, "codec.length": 512, "training.batch": 8}
    run, seconds = trained(given, minutes, folder / "run", **more)
    model = run.model()

    def draw(prompts: Any, steps: int, count: int, banned: Any) -> Any:
        return continuations(model, prompts, steps, count, seed=0, banned=banned)

    found: dict[str, Any] = {"windows": len(starts), "training_seconds": seconds}
    how = {"paths": 100, "levels": (0.5,), "seed": 0}
    points = []
    for member in ("network", "pooled-linear", "seasonal-naive"):
        continued = partial(run.codec.continued, items, AHEAD, draw, members=[member])
        point = continued(**how).paths.mean(1)
        found[f"mse_{member}"] = float(np.square(point - truth).mean())
        points.append(point)
    found["mse"] = float(np.square((points[0] + points[1]) / 2 - truth).mean())
    return found


RACES = {"m4_hourly": m4_hourly, "etth1": etth1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("race", choices=RACES)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--stride", type=int, default=24)
    parser.add_argument("--earlier", type=int, default=0, help="windows before the test, to tune")
    parser.add_argument("--again", action="store_true", help="also where there is a row already")
    given = parser.parse_args()
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.is_file() else {}
    if given.race in rows and not given.again and not given.earlier:
        print(f"{given.race} is there: {rows[given.race]}")
        return
    with tempfile.TemporaryDirectory() as folder:
        how = (given.minutes, Path(folder), given.stride, given.earlier)
        row = RACES[given.race](given.file, *how)
    if given.earlier:
        print(json.dumps(row, indent=2))
        return
    rows[given.race] = {"minutes": given.minutes, **row}
    write_result("series_race", {"rows": rows}, seeds=[0])
    print(json.dumps(rows[given.race], indent=2))


if __name__ == "__main__":
    main()
