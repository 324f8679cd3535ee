"""The user's folders: where caches live, where settings do, and a register of the runs made on this
machine.

$CASTALIA_HOME (default ~/.cache/castalia) holds `runs.jsonl`: a line when a run is made and one for
each checkpoint, with the hash of the weights that its outputs will name. So an output leads back to
its run. The file is a convenience: where it cannot be written, only the look-up is lost.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.errors import DataError, RunError
from castalia.sentences import say


def home(given: Path | None = None) -> Path:
    """`given`, $CASTALIA_HOME, or ~/.cache/castalia."""
    return (
        given
        or Path(os.environ.get("CASTALIA_HOME") or Path.home() / ".cache" / "castalia").expanduser()
    )


def settings() -> Path:
    """What must not be lost with a cache: $CASTALIA_CONFIG, else `config` in $CASTALIA_HOME, else
    castalia in $XDG_CONFIG_HOME, else ~/.config/castalia.
    """
    told, cache = os.environ.get("CASTALIA_CONFIG"), os.environ.get("CASTALIA_HOME")
    if told or cache:
        return Path(told or Path(str(cache)) / "config").expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "castalia"


def remember(run: str, folder: Path, **facts: Any) -> None:
    """Add a line on a run. One write under a lock, so several processes do not mix; errors of the
    file system are passed over.
    """
    line = (
        json.dumps({"run": run, "folder": str(folder.resolve()), **facts}, ensure_ascii=False)
        + "\n"
    )
    with suppress(OSError):
        home().mkdir(parents=True, exist_ok=True)
        with open(home() / "runs.jsonl", "ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line.encode())


def remembered() -> Iterator[dict[str, Any]]:
    """Every line, newest first; damaged ones are left out."""
    path = home() / "runs.jsonl"
    if not path.exists():
        return
    try:
        lines = bounded.read_text(path, "json_bytes", RunError, "replace").splitlines()
    except RunError:
        return
    for line in reversed(lines):
        with suppress(DataError):
            entry = bounded.parse_json(line)
            if (
                isinstance(entry, dict)
                and isinstance(entry.get("run"), str)
                and isinstance(entry.get("folder"), str)
            ):
                yield entry


def folder_of(model: str) -> Path | None:
    """Where the run with these weights (SHA-256 of their file) is; None where it was not made here.

    Raises RunError where it was, but is there no longer.
    """
    gone = None
    for entry in remembered():
        if entry.get("model") == model:
            if _is_still(entry):
                return Path(entry["folder"])
            gone = gone or entry
    if gone is not None:
        raise RunError(
            say("the run '{0}' was here, but is no longer", gone["run"]),
            where=gone["folder"],
            fix=say("if it was moved: --run NEW_FOLDER"),
        )
    return None


def known_folders() -> list[Path]:
    """Runs that were made here and still are here, newest first."""
    folders = dict.fromkeys(Path(entry["folder"]) for entry in remembered() if _is_still(entry))
    return list(folders)


def _is_still(entry: dict[str, Any]) -> bool:
    try:
        about = bounded.parse_json(
            bounded.read_bytes(Path(entry["folder"]) / "run.json", "json_bytes")
        )
    except DataError:
        return False
    return isinstance(about, dict) and about.get("id") == entry["run"]
