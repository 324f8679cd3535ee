"""The copy matcher of series: the training stretch that a part of a series repeats, whatever its
level and scale.

Series are cut into windows of WINDOW steps; two windows are compared by the correlation of their
differences, which neither a shift nor a factor changes, and distance is the square root of one
minus it. Windows of training series begin at every `stride`-th step and those of a query
everywhere, so a copy is met wherever it was cut. A match is set against its neighbours
(copy_matcher.py): what all series share, such as the course of a day, is no copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches, set_against_neighbours
from castalia.modalities.series.series import Collection, Series

WINDOW = 32  # steps that are compared
MOST_WINDOWS = 40_000  # of training series
SAME = 0.02  # a distance of which rounding alone may be the cause
NOISE = 0.05  # of a planted near copy, in standard deviations


class Stretches:
    """training: series, or tensors that the codec decodes to them."""

    name: ClassVar = "series"
    kinds: ClassVar = ("exact", "near", "scaled")
    planted: ClassVar = ("exact", "near", "scaled")
    farthest: ClassVar = 0.5

    def __init__(self, codec: Codec[Any], training: Iterable[Any]) -> None:
        self._codec = codec
        self._series = series_of(codec, training)
        total = sum(max(1, len(one) - WINDOW) for one in self._series)
        self._stride = max(1, -(-total // MOST_WINDOWS))
        parts = [_windows(one.values, self._stride) for one in self._series]
        self._vectors = torch.cat([torch.zeros(0, WINDOW), *(part for part, _ in parts)])
        self._places = [
            (number, start) for number, (_, starts) in enumerate(parts) for start in starts
        ]
        self._owner = torch.tensor([number for number, _ in self._places], dtype=torch.int64)

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return issubclass(codec.native, Series)

    def __len__(self) -> int:
        return len(self._series)

    def match(self, queries: Any) -> Matches:
        """queries: series -> the training series that a window of each is nearest to."""
        return Matches.joined([self._matched(one) for one in series_of(self._codec, queries)])

    def _matched(self, one: Series) -> Matches:
        vectors, starts = _windows(one.values, 1)
        if not len(vectors) or not len(self._vectors):
            none = torch.tensor([1.0], dtype=torch.float64)
            return Matches(torch.tensor([-1]), none, none, ["near"], [_nothing(one)])
        best = torch.full((len(self._series),), 2.0)
        where = torch.zeros(len(self._series), dtype=torch.int64)
        from_ = torch.zeros(len(self._series), dtype=torch.int64)
        far, row = (1 - vectors @ self._vectors.T).clamp_min(0).sqrt().min(0)
        for window in far.argsort(descending=True).tolist():  # the nearest of each is set last
            owner = int(self._owner[window])
            best[owner], where[owner], from_[owner] = far[window], window, row[window]
        place, distance, residual = set_against_neighbours(best[None].double(), SAME)
        owner = int(place[0])
        start = self._places[int(where[owner])][1]
        own = starts[int(from_[owner])]
        ours = one.values[own : own + WINDOW]
        theirs = self._series[owner].values[start : start + WINDOW]
        kind = "near"
        if float(residual[0]) <= SAME:
            same = np.allclose(ours, theirs, rtol=1e-6, atol=1e-9, equal_nan=True)
            kind = "exact" if same else "scaled"
        evidence = {
            "sample": _plain(ours),
            "train": _plain(theirs),
            "r": float(1 - residual[0] ** 2),
            "steps": WINDOW,
        }
        return Matches(place, distance, residual, [kind], [evidence])

    def plant(self, items: Any, kind: str, rng: torch.Generator) -> list[Series]:
        """ "scaled": twice as large and shifted; "near": with a little noise."""
        made = []
        for one in series_of(self._codec, items):
            spread = float(np.nanstd(one.values)) or 1.0
            if kind == "scaled":
                one = replace(one, values=2 * one.values + spread)
            elif kind == "near":
                noise = torch.randn(len(one), generator=rng).double().numpy()
                steps = np.diff(one.values)
                size = float(np.nanstd(steps)) if len(steps) else spread
                one = replace(one, values=one.values + NOISE * size * noise)
            made.append(one)
        return made

    @staticmethod
    def as_long(items: Any, like: Any, codec: Codec[Any]) -> list[Series]:
        """Real series cut to the lengths of `like`."""
        lengths = [len(one) for one in series_of(codec, like)] or [WINDOW]
        return [
            one.part(0, max(2, min(len(one), lengths[place % len(lengths)])))
            for place, one in enumerate(series_of(codec, items))
        ]

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        lengths = torch.tensor([len(one) for one in self._series], dtype=torch.int64)
        values = [torch.from_numpy(one.values) for one in self._series]
        return {}, {
            "lengths": lengths,
            "values": torch.cat([torch.zeros(0, dtype=torch.float64), *values]),
        }

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Stretches:
        parts = tensors["values"].double().split(tensors["lengths"].tolist())
        return cls(codec, [Series("", part.numpy()) for part in parts])


def series_of(codec: Codec[Any], items: Any) -> list[Series]:
    """Series as they are; tensors (n,), or blocks of them, decoded; collections one by one."""
    found: list[Series] = []
    for item in items:
        if isinstance(item, Series):
            found.append(item)
        elif isinstance(item, Collection):
            found += item.series
        else:
            found += [codec.decode(one) for one in (item[None] if item.dim() == 1 else item)]
    return found


def _windows(values: np.ndarray, stride: int) -> tuple[Tensor, Sequence[int]]:
    """((n, WINDOW) float32 of length 1, where each begins): differences, centred; windows that do
    not change or have gaps are left out.
    """
    if len(values) < WINDOW + 1:
        return torch.zeros(0, WINDOW), []
    parts = np.lib.stride_tricks.sliding_window_view(np.diff(values), WINDOW)[::stride]
    centred = parts - parts.mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=1)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(size) & (size > 1e-9 * np.abs(parts).max(1).clip(1e-300))
    starts = np.flatnonzero(good) * stride
    vectors = (centred[good] / size[good, None]).astype(np.float32)
    return torch.from_numpy(vectors), starts.tolist()


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _nothing(one: Series) -> dict[str, Any]:
    return {"sample": _plain(one.values[:WINDOW]), "train": [], "r": 0.0, "steps": WINDOW}
