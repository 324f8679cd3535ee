"""`castalia demo image`: a GAN, a VAE and a flow of clothing, words to pictures and four edits;
about three minutes in all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.abilities import SampleOptions
from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import current
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.run import Run
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
    "FLOW": (
        "image/flow",
        ["training.steps=2000", "training.minutes=0.8", "training.sample_every=400"],
    ),
}
PROMPTS = ("a dress", "an ankle boot", "a bag")
DRAWN = 8  # of each prompt: a row of the page
EDITED = 8  # pictures of each edit: a row, so what came in stands above what came out
NOISE = 40  # deviation that is added before it is taken away, of 255 levels


def demo(folder: Path) -> Path:
    """A GAN, a VAE and a flow on 5,000 pictures of clothing; what the flow draws of words, and what
    it makes of pictures; the page.
    """
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
        count_judged = 2000 if name != "FLOW" else 500  # a flow draws ten times as long
        echo(say("{0}: judging {1:,} samples against pictures it has not seen", name, count_judged))
        judged[name] = judge(run, n=count_judged, language=current())
        runs[name] = run
    flow = runs["FLOW"]
    echo(say("FLOW: drawing what words say, and changing pictures"))
    page = folder / "index.html"
    write_overview(
        page,
        [
            Section(
                judged,
                runs["GAN"].codec,
                {name: f"{name.lower()}/eval/report.html" for name in judged},
                more={**_drawn_of_words(flow), **_changed(flow)},
            )
        ],
        title=say("A GAN, a VAE and a flow, minutes old"),
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
            f'castalia sample {folder / "flow"} -n 8 --prompt "{PROMPTS[0]}" --guidance 2': say(
                "pictures of what words say"
            ),
            f"castalia edit {folder / 'flow'} infill PICTURE.png --mask 8,8,9,9 --out filled": say(
                "a part of a picture made anew"
            ),
            "castalia train image/gan YOUR_FOLDER": say(
                "the same with your own pictures; sub-folders become classes"
            ),
        },
    )
    return page


def _drawn_of_words(run: Run) -> dict[str, list[Any]]:
    """Heading -> pictures, for each prompt."""
    from castalia.sampling.prompts import told_by
    from castalia.verbs.sample import sample

    options = SampleOptions(guidance=2.0)
    return {
        say("FLOW, “{0}”", prompt): [
            one.item for one in sample(run, DRAWN, 0, told_by(prompt, run.conditions, {}), options)
        ]
        for prompt in PROMPTS
    }


def _changed(run: Run) -> dict[str, list[Any]]:
    """Heading -> pictures: held-out ones, and four edits, what came in above what came out."""
    import torch

    from castalia.nn.counter_random import generator
    from castalia.sampling.edit import edits_of, options_of
    from castalia.sampling.generate import conditions_of_items
    from castalia.training.setup import open_data

    model, edits = run.model(), edits_of(run.codec)
    codec, side = run.codec, open_data(run).validation
    x = side.take(torch.arange(EDITED)).x  # type: ignore[union-attr] - pictures are a Split
    pictures = [codec.decode(row) for row in x]
    noise = torch.randn(x.shape, generator=generator("demo", "noise"))
    noisy = [codec.decode(row) for row in x + NOISE * 2 / 255 * noise]
    small = [codec.decode(row) for row in torch.nn.functional.avg_pool2d(x, 2)]
    width, height = pictures[0].size
    hole = f"{width // 4},{height // 4},{width // 2},{height // 2}"
    holes = [one.copy() for one in pictures]
    for one in holes:
        one.paste(128, (width // 4, height // 4, width * 3 // 4, height * 3 // 4))

    told = conditions_of_items(run.conditions, {}, [{}] * EDITED)

    def made(kind: str, given: list[Any], **options: Any) -> list[Any]:
        edit = edits[kind]
        return edit.run(model, codec, given, options_of(kind, edit, options), 0, told)

    return {
        say("Pictures that no model has seen"): pictures,
        say("FLOW, a hole filled"): holes + made("infill", pictures, mask=hole, steps=1),
        say("FLOW, noise taken away"): noisy + made("denoise", noisy, noise=NOISE),
        say("FLOW, enlarged twice"): small + made("upscale", small, factor=2),
        say("FLOW, varied"): made("vary", pictures, strength=0.5, steps=1),
    }


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
