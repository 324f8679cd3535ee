"""Scores into sentences: a headline and one paragraph for each of the four questions.

Every sentence quotes the number it rests on, next to what real data and the baselines get. A score that is not
informative is not used, and said to be so.
"""

from __future__ import annotations

import math

from castalia.evaluation.base import Score, show

GOOD, FAIR, POOR = 0.9, 0.7, 0.35  # shares of what real data get
FEW = 300  # samples below which a headline says how many there were


def verdict(scores: list[Score]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]; questions that cannot be answered say why."""
    named = {score.name.split("-castalia")[0].split("-effnet")[0].removesuffix("-raw"): score for score in scores}
    return [
        ("headline", _headline(named)),
        ("fidelity", _fidelity(named)),
        ("diversity", _diversity(named)),
        ("novelty", _novelty(named)),
        ("cost", cost_words(named)),
    ]


def _share(score: Score | None) -> float | None:
    """The score as a share of what real data get, where that says something."""
    if score is None or score.value is None or score.informative is False or not score.floor:
        return None
    return score.value / score.floor


def _headline(named: dict[str, Score]) -> str:
    words = _level(named)
    n = max((score.n or 0 for score in named.values() if score.floor is not None), default=0)
    if words.startswith("The samples") and n < FEW:
        return f"{words[:-1]}, as far as {n} of them can tell."
    return words


def _level(named: dict[str, Score]) -> str:
    shares = {name: share for name in ("precision", "coverage", "density", "recall") if (share := _share(named.get(name))) is not None}
    fidelity = _least(shares, "precision", "density")
    fidelity = _closeness(named.get("kernel")) if fidelity is None else fidelity
    diversity = _least(shares, "recall", "coverage")
    novelty = named.get("copies")
    copying = (
        novelty is not None
        and novelty.low is not None
        and novelty.floor is not None
        and novelty.informative
        and novelty.low > max(0.15, novelty.floor)
    )
    if copying:
        return "The model repeats its training data."
    if fidelity is None or diversity is None:
        return "There is too little to go by for a verdict."
    distance = named.get("kernel")
    level = min(fidelity, diversity)
    if level >= GOOD and distance is not None and distance.value is not None and distance.floor is not None and distance.low is not None:
        high = distance.details.get("intervals", {}).get("floor", [0, 0])[1]
        if distance.low <= high:
            return "The samples are hard to tell from new real data."
    if level >= FAIR:
        return "The samples come close to real data."
    if fidelity >= FAIR > diversity:
        return "The samples look right, but the model leaves out part of the data."
    if diversity >= FAIR > fidelity:
        return "The samples cover the data, but many do not look right."
    if level >= POOR:
        return "The samples resemble the data, with clear gaps."
    return "The samples are still far from the data."


def _closeness(score: Score | None) -> float | None:
    """How much of the way from the naive baseline to real data a distance has gone, on the scale of lengths."""
    if score is None or score.value is None or score.floor is None or score.informative is False:
        return None
    naive = _baseline(score)
    return None if naive is None else 1 - math.sqrt(max(0.0, score.value - score.floor) / max(naive - score.floor, 1e-12))


def _least(shares: dict[str, float], *names: str) -> float | None:
    present = [shares[name] for name in names if name in shares]
    return min(present) if present else None


def _fidelity(named: dict[str, Score]) -> str:
    words = []
    precision = named.get("precision")
    if precision is not None and precision.value is not None:
        words.append(
            f"{precision.value:.0%} of the samples lie where real data lie (real data: {_percent(precision.floor)}{_noise(precision)})."
        )
    for kind, name in (("frechet", "Frechet distance"), ("kernel", "kernel distance")):
        score = named.get(kind)
        if score is not None and score.value is not None and score.informative is not False:
            times = (
                f", {show(score.value / score.floor)} times the {show(score.floor)} of real data"
                if score.floor and score.floor > 0 and kind == "frechet"
                else f"; real data {show(score.floor)}"
            )
            words.append(f"The {name} is {show(score.value)}{times}; noise has {show(_baseline(score))}.")
            break
    return " ".join(words + _silent(named, "precision", "frechet", "kernel")) or "No score speaks of it."


def _diversity(named: dict[str, Score]) -> str:
    words = []
    recall, coverage = named.get("recall"), named.get("coverage")
    if recall is not None and recall.value is not None:
        words.append(f"{recall.value:.0%} of the real data lie within reach of the samples (real data: {_percent(recall.floor)}).")
    if coverage is not None and coverage.value is not None:
        words.append(f"{coverage.value:.0%} of the real items have a sample as a close neighbour (real data: {_percent(coverage.floor)}).")
    return " ".join(words + _silent(named, "recall", "coverage")) or "No score speaks of it."


def _novelty(named: dict[str, Score]) -> str:
    copies = named.get("copies")
    if copies is None:
        return "No score speaks of it; look at the nearest training items below."
    return " ".join(copies.details.get("words", []))


def cost_words(named: dict[str, Score]) -> str:
    """Speed, memory and weights in a sentence."""
    words = []
    speed, memory, weights = named.get("samples-per-second"), named.get("peak-memory"), named.get("parameters")
    if speed is not None and speed.value is not None:
        words.append(f"{show(speed.value)} samples a second")
    if memory is not None and memory.value is not None:
        words.append(f"{show(memory.value)} MiB of memory at the peak")
    if weights is not None and weights.value is not None:
        words.append(f"{show(weights.value)} weights")
    return (", ".join(words) + ".") if words else "No score speaks of it."


def _silent(named: dict[str, Score], *names: str) -> list[str]:
    silent = [name for name in names if name in named and (named[name].informative is False)]
    refused = [name for name in names if name in named and named[name].value is None]
    words = [f"Not informative here: {', '.join(silent)}."] if silent else []
    return words + ([f"Not computed, for lack of data: {', '.join(refused)}."] if refused else [])


def _baseline(score: Score) -> float | None:
    return (score.baselines or {}).get("naive")


def _noise(score: Score) -> str:
    """What the naive baseline gets; nothing where one unusual real item decides it (the score's own words say so)."""
    return "" if any("single unusual" in words for words in score.details.get("words", [])) else f"; noise: {_percent(_baseline(score))}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
