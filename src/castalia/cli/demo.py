"""castalia demo image|text|music: the main job on built-in data, from nothing to a page one can
look at.
"""

from __future__ import annotations

import json
import os
import sys
import time
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from castalia.cli.console import duration, echo
from castalia.errors import RecipeError
from castalia.language import Voice, current
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.run import Run
    from castalia.training.hooks import Hook, Progress

# What fits into three minutes on two laptop cores; `castalia train image/gan` alone takes the
# recipe's own, longer budget.
BUDGETS = {
    "GAN": ("image/gan", ["training.steps=2000", "training.sample_every=250"]),
    "VAE": ("image/vae", ["training.steps=1200", "training.sample_every=400"]),
}
# Less than two minutes in all. The poems are few, so more steps would learn them by heart.
PLAYS = (
    "text/ar-small",
    "builtin/shakespeare",
    ["training.steps=120", "codec.length=128", "training.sample_every=0"],
)
POEMS = ("text/ar-small", "builtin/tang", ["training.steps=40", "training.sample_every=0"])
TUNING = [
    "training.steps=10",
    "training.batch=16",
    "training.sample_every=0",
    "training.optimiser.embedding_rate=3e-3",
]
# A VAE of lines in each language: seconds, enough to see that what lies between two lines is
# language, too.
LINES = [
    "training.steps=400",
    "training.batch=48",
    "training.precision=bf16",
    "family.word_dropout=0.4",
    "training.sample_every=0",
    "family.width=96",
    "family.heads=4",
    "family.depth=2",
    "codec.length=24",
]
WAYS = {
    "plays": (
        "text/seqvae",
        "builtin/shakespeare",
        [*LINES, "codec.tokenizer=bpe", "codec.vocab=600", "data.limit=12000"],
    ),
    "poems": ("text/seqvae", "builtin/tang", LINES),
}
FORM = "verse:7x4"
# Less than two minutes, too: chorales by eighths, eight bars in view.
CHORALES = (
    "music/ar-harmonise",
    [
        "training.steps=350",
        "training.batch=12",
        "training.sample_every=0",
        "codec.length=256",
        "family.width=96",
        "family.depth=3",
        "family.heads=4",
    ],
)
SUNG = 20  # pieces that the judges hear
JUDGED = 200  # texts


def command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="image, text or music")] = "image",
    out: Annotated[Path | None, typer.Option(help="folder; default runs/demo-KIND-<date>")] = None,
    open_page: Annotated[
        bool,
        typer.Option("--open/--no-open", help="open the page in a browser where there is a screen"),
    ] = True,
) -> int:
    """Train models on built-in data, judge them against what they have not seen, and show the
    result.
    """
    if kind not in DEMOS:
        raise RecipeError(
            say("there is no demo of '{0}'", kind),
            where="castalia demo",
            fix=f"castalia demo {', '.join(DEMOS)}",
        )
    begun = time.monotonic()
    page = DEMOS[kind](out or Path("runs") / f"demo-{kind}-{time.strftime('%Y%m%d-%H%M%S')}")
    echo(say("done in {0}", duration(time.monotonic() - begun)), say("look at: {0}", page))
    if open_page and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    return 0


