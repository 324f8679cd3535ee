"""castalia risk RETURNS.csv [--weight NAME=SHARE ...] [--run RUN] [--out DIR]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from castalia.cli.console import echo, open_page, pairs_of, say_json, table
from castalia.cli.options import AsJson, OpenPage
from castalia.errors import RecipeError
from castalia.sentences import N_, say


def command(
    data: Annotated[
        str, typer.Argument(metavar="FILE", help=N_("prices or returns, with or without dates"))
    ],
    prices: Annotated[
        bool, typer.Option("--prices", help=N_("the numbers are prices; default: by content"))
    ] = False,
    returns: Annotated[
        bool, typer.Option("--returns", help=N_("the numbers are returns; default: by content"))
    ] = False,
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help=N_("a column of prices or returns; may be given several times; default: all"),
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help=N_("of dates; default: by content"))
    ] = None,
    asset: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help=N_("that names an asset in each row; default: by content")
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help=N_("of an asset, e.g. SPX=0.6; all of them sum to 1; default: equal ones"),
        ),
    ] = None,
    worth: Annotated[
        float | None,
        typer.Option(metavar="MONEY", help=N_("value of the portfolio: losses in money, too")),
    ] = None,
    levels: Annotated[
        str, typer.Option(metavar="LIST", help=N_("of value at risk and expected shortfall"))
    ] = "0.95,0.975,0.99",
    horizons: Annotated[
        str, typer.Option(metavar="LIST", help=N_("in steps of the data, such as days"))
    ] = "1,10",
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help=N_("of historical, filtered, garch, simulated, run; default: all there are"),
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(metavar="N", help=N_("steps that historical methods look back; default 500")),
    ] = None,
    test: Annotated[
        int | None, typer.Option(metavar="N", help=N_("steps of the back-test; default 1000"))
    ] = None,
    paths: Annotated[
        int, typer.Option(metavar="N", help=N_("drawn for the forecast from the end of the data"))
    ] = 10_000,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help=N_("a run of series whose paths are one more method")),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            metavar="FAST/SLOW", help=N_("of the rule of trading: two moving averages; or none")
        ),
    ] = "20/100",
    cost: Annotated[
        float, typer.Option(help=N_("of each change of position, as a share of the value"))
    ] = 0.001,
    course: Annotated[
        int | None,
        typer.Option(metavar="N", help=N_("steps of a course on which it trades; default: a year")),
    ] = None,
    seed: Annotated[int, typer.Option(help=N_("of the draws"))] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=N_("folder for the page, risk.json and backtest.csv")),
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Measure what a portfolio may lose, by several methods, and test each on its own past."""
    from castalia.apps.risk.assessing import risk

    if prices and returns:
        raise RecipeError(
            say("numbers are prices or returns, not both"), "--prices --returns", say("give one")
        )
    kind: Literal["prices", "returns"] | None = (
        "prices" if prices else "returns" if returns else None
    )
    made = risk(
        data,
        kind=kind,
        time=time,
        values=value or [],
        asset=asset,
        weights=weights_in(weight or []),
        value=worth,
        levels=numbers_in(levels, "--levels"),
        horizons=[int(one) for one in numbers_in(horizons, "--horizons", whole=True)],
        methods=[] if methods is None else [one.strip() for one in methods.split(",")],
        window=window,
        test=test,
        paths=paths,
        run=run,
        rule=rule_of(rule, cost, course),
        seed=seed,
    )
    page = None if out is None else made.write(out)
    if json:
        say_json(made.document() | ({} if out is None else {"folder": str(out)}))
        return 0
    _print(made)
    if page is not None:
        echo("", say("look at: {0}", page))
        if show:
            open_page(page)
    else:
        echo("", say("--out DIR writes a page, with the back-test and drawings"))
    return 0


def weights_in(given: list[str]) -> dict[str, float]:
    """["SPX=0.6"] -> {"SPX": 0.6}; a sign of percent is read. Raises RecipeError."""
    pairs = pairs_of(given, say("a weight is written name=share"), "--weight SPX=0.6")
    found = {}
    for name, text in pairs.items():
        found[name] = _number(text, f"--weight {name}={text[:40]}")
    return found


