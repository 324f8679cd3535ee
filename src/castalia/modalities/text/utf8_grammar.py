"""The grammar of well-formed UTF-8 over any vocabulary whose tokens carry bytes.

The automaton is table 3-7 of the Unicode Standard: no surrogates, no overlong forms, nothing above
U+10FFFF. Lifted over `token_bytes`, it allows a token where all its bytes may follow, so that
whatever the logits are, what is drawn under it is text. It has eight states, so its masks are
computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# 0: between characters; 1, 2, 3: so many continuation bytes to come; 4 .. 7: after E0, ED, F0, F4
_STATES = 8
_DEAD = _STATES  # nothing leads out of it
_FAR = 1 << 30  # tokens: never (nn/grammar_masks.py: FORBIDDEN)


def automaton() -> np.ndarray:
    """(9, 256) uint8: the state after a byte; 8 is the dead end."""
    step = np.full((_STATES + 1, 256), _DEAD, dtype=np.uint8)
    step[0, 0x00:0x80] = 0
    step[0, 0xC2:0xE0] = 1
    step[0, 0xE1:0xF0] = 2
    step[0, 0xF1:0xF4] = 3
    step[0, [0xE0, 0xED, 0xF0, 0xF4]] = (4, 5, 6, 7)
    for state in (1, 2, 3):
        step[state, 0x80:0xC0] = state - 1
    step[4, 0xA0:0xC0] = 1  # shorter forms exist below
    step[5, 0x80:0xA0] = 1  # surrogates above
    step[6, 0x90:0xC0] = 2  # shorter forms exist below
    step[7, 0x80:0x90] = 2  # U+10FFFF is the last
    return step


class Utf8Grammar:
    """A spec.Grammar whose states are the ints 0 .. 7; 0, between characters, is where it starts
    and where `end` is allowed.
    """

    def __init__(
        self, token_bytes: Sequence[bytes], end: int | None, silent: Sequence[int] = ()
    ) -> None:
        """token_bytes: index = id. Tokens without bytes (`begin` and other specials) are never
        allowed, but for `end`; nor are `silent` ones.
        """
        after = _after(token_bytes)
        allowed = after != _DEAD
        allowed[:, list(silent)] = False
        allowed[:, [not token for token in token_bytes]] = False
        if end is not None:
            allowed[0, end] = True
        self._masks = [torch.from_numpy(mask.copy()) for mask in allowed]
        self._costs = _costs(allowed, after, end)
        # A token that is not allowed may still be seen (text cut in the middle of a character): go
        # on from what it leaves open.
        self._after = np.where(
            after != _DEAD, after, np.where(after[0] != _DEAD, after[0], 0)
        ).astype(np.uint8)

    def start(self) -> int:
        return 0

    def allowed(self, state: int) -> Tensor:
        """(V,) bool; the same tensor each time, not to be changed."""
        return self._masks[state]

    def advance(self, state: int, token: int) -> int:
        return int(self._after[state, token])

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """(8, V) uint8 each: the state after each token, and its cost as `costs` has it; 255 where
        a token may not come.
        """
        return self._after.copy(), torch.stack(list(self._costs)).clamp_max(255).numpy().astype(
            np.uint8
        )

    def distance(self, state: int) -> int:
        """Fewest tokens after which no character is open, so that a text is whole where its length
        ends (nn/grammar_masks.py).
        """
        return 0 if state == 0 else int(self._costs[state].min())

    def costs(self, state: int) -> Tensor:
        """(V,) int64: 1 + the distance behind each token."""
        return self._costs[state]


def _costs(allowed: np.ndarray, after: np.ndarray, end: int | None) -> Tensor:
    """(8, V) int64: tokens until no character is open, when this one comes next; _FAR where it may
    not.
    """
    # of each state, the dead one last
    left = np.append(np.where(np.arange(_STATES) == 0, 0, _FAR), _FAR)
    for _ in range(_STATES):
        costs = np.where(allowed, np.minimum(1 + left[after], _FAR), _FAR)
        left[1:_STATES] = costs.min(1, initial=_FAR)[1:]
    if end is not None:
        costs[0, end] = 1
    return torch.from_numpy(costs)


def _after(token_bytes: Sequence[bytes]) -> np.ndarray:
    """(8, V) uint8: the state after each token from each state."""
    step = automaton()
    length = np.array([len(token) for token in token_bytes])
    state = np.repeat(np.arange(_STATES, dtype=np.uint8)[:, None], len(token_bytes), axis=1)
    for place in range(int(length.max(initial=0))):
        longer = np.flatnonzero(length > place)  # tokens that have a byte here
        byte = np.array([token_bytes[token][place] for token in longer])
        state[:, longer] = step[state[:, longer], byte]
    return state
