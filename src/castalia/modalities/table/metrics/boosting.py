"""Gradient boosting for judges: oblivious trees on histograms, logistic loss.

Friedman 2001 (gradient boosting); Prokhorenkova et al. 2018, arXiv:1706.09516 (oblivious trees, one
split a level); Newton steps as Chen & Guestrin 2016, arXiv:1603.02754, eq. 5 and 7. Categories are
ordered by the share of the first class among training rows. Deterministic. Not here: early
stopping, sampling of rows or columns.
"""

from __future__ import annotations

import numpy as np

from castalia.modalities.table.metrics.frame import Frame

BINS, DEPTH, TREES, RATE, SHRINK = 64, 5, 80, 0.15, 3.0
FOLDS = 5


class Boosted:
    """Predicts a truth value from the columns of a frame."""

    def __init__(self, trees: int = TREES, depth: int = DEPTH) -> None:
        self._trees, self._depth = trees, depth
        self._splits: list[tuple[list[tuple[int, int]], np.ndarray]] = []

    def fit(self, frame: Frame, truth: np.ndarray, columns: np.ndarray | None = None) -> Boosted:
        """truth (N,) bool. columns: which columns of the frame are looked at; None: all."""
        width = frame.values.shape[1]
        self._columns = np.arange(width) if columns is None else columns
        self._maps = [_Binning(frame, int(place), truth) for place in self._columns]
        x = self._binned(frame)
        y = truth.astype(np.float64)
        share = float(np.clip(y.mean(), 1e-4, 1 - 1e-4))
        self._first = float(np.log(share / (1 - share)))
        score = np.full(len(y), self._first)
        for _ in range(self._trees):
            chance = 1 / (1 + np.exp(-score))
            self._grow(x, chance - y, chance * (1 - chance), score)
        return self

    def _grow(self, x: np.ndarray, g: np.ndarray, h: np.ndarray, score: np.ndarray) -> None:
        """One tree for gradients g and curvatures h; `score` is moved by it."""
        rows, width = x.shape
        leaf = np.zeros(rows, np.int64)
        offsets = np.arange(width) * BINS
        splits: list[tuple[int, int]] = []
        for level in range(self._depth):
            size = (1 << level) * width * BINS
            places = (leaf[:, None] * (width * BINS) + offsets + x).ravel()
            sums = [
                np.bincount(places, np.repeat(weight, width), size)
                .reshape(-1, width, BINS)
                .cumsum(2)
                for weight in (g, h)
            ]
            left, below = sums[0], sums[1]
            right, above = left[:, :, -1:] - left, below[:, :, -1:] - below
            gain = (left**2 / (below + SHRINK) + right**2 / (above + SHRINK)).sum(0)
            column, place = divmod(int(gain[:, :-1].argmax()), BINS - 1)
            splits.append((column, place))
            leaf = leaf * 2 + (x[:, column] > place)
        count = 1 << self._depth
        values = -np.bincount(leaf, g, count) / (np.bincount(leaf, h, count) + SHRINK) * RATE
        self._splits.append((splits, values))
        score += values[leaf]

    def scores(self, frame: Frame) -> np.ndarray:
        """(N,) log-odds."""
        x = self._binned(frame)
        total = np.full(len(x), self._first)
        for splits, values in self._splits:
            leaf = np.zeros(len(x), np.int64)
            for column, place in splits:
                leaf = leaf * 2 + (x[:, column] > place)
            total += values[leaf]
        return total

    def _binned(self, frame: Frame) -> np.ndarray:
        return np.stack(
            [
                binning(frame.values[:, place])
                for binning, place in zip(self._maps, self._columns, strict=True)
            ],
            1,
        )


class _Binning:
    """Values of a column to 0 .. BINS - 1; a missing number is 0."""

    def __init__(self, frame: Frame, place: int, truth: np.ndarray) -> None:
        values = frame.values[:, place]
        self.ordered = bool(frame.ordered[place])
        if self.ordered:
            known = np.unique(values[~np.isnan(values)])
            quantiles = np.linspace(0, 1, BINS)[1:-1]
            self.edges = (
                known[:-1]
                if 0 < len(known) < BINS
                else np.unique(np.nanquantile(values, quantiles))
                if len(known)
                else known
            )
            return
        codes = values.astype(np.int64)
        counts = np.bincount(codes)
        hits = np.bincount(codes, truth.astype(float), len(counts))
        share = (hits + truth.mean() * 5) / (counts + 5)
        ranks = np.empty(len(share), np.int64)
        ranks[np.argsort(share, kind="stable")] = np.arange(len(share))
        self.table = ranks * (BINS - 1) // max(1, len(share) - 1)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        if self.ordered:
            places = 1 + np.searchsorted(self.edges, values, side="left")
            return np.where(np.isnan(values), 0, np.minimum(places, BINS - 1)).astype(np.int64)
        codes = values.astype(np.int64)
        known = codes < len(self.table)
        return np.where(known, self.table[np.minimum(codes, len(self.table) - 1)], BINS // 2)


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve: how often a true row has a higher score than a false one, ties
    counting one half (Mann & Whitney 1947); 0.5 where there is one class only.
    """
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return 0.5
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of ties, from 1
    total = float(ranks[inverse][truth].sum())
    return (total - positive * (positive + 1) / 2) / (positive * negative)


def told_apart(one: Frame, other: Frame, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(scores, truth) of all rows of both frames, each by a model that has not seen it: how much a
    row looks like one of `other`. Folds are drawn from the seed.
    """
    both = Frame(np.concatenate([one.values, other.values]), one.names, one.ordered)
    truth = np.repeat([False, True], [len(one), len(other)])
    fold = np.random.default_rng(seed).permutation(len(both)) % FOLDS
    scores = np.empty(len(both))
    for number in range(FOLDS):
        out = fold == number
        scores[out] = Boosted().fit(both.of(~out), truth[~out]).scores(both.of(out))
    return scores, truth
