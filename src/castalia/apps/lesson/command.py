"""castalia lesson KIND... [--n N] [--steps 1-3] [--text FILE] [--out DIR]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, open_page, say_json
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import plural, say

SHOWN = 10  # exercises in the terminal


def command(
    kinds: Annotated[
        list[str],
        typer.Argument(
            metavar="KIND...",
            help="arithmetic, fractions, equations, units, stories; vocabulary, cloze of --text",
        ),
    ],
    n: Annotated[int, typer.Option("--n", help="exercises, as many of each kind")] = 20,
    steps: Annotated[
        str, typer.Option(metavar="FEW-MANY", help="steps from the question to the answer")
    ] = "1-3",
    largest: Annotated[int, typer.Option(metavar="NUMBER", help="that stands in them")] = 100,
    signs: Annotated[
        str, typer.Option(metavar="SIGNS", help="operations that stand in them")
    ] = "+-*/",
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="running text, English or Chinese")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(metavar="FILE", help="a table with the columns word and meaning")
    ] = None,
    band: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="school years of reading texts")
    ] = None,
    longest: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="words (characters in Chinese) a sentence, on average, at most"
        ),
    ] = None,
    roster: Annotated[
        Path | None, typer.Option(metavar="FILE", help="names that must not appear, one a line")
    ] = None,
    title: Annotated[str, typer.Option(help="of the worksheet")] = "",
    seed: Annotated[int, typer.Option(help="of the draws: the same seed, the same sheet")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="folder for worksheet, key, JSON, CSV and GIFT"),
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Make exercises whose answers a second program has checked, and worksheets to print."""
    from castalia.apps.lesson import privacy
    from castalia.apps.lesson.making import lesson
    from castalia.apps.lesson.options import band_of, signs_of, steps_of
    from castalia.language import current

    made = lesson(
        kinds,
        n=n,
        steps=steps_of(steps),
        largest=largest,
        signs=signs_of(signs),
        text=text,
        words=words,
        band=band_of(band),
        longest=longest,
        roster=privacy.names(roster) if roster else (),
        title=title,
        language=None if text else current(),
        seed=seed,
    )
    page = None if out is None else made.write(out)
    if json:
        say_json({**made.document(), "folder": None if out is None else str(out)})
        return 0
    for number, one in enumerate(made.exercises[:SHOWN], 1):
        choices = f"  ({' | '.join(one.choices)})" if one.choices else ""
        echo(f"{number:3}. {one.question}{choices}   → {one.answer}")
    if len(made.exercises) > SHOWN:
        echo(say("… and {0:,} more", len(made.exercises) - SHOWN))
    echo(
        "",
        plural(
            "{0} exercise, checked by a second program",
            "{0} exercises, each checked by a second program",
            len(made.exercises),
        ),
    )
    if page is None:
        echo(say("worksheet and key: add --out DIR"))
    else:
        echo(say("look at: {0}", page))
        if show:
            open_page(page)
    return 0
