"""The data report of a run: a fingerprint that identifies the data, counts, duplicates and
omissions.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from castalia.data import split, unread_files
from castalia.data.conditions import Column
from castalia.data.source import Source, recognised_place
from castalia.language import constant, recognised
from castalia.sentences import plural, row, say, series

_EXAMPLES = 8
_NAMED = 3  # kinds that a sentence names


def fingerprint(source: Source, items: np.ndarray, captions: bool = False) -> str:
    """SHA-256 over the sorted content hashes with their class names and conditions, and with their
    captions where a model is told them. Independent of file names, of order, and of the split.
    """
    columns = [
        Column(source.label, source.classes),
        *(source.columns[name] for name in sorted(source.columns)),
    ]
    digest = hashlib.sha256()
    for item in items[np.lexsort((*source.order(items), split.ranks(source.digest[items])))]:
        digest.update(source.digest[item].tobytes())
        for known in columns:
            digest.update(known.name(item).encode() + b"\0")
        if captions and source.captions is not None:
            digest.update("\0".join((*source.captions[item], "")).encode())
    return digest.hexdigest()


def describe(source: Source, items: np.ndarray, content: np.ndarray) -> dict[str, Any]:
    """JSON about `items` (n,), content (n,) being equal where items are byte for byte the same.
    File names are relative to the source.
    """
    same: defaultdict[int, list[int]] = defaultdict(list)
    repeated = np.bincount(content)[content] > 1
    for item, number in zip(items[repeated].tolist(), content[repeated].tolist(), strict=True):
        same[number].append(item)
    counts = Counter(source.label[items].tolist()) if source.classes else Counter()
    notes = [*source.notes]
    conflicts = sum(
        len({int(source.label[item]) for item in copies}) > 1 for copies in same.values()
    )
    if conflicts:
        notes.append(
            plural(
                "{0} item occurs in more than one class",
                "{0} items occur in more than one class",
                conflicts,
            )
        )
    omitted = source.omitted.plain()
    if source.bare:
        what = say("files that hold nothing to learn from")
        omitted.append(
            {"what": str(what), "count": len(source.bare), "example": source.bare[0], "remedy": ""}
        )
    return {
        "source": source.name,
        "items": len(items),
        "distinct": len(np.unique(content)),
        "files": len(source.files),
        "duplicates": {
            "copies": sum(len(copies) - 1 for copies in same.values()),
            "examples": [
                [source.where(item) for item in copies[:4]]
                for copies in list(same.values())[:_EXAMPLES]
            ],
        },
        "ignored": dict(source.ignored.most_common()),
        "omitted": omitted,
        "classes": {name: counts.get(number, 0) for number, name in enumerate(source.classes)},
        "unlabelled": counts.get(len(source.classes), 0),
        "groups": len(source.groups),
        "captions": 0
        if source.captions is None
        else sum(bool(source.captions[item]) for item in items),
        "notes": notes,
    }


def summary(report: dict[str, Any]) -> list[str]:
    """The report in a few lines for the terminal, from the report that a run keeps."""
    kinds = Counter(report.get("encodings", {})).most_common()
    named = series(
        [
            recognised(name) if len(kinds) == 1 else say("{0:,} {1}", count, recognised(name))
            for name, count in kinds[:_NAMED]
        ]
        + (["..."] if kinds[_NAMED:] else [])
    )
    items = plural("{0:,} item", "{0:,} items", report["items"])
    tokens = report.get("tokens")
    training, held_out = tokens[:2] if tokens else (report["train"], report["validation"])
    amount = plural("{0:,} token", "{0:,} tokens", training) if tokens else f"{training:,}"
    lines: list[str] = [
        say(
            "{0}{1}: {2} for training, {3:,} held out",
            items,
            say(" ({0})", named) if named else "",
            amount,
            held_out,
        )
    ]
    for one in report.get("omitted", []):  # not in runs made before there was such a list
        lines.append(
            say(
                "left out: {0}: {1:,}{2}",
                recognised(one["what"]),
                one["count"],
                say(", e.g. {0}", one["example"]) if one["example"] else "",
            )
        )
        if one["remedy"]:
            lines.append(say("          {0}", recognised(one["remedy"])))
    if report["duplicates"]["copies"]:
        lines.append(
            say(
                "more than once: {0}, e.g. {1}",
                plural("{0:,} copy", "{0:,} copies", report["duplicates"]["copies"]),
                row(" = ", map(recognised_place, report["duplicates"]["examples"][0][:2])),
            )
        )
    unknown = [
        (ending, count)
        for ending, count in report["ignored"].items()
        if unread_files.kind(f"x{ending}") is None
    ]
    if unknown:
        lines.append(
            say(
                "not read: {0}",
                series(
                    say("{0:,} {1}", count, constant(ending) or say("without an ending"))
                    for ending, count in unknown[:_NAMED]
                ),
            )
        )
    if report.get("skipped"):
        lines.append(say("skipped as bad: {0:,}, in run.json", len(report["skipped"])))
    return lines + [say("note: {0}", recognised(note)) for note in report["notes"]]
