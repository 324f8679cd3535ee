"""The formats that a run can be written in, and the folder that it is written to: whole or not at all, with a manifest of where it came from."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from castalia import atomic
from castalia.errors import RecipeError, RunError
from castalia.governance.release import Gate
from castalia.run import Run

MANIFEST = "castalia.json"

# name -> "module:function"; the function is given a run and returns the files, name -> content, without the manifest.
TARGETS: dict[str, str] = {"transformers": "castalia.export.qwen3:files"}


def export(run: Run, to: str, folder: Path) -> list[str]:
    """Writes `run` in the format `to` into `folder`, which must be new, empty, or an earlier export; the names of its files, sorted.

    Raises RecipeError for a format that does not exist, AbilityError for a model that has no place in it, and RunError where
    the folder holds anything else.
    """
    if to not in TARGETS:
        raise RecipeError(f"there is no export to '{to}'", where="--to", fix="one of: " + ", ".join(TARGETS))
    folder = folder.resolve()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()):
        raise RunError("something else is in the way of the export", where=folder, fix="name a new folder")
    module, _, function = TARGETS[to].partition(":")
    make: Callable[[Run], dict[str, bytes | str]] = getattr(importlib.import_module(module), function)
    files = make(run)
    with atomic.folder(folder) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content.encode() if isinstance(content, str) else content)
        atomic.write_json(temporary / MANIFEST, Gate(run).facts_of(export=to))
    return sorted([*files, MANIFEST])
