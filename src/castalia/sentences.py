"""Sentences that keep the template they were made from, so that they can be translated where they
are shown.

    text = say("the file '{0}' cannot be read: {1}", name, reason)          a str, in English
    text.template, text.values                                              what a translation needs
    plural("{0:,} file", "{0:,} files", n)                                  "1 file", "1,204 files"
    say_in("music", "note")                      a word with another translation in other contexts
    N_("{0} of {1}")                             marks a template that is filled elsewhere

Sentences are strings: they pass through exceptions, JSON and tests. `castalia.language.translate`
gives them in another language, from gettext catalogues (locale/LANGUAGE/LC_MESSAGES/*.po) whose
msgid are the templates. The templates of these functions must be literals, because
`castalia.language.extraction` collects them from the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# what stands between sentences, and between the parts of a list, in English
SENTENCES, SERIES = " ", ", "


class Message(str):
    """English text with what it was made from.

    template    the English template; of a plural, the form for many.
    values      what it is filled with.
    msgid       the entry of the catalogue: the template; of a plural, the form for one.
    context     msgctxt of the catalogue; "" for none.
    number      of a plural, the count that chooses the form; None for other sentences.
    """

    template: str
    values: tuple[Any, ...]
    msgid: str
    context: str
    number: float | None

    def __new__(
        cls,
        text: str,
        template: str = "",
        values: tuple[Any, ...] = (),
        *,
        msgid: str = "",
        context: str = "",
        number: float | None = None,
    ) -> Message:
        made = super().__new__(cls, text)
        made.template, made.values = template, values
        made.msgid, made.context, made.number = msgid or template, context, number
        return made


def say(template: str, *values: Any) -> Message:
    """The sentence `template.format(*values)`. Values that are `Message` themselves are translated
    with it.
    """
    return Message(template.format(*values), template, values)


def say_in(context: str, template: str, *values: Any) -> Message:
    """As `say`, for a word whose translation depends on the context: "note" is one word in music
    and another one in a list of findings.
    """
    return Message(template.format(*values), template, values, context=context)


def plural(one: str, many: str, count: float, *values: Any) -> Message:
    """The sentence `one` where count is 1, else `many`, filled with `count` as {0} and `values` as
    {1}, {2}, ... Other languages choose among their own plural forms.
    """
    template = one if count == 1 else many
    filled = (count, *values)
    return Message(template.format(*filled), many, filled, msgid=one, number=count)


def N_(template: str) -> str:
    """The template as it is: marks it for translation where it is filled later, or by others."""
    return template


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
