"""The contact sheet beside files that were made: one HTML page with relative links."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from castalia import atomic, bounded
from castalia.language import current

STYLE = """
:root { color-scheme: light dark; --edge: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.1rem; font-weight: 600; }
.cells { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .5rem; }
figure { margin: 0; } img { width: 100%; image-rendering: pixelated; border: 1px solid var(--edge); border-radius: 4px; }
figcaption { font-size: .7rem; opacity: .65; text-align: center; }
.cells.texts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
section.row { display: grid; grid-template-columns: minmax(6.5rem, 1fr) minmax(0, 5fr); gap: 1.2rem; padding: .8rem 0; border-top: 1px solid var(--edge); }
section.row .given figcaption, .inputs figcaption { opacity: 1; font-weight: 600; overflow-wrap: anywhere; }
section.row .texts, section.row .heard { grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
.inputs { display: flex; flex-wrap: wrap; gap: .8rem; margin: 0 0 1.2rem; } .inputs figure { flex: 0 1 9rem; } .inputs.wide figure { flex: 1 1 18rem; }
@media (max-width: 40rem) { section.row { grid-template-columns: 1fr; } section.row .given img { max-width: 10rem; } }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 0; padding: .8rem; border: 1px solid var(--edge); border-radius: 4px; }
"""
HEARD = """
.heard { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.heard img { width: 100%; image-rendering: auto; } audio { display: block; width: 100%; margin-top: .3rem; }
"""
LONGEST = 2000  # characters of a text on the sheet


class Figure(NamedTuple):
    """One item: its files, all in the sheet's folder, a PNG of what no file of it shows, and what
    stands below it, such as its class.
    """

    files: Sequence[Path]
    drawing: bytes | None = None
    caption: str = ""


class Given(NamedTuple):
    """What an edit was given: its name, and a PNG or a text of it."""

    name: str
    drawing: bytes | None = None
    text: str = ""


def write_sheet(
    folder: Path,
    figures: Sequence[Figure],
    title: str,
    given: Sequence[Given] = (),
    *,
    together: bool = False,
) -> Path:
    """`folder`/sheet.html: pictures, texts, drawings with a player; other files become links.

    given: the inputs of an edit; each stands beside what was made of it, or, where they were used
    together (interpolation), all stand first.
    """
    kinds = {
        "heard" if figure.drawing else "texts" if figure.files[0].suffix == ".txt" else ""
        for figure in figures
    }
    kind = next(iter(sorted(kinds, reverse=True)), "")
    opening = f'<div class="{f"cells {kind}".strip()}">'
    each, rest = divmod(len(figures), len(given)) if given else (0, 0)
    if given and not together and not rest:
        body = "".join(
            "<section "
            f'class="row">{_given(one)}{opening}{_cells(figures[place * each : (place + 1) * each])}</div></section>'
            for place, one in enumerate(given)
        )
    else:
        inputs = (
            f'<div class="inputs{" wide" if kind else ""}">{"".join(map(_given, given))}</div>'
            if given
            else ""
        )
        body = f"{inputs}{opening}{_cells(figures)}</div>"
    page = f"""<!doctype html>
<html lang="{current()}"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{STYLE}{HEARD if kind == "heard" else ""}</style>
<h1>{html.escape(title)}</h1>
{body}
</html>
"""
    path = folder / "sheet.html"
    atomic.write(path, page)
    return path


def _cells(figures: Sequence[Figure]) -> str:
    return "\n".join(
        cell(figure, caption=f"<b>{html.escape(figure.caption)}</b><br>" if figure.caption else "")
        for figure in figures
    )


def _given(one: Given) -> str:
    shown = f"<pre>{_shortened(one.text)}</pre>"
    if one.drawing is not None:
        shown = f'<img src="data:image/png;base64,{base64.b64encode(one.drawing).decode()}" alt="">'
    return f'<figure class="given">{shown}<figcaption>{html.escape(one.name)}</figcaption></figure>'


def _shortened(text: str) -> str:
    return html.escape(text[:LONGEST]) + (" …" if len(text) > LONGEST else "")


def cell(figure: Figure, place: str = "", caption: str = "") -> str:
    """A <figure>. place: the folder of the files as the page sees it, with a slash at its end.
    caption: HTML before the links to the files.
    """
    names = [html.escape(place + file.name, quote=True) for file in figure.files]
    first, name = figure.files[0], names[0]
    links = " · ".join(
        f'<a href="{name}">{html.escape(file.name)}</a>'
        for file, name in zip(figure.files, names, strict=True)
    )
    if figure.drawing is not None:
        drawn = base64.b64encode(figure.drawing).decode()
        played = "".join(
            f'<audio controls preload="none" src="{name}"></audio>'
            for file, name in zip(figure.files, names, strict=True)
            if file.suffix == ".wav"
        )
        body = f'<img src="data:image/png;base64,{drawn}" alt="{html.escape(first.stem)}">{played}'
        return f"<figure>{body}<figcaption>{caption}{links}</figcaption></figure>"
    if first.suffix == ".txt":
        text = bounded.read_text(first, "document_bytes")
        return (
            f"<figure><pre>{_shortened(text)}</pre><figcaption>{caption}<a "
            f'href="{name}">{html.escape(first.stem)}</a></figcaption></figure>'
        )
    body = (
        f'<img src="{name}" alt="{name}" loading="lazy">'
        if first.suffix in (".png", ".jpg", ".webp")
        else name
    )
    more = links if len(figure.files) > 1 else html.escape(first.stem)
    return f'<figure><a href="{name}">{body}</a><figcaption>{caption}{more}</figcaption></figure>'
