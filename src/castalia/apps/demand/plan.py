"""`castalia.demand`: sales to a forecast and a stock plan for each item, tested on the past."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from castalia import atomic
from castalia.apps.demand import sales as reading
from castalia.apps.demand.forecasting import (
    KINDS,
    History,
    Rule,
    drawn,
    kinds,
    learned,
    stock_level,
)
from castalia.apps.demand.items import Item, Planned
from castalia.apps.demand.page import page
from castalia.apps.demand.sales import DAYS, PERIODS, Sales
from castalia.apps.demand.stock import Terms, back_test
from castalia.errors import DataError, RecipeError
from castalia.language import current
from castalia.progress import stage
from castalia.progress.views import shown
from castalia.sentences import say
from castalia.text_files import columns

LEVELS = (0.1, 0.5, 0.9)  # of the quantiles that are written
DEAD, NEW = 3.0, 2.0  # mean gaps without a sale; orders that the history has to last for


class Plan(Planned):
    """See Planned."""

    def write(self, folder: Path, language: str | None = None) -> Path:
        """plan.csv, plan.json, sales.csv and demand.html; the page."""
        folder.mkdir(parents=True, exist_ok=True)
        language = language or current()
        document = json.dumps(self.document(), ensure_ascii=False, indent=1)
        atomic.write(folder / "plan.csv", self.table(language))
        atomic.write(folder / "plan.json", document + "\n")
        atomic.write(folder / "sales.csv", self.history())
        atomic.write(folder / "demand.html", page(self, language))
        return folder / "demand.html"


def demand(
    data: str | os.PathLike[str],
    *,
    item: str,
    time: str,
    units: str | None = None,
    name: str | None = None,
    period: str | None = None,
    lead: float = 7.0,
    review: float = 7.0,
    service: float | None = None,
    under: float | None = None,
    over: float | None = None,
    stock: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Plan:
    """Demand of each item, and how much of it to keep.

    data: a table with one line a sale. item, time, units, name: its columns; without `units` each
    line is one unit. lead, review: days from an order to its arrival, and between orders. service:
    the share of orders after which nothing is missing (default 0.95); or under, over: what a
    missing unit costs, and one that is left over. stock: a table with the columns of items and
    `stock` (and `on_order`): what to order now. seed: of the draws.

    Raises DataError for files that cannot be used, RecipeError for numbers that make no sense.

    >>> castalia.demand("sales.csv", item="sku", time="date", units="n").write(Path("plan"))
    """
    terms_in_days = _terms(lead, review, service, under, over)
    if period is not None and period not in PERIODS:
        raise RecipeError(
            say("there is no period '{0}'", period[:40]), "--period", ", ".join(PERIODS)
        )
    with shown(progress):
        with stage("reading the sales"):
            found = reading.read(
                Path(data), item, time, units, label=name, period=period, cover=lead + review
            )
        terms = Terms(
            round(lead / DAYS[found.period])
            if lead < DAYS[found.period] / 2
            else max(1, math.ceil(lead / DAYS[found.period] - 1e-9)),
            max(1, math.ceil(review / DAYS[found.period] - 1e-9)),
            *terms_in_days,
        )
        if 2 * terms.cover > len(found.starts):
            raise DataError(
                say(
                    "an order has to last {0} periods, and the history has {1}",
                    terms.cover,
                    len(found.starts),
                ),
                found.source,
                say("give a longer history, or a shorter lead time"),
            )
        history = History(found.units, found.first, 7 if found.period == "day" else 1, found.whole)
        kept, unknown = ({}, ()) if stock is None else _stock(Path(stock), item, found)
        with stage("testing the plan on the past"):
            tested = back_test(history, terms, found.season, seed)
        with stage("planning"):
            rules = learned(history, terms.cover, terms.level, seed)
            items = _items(found, history, terms, rules, kept if stock is not None else None, seed)
    return Plan(found, terms, tuple(rules), tuple(items), tested, tuple(unknown), seed)


def _terms(
    lead: float, review: float, service: float | None, under: float | None, over: float | None
) -> tuple[float, float]:
    """(cost of a missing unit, of one that is left)."""
    if not (math.isfinite(lead) and math.isfinite(review) and lead >= 0 and review > 0):
        raise RecipeError(
            say("lead time and review are days: none or more, and more than none"),
            f"--lead {lead:g} --review {review:g}",
            say("such as --lead 14 --review 7"),
        )
    if service is not None and (under is not None or over is not None):
        raise RecipeError(
            say("the service level follows from the costs: give one or the other"),
            "--service --under --over",
            say("leave --service out"),
        )
    if (under is None) != (over is None):
        raise RecipeError(
            say("both costs are needed"), "--under --over", say("such as --under 4 --over 1")
        )
    if under is not None and over is not None:
        if not (0 < under < math.inf and 0 < over < math.inf):
            raise RecipeError(
                say("costs are positive numbers"),
                f"--under {under:g} --over {over:g}",
                say("such as --under 4 --over 1"),
            )
        return under, over
    level = 0.95 if service is None else service
    if not 0.5 <= level <= 0.999:
        raise RecipeError(
            say("the service level is out of range"),
            f"--service {level:g}",
            say("0.5 to 0.999, such as 0.95"),
        )
    return level / (1 - level), 1.0


def _stock(path: Path, item: str, found: Sales) -> tuple[dict[str, float], tuple[str, ...]]:
    """(stock and open orders of each item, items of the file that were never sold)."""
    table = columns.read(path)
    names = table.cells(item)
    amounts = np.nan_to_num(np.array(table.numbers("stock")[0]))
    if "on_order" in table.columns:
        amounts = amounts + np.nan_to_num(np.array(table.numbers("on_order")[0]))
    kept: dict[str, float] = {}
    for name, one in zip(names, amounts.tolist(), strict=True):
        kept[name] = kept.get(name, 0.0) + one
    known = set(found.items)
    return kept, tuple(name for name in kept if name not in known)


def _items(
    found: Sales,
    history: History,
    terms: Terms,
    rules: list[Rule],
    kept: Mapping[str, float] | None,
    seed: int,
) -> list[Item]:
    """The lines of the plan, what sells most first."""
    draws = drawn(history, terms.cover, rules, seed)
    targets = stock_level(history, draws, rules)
    bridging = drawn(history, max(1, terms.lead), rules, seed)
    points = stock_level(history, bridging, rules) if terms.lead else np.zeros(len(draws))
    quantiles = np.quantile(draws, LEVELS, axis=1, method="inverted_cdf").T
    means, of = draws.mean(1), kinds(history) % len(KINDS)
    if found.whole:
        targets, points = np.ceil(targets - 1e-9), np.ceil(points - 1e-9)
    made = []
    for place in np.argsort(-means, kind="stable").tolist():
        stock = None if kept is None else kept.get(found.items[place])
        order = None if stock is None else max(0.0, float(targets[place]) - stock)
        made.append(
            Item(
                item=found.items[place],
                name=found.labels[place],
                kind=KINDS[of[place]],
                mean=float(means[place]),
                quantiles=tuple(quantiles[place].tolist()),
                reorder_point=float(points[place]),
                order_up_to=float(targets[place]),
                order_quantity=float(means[place]) * terms.review / terms.cover,
                stock=stock,
                order_now=order,
                notes=tuple(_notes(found, place, terms, kept)),
            )
        )
    return made


def _notes(found: Sales, place: int, terms: Terms, kept: Mapping[str, float] | None) -> list[str]:
    periods, first, last = len(found.starts), int(found.first[place]), int(found.last[place])
    sold = int((found.units[place] > 0).sum())
    gap = (last - first + 1) / sold
    notes = []
    if periods - 1 - last > max(DEAD * gap, 2 * terms.cover):
        notes.append(say("not sold since {0}: no longer offered?", found.starts[last].isoformat()))
    if periods - first < NEW * terms.cover:
        notes.append(say("new: first sold {0}", found.starts[first].isoformat()))
    if sold == 1:
        notes.append(say("sold once"))
    if kept is not None and found.items[place] not in kept:
        notes.append(say("not in the stock file"))
    return notes
