"""The report page: one HTML file that opens anywhere, offline. Pictures and texts are inside it,
charts are inline SVG, no script.

    write_page(judged, run.codec, path, title="...", curves=rows of metrics.jsonl, about={...},
        language="zh")

Order: the verdict in words, samples beside real data, the scores, novelty at equal fidelity,
nearest training items or the longest stretches of text that samples have from the training text,
walks in the latent, training curves, provenance. Not here: what is said (verdict.py, base.py) and
how it looks (page.css, charts.py).
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
from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.charts import curve, equal_fidelity, legend, strip
from castalia.evaluation.features import network_names
from castalia.evaluation.plain_summary import in_short
from castalia.language import Message, Voice, join, say
from castalia.pages.style import CSS

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.evaluation.judge import Evaluation, Neighbours
    from castalia.evaluation.ngram_overlap import Shared

ENGLISH = Voice()
SHOWN = 48
# texts a side, characters of one, drawings of what can be heard
TEXTS, LONGEST_TEXT, ROLLS = 12, 1500, 6
LARGEST = 160  # pixels of a picture's longer side on the page
NOT_CURVES = {"step", "time", "seconds", "speed", "left"}
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
    "pitch-class": say("Pitch classes"),
    "key-clarity": say("Clarity of key"),
    "melodic-interval": say("Melodic intervals"),
    "durations": say("Durations"),
    "note-density": say("Density of notes"),
    "polyphony": say("Polyphony"),
    "voice-range": say("Ranges of voices"),
    "crossings": say("Crossings of voices"),
    "parallels": say("Parallel fifths and octaves"),
    "groove": say("Groove"),
    "seen-motifs": say("Melodies seen in training"),
    "longest-motif": say("Longest melody seen in training"),
}
QUESTIONS = {
    "fidelity": say("fidelity"),
    "diversity": say("diversity"),
    "novelty": say("novelty"),
    "utility": say("utility"),
    "cost": say("cost"),
}
BETTER = {"lower": say("lower is better"), "higher": say("higher is better"), None: ""}


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
    words = dict(judged.verdict)
    cards = "".join(
        f"<section><h3>{voice(QUESTIONS.get(question, question))}</h3><p>{escape(voice(text))}</p></section>"
        for question, text in judged.verdict
        if question != "headline"
    )
    body = [
        "<p "
        f'class="eyebrow">{escape(title)}</p><h1>{escape(voice(words.get("headline", say("Report"))))}</h1>',
        summary(judged, voice),
        f'<div class="questions">{cards}</div>',
        *(f'<p class="note">{escape(voice(note))}</p>' for note in judged.notes),
        _beside(judged, codec, voice),
        _scores(judged.scores, voice),
        _creativity(judged.scores, voice),
        _nearest(judged.neighbours, codec, voice) if judged.neighbours is not None else "",
        _shared(judged.shared, voice) if judged.shared else "",
        _walks(judged.interpolation, codec, voice) if judged.interpolation is not None else "",
        _curves(curves, voice),
        _provenance(judged, about, voice),
        f"<footer><p>{_small_print(judged.scores, voice)}</p></footer>",
    ]
    return document("\n".join(part for part in body if part), title, voice)


def summary(judged: Evaluation, voice: Voice) -> str:
    """Three questions and their answers in plain words."""
    rows = "".join(
        f"<dt>{escape(voice(question))}</dt><dd>{escape(voice(answer))}</dd>"
        for question, answer in in_short(judged.scores)
    )
    return f'<dl class="summary">{rows}</dl>' if rows else ""


def document(body: str, title: str, voice: Voice) -> str:
    """A page that needs nothing else, around its body."""
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{viewport}<title>{escape(title)}</title><style>{CSS}</style>'
    language = {"zh": "zh-Hans"}.get(voice.language, voice.language)
    return (
        "<!doctype html>\n<html "
        f'lang="{language}"><head>{head}</head><body><main>\n{body}\n</main></body></html>\n'
    )


def _beside(judged: Evaluation, codec: Codec[Any], voice: Voice) -> str:
    sides = [
        (voice.say("Samples, in the order they were drawn, none left out"), judged.samples),
        (voice.say("Real data"), judged.real),
    ]
    figures = "".join(
        f"<figure><figcaption>{caption}</figcaption>{grid(x[:SHOWN], codec, voice)}</figure>"
        for caption, x in sides
        if len(x)
    )
    return (
        f'<h2>{voice.say("Samples beside real data")}</h2><div class="beside">{figures}</div>'
        if figures
        else ""
    )


def grid(x: Tensor | Sequence[Tensor], codec: Codec[Any], voice: Voice = ENGLISH) -> str:
    """Rows as the items that they decode to."""
    return items_grid([codec.decode(row) for row in x], codec, voice)


def items_grid(items: Sequence[Any], codec: Codec[Any], voice: Voice = ENGLISH) -> str:
    """Pictures one by one, texts as texts, what can be heard as drawings one below the other;
    anything else as the codec draws several at once.
    """
    if all(isinstance(item, str) for item in items):
        return f'<div class="texts">{"".join(_text(item, voice) for item in items[:TEXTS])}</div>'
    if all(isinstance(item, PIL.Image.Image) for item in items):
        return f'<div class="grid">{"".join(_image(item) for item in items)}</div>'
    if codec.audible:
        return (
            "<div "
            f'class="rolls">{"".join(_image(codec.preview([item]), sheet=True) for item in items[:ROLLS])}</div>'
        )
    return _image(codec.preview(list(items)), sheet=True)


def _text(item: str, voice: Voice) -> str:
    shown = escape(item[:LONGEST_TEXT]) + (" …" if len(item) > LONGEST_TEXT else "")
    nothing = voice.say("(nothing)")
    return f'<div class="text" dir="auto">{shown or f"<i>{nothing}</i>"}</div>'


def _image(image: PIL.Image.Image, *, sheet: bool = False, alt: str = "") -> str:
    if not sheet and max(image.size) > LARGEST:
        image = image.copy()
        image.thumbnail((LARGEST, LARGEST), PIL.Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    kind = "sheet" if sheet else ("small" if max(image.size) <= 48 else "")
    return (
        f'<img class="{kind}" alt="{escape(alt)}" '
        f'src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
    )


def title_of(name: str) -> str:
    """A score's name for people: "frechet-castalia-net32-v1" is a Fréchet distance."""
    kind, _ = parts_of(name)
    return TITLES.get(kind) or kind.replace("-", " ").capitalize()


