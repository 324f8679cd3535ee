"""Byte-pair encoding of rows of tokens: neighbours that often stand together become one token, over
and over (Gage 1994; of music Fradet et al. 2023, arXiv:2301.11975).

Tokens are numbers below `base`; the merged ones follow. Some stay alone: what must be met as itself
(pitches, so that a row can be transposed token by token) and what no merge may reach across (bars).
The library `tokenizers` learns and applies merges, on one character a token; it is imported when it
is used. Not here: what tokens mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from castalia.errors import DataError
from castalia.nn.grammar_masks import FORBIDDEN
from castalia.sentences import say

_MOST_LENGTH = 1 << 22  # base tokens that all merged ones stand for together
# the character of base token 0: from here on there are 20,000, none of which means anything to a
# regular expression
_FIRST = 0x4E00


class Merges:
    """Immutable. pairs: in the order in which they were learned, each making a new token, or one
    that another pair has made of the same.
    """

    def __init__(
        self, base: int, alone: Sequence[range], pairs: Sequence[tuple[int, int]] = ()
    ) -> None:
        """alone: tokens that are never merged."""
        self.base, self.alone, self.pairs = base, tuple(alone), tuple(pairs)
        whole: dict[tuple[int, ...], int] = {(token,): token for token in range(base)}
        known = list(whole)
        room = _MOST_LENGTH
        for left, right in self.pairs:
            if (
                max(left, right) >= len(known)
                or (room := room - len(known[left]) - len(known[right])) < 0
            ):
                raise DataError(
                    say("a merge is of tokens that are not there, or too long"),
                    "merges",
                    say("restore codec.json as it was trained"),
                )
            both = known[left] + known[right]
            if both not in whole:
                whole[both] = len(known)
                known.append(both)
        self.whole = known  # of each token the base tokens that it stands for

    def __len__(self) -> int:
        return len(self.whole)

    @classmethod
    def learned(
        cls, rows: Iterable[np.ndarray], vocab: int, base: int, alone: Sequence[range]
    ) -> Merges:
        """From rows (n,) of base tokens, up to `vocab` tokens in all; fewer where no pair is left
        that stands twice. The same rows give the same merges.
        """
        import tokenizers

        learner = tokenizers.Tokenizer(tokenizers.models.BPE())
        learner.pre_tokenizer = _apart(alone)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocab,
            min_frequency=2,
            show_progress=False,
            initial_alphabet=[chr(_FIRST + token) for token in range(base)],
        )
        learner.train_from_iterator((_text(row) for row in rows), trainer)
        return cls(base, alone, _pairs(learner, base))

    @cached_property
    def _library(self) -> Any:
        import tokenizers

        names = ["".join(chr(_FIRST + token) for token in whole) for whole in self.whole]
        merges = [(names[left], names[right]) for left, right in self.pairs]
        made = tokenizers.Tokenizer(
            tokenizers.models.BPE({name: number for number, name in enumerate(names)}, merges)
        )
        made.pre_tokenizer = _apart(self.alone)
        return made

    def applied(self, row: np.ndarray) -> np.ndarray:
        """(n,) base tokens -> (m,) int64, m <= n, all merges made in their order."""
        if not self.pairs:
            return row.astype(np.int64)
        return np.array(self._library.encode(_text(row)).ids, dtype=np.int64)

    def expanded(self, row: Iterable[int]) -> list[int]:
        """Any tokens -> base tokens."""
        return [
            token
            for merged in row
            for token in (self.whole[merged] if merged < len(self.whole) else ())
        ]


def _apart(alone: Sequence[range]) -> Any:
    """What cuts a text before and after each of these."""
    import tokenizers

    kinds = "".join(f"{chr(_FIRST + one.start)}-{chr(_FIRST + one.stop - 1)}" for one in alone)
    return tokenizers.pre_tokenizers.Split(tokenizers.Regex(f"[{kinds}]"), "isolated")


def _text(row: np.ndarray) -> str:
    return (row.astype("<u4") + _FIRST).tobytes().decode("utf-32-le")


def _pairs(learner: Any, base: int) -> list[tuple[int, int]]:
    number = {chr(_FIRST + token): token for token in range(base)}
    pairs = []
    for left, right in json.loads(learner.to_str())["model"]["merges"]:
        pairs.append((number[left], number[right]))
        number.setdefault(left + right, len(number))
    return pairs


class Walked(Protocol):
    """A grammar over base tokens that `MergedGrammar` walks (spec.Grammar, nn/grammar_masks.py),
    and whether one token may come.
    """

    def start(self) -> Any: ...
    def advance(self, state: Any, token: int) -> Any: ...
    def permits(self, state: Any, token: int) -> bool: ...
    def distance(self, state: Any) -> int: ...
    def costs(self, state: Any) -> Tensor: ...


class _Node:
    """A place in the trie of merged tokens, read base token by base token."""

    __slots__ = ("below", "merged")

    def __init__(self) -> None:
        self.below: dict[int, _Node] = {}
        self.merged: int | None = None


class MergedGrammar:
    """A grammar over base tokens, over merged ones: a token may come where all that it stands for
    may, one after the other. `distance` counts base tokens, so it is enough and may be more than is
    needed.
    """

    exact = False

    def __init__(self, grammar: Walked, merges: Merges) -> None:
        self.grammar, self.merges = grammar, merges
        self._root = _Node()
        for token in range(merges.base, len(merges)):
            node = self._root
            for base in merges.whole[token]:
                node = node.below.setdefault(base, _Node())
            node.merged = token

    def start(self) -> Any:
        return self.grammar.start()

    def advance(self, state: Any, token: int) -> Any:
        for base in self.merges.whole[token]:
            state = self.grammar.advance(state, base)
        return state

    def allowed(self, state: Any) -> Tensor:
        """(V,) bool."""
        return self.costs(state) < FORBIDDEN

    def distance(self, state: Any) -> int:
        return self.grammar.distance(state)

    def costs(self, state: Any) -> Tensor:
        """(V,) int64, as nn/grammar_masks.py needs it."""
        costs = torch.full((len(self.merges),), FORBIDDEN)
        costs[: self.merges.base] = self.grammar.costs(state)
        todo = [(self._root, state)]
        while todo:
            node, here = todo.pop()
            for base, below in node.below.items():
                if self.grammar.permits(here, base):
                    after = self.grammar.advance(here, base)
                    todo.append((below, after))
                    if below.merged is not None:
                        costs[below.merged] = 1 + self.grammar.distance(after)
        return costs
