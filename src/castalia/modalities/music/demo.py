"""`castalia demo music`: a model of chorales that harmonises a melody, about a minute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import Voice, current
from castalia.modalities.music.files import score_lines
from castalia.sentences import say

if TYPE_CHECKING:
    pass


# Half a minute: chorales by eighths, eight bars in view.
CHORALES = (
    "music/ar-harmonise",
    [
        "training.steps=350",
        "training.batch=12",
        "training.minutes=0.5",
        "training.sample_every=0",
        "codec.length=256",
        "family.width=96",
        "family.depth=3",
        "family.heads=4",
    ],
)


SUNG = 20  # pieces that the judges hear


def demo(folder: Path) -> Path:
    """A model of Bach's chorales that harmonises a melody it has not seen, goes on from a
    beginning, and makes chorales of its own; the page.
    """
    import castalia
    from castalia.cli.output_folder import Batch
    from castalia.data import builtin
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.governance import provenance
    from castalia.governance.release_gate import Gate
    from castalia.pages.files import Shown
    from castalia.pages.presenter import presenter_of
    from castalia.sampling.generate import generate, request_of
    from castalia.verbs.edit import folder_labels
    from castalia.verbs.evaluate import judge

    echo(say("chorales: training on builtin/chorales, 229 pieces by J. S. Bach"))
    bach = builtin.path("chorales")
    recipe, budget = CHORALES
    run = train(recipe, str(bach / "train.pieces.gz"), budget, out=folder / "chorales")
    codec = run.codec
    # of those that it has not seen, the shortest
    real = min(score_lines.read(bach / "valid.pieces.gz"), key=lambda score: score.end)
    bar = 4 * real.resolution
    given = {
        "chorale": real,
        "soprano": replace(real, parts=real.parts[:1]),
        "beginning": real.cut(0, 2 * bar),
    }
    (folder / "given").mkdir(parents=True, exist_ok=True)
    for name, score in given.items():
        codec.write(score, folder / "given" / f"{name}.mid")
    gate = Gate(run)
    model = gate.model()
    echo(say("harmonising a soprano that it has not seen"))
    melody = str(folder / "given" / "soprano.mid")
    filling: dict[str, Any] = {"keep": ["soprano"], "redraw": 8}
    asked = {"edit": "infill", "seed": 0, "steps": 2, "strength": 0.5, "cond": {}, **filling}
    harmonised = Batch(gate, folder / "harmonised", ("mid", "musicxml", "wav"))
    facts = {
        **asked,
        "inputs": provenance.describe(gate, [melody]),
        "labels": folder_labels(run, [melody]),
    }
    for index, item in enumerate(
        castalia.edit(run, "infill", [melody], steps=2, model=model, **filling)
    ):
        harmonised.emit(index, item, gate.facts_of(index=index, **facts))
    echo(say("chorales of its own, and one that goes on from two bars of Bach"))
    free, continued = Batch(gate, folder / "samples"), Batch(gate, folder / "continued")
    for batch, prompt, number in ((free, None, 4), (continued, given["beginning"], 2)):
        for sample in generate(
            run, replace(request_of(run, number, 0), prompt=prompt), model=model
        ):
            batch.emit(sample.index, sample.item, gate.facts(sample))
    for batch, title in (
        (harmonised, say("A soprano, harmonised")),
        (free, say("Chorales of its own")),
        (continued, say("Two bars of Bach, and on")),
    ):
        batch.document(title)
    echo(say("judging it against chorales that it has not seen"))
    judged = {say("a transformer, a minute old"): judge(run, n=SUNG, language=current())}
    codec.write(real, folder / "given" / "chorale.wav")
    bachs = Shown(
        [folder / "given" / "chorale.mid", folder / "given" / "chorale.wav"],
        presenter_of(codec).item(real, Voice(current())),
        place="given/",
    )
    heard = {
        say(
            "The soprano of a chorale that it has not seen, with three voices by the "
            "model (bars with parallels are drawn again)"
        ): [replace(one, place="harmonised/") for one in harmonised.figures],
        say("The same chorale by Bach"): [bachs],
        say("Its first two bars, and how the model goes on"): [
            replace(one, place="continued/") for one in continued.figures
        ],
        say("Chorales of its own"): [replace(one, place="samples/") for one in free.figures],
    }
    page = folder / "index.html"
    write_overview(
        page,
        [
            Section(
                judged,
                codec,
                dict.fromkeys(judged, "chorales/eval/report.html"),
                files=heard,
            )
        ],
        title=say("Chorales, a minute old"),
        lead=say(
            "Trained on this machine on {0} chorales of J. S. Bach that come with "
            "Castalia (public domain). Colours are voices: soprano, "
            "alto, tenor and bass from red to blue. Press play: the sound lies beside this page.",
            count(run, "items"),
        ),
        language=current(),
        next_steps={
            f"castalia edit {run.folder} infill {melody} --keep soprano --redraw 8 --out "
            "harmonised": say("another harmony; any melody as MIDI or MusicXML will do"),
            f"castalia sample {run.folder} -n 4 --format musicxml": say(
                "more chorales, for a notation program"
            ),
            "castalia train music/ar-events YOUR_FOLDER": say(
                "the same with your own MIDI or MusicXML files"
            ),
        },
    )
    return page
