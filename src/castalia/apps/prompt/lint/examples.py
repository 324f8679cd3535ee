"""Examples in a prompt: questions with their answers, one below the other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ARROW = re.compile(r"^(?P<ask>[^\n]{1,400}?)[ \t]*(?:->|→|=>|⇒)[ \t]*(?P<answer>[^\n]*)$", re.M)
_BOTH = re.compile(
    r"^(?P<first>[^\s:：]{1,12})[:：][ \t]*(?P<ask>[^\n]{1,400}?)[ \t]+"
    r"(?P<second>[^\s:：]{1,12})[:：][ \t]*(?P<answer>[^\n]*)$",
    re.M,
)
_LABEL = re.compile(
    r"^[ \t>*#-]*(?P<label>[^\W_][^\n:：.。,，?？!！]{0,24}?)\**[:：]\**[ \t]*(?P<rest>[^\n]*)$",
    re.M,
)
_LEADING = re.compile(r"^[ \t*-]*(?:[^\s:：]{1,12}[:：])?\s*")


@dataclass(frozen=True)
class Example:
    """start, end: of the whole of it; ask, answer: its two halves."""

    start: int
    end: int
    ask: str
    answer: str


@dataclass
class Examples:
    """shown: complete ones; open: what is asked at the end, without an answer; spans: where all of
    it stands.
    """

    shown: list[Example] = field(default_factory=list)
    open: list[Example] = field(default_factory=list)

    @property
    def spans(self) -> list[tuple[int, int]]:
        return [(one.start, one.end) for one in [*self.shown, *self.open]]


def find_examples(text: str) -> Examples:
    """At least two in the same form; else none."""
    for found in (_of_lines(text, _ARROW), _of_lines(text, _BOTH), _of_labels(text)):
        complete = [one for one in found if one.answer]
        if len(complete) >= 2:
            return Examples(complete, [one for one in found if not one.answer])
    return Examples()


def _of_lines(text: str, pattern: re.Pattern[str]) -> list[Example]:
    return [
        Example(
            match.start(),
            match.end(),
            _LEADING.sub("", match["ask"]).strip(),
            match["answer"].strip(),
        )
        for match in pattern.finditer(text)
    ]


def _of_labels(text: str) -> list[Example]:
    """Two labels in turn, each at the beginning of a line."""
    lines = list(_LABEL.finditer(text))
    counts: dict[str, int] = {}
    for match in lines:
        counts[match["label"].lower()] = counts.get(match["label"].lower(), 0) + 1
    often = [name for name, count in counts.items() if count >= 2]
    if len(often) < 2:
        return []
    asks, answers = often[0], often[1]
    found: list[Example] = []
    for place, match in enumerate(lines):
        if match["label"].lower() != asks:
            continue
        after = lines[place + 1] if place + 1 < len(lines) else None
        ended = after.start() if after else len(text)
        ask = text[match.start("rest") : ended].strip()
        if after is None or after["label"].lower() != answers:
            found.append(Example(match.start(), match.end(), ask, ""))
            continue
        found.append(Example(match.start(), after.end(), ask, after["rest"].strip()))
    return found
