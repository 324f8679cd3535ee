"""castalia demo demand: a made shop whose customers are known, and the plan for its stock."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from castalia import atomic
from castalia.cli.console import echo
from castalia.sentences import say

ITEMS, DAYS, SEED = 60, 365, 11


def demo(folder: Path) -> Path:
    """The page of the plan."""
    from castalia.apps.demand.page import findings
    from castalia.apps.demand.plan import demand

    sales = folder / "made-sales.csv"
    atomic.write(sales, made_sales(ITEMS, DAYS, SEED))
    echo(say("made sales: {0} items, {1} days, seed {2}", ITEMS, DAYS, SEED))
    made = demand(sales, item="sku", time="date", units="n", name="title", lead=14, review=7)
    echo(*findings(made))
    return made.write(folder)


def made_sales(items: int, days: int, seed: int) -> str:
    """A CSV of sales: steady and rare items, dear and cheap weekdays, returns, one that is gone and
    one that is new.
    """
    rng = np.random.default_rng(seed)
    week = np.array([0.8, 0.9, 1.0, 1.1, 1.4, 1.6, 0.2])
    begin = date(2025, 1, 6)
    rates, lots = rng.gamma(0.6, 4.0, items) + 0.03, 1 + rng.poisson(1.0, items)
    rows = ["date,sku,title,n\n"]
    for day in range(days):
        when = begin + timedelta(day)
        buyers = rng.poisson(rates * week[when.weekday()])
        for item in range(items):
            if (item == 1 and day > days // 2) or (item == 2 and day < days - 25):
                continue
            for _ in range(int(buyers[item])):
                back = rng.random() < 0.02
                units = -1 if back else int(lots[item])
                rows.append(f"{when.isoformat()},A{item:03},item {item},{units}\n")
    return "".join(rows)
