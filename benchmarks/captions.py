"""Pictures to words and back: captions of pictures and the pictures of captions, by the recipe
`image/captioner`, in English and Chinese.

    python benchmarks/captions.py --data data/images [--minutes 5] [--seeds 0] [--sets NAME ...]
        # adds what is missing to benchmarks/results/captions.json

    shapes     the made set of composed_shapes.py; judged on compositions of colour and shape that
               training never had: the four attributes that a caption names, against what is drawn.
               `image/flow-words` is trained as well, and the captioner judges whether what it
               draws agrees with what it was asked for.
    twemoji64  emoji with their names; judged on held-out ones by what `castalia evaluate` measures:
               retrieval among 100, and what is said of a picture.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import castalia
import composed_shapes as shapes
from castalia.captions import words_in
from castalia.run import Run
from castalia.verbs.evaluate import evaluate_agreement, evaluate_captions
from machine import RESULTS, write_result

PATH = RESULTS / "captions.json"
SETS = ("shapes", "twemoji64")
LANGUAGES = ("en", "zh")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--minutes", type=float, default=5.0)
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--sets", nargs="+", default=list(SETS))
    given = words.parse_args()
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    for seed in given.seeds:
        for name in given.sets:
            if any((row["set"], row["seed"]) == (name, seed) for row in rows):
                continue
            measure = of_shapes if name == "shapes" else of_emoji
            with TemporaryDirectory() as folder:
                measured = measure(given, Path(folder), seed)
            rows += [{"set": name, "seed": seed, **row} for row in measured]
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            write_result("captions", {"minutes": given.minutes, "rows": rows}, seeds=given.seeds)


def of_emoji(given: argparse.Namespace, folder: Path, seed: int) -> list[dict[str, Any]]:
    """Rows of `castalia evaluate` on held-out emoji."""
    run = castalia.train(
        "image/captioner",
        given.data / "twemoji64",
        {
            "data.caption": ["caption_en", "caption_zh"],
            "training.minutes": given.minutes,
            "training.seed": seed,
        },
        out=folder / "run",
    )
    return [row | {"steps": run.last_step} for row in evaluate_captions(run, seed=seed)["rows"]]


def of_shapes(given: argparse.Namespace, folder: Path, seed: int) -> list[dict[str, Any]]:
    """Attributes named for pictures of unseen compositions; then the agreement of drawn ones."""
    shapes.write(folder / "data")
    options = {
        "data.caption": list(LANGUAGES),
        "training.minutes": given.minutes,
        "training.seed": seed,
    }
    runs = {
        name: castalia.train(f"image/{name}", folder / "data", options, out=folder / name)
        for name in ("captioner", "flow-words")
    }
    rows = named(runs["captioner"], folder / "unseen", seed)
    agreement = evaluate_agreement(runs["flow-words"], runs["captioner"], guidance=2.0, seed=seed)
    return [
        row | {"steps": run.last_step}
        for run, part in ((runs["captioner"], rows), (runs["flow-words"], agreement["rows"]))
        for row in part
    ]


def named(run: Run, folder: Path, seed: int, each: int = 4) -> list[dict[str, Any]]:
    """The share of pictures of unseen compositions whose caption has the right word for each
    attribute and no other of its kind.
    """
    folder.mkdir()
    rng = random.Random(seed + 1)
    asked = [thing for thing in shapes.asked() for _ in range(each)]
    files = []
    for number, thing in enumerate(asked):
        files.append(folder / f"{number:04}.png")
        shapes.drawn(thing, rng).save(files[-1])
    rows = []
    for language in LANGUAGES:
        said = castalia.describe(run, files, language=language)
        hits = [
            right(one.captions[0][0], thing, language)
            for one, thing in zip(said, asked, strict=True)
        ]
        for name in ("colour", "shape", "size", "place"):
            share = float(np.mean([hit[name] for hit in hits]))
            rows.append({"question": name, "language": language, "value": share, "n": len(hits)})
        share = float(np.mean([all(hit.values()) for hit in hits]))
        rows.append({"question": "all four", "language": language, "value": share, "n": len(hits)})
    return rows


def right(text: str, thing: shapes.Thing, language: str) -> dict[str, bool]:
    """For each attribute, whether of all words for its kind the caption has the right one only."""
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("colour", shapes.COLOURS),
        ("shape", shapes.SHAPES),
        ("size", shapes.SIZES),
        ("place", shapes.PLACES),
    )
    found = {}
    for (name, known), wanted in zip(kinds, thing, strict=True):
        if language == "en":
            has = [word for word in known if word in words_in(text)]
        else:
            chinese = {
                word: value if isinstance(value, str) else value[0] for word, value in known.items()
            }
            has = [word for word, one in chinese.items() if one in text]
        found[name] = has == [wanted]
    return found


if __name__ == "__main__":
    main()
