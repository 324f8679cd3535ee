"""Sentences of the findings and facts of a check of series."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "reading": Sentence(
        "note",
        "Read as time series, because {why}. To read it otherwise: {others}",
    ),
    "steps": Sentence(
        "note",
        "Steps: {what}; a season has {season} of them. If that is wrong: codec.season=N",
    ),
    "gaps": Sentence(
        "warning",
        "{count} values are missing inside series ({share} of all). They are learned as gaps; "
        "castalia edit RUN infill fills them.",
        "{count} value is missing inside a series ({share} of all). It is learned as a gap; "
        "castalia edit RUN infill fills it.",
    ),
    "flat": Sentence(
        "warning",
        "{count} stretches of series never change: {what}. Leave them out, or expect forecasts as "
        "flat.",
        "{count} stretch of a series never changes: {what}. Leave it out, or expect forecasts as "
        "flat.",
    ),
    "zeros": Sentence(
        "warning",
        "{count} stretches of series are zero in half of their steps or more: {what}. Quantiles of "
        "forecasts may be 0.",
        "{count} stretch of a series is zero in half of its steps or more: {what}. Quantiles of "
        "forecasts may be 0.",
    ),
    "negative": Sentence(
        "note",
        "{count} stretches of series have a few values below zero among others above: {what}. If "
        "they count things, these are errors or returns: mend them.",
        "{count} stretch of a series has a few values below zero among others above: {what}. If it "
        "counts things, these are errors or returns: mend them.",
    ),
    "short": Sentence(
        "warning",
        "{count} stretches of series are shorter than two seasons: {what}. Nothing tells the "
        "season there; give longer series, or a smaller codec.season.",
        "{count} stretch of a series is shorter than two seasons: {what}. Nothing tells the season "
        "there; give longer series, or a smaller codec.season.",
    ),
    "still": Sentence(
        "problem",
        "No series changes, so there is nothing to learn.",
    ),
}
LABELS = {
    "values": say_in("check", "values"),
    "frequency": say_in("check", "steps"),
    "season": say_in("check", "season"),
    "gaps": say_in("check", "gaps"),
    "lengths": say_in("check", "lengths"),
}
