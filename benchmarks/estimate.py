"""What `castalia train --dry-run` predicts against what the run then takes, in CPU seconds and peak
memory.

python benchmarks/estimate.py            # writes benchmarks/results/estimate.json
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_result

CASES = {
    "gan": ["image/gan", "builtin/fashion", "training.steps=400"],
    "vae": ["image/vae", "builtin/fashion", "training.steps=400"],
    "vae-mlp": ["image/vae-mlp", "builtin/digits", "training.steps=600"],
    "vaegan": ["image/vaegan", "builtin/digits", "training.steps=300"],
}


def run(words: list[str], folder: str) -> tuple[str, float, float]:
    """stdout, CPU seconds and peak MB of one `castalia` process, by the operating
    system's account.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "castalia", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"castalia {' '.join(words)} failed")
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, words in CASES.items():
            predicted = json.loads(run(["train", *words, "--dry-run", "--json"], folder)[0])
            _, seconds, memory = run(["train", *words, "--out", str(Path(folder) / name)], folder)
            results[name] = {
                "cpu_seconds": {"predicted": predicted["cpu_seconds"], "taken": round(seconds, 2)},
                "memory_mb": {"predicted": predicted["memory_mb"], "taken": round(memory, 1)},
                "predicted_over_taken": {
                    "cpu_seconds": round(predicted["cpu_seconds"] / seconds, 3),
                    "memory": round(predicted["memory_mb"] / memory, 3),
                },
            }
    write_result("estimate", results, seeds=[0])


if __name__ == "__main__":
    main()
