"""A prompt as the rules see it: sentences that ask for something, the material that they hand over,
and the examples that they show.

Whoever writes a prompt puts orders and material side by side, with nothing that tells them apart.
Taken as material: what is quoted, code, tables, `{{ variables }}`, what follows a label ("Text:",
"评论：") or a colon, and paragraphs behind the first one that ask for nothing. Rules look at the
rest. In `Reading.plain` every character keeps its place; what is not the prompt's own words is a
BLANK or a space.

Not here: grammar. An order is known by its first verb, from a list (words.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from castalia.apps.prompt.lint import words
from castalia.apps.prompt.lint.examples import Examples, find_examples

MOST_COLONS = 8  # of a paragraph, behind which material may begin
BLANK = "\u00a4"
_FULL = str.maketrans(",:;!?", "，：；！？")
_HALF = re.compile(r"(?<=[\u4e00-\u9fff”」])[,:;!?]|[,:;!?](?=[\u4e00-\u9fff“「])")
# no part can hold its own beginning, so a text of openings alone is read once
_HIDDEN = re.compile(
    r"\{#(?:(?!#\}|\{#).)*#\}|<!--(?:(?!-->|<!--).)*-->|\{%(?:(?!%\}|\{%).)*%\}", re.DOTALL
)
_ROLE = re.compile(r"^[ \t]*\[(?:system|user|assistant)\][ \t]*$", re.MULTILINE)
_GIVEN = re.compile(
    r"```.*?(?:```|\Z)|\{\{(?:(?!\}\}|\{\{).)*\}\}|`[^`\n]+`|\"[^\"\n]{1,2000}\"|“[^“”\n]{1,2000}”"
    r"|「[^「」\n]{1,2000}」|《[^《》\n]{1,200}》|<(?P<tag>\w{1,20})>[^<]{0,100000}</(?P=tag)>|https?://\S+"
    r"|^[ \t]*\|[^\n]*\|[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_EMPTY = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_LABEL = re.compile(
    r"[ \t>*#-]*(?P<label>[A-Z\u4e00-\u9fff][^\n:：.。,，?？!！\u00a4]{0,24})[:：](?P<rest>[^\n]*)"
)
_COLON = re.compile(r"[:：]")
_STOP = re.compile(
    r"[。！？；;]+[”」\"]?|(?<!\be\.g)(?<!\bi\.e)(?<!\bMr)(?<!\bDr)(?<!\bvs)[.!?]+[\"”)]?(?=\s|\u00a4"
    r"|\Z|[\u4e00-\u9fff])|\n+"
)


@dataclass(frozen=True)
class Passage:
    """start, end: of the prompt, end with its stop; text: its words, blanks for what is given;
    asks: whether it asks for something.
    """

    start: int
    end: int
    text: str
    asks: bool


@dataclass
class Reading:
    """plain: the prompt with blanks; sentences: those of its own words; given: (start, end) of
    material, in order.
    """

    text: str
    plain: str
    sentences: list[Passage]
    given: list[tuple[int, int]]
    examples: Examples
    body: int = 0
    unused: list[tuple[int, int, str]] = field(default_factory=list)

    @cached_property
    def asking(self) -> list[Passage]:
        return [one for one in self.sentences if one.asks]

    def given_before(self, place: int) -> bool:
        """Whether material, or a sentence that asks for nothing, stands before."""
        return self._least <= place

    def given_after(self, place: int) -> bool:
        """Whether it stands behind."""
        return self._most >= place

    @cached_property
    def _told(self) -> list[tuple[int, int]]:
        return [*self.given, *((one.start, one.end) for one in self.sentences if not one.asks)]

    @cached_property
    def _least(self) -> int:
        return min((end for _, end in self._told), default=len(self.text) + 1)

    @cached_property
    def _most(self) -> int:
        return max((start for start, _ in self._told), default=-1)


def read(text: str, body: int = 0) -> Reading:
    """body: where the body begins, behind a head in YAML."""
    given: list[tuple[int, int]] = []
    # many people type Chinese with Latin stops
    plain = _HALF.sub(lambda match: match[0].translate(_FULL), text)
    plain = _covered(plain, [(0, body)], " ")
    hidden = [match.span() for match in _HIDDEN.finditer(plain)]
    plain = _covered(plain, hidden, " ")
    # the mark of a role ends a paragraph
    plain = _ROLE.sub(lambda match: " " * len(match[0]), plain)
    examples = find_examples(plain)
    if examples.spans:
        given += examples.spans
        plain = _covered(plain, examples.spans, " ")
    quoted = [match.span() for match in _GIVEN.finditer(plain)]
    given += quoted
    plain = _covered(plain, quoted, BLANK)
    more = list(_material(plain))
    given += more
    plain = _covered(plain, more, " ")
    return Reading(text, plain, list(_sentences(plain)), sorted(given), examples, body)


def _covered(text: str, spans: list[tuple[int, int]], mark: str) -> str:
    """The text with its spans covered; ends of lines stay."""
    parts, done = [], 0
    for start, end in sorted(spans):
        if end <= done:
            continue
        start = max(start, done)
        inside = re.sub(r"[^\n]", mark, text[start:end])
        parts += [text[done:start], inside]
        done = end
    return "".join([*parts, text[done:]])


def _material(plain: str) -> Iterator[tuple[int, int]]:
    """What follows labels and colons, and later paragraphs that ask for nothing."""
    asked = False
    breaks = [match.span() for match in _EMPTY.finditer(plain)]
    starts = [0, *(end for _, end in breaks)]
    for start, end in zip(starts, [*(first for first, _ in breaks), len(plain)], strict=True):
        labelled = _labelled(plain, start, end)
        first = labelled if labelled is not None else end
        own = plain[start:first]
        if own.strip(f" \n\t{BLANK}"):
            if asked and not any(words.asks(one) for one in _clauses(own)):
                yield start, end
                continue
            colon = _after_colon(plain, start, first)
            if colon is not None:
                yield colon, first
            asked = asked or any(words.asks(one) for one in _clauses(own))
        if labelled is not None:
            yield labelled, end


def _labelled(plain: str, start: int, end: int) -> int | None:
    """Where the first line with a label of material begins."""
    place = start
    for line in plain[start:end].splitlines(keepends=True):
        match = _LABEL.match(line)
        if match and not words.asks(match["label"]) and not words.order_label(match["label"]):
            return place
        place += len(line)
    return None


def _after_colon(plain: str, start: int, end: int) -> int | None:
    """Where what an order hands over begins: behind its colon, if that asks for nothing."""
    for match in islice(_COLON.finditer(plain, start, end), MOST_COLONS):
        before = re.split(r"[.!?。！？\n]", plain[start : match.start()])[-1]
        after = plain[match.end() : end]
        if (
            words.asks(before)
            and after.strip(f" \n\t{BLANK}")
            and not any(words.asks(one) for one in _clauses(after))
        ):
            return match.end()
    return None


def _clauses(text: str) -> list[str]:
    return [one for one in re.split(r"[.!?。！？；;\n]+\s*", text) if one.strip()]


def _sentences(plain: str) -> Iterator[Passage]:
    done = 0
    ends = [match.end() for match in _STOP.finditer(plain)]
    for end in [*ends, len(plain)]:
        piece = plain[done:end]
        stripped = piece.strip()
        if stripped.strip(BLANK + ".!?。！？；; "):
            start = done + len(piece) - len(piece.lstrip())
            yield Passage(start, start + len(stripped), stripped, words.asks(stripped))
        done = end
