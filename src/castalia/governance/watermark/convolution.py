"""64 bits behind a check and a convolutional code, read softly.

A mark of 64 bits and a check of 16 (CRC-16/CCITT, ITU-T V.41) pass the code of rate 1/3 and
constraint length 7 with the generators 133, 171, 165 (octal; Larsen 1973,
doi:10.1109/TIT.1973.1055014). The Viterbi algorithm (1967, doi:10.1109/TIT.1967.1054010) finds the
likeliest word from soft values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BITS = 64
CHECK = 16
MEMORY = 6
GENERATORS = (0o133, 0o171, 0o165)
LENGTH = len(GENERATORS) * (BITS + CHECK + MEMORY)  # coded bits


def coded(mark: int) -> list[int]:
    """`LENGTH` bits for a number of 64 bits."""
    word = [*_bits(mark, BITS), *_bits(check(mark), CHECK)]
    state, out = 0, []
    for bit in (*word, *[0] * MEMORY):
        window = bit << MEMORY | state
        out += [_parity(window & generator) for generator in GENERATORS]
        state = window >> 1
    return out


def likeliest(soft: Sequence[float] | NDArray[np.float64]) -> tuple[int, bool]:
    """The number that fits soft values (`LENGTH`,) best, positive ones for 1, and whether its check
    holds.
    """
    values = np.asarray(soft, np.float64).reshape(-1, len(GENERATORS))
    states = np.arange(1 << MEMORY)
    # a state is left by 0 and by 1; entered from two states
    window = states[None] | (np.arange(2)[:, None] << MEMORY)  # (2, S)
    signs = np.array(
        [
            [[1.0 if _parity(int(w) & g) else -1.0 for g in GENERATORS] for w in row]
            for row in window
        ]
    )
    following = window >> 1
    score = np.full(len(states), -np.inf)
    score[0] = 0
    came = np.zeros((len(values), len(states)), np.int64)
    for place, three in enumerate(values):
        reached = score[None] + signs @ three
        best = np.full(len(states), -np.inf)
        for bit in range(2) if place < BITS + CHECK else range(1):
            # two states lead to each following one by the same bit
            for half in range(2):
                part = states % 2 == half
                target, gained = following[bit, part], reached[bit, part]
                better = gained > best[target]
                best[target[better]] = gained[better]
                came[place, target[better]] = (states[part] | bit << MEMORY)[better]
        score = best
    state, word = 0, []
    for place in range(len(values) - 1, -1, -1):
        entered = int(came[place, state])
        word.append(entered >> MEMORY)
        state = entered & (1 << MEMORY) - 1
    word = word[::-1]
    mark = int("".join(map(str, word[:BITS])), 2)
    said = int("".join(map(str, word[BITS : BITS + CHECK])), 2)
    return mark, said == check(mark)


def check(mark: int) -> int:
    """CRC-16/CCITT of a number of 64 bits, the highest first."""
    value = 0xFFFF
    for bit in _bits(mark, BITS):
        top = value >> 15 & 1
        value = value << 1 & 0xFFFF
        if top ^ bit:
            value ^= 0x1021
    return value


def _bits(number: int, count: int) -> list[int]:
    return [number >> place & 1 for place in range(count - 1, -1, -1)]


def _parity(number: int) -> int:
    return number.bit_count() & 1
