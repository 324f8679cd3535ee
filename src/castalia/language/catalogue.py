"""Read gettext catalogues (.po): the translations of one language.

A catalogue lies in a folder `locale/LANGUAGE/LC_MESSAGES/`. The file that translators edit is the
one that is read, so there is no compiled copy (.mo) that could be out of date. A test compares what
is read here with what Babel and the standard library make of the same file.
"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable

Key = tuple[str, str]  # context ("" for none), msgid: of a plural, the form for one
_PLURAL = re.compile(r"plural\s*=\s*([^;\n]+)")


@dataclass(frozen=True)
class Catalogue:
    """forms: of each sentence, its translation; of a plural, one for each plural form of the
    language. plurals: of each plural, its form for many in English. rule: count -> which form.
    """

    forms: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    plurals: dict[Key, str] = field(default_factory=dict)
    rule: Callable[[int], int] = int

    def get(self, context: str, msgid: str, count: float | None = None) -> str | None:
        """The translation of a sentence; None where there is none."""
        forms = self.forms.get((context, msgid))
        if forms is None:
            return None
        if len(forms) == 1 or count is None:
            return forms[0]
        # rules are made for whole numbers; a fraction takes the form for many
        return forms[self.rule(int(count)) if count == int(count) else -1]


def files(folder: Traversable, language: str) -> list[Traversable]:
    """The catalogues of a language in the `locale` of a package's folder."""
    found = folder.joinpath("locale", language, "LC_MESSAGES")
    if not found.is_dir():
        return []
    return sorted(
        (file for file in found.iterdir() if file.name.endswith(".po")), key=lambda file: file.name
    )


def read(text: str) -> Catalogue:
    """The catalogue that a .po file holds. Sentences without a translation are left out, and so are
    those marked as fuzzy.
    """
    forms: dict[Key, tuple[str, ...]] = {}
    plurals: dict[Key, str] = {}
    header = ""
    for entry in _entries(text):
        if entry.get("msgid") == "" and "msgctxt" not in entry:
            header = entry.get("0", "")
            continue
        translated = tuple(value for name, value in entry.items() if name.isdigit())
        if "msgid" in entry and all(translated) and translated:
            key = (entry.get("msgctxt", ""), entry["msgid"])
            forms[key] = translated
            if "msgid_plural" in entry:
                plurals[key] = entry["msgid_plural"]
    found = _PLURAL.search(header)
    rule = gettext.c2py(found[1].strip()) if found else int  # type: ignore[attr-defined]
    return Catalogue(forms, plurals, rule)


def _entries(text: str) -> Iterator[dict[str, str]]:
    """The fields of each entry that is not marked as fuzzy; "0", "1", ... are its translations."""
    entry: dict[str, str] = {}
    fuzzy, name = False, ""
    for line in text.splitlines():
        if line.startswith('"'):
            entry[name] += _unescaped(line[1:-1])
            continue
        word, sign, value = line.partition(' "')
        if not sign or word.startswith("#"):
            # a comment or an empty line: what follows begins a new entry
            if entry:
                yield {} if fuzzy else entry
                entry, fuzzy = {}, False
            fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        name = word.removeprefix("msgstr").strip("[]") or "0" if word[:6] == "msgstr" else word
        if name in entry:  # no empty line before this entry
            yield {} if fuzzy else entry
            entry, fuzzy = {}, False
        entry[name] = _unescaped(value[:-1])
    if entry:
        yield {} if fuzzy else entry


def _unescaped(value: str) -> str:
    return ast.literal_eval(f'"{value}"') if "\\" in value else value
