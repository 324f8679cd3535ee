"""Sentences in several languages: English as it is written in the code, other languages from one table.

    words = say("Real data get {0}: the model is not there yet.", show(value))     a str, in English
    told(words, "zh")                                                              the same sentence in Chinese

`say` remembers the template beside the English text, so sentences travel as plain strings (JSON, tests, exceptions) and can still be said
anew at the edge, where a page is written. What has no translation, such as the words of a plug-in, stays English. A test reads the source
and fails for every `say("...")` without a line in `castalia/language/zh_*.py`, and for every line that nobody says.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from castalia.errors import RecipeError

LANGUAGES = {
    "en": (),
    "zh": ("zh_pages", "zh_scores", "zh_music", "zh_data", "zh_losses"),
}  # language -> the files of this folder that hold its table
SENTENCES, SERIES = " ", ", "
ROWS = {SENTENCES: {"zh": ""}, SERIES: {"zh": "、"}}  # what stands between the parts of a row


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


def join(sentences: Iterable[str]) -> Said:
    """Sentences in a row, as one text."""
    return _row(SENTENCES, sentences)


def series(parts: Iterable[str]) -> Said:
    """a, b, c."""
    return _row(SERIES, parts)


def _row(between: str, parts: Iterable[str]) -> Said:
    kept = tuple(part for part in parts if part)
    return Said(between.join(kept), between, kept)


def told(text: str, language: str) -> str:
    """`text` in `language` ("en" or "zh"); as it is where it was not made by `say` or has no translation."""
    if language == "en" or not isinstance(text, Said):
        return str(text)
    if text.template in ROWS:
        return ROWS[text.template][language].join(told(part, language) for part in text.values)
    values = [told(value, language) if isinstance(value, str) else value for value in text.values]
    return table(language).get(text.template, text.template).format(*values)


@lru_cache
def table(language: str) -> Mapping[str, str]:
    """Template -> translation. Raises RecipeError for a language that is not there."""
    if language not in LANGUAGES:
        raise RecipeError(f"there is no language '{language}'", where="--lang", fix="one of: " + ", ".join(LANGUAGES))
    found: dict[str, str] = {}
    for name in LANGUAGES[language]:
        found |= importlib.import_module(f"castalia.language.{name}").SENTENCES
    return found


@dataclass(frozen=True)
class Voice:
    """A language to write a page in. Raises RecipeError for one that is not there."""

    language: str = "en"

    def __post_init__(self) -> None:
        table(self.language)

    def __call__(self, text: str) -> str:
        return told(text, self.language)

    def say(self, template: str, *values: Any) -> str:
        return told(say(template, *values), self.language)

    def plain(self, value: Any) -> Any:
        """JSON with every sentence told."""
        match value:
            case str():
                return told(value, self.language)
            case dict():
                return {key: self.plain(entry) for key, entry in value.items()}
            case list() | tuple():
                return [self.plain(entry) for entry in value]
            case _:
                return value
