"""Overlap of n-grams of sampled text with the training text, beside the overlap of new real text:
novelty of text.

Every text shares phrases with other text, so a share alone proves nothing: held-out text is new by
definition, and what it shares with the training text, at the same amount, is the yardstick. Exact
matches only; the evidence, passages side by side, is on the page. Lee et al. 2022
(arXiv:2107.06499) and McCoy et al. 2023 (arXiv:2111.09509, the share of n-grams seen) measure
language models this way. Not here: paraphrases, and membership inference.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Metric,
    MetricResult,
    TokenEvidence,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
    share_estimate,
    show,
)
from castalia.language import say

if TYPE_CHECKING:
    from castalia.evaluation.token_evidence import GatheredPassages

N = 8
MARGIN = 0.03  # shares this near to that of new text are not called copying
SHOWN, AROUND = 6, 12  # passages on the page, and symbols around each


class Borrowing(Metric):
    """`seen-8-grams`: share of the 8-grams that stand in the training text; `longest-copy`: mean
    length in symbols of the longest stretch of a passage that does. Lower is better down to the
    floor, which is held-out text.
    """

    name = "borrowing"
    reads = TokenEvidence
    judges = str

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        model, floor = evidence.passages.get("model", []), evidence.unseen
        if not model:
            return []
        enough = min(sum(len(passage) >= N for passage in side) for side in (model, floor)) >= 2
        if not enough:
            words = say(
                "Not computed: it needs samples and held-out passages of at least {0} words "
                "or tokens; there are too few.",
                N,
            )
            return not_computed({f"seen-{N}-grams": "lower"}, len(model), evidence.seed, words)
        return [
            self._one(f"seen-{N}-grams", lambda lengths: seen(lengths, N), evidence),
            self._one("longest-copy", longest, evidence),
        ]

    def _one(
        self, name: str, measure: Callable[[list[np.ndarray]], Estimate], evidence: TokenEvidence
    ) -> MetricResult:
        begun = time.perf_counter()
        shared = {side: matches.lengths for side, matches in evidence.shared.items()}
        sides = {
            side: measure(shared["unseen" if side == "floor" else side])
            for side in ("model", "floor", "naive", "memoriser")
        }
        informative = clearly("lower", sides["floor"], sides["memoriser"])
        words = _share_words(sides, informative) if name.startswith("seen") else _span_words(sides)
        details = {
            "symbols": sum(map(len, evidence.passages["model"])),
            "held_out_symbols": sum(map(len, evidence.unseen)),
            "words": words,
        }
        if name.startswith("seen"):
            details["by_n"] = {
                str(n): [seen(shared[side], n).value for side in ("model", "unseen")]
                for n in (2, 4, 8, 16, 32)
            }
        n = len(evidence.passages["model"])
        return compared(
            name,
            "lower",
            sides,
            informative,
            n,
            evidence.seed,
            time.perf_counter() - begun,
            details,
        )


def seen(lengths: list[np.ndarray], n: int) -> Estimate:
    """Share of the n-grams of passages that the corpus has; lengths: of the longest match from each
    place of each passage.
    """
    groups = group_ids(len(lengths)).numpy()
    hits = np.bincount(
        groups, [np.count_nonzero(row[: max(0, len(row) - n + 1)] >= n) for row in lengths], GROUPS
    )
    size = np.bincount(groups, [max(0, len(row) - n + 1) for row in lengths], GROUPS)
    return share_estimate(hits.tolist(), size.tolist(), len(lengths))


def longest(lengths: list[np.ndarray]) -> Estimate:
    """Mean over passages of the longest match anywhere in them; details: the longest of all."""
    most = np.array([row.max(initial=0) for row in lengths], float)
    groups = group_ids(len(most)).numpy()
    sums, size = np.bincount(groups, most, GROUPS), np.bincount(groups, minlength=GROUPS)
    value = float(most.mean()) if len(most) else 0.0
    without = (sums.sum() - sums) / np.maximum(1, size.sum() - size)
    return estimated(
        value, without.tolist(), (0.0, np.inf), longest_of_all=float(most.max(initial=0))
    )


def copies(share: MetricResult | None) -> bool:
    """Whether by its `seen-n-grams` score the model repeats its training text."""
    if share is None or share.low is None or share.floor is None or not share.informative:
        return False
    return share.low > max(share.details["intervals"]["floor"][1], share.floor + MARGIN)


@dataclass(frozen=True)
class Shared:
    """A stretch of `length` symbols that sample number `sample` has in common with training
    document `document`: what stands before it, the stretch, what stands after it, in both.
    """

    sample: int
    document: int
    length: int
    sampled: tuple[str, str, str]
    trained: tuple[str, str, str]


def longest_shared(gathered: GatheredPassages, count: int = SHOWN) -> list[Shared]:
    """The longest stretches, one a sample and no stretch of training text twice; empty where the
    codec has no pieces.
    """
    if (
        gathered.sampled is None
        or gathered.trained is None
        or "model" not in gathered.evidence.passages
    ):
        return []
    shared = gathered.evidence.shared["model"]
    best = [
        (int(row.argmax()), int(row.max(initial=0))) if len(row) else (0, 0)
        for row in shared.lengths
    ]
    result: list[Shared] = []
    used: set[tuple[int, int]] = set()
    for sample in sorted(range(len(best)), key=lambda sample: -best[sample][1]):
        place, length = best[sample]
        if length < 2 or len(result) == count:
            break
        document, start = int(shared.documents[sample][place]), int(shared.places[sample][place])
        if (document, start) not in used:
            used.add((document, start))
            one, other = (
                _around(gathered.sampled[sample], place, length),
                _around(gathered.trained[document], start, length),
            )
            result.append(Shared(sample, document, length, one, other))
    return result


def _around(pieces: list[str], start: int, length: int) -> tuple[str, str, str]:
    """Text before, of and after a stretch of pieces."""
    stop = start + length
    parts = pieces[max(0, start - AROUND) : start], pieces[start:stop], pieces[stop : stop + AROUND]
    before, span, after = map("".join, parts)
    bare = span.lstrip()
    return before + span[: len(span) - len(bare)], bare, after


def _share_words(sides: dict[str, Estimate], informative: bool) -> list[str]:
    model, floor = sides["model"], sides["floor"]
    if not informative:
        return [
            say(
                "This score says nothing here: held-out text shares {0:.1%} of its "
                "{1}-grams with the training text, as copies do.",
                *(floor.value, N),
            )
        ]
    shares = say(
        "{0:.1%} of the {1}-grams of the samples stand word for word in the training "
        "text; of new real text {2:.1%}",
        *(model.value, N, floor.value),
    )
    if clearly("lower", floor, model) and model.low > floor.value + MARGIN:
        return [say("{0}: the model copies.", shares)]
    return [
        say(
            "{0}: no clear sign of copying. A model that misses the language also scores low "
            "here; read it with the bits.",
            shares,
        )
    ]


def _span_words(sides: dict[str, Estimate]) -> list[str]:
    model, floor = sides["model"], sides["floor"]
    facts = (
        model.value,
        model.details["longest_of_all"],
        floor.value,
        floor.details["longest_of_all"],
    )
    return [
        say(
            "The longest stretch that a sample has from the training text is {0} words or "
            "tokens on average, {1} at most; of a new real "
            "passage {2} and {3}.",
            *map(show, facts),
        )
    ]
