"""What notebooks show of runs, samples and results: small HTML, offline, without a script.
`_repr_html_` of these classes comes here.

Nothing is computed for the display: it shows what lies in the run or is in hand.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

LARGEST_PAGE = 8 << 20  # bytes of a page that is shown within a notebook; a larger one is named
SHOWN = 32  # items of a gallery


class Gallery(list[Any]):
    """A list of samples or items that shows them in a notebook. codec: draws what is no text and no
    picture (`preview`).
    """

    def __init__(self, items: Iterable[Any], codec: Any) -> None:
        super().__init__(items)
        self.codec = codec

    def _repr_html_(self) -> str:
        items = [getattr(one, "item", one) for one in self[:SHOWN]]
        more = f"<p>{len(self) - SHOWN:,} more</p>" if len(self) > SHOWN else ""
        if all(isinstance(item, str) for item in items):
            return (
                "".join(
                    '<pre style="white-space:pre-wrap;border-left:3px solid '
                    f'#8888;padding-left:.8em">{escape(item)}</pre>'
                    for item in items
                )
                + more
            )
        return picture(self.codec.preview(items)) + more


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
        if not text:
            return link
        return page(text) + link


def page(text: str) -> str:
    """A whole page within a notebook, apart from the notebook's own styles."""
    return (
        f'<iframe srcdoc="{escape(text, quote=True)}" sandbox="" '
        'style="width:100%;height:36em;border:1px solid #8884;border-radius:6px"></iframe>'
    )


def facts(title: str, rows: Mapping[str, Any], shown: str = "") -> str:
    """A heading, a small table of facts, and what else is shown (HTML)."""
    body = "".join(
        "<tr><th "
        f'style="text-align:left;font-weight:normal;opacity:.7">{escape(name)}</th><td '
        f'style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
        if value is not None
    )
    return f"<div><b>{escape(title)}</b><table>{body}</table>{shown}</div>"


def picture(image: Any) -> str:
    """A PIL picture, or the bytes of a PNG file, inside the HTML."""
    data = image
    if not isinstance(image, bytes):
        file = io.BytesIO()
        image.save(file, "PNG")
        data = file.getvalue()
    return (
        '<img alt="" style="max-width:100%;image-rendering:pixelated" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}">'
    )
