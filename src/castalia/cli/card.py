"""castalia card RUN [--lang zh] [--policy FILE] [--out FILE]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, TrustCode
from castalia.language import current
from castalia.sentences import say


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="names the producer and the licence of the model"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="default: RUN/card.md, RUN/card.zh.md")
    ] = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Write the card of a run: model, data, cost, scores, limits, and what marking rules ask,
    answered or open.
    """
    from castalia import atomic
    from castalia.governance import card
    from castalia.governance.policy import Policy
    from castalia.run import Run

    opened, lang = Run.open(run, trust_code=trust_code), current()
    text = card.render(opened, lang, Policy.load(policy) if policy else None)
    path = out or opened.folder / ("card.md" if lang == "en" else f"card.{lang}.md")
    atomic.write(path, text)
    if json:
        say_json({"run": opened.id, "card": str(path), "lang": lang})
    else:
        echo(
            say("card: {0}", path),
            say("what only you know is marked *to be written*"),
        )
    return 0
