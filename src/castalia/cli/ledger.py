"""castalia ledger verify [LEDGER or RUN]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import say, say_json
from castalia.errors import RecipeError


def command(
    action: Annotated[str, typer.Argument(metavar="verify", help="read the whole chain and say what does not fit")],
    ledger: Annotated[str, typer.Argument(metavar="LEDGER|RUN", help="a ledger file, or a run")] = "latest",
    head: Annotated[Optional[str], typer.Option(metavar="HASH", help="a head that was noted earlier: it must be in the chain")] = None,  # noqa: UP045
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """Find lines that were altered, taken out, moved or cut off. Exit 0 if there are none, else 7."""
    if action != "verify":
        raise RecipeError(f"a ledger cannot be told to '{action}'", where="castalia ledger", fix="castalia ledger verify RUN")
    from castalia.governance import ledger as chain
    from castalia.run import Run

    path = Path(ledger)
    if not path.is_file():
        path = path if path.suffix == ".jsonl" else Run.open(ledger).folder / "ledger.jsonl"
    found = chain.verify(path, head)
    if json:
        facts = {"ledger": str(path), "intact": found.intact, "lines": found.lines, "events": found.events}
        say_json(facts | {"head": found.head.hash, "problems": found.problems, "notes": found.notes})
    else:
        counts = ", ".join(f"{count} {event}" for event, count in found.events.items())
        say(f"{path}: {'intact' if found.intact else 'NOT INTACT'}", f"  {found.lines} lines: {counts or 'none'}")
        say(*[f"  {problem}" for problem in found.problems], *[f"  note: {note}" for note in found.notes], f"  head {found.head.hash}")
    return 0 if found.intact else 7
