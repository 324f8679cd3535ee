"""Speech of the toy recipe `audio/speech`: is what it says understood?

    python benchmarks/speech.py --data data/audio [--minutes 10] [--seeds 0] [--sets NAME ...]
        [--threads 1] [--keep FOLDER]
        # adds what is missing to benchmarks/results/speech.json

    mandarin_syllables  single syllables. Recognised: of all recordings the nearest one, by dynamic
               time warping of mel cepstra (Sakoe & Chiba 1978), is that of the syllable which was
               asked for. `tone`: the nearest recording of another syllable has the same tone;
               `tone_real`: the same for the recordings themselves.
    phone_prompts_en    prompts of at most two seconds. Recognised: PocketSphinx (pip install
               pocketsphinx) chooses the sentence among all of the set. Left out where it is not
               installed.

A fifth of the recordings is held out; `seen` and `unseen` are texts of either side. `trip` are
recordings once they were spectrograms: what Griffin-Lim costs. `real`: the recordings themselves,
where the recogniser does not know them. `chance`: one of all texts.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import scipy.fft
import torch

import castalia
from castalia.captions import Caption
from castalia.data.stream import to_unit
from castalia.modalities.audio import files
from castalia.modalities.audio.codec import AudioCodec
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound
from castalia.run import Run
from castalia.sampling.generate import generate, request_of
from castalia.training.setup import open_data
from machine import RESULTS, write_result

PATH = RESULTS / "speech.json"
MANDARIN, ENGLISH = "mandarin_syllables", "phone_prompts_en"
HELD_OUT = 0.2
LONGEST = 2.0  # seconds of a prompt
LICENCES = {
    MANDARIN: "Recordings of Chen Wang, published by the speaker under CC BY-SA.",
    ENGLISH: "Recordings of Allison Smith for Digium, published under CC BY-SA 3.0.",
}
CEPSTRA = 15
QUIET = 49.0  # dB below the loudest entry: silence before and behind a syllable
RATE = 16_000  # of the recogniser

Spoken = list[tuple[Path, str]]


def syllables(data: Path) -> Spoken:
    with (data / "metadata.csv").open(encoding="utf-8") as table:
        return [
            (data / "wavs" / f"{row['id']}.wav", row["pinyin"] + row["tone"])
            for row in csv.DictReader(table)
        ]


def prompts(data: Path) -> Spoken:
    """Those of at most LONGEST seconds."""
    lines = (data / "metadata.csv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("|", 1) for line in lines]
    found = [(data / "wavs" / f"{name}.wav", text) for name, text in pairs]
    return [(path, text) for path, text in found if files.read(path).seconds <= LONGEST]


def folder_of(spoken: Spoken, folder: Path) -> Path:
    """Sounds with their texts beside them."""
    folder.mkdir()
    for number, (path, text) in enumerate(spoken):
        shutil.copy(path, folder / f"{number:03}.wav")
        (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    return folder


class Templates:
    """Recognition by the nearest recording: the texts' recordings as mel cepstra."""

    def __init__(self, codec: AudioCodec, spoken: Spoken) -> None:
        self.codec, self.texts = codec, [text for _, text in spoken]
        known = [self.cepstra(files.read(path)) for path, _ in spoken]
        self.lengths = np.array([len(one) for one in known])
        self.known = np.zeros((len(known), self.lengths.max(), CEPSTRA))
        for row, one in zip(self.known, known, strict=True):
            row[: len(one)] = one

    def cepstra(self, sound: Sound) -> np.ndarray:
        """(T, CEPSTRA) without the level and without silence at both ends."""
        codec = self.codec
        row = to_unit(codec.spec, codec.encode(sound)[None])
        bands = codec.form.loudness(row)[0].numpy()
        loud = np.flatnonzero((bands > codec.layout.loudest - QUIET).any(0))
        first, last = (loud[0], loud[-1] + 1) if len(loud) else (0, 1)
        bands = np.maximum(bands[:, first:last], codec.layout.loudest - codec.layout.span)
        return scipy.fft.dct(bands, axis=0, norm="ortho")[1 : CEPSTRA + 1].T

    def distances(self, sound: Sound) -> np.ndarray:
        """(recordings,): the mean distance along the best path."""
        query = self.cepstra(sound)
        gaps = np.linalg.norm(self.known[:, None] - query[None, :, None], axis=-1)
        rows, times, most = gaps.shape
        cost = np.full((times + 1, most + 1, rows), np.inf)
        steps = np.zeros((times + 1, most + 1, rows))
        cost[0, 0] = 0
        for i in range(1, times + 1):
            for j in range(1, most + 1):
                before = np.stack([cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]])
                taken = before.argmin(0)
                counts = np.stack([steps[i - 1, j - 1], steps[i - 1, j], steps[i, j - 1]])
                cost[i, j] = before.min(0) + gaps[:, i - 1, j - 1]
                steps[i, j] = np.take_along_axis(counts, taken[None], 0)[0] + 1
        every = np.arange(rows)
        return cost[times, self.lengths, every] / steps[times, self.lengths, every]

    def heard(self, sound: Sound, text: str) -> dict[str, bool]:
        away = self.distances(sound)
        own = self.texts.index(text)
        others = away.copy()
        others[own] = np.inf
        return {
            "recognised": bool(away.argmin() == own),
            "tone": self.texts[others.argmin()][-1] == text[-1],
        }


