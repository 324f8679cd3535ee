"""castalia demo [NAME]: the main job on built-in data, from nothing to a page one can look at. Each
modality and each app may bring a demo: a function of a folder that gives back the page.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from castalia import app, modality
from castalia.app import App
from castalia.cli.console import duration, echo, open_page
from castalia.errors import RecipeError
from castalia.language import constant, translate
from castalia.modality import Modality
from castalia.sentences import N_, say

if TYPE_CHECKING:
    from castalia.run import Run

Demo = Callable[[Path], Path]


def command(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help=N_("of what; default: list what there is")),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder; default runs/demo-KIND-<date>")] = None,
    show_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="open the page in a browser where there is a screen"),
    ] = True,
) -> int:
    """Train models on built-in data, judge them against what they have not seen, and show the
    result.
    """
    if kind is None:
        for name, owner in demos().items():
            about = owner.items if isinstance(owner, Modality) else constant(owner.about)
            echo(f"castalia demo {name:10} {translate(about)}")
        return 0
    if kind not in demos():
        raise RecipeError(
            say("there is no demo of '{0}'", kind),
            where="castalia demo",
            fix=f"castalia demo {', '.join(demos())}",
        )
    begun = time.monotonic()
    demo: Demo = demos()[kind].load("demo")
    page = demo(out or Path("runs") / f"demo-{kind}-{time.strftime('%Y%m%d-%H%M%S')}")
    echo(say("done in {0}", duration(time.monotonic() - begun)), say("look at: {0}", page))
    if show_page:
        open_page(page)
    return 0


def demos() -> dict[str, Modality | App]:
    """The modalities and the apps that have a demo, by name."""
    owners = [*modality.every().values(), *app.every().values()]
    return {one.name: one for one in owners if one.demo}


def train(recipe: str, data: str | Path, overrides: Sequence[str], **more: Any) -> Run:
    """castalia.train within `training.minutes`; on a machine on which no training fits into them,
    the fewest steps that are one, so that a demo always comes to its end.
    """
    import castalia
    from castalia.training.time_budget import LEAST

    try:
        return castalia.train(recipe, data, overrides, **more)
    except RecipeError as error:
        if error.where != "training.minutes":
            raise
        echo(error.what)
    shutil.rmtree(more["out"], ignore_errors=True)
    rest = [
        one for one in overrides if not one.startswith(("training.minutes=", "training.steps="))
    ]
    return castalia.train(recipe, data, [*rest, f"training.steps={LEAST}"], **more)


def count(run: Run, part: str) -> str:
    """A number of the data report, e.g. "4,520"."""
    return f"{run.about['data']['report'][part]:,}"
