"""Small real data sets that ship in the wheel, each in a folder with its licence.

They belong to modalities (castalia/modality.py). Listing them imports nothing heavy.
"""

from __future__ import annotations

from pathlib import Path

from castalia import modality
from castalia.errors import DataError, meant
from castalia.modality import DataSet
from castalia.sentences import say


def names() -> list[str]:
    """Names of the sets; `builtin/NAME` is their data.source."""
    return sorted(_sets())


def about(name: str) -> str:
    """One line about a set."""
    return _find(name)[1].about


def licence(name: str) -> str:
    """Licence and attribution in one line; the whole text is the file LICENSE of the set."""
    return _find(name)[1].licence


def path(name: str) -> Path:
    """The folder of a set."""
    return _find(name)[0]


def _sets() -> dict[str, tuple[Path, DataSet]]:
    return {
        name: (Path(str(one.folder)) / "data" / name, data)
        for one in modality.every().values()
        for name, data in one.data.items()
    }


def _find(name: str) -> tuple[Path, DataSet]:
    sets = _sets()
    if name not in sets:
        known = ", ".join(f"builtin/{known}" for known in sorted(sets))
        raise DataError(
            say("there is no built-in set called '{0}'", name),
            "data.source",
            say("{0}known: {1}", meant(name, sets, "builtin/"), known),
        )
    return sets[name]
