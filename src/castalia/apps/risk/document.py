"""An assessment as JSON and as files."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from castalia import atomic
from castalia.apps.risk.assessment import Assessment, Traded
from castalia.apps.risk.backtest import Tested, verdict
from castalia.apps.risk.network import write_levels
from castalia.apps.risk.trading import Outcome
from castalia.sentences import say

QUANTILES = (0.05, 0.5, 0.95)
WARNING = say(
    "Simulations are not promises: they say what would follow if the future were drawn as the "
    "past was. Taxes, prices that cannot be had and your own decisions are not in it. This is no "
    "advice to trade."
)


def document(made: Assessment) -> dict[str, Any]:
    """What --json prints and risk.json holds. Losses are positive shares; NaN is null."""
    found = made.market
    return {
        "source": found.source,
        "kind": found.kind,
        "assets": dict(zip(found.names, _floats(made.weights), strict=True)),
        "returns": len(made.portfolio),
        "first": found.when(0),
        "last": found.when(len(made.portfolio) - 1),
        "step": found.step,
        "steps_per_year": found.per_year,
        "window": made.window,
        "backtest_from": found.when(made.first),
        "seed": made.seed,
        "value": made.value,
        "notes": [str(one) for one in made.notes],
        "estimates": [
            {
                "method": one.method,
                "level": one.level,
                "horizon": one.horizon,
                "var": one.var,
                "es": one.es,
            }
            for one in made.estimates
        ],
        "tests": [_test(one) for one in made.tests],
        "verdict": [str(one) for one in verdict(one_step(made))],
        "trading": None if made.traded is None else _trading(made.traded),
    }


def one_step(made: Assessment) -> list[Tested]:
    """The back-tests of the shortest horizon."""
    shortest = min((one.horizon for one in made.tests), default=1)
    return [one for one in made.tests if one.horizon == shortest]


def write(made: Assessment, folder: Path, page: str) -> Path:
    """See Risk.write."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(
        folder / "risk.json", json.dumps(document(made), ensure_ascii=False, indent=1) + "\n"
    )
    atomic.write(folder / "backtest.csv", _backtest_table(made))
    write_levels(folder / "levels.csv", made.portfolio)
    write_levels(folder / "levels-before-test.csv", made.portfolio[: made.first])
    path = folder / "report.html"
    atomic.write(path, page)
    return path


def summary(outcome: Outcome) -> dict[str, Any]:
    """Of the courses of an outcome: quantiles of the total, shares and means."""
    low, middle, high = _floats(np.quantile(outcome.total, QUANTILES))
    return {
        "courses": len(outcome.total),
        "low": low,
        "median": middle,
        "high": high,
        "mean": float(outcome.total.mean()),
        "loses": float((outcome.total < 0).mean()),
        "drawdown": float(outcome.drawdown.mean()),
        "changes": float(outcome.changes.mean()),
        "costs": float(outcome.costs.mean()),
    }


def _test(one: Tested) -> dict[str, Any]:
    cover = one.cover
    return {
        "method": one.method,
        "level": one.level,
        "horizon": one.horizon,
        "forecasts": cover.days,
        "exceedances": cover.exceedances,
        "expected": cover.expected,
        "kupiec": {"statistic": _plain(cover.uc), "p": _plain(cover.kupiec)},
        "independence": {"statistic": _plain(cover.ind), "p": _plain(cover.independence)},
        "both": {
            "statistic": _plain(cover.uc + cover.ind),
            "p": _plain(cover.joint),
        },
        "expected_shortfall": {"z": one.tail.z, "p": one.tail.p},
        "basel": one.zone or None,
        "rejected_by": one.rejected,
        "words": [str(line) for line in one.words()],
    }


def _trading(made: Traded) -> dict[str, Any]:
    return {
        "rule": {"fast": made.rule.fast, "slow": made.rule.slow, "cost": made.rule.cost},
        "steps": made.steps,
        "paths": made.method,
        "drawn": {"rule": summary(made.drawn), "holding": summary(made.drawn_holding)},
        "rule_beats_holding": float((made.drawn.total > made.drawn_holding.total).mean()),
        "past_steps": made.past_steps,
        "past": {"rule": summary(made.past), "holding": summary(made.past_holding)},
        "warning": str(WARNING),
    }


def _backtest_table(made: Assessment) -> str:
    """A row for each tested step of one-step forecasts."""
    tests = one_step(made)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [f"{part}_{one.method}_{one.level:g}" for one in tests for part in ("var", "es")]
    table.writerow(["date", "return", *names])
    if not tests:
        return text.getvalue()
    for place, step in enumerate(tests[0].steps.tolist()):
        table.writerow(
            [
                made.market.when(step),
                f"{tests[0].returns[place]:.9g}",
                *(f"{part[place]:.9g}" for one in tests for part in (one.var, one.es)),
            ]
        )
    return text.getvalue()


def _floats(values: np.ndarray) -> list[float]:
    found: list[float] = values.tolist()
    return found


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