def parts_of(name: str) -> tuple[str, str]:
    """("precision", "castalia-net32-v1"); "" for a score without a network."""
    for network in (*network_names(), "ngrams-v1"):
        if name.endswith(f"-{network}"):
            return name.removesuffix(f"-{network}"), network
    return name, ""


def _scores(scores: Sequence[MetricResult], voice: Voice) -> str:
    rows = []
    for score in scores:
        _, network = parts_of(score.name)
        baselines = score.baselines or {}
        interval = (
            ""
            if score.low is None or score.high is None
            else f"{show(score.low)} – {show(score.high)}"
        )
        told = {
            True: voice.say("yes"),
            False: f'<span class="no">{voice.say("no")}</span>',
            None: "–",
        }[score.informative]
        words = voice(join(score.details.get("words", [])))
        rows.append(
            f"<tr><td><b>{escape(voice(title_of(score.name)))}</b><span "
            f'class="network">{escape(network)}</span>'
            f'<span class="network">{voice(direction_of(score))}</span></td>'
            f'<td class="number"><span class="value">{show(score.value)}</span> '
            f"<small>{interval}</small></td>"
            f'<td class="place">{strip(score, voice)}</td>'
            + "".join(
                f'<td class="number" data-label="{escape(voice(label), quote=True)}">{text}</td>'
                for label, text in (
                    (say("real data"), show(score.floor)),
                    (say("naive"), show(baselines.get("naive"))),
                    (say("memoriser"), show(baselines.get("memoriser"))),
                    (Message("n"), "–" if score.n is None else format(score.n, ",")),
                )
            )
            + f'<td data-label="{escape(voice.say("informative"), quote=True)}">{told}</td></tr>'
            f'<tr class="words"><td colspan="8">{escape(words)}</td></tr>'
        )
    columns = [
        ("score", say("score")),
        ("number", say("value")),
        ("", say("where it lies")),
        ("number", say("real data")),
        ("number", say("naive")),
        ("number", say("memoriser")),
        ("number", Message("n")),
        ("", say("informative")),
    ]
    more = {1: f"<br>{voice.say('95% interval')}"}
    head = "".join(
        f'<th scope="col" class="{kind}">{voice(label)}{more.get(place, "")}</th>'
        for place, (kind, label) in enumerate(columns)
    )
    reference = next(
        (score.details["reference"] for score in scores if "reference" in score.details), ""
    )
    lead = (
        f'<p class="lead">{escape(voice.say("Compared with {0}.", reference))}</p>'
        if reference
        else ""
    )
    table = (
        "<table "
        f'class="scores"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    return (
        f"<h2>{voice.say('Scores')}</h2>{lead}{legend(scores, voice)}<div "
        f'class="scroll">{table}</div>'
    )


