"""What every benchmark shares: one envelope around results, and clocks that a busy neighbour
disturbs least.

    {"command", "commit", "machine", "torch", "date", "seeds", "results"}
        -> benchmarks/results/<name>.json

No host name, no user name and no path is recorded. benchmarks/tables.py makes the READMEs' tables
from these files.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def write_result(
    name: str, results: Any, *, seeds: Sequence[int] = (), folder: Path = RESULTS
) -> Path:
    """Put `results` (plain JSON) into the envelope, write it to `folder`/`name`.json and print
    where.
    """
    import torch

    envelope = {
        "command": command(),
        "commit": COMMIT,
        "machine": machine(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "seeds": list(seeds),
        "results": results,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(envelope, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(
        f"wrote {path.relative_to(HERE.parent) if path.is_relative_to(HERE.parent) else path.name}",
        file=sys.stderr,
    )
    return path


def command() -> str:
    """The command line that is running, without folders."""
    return shlex.join(
        [
            "python",
            f"benchmarks/{Path(sys.argv[0]).name}",
            *(Path(word).name if word.startswith("/") else word for word in sys.argv[1:]),
        ]
    )


def commit(benchmarks: Path = HERE) -> str | None:
    """The commit that was measured, with "+changes" when the package beside `benchmarks` differs
    from it; None outside a checkout.
    """

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=benchmarks, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            "+changes" if git("status", "--porcelain", "--", "../src") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> dict[str, Any]:
    """What a reader needs to judge a time: processor, cores, threads, memory, system, how busy it
    was at the end.
    """
    import torch

    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def child_cpu_seconds(words: Sequence[str]) -> float:
    """CPU seconds (user + system) that a command takes, its children included. Raises
    if it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values: Sequence[float], digits: int = 4) -> dict[str, float | int]:
    """Median, smallest, largest and count."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "n": len(values),
    }


def interleaved(
    rounds: int, *, warm_up: int = 1, **contestants: Callable[[], float]
) -> dict[str, list[float]]:
    """Each contestant once a round, in turn, so that all meet the same neighbours; the first rounds
    do not count.
    """
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + warm_up):
        for name, run in contestants.items():
            value = run()
            if number >= warm_up:
                found[name].append(value)
    return found


COMMIT = commit()  # when the program begins: later ones may be made while it runs
