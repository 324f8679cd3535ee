"""The contact sheet beside files that were made: one HTML page with relative links."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

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
LONGEST = 2000  # characters of a text on the sheet


def write_sheet(folder: Path, files: Sequence[Path], title: str) -> Path:
    """`folder`/sheet.html, showing files of that folder: pictures, texts; others become links."""
    cells, texts = [], False
    for file in files:
        name = html.escape(file.name, quote=True)
        if file.suffix == ".txt":
            texts = True
            text = file.read_text(encoding="utf-8")
            shown = html.escape(text[:LONGEST]) + (" …" if len(text) > LONGEST else "")
            cells.append(f'<figure><pre>{shown}</pre><figcaption><a href="{name}">{html.escape(file.stem)}</a></figcaption></figure>')
            continue
        body = f'<img src="{name}" alt="{name}" loading="lazy">' if file.suffix in (".png", ".jpg", ".webp") else name
        cells.append(f'<figure><a href="{name}">{body}</a><figcaption>{html.escape(file.stem)}</figcaption></figure>')
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{STYLE}</style>
<h1>{html.escape(title)}</h1>
<main{' class="texts"' if texts else ""}>
{chr(10).join(cells)}
</main></html>
"""
    path = folder / "sheet.html"
    atomic.write(path, page)
    return path
