"""The overview page of several judged runs: for each data set samples beside real items, and one
table; links to each report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.evaluation.base import show
from castalia.evaluation.compare_page import cell
from castalia.evaluation.report_page import decoded
from castalia.evaluation.score_names import name_of
from castalia.language import Voice
from castalia.pages.files import Shown
from castalia.pages.presenter import presenter_of
from castalia.pages.render import write
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.evaluation.judge import Evaluation

SHOWN = 40


@dataclass(frozen=True)
class Section:
    """Models of one set of data.

    judged: name of a model -> its evaluation. reports: name -> relative link to its page. heading:
    "" when the page has one section only. more: caption -> native items to show beside the samples,
    such as texts under a constraint. files: heading -> files beside the page that stand first, such
    as what can be heard.
    """

    judged: Mapping[str, Evaluation]
    codec: Codec[Any]
    reports: Mapping[str, str]
    heading: str = ""
    more: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    files: Mapping[str, Sequence[Shown]] = field(default_factory=dict)


def write_overview(
    path: Path,
    sections: Sequence[Section],
    *,
    title: str,
    lead: str,
    next_steps: Mapping[str, str],
    language: str = "en",
) -> None:
    """next_steps: command -> what it does. language: "en" or "zh", of all that was made by `say`.
    Written whole or not at all.
    """
    voice = Voice(language)
    write(
        path,
        "overview.html.j2",
        language,
        title=title,
        lead=lead,
        sections=[_section(section, voice) for section in sections],
        next_steps=list(next_steps.items()),
    )


def _section(section: Section, voice: Voice) -> dict[str, Any]:
    shows = presenter_of(section.codec)
    real = next(iter(section.judged.values())).real
    first, second = (
        voice.say("{0}: {1}", section.heading, words)
        if section.heading
        else voice(words).capitalize()
        for words in (say("look first"), say("then the numbers"))
    )
    return {
        "files": list(section.files.items()),
        "first": first,
        "second": second,
        "names": list(section.judged),
        "real": shows.items(decoded(real, section.codec, SHOWN), voice),
        "models": [
            {
                "name": name,
                "headline": dict(one.verdict).get("headline", ""),
                "report": section.reports[name],
                "shown": shows.items(decoded(one.samples, section.codec, SHOWN), voice),
            }
            for name, one in section.judged.items()
        ],
        "more": [(caption, shows.items(items, voice)) for caption, items in section.more.items()],
        "scores": _scores(section.judged),
    }


def _scores(judged: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """A row per score that any model has a value of, a cell per model; the real data's own value
    (floor) beside them.
    """
    by_name = {model: {score.name: score for score in one.scores} for model, one in judged.items()}
    names = dict.fromkeys(
        score.name for one in judged.values() for score in one.scores if score.value is not None
    )
    rows = []
    for name in names:
        by_model = {model: scores.get(name) for model, scores in by_name.items()}
        first = next(score for score in by_model.values() if score is not None)
        rows.append(
            {
                "name": name_of(first),
                "cells": [(model, cell(score)) for model, score in by_model.items()],
                "floor": show(first.floor),
            }
        )
    return rows
