"""Memory and speed of the data layer, from 1,000 to 200,000 generated 28x28 pictures in one IDX file (gzipped or not).

    python benchmarks/stream_memory.py [--items 1000 200000] [--out benchmarks/results/stream_memory.json]

Each size runs in a process of its own: prepare without a cache, prepare with it, then 2,000 batches of 64. What counts is how much the
peak resident memory (VmHWM) grows from the smallest to the largest size; the mark is 300 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MARK_MB = 300
BATCHES = 2000


def generate(path: Path, items: int, side: int) -> None:
    """`items` different pictures, written in blocks so that this process stays small as well."""
    import numpy as np

    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(struct.pack(">BBBBIII", 0, 0, 8, 3, items, side, side))
        for start in range(0, items, 5000):
            file.write(rng.integers(0, 256, (min(5000, items - start), side, side), dtype=np.uint8).tobytes())


def measure(folder: Path, items: int, side: int) -> dict[str, Any]:
    """Runs in the child: seconds and peak memory of one size."""
    from castalia.codecs.image import ImageCodec
    from castalia.data.source import DataConfig
    from castalia.data.stream import prepare

    config = DataConfig(source=str(folder / "pictures.idx"))
    seconds = []
    for _ in range(2):  # without a cache, then with one
        start = time.perf_counter()
        dataset = prepare(config, ImageCodec(), home=folder / "home")
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    for counter in range(BATCHES):
        dataset.train.batch(counter, 64, seed=0)
    rate = BATCHES * 64 / (time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "items": items,
        "side": side,
        "rows": type(dataset.train._rows).__name__,
        "prepare_s": round(seconds[0], 2),
        "prepare_cached_s": round(seconds[1], 2),
        "items_per_s": round(rate),
        "peak_mb": round(peak, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs=2, default=[1000, 200_000])
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments.items[0], arguments.side)))
        return 0
    results = []
    for items in arguments.items:
        with tempfile.TemporaryDirectory() as name:
            generate(Path(name) / "pictures.idx", items, arguments.side)
            command = [sys.executable, __file__, "--child", name, "--items", str(items), str(items), "--side", str(arguments.side)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(json.loads(done.stdout))
            print(results[-1], file=sys.stderr)
    growth = results[-1]["peak_mb"] - results[0]["peak_mb"]
    summary = {
        "command": f"python benchmarks/stream_memory.py --items {arguments.items[0]} {arguments.items[1]} --side {arguments.side}",
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "results": results,
        "growth_mb": round(growth, 1),
        "mark_mb": MARK_MB,
        "reached": growth < MARK_MB,
    }
    text = json.dumps(summary, indent=2)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if growth < MARK_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
