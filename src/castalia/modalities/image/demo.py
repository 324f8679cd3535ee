"""`castalia demo image`: a GAN and a VAE of clothing, about two minutes in all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import current
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.training.hooks import Hook, Progress


# The time that each may take; `castalia train image/gan` alone takes the recipe's own.
BUDGETS = {
    "GAN": (
        "image/gan",
        ["training.steps=2000", "training.minutes=0.8", "training.sample_every=250"],
    ),
    "VAE": (
        "image/vae",
        ["training.steps=1200", "training.minutes=0.4", "training.sample_every=400"],
    ),
}


def demo(folder: Path) -> Path:
    """A GAN and a VAE on 5,000 pictures of clothing; the page."""
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.verbs.evaluate import judge

    judged, runs = {}, {}
    for name, (recipe, overrides) in BUDGETS.items():
        echo(say("{0}: training {1} on builtin/fashion, 5,000 pictures of clothing", name, recipe))
        run = train(
            recipe,
            "builtin/fashion",
            overrides,
            out=folder / name.lower(),
            hooks=[_first_picture(folder / name.lower())],
        )
        echo(say("{0}: judging 2,000 samples against pictures it has not seen", name))
        judged[name], runs[name] = judge(run, language=current()), run
    page = folder / "index.html"
    write_overview(
        page,
        [
            Section(
                judged,
                runs["GAN"].codec,
                {name: f"{name.lower()}/eval/report.html" for name in judged},
            )
        ],
        title=say("A GAN and a VAE, minutes old"),
        lead=say(
            "Trained on this machine on {0} of the {1} pictures of clothing that come "
            "with Castalia (Fashion-MNIST, MIT, Zalando SE).",
            count(runs["GAN"], "train"),
            count(runs["GAN"], "items"),
        ),
        language=current(),
        next_steps={
            f"castalia sample {folder / 'gan'} -n 64": say(
                "more pictures, each with a manifest of where it came from"
            ),
            f"castalia edit {folder / 'vae'} vary PICTURE.png --out variants": say(
                "variants of a picture"
            ),
            "castalia train image/gan YOUR_FOLDER": say(
                "the same with your own pictures; sub-folders become classes"
            ),
        },
    )
    return page


def _first_picture(run: Path) -> Hook:
    """A hook that says where the first sheet is, as soon as there is one."""
    steps: list[int] = []

    def hook(progress: Progress) -> None:
        if progress.event == "sample" and not steps:
            steps.append(progress.step)
            echo(
                say("first pictures: {0}", run / "samples" / f"step-{progress.step:08d}.png"),
                err=True,
            )

    return hook
