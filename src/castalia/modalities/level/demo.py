"""`castalia demo level`: a model of Sokoban levels that draws ones that can be solved, and makes
parts of them anew, under a minute.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import current, translate
from castalia.sentences import say

# Twenty seconds: 2,000 levels, two narrow layers.
BOXOBAN = (
    "level/ar",
    "builtin/boxoban",
    ["training.minutes=0.35", "training.sample_every=0", "family.width=64", "training.batch=32"],
)
DRAWN, VERSIONS, JUDGED = 24, 6, 120
AREA = "3-8,3-8"


def demo(folder: Path) -> Path:
    """A model of 2,000 Sokoban levels: new ones, each solved before it is shown, and the middle of
    one made anew; the page.
    """
    from castalia.cli.output_folder import Batch
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.governance.release_gate import Gate
    from castalia.sampling.edit import edit_of, facts_of, options_of
    from castalia.sampling.generate import generate, request_of
    from castalia.verbs.evaluate import judge

    echo(say("sokoban: training on builtin/boxoban, 2,000 levels"))
    recipe, source, budget = BOXOBAN
    run = train(recipe, source, budget, out=folder / "sokoban")
    gate, codec = Gate(run), run.codec
    model = gate.model()
    shown = {}
    batch = Batch(gate, folder / "samples")
    samples = list(generate(run, request_of(run, DRAWN, 0), model=model))
    for one in samples:
        batch.emit(one.index, one.item, gate.facts(one), caption(one.facts))
    title = say("Levels of its own, each solved before it left")
    batch.document(title)
    shown[title] = [replace(one, place="samples/") for one in batch.figures]
    chosen = edit_of("infill", codec)
    options = options_of("infill", chosen, {"steps": VERSIONS, "area": AREA})
    first = next((one.item for one in samples if "flaw" not in one.facts), samples[0].item)
    batch = Batch(gate, folder / "infill")
    for number, item in enumerate(chosen.run(model, codec, [first], options, 0, {})):
        batch.emit(number, item, gate.facts_of(**facts_of("infill", options, 0, {}), index=number))
    title = say("One level with its middle made anew")
    if batch.figures:
        batch.document(title)
        shown[title] = [replace(one, place="infill/") for one in batch.figures]
    echo(say("judging it against levels that it has not seen"))
    judged = {say("a transformer, twenty seconds old"): judge(run, n=JUDGED, language=current())}
    page = folder / "index.html"
    drawn = sum(one.facts["tries"] for one in samples)
    write_overview(
        page,
        [Section(judged, codec, dict.fromkeys(judged, "sokoban/eval/report.html"), files=shown)],
        title=say("Sokoban, twenty seconds old"),
        lead=say(
            "Trained on this machine on {0} levels of Boxoban (DeepMind, Apache-2.0). {1} levels "
            "were drawn for {2} that can be solved; their solutions are in the manifests beside "
            "them.",
            count(run, "items"),
            drawn,
            sum("flaw" not in one.facts for one in samples),
        ),
        language=current(),
        next_steps={
            f"castalia sample {run.folder} -n 20 --constraint steps:20-30": say(
                "levels with solutions of 20 to 30 pushes"
            ),
            f"castalia edit {run.folder} infill LEVEL.txt --area {AREA} --out anew": say(
                "a part of a level made anew"
            ),
            f"castalia audit {run.folder}": say("levels that are copies of training levels"),
            "castalia train level/ar LEVELS/ codec.rules=RULES.yaml": say(
                "the same with your own levels and rules"
            ),
        },
    )
    return page


def caption(facts: dict[str, Any]) -> str:
    """What stands below a level: its steps, and how many were drawn for it."""
    return translate(say("{0} pushes, draw {1}", facts.get("solution_steps", "–"), facts["tries"]))
