"""The report page of an evaluation: one offline HTML file with pictures, texts and charts inside,
without scripts.

    write_page(judged, run.codec, path, title="...", curves=rows of metrics.jsonl, about={...},
        language="zh")

Order: the verdict in words, samples beside real data, the scores, novelty at equal fidelity,
nearest training items or the longest stretches of text that samples have from the training text,
walks in the latent, training curves, provenance. Not here: what the verdict says (verdict.py,
base.py), how items look (pages/presenter.py) and how the page looks (pages/templates, page.css).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia import atomic
from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.charts import curve, equal_fidelity, legend, strip
from castalia.evaluation.plain_summary import in_short
from castalia.evaluation.score_names import interval_of, name_of
from castalia.language import Voice, join, say
from castalia.pages import html
from castalia.pages.presenter import Presenter, presenter_of
from castalia.pages.render import render

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.evaluation.judge import Evaluation, Neighbours
    from castalia.pages.html import Html

SHOWN = 48
LISTED = 12  # entries of a list among the facts
NOT_CURVES = {"step", "time", "seconds", "speed", "left"}
QUESTIONS = {
    "fidelity": say("fidelity"),
    "diversity": say("diversity"),
    "novelty": say("novelty"),
    "utility": say("utility"),
    "cost": say("cost"),
}


def write_page(
    judged: Evaluation,
    codec: Codec[Any],
    path: Path,
    *,
    title: str,
    curves: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] | None = None,
    language: str = "en",
) -> None:
    """Writes `path` whole or not at all. curves: rows {"step": int, "<part>": float, ...}. about:
    nested facts for the provenance.

    language: "en" or "zh"; another raises RecipeError.
    """
    atomic.write(
        path,
        page(judged, codec, title=title, curves=curves, about=about or {}, voice=Voice(language)),
    )


def page(
    judged: Evaluation,
    codec: Codec[Any],
    *,
    title: str,
    curves: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
    voice: Voice,
) -> str:
    """The HTML document."""
    shows = presenter_of(codec)
    verdict, scores = dict(judged.verdict), judged.scores
    seeds = next((score.seeds for score in scores if score.seeds), None)
    facts = {voice.say("judged with seed"): ", ".join(map(str, seeds)) if seeds else None, **about}
    plain = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    return render(
        "report.html.j2",
        voice.language,
        title=title,
        headline=verdict.get("headline", say("Report")),
        summary=in_short(scores),
        questions=[
            (QUESTIONS.get(name, name), text) for name, text in judged.verdict if name != "headline"
        ],
        notes=judged.notes,
        sides=[
            (caption, shows.items(decoded(x, codec), voice))
            for caption, x in (
                (say("Samples, in the order they were drawn, none left out"), judged.samples),
                (say("Real data"), judged.real),
            )
            if len(x)
        ],
        reference=next(
            (score.details["reference"] for score in scores if "reference" in score.details), ""
        ),
        legend=legend(scores, voice),
        scores=[_row(score, voice) for score in scores],
        fidelity_chart=_fidelity_chart(scores, voice),
        neighbours=judged.neighbours and _neighbours(judged.neighbours, codec, shows, voice),
        shared=[
            {
                "sample": one.sample + 1,
                "document": one.document + 1,
                "length": one.length,
                "sampled": html.marked(*one.sampled),
                "trained": html.marked(*one.trained),
            }
            for one in judged.shared
        ],
        walks=None
        if judged.interpolation is None
        else _walks(judged.interpolation, codec, shows, voice),
        curves=_curves(curves, voice),
        provenance=_facts(plain.items()),
        more=[
            (name, _facts(_flat(value)))
            for name, value in facts.items()
            if isinstance(value, Mapping)
        ],
        small_print=_small_print(scores),
    )


def decoded(x: Tensor | Sequence[Tensor], codec: Codec[Any], most: int = SHOWN) -> list[Any]:
    """The first `most` rows as items."""
    return [codec.decode(row) for row in x[:most]]


def _row(score: MetricResult, voice: Voice) -> dict[str, Any]:
    """What the table says of a score."""
    baselines = score.baselines or {}
    return {
        "name": name_of(score),
        "value": show(score.value),
        "interval": interval_of(score),
        "strip": strip(score, voice),
        "floor": show(score.floor),
        "naive": show(baselines.get("naive")),
        "memoriser": show(baselines.get("memoriser")),
        "n": "–" if score.n is None else f"{score.n:,}",
        "informative": score.informative,
        "remark": join(score.details.get("words", [])),
    }


def _fidelity_chart(scores: Sequence[MetricResult], voice: Voice) -> str:
    score = next((score for score in scores if "curve" in score.details), None)
    return "" if score is None else equal_fidelity(score.details["curve"], voice)


def _neighbours(
    neighbours: Neighbours, codec: Codec[Any], shows: Presenter, voice: Voice
) -> dict[str, Any]:
    """Samples and what is nearest to them, as items where one by one says something, else in
    words.
    """
    yardstick = (
        ""
        if neighbours.typical is None
        else say(
            "A new real item typically lies {0} from its nearest training item.",
            show(neighbours.typical),
        )
    )
    shown, captions = [], []
    for place, query in enumerate(neighbours.queries):
        distances = [show(one) for one in neighbours.distances[place].tolist()]
        sample = shows.item(codec.decode(query), voice)
        if sample is not None:
            near = [shows.item(codec.decode(x), voice) for x in neighbours.items[place]]
            shown.append({"sample": sample, "near": list(zip(near, distances, strict=True))})
        words = say(
            "nearest training item {0:,} at distance {1}",
            int(neighbours.indices[place, 0]),
            distances[0],
        )
        captions.append((say("sample {0}", place + 1), words))
    return {"yardstick": yardstick, "shown": shown, "told": captions}


def _walks(walks: Tensor, codec: Codec[Any], shows: Presenter, voice: Voice) -> dict[str, Any]:
    """Rows of items; all together where one by one says nothing."""
    rows = [[codec.decode(x) for x in walk] for walk in walks]
    shown = [[shows.item(item, voice) for item in row] for row in rows]
    if any(one is None for row in shown for one in row):
        return {"rows": [], "together": shows.items([item for row in rows for item in row], voice)}
    return {"rows": shown, "together": ""}


def _curves(rows: Sequence[Mapping[str, Any]], voice: Voice) -> list[Html]:
    names = dict.fromkeys(name for row in rows for name in row if name not in NOT_CURVES)
    charts = []
    for name in names:
        points = [
            (row["step"], row[name])
            for row in rows
            if isinstance(row.get(name), int | float)
            and not isinstance(row.get(name), bool)
            and "step" in row
        ]
        charts.append(curve(name, [x for x, _ in points], [y for _, y in points], voice))
    return [chart for chart in charts if chart]


def _small_print(scores: Sequence[MetricResult]) -> str:
    intervals = say(
        "Intervals are 95% delete-a-group jackknife intervals at this number of samples."
    )
    if any(score.name.startswith("bits-per-byte") for score in scores):
        compared = say(
            "Bits per byte and per character can be compared between tokenizers on the same "
            "text; perplexities cannot."
        )
    else:
        compared = say(
            "A distance in one feature network cannot be compared with one in another, nor "
            "with a published FID."
        )
    return join([intervals, compared])


def _facts(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, _fact(value)) for name, value in pairs if value is not None]


def _fact(value: Any) -> str:
    match value:
        case bool():
            return say("yes") if value else say("no")
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return show(value) if math.isfinite(value) else "–"
        case list() | tuple():
            if not value:
                return say("none")
            entries = ", ".join(_fact(entry) for entry in value[:LISTED])
            return say("{0} … ({1} in all)", entries, len(value)) if value[LISTED:] else entries
        case _:
            return str(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            yield from _flat(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry
