"""The contact sheet beside files that were made: one HTML page with relative links."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from castalia import atomic

STYLE = """
:root { color-scheme: light dark; --edge: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.1rem; font-weight: 600; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .5rem; }
figure { margin: 0; } img { width: 100%; image-rendering: pixelated; border: 1px solid var(--edge); border-radius: 4px; }
figcaption { font-size: .7rem; opacity: .65; text-align: center; }
main.texts { grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 0; padding: .8rem; border: 1px solid var(--edge); border-radius: 4px; }
"""
HEARD = """
.heard { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
.heard img { width: 100%; image-rendering: auto; } audio { display: block; width: 100%; margin-top: .3rem; }
"""
LONGEST = 2000  # characters of a text on the sheet


class Figure(NamedTuple):
    """One item: its files, all in the sheet's folder, and a PNG of what no file of it shows."""

    files: Sequence[Path]
    drawing: bytes | None = None


def write_sheet(folder: Path, figures: Sequence[Figure], title: str) -> Path:
    """`folder`/sheet.html: pictures, texts, drawings with a player; other files become links."""
    kinds = {"heard" if figure.drawing else "texts" if figure.files[0].suffix == ".txt" else "" for figure in figures}
    kind = next(iter(sorted(kinds, reverse=True)), "")
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{STYLE}{HEARD if kind == "heard" else ""}</style>
<h1>{html.escape(title)}</h1>
<main{f' class="{kind}"' if kind else ""}>
{chr(10).join(map(cell, figures))}
</main></html>
"""
    path = folder / "sheet.html"
    atomic.write(path, page)
    return path


def cell(figure: Figure, place: str = "", caption: str = "") -> str:
    """A <figure>. place: the folder of the files as the page sees it, with a slash at its end. caption: HTML before the links to the files."""
    names = [html.escape(place + file.name, quote=True) for file in figure.files]
    first, name = figure.files[0], names[0]
    links = " · ".join(f'<a href="{name}">{html.escape(file.name)}</a>' for file, name in zip(figure.files, names, strict=True))
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
        text = first.read_text(encoding="utf-8")
        shown = html.escape(text[:LONGEST]) + (" …" if len(text) > LONGEST else "")
        return f'<figure><pre>{shown}</pre><figcaption><a href="{name}">{html.escape(first.stem)}</a></figcaption></figure>'
    body = f'<img src="{name}" alt="{name}" loading="lazy">' if first.suffix in (".png", ".jpg", ".webp") else name
    more = links if len(figure.files) > 1 else html.escape(first.stem)
    return f'<figure><a href="{name}">{body}</a><figcaption>{caption}{more}</figcaption></figure>'
