"""The contract of a column: cells to tokens 0 .. size - 1 and back.

A column is fitted on the cells of training rows, then immutable. `chance` is a number in [0, 1)
that the codec makes of the whole row, so a token that stands for several values becomes one of
them, the same one each time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

KINDS = (
    "number",
    "integer",
    "category",
    "boolean",
    "date",
    "datetime",
    "time",
    "text",
    "identifier",
    "constant",
)
# what people and programs write where a value is missing
MISSING = frozenset(
    {
        "",
        "na",
        "n/a",
        "#n/a",
        "nan",
        "null",
        "none",
        "nil",
        "?",
        "-",
        "--",
        ".",
        "missing",
        "#null!",
    }
)
# what Excel writes in place of a value that it cannot compute
ERRORS = frozenset({"#n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"})


def is_missing(cell: str | None) -> bool:
    """Whether a cell says that there is no value."""
    if cell is None:
        return True
    bare = cell.strip().lower()
    return bare in MISSING or bare in ERRORS


class Column(ABC):
    """kind: one of KINDS. size: how many tokens it has; 0 where nothing of it is learned. notes:
    what a reader of the data report should know.
    """

    kind: str
    sort: ClassVar[str]  # what `state` is restored by

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind

    @property
    def size(self) -> int:
        return 0

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers or moments, which differ by more or less."""
        return False

    @abstractmethod
    def encode(self, cell: str) -> int:
        """The token of a cell, whatever it holds; 0 where there are none."""

    @abstractmethod
    def decode(self, token: int, chance: float) -> str:
        """A cell that encodes to the token (0 .. size - 1)."""

    def value(self, cell: str) -> float | None:
        """The number that a cell stands for; None where it is none."""
        return None

    def typed(self) -> Callable[[str], Any]:
        """What makes of a cell the value that formats with types hold."""
        return str

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """JSON from which it is restored."""

    def label(self, token: int) -> str:
        """A short word for a token, for pages."""
        return self.decode(token, 0.5)


Cells = Counter[str]  # cells of a column with how often each stands in the training rows
