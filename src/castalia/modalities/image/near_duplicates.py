"""Near-duplicate pictures: re-encoded, resized, a little brighter or darker.

Each picture is kept as a thumbnail of 1,152 bytes: luma at 32 x 32, chroma at 8 x 8, the
proportions of the eye and of JPEG. Two are compared after the mean luma is taken away and
everything is divided by the contrast (the deviation of luma), so the distance is 0 for a copy,
about sqrt(2) for pictures that have nothing in common, and blind to brightness and contrast, but
not to colour. So that a white disc is not a black one, pairs whose brightness or contrast is far
apart are no pairs.

The search is exact. Averages of 4 x 4 luma and 2 x 2 chroma pixels make a coarse picture whose
distance is never above the fine one (Jensen), and so is the distance along its principal axis
alone; so pairs are taken in the order of that axis, filtered by one matrix product, and measured
again in full. Not here: crops, mirror images, and anything that knows what is in a picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import PIL.Image
import torch

from castalia.checks.near_pairs import Near

SIDE, CHROMA = 32, 8
BYTES = SIDE * SIDE + 2 * CHROMA * CHROMA
# benchmarks/near_duplicates.py: what re-encoding and resizing keep below it, and what different
# pictures do
NEAR = 0.15
DARKER, WEAKER = 48.0, 1.5  # levels of mean luma, and ratio of contrasts, that a copy may be away
FLAT, PLAIN = (
    8.0,
    3.0,
    # levels of contrast: what less is divided by, and below which a picture is near to none, for
    # noise is all that is left
)
# pairs of one picture with those after it that are measured: a thousand equal ones are not a
# million pairs
MOST = 64
_BLOCK, _ACROSS = 1024, 8192


def thumbnail(picture: PIL.Image.Image) -> bytes:
    """1,152 bytes of an RGB picture; see above."""
    small = picture.resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR, reducing_gap=2.0).convert(
        "YCbCr"
    )
    luma, blue, red = small.split()
    return (
        luma.tobytes()
        + blue.reduce(SIDE // CHROMA).tobytes()
        + red.reduce(SIDE // CHROMA).tobytes()
    )


def near(thumbnails: np.ndarray, shorter: np.ndarray, threshold: float = NEAR) -> Near:
    """All pairs at most `threshold` apart, but at most `MOST` of one picture with those after it.

    thumbnails (N, 1152) uint8. shorter (N,) int: the shorter side of the original. Of two pictures
    of different sizes, a smaller one below 64 has details at 32 x 32 that no resizing leaves alone,
    so they are compared at 16 x 16, and below 32 at 8 x 8. A flat picture is near to none.
    """
    contrast, mean = np.empty(len(thumbnails), np.float32), np.empty(len(thumbnails), np.float32)
    coarse = np.empty((len(thumbnails), 64 + 32), np.float32)
    for start in range(0, len(thumbnails), 4096):
        part, contrast[start : start + 4096] = _scaled(thumbnails[start : start + 4096])
        mean[start : start + 4096] = thumbnails[start : start + 4096, : SIDE * SIDE].mean(1)
        coarse[start : start + 4096] = _reduced(part, 8)
    kept = np.flatnonzero(contrast >= PLAIN)
    if len(kept) < 2:
        return Near(np.zeros((0, 2), np.int64), np.zeros(0))
    axis = _principal(coarse[kept])
    order = kept[np.argsort(coarse[kept] @ axis, kind="stable")]
    pairs, distances = [], []
    for candidates in _candidates(coarse[order], coarse[order] @ axis, threshold):
        one, other = order[candidates[:, 0]], order[candidates[:, 1]]
        lit = np.abs(mean[one] - mean[other]) <= DARKER
        lit &= np.maximum(contrast[one], contrast[other]) <= WEAKER * np.minimum(
            contrast[one], contrast[other]
        )
        one, other = one[lit], other[lit]
        distance = _distance(thumbnails, shorter, one, other)
        close = distance <= threshold
        pairs.append(np.sort(np.stack([one[close], other[close]], 1), 1))
        distances.append(distance[close])
    whole = np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)
    measured = np.concatenate(distances) if distances else np.zeros(0)
    ranked = np.lexsort((whole[:, 1], whole[:, 0]))
    return Near(whole[ranked], measured[ranked])


def _scaled(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((n, 1152) float32 such that squared differences sum to squared distances, contrast (n,)). A
    chroma pixel covers 16 luma pixels.
    """
    values = thumbnails.astype(np.float32)
    luma = values[:, : SIDE * SIDE]
    luma -= luma.mean(1, keepdims=True)
    contrast = np.sqrt(np.square(luma).mean(1))
    values[:, SIDE * SIDE :] = (values[:, SIDE * SIDE :] - 128) * (SIDE / CHROMA)
    values /= np.maximum(contrast, FLAT)[:, None] * SIDE
    return values, contrast


