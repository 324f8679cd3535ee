"""`castalia demo series`: a model of carbon dioxide in the air that forecasts and draws, in half a
minute.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.data import builtin
from castalia.language import current
from castalia.pages.files import Shown
from castalia.sentences import say

# Fifteen seconds: 2,284 weeks in twelve stretches, one small layer.
CO2 = (
    "series/ar",
    "builtin/co2",
    [
        "training.minutes=0.25",
        "training.sample_every=0",
        "data.validation=0.25",
        "training.batch=4",
        "training.epochs=40",
        "family.width=32",
        "family.depth=1",
    ],
)
DRAWN, HORIZON = 6, 104


def demo(folder: Path) -> Path:
    """A model of carbon dioxide over Mauna Loa: two years ahead with quantiles, series of its own;
    the page.
    """
    from castalia.cli.output_folder import Batch
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.governance.release_gate import Gate
    from castalia.language import Voice
    from castalia.pages.presenter import presenter_of
    from castalia.sampling.generate import generate, request_of
    from castalia.verbs.evaluate import judge
    from castalia.verbs.forecast import forecast

    echo(say("co2: training on builtin/co2, 2,284 weeks"))
    recipe, source, budget = CO2
    run = train(recipe, source, budget, out=folder / "co2")
    gate, codec = Gate(run), run.codec
    model = gate.model()
    shown = {}
    history = builtin.path("co2") / "co2.csv"
    made = forecast(run, [history], HORIZON, model=model)
    place = folder / "forecast"
    facts = {"forecast": HORIZON, "seed": 0, **made.facts()}
    files = [
        gate.emit(part, place / (name if "." in name else f"{name}.csv"), gate.facts_of(**facts))
        for name, part in made.parts().items()
    ]
    drawing = presenter_of(codec).item(made, Voice(current()))
    shown[say("Two years ahead")] = [Shown(files, drawing, "", place="forecast/")]
    for line in made.summary():
        echo(line)
    batch = Batch(gate, folder / "samples")
    request = request_of(run, DRAWN, 0)
    for sample in generate(run, request, model=model):
        batch.emit(sample.index, sample.item, gate.facts(sample))
    batch.document(say("Series of its own"))
    shown[say("Series of its own")] = [replace(one, place="samples/") for one in batch.figures]
    echo(say("judging it against stretches that it has not seen"))
    judged = {say("a transformer, a quarter of a minute old"): judge(run, language=current())}
    page = folder / "index.html"
    write_overview(
        page,
        [Section(judged, codec, dict.fromkeys(judged, "co2/eval/report.html"), files=shown)],
        title=say("Carbon dioxide, a quarter of a minute old"),
        lead=say(
            "Trained on this machine on {0} stretches of weekly means over Mauna Loa (public "
            "domain). The forecast's tables are CSV files beside this page; the dashed line is the "
            "seasonal naive.",
            count(run, "items"),
        ),
        language=current(),
        next_steps={
            f"castalia forecast {run.folder} YOUR.csv --horizon 52 --out forecast": say(
                "your own series continued by this model"
            ),
            f"castalia edit {run.folder} infill YOUR.csv --out filled": say(
                "gaps drawn given both sides"
            ),
            "castalia train series/ar YOUR.csv": say("the same with your own series"),
        },
    )
    return page
