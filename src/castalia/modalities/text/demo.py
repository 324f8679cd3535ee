"""`castalia demo text`: models of plays and of poems, about a minute in all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from castalia.cli.console import echo
from castalia.cli.demo import train
from castalia.language import current
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.run import Run


# About a minute in all, whatever the machine. The poems are few, so more steps would learn them by
# heart.
PLAYS = (
    "text/ar-small",
    "builtin/shakespeare",
    ["training.steps=120", "codec.length=128", "training.minutes=0.4", "training.sample_every=0"],
)


POEMS = (
    "text/ar-small",
    "builtin/tang",
    ["training.steps=40", "training.minutes=0.2", "training.sample_every=0"],
)


TUNING = [
    "training.steps=10",
    "training.batch=16",
    "training.minutes=0.15",
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
    "training.minutes=0.15",
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
JUDGED = 200  # texts


def demo(folder: Path) -> Path:
    """A model of Shakespeare's plays and one of Tang poems, fine-tuned on one form, which then
    writes in it; the page.
    """
    import castalia
    from castalia.evaluation.overview_page import Section, write_overview
    from castalia.verbs.evaluate import judge

    echo(say("plays: training on builtin/shakespeare, a million characters of English"))
    plays = train(*PLAYS, out=folder / "plays")
    echo(say("poems: training on builtin/tang, four thousand poems of classical Chinese"))
    poems = train(*POEMS, out=folder / "poems")
    echo(say("poems: fine-tuning on quatrains of seven characters a line"))
    tuning = [*TUNING, f"start_from={poems.folder}"]
    tuned = train(
        "text/ar-small", _quatrains(folder / "quatrains.jsonl"), tuning, out=folder / "quatrains"
    )
    written = [sample.item for sample in castalia.sample(tuned, n=6, seed=0, constraint=FORM)]
    echo(say("a VAE of lines in each language, to go from one line to another"))
    ways = {name: _way(train(*plan, out=folder / f"{name}-lines")) for name, plan in WAYS.items()}
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
