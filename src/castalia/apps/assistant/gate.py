"""Whether a question is answered or declined: a logistic regression on what retrieval found, and a
threshold that keeps the owner's rate of false answers.

The threshold is the lowest at which the share of unanswerable questions that would be answered is,
with 95% confidence, at most the wanted rate: thresholds are tested from the highest downwards and
the first that fails ends it (fixed-sequence testing, as in Angelopoulos et al. 2021, "Learn then
Test"), each by the upper bound of Clopper and Pearson 1934, and where several questions are about
one entry by one that takes them for a group. Scores that the threshold is chosen on
come from regressions that have not seen the entry asked about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from castalia.apps.assistant import terms
from castalia.apps.assistant.retrieval import CLOSE, Array, Found, Index
from castalia.evaluation.exact_tests import CONFIDENCE, upper_bound
from castalia.evaluation.student_t import quantile

FOLDS = 5
SHARP = 20.0  # by which cosines are multiplied before a softmax
PENALTY = 1.0  # of the squared weights of standardised features
FEATURES, OF_MEANING = 12, 4  # without embeddings, and with them so many more


@dataclass(frozen=True)
class Gate:
    """weights: of standardised features, the constant last. threshold: least confidence of an
    answer. unanswerable: questions without an answer that it was chosen on; passed: how many of
    them it lets through; bound: of their share, upper, with 95% confidence.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    threshold: float
    wanted: float
    unanswerable: int
    passed: int
    bound: float
    answerable: int
    answered: float
    right: float
    made: bool  # whether its questions were made from the entries themselves
    curve: tuple[tuple[float, float, float], ...] = ()  # threshold, false answers, answered

    @property
    def kept(self) -> bool:
        """Whether there were enough questions to promise the wanted rate."""
        return self.bound <= self.wanted

    def confidence(self, features: Array) -> float:
        return float(
            _probabilities(_standard(features[None], self.mean, self.scale), self.weights)[0]
        )

    def document(self) -> dict[str, Any]:
        return dict(vars(self))


def features(index: Index, question: str, found: Found, allowed: Array | None = None) -> Array:
    """(12,) float64, (16,) where there are embeddings: what speaks for the first passage that was
    found.
    """
    asked = list(dict.fromkeys(terms.content(question)))
    if not found.order:
        return np.zeros(FEATURES + (0 if found.meaning is None else OF_MEANING))
    first = found.order[0]
    weights = np.array([index.weight(term) for term in asked] or [1.0])
    here = np.array([index.in_passage(term, first, allowed) for term in asked] or [False])
    known = np.array([index.has(term, allowed) for term in asked] or [False])
    total, largest = float(weights.sum()), index.weight("")
    return np.array(
        [
            found.nearest[first],
            found.cosines[first],
            found.cosines[first] - _without(found.cosines, first),
            (found.words[first] - _without(found.words, first)) / total,
            found.words[first] / total,
            float(weights[here].sum()) / total,
            float(weights[~known].sum()) / total,
            float(int(found.words.argmax()) == first) + float(int(found.nearest.argmax()) == first),
            math.log1p(len(asked)),
            index.alike(asked, first, allowed),
            float(weights[~here].max(initial=0.0)) / largest,
            _sure(found.cosines, first),
            *_near(found.meaning, first),
        ]
    )


def _near(meaning: Array | None, first: int) -> list[float]:
    """Of embeddings: how near the first is, by how much nearer than the others, and whether it is
    the nearest.
    """
    if meaning is None:
        return []
    return [
        float(meaning[first]),
        float(meaning[first]) - _without(meaning, first),
        _sure(meaning, first, CLOSE),
        float(int(meaning.argmax()) == first),
    ]


def fitted(rows: Array, labels: Array) -> tuple[Array, Array, Array]:
    """(mean, scale, weights) of a ridge logistic regression, by Newton's method. rows (n, d)."""
    mean = rows.mean(0)
    scale = np.maximum(rows.std(0), 1e-6)
    design = _standard(rows, mean, scale)
    weights = np.zeros(design.shape[1])
    penalty = np.full(len(weights), PENALTY)
    penalty[-1] = 1e-6
    for _ in range(50):
        chances = _probabilities(design, weights)
        slope = design.T @ (labels - chances) - penalty * weights
        spread = np.maximum(chances * (1 - chances), 1e-9)
        step = np.linalg.solve((design * spread[:, None]).T @ design + np.diag(penalty), slope)
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    return mean, scale, weights


def calibrated(
    rows: Array, right: Array, answerable: Array, groups: Array, wanted: float, made: bool
) -> Gate:
    """The gate of calibration questions. rows (n, d): features; right (n,): whether the passage
    found is the right one; answerable (n,): whether there is one; groups (n,): the entry asked
    about, so that no regression is judged on entries that it learned from.
    """
    labels = right.astype(float)
    scores = np.zeros(len(rows))
    for fold in range(FOLDS):
        held = groups % FOLDS == fold
        if held.any() and (~held).any():
            scores[held] = _scored(rows[held], *fitted(rows[~held], labels[~held]))
        elif held.any():
            scores[held] = _scored(rows[held], *fitted(rows, labels))
    negative, positive = scores[~answerable], scores[answerable]
    hits = right[answerable]
    threshold, passed, bound = choose(negative, groups[~answerable], wanted)
    accepted = positive >= threshold
    mean, scale, weights = fitted(rows, labels)
    levels = np.linspace(0.0, 1.0, 51)
    curve = tuple(
        (float(level), _share(negative >= level), _share(positive >= level)) for level in levels
    )
    return Gate(
        tuple(map(float, mean)),
        tuple(map(float, scale)),
        tuple(map(float, weights)),
        threshold,
        wanted,
        len(negative),
        passed,
        bound,
        len(positive),
        _share(accepted),
        _share(hits[accepted]),
        made,
        curve,
    )


def choose(negative: Array, groups: Array, wanted: float) -> tuple[float, int, float]:
    """(threshold, how many of the scores of unanswerable questions reach it, the bound of their
    share). groups: which of them belong together. With too few questions to promise the rate, the
    threshold lies above all of them.
    """
    order = np.argsort(-negative, kind="stable")
    ordered, together = negative[order], groups[order]
    threshold = float(np.nextafter(ordered[0], 2)) if len(ordered) else 1.0
    passed, bound = 0, upper_bound(0, len(ordered))
    for count in range(1, len(ordered)):
        if ordered[count] == ordered[count - 1]:
            continue  # ties are passed together, or not at all
        reached = max(upper_bound(count, len(ordered)), grouped_bound(together, count))
        if reached > wanted:
            break
        threshold, passed, bound = float(np.nextafter(ordered[count], 2)), count, reached
    return threshold, passed, bound


def grouped_bound(groups: Array, passed: int) -> float:
    """The same for questions that come in groups, of which the first `passed` pass: Student's bound
    of a ratio (Cochran 1977, section 9A), because questions about one thing pass together. 0 where
    each question is a group of its own.
    """
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) == len(groups):
        return 0.0
    if len(sizes) < 2:
        return 1.0
    hits = np.bincount(place[:passed], minlength=len(sizes))
    share = passed / len(groups)
    spread = float(((hits - share * sizes) ** 2).sum()) * len(sizes) / (len(sizes) - 1)
    one_sided = 2 * CONFIDENCE - 1
    return share + quantile(len(sizes) - 1, one_sided) * math.sqrt(spread) / len(groups)


def _without(scores: Array, first: int) -> float:
    rest = np.delete(scores, first)
    return float(rest.max(initial=0.0))


def _sure(cosines: Array, first: int, sharp: float = SHARP) -> float:
    """The softmax of the first among all passages."""
    return float(1 / np.exp(np.minimum(sharp * (cosines - cosines[first]), 50)).sum())


def _standard(rows: Array, mean: Sequence[float] | Array, scale: Sequence[float] | Array) -> Array:
    whole = (rows - np.asarray(mean)) / np.asarray(scale)
    return np.hstack([whole, np.ones((len(whole), 1))])


def _probabilities(design: Array, weights: Sequence[float] | Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(design @ np.asarray(weights), -30, 30))))


def _scored(rows: Array, mean: Array, scale: Array, weights: Array) -> Array:
    return _probabilities(_standard(rows, mean, scale), weights)


def _share(found: Array) -> float:
    return float(found.mean()) if len(found) else 0.0
