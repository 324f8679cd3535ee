"""The page of a comparison: one HTML file that opens anywhere, offline. What it says is
compare.py's, how it looks page.css's.

Order: the verdict, fidelity against cost, every score of every run, the differences, samples of all
runs beside real data, provenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia import atomic
from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.charts import front
from castalia.evaluation.compare import LEVEL, Compared, Difference, told
from castalia.evaluation.report_page import direction_of, document, grid, parts_of, title_of
from castalia.language import Voice, say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.evaluation.judge import Evaluation

SHOWN = 32
COSTS = {
    "seconds_per_sample": say("seconds a sample"),
    "training_seconds": say("seconds of training"),
    "parameters": say("parameters"),
}


def write_comparison(
    found: Compared,
    judged: Mapping[str, Evaluation],
    codecs: Mapping[str, Codec[Any]],
    path: Path,
    *,
    language: str = "en",
) -> None:
    """Writes `path` whole or not at all. judged, codecs: by the names of the runs."""
    voice = Voice(language)
    title = voice.say("{0} runs compared", len(found.runs))
    headline, *rest = found.verdict
    lead = voice.say("{0:,} samples of each run, against the same real data.", found.n)
    body = [
        f'<p class="eyebrow">Castalia · {escape(title)}</p><h1>{escape(voice(headline))}</h1>',
        "".join(f'<p class="lead">{escape(words)}</p>' for words in [*map(voice, rest), lead]),
        _fronts(found, voice),
        _scores(found, voice),
        _differences(found, voice),
        _samples(judged, codecs, voice),
        _runs(found, voice),
    ]
    atomic.write(path, document("\n".join(part for part in body if part), title, voice))


def _fronts(found: Compared, voice: Voice) -> str:
    if not found.fronts:
        return ""
    charts = "".join(
        f"<figure>{front(one.points, one.best, voice(title_of(one.fidelity)), voice(COSTS[one.cost]), voice)}</figure>"
        for one in found.fronts
    )
    words = voice.say(
        "Better runs lie further down and to the left. The line joins those that no other "
        "run beats in both; whiskers are 95% intervals."
    )
    return (
        f'<h2>{voice.say("Fidelity against cost")}</h2><p class="lead">{words}</p><div '
        f'class="curves">{charts}</div>'
    )


def _scores(found: Compared, voice: Voice) -> str:
    rows = []
    for name, row in found.scores.items():
        first = next(iter(row.values()))
        kind, network = parts_of(name)
        cells = "".join(
            '<td class="number" '
            f'data-label="{escape(run, quote=True)}">{_cell(row.get(run), voice)}</td>'
            for run in found.runs
        )
        rows.append(
            f"<tr><td><b>{escape(voice(title_of(kind)))}</b><span "
            f'class="network">{escape(network)}</span>'
            f'<span class="network">{voice(direction_of(first))}</span></td>{cells}'
            '<td class="number" '
            f'data-label="{escape(voice.say("real data"), quote=True)}">{show(first.floor)}</td></tr>'
        )
    heads = "".join(f'<th scope="col" class="number">{escape(run)}</th>' for run in found.runs)
    head = (
        f'<tr><th scope="col">{voice.say("score")}</th>{heads}<th scope="col" '
        f'class="number">{voice.say("real data")}</th></tr>'
    )
    table = f'<table class="scores"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<h2>{voice.say("Scores")}</h2><div class="scroll">{table}</div>'


def _cell(score: MetricResult | None, voice: Voice) -> str:
    if score is None or score.value is None:
        return "–"
    interval = (
        ""
        if score.low is None or score.high is None
        else f"<br><small>{show(score.low)} – {show(score.high)}</small>"
    )
    silent = (
        f'<br><small class="no">{voice.say("not informative")}</small>'
        if score.informative is False
        else ""
    )
    return f'<span class="value">{show(score.value)}</span>{interval}{silent}'


def _differences(found: Compared, voice: Voice) -> str:
    pairs = list(dict.fromkeys((one.one, one.other) for one in found.differences))
    if not pairs:
        return ""
    by_place = {(one.score, one.one, one.other): one for one in found.differences}
    names = list(dict.fromkeys(one.score for one in found.differences))
    rows = "".join(
        f"<tr><td><b>{escape(voice(title_of(name)))}</b><span "
        f"class='network'>{escape(parts_of(name)[1])}</span></td>"
        + "".join(
            '<td class="number" '
            f'data-label="{escape(" − ".join(pair), quote=True)}">{_gap(by_place.get((name, *pair)), voice)}</td>'
            for pair in pairs
        )
        + "</tr>"
        for name in names
    )
    heads = "".join(
        f'<th scope="col" class="number">{escape(one)} − {escape(other)}</th>'
        for one, other in pairs
    )
    words = voice.say(
        "The first run's score minus the second's with its own 95% interval; of distances "
        "from real data where these are the measure. Runs saw the "
        "same real items, so what those contribute to both is taken out. Which "
        "differences are shown is decided for the whole page "
        "together by Holm's procedure at {0:.0%}: with {1} comparisons, some intervals "
        "miss 0 by luck.",
        *(LEVEL, len(found.differences)),
    )
    head = f'<tr><th scope="col">{voice.say("score")}</th>{heads}</tr>'
    table = f'<table class="scores gaps"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return (
        f'<h2>{voice.say("Differences")}</h2><p class="lead">{escape(words)}</p><div '
        f'class="scroll">{table}</div>'
    )


def _gap(one: Difference | None, voice: Voice) -> str:
    if one is None:
        return "–"
    told_ = f'<small class="{"shown" if one.shown else ""}">{escape(voice(told(one)))}</small>'
    return (
        f'<span class="value">{show(one.value)}</span><br><small>{show(one.low)} – '
        f"{show(one.high)}</small><br>{told_}"
    )


def _samples(
    judged: Mapping[str, Evaluation], codecs: Mapping[str, Codec[Any]], voice: Voice
) -> str:
    first = next(iter(judged))
    figures = [
        f"<figure><figcaption>{voice.say('Real data')}</figcaption>{grid(judged[first].real[:SHOWN], codecs[first], voice)}</figure>"
    ]
    for name, found in judged.items():
        told_ = voice(dict(found.verdict).get("headline", ""))
        caption = f"<b>{escape(name)}</b> {escape(told_)}"
        figures.append(
            f"<figure><figcaption>{caption}</figcaption>{grid(found.samples[:SHOWN], codecs[name], voice)}</figure>"
        )
    heading = voice.say("Samples beside real data")
    return (
        f"<h2>{heading}</h2><p "
        f'class="lead">{voice.say("In the order they were drawn, none left out.")}</p><div '
        f'class="beside">{"".join(figures)}</div>'
    )


def _runs(found: Compared, voice: Voice) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(', '.join(f'{key} {_fact(value)}' for key, value in facts.items() if value is not None))}</dd>"
        for name, facts in found.runs.items()
    )
    return f"<h2>{voice.say('Provenance')}</h2><dl>{rows}</dl>"


def _fact(value: Any) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int)
        else show(value)
        if isinstance(value, float)
        else str(value)
    )
