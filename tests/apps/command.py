"""Runs `castalia` as a user would: another process, another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TINY = ["codec.size=16", "training.steps=4", "training.batch=16", "training.log_every=2", "training.sample_every=0", "training.threads=1"]


def castalia(
    *words: object, cwd: Path, code: int = 0, environment: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Fails the test unless the exit code is `code`; there is never a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "castalia", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=150,
        **options,
    )
    assert done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def castalia_json(*words: object, cwd: Path, **options: Any) -> Any:
    """The one document that --json puts on stdout."""
    return json.loads(castalia(*words, "--json", cwd=cwd, **options).stdout)
