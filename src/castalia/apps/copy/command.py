"""castalia copy PRODUCTS.csv [--tone TONE] [--n N] [--out DIR]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.apps.copy.options import Currency, NameColumn
from castalia.cli.console import echo, open_page, say_json
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import plural, say

SHOWN = 8  # texts in the terminal


def command(
    table: Annotated[
        Path, typer.Argument(metavar="PRODUCTS", help="a table with one line a product")
    ],
    tone: Annotated[
        list[str] | None,
        typer.Option(metavar="TONE", help="plain, friendly, lively, elegant; several times"),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(metavar="FORM", help="ad, description, headline; several times"),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="texts of each product, tone and form")] = 3,
    name: NameColumn = "",
    currency: Currency = "",
    history: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="what customers bought, for texts to one of them"),
    ] = None,
    customer: Annotated[
        str, typer.Option("--for", metavar="CUSTOMER", help="of --history, by its first column")
    ] = "",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="a sheet of pairs of two tones, to be judged blind")
    ] = False,
    llm: Annotated[
        str,
        typer.Option(
            metavar="URL", help="a language model that words the facts; kept only where proved"
        ),
    ] = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="of the model there")] = "",
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="a run of texts that words the facts, in the same way"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the draws")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder for the texts and the page")
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Write advertisements that say only what the table says, and check each of them."""
    from castalia.apps.copy.history import weights_of
    from castalia.apps.copy.making import Text, copy
    from castalia.apps.copy.pairs import write_pairs
    from castalia.apps.copy.phrasing import phrased_by, phrased_by_run
    from castalia.apps.copy.writing import Summary, entry, problem, write
    from castalia.errors import Refused
    from castalia.language import Voice, current

    phrase = phrased_by(llm, model) if llm else phrased_by_run(run, seed) if run else None
    made = copy(
        table,
        tone=tone or ["plain"],
        form=form or ["ad"],
        n=n,
        currency=currency,
        name=name,
        weights=weights_of(history, customer, table, name) if history else None,
        phrase=phrase,
        seed=seed,
    )
    if pairs:
        page = write_pairs(made, out)
        echo(say("look at: {0}", page))
        return 0
    summary = Summary()
    if out is None:
        every = []
        for one in made:
            summary.take(one)
            every += [one] if json else []
    else:
        page, summary = write(made, out, current())
    code = Refused.exit_code if summary.rules else 0
    if json:
        voice = Voice(current())
        say_json(
            {
                "texts": [entry(one) for one in every if isinstance(one, Text)]
                if out is None
                else summary.texts,
                "problems": [problem(one, voice) for one in summary.problems],
                "folder": None if out is None else str(out),
            }
        )
        return code
    for one in summary.first[:SHOWN]:
        echo(f"{one.name} · {one.tone} · {one.form}", f"    {one.words}")
    if summary.texts > SHOWN:
        echo(say("… and {0:,} more", summary.texts - SHOWN))
    for wrong in summary.problems[:SHOWN]:
        echo(say("line {0}, {1}: {2} (rule {3})", wrong.line, wrong.name, wrong.what, wrong.rule))
    echo(
        "",
        plural("{0:,} text, checked", "{0:,} texts, each checked", summary.texts),
    )
    if summary.rules:
        left = sum(summary.rules.values())
        echo(plural("{0:,} row is left out", "{0:,} rows are left out", left))
    if made.phrase is not None:
        echo(say("worded by the model: {0:,}; not proved: {1:,}", made.worded, made.refused))
    if out is None:
        echo(say("all texts as a table, and a page: add --out DIR"))
    else:
        echo(say("look at: {0}", page))
        if show:
            open_page(page)
    return code