class Sphinx:
    """Recognition by PocketSphinx, of one sentence among those of the set whose words it knows."""

    def __init__(self, spoken: Spoken) -> None:
        from pocketsphinx import Decoder

        self.decoder = Decoder(samprate=RATE, loglevel="FATAL")
        known = {text: plain(text) for _, text in spoken}
        self.texts = {
            text: words
            for text, words in known.items()
            if words and all(self.decoder.lookup_word(word) for word in words.split())
        }
        choice = " | ".join(sorted(set(self.texts.values())))
        self.decoder.add_jsgf_string("set", f"#JSGF V1.0; grammar set; public <s> = {choice};")
        self.decoder.activate_search("set")

    def heard(self, sound: Sound, text: str) -> dict[str, bool]:
        samples = np.pad(resampled(sound.samples, sound.rate, RATE), RATE // 5)
        level = np.abs(samples).max() or 1.0
        self.decoder.start_utt()
        self.decoder.process_raw(
            (samples * (0.7 * 32767 / level)).astype(np.int16).tobytes(), False, True
        )
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return {"recognised": found is not None and found.hypstr == self.texts[text]}


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def measure(given: argparse.Namespace, name: str, seed: int, folder: Path) -> dict[str, Any]:
    spoken = (syllables if name == MANDARIN else prompts)(given.data / name)
    run = castalia.train(
        "audio/speech",
        str(folder_of(spoken, folder / "data")),
        {
            "data.consent": LICENCES[name],
            "data.validation": HELD_OUT,
            "training.minutes": given.minutes,
            "training.threads": given.threads,
            "training.seed": seed,
            "training.sample_every": 0,
        },
        out=folder / "run",
    )
    if given.keep is not None:
        shutil.copytree(run.folder, given.keep / f"{name}-{seed}", dirs_exist_ok=True)
    codec: Any = run.codec
    ear = Templates(codec, spoken) if name == MANDARIN else Sphinx(spoken)
    known = [(path, text) for path, text in spoken if text in ear.texts]
    held = unseen(run)
    caption = Caption(run.conditions["caption"])  # type: ignore[arg-type]
    sides: dict[str, Spoken] = {"seen": [], "unseen": []}
    for path, text in known:
        sides["unseen" if tuple(caption.numbers(text)) in held else "seen"].append((path, text))
    model = run.model()

    def drawn(_: Path, text: str) -> Sound:
        request = request_of(run, 1, seed, {"caption": text})
        return next(iter(generate(run, request, model=model))).item

    def trip(path: Path, _: str) -> Sound:
        return codec.decode(to_unit(codec.spec, codec.encode(files.read(path))))

    def real(path: Path, _: str) -> Sound:
        return files.read(path)

    row: dict[str, Any] = {"texts": len(known), "chance": 1 / len(known), "steps": run.last_step}
    row |= {
        f"{side}_{score}": share
        for side, those in sides.items()
        for score, share in shares(ear.heard, drawn, those).items()
    }
    row |= {f"trip_{score}": share for score, share in shares(ear.heard, trip, known).items()}
    row |= {f"real_{score}": share for score, share in shares(ear.heard, real, known).items()}
    if name == MANDARIN:  # the recogniser has them all
        del row["real_recognised"]
    return row


def unseen(run: Run) -> set[tuple[int, ...]]:
    """The held-out texts that no training text equals."""
    dataset = open_data(run)
    seen, held = (
        {tuple(one) for one in side.take(range(len(side))).cond["caption"].tolist()}
        for side in (dataset.train, dataset.validation)
    )
    return held - seen


def shares(
    heard: Callable[[Sound, str], dict[str, bool]],
    made: Callable[[Path, str], Sound],
    those: Sequence[tuple[Path, str]],
) -> dict[str, float]:
    found = [heard(made(path, text), text) for path, text in those]
    return {name: round(float(np.mean([one[name] for one in found])), 3) for name in found[0]}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--sets", nargs="+", default=[MANDARIN, ENGLISH])
    words.add_argument("--keep", type=Path, help="where runs stay, to be listened to")
    given = words.parse_args()
    torch.set_num_threads(given.threads)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    for name in given.sets:
        if name == ENGLISH and not recogniser():
            print("left out: pip install pocketsphinx", file=sys.stderr)
            continue
        for seed in given.seeds:
            if any((row["set"], row["seed"]) == (name, seed) for row in rows):
                continue
            with TemporaryDirectory() as folder:
                found = measure(given, name, seed, Path(folder))
            key = {"set": name, "seed": seed, "minutes": given.minutes, "threads": given.threads}
            rows.append({**key, **found})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            write_result("speech", {"rows": rows}, seeds=given.seeds)


def recogniser() -> bool:
    try:
        import pocketsphinx  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
