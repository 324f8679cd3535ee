"""castalia recommend EVENTS.csv --user COLUMN --item COLUMN --time COLUMN [--out DIR]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, open_page, say_json, table
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import say

SHOWN = 3  # users in the terminal


def command(
    data: Annotated[str, typer.Argument(metavar="FILE", help="a table with one line an event")],
    user: Annotated[str, typer.Option(metavar="COLUMN", help="that names the user")],
    item: Annotated[str, typer.Option(metavar="COLUMN", help="that names the item")],
    time: Annotated[str, typer.Option(metavar="COLUMN", help="of dates or seconds since 1970")],
    name: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="with names of items beside their numbers")
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="of quantities or ratings; zero and below are returns"),
    ] = None,
    least_weight: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="events of a smaller --weight are left out"),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--for", metavar="USER", help="for this user; may be given several times"),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="suggestions for each")] = 10,
    again: Annotated[
        bool | None,
        typer.Option(
            "--again/--no-again",
            help="suggest what the user had before; default: where that is usual in the data",
        ),
    ] = None,
    without: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="a table with items that nobody gets: sold out"),
    ] = None,
    method: Annotated[
        str, typer.Option(help="blend, popular, recent, before, knn, als or ar")
    ] = "blend",
    minutes: Annotated[
        float, typer.Option(help="of training the transformer; 0 leaves it out")
    ] = 4.0,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="a model of histories that is there already")
    ] = None,
    least: Annotated[
        int, typer.Option(metavar="USERS", help="that a count in a reason must have")
    ] = 5,
    seed: Annotated[int, typer.Option(help="of draws and training")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="folder for the suggestions, the page and the model"),
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Suggest to each user what may come next, with reasons, and test that on the past."""
    from castalia.apps.recommend.suggesting import recommend
    from castalia.apps.recommend.writing import PERSONAL, document, findings, write

    made = recommend(
        data,
        user=user,
        item=item,
        time=time,
        name=name,
        weight=weight,
        least_weight=least_weight,
        users=users or (),
        n=n,
        again=again,
        without=without,
        method=method,
        minutes=minutes,
        run=run,
        out=out,
        least=least,
        seed=seed,
    )
    page = None if out is None else write(made, out)
    if json:
        say_json({**document(made), "folder": None if out is None else str(out)})
        return 0
    for line in (*made.events.notes, *made.notes, *findings(made), PERSONAL):
        echo(line)
    shown = list(dict.fromkeys(one.user for one in made.rows))[: None if users else SHOWN]
    for who in shown:
        rows = [
            [str(one.place), made.events.names[one.item], one.reason.words]
            for one in made.rows
            if one.user == who
        ]
        echo("", say("for {0}", who), table(["", say("item"), say("reason")], rows))
    for who in made.unknown:
        echo(say("{0} has no event: what is popular is suggested", who))
    if page is None:
        echo("", say("all suggestions as a table, and a page: add --out DIR"))
    else:
        echo("", say("suggestions for all in {0}", out), say("look at: {0}", page))
        if show:
            open_page(page)
    return 0
