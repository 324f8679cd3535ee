"""Byte-pair encoding of musical events: how many tokens a note takes, and what a note costs a model
that was trained for as long.

    python benchmarks/music_bpe.py --data FOLDER
        # about half an hour; writes benchmarks/results/music_bpe.json; FOLDER has music/ (see
        CORPORA)
    python benchmarks/music_bpe.py --steps 5 --dry    # the built-in chorales alone

music/ar-events with and without `codec.vocab`: the same network but for its table of tokens, the
same number of steps of the same number of tokens, the same context in tokens. So the merged one
sees more music in a step and in its context, which is the point; CPU seconds say that it is not
dearer. Nats a note are exact, over all validation pieces in windows of the context's length.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import castalia
from castalia.training.setup import open_data
from machine import write_result

CORPORA = {"nottingham": "music/nottingham_folk/midi", "pop909": "music/pop909_piano/midi"}
SETTINGS: dict[str, Any] = {
    "codec.length": 512,
    "family.width": 128,
    "family.depth": 3,
    "family.heads": 4,
    "data.validation": 0.15,
    "training.steps": 500,
    "training.batch": 4,
    "training.threads": 1,
    "training.precision": "bf16",
    "training.sample_every": 0,
    "training.ema": 0.99,
}
VOCAB = 2048


def measured(data: str, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    begun = time.process_time()
    run = castalia.train("music/ar-events", data, settings, out=folder)
    cpu = time.process_time() - begun
    rows = [
        row
        for part in (open_data(run).train, open_data(run).validation)
        for row in part.documents()
    ]  # type: ignore[union-attr]
    notes = sum(run.codec.decode(row).count for row in rows)
    (score,) = (
        one for one in castalia.evaluate(run, n=16)["scores"] if one["name"] == "bits-per-note"
    )
    return {
        "vocab": run.spec.vocab,
        "tokens_a_note": round(sum(map(len, rows)) / notes, 3),
        "training_cpu_seconds": round(cpu),
        "nats_a_note": {
            "value": nats(score["value"]),
            "interval": [nats(score["low"]), nats(score["high"])],
        },
    }


def nats(bits: float) -> float:
    return round(bits * math.log(2), 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with music/")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    given = parser.parse_args()
    corpora = {"chorales": "builtin/chorales"} | (
        {name: str(given.data / place) for name, place in CORPORA.items()} if given.data else {}
    )
    settings = SETTINGS | ({"training.steps": given.steps} if given.steps else {})
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, data in corpora.items():
            sides = {
                "plain": measured(data, settings, Path(folder) / name / "plain"),
                "merged": measured(
                    data, settings | {"codec.vocab": VOCAB}, Path(folder) / name / "merged"
                ),
            }
            rows.append({"corpus": name, **sides})
            print(json.dumps(rows[-1]), flush=True)
    if not given.dry and not given.steps:
        write_result("music_bpe", {"settings": settings, "rows": rows}, seeds=[0])


if __name__ == "__main__":
    main()
