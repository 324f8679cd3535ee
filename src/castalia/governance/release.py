"""The one gate out: whatever leaves through an application passes `emit`.

A released file appears whole or not at all and carries a manifest of where it came from. The manifest names no local
path; it has all that `sampling.generate.reproduce` needs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import castalia
from castalia import atomic
from castalia.codecs.base import Codec
from castalia.run import Run
from castalia.sampling.generate import Sample

SCHEMA = 1


@dataclass(frozen=True)
class Origin:
    """What all outputs of one run have in common; computed once, because it hashes the weights."""

    run: str
    model: str
    data: str
    recipe: str
    licence: str | None
    version: str


def origin(run: Run) -> Origin:
    about = run.about
    recipe = hashlib.sha256(json.dumps(about["recipe"], sort_keys=True).encode()).hexdigest()
    return Origin(run.id, run.model_hash(), about["data"]["fingerprint"], recipe, about["data"].get("licence"), castalia.__version__)


def manifest(source: Origin, **facts: Any) -> dict[str, Any]:
    """{"schema", "generator", "run", "model", "data", "recipe", "licence", "time", **facts}."""
    return {
        "schema": SCHEMA,
        "generator": f"castalia {source.version}",
        "synthetic": True,
        "run": source.run,
        "model": source.model,
        "data": source.data,
        "recipe": source.recipe,
        "licence": source.licence,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
    }


def sample_facts(sample: Sample) -> dict[str, Any]:
    """The part of a manifest from which one sample is made again."""
    return {
        "seed": sample.seed,
        "index": sample.index,
        "rows": sample.rows,
        "row": sample.row,
        "cond": sample.cond,
        "options": asdict(sample.options),
        **sample.facts,
    }


def emit(item: Any, codec: Codec[Any], path: Path, facts: dict[str, Any]) -> Path:
    """Write one item with its manifest; atomic. Returns `path`."""
    if codec.sidecar:  # first, so that nothing is ever released without one
        atomic.write_json(path.with_suffix(codec.sidecar), facts)
    with atomic.place(path) as temporary:
        codec.write(item, temporary, None if codec.sidecar else facts)
    return path
