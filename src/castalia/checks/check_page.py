"""The HTML page of a check: one offline file, in English or Chinese. Pictures and texts are inside
it; personal data are masked.

Order: the verdict, what to do next, findings, whether it is enough, what is here, between the
parts, copies side by side, personal data, columns, files.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.checks import item_scan, messages
from castalia.checks.check_result import CheckResult
from castalia.checks.report_schema import Document
from castalia.language import Voice, recognised, translate
from castalia.pages.presenter import presenter_of
from castalia.pages.render import render
from castalia.units import size

MOST_CLASSES, MOST_ROWS = 40, 60
# How two items are alike: what `check` calls it, and the label that says so.
ALIKE = {"bytes": "bytes", "content": "content", "near": "near", "leak": "both"}


def write_page(checked: CheckResult, path: Path, language: str = "en") -> None:
    """Writes `path` whole or not at all."""
    atomic.write(path, page(checked, language))


def page(checked: CheckResult, language: str = "en") -> str:
    """The HTML document."""
    document, label = checked.document, partial(messages.label, lang=language)
    unreadable = [(one.file, messages.reason(one.why, language)) for one in document.unreadable]
    return render(
        "check.html.j2",
        language,
        title=f"{label('check')} · {document.source}",
        label=label,
        verdict=document.verdict,
        headline=messages.pick(messages.VERDICTS[document.verdict], language),
        # JSON has these sentences in English alone
        steps=[(one.command, translate(recognised(one.why), language)) for one in document.next],
        findings=[
            {
                "level": one.level,
                "words": messages.finding(one.code, language, one.values, document.codec),
                "examples": [messages.example(name, language) for name in one.examples],
            }
            for one in document.findings
        ],
        enough=[
            {
                "verdict": one.verdict.replace(" ", "-"),
                "words": enough_line(one, language),
                "source": translate(recognised(one.source), language),
            }
            for one in document.enough
        ],
        facts=facts(document, language),
        classes=_classes(document),
        leakage=document.leakage,
        twins=_twins(checked, language),
        personal=[
            {
                "kind": messages.noun(kind, language, 2, document.codec),
                "count": one.count,
                "items": one.items,
                "examples": "; ".join(
                    f"{part.masked} ({messages.place(part.where, language)})"
                    for part in one.examples
                ),
            }
            for kind, one in document.personal.items()
        ],
        tables=document.tables[:MOST_ROWS],
        column_kind=partial(messages.column_kind, lang=language),
        files=[
            (label(name), rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS))
            for name, rows in (
                ("manifest", _changes(document, language)),
                ("unreadable", unreadable),
            )
            if rows
        ],
        version=document.castalia,
    )


def facts(document: Document, language: str) -> list[tuple[str, str]]:
    """(name, value) of what is here, for people."""

    def say(name: str) -> str:
        return messages.label(name, language)

    rows = [
        (say("files"), f"{document.files:,} · {translate(size(document.bytes), language)}"),
        (say("codec"), document.codec or say("none")),
        (
            say("items"),
            f"{document.items:,}"
            + (f" ({document.distinct:,} {say('different')})" if document.items else ""),
        ),
    ]
    if document.facts:
        rows += item_scan.of(document.codec).rows(document.facts, Voice(language))
    if document.classes:
        low, high = min(document.classes.values()), max(document.classes.values())
        rows.append((say("classes"), f"{len(document.classes):,} ({low:,} … {high:,})"))
    rows += [(say("licence"), document.licence or say("none"))]
    return [
        *rows,
        *([(say("fingerprint"), document.fingerprint[:16])] if document.fingerprint else []),
    ]


def enough_line(one: Any, language: str) -> str:
    have = messages.counted(one.have, one.unit, language)
    return messages.pick(messages.ENOUGH[one.verdict], language).format(
        family=one.family, have=have, least=f"{one.least:,}", wants=f"{one.wants:,}"
    )


def _classes(document: Document) -> list[tuple[str, int, str]]:
    """(name, items, width of its bar) of each class; the largest ones where there are many."""
    counts = list(document.classes.items())
    if len(counts) > MOST_CLASSES:
        counts = sorted(counts, key=lambda pair: -pair[1])[:MOST_CLASSES]
    most = max((count for _, count in counts), default=1)
    return [(name, count, f"{100 * count / max(1, most):.1f}%") for name, count in counts]


def _twins(checked: CheckResult, language: str) -> list[dict[str, Any]]:
    """Copies side by side."""
    if checked.codec is None:
        return []
    shows, voice = presenter_of(checked.codec), Voice(language)
    twins = []
    for one in checked.shown:
        words = messages.label(ALIKE[one.why], language)
        if one.distance is not None:
            words += f" · {messages.label('distance', language)} {one.distance:.3f}"
        sides = zip(one.names, shows.pair(*one.items, voice), strict=True)
        twins.append({"words": words, "sides": list(sides)})
    return twins


def _changes(document: Document, language: str) -> list[tuple[str, str]]:
    """What became of the files since the manifest: (name, what)."""
    changes = document.compared
    if changes is None:
        return []
    rows = [
        (name, messages.label(what, language))
        for what, names in (("added", changes.added), ("removed", changes.removed))
        for name in names
    ]
    rows += [(one.name, messages.label("changed", language)) for one in changes.changed]
    return [
        *rows,
        *(
            (one.to, f"{messages.label('renamed', language)} ← {one.before}")
            for one in changes.renamed
        ),
    ]
