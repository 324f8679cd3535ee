"""Linear prediction: a sound goes on as its last samples foretell.

Burg 1975, "Maximum entropy spectral analysis": coefficients that are stable and do not fade tones.
"""

from __future__ import annotations

import numpy as np

ORDER = 32  # samples that foretell the next
HISTORY = 2_000  # samples from which that is learned


def foretold(past: np.ndarray, count: int) -> np.ndarray:
    """`count` samples that go on from `past`, by Burg's coefficients (1975), which are stable and
    do not fade tones; silence where there is too little to learn from.
    """
    if len(past) <= 2 * ORDER or not past.any():
        return np.zeros(count)
    weights = burg(past)
    made = np.concatenate([past[-ORDER:], np.zeros(count)])
    for place in range(ORDER, len(made)):
        made[place] = made[place - ORDER : place][::-1] @ weights
    return made[ORDER:]


def burg(past: np.ndarray) -> np.ndarray:
    """(ORDER,): what the last sample, the one before ... weigh in the next."""
    error = np.ones(1)
    forward, backward = past[1:].copy(), past[:-1].copy()
    for _ in range(ORDER):
        power = forward @ forward + backward @ backward
        mirror = -2 * (forward @ backward) / power if power > 1e-12 else 0.0
        padded = np.append(error, 0.0)
        error = padded + mirror * padded[::-1]
        forward, backward = forward + mirror * backward, backward + mirror * forward
        forward, backward = forward[1:], backward[:-1]
    return -error[1:]
