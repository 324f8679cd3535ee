"""`castalia demo table`: a model of a census that draws, completes and predicts rows, under a
minute.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import current
from castalia.sentences import say

# Twenty seconds: 8,000 rows, one layer.
CENSUS = (
    "table/ar",
    "builtin/census",
    ["training.minutes=0.33", "training.sample_every=0", "family.width=64", "training.batch=192"],
)
DRAWN, JUDGED = 2000, 600
GIVEN = {"income": ">50K", "sex": "Female"}


def demo(folder: Path) -> Path:
    """A model of 8,000 rows of the US census of 1994: a table of its own, one of rows of which two
    columns are given, and a real one with gaps filled; the page.
    """
    from castalia.cli.output_folder import Batch
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.governance.release_gate import Gate
    from castalia.sampling.generate import collected, generate, request_of
    from castalia.verbs.evaluate import judge

    echo(say("census: training on builtin/census, 8,000 rows of 15 columns"))
    recipe, source, budget = CENSUS
    run = train(recipe, source, budget, out=folder / "census")
    gate, codec = Gate(run), run.codec
    model = gate.model()
    shown = {}
    for name, given, number, title in (
        ("samples", {}, DRAWN, say("Rows of its own")),
        ("given", GIVEN, 200, say("Rows of women who earn more than 50,000 dollars")),
    ):
        request = replace(request_of(run, number, 0), given=given)
        together = collected(codec, list(generate(run, request, model=model)), request.batch)
        batch = Batch(gate, folder / name)
        batch.emit(0, together.item, gate.facts(together))
        batch.document(title)
        shown[title] = [replace(one, place=f"{name}/") for one in batch.figures]
    echo(say("judging it against rows that it has not seen"))
    judged = {say("a transformer, half a minute old"): judge(run, n=JUDGED, language=current())}
    page = folder / "index.html"
    write_overview(
        page,
        [Section(judged, codec, dict.fromkeys(judged, "census/eval/report.html"), files=shown)],
        title=say("A census, half a minute old"),
        lead=say(
            "Trained on this machine on {0} rows of the US census of 1994 (Adult, UCI, CC BY 4.0). "
            "The tables are CSV files beside this page, in the data's own columns and forms.",
            count(run, "items"),
        ),
        language=current(),
        next_steps={
            f'castalia sample {run.folder} -n 1000 --given income=">50K"': say(
                "a table of rows of which some columns are given"
            ),
            f"castalia edit {run.folder} infill YOUR.csv --out filled": say(
                "empty cells drawn given the others"
            ),
            f"castalia predict {run.folder} YOUR.csv --column income --out predicted": say(
                "a column from the others, with probabilities"
            ),
            "castalia train table/ar YOUR.csv": say("the same with your own table"),
        },
    )
    return page
