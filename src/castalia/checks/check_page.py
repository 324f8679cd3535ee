"""The page of a check: one HTML file that opens anywhere, offline, in English or Chinese. Pictures
and texts are inside it; personal data are masked.

Order: the verdict, what to do next, findings, whether it is enough, what is here, between the
parts, copies side by side, personal data, columns, files.
"""

from __future__ import annotations

import base64
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from castalia import atomic
from castalia.checks import item_scan, messages
from castalia.checks.check_result import CheckResult, Shown
from castalia.checks.report_schema import Document
from castalia.language import Voice, recognised, translate
from castalia.modalities.image.codec import flattened
from castalia.modalities.music.score import Score
from castalia.modalities.music.svg import bars_of, notes_of, roll
from castalia.modalities.text import personal_data
from castalia.pages.render import stylesheet
from castalia.units import size

LARGEST, EXCERPT, MOST_CLASSES, MOST_ROWS = 128, 360, 40, 60
_TOKENS = re.compile(
    r"\s+|[\u3040-\u9fff\uf900-\ufaff]|[^\W\u3040-\u9fff\uf900-\ufaff]+|.", re.DOTALL
)
_STYLE = """
.verdict-problems { color: var(--warn); } .level { display: inline-block; min-width: 5.2rem; font-size: .8rem; letter-spacing: .06em; color: var(--soft); }
.level-problem { color: var(--warn); font-weight: 700; } .level-warning { color: var(--memory); font-weight: 600; }
ul.findings { list-style: none; padding: 0; margin: 1rem 0; } ul.findings > li { border-top: 1px solid var(--line); padding: .7rem 0; display: flex; gap: 1rem; }
ul.findings ul { color: var(--soft); font-size: .85rem; padding-left: 1.1rem; margin: .3rem 0 0; } ul.findings li li { overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
table.plain { border-collapse: collapse; font-size: .92rem; width: 100%; } .plain th { text-align: left; font-weight: 500; color: var(--soft); font-size: .82rem; }
.plain th, .plain td { padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.plain td:last-child { overflow-wrap: anywhere; } .plain th { white-space: nowrap; }
.plain td.number { text-align: right; white-space: nowrap; } .bar { background: var(--model); height: .7rem; border-radius: 2px; min-width: 1px; }
.twins { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1.4rem; } .roll { width: 100%; background: var(--card); } .roll rect { fill: var(--soft); }
.twins.wide { grid-template-columns: 1fr; }
.twins section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; min-width: 0; }
.twins .pair { margin: .5rem 0 0; gap: .8rem; } .twins img { width: 100%; max-width: 9rem; background: var(--line); display: block; }
.twins small { color: var(--soft); overflow-wrap: anywhere; display: block; } .twins .text { max-height: 14rem; }
.enough { color: var(--real); } .little { color: var(--memory); } .too-little { color: var(--warn); }
"""


def write_page(checked: CheckResult, path: Path, language: str = "en") -> None:
    """Writes `path` whole or not at all."""
    atomic.write(path, page(checked, language))


def page(checked: CheckResult, language: str = "en") -> str:
    """The HTML document."""
    document = checked.document

    def say(name: str) -> str:
        return escape(messages.label(name, language))

    title = f"{messages.label('check', language)} · {document.source}"
    body = [
        f'<p class="eyebrow">{escape(title)}</p>',
        "<h1 "
        f'class="verdict-{document.verdict}">{escape(messages.pick(messages.VERDICTS[document.verdict], language))}</h1>',
        _next(document, language, say("next")),
        _findings(document, language, say("findings")),
        _enough(document, language, say("enough")),
        f"<h2>{say('what')}</h2>{facts_list(facts(document, language))}",
        _classes(document, say("classes").capitalize()),
        _leakage(document, language, say("leakage")),
        _twins(checked.shown, language, say("duplicates")),
        _personal(document, language, say("personal")),
        _columns(document, language, say("tables")),
        _files(say("manifest"), _changes(document, language), language),
        _files(
            say("unreadable"),
            [(one.file, translate(recognised(one.why), language)) for one in document.unreadable],
            language,
        ),
        f"<footer><p>{say('offline')} castalia {escape(document.castalia)}</p></footer>",
    ]
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = (
        "<meta "
        f'charset="utf-8">{viewport}<title>{escape(title)}</title><style>{stylesheet()}{_STYLE}</style>'
    )
    lang = "zh-Hans" if language == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{lang}"><head>{head}</head><body><main>\n'
        + "\n".join(filter(None, body))
        + "\n</main></body></html>\n"
    )


