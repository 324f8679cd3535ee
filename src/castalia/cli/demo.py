"""castalia demo image: the main job on built-in pictures, from nothing to a page one can look at."""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from castalia.cli.console import ProgressLine, duration, say
from castalia.errors import RecipeError

if TYPE_CHECKING:
    from castalia.run import Run
    from castalia.training.hooks import Hook, Progress

# What fits into three minutes on two laptop cores; `castalia train image/gan` alone takes the recipe's own, longer budget.
BUDGETS = {
    "GAN": ("image/gan", ["training.steps=2000", "training.sample_every=250"]),
    "VAE": ("image/vae", ["training.steps=1200", "training.sample_every=400"]),
}


def command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="image")] = "image",
    out: Annotated[Optional[Path], typer.Option(help="folder; default runs/demo-image-<date>")] = None,  # noqa: UP045
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="open the page in a browser where there is a screen")] = True,
) -> int:
    """Train a GAN and a VAE on 5,000 pictures of clothing, judge them against held-out ones, and show the result."""
    if kind != "image":
        raise RecipeError(f"there is no demo of '{kind}'", where="castalia demo", fix="castalia demo image")
    from castalia import workflow
    from castalia.evaluation.overview import write_overview

    begun = time.monotonic()
    folder = out or Path("runs") / f"demo-image-{time.strftime('%Y%m%d-%H%M%S')}"
    judged, runs = {}, {}
    for name, (recipe, overrides) in BUDGETS.items():
        say(f"{name}: training {recipe} on builtin/fashion, 5,000 pictures of clothing")
        run = workflow.train(
            recipe, "builtin/fashion", overrides, out=folder / name.lower(), hooks=[ProgressLine(), _first_picture(folder / name.lower())]
        )
        say(f"{name}: judging 2,000 samples against pictures it has not seen")
        judged[name], runs[name] = workflow.judge(run), run
    page = folder / "index.html"
    example = folder / "gan"
    write_overview(
        page,
        judged,
        runs["GAN"].codec,
        title="A GAN and a VAE, minutes old",
        lead=f"Trained on this machine on {count(runs['GAN'], 'train')} of the {count(runs['GAN'], 'items')} pictures of clothing "
        "that come with Castalia (Fashion-MNIST, MIT, Zalando SE).",
        reports={name: f"{name.lower()}/eval/report.html" for name in judged},
        next_steps={
            f"castalia sample {example} -n 64": "more pictures, each with a manifest of where it came from",
            f"castalia edit {folder / 'vae'} vary PICTURE.png --out variants": "variants of a picture",
            "castalia train image/gan YOUR_FOLDER": "the same with your own pictures; sub-folders become classes",
        },
    )
    say(f"done in {duration(time.monotonic() - begun)}", f"look at: {page}")
    if open_page and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    return 0


def count(run: Run, part: str) -> str:
    """A number of the data report, e.g. "4,520"."""
    return f"{run.about['data']['report'][part]:,}"


def _first_picture(run: Path) -> Hook:
    """A hook that says where the first sheet is, as soon as there is one."""
    said: list[int] = []

    def hook(progress: Progress) -> None:
        if progress.event == "sample" and not said:
            said.append(progress.step)
            say(f"first pictures: {run / 'samples' / f'step-{progress.step:08d}.png'}", err=True)

    return hook


def _has_screen() -> bool:
    return sys.stdout.isatty() and (sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")))