def direction_of(score: MetricResult) -> str:
    """ "lower is better", or what else the number is read by."""
    if score.better is None and score.floor is not None:
        return say("real data are the measure")
    return BETTER[score.better]


def _creativity(scores: Sequence[MetricResult], voice: Voice) -> str:
    score = next((score for score in scores if "curve" in score.details), None)
    chart = "" if score is None else equal_fidelity(score.details["curve"], voice)
    if not chart:
        return ""
    lead = voice.say(
        "Only items that are as realistic as the given share of new real items are "
        "counted: the bar gets stricter to the right. Novelty is the "
        "mean rank of those that pass among new real items, by distance to the nearest "
        "training item: copies have 0, new real items about one half."
    )
    return (
        f'<h2>{voice.say("Novelty at equal fidelity")}</h2><p class="lead">{lead}</p><figure '
        f'class="chart">{chart}</figure>'
    )


def _nearest(found: Neighbours, codec: Codec[Any], voice: Voice) -> str:
    yard = (
        ""
        if found.typical is None
        else say(
            "A new real item typically lies {0} from its nearest training item.",
            show(found.typical),
        )
    )
    words = say(
        "A sample (framed) and the training items nearest to it in the feature network, "
        "with their distances. The samples nearest to any "
        "training item come first, so copies would show here."
    )
    lead = (
        f"<h2>{voice.say('Nearest training items')}</h2><p "
        f'class="lead">{voice(join([words, yard]))}</p>'
    )
    sample = voice.say("sample")
    queries = [codec.decode(row) for row in found.queries]
    items = [[codec.decode(x) for x in row] for row in found.items]
    if not all(isinstance(item, PIL.Image.Image) for item in queries):
        rows = "".join(
            f"<dt>{voice.say('sample {0}', place + 1)}</dt><dd>"
            + voice.say(
                "nearest training item {0:,} at distance {1}",
                int(found.indices[place, 0]),
                show(found.distances[place, 0].item()),
            )
            + "</dd>"
            for place in range(len(queries))
        )
        return f"{lead}<dl>{rows}</dl>"
    blocks = []
    for place, query in enumerate(queries):
        near = "".join(
            f"<div>{_image(item)}<span>{show(found.distances[place, rank].item())}</span></div>"
            for rank, item in enumerate(items[place])
        )
        blocks.append(
            "<div><div "
            f'class="first">{_image(query, alt=sample)}<span>{sample}</span></div><div '
            f'class="arrow">→</div>{near}</div>'
        )
    return f'{lead}<div class="near">{"".join(blocks)}</div>'


