"""One page over several judged runs: for each set of data what was made beside what is real, and
one table; links to each report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia import atomic
from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.report_page import direction_of, grid, items_grid, parts_of, title_of
from castalia.language import Voice
from castalia.pages.style import CSS
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.evaluation.judge import Evaluation

SHOWN = 40


@dataclass(frozen=True)
class Section:
    """Models of one set of data.

    judged: name of a model -> its evaluation. reports: name -> relative link to its page. heading:
    "" when the page has one section only.
    more: caption -> native items to show beside the samples, such as texts under a constraint.
    extra: HTML that stands first, such as what can be heard.
    """

    judged: Mapping[str, Evaluation]
    codec: Codec[Any]
    reports: Mapping[str, str]
    heading: str = ""
    more: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    extra: str = ""


def write_overview(
    path: Path,
    sections: Sequence[Section],
    *,
    title: str,
    lead: str,
    next_steps: Mapping[str, str],
    language: str = "en",
) -> None:
    """next_steps: command -> what it does. language: "en" or "zh"; what was made by `say` is told
    in it. Written whole or not at all.
    """
    voice = Voice(language)
    steps = "".join(
        f"<dt><code>{escape(command)}</code></dt><dd>{escape(voice(words))}</dd>"
        for command, words in next_steps.items()
    )
    lang = {"zh": "zh-Hans"}.get(language, language)
    atomic.write(
        path,
        f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8"><meta '
        'name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(voice(title))}</title><style>{CSS}</style></head><body><main>\n"
        f'<p class="eyebrow">Castalia</p><h1>{escape(voice(title))}</h1><p '
        f'class="lead">{escape(voice(lead))}</p>\n'
        + "".join(_section(section, voice) for section in sections)
        + f"<h2>{voice.say('Go on')}</h2><dl>{steps}</dl>\n</main></body></html>\n",
    )


def _section(section: Section, voice: Voice) -> str:
    real = next(iter(section.judged.values())).real
    figures = [
        _figure(
            voice.say("Real data the models were not trained on"),
            grid(real[:SHOWN], section.codec, voice),
        )
    ]
    for name, found in section.judged.items():
        link = (
            f'<a href="{escape(section.reports[name], quote=True)}">{voice.say("its report")}</a>'
        )
        caption = (
            f"{escape(voice.say('{0}: {1}', name, dict(found.verdict).get('headline', '')))} {link}"
        )
        figures.append(_figure(caption, grid(found.samples[:SHOWN], section.codec, voice)))
    figures += [
        _figure(escape(voice(caption)), items_grid(items, section.codec, voice))
        for caption, items in section.more.items()
    ]
    first, second = (
        voice.say("{0}: {1}", section.heading, words)
        if section.heading
        else voice(words).capitalize()
        for words in (say("look first"), say("then the numbers"))
    )
    return (
        f"{section.extra}<h2>{escape(first)}</h2><p "
        f'class="lead">{voice.say("In the order they were drawn, none left out.")}</p>'
        "<div "
        f'class="beside">{"".join(figures)}</div>\n<h2>{escape(second)}</h2>{_table(section.judged, voice)}\n'
    )


def _figure(caption: str, body: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{body}</figure>"


def _table(judged: Mapping[str, Evaluation], voice: Voice) -> str:
    """A row per score that any model has a value of, a column per model; the real data's own value
    (floor) beside them.
    """
    names = list(
        dict.fromkeys(
            score.name
            for found in judged.values()
            for score in found.scores
            if score.value is not None
        )
    )
    rows = []
    for name in names:
        found = {
            model: next((score for score in judged[model].scores if score.name == name), None)
            for model in judged
        }
        first = next(score for score in found.values() if score is not None)
        cells = "".join(
            '<td class="number" '
            f'data-label="{escape(voice(model), quote=True)}">{_cell(score)}</td>'
            for model, score in found.items()
        )
        rows.append(
            f"<tr><td><b>{escape(voice(title_of(name)))}</b><span "
            f'class="network">{escape(parts_of(name)[1])}</span>'
            f'<span class="network">{escape(voice(direction_of(first)))}</span></td>{cells}'
            '<td class="number" '
            f'data-label="{voice.say("real data")}">{show(first.floor)}</td></tr>'
        )
    head = "".join(
        f'<th scope="col" class="number">{escape(voice(model))}</th>'
        for model in [*judged, say("real data")]
    )
    return (
        '<div class="scroll"><table class="scores"><thead><tr><th '
        f'scope="col">{voice.say("score")}</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(score: MetricResult | None) -> str:
    if score is None or score.value is None:
        return "–"
    interval = (
        ""
        if score.low is None or score.high is None
        else f"<br><small>{show(score.low)} – {show(score.high)}</small>"
    )
    return f'<span class="value">{show(score.value)}</span>{interval}'
