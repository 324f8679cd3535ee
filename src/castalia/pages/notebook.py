"""HTML of runs, samples and results in notebooks (`_repr_html_`): small, offline, without scripts.

Nothing is computed for the display: it shows what is in the run or in hand.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from castalia.language import Voice, current
from castalia.pages.html import Html
from castalia.pages.presenter import presenter_of
from castalia.pages.render import render

LARGEST_PAGE = 8 << 20  # bytes of a page that is shown within a notebook; a larger one is named
SHOWN = 32  # items of a gallery


class Gallery(list[Any]):
    """A list of samples or items that shows them in a notebook, as the presenter of their codec
    does on pages.
    """

    def __init__(self, items: Iterable[Any], codec: Any) -> None:
        super().__init__(items)
        self.codec = codec

    def _repr_html_(self) -> str:
        items = [getattr(one, "item", one) for one in self[:SHOWN]]
        shown = presenter_of(self.codec).items(items, Voice(current()))
        more = max(0, len(self) - SHOWN)
        return render("gallery.html.j2", current(), shown=shown, more=more)


class Result(dict[str, Any]):
    """A document, such as the scores of a run, that shows its page in a notebook."""

    def __init__(self, document: Mapping[str, Any], page: Path) -> None:
        super().__init__(document)
        self.page = page

    def _repr_html_(self) -> str:
        try:
            small = self.page.stat().st_size <= LARGEST_PAGE
            text = self.page.read_text(encoding="utf-8") if small else ""
        except OSError:
            text = ""
        link = f"<p><code>{escape(str(self.page))}</code></p>"
        return page(text) + link if text else link


def page(text: str) -> str:
    """A whole page within a notebook, apart from the notebook's own styles."""
    return (
        f'<iframe srcdoc="{escape(text, quote=True)}" sandbox="" '
        'style="width:100%;height:36em;border:1px solid #8884;border-radius:6px"></iframe>'
    )


def facts(title: str, rows: Mapping[str, Any], sheet: bytes | None = None) -> str:
    """A heading, a small table of facts, and a picture (a PNG file)."""
    known = [(name, str(value)) for name, value in rows.items() if value is not None]
    shown = Html() if sheet is None else _picture(sheet)
    return render("notebook_facts.html.j2", current(), title=title, rows=known, shown=shown)


def _picture(data: bytes) -> Html:
    encoded = base64.b64encode(data).decode()
    return Html(
        '<img alt="" style="max-width:100%;image-rendering:pixelated" '
        'src="data:image/png;base64,{}">'
    ).format(encoded)
