"""Lines of a text that stand in the files that a run was trained on: which file, which line, under
which licence.

Compared are lines without the white space around and doubled within them, of at least SHORTEST
characters and WORDS words: shorter ones (`return self`, `else:`) are nobody's. The licence is what
the file says of itself (SPDX-License-Identifier in its first lines), else that of the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from castalia import bounded
from castalia.data.source import open_source
from castalia.errors import CastaliaError, RunError
from castalia.run import Run
from castalia.sentences import say

SHORTEST, WORDS = 24, 3
HEAD = 30  # lines of a file in which its licence may stand
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+-]+(?: (?:AND|OR|WITH) [\w.+-]+)*)")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Copied:
    """A line of a text, and where it stands: line, at from 1."""

    line: int
    text: str
    file: str
    at: int
    licence: str

    def document(self) -> dict[str, Any]:
        return dict(vars(self))


class TrainingLines:
    """The lines of named files: (name, text, licence)."""

    def __init__(self, files: Iterable[tuple[str, str, str]]) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self._files: list[tuple[str, str]] = []
        for name, text, licence in files:
            lines = text.splitlines()
            own = _SPDX.search("\n".join(lines[:HEAD]))
            self._files.append((name, own[1] if own else licence))
            for number, line in enumerate(lines, 1):
                key = comparable(line)
                if key:
                    self._known.setdefault(key, (len(self._files) - 1, number))

    def copied(self, text: str, only: Sequence[int] | None = None) -> list[Copied]:
        """Lines of the text that are known; only: numbers of those that are looked at."""
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            place = self._known.get(comparable(line))
            if place is not None and (only is None or number in only):
                name, licence = self._files[place[0]]
                found.append(Copied(number, line.strip(), name, place[1], licence))
        return found


def lines_of(run: Run) -> TrainingLines:
    """Of the data that a run was trained on. Raises RunError where they are gone."""
    try:
        source = open_source(run.recipe.data, run.codec)
        licence = source.licence or "unknown"
        return TrainingLines(
            (name, bounded.read_text(path, errors="replace"), licence)
            for path, name in zip(source.files, source.names, strict=True)
        )
    except CastaliaError as error:
        raise RunError(
            say("copied lines are looked for in the run's training data: {0}", error.what),
            where=error.where,
            fix=say("bring the data back"),
        ) from error


def comparable(line: str) -> str:
    """What is compared of a line; "" for one that is nobody's."""
    plain = " ".join(line.split())
    return plain if len(plain) >= SHORTEST and len(_WORD.findall(plain)) >= WORDS else ""


def shown(found: Sequence[Copied]) -> list[str]:
    """Lines for a terminal."""
    return [
        f"  {one.line}: {one.text[:80]}  ←  {one.file}:{one.at}  ({one.licence})" for one in found
    ]
