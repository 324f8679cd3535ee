"""Runs `castalia` as a user would: in another process, or, where that proves nothing more, in this
one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TINY = [
    "codec.size=8",
    "family.width=8",
    "training.steps=4",
    "training.batch=16",
    "training.log_every=2",
    "training.sample_every=0",
    "training.threads=1",
]


def castalia(
    *words: object,
    cwd: Path,
    code: int = 0,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> str:
    """`castalia` in a process of its own: stdout, then stderr. Fails unless the exit code is
    `code`; never a traceback.
    """
    done = subprocess.run(
        [sys.executable, "-m", "castalia", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=150,
        **options,
    )
    return _checked(done.returncode, code, done.stdout, done.stderr)


def inside(*words: object, cwd: Path, code: int = 0) -> str:
    """The same without a new process, three seconds faster. An error that main() does not expect
    reaches the test.
    """
    from castalia.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    result: int | str | None = None
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            result = stop.code
    return _checked(int(result or 0), code, out.getvalue(), err.getvalue())


def document(*words: object, cwd: Path, **options: Any) -> Any:
    """The one JSON document that --json puts on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "castalia", *map(str, words), "--json"],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **options.get("environment", {})},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def _checked(found: int, expected: int, out: str, err: str) -> str:
    assert found == expected, (
        f"exit code {found}, expected {expected}\n{out[-1500:]}\n{err[-3000:]}"
    )
    assert "Traceback" not in err, err
    return out + err
