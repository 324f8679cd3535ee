"""The audit index: all training items of a run, reduced, in which a release policy looks up the
nearest one of anything new.

RUN/audit/index.json and index.safetensors. They hold the training items (small pictures, whole
texts): keep them as safe as the data. similarity.py is where a policy asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field

from castalia import atomic, bounded, tensor_file
from castalia.codecs.base import Codec
from castalia.codecs.protocols import members_of
from castalia.config import State, hold
from castalia.data.stream import to_unit
from castalia.errors import CastaliaError, DataError, RunError
from castalia.governance import similarity
from castalia.governance.copy_matcher import Matcher
from castalia.governance.copy_matchers import matcher_called
from castalia.governance.similarity import Nearest
from castalia.run import Run, dump
from castalia.sentences import say
from castalia.spec import Dense

MEASURE = "copies"
LARGEST = 1 << 29  # bytes


class IndexFacts(State):
    """index.json."""

    model_config = ConfigDict(extra="allow")

    matcher: str  # the name of one that fits the run's codec
    threshold: Annotated[float, Field(ge=0, le=1)]
    names: list[str]
    state: dict[str, Any]


@dataclass(frozen=True)
class Index:
    """limit: a similarity above this is what the audit calls a copy."""

    matcher: Matcher
    codec: Codec[Any]
    names: Sequence[str]
    limit: float

    def nearest(self, item: Any) -> Nearest:
        """(similarity in [0, 1], name of the training item) for a native item (a picture, a text):
        1 minus the audit's distance; the name is "" where nothing is alike. Of several items that
        are written as one file, the one that is most alike.
        """
        spec, items = self.codec.spec, members_of(self.codec, item)
        matches = self.matcher.match(
            torch.stack([to_unit(spec, self.codec.encode(one)) for one in items])
            if isinstance(spec, Dense)
            else items
        )
        nearest = int(matches.distance.argmin())
        place = int(matches.train[nearest])
        return Nearest(
            1.0 - float(matches.distance[nearest]), self.names[place] if place >= 0 else ""
        )


def open_index(run: Run) -> Index | None:
    """The index that the last audit of the run left; None where there is none. Raises RunError when
    it is damaged.
    """
    path = run.folder / "audit" / "index.json"
    if not path.exists():
        return None
    try:
        about = bounded.parse_json(bounded.read_bytes(path, "json_bytes"))
    except DataError as error:
        raise _damaged(run) from error
    return restored(run, about)


def restored(run: Run, about: dict[str, Any]) -> Index:
    """From the content of index.json, and the tensors beside it."""
    known = hold(
        IndexFacts,
        about,
        say("the audit's index is damaged"),
        run.folder / "audit",
        f"castalia audit {run.folder}",
    )
    tensors = tensor_file.read(run.folder / "audit" / "index.safetensors")
    tensor_file.require_finite(tensors, run.folder / "audit" / "index.safetensors")
    kind = matcher_called(known.matcher, run.codec)
    if kind is None:
        raise _damaged(run)
    try:
        matcher = kind.restore(run.codec, known.state, tensors)
        count = len(matcher)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        CastaliaError,
    ) as error:  # a matcher's own state, which it alone knows
        raise _damaged(run) from error
    if count != len(known.names):
        raise _damaged(run)
    return Index(matcher, run.codec, known.names, 1.0 - known.threshold)


def write_index(
    folder: Path, matcher: Matcher, document: dict[str, Any], names: Sequence[str]
) -> str:
    """Writes both files; where there is nothing to write, returns why."""
    state, tensors = matcher.state()
    if sum(tensor.nbytes for tensor in tensors.values()) > LARGEST:
        return say(
            "There is no index for a release policy: the training data are too large for one."
        )
    about = {
        "format": similarity.FORMAT,
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
    return RunError(
        say("the audit's index is damaged"),
        where=run.folder / "audit",
        fix=f"castalia audit {run.folder}",
    )
