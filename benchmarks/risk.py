"""Value at risk and expected shortfall back-tested on real markets.

    python benchmarks/risk.py [--run-minutes 0.75]
        # needs castalia[risk]; writes benchmarks/results/risk.json

The series come with the package `arch` (University of Illinois/NCSA licence): S&P 500 and NASDAQ
composite of Yahoo Finance, 1999 to 2018, adjusted closes; West Texas Intermediate crude oil of FRED
(DCOILWTICO), 1986 to 2019. A portfolio of both indices is the fourth. Every step after the first
1,000 is forecast from what came before it, with the settings that `castalia risk` has by itself;
none was chosen on these series. A run of series/ar is trained on the S&P 500 before its last 500
days and tested on those, beside the other methods on the same days.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

import castalia
from castalia.apps.risk.assessment import Assessment
from machine import write_result

BEFORE, LAST = 1000, 500
INDICES = {"SP500": "sp500", "NASDAQ": "nasdaq"}


def write_series(folder: Path) -> dict[str, tuple[Path, dict[str, float]]]:
    """Files of the series, with the weights of each."""
    import importlib

    prices: dict[str, dict[str, float]] = {}
    for name, module in INDICES.items():
        found = importlib.import_module(f"arch.data.{module}").load()["Adj Close"]
        prices[name] = {f"{day:%Y-%m-%d}": float(value) for day, value in found.items()}
    oil = importlib.import_module("arch.data.wti").load().iloc[:, 0].dropna()
    prices["WTI"] = {f"{day:%Y-%m-%d}": float(value) for day, value in oil.items()}
    chosen: dict[str, dict[str, float]] = {
        **{name: {name: 1.0} for name in prices},
        "SP500 and NASDAQ": {"SP500": 0.6, "NASDAQ": 0.4},
    }
    files = {}
    for title, weights in chosen.items():
        path = folder / f"{title}.csv"
        days = sorted(set.intersection(*(set(prices[name]) for name in weights)))
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["date", *weights])
            table.writerows([day, *(prices[name][day] for name in weights)] for day in days)
        files[title] = path, weights
    return files


def rows_of(title: str, made: Assessment) -> list[dict[str, Any]]:
    document = made.document()
    return [
        {"series": title, "from": document["backtest_from"], "to": document["last"]}
        | {name: value for name, value in test.items() if name != "words"}
        for test in document["tests"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run-minutes", type=float, default=0.75)
    minutes = parser.parse_args().run_minutes
    results = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = write_series(folder)
        for title, (path, weights) in files.items():
            test = sum(1 for _ in path.open()) - 2 - BEFORE
            results += rows_of(title, castalia.risk(path, weights=weights, test=test, rule=None))
            print(title, test)
        path, weights = files["SP500"]
        before = castalia.risk(path, weights=weights, test=LAST, methods=["historical"], rule=None)
        before.write(folder / "before")
        run = castalia.train(
            "series/ar",
            folder / "before" / "levels-before-test.csv",
            {"training.minutes": minutes, "training.sample_every": 0},
            out=folder / "run",
        )
        found = castalia.risk(path, weights=weights, test=LAST, run=run, rule=None)
        results += rows_of(f"SP500, last {LAST}", found)
    write_result("risk", {"run_minutes": minutes, "rows": results}, seeds=[0])


if __name__ == "__main__":
    main()
