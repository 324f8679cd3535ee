"""What an audit leaves for a release policy: all training items of the run, reduced, to ask for the nearest one of anything new.

RUN/audit/index.json and index.safetensors. They hold the training items (small pictures, whole texts): keep them as safe as the data. likeness.py
is where a policy asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.codecs.base import Codec
from castalia.data.stream import to_unit
from castalia.errors import RunError
from castalia.governance import likeness
from castalia.governance.copies import Matcher, matcher_called
from castalia.governance.likeness import Nearest
from castalia.run import Run, dump
from castalia.spec import Dense

MEASURE = "copies"
LARGEST = 1 << 29  # bytes


@dataclass(frozen=True)
class Index:
    """limit: a similarity above this is what the audit calls a copy."""

    matcher: Matcher
    codec: Codec[Any]
    names: Sequence[str]
    limit: float

    def nearest(self, item: Any) -> Nearest:
        """(similarity in [0, 1], name of the training item) for a native item (a picture, a text): 1 minus the audit's distance; the name is
        "" where nothing is alike."""
        spec = self.codec.spec
        found = self.matcher.match(to_unit(spec, self.codec.encode(item))[None] if isinstance(spec, Dense) else [item])
        place = int(found.train[0])
        return Nearest(1.0 - float(found.distance[0]), self.names[place] if place >= 0 else "")


def open_index(run: Run) -> Index | None:
    """The index that the last audit of the run left; None where there is none. Raises RunError when it is damaged."""
    path = run.folder / "audit" / "index.json"
    if not path.exists():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(run) from error
    return restored(run, about)


def restored(run: Run, about: dict[str, Any]) -> Index:
    """From the content of index.json, and the tensors beside it."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load((run.folder / "audit" / "index.safetensors").read_bytes())
        matcher = matcher_called(about["matcher"]).restore(run.codec, about["state"], tensors)
        return Index(matcher, run.codec, about["names"], 1.0 - about["threshold"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _damaged(run) from error


def write_index(folder: Path, matcher: Matcher, document: dict[str, Any], names: Sequence[str]) -> str:
    """Writes both files; where there is nothing to write, returns why."""
    state, tensors = matcher.state()
    if sum(tensor.nbytes for tensor in tensors.values()) > LARGEST:
        return "There is no index for a release policy: the training data are too large for one."
    about = {
        "format": likeness.FORMAT,
        "measure": MEASURE,
        "data": document["data"],
        "matcher": document["matcher"],
        "threshold": document["threshold"],
        "names": list(names),
        "state": state,
    }
    atomic.write(folder / "index.safetensors", dump(tensors))
    atomic.write(folder / "index.json", json.dumps(about, ensure_ascii=False))
    return ""


def _damaged(run: Run) -> RunError:
    return RunError("the audit's index is damaged", where=run.folder / "audit", fix=f"castalia audit {run.folder}")
