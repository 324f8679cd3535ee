"""The table of export formats, and the folder that an export is written to: whole or not at all,
with a manifest.
"""

from __future__ import annotations

import importlib
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from castalia import atomic
from castalia.errors import AbilityError, RecipeError, RunError
from castalia.governance.release_gate import Gate
from castalia.progress import stage
from castalia.run import Run
from castalia.sentences import Message, say

MANIFEST = "castalia.json"


class Written(NamedTuple):
    """The result of a format's function: facts for the manifest, and what to do next, FOLDER
    standing for the export.
    """

    facts: dict[str, Any]
    after: str


# name -> "module:function"; the function is given a run and an empty folder, and fills the folder.
TARGETS: dict[str, str] = {
    "bundle": "castalia.export.bundle:write",
    "onnx": "castalia.export.onnx:write",
    "safetensors": "castalia.export.safetensors:write",
    "transformers": "castalia.export.huggingface:write",
    "peft": "castalia.export.huggingface:write_adapter",
}


@dataclass(frozen=True)
class Exported:
    """sizes: bytes of each file, by name. difference: the largest between the run's numbers and
    what was written; None: not compared here.
    """

    folder: Path
    sizes: dict[str, int]
    difference: float | None
    after: str


def export(run: str | os.PathLike[str] | Run, to: str, folder: str | os.PathLike[str]) -> Exported:
    """Writes `run` in the format `to` into `folder`, which must be new, empty, or an earlier
    export.

    Raises RecipeError for a format that does not exist; AbilityError for a model that has no place
    in it, a run with a plug-in included, whose code an export cannot carry; RunError for a run
    without a checkpoint, and where the folder holds anything else.
    """
    run, folder = run if isinstance(run, Run) else Run.open(run), Path(folder)
    if to not in TARGETS:
        raise RecipeError(
            say("there is no export to '{0}'", to),
            where="--to",
            fix=say("one of: {0}", ", ".join(TARGETS)),
        )
    shown, folder = folder, folder.resolve()
    if folder.is_file() or (
        folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()
    ):
        raise RunError(
            say("something else is in the way of the export"),
            where=folder,
            fix=say("name a new folder"),
        )
    if plugins := run.about.get("plugins"):
        raise AbilityError(
            say("an export carries no code of a plug-in"),
            where=", ".join(plugins),
            fix=say("share the run's folder itself"),
        )
    run.weights_path()  # there is a checkpoint
    module, _, function = TARGETS[to].partition(":")
    write: Callable[[Run, Path], Written] = getattr(importlib.import_module(module), function)
    with stage("writing the export"), atomic.folder(folder) as temporary:
        facts, after = write(run, temporary)
        atomic.write_json(temporary / MANIFEST, Gate(run).facts_of(export=to, **facts))
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    difference = (
        max(facts["differences"].values(), default=None) if "differences" in facts else None
    )
    return Exported(folder, sizes, difference, _placed(after, shown))


def _placed(after: str, folder: Path) -> str:
    """`after`, a command or a sentence, with the folder in it; what stands in a command is quoted
    for a shell.
    """
    if isinstance(after, Message):
        return Message(after.template.format(folder), after.template, (folder,))
    return after.replace("FOLDER/run.py", shlex.quote(str(folder / "run.py")))
