"""castalia ledger verify [LEDGER or RUN]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.errors import RecipeError
from castalia.language import constant
from castalia.sentences import plural, say, series


def command(
    action: Annotated[
        str, typer.Argument(metavar="verify", help="read the whole chain and say what does not fit")
    ],
    ledger: Annotated[
        str, typer.Argument(metavar="LEDGER|RUN", help="a ledger file, or a run")
    ] = "latest",
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="a head that was noted earlier: it must be in the chain"),
    ] = None,
    json: AsJson = False,
) -> int:
    """Find lines that were altered, taken out, moved or cut off. Exit 0 if there are
    none, else 7.
    """
    if action != "verify":
        raise RecipeError(
            say("a ledger cannot be told to '{0}'", action),
            where="castalia ledger",
            fix="castalia ledger verify RUN",
        )
    from castalia.governance import ledger as chain
    from castalia.run import Run

    path = Path(ledger)
    if not path.is_file():
        path = path if path.suffix == ".jsonl" else Run.open(ledger).folder / "ledger.jsonl"
    verdict = chain.verify(path, head)
    if json:
        facts = {
            "ledger": str(path),
            "intact": verdict.intact,
            "lines": verdict.lines,
            "events": verdict.events,
        }
        say_json(
            facts
            | {"head": verdict.head.hash, "problems": verdict.problems, "notes": verdict.notes}
        )
    else:
        counts = series(
            say("{0} {1}", count, constant(event)) for event, count in verdict.events.items()
        )
        echo(
            say("{0}: {1}", path, say("intact") if verdict.intact else say("NOT INTACT")),
            say(
                "  {0}: {1}", plural("{0} line", "{0} lines", verdict.lines), counts or say("none")
            ),
        )
        echo(
            *[say("  {0}", problem) for problem in verdict.problems],
            *[say("  note: {0}", note) for note in verdict.notes],
            say("  head {0}", verdict.head.hash),
        )
    return 0 if verdict.intact else 7
