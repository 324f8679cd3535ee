"""What a rule finds in a prompt: its place, its reason, and a change that would mend it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

RULES = ("clear", "specific", "concise", "relevant", "diverse")
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Edit:
    """`text` in the place of the characters start .. end."""

    start: int
    end: int
    text: str = ""


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule.

    rule        one of RULES.
    kind        what about it, such as "missing": "clear/missing" is the name in SARIF.
    severity    one of SEVERITIES.
    start, end  characters of the text, from 0.
    reason      a sentence.
    edits       the proposed change, in order of their places.
    complete    whether the change can be made as it is; else it holds a gap in [brackets], or
                somebody has to choose.
    line, column, end_line, end_column  from 1.
    """

    rule: str
    kind: str
    severity: str
    start: int
    end: int
    reason: str
    edits: tuple[Edit, ...] = ()
    complete: bool = False
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    def document(self, text: str) -> dict[str, Any]:
        """As JSON; text: the prompt."""
        return {
            "rule": self.rule,
            "kind": self.kind,
            "severity": self.severity,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "reason": str(self.reason),
            "diff": diff(text, self.edits),
            "complete": self.complete,
        }


class Lines:
    """Lines and columns of a text."""

    def __init__(self, text: str) -> None:
        self.starts = [0]
        self.starts += [place + 1 for place, letter in enumerate(text) if letter == "\n"]

    def at(self, place: int) -> tuple[int, int]:
        """(line, column) of a character, from 1."""
        line = bisect_right(self.starts, place)
        return line, place - self.starts[line - 1] + 1


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits; one that overlaps an earlier one is left out."""
    parts, done = [], 0
    for one in sorted(edits, key=lambda one: (one.start, one.end)):
        if one.start < done:
            continue
        parts += [text[done : one.start], one.text]
        done = one.end
    return "".join([*parts, text[done:]])


def mended(text: str, findings: Sequence[Finding]) -> tuple[str, list[Finding]]:
    """(the text with all changes that are complete, the findings whose changes it holds). Of two
    that overlap the first is made.
    """
    made: list[Finding] = []
    edits: list[Edit] = []
    for one in findings:
        clear = all(
            edit.end <= other.start or other.end <= edit.start
            for edit in one.edits
            for other in edits
        )
        if one.complete and one.edits and clear:
            made.append(one)
            edits += one.edits
    return edited(text, edits), made


def diff(text: str, edits: Sequence[Edit], name: str = "prompt") -> str:
    """A unified diff with one line around; "" without edits. Only the lines of the edits are
    compared, so many findings in a long prompt cost little.
    """
    if not edits:
        return ""
    start = text.rfind("\n", 0, min(one.start for one in edits)) + 1
    start = text.rfind("\n", 0, max(start - 1, 0)) + 1
    end = max(one.end for one in edits)
    for _ in range(2):
        found = text.find("\n", end)
        end = len(text) if found < 0 else found + 1
    moved = [Edit(one.start - start, one.end - start, one.text) for one in edits]
    part, before = text[start:end], text.count("\n", 0, start)
    lines = unified_diff(
        part.splitlines(keepends=True),
        edited(part, moved).splitlines(keepends=True),
        name,
        name,
        n=1,
    )
    shifted = (
        re.sub(r"(?<=[-+])\d+", lambda match: str(int(match[0]) + before), line)
        if line.startswith("@@")
        else line
        for line in lines
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in shifted
    )
