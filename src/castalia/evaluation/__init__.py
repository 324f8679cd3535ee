"""Evaluation: metrics with intervals, floors and baselines, and report pages.

    from castalia.evaluation import evaluate

One file per kind of metric; `judge.evaluate` runs them all on one set of evidence.
"""

from castalia.evaluation.base import Comparison, Estimate, Evidence, Metric, MetricResult
from castalia.evaluation.judge import Evaluation, Neighbours, evaluate

__all__ = [
    "Comparison",
    "Estimate",
    "Evaluation",
    "Evidence",
    "Metric",
    "MetricResult",
    "Neighbours",
    "evaluate",
]
