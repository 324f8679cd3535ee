"""The report page: one HTML file that opens anywhere, offline. Pictures and texts are inside it, charts are inline SVG, no script.

    write_page(judged, run.codec, path, title="...", curves=rows of metrics.jsonl, about={...})

Order: the verdict in words, samples beside real data, the scores, nearest training items or the longest stretches of text that samples have
from the training text, walks in the latent, training curves, provenance. Not here: what is said (verdict.py, base.py) and how it looks (page.css, charts.py).
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
from torch import Tensor

from castalia import atomic
from castalia.evaluation.base import Score, show
from castalia.evaluation.charts import curve, legend, strip
from castalia.evaluation.style import CSS

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.evaluation.borrowing import Shared
    from castalia.evaluation.judge import Evaluation, Neighbours

SHOWN = 48
TEXTS, LONGEST_TEXT = 12, 1500  # texts a side, characters of one
LARGEST = 160  # pixels of a picture's longer side on the page
NOT_CURVES = {"step", "time", "seconds", "speed", "left"}
TITLES = {
    "frechet": "Fréchet distance",
    "kernel": "Kernel distance",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "copies": "Copies",
    "bits-per-dimension": "Bits per dimension",
    "samples-per-second": "Samples per second",
    "peak-memory": "Peak memory, MiB",
    "parameters": "Parameters",
    "bits-per-byte": "Bits per byte",
    "bits-per-character": "Bits per character",
    "self-bleu": "Self-BLEU",
    "loops": "In loops",
    "seen-8-grams": "8-grams seen in training",
    "longest-copy": "Longest copy",
}


def write_page(
    judged: Evaluation,
    codec: Codec[Any],
    path: Path,
    *,
    title: str,
    curves: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes `path` whole or not at all. curves: rows {"step": int, "<part>": float, ...}. about: nested facts for the provenance."""
    atomic.write(path, page(judged, codec, title=title, curves=curves, about=about or {}))


