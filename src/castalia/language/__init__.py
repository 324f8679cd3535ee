"""Sentences in several languages: English in the code, the others in gettext catalogues.

    words = say("Real data get {0}: the model is not there yet.", show(value))     a str, in English
    translate(words, "zh")
        the same sentence in Chinese

`say` (castalia/sentences.py) keeps the template beside the English text, so a sentence is a plain
string until a page, a terminal line or an error is written, and is translated there. What has no
translation, such as the sentences of a plug-in, stays English.

Catalogues are castalia/locale/LANGUAGE/LC_MESSAGES/castalia.po, and one in the folder of each
modality for the sentences of its own code. A test fails for every sentence without a translation
and for every translation whose sentence is gone. `make locale` updates the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from castalia.errors import CastaliaError, RecipeError
from castalia.language.catalogue import Catalogue, files, read
from castalia.sentences import (
    SENTENCES,
    SERIES,
    Message,
    Row,
    join,
    plural,
    row,
    say,
    say_in,
    series,
)

__all__ = [
    "LANGUAGES",
    "Message",
    "Voice",
    "accepted",
    "catalogues",
    "constant",
    "current",
    "join",
    "more_catalogues",
    "plural",
    "preferred",
    "recognised",
    "row",
    "say",
    "say_in",
    "series",
    "translate",
    "using",
]

LANGUAGES = ("en", "zh")
# What stands between the parts of a row, where it is not as in English.
ROWS: Mapping[str, Mapping[str, str]] = {
    SENTENCES: {"zh": ""},
    SERIES: {"zh": "、"},
    "; ": {"zh": "；"},
}
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set decides, as in POSIX
_current = "en"
_folders: list[Callable[[], Iterable[Traversable]]] = []  # of packages with catalogues of their own


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
    known(language)
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


def accepted(header: str, otherwise: str = "en") -> str:
    """The language that an Accept-Language header prefers among those that are there; `otherwise`
    where it prefers none.
    """
    best = dict.fromkeys(LANGUAGES, 0.0)
    for part in header[:1000].split(","):
        name, _, more = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", more)
        language = _name(name.strip())
        if language in best:
            value = float(quality[1]) if quality else 0.0 if more else 1.0
            best[language] = max(best[language], value)
    order = sorted(LANGUAGES, key=lambda language: language != otherwise)
    return max(order, key=lambda language: best[language])  # the first of equals


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
    found = _find(language, text.context, text.msgid, text.number)
    if found is None:  # the values may have translations all the same
        found = text.msgid if text.number == 1 else text.template
    return found.format(*values)


def _error(error: CastaliaError, language: str) -> str:
    if language == "en":
        return str(error)
    lines = [translate(error.what, language)]
    if error.where:
        lines.append(translate(say("at:  {0}", error.where), language))
    if error.fix:
        lines.append(translate(say("try: {0}", error.fix), language))
    return "\n".join(lines)


def constant(
    text: str, language: str | None = None, context: str = "", count: float | None = None
) -> str:
    """The translation of a text without values, such as the help of an option, or of a template
    that is filled elsewhere; `text` itself where there is none. count: of a plural, which number.
    """
    language = current() if language is None else known(language)
    return (_find(language, context, text, count) or text) if language != "en" else text


def more_catalogues(folders: Callable[[], Iterable[Traversable]]) -> None:
    """Adds the catalogues in the `locale` of the folders of other packages. They are read when a
    sentence is not in the catalogue of Castalia itself.
    """
    _folders.append(folders)
    _more.cache_clear()
    _patterns.cache_clear()


def catalogues(language: str) -> Iterator[Catalogue]:
    """The catalogues of a language, Castalia's own first; none for English. Raises RecipeError for
    a language that is not there.
    """
    yield from _own(known(language))
    yield from _more(language)


def known(language: str) -> str:
    """`language`. Raises RecipeError for one that is not there."""
    if language not in LANGUAGES:
        raise _unknown(language, "--lang")
    return language


def _find(language: str, context: str, msgid: str, count: float | None = None) -> str | None:
    for one in catalogues(language):
        found = one.get(context, msgid, count)
        if found is not None:
            return found
    return None


@lru_cache
def _own(language: str) -> tuple[Catalogue, ...]:
    return _read(resources.files("castalia"), language)


@lru_cache
def _more(language: str) -> tuple[Catalogue, ...]:
    found: list[Catalogue] = []
    for folders in _folders:
        try:
            found += [one for folder in folders() for one in _read(folder, language)]
        except (
            CastaliaError
        ):  # a plug-in that cannot be loaded: the error itself is shown elsewhere
            continue
    return tuple(found)


def _read(folder: Traversable, language: str) -> tuple[Catalogue, ...]:
    return tuple(read(file.read_text(encoding="utf-8")) for file in files(folder, language))


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
    for pattern, template, context, msgid, counted in _patterns():
        match = pattern.fullmatch(text)
        if match:
            values: dict[int, Any] = {
                int(name[1:]): recognised(value) for name, value in match.groupdict().items()
            }
            count = None
            if counted:
                count = _number(values.setdefault(0, 1))
            return Message(
                text,
                template,
                tuple(values[place] for place in sorted(values)),
                msgid=msgid,
                context=context,
                number=count,
            )
    return _Shown(text)


def _number(text: Any) -> float:
    """The count in a sentence; 2, which is any number of many, where it was not written as one."""
    try:
        return float(str(text).replace(",", ""))
    except ValueError:
        return 2


class _Shown(str):
    """A value that is text already: `{0:,}` and `{0!r}` leave it as it is."""

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


@lru_cache
def _patterns() -> list[tuple[re.Pattern[str], str, str, str, bool]]:
    """(what a sentence looks like, its template, context and msgid, whether it is a plural) of all
    templates that have words of their own, those with the most of them first.
    """
    found = {}
    for one in (one for language in LANGUAGES for one in catalogues(language)):
        for context, msgid in one.forms:
            many = one.plurals.get((context, msgid))
            for template in {msgid, many or msgid}:
                if len(_FIELD.sub("", template)) >= 8:
                    found[template] = (many or template, context, msgid, many is not None)
    ordered = sorted(found, key=lambda template: -len(_FIELD.sub("", template)))
    return [(_pattern(template), *found[template]) for template in ordered]


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
        known(self.language)

    def __call__(self, text: str) -> str:
        return translate(text, self.language)

    def say(self, template: str, *values: Any) -> str:
        return translate(say(template, *values), self.language)

    def plain(self, value: Any) -> Any:
        """JSON with every sentence translated."""
        match value:
            case str():
                return translate(value, self.language)
            case dict():
                return {key: self.plain(entry) for key, entry in value.items()}
            case list() | tuple():
                return [self.plain(entry) for entry in value]
            case _:
                return value
