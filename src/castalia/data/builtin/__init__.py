"""Small real data sets that ship in the wheel, each in a folder with its licence. Listing them imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from castalia.errors import DataError, meant
from castalia.sentences import say


@dataclass(frozen=True)
class BuiltIn:
    """One line about a set, and its licence with attribution."""

    about: str
    licence: str


_SETS: dict[str, BuiltIn] = {
    "chorales": BuiltIn(
        "305 chorales by J. S. Bach in four parts, sixteenth notes",
        "public domain; Johann Sebastian Bach; encoded by Boulanger-Lewandowski (2012) and Allan and Williams (2005)",
    ),
    "digits": BuiltIn(
        "1,797 handwritten digits, 8x8 grey, 10 classes",
        "CC BY 4.0; Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
    ),
    "fashion": BuiltIn(
        "5,000 pictures of clothing, 28x28 grey, 10 classes (part of Fashion-MNIST)",
        "MIT; Copyright 2017 Zalando SE",
    ),
    "shakespeare": BuiltIn(
        "40,000 lines of Shakespeare's plays, 1.1 million characters of English",
        "public domain; William Shakespeare, selected by Andrej Karpathy",
    ),
    "tang": BuiltIn(
        "3,991 poems of the Tang dynasty, 223,000 characters of classical Chinese",
        "MIT; Copyright 2016 JackeyGao (chinese-poetry); the poems are in the public domain",
    ),
}


def names() -> list[str]:
    """Names of the sets; `builtin/NAME` is their data.source."""
    return list(_SETS)


def about(name: str) -> str:
    """One line about a set."""
    return _find(name).about


def licence(name: str) -> str:
    """Licence and attribution in one line; the whole text is the file LICENSE in the set's folder."""
    return _find(name).licence


def path(name: str) -> Path:
    """The folder of a set."""
    _find(name)
    return Path(__file__).parent / name


def _find(name: str) -> BuiltIn:
    if name not in _SETS:
        known = ", ".join(f"builtin/{known}" for known in _SETS)
        raise DataError(
            say("there is no built-in set called '{0}'", name), "data.source", say("{0}known: {1}", meant(name, _SETS, "builtin/"), known)
        )
    return _SETS[name]
