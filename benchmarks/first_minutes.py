"""How long the first commands of README take: its first bash block, each command in a process of
its own, as a user runs them.

    python benchmarks/first_minutes.py        # writes benchmarks/results/first_minutes.json

CPU seconds of all threads, start of Python and imports included. Beside busy neighbours threads
spin while they wait for one another, so measure on a quiet machine; the result records the load.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from machine import HERE, child_cpu_seconds, spread, write_result

ROUNDS = 1
README = HERE.parent / "README.md"


def commands() -> list[str]:
    """The lines of the first bash block."""
    block = re.search(r"^```bash\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None, "README has commands"
    return block[1].splitlines()


def main() -> None:
    seconds: dict[str, list[float]] = {line: [] for line in commands()}
    here = Path.cwd()
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for line in seconds:
                words = [sys.executable, "-m", *shlex.split(line)]
                seconds[line].append(child_cpu_seconds(words))
            os.chdir(here)
    write_result(
        "first_minutes",
        [
            {"command": line, "verb": line.split()[1], "cpu_seconds": spread(values, 1)}
            for line, values in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
