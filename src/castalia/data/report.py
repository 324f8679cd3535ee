"""What is said about the data: a fingerprint that identifies them and a report of what was found."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from castalia.data import split
from castalia.data.source import Source

_EXAMPLES = 8


def fingerprint(source: Source, items: np.ndarray) -> str:
    """SHA-256 over the sorted content hashes with their class names. Independent of file names, of order, and of the split."""
    names = [*source.classes, ""]
    digest = hashlib.sha256()
    for item in items[np.lexsort((source.label[items], split.ranks(source.digest[items])))]:
        digest.update(source.digest[item].tobytes())
        digest.update((names[source.label[item]] if source.classes else "").encode() + b"\0")
    return digest.hexdigest()


def describe(source: Source, items: np.ndarray, content: np.ndarray) -> dict[str, Any]:
    """JSON about `items` (n,), content (n,) being equal where items are byte for byte the same. File names are relative to the source."""
    same: defaultdict[int, list[int]] = defaultdict(list)
    repeated = np.bincount(content)[content] > 1
    for item, number in zip(items[repeated].tolist(), content[repeated].tolist(), strict=True):
        same[number].append(item)
    counts = Counter(source.label[items].tolist()) if source.classes else Counter()
    notes = [*source.notes]
    conflicts = sum(len({int(source.label[item]) for item in copies}) > 1 for copies in same.values())
    if conflicts:
        notes.append(f"{conflicts} items occur in more than one class")
    return {
        "source": source.name,
        "items": len(items),
        "distinct": len(np.unique(content)),
        "files": len(source.files),
        "duplicates": {
            "copies": sum(len(copies) - 1 for copies in same.values()),
            "examples": [[source.where(item) for item in copies[:4]] for copies in list(same.values())[:_EXAMPLES]],
        },
        "ignored": dict(source.ignored.most_common()),
        "classes": {name: counts.get(number, 0) for number, name in enumerate(source.classes)},
        "unlabelled": counts.get(len(source.classes), 0),
        "groups": len(source.groups),
        "captions": 0 if source.captions is None else sum(source.captions[item] is not None for item in items),
        "notes": notes,
    }
