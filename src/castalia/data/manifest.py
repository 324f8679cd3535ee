"""Data manifests: the files of a data set by relative name and SHA-256, to be compared later, here
or elsewhere.

    {"castalia_manifest": 1, "codec": "image", "entries": 3, "sha256": of all entries,
        "fingerprint": as in a run,
     "files": [{"name": "cat/1.png", "bytes": 120, "sha256": "..."},
               {"name": "poems.jsonl", "bytes": 900, "sha256": "...", "items": ["first 32 hex digits
                   of each item's SHA-256", ...]}]}

Names are relative to the source; no path of a machine is in it, and no content.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.errors import DataError
from castalia.sentences import say

FORMAT = 1


def make(
    codec: str | None, files: Sequence[Mapping[str, Any]], fingerprint: str | None
) -> dict[str, Any]:
    """files: {"name", "bytes", "sha256"} and, where one file holds many items, {"items": [...]}; in
    any order.
    """
    ordered = sorted((dict(file) for file in files), key=lambda file: file["name"])
    whole = hashlib.sha256()
    for file in ordered:
        whole.update(f"{file['sha256']} {file['name']}\n".encode("utf-8", "surrogateescape"))
    count = sum(len(file["items"]) if "items" in file else 1 for file in ordered)
    return {
        "castalia_manifest": FORMAT,
        "codec": codec,
        "entries": count,
        "sha256": whole.hexdigest(),
        "fingerprint": fingerprint,
        "files": ordered,
    }


def load(path: Path) -> dict[str, Any]:
    """A manifest from its file. Raises DataError when it is none, or newer than this version."""
    fix = "castalia check DATA --out FOLDER writes one"
    content = bounded.parse_json(bounded.read_bytes(path, "json_bytes"), path.name, fix)
    if (
        not isinstance(content, dict)
        or not isinstance(content.get("castalia_manifest"), int)
        or not isinstance(content.get("files"), list)
    ):
        raise DataError(
            say("this is not a manifest"),
            path.name,
            say("give manifest.json of castalia check DATA --out FOLDER"),
        )
    if content["castalia_manifest"] > FORMAT:
        raise DataError(
            say(
                "the manifest has format {0}, newer than {1}", content["castalia_manifest"], FORMAT
            ),
            path.name,
            say("update castalia"),
        )
    if any(
        not isinstance(file, dict)
        or not isinstance(file.get("name"), str)
        or not isinstance(file.get("sha256"), str)
        for file in content["files"]
    ):
        raise DataError(
            say("an entry of the manifest has no name or no hash"),
            path.name,
            "castalia check DATA --out FOLDER writes a new one",
        )
    return content


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Differences of two manifests: {"same": n, "added", "removed", "changed", "renamed"}, names
    sorted.

    A file under another name with the same content is renamed; of a changed file that holds many
    items, how many came and went is counted.
    """
    before = {file["name"]: file for file in old["files"]}
    after = {file["name"]: file for file in new["files"]}
    gone = {name for name in before if name not in after}
    fresh = {name for name in after if name not in before}
    by_hash: dict[str, list[str]] = {}
    for name in sorted(gone):
        by_hash.setdefault(before[name]["sha256"], []).append(name)
    renamed = []
    for name in sorted(fresh):
        earlier = by_hash.get(after[name]["sha256"], [])
        if earlier:
            renamed.append({"from": earlier.pop(0), "to": name})
    gone -= {pair["from"] for pair in renamed}
    fresh -= {pair["to"] for pair in renamed}
    both = [name for name in before if name in after]
    changed = [
        _change(name, before[name], after[name])
        for name in sorted(both)
        if before[name]["sha256"] != after[name]["sha256"]
    ]
    return {
        "same": len(both) - len(changed),
        "added": sorted(fresh),
        "removed": sorted(gone),
        "changed": changed,
        "renamed": renamed,
    }


def _change(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    if "items" not in before or "items" not in after:
        return {"name": name}
    old, new = Counter(before["items"]), Counter(after["items"])
    return {"name": name, "items_added": (new - old).total(), "items_removed": (old - new).total()}
