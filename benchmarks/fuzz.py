"""Readers of files from strangers, fed with altered bytes: only CastaliaError may come out, soon.
What was tried, for how long, and what was found.

python benchmarks/fuzz.py --seconds 240
    # all readers, one after another; writes benchmarks/results/fuzz.json
python benchmarks/fuzz.py --seconds 60 midi run.json  # some of them; results of the others stay

With `pip install atheris` (libFuzzer: inputs that reach new code are kept and altered further);
without it, alterations of valid files at random (castalia/testing/malformed.py). Each reader runs
in a process of its own. A finding is an exception that is no CastaliaError, told apart by its type
and the line of Castalia that it came through, or an input that took longer than SLOW seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["CASTALIA_HOME"] = tempfile.mkdtemp(prefix="castalia-fuzz-")

from machine import RESULTS, write_result

SLOW = 5.0  # seconds of CPU
LARGEST = 1 << 14  # bytes of an input
MODULES = [
    "castalia.bounded",
    "castalia.codecs",
    "castalia.run",
    "castalia.run_files",
    "castalia.tensor_file",
    "castalia.data.metadata",
    "castalia.governance",
]

Reader = Callable[[Path], Any]
# ending, valid inputs, and what reads a file of altered ones
Target = tuple[str, list[bytes], Reader]


def music(suffix: str) -> Target:
    from castalia.modalities.music.codec import MusicCodec
    from castalia.modalities.music.score import Note, Part, Score, Tempo

    codec = MusicCodec()
    score = Score(
        (Part("a", 0, False, (Note(0, 24, 60), Note(24, 24, 64))),), 24, (Tempo(0, 96.0),)
    )

    def read(path: Path) -> None:
        MusicCodec.read_manifest(path)
        if suffix != ".wav":
            list(codec.read(path))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        codec.write(score, path, {"generator": "castalia 0", "synthetic": True})
        data = path.read_bytes()
    if suffix == ".wav":  # its sound is left out: one second has more bytes than LARGEST
        data = (
            data[: data.index(b"data") + 4] + bytes(4)
            if data.index(b"LIST") < data.index(b"data")
            else data[:12] + data[data.index(b"LIST") :]
        )
    return suffix, [data], read


def packed_music() -> Target:
    _, seeds, read = music(".musicxml")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="a.musicxml"/></rootfiles></container>',
        )
        archive.writestr("a.musicxml", seeds[0])
    return ".mxl", [file.getvalue()], read


def array(suffix: str) -> Target:
    import numpy as np

    from castalia.modalities.array.codec import ArrayCodec

    codec, file = ArrayCodec(), io.BytesIO()
    if suffix == ".npz":
        np.savez_compressed(file, x=np.zeros((2, 3), dtype=np.float32), y=np.array([0, 1]))
    elif suffix == ".npy":
        np.save(file, np.zeros((2, 3), dtype=np.float32))
    else:
        file.write(b"\0\0\x08\x02" + (2).to_bytes(4, "big") + (3).to_bytes(4, "big") + bytes(6))

    def read(path: Path) -> None:
        list(codec.read(path))
        list(codec.contents(path))
        codec.read_manifest(path)

    return suffix, [file.getvalue()], read


def picture() -> Target:
    import PIL.Image

    from castalia.modalities.image.codec import ImageCodec

    codec = ImageCodec()

    def read(path: Path) -> None:
        manifest = codec.read_manifest(path)
        codec.is_labelled(path, manifest or {})
        codec.content(path)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        codec.write(
            PIL.Image.new("L", (4, 4)),
            path,
            {"generator": "castalia 0", "synthetic": True, "AIGC": {"Label": "1"}},
        )
        return ".png", [path.read_bytes()], read


def part_of_run(name: str) -> Target:
    """One file of a run of pictures that has no weights."""
    import numpy as np
    import PIL.Image

    from castalia import recipe
    from castalia.modalities.image.codec import ImageCodec
    from castalia.run import Run

    plan = recipe.load("image/vae", overrides=["data.source=x", "codec.size=4"])
    codec = ImageCodec(plan.codec.config)
    codec.fit([PIL.Image.fromarray(np.zeros((4, 4), dtype=np.uint8))])
    report = {
        "distinct": 4,
        "train": 3,
        "validation": 1,
        "ignored": {},
        "notes": [],
        "duplicates": {"copies": 0, "examples": []},
    }
    about = {
        "data": {"fingerprint": "f", "licence": None, "report": report},
        "parameters": 1,
        "precision": "fp32",
        "recipe": plan.as_dict(),
    }
    folder = Run.create(plan, codec, {}, about, Path(tempfile.mkdtemp()) / "run").folder
    seed = (folder / name).read_bytes()

    def read(path: Path) -> None:
        (folder / name).write_bytes(path.read_bytes())
        run = Run.open(folder)
        _ = (
            run.about,
            run.recipe.as_dict(),
            run.trained_recipe.as_dict(),
            run.spec,
            run.conditions,
            run.metrics(),
        )

    return Path(name).suffix, [seed], read


def tokenizer() -> Target:
    from castalia.modalities.text.tokenizers import Specials, learn_merges, load_foreign

    text = learn_merges(
        ["a text of words and a text again"] * 3, 300, Specials.first(True, False)
    ).to_json()
    return ".json", [text.encode()], lambda path: load_foreign(str(path), True, False)


def table(suffix: str, seed: str) -> Target:
    from castalia.data import metadata

    return suffix, [seed.encode()], lambda path: metadata.load(path, ["label"])


def manifest() -> Target:
    from castalia import bounded
    from castalia.governance import ai_mark
    from castalia.governance import manifest as manifests

    facts: dict[str, Any] = {
        "schema": 1,
        "generator": "castalia 0",
        "seed": 1,
        "index": 0,
        "rows": 1,
        "row": 0,
        "options": {"stop": []},
    }
    ai_mark.seal(facts, "0" * 64)

    def read(path: Path) -> None:
        raw = bounded.parse_json(bounded.read_bytes(path, "json_bytes"))
        if isinstance(raw, dict):
            manifests.damage(raw)
            ai_mark.is_sealed(raw)

    return ".json", [json.dumps(facts).encode()], read


def chain() -> Target:
    from castalia.governance import ledger

    path = Path(tempfile.mkdtemp()) / "ledger.jsonl"
    for number in range(3):
        ledger.append(path, {"event": "released", "content": str(number)})
    return ".jsonl", [path.read_bytes()], lambda path: ledger.verify(path)


def policy() -> Target:
    from castalia.governance.policy import Policy

    text = (
        "format: 1\nblocked:\n  - {id: a, terms: [x, 苍鹭], applies: both}\noptions:\n  - "
        "{id: b, option: temperature, most: 1.2}\nsimilarity: {id: c, most: 0.9}\n"
    )
    return ".yaml", [text.encode()], Policy.load


def recipe_file() -> Target:
    from castalia import recipe

    return (
        ".yaml",
        [recipe.load("image/vae", overrides=["data.source=x"]).to_yaml().encode()],
        lambda path: recipe.load(path),
    )


def tensors() -> Target:
    import torch

    from castalia import tensor_file
    from castalia.run import dump

    return (
        ".safetensors",
        [dump({"a": torch.zeros(2, 2), "b": torch.ones(3, dtype=torch.int64)})],
        tensor_file.read,
    )


READERS: dict[str, Callable[[], Target]] = {
    "midi": lambda: music(".mid"),
    "musicxml": lambda: music(".musicxml"),
    "idx": lambda: array(".idx"),
    "npz": lambda: array(".npz"),
    "run.json": lambda: part_of_run("run.json"),
    "manifest": manifest,
    "png": picture,
    "mxl": packed_music,
    "wav": lambda: music(".wav"),
    "npy": lambda: array(".npy"),
    "codec.json": lambda: part_of_run("codec.json"),
    "recipe.yaml": recipe_file,
    "ledger": chain,
    "policy": policy,
    "safetensors": tensors,
    "tokenizer.json": tokenizer,
    "metadata.csv": lambda: table(".csv", "file_name,label\na.png,x\nb.png,y\n"),
    "metadata.jsonl": lambda: table(
        ".jsonl", '{"file_name": "a.png", "label": "x"}\n{"file_name": "b.png", "label": 3}\n'
    ),
}


class Tally:
    """What one reader was given and what came out; kept in a file, because libFuzzer ends the
    process itself.
    """

    def __init__(self, name: str, out: Path) -> None:
        self.out, self.saved = out, 0.0
        self.executions = self.accepted = 0
        self.findings: dict[str, dict[str, str]] = {}
        self.suffix, self.seeds, self.reader = READERS[name]()
        memory = Path("/dev/shm")
        self.path = (
            Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None)) / f"input{self.suffix}"
        )
        self.begun = time.monotonic()  # imports are not counted

    def one(self, data: bytes) -> None:
        """Reads a file with these bytes."""
        from castalia.errors import CastaliaError

        self.path.write_bytes(data)
        begun = time.process_time()
        try:
            self.reader(self.path)
            self.accepted += 1
        except CastaliaError:
            pass
        except Exception as error:
            frames = [
                frame
                for frame in traceback.extract_tb(error.__traceback__)
                if "/castalia/" in frame.filename
            ]
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
            self._add(f"{type(error).__name__} {where}", str(error)[:300], data)
        if time.process_time() - begun > SLOW:
            self._add("slow", f"{time.process_time() - begun:.1f} s", data)
        self.executions += 1
        if time.monotonic() - self.saved > 1:
            self.save()

    def _add(self, kind: str, says: str, data: bytes) -> None:
        if kind not in self.findings:
            self.findings[kind] = {"says": says, "input": data[:2000].hex()}
            self.save()

    def save(self) -> None:
        self.saved = time.monotonic()
        counts = {"executions": self.executions, "accepted": self.accepted}
        self.out.write_text(
            json.dumps(
                {"seconds": round(self.saved - self.begun, 1), **counts, "findings": self.findings}
            )
        )


def feed(name: str, seconds: float, out: Path, engine: str, seed: int) -> None:
    """Feeds one reader; does not return with atheris."""
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=MODULES):
            tally = Tally(name, out)
        corpus = Path(tempfile.mkdtemp())
        for number, data in enumerate(tally.seeds):
            (corpus / str(number)).write_bytes(data)
        options = [
            f"-max_total_time={int(seconds)}",
            f"-max_len={LARGEST}",
            f"-seed={seed}",
            "-rss_limit_mb=6000",
            "-timeout=60",
            str(corpus),
        ]
        atheris.Setup([sys.argv[0], *options], tally.one)
        atheris.Fuzz()
    from castalia.testing.malformed import altered

    tally, rng = Tally(name, out), random.Random(seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tally.one(altered(rng.choice(tally.seeds), rng))
    tally.save()


def measured(name: str, seconds: float, engine: str, seed: int) -> dict[str, Any]:
    """One reader in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tally.json"
        words = [
            sys.executable,
            __file__,
            name,
            "--seconds",
            str(seconds),
            "--seed",
            str(seed),
            "--engine",
            engine,
            "--into",
            str(out),
        ]
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=seconds + 300
        )
        tally = (
            json.loads(out.read_text())
            if out.is_file()
            else {"seconds": 0, "executions": 0, "accepted": 0, "findings": {}}
        )
    if done.returncode:
        tally["findings"][f"the process ended with {done.returncode}"] = {
            "says": done.stderr[-600:],
            "input": "",
        }
    return {"engine": engine, **tally}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", nargs="*", help="; ".join(READERS))
    parser.add_argument("--seconds", type=float, default=240, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--engine",
        choices=("atheris", "random"),
        default="atheris" if importlib.util.find_spec("atheris") else "random",
    )
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)  # the process of one reader
    options = parser.parse_args()
    if options.into:
        feed(options.readers[0], options.seconds, options.into, options.engine, options.seed)
        return
    earlier = RESULTS / "fuzz.json"
    results: dict[str, Any] = (
        json.loads(earlier.read_text())["results"]["readers"] if earlier.is_file() else {}
    )
    for name in options.readers or READERS:
        results[name] = one = measured(name, options.seconds, options.engine, options.seed)
        print(
            f"{name:<16} {one['seconds']:>6} s  {one['executions']:>9,} inputs, "
            f"{one['accepted']:,} read; findings: {list(one['findings'])}",
            flush=True,
        )
        write_result(
            "fuzz",
            {"largest_input_bytes": LARGEST, "slow_seconds": SLOW, "readers": results},
            seeds=[options.seed],
        )


if __name__ == "__main__":
    main()
