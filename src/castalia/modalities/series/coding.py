"""Values to tokens and back: each series in its own scale, each value as how far it is from what a
linear predictor expects.

A series is scaled by the mean absolute difference of neighbours (Chronos scales by the mean
absolute value, Ansari et al. 2024, arXiv:2403.07815; differences know no level). The scale is
rounded to powers of the square root of 2 and is the first token, the first value the second. Every
later token is an innovation e_t = z_t - sum_k w_k z_(t-k), in bins of the training data's
quantiles. The weights w are one linear model of all training series (ridge regression); they add up
to 1, so a shift of a series shifts what is expected. Since w holds the season, a network over
innovations has to learn what is *not* linear: how spread depends on the hour, on what came before,
on jumps. Before the first value, all values are taken to equal it. A gap is a token, and counts as
what was expected.

Decoding draws the place inside a bin from a hash of the tokens, so equal tokens are equal values;
in forecasts it is drawn at random and the past is the given one, exactly. Nothing of the future
leaks: scale and innovations of a forecast's history are functions of that history.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

BEGIN, MISSING = 0, 1
_SCALES, _LOWEST = 128, -60  # powers of sqrt(2)
_LEVELS, _FARTHEST = 160, 16.0  # bins of asinh(first value / scale)
_SCALE, _LEVEL = 2, 2 + _SCALES
FIRST = _LEVEL + _LEVELS  # token of the lowest bin of innovations
REACH = 9.0  # log odds of the outermost quantiles
LARGEST = 1e9  # of scaled values; noise may drive the predictor anywhere
RIDGE = 1e-3  # of the mean variance of a lag's difference
INNER = 0.02  # of a bin's width, on each side, that is never drawn: rounding does not leave a bin
MOST_LAGS = 400
FEWEST_BINS, VALUES_A_BIN = 8, 25  # of training values that a bin wants
FIT_VALUES = 1_000_000


class Coding:
    """lags L. weights (L,) float64, of the last value first; their sum is 1. edges (B + 1,)
    float64, increasing: of the bins of innovations. season: steps after which things repeat.
    shorter: weights of a predictor of two thirds of the lags, which forecasts use beside the other.
    """

    def __init__(
        self, weights: np.ndarray, edges: np.ndarray, season: int, shorter: np.ndarray
    ) -> None:
        self.weights, self.edges, self.season, self.shorter = weights, edges, season, shorter
        self._backwards = np.ascontiguousarray(weights[::-1])

    @property
    def lags(self) -> int:
        return len(self.weights)

    @property
    def vocab(self) -> int:
        return FIRST + len(self.edges) - 1

    @classmethod
    def fitted(cls, series: Sequence[np.ndarray], lags: int, bins: int, season: int) -> Coding:
        """From the values (T,) of training series."""
        weights, shorter = predictors([filled(scaled(one)[0]) for one in series], lags)
        coding = cls(weights, np.array([-1.0, 1.0]), season, shorter)
        pools = [coding.innovations(scaled(one)[0]) for one in series]
        pool = np.concatenate([one[np.isfinite(one)] for one in pools])
        count = min(bins, max(FEWEST_BINS, len(pool) // VALUES_A_BIN))
        chances = 1 / (1 + np.exp(-np.linspace(-REACH, REACH, count + 1)))
        edges = np.unique(np.quantile(pool, chances)) if len(pool) else np.array([-1.0, 1.0])
        if len(edges) < 2:
            edges = edges[0] + np.array([-0.5, 0.5])
        # room beyond what training data show, as wide as the outermost bins
        edges = np.concatenate([[2 * edges[0] - edges[1]], edges, [2 * edges[-1] - edges[-2]]])
        return cls(weights, edges, season, shorter)

    # Values to tokens -----------------------------------------------------------------------------

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(T + 2,) int64: begin, scale, first value, innovations. values (T,), the first known."""
        z, power = scaled(values)
        level = np.clip(np.arcsinh(z[0]) / _FARTHEST, -1, 1 - 1e-9)
        head = [BEGIN, _SCALE + power, _LEVEL + int((level + 1) / 2 * _LEVELS)]
        return np.concatenate([head, self.binned(self.innovations(z))])

    def binned(self, innovations: np.ndarray) -> np.ndarray:
        """Tokens int64 of innovations, of the same shape; NaN is a gap."""
        bins = np.searchsorted(self.edges, innovations, side="right") - 1
        inside = FIRST + bins.clip(0, len(self.edges) - 2)
        return np.where(np.isfinite(innovations), inside, MISSING).astype(np.int64)

    def innovations(self, z: np.ndarray) -> np.ndarray:
        """(T - 1,) float64 of scaled values (T,); NaN where a value is missing."""
        known = np.isfinite(z)
        if known.all():
            return z[1:] - self._expected(z)
        past, result = np.concatenate([np.full(self.lags, z[0]), z]), np.full(len(z) - 1, np.nan)
        for t in range(1, len(z)):
            expected = float(past[t : t + self.lags] @ self._backwards)
            if known[t]:
                result[t - 1] = z[t] - expected
            else:
                past[t + self.lags] = expected
        return result

    def _expected(self, z: np.ndarray) -> np.ndarray:
        past = np.concatenate([np.full(self.lags - 1, z[0]), z[:-1]])
        windows = np.lib.stride_tricks.sliding_window_view(past, self.lags)
        expected: np.ndarray = windows @ self._backwards
        return expected

    # Tokens to values -----------------------------------------------------------------------------

    def decode(self, tokens: Sequence[int]) -> np.ndarray:
        """(T,) float64, NaN at gaps, from tokens with or without `begin` and the head; what is no
        innovation where one belongs is taken as the bin in the middle.
        """
        ids = [one for one in tokens if one != BEGIN]
        power, level = -_LOWEST, _LEVELS // 2
        if ids and _SCALE <= ids[0] < _LEVEL:
            power = ids.pop(0) - _SCALE
            if ids and _LEVEL <= ids[0] < FIRST:
                level = ids.pop(0) - _LEVEL
        elif ids and _LEVEL <= ids[0] < FIRST:
            level = ids.pop(0) - _LEVEL
        mixed = zlib.crc32(np.array(ids, dtype="<i4").tobytes())
        draws = np.random.default_rng(mixed).random(len(ids) + 1)
        place = (level + INNER + (1 - 2 * INNER) * draws[0]) / _LEVELS
        first = float(np.sinh((2 * place - 1) * _FARTHEST))
        later = self.within(np.array(ids, dtype=np.int64), draws[1:])
        gaps = np.array([one == MISSING for one in ids], dtype=bool)
        z = self.continued(np.array([first]), later[None])[0]
        values = np.concatenate([[first], np.where(gaps, np.nan, z)])
        return values * scale_of(power)

    def within(self, tokens: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Innovations of tokens, at the places `draws` in [0, 1) of their bins; 0 of a gap. Of the
        same shape.
        """
        last = len(self.edges) - 2
        bins = np.where(tokens >= FIRST, np.minimum(tokens - FIRST, last), last // 2)
        low, high = self.edges[bins], self.edges[bins + 1]
        found: np.ndarray = np.where(
            tokens == MISSING, 0.0, low + (INNER + (1 - 2 * INNER) * draws) * (high - low)
        )
        return found

    def continued(self, z: np.ndarray, later: np.ndarray) -> np.ndarray:
        """(P, H) scaled values that follow z (T,), from innovations (P, H)."""
        paths, steps = later.shape
        past = np.empty((paths, self.lags + steps))
        known = filled(z)[-self.lags :]
        past[:, : self.lags] = known[0]
        past[:, self.lags - len(known) : self.lags] = known
        for step in range(steps):
            value = past[:, step : step + self.lags] @ self._backwards + later[:, step]
            past[:, self.lags + step] = value.clip(-LARGEST, LARGEST)
        return past[:, self.lags :]


def scaled(values: np.ndarray) -> tuple[np.ndarray, int]:
    """(values in units of their scale, number of the scale's token from 0). The scale is the mean
    absolute difference of neighbours; of a constant series its absolute value, and 1 of zeros.
    """
    known = values[np.isfinite(values)]
    size = float(np.abs(np.diff(known)).mean()) if len(known) > 1 else 0.0
    largest = float(np.abs(known).max(initial=0.0))
    if not size > 1e-12 * largest:
        size = largest or 1.0
    power = int(np.clip(round(2 * np.log2(size)) - _LOWEST, 0, _SCALES - 1))
    return values / scale_of(power), power


def scale_of(power: int) -> float:
    """The scale of the token with this number."""
    return float(2.0 ** ((power + _LOWEST) / 2))


def filled(z: np.ndarray) -> np.ndarray:
    """Gaps as the last known value before them."""
    known = np.isfinite(z)
    if known.all():
        return z
    last = np.maximum.accumulate(np.where(known, np.arange(len(z)), 0))
    return np.where(np.isfinite(z[last]), z[last], 0.0)


def predictors(series: Sequence[np.ndarray], lags: int) -> tuple[np.ndarray, np.ndarray]:
    """((L,), (2 L / 3,)): least squares of z_t - z_(t-1) on z_(t-k) - z_(t-1), every series of
    equal weight.
    """
    if lags < 2:
        return np.ones(1), np.ones(1)
    gram, moment, left = np.zeros((lags - 1, lags - 1)), np.zeros(lags - 1), FIT_VALUES
    for z in series:
        past = np.concatenate([np.full(lags - 1, z[0]), z])[-left - lags :]
        if len(past) < lags + 1 or left <= 0:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(past[:-1], lags)[:, ::-1]
        x, y = windows[:, 1:] - windows[:, :1], past[lags:] - past[lags - 1 : -1]
        left -= len(y)
        size = float(np.square(y).mean()) * len(y)
        if size > 0:
            gram += x.T @ x / size
            moment += x.T @ y / size
    level = RIDGE * np.trace(gram) / (lags - 1)
    found = []
    for count in (lags - 1, max(1, 2 * lags // 3 - 1)):
        whole = gram[:count, :count] + max(level, 1e-12) * np.eye(count)
        later = np.linalg.solve(whole, moment[:count])
        found.append(np.concatenate([[1 - later.sum()], later]))
    return found[0], found[1]
