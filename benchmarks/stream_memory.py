"""Memory and speed of the data layer, from 1,000 to 200,000 generated pictures in one IDX file.

    python benchmarks/stream_memory.py [--items 1000 200000] [--sides 28 64]
        # writes benchmarks/results/stream_memory.json

Each size runs in a process of its own: prepare without a cache, prepare with it, then 2,000 batches
of 64. What counts is how much the peak resident memory (VmHWM) grows from the smallest to the
largest size; the mark is 300 MB. Exit code 1 when it is passed.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import write_result

MARK_MB = 300
BATCHES = 2000


def generate(path: Path, items: int, side: int) -> None:
    """`items` different pictures, written in blocks so that this process stays small as well."""
    import numpy as np

    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(struct.pack(">BBBBIII", 0, 0, 8, 3, items, side, side))
        for start in range(0, items, 5000):
            file.write(
                rng.integers(
                    0, 256, (min(5000, items - start), side, side), dtype=np.uint8
                ).tobytes()
            )


def measure(folder: Path, items: int, side: int) -> dict[str, Any]:
    """Runs in the child: seconds and peak memory of one size."""
    from castalia.data.source import DataConfig
    from castalia.data.stream import prepare
    from castalia.modalities.image.codec import ImageCodec

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
    # VmHWM, not ru_maxrss: the latter starts at the parent's peak
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs=2, default=[1000, 200_000])
    parser.add_argument("--sides", type=int, nargs="+", default=[28, 64])
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder, items, side = arguments.child
        print(json.dumps(measure(Path(folder), int(items), int(side))))
        return 0
    results: dict[str, Any] = {"mark_mb": MARK_MB, "sizes": [], "growth_mb": {}}
    for side in arguments.sides:
        for items in arguments.items:
            with tempfile.TemporaryDirectory() as name:
                generate(Path(name) / "pictures.idx", items, side)
                command = [sys.executable, __file__, "--child", name, str(items), str(side)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            results["sizes"].append(json.loads(done.stdout))
            print(results["sizes"][-1], file=sys.stderr)
        results["growth_mb"][f"{side}x{side}"] = round(
            results["sizes"][-1]["peak_mb"] - results["sizes"][-2]["peak_mb"], 1
        )
    results["reached"] = max(results["growth_mb"].values()) < MARK_MB
    write_result("stream_memory", results, seeds=[0])
    return 0 if results["reached"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
