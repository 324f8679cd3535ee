"""Motif novelty: melodies that samples share with the training pieces, in any key and at any tempo.

All tunes share turns of phrase, so a share alone proves nothing: held-out pieces are new by
definition, and what they share, at the same amount, is the yardstick. Motifs are defined in
melody.py; exact matches only. Not here: which sample copies which piece
(modalities/music/copies.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from castalia.evaluation import base
from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Evidence,
    Metric,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
    share_estimate,
    show,
)
from castalia.evaluation.suffix_matches import matches
from castalia.language import Message, say
from castalia.modalities.music.melody import lines, motifs
from castalia.modalities.music.score import Score

N = 8  # steps: nine notes
FEWEST = 2

# of each piece and part: how far the melody from each step on matches
Lengths = list[list[np.ndarray]]


class Motifs(Metric):
    """`seen-motifs`: share of the runs of N melodic steps that a training piece has;
    `longest-motif`: mean over pieces of the longest run. Lower is better down to the floor, which
    is held-out pieces.
    """

    name = "motifs"
    reads = Evidence
    judges = Score

    def scores(self, evidence: Evidence) -> list[base.MetricResult]:
        items = evidence.items
        if "model" not in items:
            return []
        unseen, n = items["unseen"], len(items["model"])
        begun = time.perf_counter()
        names = ("model", "unseen", "memoriser")
        matches = (
            {side: shared(items[side], items["training"]) for side in names}
            if min(len(unseen), n) >= FEWEST
            else {}
        )
        if not all(
            any(len(row) >= N for piece in matches.get(side, []) for row in piece)
            for side in ("model", "unseen")
        ):
            words = say(
                "Not computed: it needs samples and held-out pieces with melodies of more "
                "than {0} notes; there are too few.",
                N,
            )
            return not_computed({"seen-motifs": "lower"}, n, evidence.seed, words)
        result = []
        for name, measure in (("seen-motifs", seen), ("longest-motif", longest)):
            sides = {
                {"unseen": "floor"}.get(side, side): measure(lengths)
                for side, lengths in matches.items()
            }
            informative = clearly("lower", sides["floor"], sides["memoriser"])
            words = _words(name, sides, informative)
            seconds = time.perf_counter() - begun
            result.append(
                compared(
                    name, "lower", sides, informative, n, evidence.seed, seconds, {"words": words}
                )
            )
        return result


def shared(pieces: Sequence[Score], training: Sequence[Score]) -> Lengths:
    """How far the melody from each step of each part of each piece on goes as one of the training
    pieces does.
    """
    corpus = [torch.from_numpy(motifs(line)) for piece in training for line in lines(piece)]
    rows = [[torch.from_numpy(motifs(line)) for line in lines(piece)] for piece in pieces]
    lengths = iter(matches([row for piece in rows for row in piece], corpus).lengths)
    return [[next(lengths) for _ in piece] for piece in rows]


def seen(matches: Lengths) -> Estimate:
    """Share of the runs of N steps that match."""
    groups = group_ids(len(matches)).numpy()
    hits = np.bincount(
        groups,
        [
            sum(np.count_nonzero(row[: max(0, len(row) - N + 1)] >= N) for row in piece)
            for piece in matches
        ],
        GROUPS,
    )
    size = np.bincount(
        groups, [sum(max(0, len(row) - N + 1) for row in piece) for piece in matches], GROUPS
    )
    return share_estimate(hits.tolist(), size.tolist(), len(matches))


def longest(matches: Lengths) -> Estimate:
    """Mean over pieces of the longest run in any part; details: the longest of all."""
    most = np.array(
        [max((int(row.max(initial=0)) for row in piece), default=0) for piece in matches], float
    )
    groups = group_ids(len(most)).numpy()
    sums, size = np.bincount(groups, most, GROUPS), np.bincount(groups, minlength=GROUPS)
    without = (sums.sum() - sums) / np.maximum(1, size.sum() - size)
    return estimated(
        float(most.mean()),
        without.tolist(),
        (0.0, np.inf),
        longest_of_all=float(most.max(initial=0)),
    )


def _words(name: str, sides: dict[str, Estimate], informative: bool) -> list[Message]:
    model, floor, memoriser = sides["model"], sides["floor"], sides["memoriser"]
    if name == "longest-motif":
        facts = show(model.value), show(floor.value), int(model.details["longest_of_all"])
        return [
            say(
                "The longest melody of a sample that a training piece has is {0} steps "
                "long on average (held-out pieces {1}), at most {2}.",
                *facts,
            )
        ]
    if not informative:
        values = show(floor.value), show(memoriser.value)
        return [
            say(
                "This score says nothing here: held-out pieces share as many melodies "
                "({0}) with the training pieces as copies do ({1}).",
                *values,
            )
        ]
    facts_ = model.value, N, floor.value, memoriser.value
    first = say(
        "{0:.0%} of the melodies of {1} steps are in a training piece, in any key "
        "(held-out pieces {2:.0%}, copies {3:.0%}).",
        *facts_,
    )
    if model.low > floor.high:
        return [first, say("The samples share more with the training pieces than new pieces do.")]
    return [first]
