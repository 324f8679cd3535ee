"""Whether training ends when its minutes are over: `castalia train RECIPE DATA --minutes M` as a
user runs it, for recipes of different kinds.

    python benchmarks/budget.py --minutes 1 --threads 1
        about a minute for each case; writes benchmarks/results/budget.json

`counted` is the time that the minutes are about, from the start of the command to its end without
reading and encoding the data, by the run's own log; `process` is the wall time of the whole process
with everything. `over` is what `counted` differs from the minutes, as a share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import write_result

CASES = {  # recipe -> (data, times the minutes: a step and a sheet of the slowest take a while)
    "image/gan": ("builtin/fashion", 1),
    "image/vae": ("builtin/fashion", 1),
    "text/ar-small": ("builtin/shakespeare", 1),
    "music/ar": ("builtin/chorales", 1),
    "text/ar-mixed": ("builtin/tang", 2),
}


def measured(recipe: str, data: str, minutes: float, threads: int, folder: Path) -> dict[str, Any]:
    """One training in a process of its own."""
    words = [
        recipe,
        data,
        "--minutes",
        str(minutes),
        "--quiet",
        f"training.threads={threads}",
        "--out",
        str(folder),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "castalia", "train", *words],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    process = time.perf_counter() - begun
    rows = [
        json.loads(line)
        for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    decisions = (folder / "plan.jsonl").read_text(encoding="utf-8").splitlines()
    last = [row for row in rows if "ended" in row][-1]
    return {
        "recipe": recipe,
        "data": data,
        "minutes": minutes,
        "threads": threads,
        "steps": last["step"],
        "decisions": len(decisions),
        "counted": round(last["ended"], 2),
        "process": round(process, 2),
        "over": round(last["ended"] / (60 * minutes) - 1, 4),
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=1.0)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--only", nargs="*", help="recipes; default all")
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (recipe, (data, times)) in enumerate(CASES.items()):
            if given.only is None or recipe in given.only:
                rows.append(
                    measured(
                        recipe,
                        data,
                        times * given.minutes,
                        given.threads,
                        Path(folder) / str(number),
                    )
                )
                print(json.dumps(rows[-1]), flush=True)
    write_result(
        "budget", {"rows": rows, "worst": max(abs(row["over"]) for row in rows)}, seeds=[0]
    )


if __name__ == "__main__":
    main()
