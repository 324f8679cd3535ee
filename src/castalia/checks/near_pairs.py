"""Near-duplicate pairs, in the form that every modality reports them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Near(NamedTuple):
    """pairs (P, 2) int64, the smaller number first, each once; distance (P,) float64."""

    pairs: np.ndarray
    distance: np.ndarray
