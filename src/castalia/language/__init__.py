"""Sentences in several languages: English as it is written in the code, other languages from one
table.

    words = say("Real data get {0}: the model is not there yet.", show(value))     a str, in English
    told(words, "zh")
        the same sentence in Chinese

`say` (castalia/sentences.py) remembers the template beside the English text, so sentences travel as
plain strings (JSON, tests, exceptions) and can still be said anew at the edge, where a page, a
terminal line or an error is written. What has no translation, such as the words of a plug-in, stays
English. A test reads the source and fails for every sentence without a line in
`castalia/language/zh_*.py`, and for every line that nobody says.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from castalia.errors import CastaliaError, RecipeError
from castalia.sentences import SENTENCES, SERIES, Message, Row, join, plural, row, say, series

__all__ = [
    "LANGUAGES",
    "Message",
    "Voice",
    "constant",
    "current",
    "join",
    "plural",
    "preferred",
    "recognised",
    "row",
    "say",
    "series",
    "table",
    "translate",
    "using",
]

# the table of one is in the files of this folder whose names begin with it: zh_pages.py, ...
LANGUAGES = ("en", "zh")
# What stands between the parts of a row, where it is not as in English.
ROWS: Mapping[str, Mapping[str, str]] = {
    SENTENCES: {"zh": ""},
    SERIES: {"zh": "、"},
    "; ": {"zh": "；"},
}
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set decides, as in POSIX
_current = "en"


def current() -> str:
    """The language of this process's terminal: "en", unless the command line chose another one
    (`using`).
    """
    return _current


@contextmanager
def using(language: str) -> Iterator[None]:
    """Makes `language` the current one meanwhile, for all threads. Raises RecipeError for one that
    is not there.
    """
    global _current
    table(language)
    before, _current = _current, language
    try:
        yield
    finally:
        _current = before


def preferred(environment: Mapping[str, str] = os.environ) -> str:
    """The language that the environment asks for: $CASTALIA_LANG, else the locale; "en" where it
    asks for one that is not there.

    Raises RecipeError where $CASTALIA_LANG names a language that is not there.
    """
    chosen = environment.get("CASTALIA_LANG", "")
    if chosen:
        name = _name(chosen)
        if name not in LANGUAGES:
            raise _unknown(chosen, "CASTALIA_LANG")
        return name
    name = _name(next((environment[name] for name in VARIABLES if environment.get(name)), ""))
    return name if name in LANGUAGES else "en"


def _name(locale: str) -> str:
    """ "zh" of "zh_CN.UTF-8" and of "zh-Hans"."""
    return re.split(r"[-_.@]", locale, maxsplit=1)[0].lower()


def translate(text: Any, language: str | None = None) -> str:
    """`text` in `language` ("en" or "zh"; None: the current one); as it is where it was not made by
    `say` or has no translation.

    An error (CastaliaError) becomes its lines: what, where and what to do.
    """
    language = current() if language is None else language
    if isinstance(text, CastaliaError):
        return _error(text, language)
    if language == "en" or not isinstance(text, Message):
        return str(text)
    if isinstance(text, Row):
        return (
            ROWS.get(text.template, {})
            .get(language, text.template)
            .join(translate(part, language) for part in text.values)
        )
    values = [
        translate(value, language) if isinstance(value, Message | CastaliaError) else value
        for value in text.values
    ]
    return table(language).get(text.template, text.template).format(*values)


def _error(error: CastaliaError, language: str) -> str:
    if language == "en":
        return str(error)
    lines = [translate(error.what, language)]
    if error.where:
        lines.append(translate(say("at:  {0}", error.where), language))
    if error.fix:
        lines.append(translate(say("try: {0}", error.fix), language))
    return "\n".join(lines)


def constant(text: str, language: str | None = None) -> str:
    """The translation of a text without values, such as the help of an option; `text` itself where
    there is none.
    """
    return table(current() if language is None else language).get(text, text)


@lru_cache
def table(language: str) -> Mapping[str, str]:
    """Template -> translation. Raises RecipeError for a language that is not there."""
    if language not in LANGUAGES:
        raise _unknown(language, "--lang")
    sentences: dict[str, str] = {}
    for file in sorted(
        file.name
        for file in resources.files(__name__).iterdir()
        if file.name.startswith(f"{language}_")
    ):
        sentences |= importlib.import_module(f"{__name__}.{file.removesuffix('.py')}").SENTENCES
    return sentences


def _unknown(language: str, where: str) -> RecipeError:
    return RecipeError(
        say("there is no language '{0}'", language), where, say("one of: {0}", ", ".join(LANGUAGES))
    )


def recognised(text: str) -> str:
    """Text that came back from JSON or from another package, as the sentence whose template it fits
    best; as it is where none does.
    """
    if isinstance(text, Message):
        return text
    for pattern, template in _patterns():
        match = pattern.fullmatch(text)
        if match:
            places = sorted((int(name[1:]), value) for name, value in match.groupdict().items())
            return Message(text, template, tuple(recognised(value) for _, value in places))
    return _Shown(text)


class _Shown(str):
    """A value that is text already: `{0:,}` and `{0!r}` leave it as it is."""

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


@lru_cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """(what a sentence looks like, its template) of all templates that have words of their own,
    those with the most of them first.
    """
    templates = {
        template
        for language in LANGUAGES
        for template in table(language)
        if len(_FIELD.sub("", template)) >= 8
    }
    ordered = sorted(templates, key=lambda template: -len(_FIELD.sub("", template)))
    return [(_pattern(template), template) for template in ordered]


_FIELD = re.compile(r"\{(\d+)[^{}]*\}")


def _pattern(template: str) -> re.Pattern[str]:
    parts, seen, last = [], set(), 0
    for field in _FIELD.finditer(template):
        parts.append(
            re.escape(template[last : field.start()].replace("{{", "{").replace("}}", "}"))
        )
        parts.append(f"(?P=v{field[1]})" if field[1] in seen else f"(?P<v{field[1]}>.+?)")
        seen.add(field[1])
        last = field.end()
    return re.compile(
        "".join([*parts, re.escape(template[last:].replace("{{", "{").replace("}}", "}"))]),
        re.DOTALL | re.IGNORECASE,
    )


@dataclass(frozen=True)
class Voice:
    """A language to write a page in. Raises RecipeError for one that is not there."""

    language: str = "en"

    def __post_init__(self) -> None:
        table(self.language)

    def __call__(self, text: str) -> str:
        return translate(text, self.language)

    def say(self, template: str, *values: Any) -> str:
        return translate(say(template, *values), self.language)

    def plain(self, value: Any) -> Any:
        """JSON with every sentence told."""
        match value:
            case str():
                return translate(value, self.language)
            case dict():
                return {key: self.plain(entry) for key, entry in value.items()}
            case list() | tuple():
                return [self.plain(entry) for entry in value]
            case _:
                return value
