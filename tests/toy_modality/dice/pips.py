"""A metric of the modality's own: how many pips a throw has on average."""

from __future__ import annotations

from castalia.evaluation.base import Metric, MetricResult, TokenEvidence


class Pips(Metric):
    """Judges series of throws only."""

    name = "pips"
    reads, judges = TokenEvidence, tuple

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        throws = [pips for item in evidence.items["model"] for pips in item]
        real = [pips for item in evidence.items["reference"] for pips in item]
        if not throws or not real:
            return []
        mean = sum(throws) / len(throws)
        return [
            MetricResult("pips", mean, floor=sum(real) / len(real), n=len(evidence.items["model"]))
        ]