def page(judged: Evaluation, codec: Codec[Any], *, title: str, curves: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> str:
    """The HTML document."""
    words = dict(judged.verdict)
    cards = "".join(
        f"<section><h3>{question}</h3><p>{escape(text)}</p></section>" for question, text in judged.verdict if question != "headline"
    )
    body = [
        f'<p class="eyebrow">{escape(title)}</p><h1>{escape(words.get("headline", "Report"))}</h1>',
        f'<div class="questions">{cards}</div>',
        *(f'<p class="note">{escape(note)}</p>' for note in judged.notes),
        _beside(judged, codec),
        _scores(judged.scores),
        _nearest(judged.neighbours, codec) if judged.neighbours is not None else "",
        _shared(judged.shared) if judged.shared else "",
        _walks(judged.interpolation, codec) if judged.interpolation is not None else "",
        _curves(curves),
        _provenance(judged, about),
        f"<footer><p>{_small_print(judged.scores)}</p></footer>",
    ]
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{viewport}<title>{escape(title)}</title><style>{CSS}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>\n'
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def _beside(judged: Evaluation, codec: Codec[Any]) -> str:
    sides = [
        ("Samples, in the order they were drawn, none left out", judged.samples),
        ("Real data", judged.real),
    ]
    figures = "".join(f"<figure><figcaption>{caption}</figcaption>{grid(x[:SHOWN], codec)}</figure>" for caption, x in sides if len(x))
    return f'<h2>Samples beside real data</h2><div class="beside">{figures}</div>' if figures else ""


def grid(x: Tensor | Sequence[Tensor], codec: Codec[Any]) -> str:
    """Rows as the items that they decode to."""
    return items_grid([codec.decode(row) for row in x], codec)


def items_grid(items: Sequence[Any], codec: Codec[Any]) -> str:
    """Pictures one by one, texts as texts; anything else as the codec draws several at once."""
    if all(isinstance(item, str) for item in items):
        return f'<div class="texts">{"".join(_text(item) for item in items[:TEXTS])}</div>'
    if all(isinstance(item, PIL.Image.Image) for item in items):
        return f'<div class="grid">{"".join(_image(item) for item in items)}</div>'
    return _image(codec.preview(list(items)), sheet=True)


def _text(item: str) -> str:
    shown = escape(item[:LONGEST_TEXT]) + (" …" if len(item) > LONGEST_TEXT else "")
    return f'<div class="text" dir="auto">{shown or "<i>(nothing)</i>"}</div>'


def _image(image: PIL.Image.Image, *, sheet: bool = False, alt: str = "") -> str:
    if not sheet and max(image.size) > LARGEST:
        image = image.copy()
        image.thumbnail((LARGEST, LARGEST), PIL.Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    kind = "sheet" if sheet else ("small" if max(image.size) <= 48 else "")
    return f'<img class="{kind}" alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'


def title_of(name: str) -> str:
    """A score's name for people: "frechet-castalia-net32-v1" is a Fréchet distance."""
    return TITLES.get(name) or TITLES.get(name.partition("-")[0]) or name.replace("-", " ").capitalize()


def _scores(scores: Sequence[Score]) -> str:
    rows = []
    for score in scores:
        kind, _, network = score.name.partition("-")
        better = {"lower": "lower is better", "higher": "higher is better", None: ""}[score.better]
        unit = network if kind in ("frechet", "kernel", "precision", "recall", "density", "coverage", "copies") else ""
        baselines = score.baselines or {}
        interval = "" if score.low is None or score.high is None else f"{show(score.low)} – {show(score.high)}"
        told = {True: "yes", False: '<span class="no">no</span>', None: "–"}[score.informative]
        rows.append(
            f'<tr><td><b>{escape(title_of(score.name))}</b><span class="network">{escape(unit)}</span>'
            f'<span class="network">{better}</span></td>'
            f'<td class="number"><span class="value">{show(score.value)}</span><br><small>{interval}</small></td><td>{strip(score)}</td>'
            f'<td class="number">{show(score.floor)}</td><td class="number">{show(baselines.get("naive"))}</td>'
            f'<td class="number">{show(baselines.get("memoriser"))}</td>'
            f'<td class="number">{"–" if score.n is None else format(score.n, ",")}</td><td>{told}</td></tr>'
            f'<tr class="words"><td colspan="8">{escape(" ".join(score.details.get("words", [])))}</td></tr>'
        )
    head = (
        '<tr><th scope="col">score</th><th scope="col" class="number">value<br>95% interval</th><th scope="col">where it lies</th>'
        '<th scope="col" class="number">real<br>data</th><th scope="col" class="number">naive</th>'
        '<th scope="col" class="number">memoriser</th>'
        '<th scope="col" class="number">n</th><th scope="col">informative</th></tr>'
    )
    reference = next((score.details["reference"] for score in scores if "reference" in score.details), "")
    lead = f'<p class="lead">Compared with {escape(reference)}.</p>' if reference else ""
    table = f'<table class="scores"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<h2>Scores</h2>{lead}{legend(scores)}<div class="scroll">{table}</div>'


def _nearest(found: Neighbours, codec: Codec[Any]) -> str:
    yard = "" if found.typical is None else f" A new real item typically lies {show(found.typical)} from its nearest training item."
    lead = (
        '<h2>Nearest training items</h2><p class="lead">A sample (framed) and the training items nearest to it in the feature network, '
        f"with their distances. The samples nearest to any training item come first, so copies would show here.{yard}</p>"
    )
    queries = [codec.decode(row) for row in found.queries]
    items = [[codec.decode(x) for x in row] for row in found.items]
    if not all(isinstance(item, PIL.Image.Image) for item in queries):
        rows = "".join(
            f"<dt>sample {place + 1}</dt><dd>nearest training item {int(found.indices[place, 0]):,} "
            f"at distance {show(found.distances[place, 0].item())}</dd>"
            for place in range(len(queries))
        )
        return f"{lead}<dl>{rows}</dl>"
    blocks = []
    for place, query in enumerate(queries):
        near = "".join(
            f"<div>{_image(item)}<span>{show(found.distances[place, rank].item())}</span></div>" for rank, item in enumerate(items[place])
        )
        blocks.append(
            f'<div><div class="first">{_image(query, alt="sample")}<span>sample</span></div><div class="arrow">→</div>{near}</div>'
        )
    return f'{lead}<div class="near">{"".join(blocks)}</div>'


def _shared(found: Sequence[Shared]) -> str:
    lead = (
        '<h2>Longest copies</h2><p class="lead">The longest stretches that samples have word for word from the training text (marked), one a '
        "sample, beside the training text they come from. Whether that is more than new text has is said above.</p>"
    )
    rows = "".join(
        f'<div class="pair"><figure><figcaption>Sample {one.sample + 1}: {one.length:,} words or tokens in a row</figcaption>{_marked(one.sampled)}'
        f"</figure><figure><figcaption>Training document {one.document + 1:,}</figcaption>{_marked(one.trained)}</figure></div>"
        for one in found
    )
    return lead + rows


def _marked(parts: tuple[str, str, str]) -> str:
    before, span, after = map(escape, parts)
    return f'<div class="text" dir="auto">… {before}<mark>{span}</mark>{after} …</div>'


def _small_print(scores: Sequence[Score]) -> str:
    words = "Intervals are 95% delete-a-group jackknife intervals at this number of samples."
    if any(score.name.startswith("bits-per-byte") for score in scores):
        return f"{words} Bits per byte and per character can be compared between tokenizers on the same text; perplexities cannot."
    return f"{words} A distance in one feature network cannot be compared with one in another, nor with a published FID."


def _walks(walks: Tensor, codec: Codec[Any]) -> str:
    lead = (
        '<h2>Walks in the latent space</h2><p class="lead">Both ends (framed) are real items; between them are decoded points '
        "on the straight line between their latents, the first and last of which are their reconstructions.</p>"
    )
    rows = []
    for walk in walks:
        items = [codec.decode(x) for x in walk]
        if not all(isinstance(item, PIL.Image.Image) for item in items):
            return f"{lead}{_image(codec.preview([codec.decode(x) for row in walks for x in row]), sheet=True)}"
        rows.append(
            f'<div class="walk" style="grid-template-columns:repeat({len(items)},1fr)">{"".join(_image(item) for item in items)}</div>'
        )
    return lead + "".join(rows)


def _curves(rows: Sequence[Mapping[str, Any]]) -> str:
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in NOT_CURVES]
    charts = []
    for name in names:
        points = [
            (row["step"], row[name])
            for row in rows
            if isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) and "step" in row
        ]
        chart = curve(name, [x for x, _ in points], [y for _, y in points])
        if chart:
            charts.append(f"<figure>{chart}</figure>")
    return f'<h2>Training curves</h2><div class="curves">{"".join(charts)}</div>' if charts else ""


def _provenance(judged: Evaluation, about: Mapping[str, Any]) -> str:
    seeds = next((score.seeds for score in judged.scores if score.seeds), None)
    facts = {"judged with seed": ", ".join(map(str, seeds)) if seeds else None, **about}
    plain = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    nested = {name: value for name, value in facts.items() if isinstance(value, Mapping)}
    more = "".join(f"<details><summary>{escape(name)}</summary>{_facts(_flat(value))}</details>" for name, value in nested.items())
    return f"<h2>Provenance</h2>{_facts(plain.items())}{more}"


def _facts(pairs: Iterable[tuple[str, Any]]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(_fact(value))}</dd>" for name, value in pairs if value is not None) + "</dl>"
    )


def _fact(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return show(value) if math.isfinite(value) else "–"
        case list() | tuple():
            return ", ".join(_fact(entry) for entry in value[:12]) + (f" … ({len(value)} in all)" if len(value) > 12 else "") or "none"
        case _:
            return str(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            yield from _flat(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry
