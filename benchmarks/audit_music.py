"""Does the copy audit find copied music, and how often is it wrong?

    python benchmarks/audit_music.py --data FOLDER
        writes benchmarks/results/audit_music.json; FOLDER has music/ (see CORPORA)
    python benchmarks/audit_music.py --data FOLDER --quick --out DIR
        smoke test: one corpus, one split, few copies

As benchmarks/audit.py does it for pictures and texts. Pieces that share most of a melody with an
earlier one are left out first (Bach set many tunes several times; a folk tune stands in a
collection under several names). Each corpus is cut in three by pieces: training, held-out pieces
that set the threshold, and fresh ones that nothing was set on. The fresh ones, in passages of
WINDOW quarter notes, are the samples of a perfect model; passages of training pieces are planted
among them, altered by code of this file. Found: the audit's distance of a planted copy lies below
its threshold. False alarms: that of a fresh passage does. Over SPLITS splits; in each, ROUNDS
audits of fresh passages with 1% of copies, and one of fresh passages alone, give the verdicts.

The matcher's constants were chosen on TUNED, whose row is marked, and on lead sheets that are not
judged here, with other splits.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from castalia import registry
from castalia.data.file_discovery import walk
from castalia.errors import DataError
from castalia.modalities.music.copies import Music
from castalia.modalities.music.melody import lines, motifs, pitched
from castalia.modalities.music.score import Note, Score
from machine import HERE, write_result
from planting import GOALS, counts, pooled

CORPORA = {
    "chorales": "music/jsb_chorales/midi",
    "nottingham": "music/nottingham_folk/midi",
    "pop909": "music/pop909_piano/midi",
}
TUNED = ("chorales",)
SPLITS, PLANTED, ROUNDS, MOST = 3, 100, 20, 1000
WINDOW, FEWEST = 32.0, 24  # quarter notes of a passage, and notes that it must have
RUN, REPEATED = 8, 0.3  # share of its runs of RUN steps that a piece may have from earlier ones
CODEC = SimpleNamespace(native=Score, name="music", spec=None)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True, help="folder with music/")
    options.add_argument("--only", nargs="*", help="corpora by name; nothing is written")
    options.add_argument("--quick", action="store_true", help="smoke test")
    options.add_argument("--out", type=Path, default=HERE / "results")
    given = options.parse_args()
    planted, rounds, splits = (10, 2, 1) if given.quick else (PLANTED, ROUNDS, SPLITS)
    rows = []
    for name in given.only or (["chorales"] if given.quick else list(CORPORA)):
        rows.append(judged(name, given.data / CORPORA[name], planted, rounds, splits))
        print(line(rows[-1]), flush=True)
    if not given.only:
        write_result(
            "audit_music",
            {"rows": rows, "goals": GOALS},
            seeds=list(range(splits)),
            folder=given.out,
        )


def judged(name: str, folder: Path, planted: int, rounds: int, splits: int) -> dict[str, Any]:
    """One corpus: shares found by kind, false alarms and verdicts, over all splits."""
    read = pieces_of(folder)
    pieces = distinct(read)
    found = [one_split(pieces, planted, rounds, seed) for seed in range(splits)]
    return {
        "name": name,
        "tuned": name in TUNED,
        "splits": splits,
        "pieces": len(read),
        "distinct": len(pieces),
        "passages": [found[0][part] for part in ("training", "held", "fresh")],
        **pooled(found, COUNTED),
    }


def one_split(pieces: list[Score], planted: int, rounds: int, seed: int) -> dict[str, Any]:
    """65% of the pieces train, half of the others set the threshold, the other half are fresh.
    Counts.
    """
    rng = random.Random(seed)
    order = rng.sample(range(len(pieces)), len(pieces))
    first, second = round(0.65 * len(order)), round(0.825 * len(order))
    training, held, fresh = (
        [pieces[place] for place in part]
        for part in (order[:first], order[first:second], order[second:])
    )
    matcher = Music(CODEC, training)  # type: ignore[arg-type]
    held_out, alone = (matcher.match(_passages(part)[:MOST]).distance for part in (held, fresh))
    hosts = _passages(training)
    copies = {}
    for kind, alter in ALTERED.items():
        made = [alter(host, rng) for host in (rng.choice(hosts) for _ in range(planted))]
        copies[kind] = matcher.match(made).distance
    rng_of_rounds = torch.Generator().manual_seed(seed)
    return {
        "training": len(training),
        **counts(held_out, alone, copies, COUNTED, Music.farthest, rounds, rng_of_rounds),
    }


# Pieces -------------------------------------------------------------------------------------------


def pieces_of(folder: Path) -> list[Score]:
    maker: Any = registry.resolve("codec", "music")
    codec = maker(maker.Config())
    found: list[Score] = []
    for path in walk(folder):
        if codec.claims(path.name):
            try:
                found += list(codec.read(path))
            except DataError as error:
                print(f"left out: {error.what} ({path.name})")
    return found


def distinct(pieces: list[Score]) -> list[Score]:
    seen: set[bytes] = set()
    kept = []
    for piece in pieces:
        # the first part is the tune in all three; accompaniments are alike by nature
        rows = [motifs(line) for line in lines(piece)[:1]]
        runs = {row[at : at + RUN].tobytes() for row in rows for at in range(len(row) - RUN + 1)}
        if len(runs & seen) <= REPEATED * len(runs):
            kept.append(piece)
        seen |= runs
    return kept


def _passages(pieces: list[Score]) -> list[Score]:
    """Passages of WINDOW quarter notes, end to end."""
    found = []
    for piece in pieces:
        width = round(WINDOW * piece.resolution)
        for first in range(0, piece.end, width):
            cut = [
                [
                    note._replace(start=note.start - first)
                    for note in part.notes
                    if first <= note.start < first + width
                ]
                for part in piece.parts
            ]
            made = replace(
                piece,
                parts=tuple(
                    replace(part, notes=tuple(notes))
                    for part, notes in zip(piece.parts, cut, strict=True)
                ),
            )
            if sum(len(part.notes) for part in pitched(made)) >= FEWEST:
                found.append(made)
    return found


# Planting -----------------------------------------------------------------------------------------


def _each(score: Score, change: Callable[[Note], list[Note]]) -> Score:
    return replace(
        score,
        parts=tuple(
            replace(part, notes=tuple(sorted(new for note in part.notes for new in change(note))))
            for part in score.parts
        ),
    )


def _transposed(score: Score, rng: random.Random) -> Score:
    shift = rng.choice([-1, 1]) * rng.randint(1, 7)
    return _each(score, lambda note: [note._replace(pitch=min(127, max(0, note.pitch + shift)))])


def _tempo(score: Score, rng: random.Random) -> Score:
    above, below = rng.choice([(1, 2), (2, 3), (3, 2), (2, 1)])
    fine = _each(
        score, lambda note: [note._replace(start=note.start * above, length=note.length * above)]
    )
    return replace(fine, resolution=score.resolution * below)


def _one_part(score: Score, rng: random.Random) -> Score:
    """The tune: the part with the most notes, its accompaniment gone, in another key."""
    parts = sorted(pitched(score), key=lambda part: -len({note.start for note in part.notes}))
    return _transposed(replace(score, parts=(parts[0],)), rng)


def _wrong_notes(score: Score, rng: random.Random) -> Score:
    """One note in ten is another."""
    return _each(
        score,
        lambda note: (
            [note._replace(pitch=min(127, max(0, note.pitch + rng.choice([-3, -2, -1, 1, 2, 3]))))]
            if rng.random() < 0.1
            else [note]
        ),
    )


def _ornamented(score: Score, rng: random.Random) -> Score:
    """One note in ten becomes three: itself, its upper neighbour, itself."""

    def turned(note: Note) -> list[Note]:
        if rng.random() >= 0.1 or note.length < 4:
            return [note]
        quarter = note.length // 4
        above = note._replace(
            start=note.start + quarter, length=quarter, pitch=min(127, note.pitch + 2)
        )
        return [
            note._replace(length=quarter),
            above,
            note._replace(start=note.start + 2 * quarter, length=note.length - 2 * quarter),
        ]

    return _each(score, turned)


def _four_bars(score: Score, rng: random.Random) -> Score:
    """A quotation: half of the passage, in another key."""
    return _transposed(_cut(score, WINDOW / 2), rng)


def _cut(score: Score, length: float) -> Score:
    return _each(score, lambda note: [note] if note.start < length * score.resolution else [])


ALTERED: dict[str, Callable[[Score, random.Random], Score]] = {
    "exact": lambda score, rng: score,
    "transposed": _transposed,
    "another tempo": _tempo,
    "the tune alone, transposed": _one_part,
    "one note in ten wrong": _wrong_notes,
    "ornamented": _ornamented,
    "half of it, transposed": _four_bars,
}
# the goal speaks of copies, not of quotations
COUNTED = tuple(kind for kind in ALTERED if not kind.startswith("half"))


def line(row: dict[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {found['value']:.0%}" for kind, found in row["by_kind"].items())
    return (
        f"{row['name']:12} {row['distinct']} of {row['pieces']} pieces; found "
        f"{row['found']['value']:.1%} ({kinds}); false alarms "
        f"{row['false_alarms']['value']:.2%} of {row['false_alarms']['n']}, reported "
        f"{row['reported_false_alarms']['value']:.2%}; says copies: with 1% "
        f"{row['verdict_copies_with_1_percent']['value']:.0%}, without "
        f"{row['verdict_copies_without']} of {row['splits']}; thresholds "
        f"{row['thresholds']}"
    )


if __name__ == "__main__":
    main()
