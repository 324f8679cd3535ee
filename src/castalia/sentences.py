"""Sentences that remember how they were made, so that whoever shows them can do so in the reader's
language.

    text = say("the file '{0}' cannot be read: {1}", name, reason)          a str, in English
    text.template, text.values                                              what a translation needs
    plural("{0:,} file", "{0:,} files", n)                                  "1 file", "1,204 files"

Sentences travel as plain strings: through exceptions, JSON and tests. `castalia.language.translate`
gives them in another language, from a table whose keys are the templates; of a plural, the key is
the form for many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# what stands between sentences, and between the parts of a list, in English
SENTENCES, SERIES = " ", ", "


class Message(str):
    """English text that knows how it was made: `template.format(*values)`."""

    template: str
    values: tuple[Any, ...]

    def __new__(cls, text: str, template: str = "", values: tuple[Any, ...] = ()) -> Message:
        said = super().__new__(cls, text)
        said.template, said.values = template, values
        return said


def say(template: str, *values: Any) -> Message:
    """The sentence `template.format(*values)`. Values that are `Message` themselves are told in the
    listener's language.
    """
    return Message(template.format(*values), template, values)


def plural(one: str, many: str, count: float, *values: Any) -> Message:
    """The sentence `one` where count is 1, else `many`, filled with `count` as {0} and `values` as
    {1}, {2}, ...
    """
    return Message((one if count == 1 else many).format(count, *values), many, (count, *values))


class Row(Message):
    """Texts in a row; `template` is what stands between them in English, `values` are the texts."""


def row(between: str, parts: Iterable[str]) -> Row:
    """The parts that are not empty, with `between` between them."""
    kept = tuple(part for part in parts if part)
    return Row(between.join(kept), between, kept)


def join(sentences: Iterable[str]) -> Row:
    """Sentences in a row, as one text."""
    return row(SENTENCES, sentences)


def series(parts: Iterable[str]) -> Row:
    """a, b, c."""
    return row(SERIES, parts)
