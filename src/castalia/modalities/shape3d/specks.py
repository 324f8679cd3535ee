"""Bodies of a field: parts of the inside that touch one another, and small ones taken out."""

from __future__ import annotations

import numpy as np

INSIDE = 127  # the last level inside


def labelled(inside: np.ndarray) -> np.ndarray:
    """(n, n, n) bool -> int64: the number of the body of each voxel, from 1; 0 outside. Voxels that
    share a side or an edge are one body, as in surface.py, where they meet on a face of a cell.
    """
    shape = tuple(side + 2 for side in inside.shape)
    there = np.pad(inside, 1).ravel()
    label = np.where(there, np.arange(there.size), there.size)
    x, y = shape[1] * shape[2], shape[2]
    steps = [x, y, 1, x + y, x - y, x + 1, x - 1, y + 1, y - 1]
    places = np.flatnonzero(there)
    pairs = []
    for step in steps:
        first = places[there[places + step]]
        pairs.append(np.stack([first, first + step], 1))
    joined = np.concatenate(pairs)
    while True:
        least = label[joined].min(1)
        new = label.copy()
        np.minimum.at(new, joined[:, 0], least)
        np.minimum.at(new, joined[:, 1], least)
        new[places] = new[new[places]]  # twice as far at every turn
        if np.array_equal(new, label):
            break
        label = new
    result = np.zeros(there.size, np.int64)
    if len(places):
        result[places] = np.unique(label[places], return_inverse=True)[1].reshape(-1) + 1
    return result.reshape(shape)[1:-1, 1:-1, 1:-1]


def removed(field: np.ndarray, least: int) -> np.ndarray:
    """field (n, n, n) uint8 without bodies of fewer than `least` voxels; the largest stays. Their
    levels are mirrored at the surface.
    """
    label = labelled(field <= INSIDE)
    counts = np.bincount(label.ravel())
    if len(counts) <= 2:
        return field
    counts[0] = 0
    small = counts < min(least, counts.max())
    small[0] = False
    if not small.any():
        return field
    return np.where(small[label], 255 - field, field).astype(np.uint8)
