"""castalia prompt optimise SUITE [--calls N] [--run RUN | --llm ADDRESS --model NAME]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.apps.prompt.options import ModelName, SuiteFile, Together, TrustSuite
from castalia.cli.console import echo, open_page, say_json
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import say


def command(
    suite: SuiteFile,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="for answers and the result; default: SUITE-better"),
    ] = None,
    prompt: Annotated[
        str, typer.Option(metavar="NAME", help="which prompt of the suite is improved")
    ] = "",
    calls: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="most answers of the model, in all")
    ] = 500,
    minutes: Annotated[
        Optional[float],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(min=0, help="an end by the clock; the result then depends on the machine"),
    ] = None,
    run: Annotated[str, typer.Option(help="a run in the place of the suite's model")] = "",
    llm: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="a language model that proposes wordings; where neither the suite nor --run names "
            "a model, also the one that is tested",
        ),
    ] = "",
    model: ModelName = "",
    seed: Annotated[int, typer.Option(help="of the split and of the order of candidates")] = 0,
    together: Together = 4,
    show: OpenPage = False,
    trust_code: TrustSuite = False,
    json: AsJson = False,
) -> int:
    """Search for a better prompt on one part of the cases, and judge it once on the other."""
    from castalia.apps.prompt.models import chosen
    from castalia.apps.prompt.optimise import optimise
    from castalia.apps.prompt.search_page import write
    from castalia.apps.prompt.suite import load
    from castalia.language import current

    loaded = load(suite, trust=trust_code, llm="" if model else llm, replaced=bool(run))
    elsewhere = chosen([], llm, model)
    tested = chosen([run], "", "") if run else [] if loaded.models else elsewhere
    folder = out or Path(f"{suite.name.partition('.')[0]}-better")
    found = optimise(
        loaded,
        folder,
        prompt=prompt,
        models=tested,
        proposer=elsewhere[0] if elsewhere else None,
        calls=calls,
        minutes=minutes,
        seed=seed,
        trust=trust_code,
        together=together,
    )
    page = write(found, folder, current())
    if json:
        say_json({"folder": str(folder), **found.document(current())})
        return 0
    echo(found.headline, *found.notes)
    if found.better:
        echo(say("the better prompt: {0}", folder / f"{found.prompt.name}.prompt.md"))
    echo(say("look at: {0}", page))
    if show:
        open_page(page)
    return 0
