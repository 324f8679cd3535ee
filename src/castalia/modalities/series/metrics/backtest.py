"""Rolling back-test on held-out series: forecasts of the network from earlier origins, beside the
seasonal naive.

wql, mase, smape and the coverage of the 50%, 80% and 95% intervals (measures.py), each with a 95%
interval over series; `baselines["naive"]` is the seasonal naive. The forecasts are the network's
alone: what the ensemble of `castalia forecast` adds, its own back-test shows. A series is what the
codec decodes of a held-out document, without the effects of what is known ahead. Where there are
few series, more origins of each are taken, and intervals are over origins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from castalia.abilities import Decodes
from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Metric,
    MetricResult,
    TokenEvidence,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.evaluation.equivalence import Better
from castalia.modalities.series import classical, measures
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.forecasting import network_paths
from castalia.modalities.series.series import Series
from castalia.nn.counter_random import counter_seed
from castalia.sampling.continuations import continuations
from castalia.sentences import say

MOST, FEWEST = 40, 3  # held-out series
ORIGINS, ENOUGH = 2, 12  # origins of a series; of all where they are few
PATHS = 64
LONGEST, SHORTEST = 48, 4  # of the horizon
WIDTHS = {0.5: "coverage-50", 0.8: "coverage-80", 0.95: "coverage-95"}
Statistic = Callable[[np.ndarray], float]


class Backtest(Metric):
    """See above."""

    name = "backtest"
    reads, judges = TokenEvidence, Series
    better: ClassVar[dict[str, Better | None]] = {"wql": "lower", "mase": "lower", "smape": "lower"}

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        coding = next(
            (one.coding for one in evidence.items.get("model", ()) if one.coding is not None), None
        )
        if coding is None or not isinstance(evidence.model, Decodes) or evidence.model.conditions:
            return []
        begun = time.perf_counter()
        held_out = _documents(evidence, coding)
        lengths = [len(one) for one in held_out]
        usual = coding.season if coding.season > 1 else 8
        horizon = min(LONGEST, max(SHORTEST, min(usual, int(np.median(lengths or [0])) // 4)))
        origins = max(ORIGINS, -(-ENOUGH // max(1, len(held_out))))
        cases = [
            (number, one[: len(one) - back * horizon], one[len(one) - back * horizon :][:horizon])
            for number, one in enumerate(held_out)
            for back in range(origins, 0, -1)
            if len(one) - back * horizon >= max(horizon, 2 * coding.season, 12)
        ]
        owners = np.array([number for number, _, _ in cases], dtype=np.int64)
        series = len(set(owners.tolist()))
        if series < FEWEST:  # intervals over origins
            owners = np.arange(len(cases))
        if len(cases) < FEWEST:
            words = say(
                "Not computed: a back-test needs {0} origins in held-out series, behind two "
                "seasons each; there are {1}.",
                FEWEST,
                len(cases),
            )
            return not_computed(self.better, None, evidence.seed, words)
        truth = np.stack([one for _, _, one in cases])
        histories = [one for _, one, _ in cases]
        draw = partial(_drawn, evidence.model, evidence.seed)
        paths = {
            "model": network_paths(
                coding, histories, horizon, draw, evidence.spec.length, PATHS, evidence.seed
            ),
            "naive": np.stack(
                [
                    classical.seasonal_naive(
                        one,
                        horizon,
                        coding.season,
                        PATHS,
                        np.random.default_rng(counter_seed("back-test", evidence.seed, number)),
                    )
                    for number, one in enumerate(histories)
                ]
            ),
        }
        scale = np.array([measures.naive_error(one, coding.season) for one in histories])
        sides = {side: _estimates(truth, one, scale, owners) for side, one in paths.items()}
        seconds = (time.perf_counter() - begun) / len(sides["model"])
        about = {"horizon": horizon, "origins": len(cases), "series": series}
        return [
            self._score(
                name, {side: one[name] for side, one in sides.items()}, evidence, seconds, about
            )
            for name in sides["model"]
        ]

    def _score(
        self,
        name: str,
        sides: dict[str, Estimate],
        evidence: TokenEvidence,
        seconds: float,
        about: dict[str, Any],
    ) -> MetricResult:
        model, naive = sides["model"], sides["naive"]
        better = self.better.get(name)
        words = [
            say(
                "Over {0} steps from {1} origins of {2} held-out series; the seasonal naive gets "
                "{3}.",
                about["horizon"],
                about["origins"],
                about["series"],
                show(naive.value),
            )
        ]
        if better is not None and naive.value <= model.value:
            words.append(say("The seasonal naive wins."))
        return compared(
            name,
            better,
            sides,
            None,
            about["series"],
            evidence.seed,
            seconds,
            {**about, "words": words},
        )


def _drawn(
    model: Any, seed: int, prompts: Sequence[Tensor], steps: int, count: int, banned: Sequence[int]
) -> Tensor:
    return continuations(model, prompts, steps, count, seed=seed, banned=banned)


def _documents(evidence: TokenEvidence, coding: Coding) -> list[np.ndarray]:
    """Values of held-out documents, gaps filled with straight lines."""
    rows = [row for batch in evidence.batches for row in batch.x.cpu()]
    tokens: dict[int, list[int]] = {}
    for row, owner in zip(rows, evidence.owners.tolist(), strict=True):
        # the first of a row is context; behind the end of a document stands `begin` again
        tokens.setdefault(owner, []).extend(
            one for one in row[1:].tolist() if one != evidence.spec.begin
        )
    found: list[np.ndarray] = []
    for ids in list(tokens.values())[:MOST]:
        values = coding.decode([evidence.spec.begin, *ids])
        known = np.flatnonzero(np.isfinite(values))
        if len(known) > 1:
            found.append(np.interp(np.arange(len(values)), known, values[known]))
    return found


def _estimates(
    truth: np.ndarray, paths: np.ndarray, scale: np.ndarray, owners: np.ndarray
) -> dict[str, Estimate]:
    """Each measure with a jackknife over groups of series."""
    quantiles = np.quantile(paths, measures.LEVELS, axis=1).transpose(1, 0, 2)
    loss = measures.quantile_loss(truth, quantiles, measures.LEVELS)
    size = measures.absolute_size(truth)
    middle = quantiles[:, 4]
    scaled = measures.mase(truth, middle, scale)
    statistics: dict[str, Statistic] = {
        "wql": lambda kept: float(loss[kept].sum() / max(size[kept].sum(), 1e-12)),
        "mase": lambda kept: (
            float(np.nanmean(scaled[kept])) if np.isfinite(scaled[kept]).any() else 0.0
        ),
    }
    percent = measures.smape(truth, middle)
    statistics["smape"] = lambda kept: float(percent[kept].mean())
    for width, name in WIDTHS.items():
        low, high = np.quantile(paths, [(1 - width) / 2, (1 + width) / 2], axis=1)
        inside = measures.covered(truth, low, high)
        statistics[name] = partial(_mean, inside)
    series = np.unique(owners, return_inverse=True)[1]
    groups = group_ids(int(series.max()) + 1).numpy()[series]
    everything = np.ones(len(truth), dtype=bool)
    used = [group for group in range(GROUPS) if (groups == group).any() and (groups != group).any()]
    return {
        name: _with_interval(
            statistic, everything, groups, used, 1.0 if name in WIDTHS.values() else np.inf
        )
        for name, statistic in statistics.items()
    }


def _mean(values: np.ndarray, kept: np.ndarray) -> float:
    return float(values[kept].mean())


def _with_interval(
    statistic: Statistic,
    everything: np.ndarray,
    groups: np.ndarray,
    used: Sequence[int],
    most: float,
) -> Estimate:
    without = [statistic(groups != group) for group in used]
    return estimated(statistic(everything), without, (0.0, most))