def numbers_in(text: str, where: str, *, whole: bool = False) -> list[float]:
    """ "0.95,99%" -> [0.95, 0.99]. Raises RecipeError."""
    found = [_number(one, f"{where} {text[:80]}") for one in text.split(",") if one.strip()]
    if whole and not all(one.is_integer() for one in found):
        raise RecipeError(
            say("a horizon is a whole number of steps"), f"{where} {text[:80]}", say("such as 1,10")
        )
    return found


def rule_of(text: str, cost: float, course: int | None):  # type: ignore[no-untyped-def]
    """ "20/100" -> a Rule; "none" -> None. Raises RecipeError."""
    from castalia.apps.risk.assessment import Rule

    if text.strip().lower() == "none":
        return None
    fast, sign, slow = text.partition("/")
    if not (sign and fast.strip().isdecimal() and slow.strip().isdecimal()):
        raise RecipeError(
            say("a rule of trading is written as two numbers of steps"),
            f"--rule {text[:40]}",
            say("such as 20/100, or none"),
        )
    return Rule(int(fast[:6]), int(slow[:6]), cost, course)


def _number(text: str, where: str) -> float:
    bare = text.strip()
    try:
        return float(bare[:-1]) / 100 if bare.endswith("%") else float(bare)
    except ValueError as error:
        raise RecipeError(say("this is no number"), where, say("such as 0.95")) from error


def _print(made) -> None:  # type: ignore[no-untyped-def]
    from castalia.apps.risk.backtest import how_many, reasons
    from castalia.apps.risk.document import WARNING, one_step, summary
    from castalia.apps.risk.market import span
    from castalia.apps.risk.methods import LABELS
    from castalia.apps.risk.page import money, p_value, percent

    found = made.market
    for note in made.notes:
        echo(note)
    last = len(made.portfolio) - 1
    echo(
        "",
        say("{0:,} returns from {1} to {2}", last + 1, found.when(0), found.when(last)),
        "",
        table(
            [
                say("method"),
                say("level"),
                say("horizon"),
                say("value at risk"),
                say("expected shortfall"),
            ],
            [
                [
                    LABELS[one.method],
                    f"{one.level:.4g}",
                    span(found.step, one.horizon),
                    f"{percent(one.var)} {money(made, one.var)}".strip(),
                    f"{percent(one.es)} {money(made, one.es)}".strip(),
                ]
                for one in made.estimates
            ],
        ),
        "",
        say("back-test from {0}:", found.when(made.first)),
        table(
            [
                say("method"),
                say("level"),
                say("exceedances"),
                say("expected"),
                say("Kupiec p"),
                say("independence p"),
                say("both p"),
                say("shortfall Z (p)"),
            ],
            [
                [
                    LABELS[one.method],
                    f"{one.level:.4g}",
                    f"{one.cover.exceedances} / {one.cover.days}",
                    f"{one.cover.expected:.1f}",
                    p_value(one.cover.kupiec),
                    p_value(one.cover.independence),
                    p_value(one.cover.joint),
                    f"{one.tail.z:.2f} ({p_value(one.tail.p)})",
                ]
                for one in one_step(made)
            ],
        ),
        "",
        *reasons(one_step(made)),
        how_many(one_step(made)),
    )
    if made.traded is not None:
        drawn, held = summary(made.traded.drawn), summary(made.traded.drawn_holding)
        echo(
            "",
            say(
                "Rule {0}/{1} on {2:,} drawn courses of {3}: median {4}, loses in {5}. "
                "Holding: median {6}, loses in {7}.",
                made.traded.rule.fast,
                made.traded.rule.slow,
                drawn["courses"],
                span(found.step, made.traded.steps),
                percent(drawn["median"]),
                percent(drawn["loses"]),
                percent(held["median"]),
                percent(held["loses"]),
            ),
            WARNING,
        )