def _shared(found: Sequence[Shared], voice: Voice) -> str:
    words = voice.say(
        "The longest stretches that samples have word for word from the training text "
        "(marked), one a sample, beside the training text they "
        "come from. Whether that is more than new text has is said above."
    )
    rows = "".join(
        "<div "
        f'class="pair"><figure><figcaption>{voice.say("Sample {0}: {1:,} words or tokens in a row", one.sample + 1, one.length)}</figcaption>'
        f"{_marked(one.sampled)}</figure><figure><figcaption>{voice.say('Training document {0:,}', one.document + 1)}</figcaption>"
        f"{_marked(one.trained)}</figure></div>"
        for one in found
    )
    return f'<h2>{voice.say("Longest copies")}</h2><p class="lead">{words}</p>{rows}'


def _marked(parts: tuple[str, str, str]) -> str:
    before, span, after = map(escape, parts)
    return f'<div class="text" dir="auto">… {before}<mark>{span}</mark>{after} …</div>'


def _small_print(scores: Sequence[MetricResult], voice: Voice) -> str:
    words = [say("Intervals are 95% delete-a-group jackknife intervals at this number of samples.")]
    if any(score.name.startswith("bits-per-byte") for score in scores):
        words.append(
            say(
                "Bits per byte and per character can be compared between tokenizers on the same "
                "text; perplexities cannot."
            )
        )
    else:
        words.append(
            say(
                "A distance in one feature network cannot be compared with one in another, nor "
                "with a published FID."
            )
        )
    return voice(join(words))


def _walks(walks: Tensor, codec: Codec[Any], voice: Voice) -> str:
    words = voice.say(
        "Both ends (framed) are real items; between them are decoded points on the "
        "straight line between their latents, the first and last "
        "of which are their reconstructions."
    )
    lead = f'<h2>{voice.say("Walks in the latent space")}</h2><p class="lead">{words}</p>'
    rows = []
    for walk in walks:
        items = [codec.decode(x) for x in walk]
        if not all(isinstance(item, PIL.Image.Image) for item in items):
            return f"{lead}{_image(codec.preview([codec.decode(x) for row in walks for x in row]), sheet=True)}"
        rows.append(
            '<div class="walk" '
            f'style="grid-template-columns:repeat({len(items)},1fr)">{"".join(_image(item) for item in items)}</div>'
        )
    return lead + "".join(rows)


def _curves(rows: Sequence[Mapping[str, Any]], voice: Voice) -> str:
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if name not in NOT_CURVES
    ]
    charts = []
    for name in names:
        points = [
            (row["step"], row[name])
            for row in rows
            if isinstance(row.get(name), int | float)
            and not isinstance(row.get(name), bool)
            and "step" in row
        ]
        chart = curve(name, [x for x, _ in points], [y for _, y in points], voice)
        if chart:
            charts.append(f"<figure>{chart}</figure>")
    return (
        f'<h2>{voice.say("Training curves")}</h2><div class="curves">{"".join(charts)}</div>'
        if charts
        else ""
    )


def _provenance(judged: Evaluation, about: Mapping[str, Any], voice: Voice) -> str:
    seeds = next((score.seeds for score in judged.scores if score.seeds), None)
    facts = {voice.say("judged with seed"): ", ".join(map(str, seeds)) if seeds else None, **about}
    plain = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    nested = {name: value for name, value in facts.items() if isinstance(value, Mapping)}
    more = "".join(
        f"<details><summary>{escape(name)}</summary>{_facts(_flat(value))}</details>"
        for name, value in nested.items()
    )
    return f"<h2>{voice.say('Provenance')}</h2>{_facts(plain.items())}{more}"


def _facts(pairs: Iterable[tuple[str, Any]]) -> str:
    return (
        "<dl>"
        + "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(_fact(value))}</dd>"
            for name, value in pairs
            if value is not None
        )
        + "</dl>"
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
            return (
                ", ".join(_fact(entry) for entry in value[:12])
                + (f" … ({len(value)} in all)" if len(value) > 12 else "")
                or "none"
            )
        case _:
            return str(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            yield from _flat(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry
