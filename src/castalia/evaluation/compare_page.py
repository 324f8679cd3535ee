"""The page of a comparison: one HTML file that opens anywhere, offline. What it says is
compare.py's.

Order: the verdict, fidelity against cost, every score of every run, the differences, samples of all
runs beside real data, provenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.charts import front
from castalia.evaluation.compare import LEVEL, Compared, Difference, in_words
from castalia.evaluation.report_page import decoded
from castalia.evaluation.score_names import called, interval_of, name_of
from castalia.language import Voice, say, say_in, series
from castalia.pages.presenter import presenter_of
from castalia.pages.render import write

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.evaluation.judge import Evaluation

SHOWN = 32
COSTS = {
    "seconds_per_sample": say("seconds a sample"),
    "training_seconds": say("seconds of training"),
    "parameters": say("parameters"),
}
# What is known of a run, by the keys of compare.json.
NAMES = {
    "folder": say("folder"),
    "recipe": say("recipe"),
    "family": say("family"),
    "steps": say_in("card", "steps"),
    "parameters": say("parameters"),
    "training_seconds": say("seconds of training"),
    "seed": say("seed"),
    "model": say("model"),
}


def write_comparison(
    result: Compared,
    judged: Mapping[str, Evaluation],
    codecs: Mapping[str, Codec[Any]],
    path: Path,
    *,
    language: str = "en",
) -> None:
    """Writes `path` whole or not at all. judged, codecs: by the names of the runs."""
    voice = Voice(language)
    headline, *rest = result.verdict
    shown = {
        name: presenter_of(codecs[name]).items(decoded(one.samples, codecs[name], SHOWN), voice)
        for name, one in judged.items()
    }
    first = next(iter(judged))
    real = decoded(judged[first].real, codecs[first], SHOWN)
    pairs = list(dict.fromkeys((one.one, one.other) for one in result.differences))
    write(
        path,
        "compare.html.j2",
        language,
        title=voice.say("{0} runs compared", len(result.runs)),
        headline=headline,
        leads=[*rest, say("{0:,} samples of each run, against the same real data.", result.n)],
        fronts=[
            front(
                one.points,
                one.best,
                voice(called(one.fidelity).title),
                voice(COSTS[one.cost]),
                voice,
            )
            for one in result.fronts
        ],
        runs=list(result.runs),
        scores=[
            {
                "name": name_of(next(iter(row.values()))),
                "cells": [(run, cell(row.get(run))) for run in result.runs],
                "floor": show(next(iter(row.values())).floor),
            }
            for row in result.scores.values()
        ],
        pairs=[" − ".join(pair) for pair in pairs],
        differences=_differences(result, pairs),
        level=LEVEL,
        comparisons=len(result.differences),
        real=presenter_of(codecs[first]).items(real, voice),
        samples=[
            {"name": name, "headline": dict(one.verdict).get("headline", ""), "shown": shown[name]}
            for name, one in judged.items()
        ],
        provenance=[(name, _facts(facts)) for name, facts in result.runs.items()],
    )


def cell(score: MetricResult | None) -> dict[str, Any]:
    """What a table says of one model's score."""
    if score is None or score.value is None:
        return {"value": "–", "interval": "", "silent": False}
    silent = score.informative is False
    return {"value": show(score.value), "interval": interval_of(score), "silent": silent}


def _differences(result: Compared, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """A row per score, a cell per pair of runs."""
    by_place = {(one.score, one.one, one.other): one for one in result.differences}
    names = dict.fromkeys(one.score for one in result.differences)
    return [
        {
            "name": called(name),
            "cells": [(" − ".join(pair), _gap(by_place.get((name, *pair)))) for pair in pairs],
        }
        for name in names
    ]


def _gap(one: Difference | None) -> dict[str, Any]:
    if one is None:
        return {"value": "–", "interval": "", "words": "", "shown": False}
    interval = f"{show(one.low)} – {show(one.high)}"
    return {
        "value": show(one.value),
        "interval": interval,
        "words": in_words(one),
        "shown": one.shown,
    }


def _facts(facts: Mapping[str, Any]) -> str:
    return series(
        say("{0} {1}", NAMES.get(key, key), _fact(value))
        for key, value in facts.items()
        if value is not None
    )


def _fact(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return show(value) if isinstance(value, float) else str(value)