def facts(document: Document, language: str) -> list[tuple[str, str]]:
    """(name, value) of what is here, for people."""

    def say(name: str) -> str:
        return messages.label(name, language)

    rows = [
        (say("files"), f"{document.files:,} · {translate(size(document.bytes), language)}"),
        (say("codec"), document.codec or say("none")),
        (
            say("items"),
            f"{document.items:,}"
            + (f" ({document.distinct:,} {say('different')})" if document.items else ""),
        ),
    ]
    if document.facts:
        rows += item_scan.of(document.codec).rows(document.facts, Voice(language))
    if document.classes:
        low, high = min(document.classes.values()), max(document.classes.values())
        rows.append((say("classes"), f"{len(document.classes):,} ({low:,} … {high:,})"))
    rows += [(say("licence"), document.licence or say("none"))]
    return [
        *rows,
        *([(say("fingerprint"), document.fingerprint[:16])] if document.fingerprint else []),
    ]


def enough_line(one: Any, language: str) -> str:
    have = messages.counted(one.have, one.unit, language)
    return messages.pick(messages.ENOUGH[one.verdict], language).format(
        family=one.family, have=have, least=f"{one.least:,}", wants=f"{one.wants:,}"
    )


def facts_list(rows: Iterable[tuple[str, str]]) -> str:
    return (
        "<dl>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
        + "</dl>"
    )


def _next(document: Document, language: str, title: str) -> str:
    steps = "".join(
        f"<pre>{escape(step.command)}</pre>"
        + (f'<p class="lead">{escape(step.why)}</p>' if language == "en" else "")
        for step in document.next
    )
    return f"<h2>{title}</h2>{steps}" if steps else ""


def _findings(document: Document, language: str, title: str) -> str:
    rows = []
    for one in document.findings:
        examples = "".join(
            f"<li>{escape(messages.example(name, language))}</li>" for name in one.examples
        )
        rows.append(
            '<li><span class="level '
            f'level-{one.level}">{escape(messages.label(one.level, language))}</span>'
            f"<div>{escape(messages.finding(one.code, language, one.values, document.codec))}{f'<ul>{examples}</ul>' if examples else ''}</div></li>"
        )
    return f'<h2>{title}</h2><ul class="findings">{"".join(rows)}</ul>' if rows else ""


def _enough(document: Document, language: str, title: str) -> str:
    rows = "".join(
        "<tr><td><span "
        f'class="{one.verdict.replace(" ", "-")}">{escape(enough_line(one, language))}</span>'
        + (
            f"<br><small>{escape(one.source)}</small></td></tr>"
            if language == "en"
            else "</td></tr>"
        )
        for one in document.enough
    )
    return f'<h2>{title}</h2><table class="plain">{rows}</table>' if rows else ""


def _classes(document: Document, title: str) -> str:
    if not document.classes:
        return ""
    most = max(1, *document.classes.values())
    ordered = (
        sorted(document.classes.items(), key=lambda pair: -pair[1])
        if len(document.classes) > MOST_CLASSES
        else list(document.classes.items())
    )
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{count:,}</td><td '
        'style="width:60%"><div class="bar" '
        f'style="width:{100 * count / most:.1f}%"></div></td></tr>'
        for name, count in ordered[:MOST_CLASSES]
    )
    return f'<h2>{title}</h2><table class="plain">{rows}</table>'


def _leakage(document: Document, language: str, title: str) -> str:
    if not document.leakage:
        return ""
    heads = [
        messages.label(name, language)
        for name in ("from", "into", "items", "share", "bytes", "content", "near")
    ]
    rows = [
        [
            leak.source,
            leak.into,
            f"{leak.items:,} / {leak.total:,}",
            f"{leak.share:.1%}",
            f"{leak.bytes:,}",
            f"{leak.content:,}",
            f"{leak.near:,}",
        ]
        for leak in document.leakage
    ]
    return f"<h2>{title}</h2>{_table(heads, rows)}"


def _twins(shown: Sequence[Shown], language: str, title: str) -> str:
    if not shown:
        return ""
    wide = any(isinstance(item, str) for one in shown for item in one.items)
    names = {"bytes": "bytes", "content": "content", "near": "near", "leak": "both"}
    parts = []
    for one in shown:
        apart = (
            f" · {messages.label('distance', language)} {one.distance:.3f}"
            if one.distance is not None
            else ""
        )
        head = (
            f'<span class="level">{escape(messages.label(names[one.why], language) + apart)}</span>'
        )
        figures = "".join(
            f"<figure>{item}<small>{escape(name)}</small></figure>"
            for name, item in zip(one.names, _drawn(one.items), strict=True)
        )
        parts.append(f'<section>{head}<div class="pair">{figures}</div></section>')
    return f'<h2>{title}</h2><div class="twins{" wide" if wide else ""}">{"".join(parts)}</div>'


