"""Code that is drawn: does each unit parse, what did it cost, which lines are copies?

    python benchmarks/code_units.py FOLDER [--minutes 3] [--n 1000]
        # adds what it measured to benchmarks/results/code_units.json

FOLDER: files of Python (60 modules of CPython's standard library). A tenth of the files, by
random.Random(0), is not seen. Bits per byte of their units stand beside an interpolated Kneser-Ney
model of order five over the same tokens (nn/kneser_ney.py), which is fitted on the same units.
1,000 units that leave are parsed by `ast.parse`. A line of each of 40 unseen units is taken out and
filled in again; how often it is the line that stood there is said, because nobody can know it.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import castalia
from castalia.apps.code.copied_lines import TrainingLines
from castalia.modalities.text.python_units import units
from castalia.nn.kneser_ney import Counts
from castalia.run import Run
from castalia.sampling.edit import edit_of, options_of
from castalia.sampling.generate import draw_tokens, generate, request_of
from castalia.spec import Batch
from machine import write_result

ORDER = 5
HELD_OUT = 0.1
GAPS = 40


def parses(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError):
        return False


@torch.no_grad()
def bits_per_byte(run: Run, training: Sequence[str], unseen: Sequence[str]) -> dict[str, Any]:
    """Of units that fit into the context, whole, from `begin` on."""
    codec, model = run.codec, run.model()
    coded = [codec.encode(text).long() for text in unseen]
    kept = [number for number, ids in enumerate(coded) if len(ids) <= codec.spec.length + 1]
    size = sum(len(unseen[number].encode()) for number in kept)
    counts = Counts(codec.spec.vocab, ORDER, codec.spec.begin)
    counts.fit(codec.encode(text).long() for text in training)
    network = neighbours = 0.0
    for number in kept:
        row = coded[number][None]
        network += float(model.nats(Batch(row)).sum())
        neighbours -= float(counts.score(row, None)[0].sum())
    return {
        "units": len(kept),
        "of": len(coded),
        "model": network / math.log(2) / size,
        "kneser_ney": neighbours / math.log(2) / size,
    }


def filled(run: Run, unseen: Sequence[str], count: int) -> dict[str, Any]:
    """A line of each unit is a gap; what of the fillings parses, and is the line that was there."""
    chosen, rng = edit_of("infill", run.codec), random.Random(0)
    options = options_of("infill", chosen, {"steps": 1, "temperature": 0.3})
    short = [
        text
        for text in unseen
        if text.count("\n") >= 4 and len(run.codec.encode(text)) < run.codec.spec.length - 40
    ]
    some = rng.sample(short, min(count, len(short)))
    parsed = same = 0
    for text in some:
        lines = text.splitlines(keepends=True)
        place = rng.choice([n for n in range(1, len(lines)) if lines[n].strip()])
        line = lines[place]
        indent = line[: len(line) - len(line.lstrip())]
        gap = "".join([*lines[:place], f"{indent}[[]]\n", *lines[place + 1 :]])
        (whole,) = chosen.run(run.model(), run.codec, [gap], options, 0, {})
        parsed += parses(whole)
        same += whole.strip() == text.strip()
    return {"gaps": len(some), "parse": parsed, "the_line_that_was_there": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--n", type=int, default=1000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(asked.folder.glob("*.py"))
    held_out = set(random.Random(0).sample(files, round(HELD_OUT * len(files))))
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    sides = [
        [unit for path in files if (path in held_out) == side for unit in units(texts[path], "")]
        for side in (False, True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            if path not in held_out:
                (Path(folder) / "code").mkdir(exist_ok=True)
                shutil.copy(path, Path(folder) / "code")
        begun = time.process_time()
        run = castalia.train(
            "text/code",
            Path(folder) / "code",
            [
                f"training.minutes={asked.minutes}",
                "training.threads=1",
                "training.sample_every=0",
            ],
            out=Path(folder) / "run",
        )
        trained = time.process_time() - begun
        begun = time.process_time()
        model = run.model()
        samples = list(generate(run, request_of(run, asked.n, 1), model=model))
        spent = time.process_time() - begun
        fit = [one for one in samples if "flaw" not in one.facts]
        raw = draw_tokens(model, run.codec.spec, 2, 0, 200, {}, request_of(run, 1).options, 32)
        known = TrainingLines(
            (path.name, texts[path], "PSF-2.0") for path in files if path not in held_out
        )
        copied = [known.copied(one.item) for one in fit]
        seen, whole = set(sides[0]), [one.item for one in fit]
        results = {
            "minutes": asked.minutes,
            "train_cpu_seconds": trained,
            "files": [len(files) - len(held_out), len(held_out)],
            "units": [len(side) for side in sides],
            "emitted": {
                "asked": asked.n,
                "left": len(fit),
                "parse": sum(map(parses, whole)),
                "drawn": sum(one.facts["tries"] for one in samples),
                "cpu_seconds": spent,
                "median_characters": sorted(map(len, whole))[len(whole) // 2],
                "different": len(set(whole)),
                "training_units": sum(text in seen for text in whole),
                "with_copied_lines": sum(map(bool, copied)),
                "copied_lines": sum(map(len, copied)),
                "lines": sum(text.count("\n") for text in whole),
            },
            "as_drawn": {
                "units": len(raw),
                "parse": sum(parses(run.codec.decode(torch.tensor(one.tokens))) for one in raw),
            },
            "bits_per_byte": bits_per_byte(run, *sides),
            "filled": filled(run, sides[1], GAPS),
        }
    print(json.dumps(results, indent=1))
    print("\n\n".join(whole[:30]))
    write_result("code_units", results, seeds=[0, 1])


if __name__ == "__main__":
    main()
