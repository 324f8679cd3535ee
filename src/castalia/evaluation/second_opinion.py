"""A second feature network, where one is installed that nobody named: precision and kernel distance
again, and whether it agrees with the first.

A network sees what it was trained to see. The second one looks at few items: it is there to
contradict, not to measure, and may be slow.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from castalia.evaluation.base import DenseEvidence, MetricResult
from castalia.evaluation.features import ROWS, Features, extract, second_networks
from castalia.evaluation.kernel_distance import KernelDistance
from castalia.evaluation.precision_recall import Manifold
from castalia.evaluation.verdict_sentences import FAIR
from castalia.language import say
from castalia.progress import tracked


def second_opinion(
    evidence: DenseEvidence, first: list[MetricResult], sides: dict[str, Tensor]
) -> tuple[list[MetricResult], list[str]]:
    """The scores of every other network that fits and is installed, and a sentence on each.

    first  the scores in the network of `evidence`.
    sides  "model", "floor" and "reference": items (N, *shape).
    """
    networks = second_networks(evidence.spec, evidence.network)
    scores: list[MetricResult] = []
    words = []
    for network in tracked(networks, "asking a second network", len(networks), "networks"):
        found = _scores(evidence, network, sides)
        scores += found
        words += _agreement(
            _precision(first, evidence.network), _precision(found, network.name), network.name
        )
    return scores, words


def _scores(
    evidence: DenseEvidence, network: Features, sides: dict[str, Tensor]
) -> list[MetricResult]:
    features = {side: extract(network, x.split(ROWS)) for side, x in sides.items()}
    again = replace(
        evidence,
        network=network.name,
        reference=features.pop("reference"),
        candidates=features,
        softened=None,
    )
    scores = [*Manifold().scores(again), *KernelDistance().scores(again)]
    wanted = {f"{kind}-{network.name}" for kind in ("precision", "kernel")}
    return [score for score in scores if score.name in wanted]


def _precision(scores: list[MetricResult], network: str) -> MetricResult | None:
    return next((score for score in scores if score.name == f"precision-{network}"), None)


def _agreement(first: MetricResult | None, second: MetricResult | None, name: str) -> list[str]:
    """Whether both put the samples on the same side of `FAIR`, as a share of what real data get."""
    if not (first and second and first.floor and second.floor):
        return []
    if first.value is None or second.value is None:
        return []
    facts = name, second.value, second.floor
    if (first.value >= FAIR * first.floor) == (second.value >= FAIR * second.floor):
        return [say("A second network, {0}, agrees: {1:.0%} there (real data: {2:.0%}).", *facts)]
    return [
        say(
            "A second network, {0}, disagrees: {1:.0%} there (real data: {2:.0%}). Look at the "
            "samples before you believe either.",
            *facts,
        )
    ]
