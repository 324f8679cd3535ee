"""`castalia demo audio`: a model of drums that makes new ones, fills a gap and goes from one drum
to another, under a minute.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.cli.console import echo
from castalia.cli.demo import count, train
from castalia.language import Voice, current
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.cli.output_folder import Batch
    from castalia.governance.release_gate import Gate

BUDGET = (
    "audio/flow",
    [
        "codec.seconds=0.75",
        "training.steps=1500",
        "training.minutes=0.5",
        "training.sample_every=0",
        "family.width=24",
    ],
)
GAP = "0.1-0.2"


def demo(folder: Path) -> Path:
    """A model of 55 struck sounds; the page, with players inside."""
    from castalia.cli.output_folder import Batch, class_caption
    from castalia.data import builtin
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.governance.release_gate import Gate
    from castalia.pages.files import Shown
    from castalia.pages.presenter import presenter_of
    from castalia.sampling.generate import generate, request_of
    from castalia.verbs.evaluate import judge

    echo(say("training on builtin/drums, 55 struck sounds in four classes"))
    recipe, overrides = BUDGET
    run = train(recipe, "builtin/drums", overrides, out=folder / "drums")
    codec, gate = run.codec, Gate(run)
    model = gate.model()
    echo(say("new sounds, one of each class in turn"))
    free = Batch(gate, folder / "samples")
    for sample in generate(run, request_of(run, 12, 0), model=model):
        free.emit(
            sample.index,
            sample.item,
            gate.facts(sample),
            class_caption(run, {}, sample.index),
        )
    free.document(say("New sounds"))
    drums = builtin.path("drums")
    snare, tabla = drums / "kit" / "snare_hard.wav", drums / "tabla" / "na.wav"
    kick = drums / "kick" / "808.wav"
    echo(say("a gap filled, and the way from one drum to another"))
    filled = _edited(gate, model, folder, "infill", [tabla], {"steps": 3, "gap": GAP})
    walked = _edited(gate, model, folder, "interpolate", [kick, snare], {"steps": 6})
    echo(say("judging it against sounds that it has not seen"))
    judged = {say("flow matching, half a minute old"): judge(run, language=current())}
    shows, voice = presenter_of(codec), Voice(current())
    real = []
    for number, file in enumerate((kick, snare, tabla)):
        place = folder / "given" / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        item = next(iter(codec.read(file)))
        codec.write(item, place)
        real.append(Shown([place], shows.item(item, voice), file.parent.name, place="given/"))
    heard = {
        say("New sounds"): [replace(one, place="samples/") for one in free.figures],
        say("Three of those that it learned from"): real,
        say("The tabla, its seconds {0} made anew", GAP): [
            replace(one, place="infill/") for one in filled.figures
        ],
        say("From the kick drum to the snare"): [
            replace(one, place="interpolate/") for one in walked.figures
        ],
    }
    page = folder / "index.html"
    write_overview(
        page,
        [
            Section(
                judged,
                codec,
                dict.fromkeys(judged, "drums/eval/report.html"),
                files=heard,
            )
        ],
        title=say("Drums, half a minute old"),
        lead=say(
            "Trained on this machine on {0} of the struck sounds that come with Castalia (CC0, "
            "from Sonic Pi's samples). So few and so short a training give a sketch: ten minutes "
            "with some hundred sounds of your own give more. Pictures are spectrograms: time to "
            "the right, pitch upwards. Press play; nothing is loaded from anywhere.",
            count(run, "train"),
        ),
        language=current(),
        next_steps={
            f"castalia sample {run.folder} -n 8 --cond label=kick": say("more kick drums"),
            f"castalia edit {run.folder} vary SOUND.wav --out variants": say("variants of a sound"),
            "castalia train audio/flow YOUR_FOLDER": say(
                "the same with your own sounds; sub-folders become classes"
            ),
        },
    )
    return page


def _edited(
    gate: Gate, model: Any, folder: Path, kind: str, inputs: list[Path], options: dict[str, Any]
) -> Batch:
    """Results of an edit as files in `folder`/kind."""
    import castalia
    from castalia.cli.output_folder import Batch
    from castalia.governance import provenance
    from castalia.verbs.edit import folder_labels

    names = [str(path) for path in inputs]
    batch = Batch(gate, folder / kind)
    facts = {
        "edit": kind,
        "seed": 0,
        **options,
        "cond": {},
        "inputs": provenance.describe(gate, names),
        "labels": folder_labels(gate.run, names),
    }
    for index, item in enumerate(castalia.edit(gate.run, kind, names, model=model, **options)):
        batch.emit(index, item, gate.facts_of(index=index, **facts))
    return batch
