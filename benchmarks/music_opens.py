"""A thousand samples of each form of music: all decode to a score, and other programs open every
file.

    python benchmarks/music_opens.py
        # about 12 minutes on 2 cores; writes benchmarks/results/music_opens.json
    python benchmarks/music_opens.py --n 20 --dry  # a smoke run

A small model of each form is trained on builtin/chorales for STEPS steps, so that samples are
neither noise nor finished. Each of its samples is written as MIDI and as MusicXML, its manifest
inside; pretty_midi and symusic open the one and must count as many notes as the score has, music21
the other, where each pitch must sound as long as in the score (music21 does not join all ties
between chords, so notes are not counted). Beside it the same number of samples from the untrained
network, decoded and read again by Castalia.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import castalia
from castalia.abilities import SampleOptions
from castalia.modalities.music.files import midi, musicxml_read, musicxml_write
from castalia.modalities.music.score import Score
from castalia.sampling.generate import generate, request_of
from machine import write_result

STEPS = 60
SMALL = [
    "family.width=64",
    "family.depth=2",
    "family.heads=4",
    "training.sample_every=0",
    "training.batch=8",
]
FORMS: dict[str, tuple[str, list[str]]] = {
    "grid": ("music/ar", [*SMALL, "codec.length=128"]),
    "chords": ("music/ar", [*SMALL, "codec.form=chords", "codec.length=64"]),
    "events": ("music/ar-events", [*SMALL, "codec.length=128"]),
    "events, merged": ("music/ar-events", [*SMALL, "codec.length=128", "codec.vocab=2048"]),
}


def opened(score: Score, folder: Path) -> dict[str, bool]:
    """By whom the score's files are opened and found to hold what it holds."""
    import music21
    import pretty_midi
    import symusic

    manifest = {"generator": "castalia benchmark", "synthetic": True}
    data, path = midi.encoded(score, manifest), folder / "a.musicxml"
    musicxml_write.write(score, path, manifest)
    notes = score.count
    found = music21.converter.parse(path, forceSource=True)
    theirs: dict[int, float] = {}
    for part in found.parts:
        for one in part.flatten().notes:
            for pitch in one.pitches:
                theirs[pitch.midi] = theirs.get(pitch.midi, 0.0) + float(one.quarterLength)
    wanted: dict[int, float] = {}
    for note in (note for part in score.parts for note in part.notes):
        wanted[note.pitch] = wanted.get(note.pitch, 0.0) + note.length / score.resolution
    return {
        "pretty_midi": sum(
            len(one.notes) for one in pretty_midi.PrettyMIDI(io.BytesIO(data)).instruments
        )
        == notes,
        "symusic": sum(len(track.notes) for track in symusic.Score.from_midi(data).tracks) == notes,
        "music21": theirs.keys() == wanted.keys()
        and all(abs(theirs[pitch] - wanted[pitch]) < 1e-3 for pitch in wanted),
        "castalia, MIDI": midi.parsed(data, "a.mid").parts
        == tuple(part for part in score.parts if part.notes),
        "castalia, MusicXML": musicxml_read.parsed(path.read_bytes(), path.name).count == notes,
    }


def measured(form: str, n: int, steps: int, folder: Path) -> dict[str, Any]:
    recipe, settings = FORMS[form]
    found: dict[str, Any] = {}
    for name, trained in (("untrained", 1), ("trained", steps)):
        rate = (
            ["training.optimiser.rate=1e-9", "training.optimiser.muon_rate=1e-9"]
            if trained == 1
            else []
        )
        run = castalia.train(
            recipe,
            "builtin/chorales",
            [*settings, *rate, f"training.steps={trained}"],
            out=folder / f"{form}-{name}",
        )
        begun, counts, notes, complete = time.perf_counter(), dict[str, int](), 0, 0
        for sample in generate(run, request_of(run, n, 0, options=SampleOptions())):
            score: Score = sample.item
            notes += score.count
            complete += score.count > 0 and run.codec.decode(run.codec.encode(score)) == score
            if trained > 1:
                for program, fine in opened(score, folder).items():
                    counts[program] = counts.get(program, 0) + fine
        found[name] = {
            "samples": n,
            "decoded": complete,
            "notes": notes,
            "opened": counts,
            "seconds": round(time.perf_counter() - begun, 1),
        }
        print(form, name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--dry", action="store_true", help="write no result")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {form: measured(form, given.n, given.steps, Path(folder)) for form in FORMS}
    if not given.dry:
        write_result("music_opens", {"steps": given.steps, "forms": results}, seeds=[0])


if __name__ == "__main__":
    main()