def _reduced(scaled: np.ndarray, side: int) -> np.ndarray:
    """Averages on a luma grid of `side` and a chroma grid of min(8, side / 2), scaled so that
    distances are never above the fine ones.
    """
    count = len(scaled)
    step = SIDE // side
    luma = (
        scaled[:, : SIDE * SIDE]
        .reshape(count, side, step, side, step)
        .mean((2, 4))
        .reshape(count, -1)
        * step
    )
    small = min(CHROMA, max(4, side // 2))
    step = CHROMA // small
    chroma = (
        scaled[:, SIDE * SIDE :]
        .reshape(count, 2, small, step, small, step)
        .mean((3, 5))
        .reshape(count, -1)
        * step
    )
    return np.concatenate([luma, chroma], 1)


def _principal(coarse: np.ndarray) -> np.ndarray:
    """(D,) float32 unit vector: where the pictures differ most."""
    chosen = coarse[:: max(1, len(coarse) // 20_000)].astype(np.float64)
    chosen = chosen - chosen.mean(0)
    axis: np.ndarray = np.linalg.eigh(chosen.T @ chosen)[1][:, -1].astype(np.float32)
    return axis


def _candidates(coarse: np.ndarray, along: np.ndarray, threshold: float) -> Iterator[np.ndarray]:
    """(P, 2) places i < j in the order of `along`, ascending, whose coarse distance is at most
    `threshold`.
    """
    squares = np.square(coarse).sum(1, keepdims=True)
    ones = np.ones_like(squares)
    left = torch.from_numpy(np.concatenate([-2 * coarse, squares, ones], 1))
    right = torch.from_numpy(np.concatenate([coarse, ones, squares], 1)).T.contiguous()
    limit = threshold**2 + 1e-4  # the product rounds
    for start in range(0, len(coarse), _BLOCK):
        stop = min(start + _BLOCK, len(coarse))
        reach = int(np.searchsorted(along, along[stop - 1] + threshold + 1e-4, side="right"))
        listed = np.zeros(stop - start, np.int64)
        for across in range(start, reach, _ACROSS):
            close = (left[start:stop] @ right[:, across : min(across + _ACROSS, reach)]) <= limit
            pairs = close.nonzero().numpy() + np.array([start, across])
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
            if len(pairs):
                rows = pairs[:, 0] - start
                rank = np.arange(len(rows)) - np.searchsorted(rows, rows) + listed[rows]
                pairs = pairs[rank < MOST]
                listed += np.bincount(rows, minlength=len(listed))
                yield pairs


def _distance(
    thumbnails: np.ndarray, shorter: np.ndarray, one: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """(P,) float64: fine distances of pairs, at the finest grid that both pictures can fill."""
    result = np.empty(len(one))
    smaller = np.minimum(shorter[one], shorter[other])
    grid = np.where(
        (smaller >= 2 * SIDE) | (shorter[one] == shorter[other]),
        SIDE,
        np.where(smaller >= SIDE, 16, 8),
    )
    for side in (SIDE, 16, 8):
        chosen = np.flatnonzero(grid == side)
        for start in range(0, len(chosen), 2048):
            part = chosen[start : start + 2048]
            difference = _scaled(thumbnails[one[part]])[0] - _scaled(thumbnails[other[part]])[0]
            if side < SIDE:
                difference = _reduced(difference, side)
            result[part] = np.sqrt(np.square(difference.astype(np.float64)).sum(1))
    return result