def image(folder: Path) -> Path:
    """A GAN and a VAE on 5,000 pictures of clothing; the page."""
    import castalia
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.verbs.evaluate import judge

    judged, runs = {}, {}
    for name, (recipe, overrides) in BUDGETS.items():
        echo(say("{0}: training {1} on builtin/fashion, 5,000 pictures of clothing", name, recipe))
        run = castalia.train(
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


def text(folder: Path) -> Path:
    """A model of Shakespeare's plays and one of Tang poems, fine-tuned on one form, which then
    writes in it; the page.
    """
    import castalia
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.verbs.evaluate import judge

    echo(say("plays: training on builtin/shakespeare, a million characters of English"))
    plays = castalia.train(*PLAYS, out=folder / "plays")
    echo(say("poems: training on builtin/tang, four thousand poems of classical Chinese"))
    poems = castalia.train(*POEMS, out=folder / "poems")
    echo(say("poems: fine-tuning on quatrains of seven characters a line"))
    tuning = [*TUNING, f"start_from={poems.folder}"]
    tuned = castalia.train(
        "text/ar-small", _quatrains(folder / "quatrains.jsonl"), tuning, out=folder / "quatrains"
    )
    written = [sample.item for sample in castalia.sample(tuned, n=6, seed=0, constraint=FORM)]
    echo(say("a VAE of lines in each language, to go from one line to another"))
    ways = {
        name: _way(castalia.train(*plan, out=folder / f"{name}-lines"))
        for name, plan in WAYS.items()
    }
    echo(say("judging both beside counted n-grams, a compressor and texts they have not seen"))
    sections = [
        Section(
            {name: judge(run, n=JUDGED, language=current())},
            run.codec,
            {name: f"{run.folder.name}/eval/report.html"},
            heading,
            more,
        )
        for name, run, heading, more in (
            (say("a transformer, a minute old"), plays, say("Shakespeare"), {WAY: ways["plays"]}),
            (
                say("a transformer, a minute old"),
                poems,
                say("Tang poems 唐詩"),
                {
                    say("Fine-tuned, and held to {0} by a constraint", FORM): written,
                    WAY: ways["poems"],
                },
            ),
        )
    ]
    page = folder / "index.html"
    write_overview(
        page,
        sections,
        title=say("Two languages, minutes old"),
        lead=say(
            "Trained on this machine on texts that come with Castalia: plays of "
            "Shakespeare (public domain) and poems of the Tang dynasty (MIT, "
            "chinese-poetry). So little training gives the look of the language, not its "
            "sense; the numbers say how far it got."
        ),
        language=current(),
        next_steps={
            f'castalia sample {plays.folder} --stream --prompt "ROMEO:"': say("a text as it comes"),
            f"castalia sample {tuned.folder} -n 4 --constraint {FORM}": say("more quatrains"),
            f"castalia edit {folder / 'poems-lines'} interpolate "
            '"床前明月光，疑是地上霜。" "白日依山盡，黃河入海流。" --out between': say(
                "from one line to another"
            ),
            "castalia train text/ar YOUR_FOLDER": say(
                "the same with your own texts, with a larger model and more time"
            ),
        },
    )
    return page


def music(folder: Path) -> Path:
    """A model of Bach's chorales that harmonises a melody it has not seen, goes on from a
    beginning, and makes chorales of its own; the page.
    """
    import castalia
    from castalia.cli.output_folder import Batch
    from castalia.data import builtin
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.governance import provenance
    from castalia.governance.release_gate import Gate
    from castalia.modalities.music.files import score_lines
    from castalia.pages.files import Shown
    from castalia.pages.presenter import presenter_of
    from castalia.sampling.generate import generate, request_of
    from castalia.verbs.edit import folder_labels
    from castalia.verbs.evaluate import judge

    echo(say("chorales: training on builtin/chorales, 229 pieces by J. S. Bach"))
    bach = builtin.path("chorales")
    recipe, budget = CHORALES
    run = castalia.train(recipe, str(bach / "train.pieces.gz"), budget, out=folder / "chorales")
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


WAY = say(
    "From one held-out line to another, written by a VAE of lines (the first and the last are "
    "the real ones)"
)


def _way(run: Run) -> list[str]:
    """Two held-out lines, and what the run writes between them, as one text a line."""
    import castalia
    from castalia.training.setup import open_data

    codec = run.codec
    texts = [str(codec.decode(row)).strip() for row in open_data(run).validation.take(range(64)).x]
    one, other = [
        text for text in texts if len(text) >= 12 and len(codec.encode(text)) <= codec.config.length
    ][:2]
    between = castalia.edit(run, "interpolate", [one, other], steps=6)
    return ["\n".join([one, *(text.strip() for text in between[1:-1]), other])]


DEMOS = {"image": image, "text": text, "music": music}


def _quatrains(path: Path) -> Path:
    """The built-in poems of four lines of seven characters, as a table of their own."""
    import gzip

    from castalia import atomic
    from castalia.data import builtin

    with gzip.open(builtin.path("tang") / "poems.jsonl.gz", "rt", encoding="utf-8") as file:
        poems = [json.loads(line) for line in file]
    chosen = [
        poem
        for poem in poems
        if len(poem["lines"]) == 2 and all(len(line) == 16 for line in poem["lines"])
    ]
    atomic.write(path, "".join(json.dumps(poem, ensure_ascii=False) + "\n" for poem in chosen))
    return path


def count(run: Run, part: str) -> str:
    """A number of the data report, e.g. "4,520"."""
    return f"{run.about['data']['report'][part]:,}"


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


def _has_screen() -> bool:
    return sys.stdout.isatty() and (
        sys.platform == "darwin"
        or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )
