"""CPU seconds of `castalia --help` and of `import castalia`, and what they import.

    python benchmarks/startup.py              # writes benchmarks/results/startup.json; exit code 1
                                              when a limit is passed

Promised: --help under 0.4 s, import under 0.15 s, both without torch. A bare `python -c pass` is
measured beside them.
"""

from __future__ import annotations

import subprocess
import sys

from machine import child_cpu_seconds, interleaved, spread, write_result

ROUNDS = 9
CASES = {
    "help": ([sys.executable, "-m", "castalia", "--help"], 0.40),
    "import": ([sys.executable, "-c", "import castalia"], 0.15),
    "python": ([sys.executable, "-c", "pass"], None),
}


def main() -> int:
    seconds = interleaved(
        ROUNDS,
        **{
            name: (lambda words=words: child_cpu_seconds(words))
            for name, (words, _) in CASES.items()
        },
    )
    torch_free = {
        "import": _without_torch("import castalia"),
        "help": _without_torch("import castalia.cli.main as m; m._dispatch(['--help'])"),
    }
    results = {
        name: {
            "cpu_seconds": spread(seconds[name]),
            "limit": limit,
            "torch_free": torch_free.get(name),
        }
        for name, (_, limit) in CASES.items()
    }
    write_result("startup", results)
    failed = [
        name
        for name, (_, limit) in CASES.items()
        if limit is not None
        and (results[name]["cpu_seconds"]["median"] >= limit or not torch_free[name])
    ]
    for name, result in results.items():
        print(
            f"{name:<8}{result['cpu_seconds']['median']:.3f} s CPU, limit "
            f"{result['limit']}{'  MISSED' if name in failed else ''}"
        )
    return 1 if failed else 0


def _without_torch(program: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; sys.exit('torch' in sys.modules)"],
        capture_output=True,
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