def _drawn(items: Sequence[Any]) -> list[str]:
    if all(isinstance(item, str) for item in items) and len(items) == 2:
        return [
            f'<div class="text" dir="auto">{text}</div>'
            for text in compared(personal_data.masked(items[0]), personal_data.masked(items[1]))
        ]
    if all(isinstance(item, PIL.Image.Image) for item in items):
        return [_image(item) for item in items]
    if all(isinstance(item, Score) for item in items):
        return [roll(notes_of(item), bars=bars_of(item)) for item in items]
    return [
        "<div "
        f'class="text">{escape(np.array2string(np.asarray(item), threshold=24, precision=4))}</div>'
        for item in items
    ]


def compared(one: str, other: str) -> tuple[str, str]:
    """Two texts as HTML, what differs marked; the beginning of long ones, from a little before the
    first difference.
    """
    start = max(
        0,
        next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        - EXCERPT // 3,
    )
    cut = [text[start : start + EXCERPT] for text in (one, other)]
    left, right = (_TOKENS.findall(text) for text in cut)
    sides: tuple[list[str], list[str]] = ([], [])
    for kind, a, b, c, d in difflib.SequenceMatcher(
        None, left, right, autojunk=False
    ).get_opcodes():
        for side, text in zip(sides, ("".join(left[a:b]), "".join(right[c:d])), strict=True):
            side.append(
                escape(text) if kind == "equal" or not text else f"<mark>{escape(text)}</mark>"
            )
    whole = [
        ("… " if start else "") + "".join(side) + (" …" if len(text) > start + EXCERPT else "")
        for side, text in zip(sides, (one, other), strict=True)
    ]
    return whole[0], whole[1]


def _image(picture: PIL.Image.Image) -> str:
    shown = flattened(picture, 3).copy()
    shown.info = {}  # no metadata goes onto the page
    shown.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    shown.save(file, "PNG")
    kind = "small" if max(shown.size) <= 48 else ""
    return (
        f'<img class="{kind}" alt="" '
        f'src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
    )


def _personal(document: Document, language: str, title: str) -> str:
    if not document.personal:
        return ""
    rows = [
        [
            messages.noun(kind, language, 2, document.codec),
            f"{one.count:,}",
            f"{one.items:,}",
            "; ".join(f"{example.masked} ({example.where})" for example in one.examples),
        ]
        for kind, one in document.personal.items()
    ]
    return f"<h2>{title}</h2>{_table([messages.label(name, language) for name in ('kind', 'count', 'texts', 'example')], rows)}"


def _columns(document: Document, language: str, title: str) -> str:
    parts = []
    for one in document.tables[:MOST_ROWS]:
        rows = [
            [column.name, column.kind, f"{column.filled:.0%}", f"{column.values:,}"]
            for column in one.columns
        ]
        heads = [messages.label(name, language) for name in ("columns", "kind", "filled", "values")]
        parts.append(f"<p><b>{escape(one.name)}</b> · {one.rows:,}</p>{_table(heads, rows)}")
    return f"<h2>{title}</h2>{''.join(parts)}" if parts else ""


def _changes(document: Document, language: str) -> list[tuple[str, str]]:
    """What became of the files since the manifest: (name, what)."""
    found = document.compared
    if found is None:
        return []
    rows = [
        (name, messages.label(what, language))
        for what, names in (("added", found.added), ("removed", found.removed))
        for name in names
    ]
    rows += [(one.name, messages.label("changed", language)) for one in found.changed]
    return [
        *rows,
        *(
            (one.to, f"{messages.label('renamed', language)} ← {one.before}")
            for one in found.renamed
        ),
    ]


def _files(title: str, rows: Sequence[tuple[str, str]], language: str) -> str:
    if not rows:
        return ""
    more = (
        f"<p>{escape(messages.label('more', language).format(f'{len(rows) - MOST_ROWS:,}'))}</p>"
        if len(rows) > MOST_ROWS
        else ""
    )
    return f"<h2>{title}</h2>{facts_list(rows[:MOST_ROWS])}{more}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        '<div class="scroll"><table '
        f'class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
