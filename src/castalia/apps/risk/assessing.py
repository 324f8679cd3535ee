"""`castalia.risk`: value at risk and expected shortfall of a portfolio by several methods, each
back-tested, and a rule of trading on drawn paths.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from castalia.apps.risk import trading
from castalia.apps.risk.assessment import Assessment, Estimate, Rule, Traded
from castalia.apps.risk.backtest import Tested, backtest
from castalia.apps.risk.document import document, write
from castalia.apps.risk.market import Kind, Market, market, weights_of
from castalia.apps.risk.measures import LEVELS, var_es
from castalia.apps.risk.methods import (
    GARCH_LEAST,
    LABELS,
    Filtered,
    Garch,
    Historical,
    Method,
    Simulated,
)
from castalia.apps.risk.network import Network, has_seen
from castalia.apps.risk.page import page
from castalia.apps.risk.paths import RISKMETRICS
from castalia.errors import DataError, MissingExtra, RecipeError, meant
from castalia.language import current
from castalia.progress.views import shown
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.run import Run

HORIZONS, RULE = (1, 10), Rule()
WINDOW, TEST = 500, 1000
LEAST = 120  # returns
LEAST_WINDOW = 60
MOST_PATHS, MOST_HORIZON, MOST_TEST = 100_000, 260, 10_000
MOST_STEPS = 10_000_000  # of all paths of a forecast
MOST_LISTED = 10  # levels, and horizons
COURSES, RUN_COURSES = 1000, 200  # drawn paths on which the rule trades


class Risk(Assessment):
    """An Assessment that can be shown and written."""

    def document(self) -> dict[str, Any]:
        """JSON; losses are positive shares."""
        return document(self)

    def page(self, language: str = "en") -> str:
        """HTML."""
        return page(self, language)

    def write(self, folder: Path, language: str | None = None) -> Path:
        """report.html, risk.json, backtest.csv and the series to train a run on; the page."""
        return write(self, folder, self.page(language or current()))


def risk(
    data: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    time: str | None = None,
    values: Sequence[str] = (),
    asset: str | None = None,
    weights: Mapping[str, float] | None = None,
    value: float | None = None,
    levels: Sequence[float] = LEVELS,
    horizons: Sequence[int] = HORIZONS,
    methods: Sequence[str] = (),
    window: int | None = None,
    test: int | None = None,
    paths: int = 10_000,
    run: str | os.PathLike[str] | Run | None = None,
    rule: Rule | None = RULE,
    seed: int = 0,
    progress: bool | None = None,
) -> Risk:
    """Risk of a file of prices or returns; see Market for what is read, and `methods` for how it is
    forecast. weights: by asset, summing to 1; none: equal ones. value: of the portfolio, in money.
    methods: of LABELS; none: all that can be used. window: steps that historical methods look back;
    test: steps of the back-test; paths: drawn for the forecast from the end of the data. run: a run
    of series, whose paths count as one more method. rule None: no trading.

    Raises DataError for a file that cannot be used or is too short, RecipeError for numbers out of
    range and names that there are not, MissingExtra where GARCH is asked for and `arch` is not
    there.

    >>> castalia.risk("prices.csv", weights={"SPX": 0.6, "BOND": 0.4}).estimates[0].var
    """
    with shown(progress):
        asked = {"kind": kind, "time": time, "values": values, "asset": asset}
        found = market(Path(data), wanted=weights or (), **asked)
        return assessed(
            found,
            weights=weights or {},
            value=value,
            levels=levels,
            horizons=horizons,
            methods=methods,
            window=window,
            test=test,
            paths=paths,
            run=run,
            rule=rule,
            seed=seed,
        )


def assessed(
    found: Market,
    *,
    weights: Mapping[str, float],
    value: float | None,
    levels: Sequence[float],
    horizons: Sequence[int],
    methods: Sequence[str],
    window: int | None,
    test: int | None,
    paths: int,
    run: str | os.PathLike[str] | Run | None,
    rule: Rule | None,
    seed: int,
) -> Risk:
    """`risk` of a market that was read."""
    _check(levels, horizons, methods, paths, seed, rule, value)
    shares, equal = weights_of(weights, found.names)
    notes = [*found.notes, *([equal] if equal else [])]
    if (shares < 0).any():
        notes.append(say("negative weights: those assets are sold short"))
    portfolio = found.portfolio(shares)
    if portfolio.min() <= -1:
        raise DataError(
            say("the portfolio loses everything, or more, in one step"),
            found.when(int(portfolio.argmin())),
            say("give smaller weights"),
        )
    window, first = _split(len(portfolio), window, test, max(horizons), found, notes)
    used, trader = _methods(found, shares, portfolio, window, first, methods, run, seed, notes)
    estimates, tests = list[Estimate](), list[Tested]()
    for method in used:
        try:
            ahead, tested = _measured(method, portfolio, first, levels, horizons, paths, seed)
        except DataError as error:
            if method.name != "garch" or "garch" in methods:
                raise
            notes.append(error.what)
            continue
        estimates += ahead
        tests += tested
    traded = _traded(trader, portfolio, rule, found, notes) if rule is not None else None
    return Risk(
        found,
        shares,
        portfolio,
        window,
        first,
        tuple(estimates),
        tuple(tests),
        traded,
        tuple(notes),
        value,
        seed,
    )


def _measured(
    method: Method,
    portfolio: np.ndarray,
    first: int,
    levels: Sequence[float],
    horizons: Sequence[int],
    paths: int,
    seed: int,
) -> tuple[list[Estimate], list[Tested]]:
    """A method's forecasts from the end of the data, and its back-tests."""
    end, estimates, tests = len(portfolio), list[Estimate](), list[Tested]()
    for horizon in horizons:
        draws = method.draws(end, horizon, paths)
        estimates += [
            Estimate(method.name, level, horizon, *var_es(draws, level)) for level in levels
        ]
        steps = list(range(first, end - horizon + 1, horizon))
        if steps:
            if isinstance(method, Network):
                method.prepare(steps, horizon)
            tests += backtest(method, portfolio, first, levels, horizon, seed)
    return estimates, tests


def _check(
    levels: Sequence[float],
    horizons: Sequence[int],
    methods: Sequence[str],
    paths: int,
    seed: int,
    rule: Rule | None,
    value: float | None,
) -> None:
    if not levels or not all(0.5 <= level < 1 for level in levels):
        raise RecipeError(
            say("a level lies between 0.5 and 1"),
            f"--levels {', '.join(map(str, levels))[:80]}",
            say("such as 0.95,0.975,0.99"),
        )
    if not horizons or not all(1 <= horizon <= MOST_HORIZON for horizon in horizons):
        raise RecipeError(
            say("the horizon is out of range"),
            f"--horizons {', '.join(map(str, horizons))[:80]}",
            say("1 to {0:,} steps", MOST_HORIZON),
        )
    if max(len(levels), len(horizons)) > MOST_LISTED:
        raise RecipeError(
            say("there are too many levels or horizons"),
            f"{len(levels)}, {len(horizons)}",
            say("{0} at most", MOST_LISTED),
        )
    if not 100 <= paths <= min(MOST_PATHS, MOST_STEPS // max(horizons)):
        raise RecipeError(
            say("the number of paths is out of range"),
            f"--paths {paths}",
            say("100 to {0:,}", min(MOST_PATHS, MOST_STEPS // max(horizons))),
        )
    if seed < 0:
        raise RecipeError(say("a seed is not negative"), f"--seed {seed}", say("such as 0"))
    if value is not None and not 0 < value < 1e15:
        raise RecipeError(
            say("the value of a portfolio is above zero"),
            f"--worth {value:g}",
            say("such as 100000"),
        )
    for name in methods:
        if name not in LABELS:
            raise RecipeError(
                say("there is no method '{0}'", name[:80]),
                f"--methods {name[:80]}",
                say("{0}one of: {1}", meant(name, LABELS), ", ".join(LABELS)),
            )
    if rule is not None and not (
        1 <= rule.fast < rule.slow <= 1000
        and 0 <= rule.cost < 0.5
        and (rule.steps is None or 2 <= rule.steps <= 2600)
    ):
        raise RecipeError(
            say("the rule of trading does not make sense"),
            f"--rule {rule.fast}/{rule.slow} --cost {rule.cost:g}",
            say(
                "a fast mean of fewer steps than the slow one, and a cost below 0.5: 20/100, 0.001"
            ),
        )


def _split(
    count: int,
    window: int | None,
    test: int | None,
    horizon: int,
    found: Market,
    notes: list[str],
) -> tuple[int, int]:
    """(steps of the window, the first step of the back-test)."""
    if count < LEAST:
        raise DataError(
            say("the series has {0} returns, too few to measure a risk and to test it", count),
            found.source,
            say("give at least {0}", LEAST),
        )
    if window is None:
        window = min(WINDOW, count // 2)
        if window < WINDOW:
            notes.append(
                say(
                    "the series is short: the window is {0} steps, and the back-test has the rest",
                    window,
                )
            )
    if not LEAST_WINDOW <= window <= count - 20:
        raise RecipeError(
            say("the window of {0} steps does not fit a series of {1}", window, count),
            f"--window {window}",
            say("{0} to {1} steps, so that some are left to test", LEAST_WINDOW, count - 20),
        )
    if window <= horizon:
        raise RecipeError(
            say("the horizon of {0} steps is longer than the window", horizon),
            f"--window {window}",
            say("a longer window or a shorter horizon"),
        )
    if test is not None and not 20 <= test <= min(count - window, MOST_TEST):
        raise RecipeError(
            say("the back-test of {0} steps does not fit", test),
            f"--test {test}",
            say("20 to {0}: what the window of {1} leaves", min(count - window, MOST_TEST), window),
        )
    return window, count - (min(TEST, count - window) if test is None else test)


def _methods(
    found: Market,
    shares: np.ndarray,
    portfolio: np.ndarray,
    window: int,
    first: int,
    names: Sequence[str],
    run: str | os.PathLike[str] | Run | None,
    seed: int,
    notes: list[str],
) -> tuple[list[Method], Simulated | Network]:
    """The methods that are used, and the one whose paths the rule trades on."""
    simulated = Simulated(found.returns, shares, first, seed)
    made: dict[str, Method] = {
        "historical": Historical(portfolio, window),
        "filtered": Filtered(portfolio, window, RISKMETRICS, seed),
    }
    if first >= GARCH_LEAST:
        try:
            made["garch"] = Garch(portfolio, first, seed)
        except MissingExtra as error:
            if "garch" in names:
                raise
            notes.append(
                say("GARCH is left out: the package 'arch' is not installed; {0}", error.fix)
            )
    elif "garch" in names:
        raise RecipeError(
            say("GARCH needs {0} steps before the back-test; there are {1}", GARCH_LEAST, first),
            "--methods garch",
            say("a shorter back-test: --test {0}", max(20, len(portfolio) - GARCH_LEAST)),
        )
    else:
        notes.append(say("GARCH is left out: it needs {0} steps before the back-test", GARCH_LEAST))
    made["simulated"] = simulated
    trader: Simulated | Network = simulated
    if run is not None:
        from castalia.run import Run

        opened = run if isinstance(run, Run) else Run.open(run)
        made["run"] = trader = Network(opened, portfolio, seed)
        notes.append(has_seen(opened, portfolio[:first]))
    elif "run" in names:
        raise RecipeError(
            say("no run was given"), "--methods run", say("--run RUN, a run of series")
        )
    chosen = [made[name] for name in LABELS if name in made and (not names or name in names)]
    return chosen, trader


def _traded(
    trader: Simulated | Network,
    portfolio: np.ndarray,
    rule: Rule,
    found: Market,
    notes: list[str],
) -> Traded | None:
    if len(portfolio) < 2 * rule.slow:
        notes.append(
            say(
                "the rule of trading is left out: a mean of {0} steps needs a longer series",
                rule.slow,
            )
        )
        return None
    steps = rule.steps or found.per_year
    count = RUN_COURSES if isinstance(trader, Network) else COURSES
    drawn = np.maximum(trader.paths(len(portfolio), max(steps, 2), count), -0.9999)
    past = portfolio[None, rule.slow :]

    def traded(returns: np.ndarray, before: np.ndarray) -> tuple[trading.Outcome, trading.Outcome]:
        held = trading.positions(returns, before, rule.fast, rule.slow)
        return (
            trading.outcome(returns, held, rule.cost),
            trading.outcome(returns, np.ones_like(returns), rule.cost),
        )

    return Traded(
        rule,
        drawn.shape[1],
        trader.name,
        *traded(drawn, portfolio),
        *traded(past, portfolio[: rule.slow]),
        past.shape[1],
    )
