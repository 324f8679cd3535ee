"""`castalia demo video`: a flow of animated emoji, a minute old: drawn, continued, repaired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import current
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.run import Run

OVERRIDES = ["training.steps=600", "training.minutes=0.5", "training.sample_every=150"]
SHOWN, JUDGED = 8, 96


def demo(folder: Path) -> Path:
    """A flow on 96 clips; the page."""
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.verbs.evaluate import judge

    echo(say("FLOW: training {0} on builtin/emoji, {1} animated emoji", "video/flow", 96))
    run = train("video/flow", "builtin/emoji", OVERRIDES, out=folder / "flow")
    echo(say("FLOW: judging {0} clips", JUDGED))
    judged = judge(run, n=JUDGED, language=current())
    page = folder / "index.html"
    write_overview(
        page,
        [
            Section(
                {"FLOW": judged},
                run.codec,
                {"FLOW": "flow/eval/report.html"},
                more=_repaired(run),
            )
        ],
        title=say("A flow of clips, a minute old"),
        lead=say(
            "Trained on this machine on {0} of the {1} animated emoji that come with Castalia "
            "(Fluent Emoji, MIT, Microsoft). So few clips and so short a training give moving "
            "shapes, not emoji.",
            count(run, "train"),
            count(run, "items"),
        ),
        language=current(),
        next_steps={
            f"castalia sample {folder / 'flow'} -n 16": say("more clips, each with a manifest"),
            f"castalia edit {folder / 'flow'} predict CLIP.gif --given 4 --out next": say(
                "how a clip goes on"
            ),
            "castalia train video/flow YOUR_FOLDER": say(
                "the same with your own clips; sub-folders become classes"
            ),
        },
    )
    return page


def _repaired(run: Run) -> dict[str, list[Any]]:
    """Heading -> clips: held-out ones and what the run makes of parts of them."""
    import torch

    from castalia.modalities.video.repair import filled, predicted
    from castalia.sampling.generate import conditions_of_items
    from castalia.training.setup import open_data

    side: Any = open_data(run).validation
    clips = [run.codec.decode(row) for row in side.take(torch.arange(min(SHOWN, len(side)))).x]
    model, told = run.model(), conditions_of_items(run.conditions, {}, [{}] * len(clips))
    return {
        say("Clips that the model has not seen"): clips,
        say("FLOW, gone on after four frames"): predicted(
            model, run.codec, clips, told, given=4, seed=0
        ),
        say("FLOW, frames 3 to 6 made anew"): filled(
            model, run.codec, clips, told, missing="3-6", mask=None, count=1, seed=0
        ),
    }
