"""castalia demand SALES.csv --item COLUMN --time COLUMN [--units COLUMN] [--out DIR]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, open_page, say_json, table
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import say

SHOWN = 10  # items in the terminal


def command(
    data: Annotated[str, typer.Argument(metavar="FILE", help="a table with one line a sale")],
    item: Annotated[str, typer.Option(metavar="COLUMN", help="that names the item")],
    time: Annotated[str, typer.Option(metavar="COLUMN", help="of dates")],
    units: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="of units sold, below zero where they came back; default: one unit a line",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="with names of items beside their numbers")
    ] = None,
    lead: Annotated[float, typer.Option(metavar="DAYS", help="from an order to its arrival")] = 7.0,
    review: Annotated[float, typer.Option(metavar="DAYS", help="between orders")] = 7.0,
    service: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="of orders after which nothing is missing; default 0.95"
        ),
    ] = None,
    under: Annotated[
        float | None,
        typer.Option(metavar="COST", help="of a unit that is missing, with --over: not --service"),
    ] = None,
    over: Annotated[
        float | None, typer.Option(metavar="COST", help="of a unit that is left over")
    ] = None,
    stock: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="the column of items, stock and on_order: says what to order now"
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            metavar="PERIOD", help="day, week or month; default: by how long an order lasts"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the draws")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="folder for plan.csv, plan.json, sales.csv and the page"),
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Forecast the demand of each item, say how much of it to keep, and test that on the past."""
    from castalia.apps.demand.page import findings
    from castalia.apps.demand.plan import demand
    from castalia.apps.demand.sales import amount

    made = demand(
        data,
        item=item,
        time=time,
        units=units,
        name=name,
        period=period,
        lead=lead,
        review=review,
        service=service,
        under=under,
        over=over,
        stock=stock,
        seed=seed,
    )
    page = None if out is None else made.write(out)
    if json:
        say_json({**made.document(), "folder": None if out is None else str(out)})
        return 0
    for line in (*made.sales.notes, *findings(made)):
        echo(line)
    whole = made.sales.whole
    heads = [say("item"), say("demand until the next order"), say("keep up to")]
    ordering = stock is not None
    rows = [
        [
            one.name if one.name == one.item else f"{one.item} {one.name}",
            amount(one.mean, False),
            amount(one.order_up_to, whole),
            *([amount(one.order_now or 0.0, whole)] if ordering else []),
        ]
        for one in made.items[:SHOWN]
    ]
    echo("", table([*heads, *([say("order now")] if ordering else [])], rows))
    if len(made.items) > SHOWN:
        echo(say("… and {0:,} more", len(made.items) - SHOWN))
    if page is None:
        echo(say("the whole plan: add --out DIR"))
    else:
        echo(say("{0:,} items in {1}", len(made.items), out), say("look at: {0}", page))
        if show:
            open_page(page)
    return 0
