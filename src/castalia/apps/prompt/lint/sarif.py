"""Findings as SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the lines.

Columns count characters of Unicode (`columnKind`). A finding in a table has the line of its row;
the place inside the prompt is in `properties`. A change that is complete is a `fix`; one with a gap
to be filled in is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from castalia import __version__
from castalia.apps.prompt.lint.finding import Finding, Lines
from castalia.apps.prompt.lint.prompt_files import Source
from castalia.sentences import say

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
Checked = tuple[Source, Sequence[Finding]]


def meanings() -> dict[str, str]:
    """What each rule wants, in a sentence."""
    return {
        "clear": say("one reading: what it points at is there, and its demands can all be met"),
        "specific": say("an open task says how much, in which form or for whom"),
        "concise": say("no padding, no chains of politeness, nothing said twice"),
        "relevant": say("everything in it does something for the task"),
        "diverse": say("examples differ, and prompts of a set are different prompts"),
    }


def document(checked: Iterable[Checked], unjudged: Sequence[Source]) -> dict[str, Any]:
    """One run. unjudged: prompts in other languages, said as notifications."""
    results = [_result(source, one) for source, found in checked for one in found]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "castalia prompt lint",
                        "version": __version__,
                        "rules": [
                            {"id": rule, "shortDescription": {"text": str(text)}}
                            for rule, text in meanings().items()
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {
                                "level": "note",
                                "message": {"text": str(other_language())},
                                "locations": [_location(source, {"startLine": source.row or 1})],
                            }
                            for source in unjudged
                        ],
                    }
                ],
                "results": results,
            }
        ],
    }


def other_language() -> str:
    return say("only English and Chinese are judged")


def _result(source: Source, one: Finding) -> dict[str, Any]:
    place = {
        "startLine": one.line,
        "startColumn": one.column,
        "endLine": one.end_line,
        "endColumn": one.end_column,
    }
    region = place if source.row is None else {"startLine": source.row}
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "level": one.severity,
        "message": {"text": str(one.reason)},
        "locations": [_location(source, region)],
        "properties": {"kind": one.kind, "inPrompt": place},
    }
    if one.complete and source.row is None:
        lines = Lines(source.text)
        result["fixes"] = [
            {
                "description": {"text": str(one.reason)},
                "artifactChanges": [
                    {
                        "artifactLocation": {"uri": _uri(source)},
                        "replacements": [
                            {
                                "deletedRegion": _region(lines, edit.start, edit.end),
                                "insertedContent": {"text": edit.text},
                            }
                            for edit in one.edits
                        ],
                    }
                ],
            }
        ]
    return result


def _region(lines: Lines, start: int, end: int) -> dict[str, int]:
    first, last = lines.at(start), lines.at(end)
    return {
        "startLine": first[0],
        "startColumn": first[1],
        "endLine": last[0],
        "endColumn": last[1],
    }


def _location(source: Source, region: dict[str, int]) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(source)}, "region": region},
    }


def _uri(source: Source) -> str:
    from urllib.parse import quote

    path = source.path
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
