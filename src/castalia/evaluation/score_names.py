"""Names of scores for people: a title, the network it was computed in, and which way is better."""

from __future__ import annotations

from typing import NamedTuple

from castalia import modality
from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.features import network_names
from castalia.sentences import say

TITLES = {
    "frechet": say("Fréchet distance"),
    "kernel": say("Kernel distance"),
    "precision": say("Precision"),
    "recall": say("Recall"),
    "density": say("Density"),
    "coverage": say("Coverage"),
    "c2st": say("Told from real data"),
    "vendi": say("Different items (Vendi)"),
    "class-balance": say("Class balance"),
    "copies": say("Copies"),
    "data-copying": say("Data-copying test"),
    "creativity": say("Novelty at equal fidelity"),
    "utility-accuracy": say("Utility: accuracy"),
    "utility-recall": say("Utility: balanced recall"),
    "utility-f1": say("Utility: F1"),
    "bits-per-dimension": say("Bits per dimension"),
    "samples-per-second": say("Samples per second"),
    "peak-memory": say("Peak memory, MiB"),
    "parameters": say("Parameters"),
    "bits-per-byte": say("Bits per byte"),
    "bits-per-character": say("Bits per character"),
    "distinct-1": say("Different words"),
    "distinct-2": say("Different 2-grams"),
    "distinct-3": say("Different 3-grams"),
    "distinct-4": say("Different 4-grams"),
    "self-bleu": say("Self-BLEU"),
    "loops": say("In loops"),
    "seen-8-grams": say("8-grams seen in training"),
    "longest-copy": say("Longest copy"),
    "bits-per-step": say("Bits per step"),
    "bits-per-note": say("Bits per note"),
    "nats-per-step": say("Nats per step"),
    "nats-per-note": say("Nats per note"),
    "nats-per-step-averaged": say("Nats per step, averaged over keys"),
}
BETTER = {"lower": say("lower is better"), "higher": say("higher is better"), None: ""}


class ScoreName(NamedTuple):
    """title: "Fréchet distance"; network: "castalia-net32-v1", "" without one; direction: "lower
    is better", or what else the number is read by.
    """

    title: str
    network: str
    direction: str = ""


def name_of(score: MetricResult) -> ScoreName:
    """How pages call a score."""
    return called(score.name)._replace(direction=direction_of(score))


def called(name: str) -> ScoreName:
    """Title and network of the score `name`: "frechet-castalia-net32-v1" is a Fréchet distance."""
    kind, network = parts_of(name)
    own = (one.titles.get(kind) for one in modality.every().values())
    title = TITLES.get(kind) or next(filter(None, own), None)
    return ScoreName(title or kind.replace("-", " ").capitalize(), network)


def parts_of(name: str) -> tuple[str, str]:
    """("precision", "castalia-net32-v1"); "" for a score without a network."""
    for network in (*network_names(), "ngrams-v1"):
        if name.endswith(f"-{network}"):
            return name.removesuffix(f"-{network}"), network
    return name, ""


def direction_of(score: MetricResult) -> str:
    """ "lower is better", or what else the number is read by."""
    if score.better is None and score.floor is not None:
        return say("real data are the measure")
    return BETTER[score.better]


def interval_of(score: MetricResult) -> str:
    """ "3.9 – 4.5"; "" without an interval."""
    if score.low is None or score.high is None:
        return ""
    return f"{show(score.low)} – {show(score.high)}"
