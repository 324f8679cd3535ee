"""castalia prompt test SUITE [--run RUN | --llm ADDRESS --model NAME] [--junit FILE]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.apps.prompt.options import ModelName, SuiteFile, Together, TrustSuite
from castalia.cli.console import echo, open_page, say_json, table
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import say

Runs = Optional[list[str]]  # noqa: UP045 - typer reads annotations at run time


def command(
    suite: SuiteFile,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="where answers are kept; default: SUITE-tested"),
    ] = None,
    run: Annotated[
        Runs,
        typer.Option(help="a run in the place of the suite's models; may be given several times"),
    ] = None,
    llm: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="a model elsewhere in their place, e.g. http://localhost:11434/v1; its key is in "
            "CASTALIA_LLM_KEY",
        ),
    ] = "",
    model: ModelName = "",
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write JUnit's XML as well")
    ] = None,
    least: Annotated[
        float,
        typer.Option(min=0, max=1, help="the share of cases that every prompt has to pass"),
    ] = 1.0,
    together: Together = 4,
    show: OpenPage = False,
    trust_code: TrustSuite = False,
    json: AsJson = False,
) -> int:
    """Ask every prompt, every model and every case, and say what passes: exit code 7 where less
    than --least does.
    """
    from castalia.apps.prompt.matrix import test
    from castalia.apps.prompt.models import chosen
    from castalia.apps.prompt.pages import write, write_junit
    from castalia.apps.prompt.suite import load
    from castalia.errors import Refused
    from castalia.language import current

    others = chosen(run or [], llm, model)
    loaded = load(suite, trust=trust_code, llm="" if model else llm, replaced=bool(others))
    tested = test(
        loaded,
        out or Path(f"{suite.name.partition('.')[0]}-tested"),
        models=others,
        trust=trust_code,
        together=together,
    )
    page = write(tested, current())
    if junit is not None:
        write_junit(tested, junit, current())
    if json:
        say_json({"folder": str(tested.folder), **tested.document(current())})
    else:
        head = [say("prompt"), say("model"), say("passes"), say("interval"), say("cases")]
        rows = [
            [
                *(one.prompt, one.model, f"{one.share.value:.0%}"),
                *(f"{one.share.low:.0%} – {one.share.high:.0%}", one.share.n),
            ]
            for one in tested.cells
        ]
        echo(table(head, rows), "", tested.headline, *tested.notes)
        echo(say("look at: {0}", page))
    if show:
        open_page(page)
    return 0 if tested.passed(least) else Refused.exit_code
