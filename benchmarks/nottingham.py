"""Nottingham tunes, melodies with chords: exact nats a step of a grid of eighths, beside a count
model's.

    python benchmarks/nottingham.py --data DIR
        # a few minutes; writes benchmarks/results/nottingham.json
    python benchmarks/nottingham.py --data DIR --steps 5 --limit 60 --dry

DIR is a folder of MIDI files of the tunes (or of sub-folders of them). A step is an eighth: what
the melody does (a pitch, held, a rest), and which chord symbol begins, is held, or is silent. Every
tenth tune by content hash is held out. The Kneser-Ney counts read the same tokens in twelve keys,
their order chosen on every tenth training tune.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import castalia
from castalia.training.setup import open_data
from jsb_chorales import judged, kneser_ney, rows_of
from machine import write_result

SETTINGS: dict[str, Any] = {
    "codec.parts": ["melody", "chords"],
    "codec.steps": 2,
    "codec.length": 256,
    "data.validation": 0.1,
    "family.dropout": 0.2,
    "training.steps": 600,
    "training.ema": 0.99,
    "training.threads": 1,
    "training.precision": "bf16",
    "training.sample_every": 0,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    settings = (
        SETTINGS
        | ({"training.steps": options.steps} if options.steps else {})
        | ({"data.limit": options.limit} if options.limit else {})
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = castalia.train("music/ar", options.data, settings, out=Path(folder) / "run")
        cpu = time.process_time() - begun
        dataset = open_data(run)
        sides = [
            [run.codec.decode(row) for row in side.documents()]
            for side in (dataset.train, dataset.validation)
        ]  # type: ignore[union-attr]
        found = judged(run, sides[1])
        counts, order = kneser_ney(run, sides[0], rows_of(run, sides[1]), copies=True)
    results = {
        "settings": settings,
        "tunes": [len(side) for side in sides],
        "training_cpu_seconds": round(cpu),
        **found,
        "kneser_ney": round(counts, 3),
        "order": order,
    }
    if options.dry or options.steps or options.limit:
        print(json.dumps(results, indent=1))
    else:
        write_result("nottingham", results, seeds=[0])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
