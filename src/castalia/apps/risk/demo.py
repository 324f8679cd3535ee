"""castalia demo risk: two made markets whose truth is known, and their risk by all methods."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from castalia import atomic
from castalia.cli.console import echo
from castalia.sentences import say

DAYS, SEED = 1600, 7


def demo(folder: Path) -> Path:
    """The page of made prices."""
    from castalia.apps.risk.assessing import risk

    prices = folder / "made-prices.csv"
    atomic.write(prices, made_prices(DAYS, SEED))
    echo(
        say(
            "made prices of two assets: GARCH with Student's t, 6 degrees of freedom, seed {0}",
            SEED,
        )
    )
    made = risk(prices, weights={"STOCK": 0.6, "BOND": 0.4}, test=1000)
    return made.write(folder)


def made_prices(days: int, seed: int) -> str:
    """A CSV of two assets that move together, each with GARCH(1,1) volatility, on week-days."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(6, (days, 2)) * np.sqrt(4 / 6)
    shocks[:, 1] = -0.3 * shocks[:, 0] + np.sqrt(1 - 0.3**2) * shocks[:, 1]
    usual = np.array([0.012, 0.004])  # volatility of a day
    variance, price, when = usual**2, np.array([100.0, 100.0]), date(2018, 1, 1)
    rows = ["date,STOCK,BOND\n"]
    for shock in shocks:
        rows.append(f"{when},{price[0]:.4f},{price[1]:.4f}\n")
        step = np.sqrt(variance) * shock
        price = price * (1 + np.array([3e-4, 1e-4]) + step)
        variance = 0.03 * usual**2 + 0.09 * step**2 + 0.88 * variance
        when += timedelta(days=3 if when.weekday() == 4 else 1)
    return "".join(rows)
