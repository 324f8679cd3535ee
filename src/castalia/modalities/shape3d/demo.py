"""`castalia demo shape3d`: a VAE of furniture, under a minute."""

from __future__ import annotations

from pathlib import Path

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import current
from castalia.sentences import say

RECIPE = "shape3d/vae"
BUDGET = ["training.steps=800", "training.minutes=0.3", "training.sample_every=0"]
JUDGED = 20  # samples, the fewest that are judged
WAY = ("chair/chair.ply", "chair/armchair2.ply", "table/table.ply")


def demo(folder: Path) -> Path:
    """A VAE on 31 models of furniture, the way between three of them, and variants of one; the
    page.
    """
    import castalia
    from castalia.data import builtin
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.verbs.evaluate import judge

    echo(say("VAE: training {0} on builtin/furniture, 31 models", RECIPE))
    run = train(RECIPE, "builtin/furniture", BUDGET, out=folder / "vae")
    echo(say("VAE: judging {0} samples against models it has not seen", JUDGED))
    judged = {"VAE": judge(run, n=JUDGED, language=current())}
    furniture = builtin.path("furniture")
    model = run.model()
    files = [furniture / name for name in WAY]
    way = castalia.edit(run, "interpolate", files, steps=4, model=model)
    variants = castalia.edit(run, "vary", files[-1:], steps=6, strength=0.4, model=model)
    page = folder / "index.html"
    write_overview(
        page,
        [
            Section(
                judged,
                run.codec,
                {"VAE": "vae/eval/report.html"},
                more={
                    say("From a chair to an armchair to a table, all in between made up"): way,
                    say("Variants of a table"): variants,
                },
            )
        ],
        title=say("Furniture, half a minute old"),
        lead=say(
            "Trained on this machine on {0} of the {1} models of furniture that come with Castalia "
            "(CC0, authors of BlendSwap). So few shapes and so little time give rough ones; every "
            "one is a closed mesh.",
            count(run, "train"),
            count(run, "items"),
        ),
        language=current(),
        next_steps={
            f"castalia sample {folder / 'vae'} -n 8 --format stl": say(
                "more shapes, for a 3-D printer"
            ),
            f"castalia edit {folder / 'vae'} vary MODEL.glb --out variants": say(
                "variants of a shape"
            ),
            "castalia train shape3d/vae YOUR_FOLDER": say(
                "the same with your own models; sub-folders become classes"
            ),
        },
    )
    return page
