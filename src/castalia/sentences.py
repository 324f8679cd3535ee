"""Sentences that remember how they were made, so that whoever shows them can do so in the reader's language.

    text = say("the file '{0}' cannot be read: {1}", name, reason)          a str, in English
    text.template, text.values                                              what a translation needs
    plural("{0:,} file", "{0:,} files", n)                                  "1 file", "1,204 files"

Sentences travel as plain strings: through exceptions, JSON and tests. `castalia.language.told` gives them in another language, from a
table whose keys are the templates; of a plural, the key is the form for many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SENTENCES, SERIES = " ", ", "  # what stands between parts in English, and the template of such a row


class Said(str):
    """English text that knows how it was made: `template.format(*values)`; SENTENCES and SERIES in a row have these as their template."""

    template: str
    values: tuple[Any, ...]

    def __new__(cls, text: str, template: str = "", values: tuple[Any, ...] = ()) -> Said:
        said = super().__new__(cls, text)
        said.template, said.values = template, values
        return said


def say(template: str, *values: Any) -> Said:
    """The sentence `template.format(*values)`. Values that are `Said` themselves are told in the listener's language."""
    return Said(template.format(*values), template, values)


def plural(one: str, many: str, count: float, *values: Any) -> Said:
    """The sentence `one` where count is 1, else `many`, filled with `count` as {0} and `values` as {1}, {2}, ..."""
    return Said((one if count == 1 else many).format(count, *values), many, (count, *values))


def join(sentences: Iterable[str]) -> Said:
    """Sentences in a row, as one text."""
    return _row(SENTENCES, sentences)


def series(parts: Iterable[str]) -> Said:
    """a, b, c."""
    return _row(SERIES, parts)


def _row(between: str, parts: Iterable[str]) -> Said:
    kept = tuple(part for part in parts if part)
    return Said(between.join(kept), between, kept)
