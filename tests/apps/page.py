"""Runs the commands of a documentation page, in order, in one folder.

    ```bash     commands. A block of plain `castalia ...` lines runs inside this process (torch is
                imported once); a block with anything else in it (pipes, files, other programs) runs
                in bash, with `castalia` on the PATH.
    ```python   is executed as a script.

A line that ends in `# exit code 3` must end with that code; all others with 0. Other fences are not
executed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from castalia.cli.main import main

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPECTED = re.compile(r"#\s*exit code (\d+)\s*$")
SHELL_SIGNS = set("|<>;&$*`(){}~")


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks(page: Path, *languages: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if block.language in languages]


def without_comments(block: Block) -> list[str]:
    """What a machine sees: lines without comments, blank lines and trailing spaces. Strings keep
    their '#'.
    """
    lines = [re.sub(r"(^|\s)#\s.*$", "", line).rstrip() for line in block.text.splitlines()]
    return [line for line in lines if line]


def commands(block: Block) -> Iterator[tuple[str, int]]:
    """(command, expected exit code) of a block, continuation lines joined."""
    for line in block.text.replace("\\\n", " ").splitlines():
        expected = EXPECTED.search(line)
        command = re.sub(r"(^|\s)#\s.*$", "", line).strip()
        if command:
            yield command, int(expected[1]) if expected else 0


def is_plain(block: Block) -> bool:
    return all(
        command.startswith("castalia ") and not SHELL_SIGNS & set(command)
        for command, _ in commands(block)
    )


def run_page(page: Path) -> int:
    """Runs every block in the working folder; AssertionError names page, line and output. Returns
    how many ran.
    """
    found = blocks(page, "bash", "python")
    for block in found:
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            exec(compile(block.text, where, "exec"), {"__name__": "__main__"})
        elif is_plain(block):
            for command, expected in commands(block):
                _castalia(command, expected, where)
        else:
            _bash(block, where)
    return len(found)


def _castalia(command: str, expected: int, where: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(shlex.split(command)[1:])
        except SystemExit as stop:
            code = stop.code
    assert code == expected, (
        f"{where}: {command}\nexit code {code}, expected "
        f"{expected}\n{out.getvalue()[-1500:]}\n{err.getvalue()[-1500:]}"
    )


def _bash(block: Block, where: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, (
        f"{where}\n{block.text}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
    )
