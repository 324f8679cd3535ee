"""HTML helpers of presenters and templates. Every value is escaped, unless it is `Html` already."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from markupsafe import Markup as Html

from castalia.language import Voice

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["Html", "block", "drawing", "marked", "measure", "picture", "text"]

LONGEST_TEXT = 1500  # characters of a text on a page
LARGEST = 160  # pixels of a picture's longer side on a page
ENLARGED = 48  # a picture up to this size is enlarged without smoothing
ENGLISH = Voice()


def block(name: str, parts: Iterable[Html]) -> Html:
    """A <div> of the class `name` around the parts."""
    return Html('<div class="{}">{}</div>').format(name, Html().join(parts))


def text(content: str, voice: Voice = ENGLISH) -> Html:
    """A text in a box; a long one is cut."""
    if not content:
        return Html('<div class="text"><i>{}</i></div>').format(voice.say("(nothing)"))
    cut = " …" if len(content) > LONGEST_TEXT else ""
    return Html('<div class="text" dir="auto">{}{}</div>').format(content[:LONGEST_TEXT], cut)


def marked(before: str, span: str, after: str) -> Html:
    """A passage in a box, `span` marked."""
    return Html('<div class="text" dir="auto">… {}<mark>{}</mark>{} …</div>').format(
        before, span, after
    )


def measure(words: str) -> Html:
    """What is counted of the items above."""
    return Html('<p class="measure">{}</p>').format(words)


def picture(image: PIL.Image.Image, alt: str = "") -> Html:
    """A picture inside the page, without its metadata; a large one is made smaller."""
    import PIL.Image

    shown = image.copy()
    if max(shown.size) > LARGEST:
        shown.thumbnail((LARGEST, LARGEST), PIL.Image.Resampling.LANCZOS)
    return _image(shown, "small" if max(shown.size) <= ENLARGED else "", alt)


def drawing(image: PIL.Image.Image, alt: str = "") -> Html:
    """A drawing inside the page at its own size, such as what `Codec.preview` draws."""
    return _image(image.copy(), "drawn", alt)


def _image(image: PIL.Image.Image, name: str, alt: str) -> Html:
    file = io.BytesIO()
    image.info = {}  # no metadata goes onto the page
    image.save(file, "PNG", optimize=True)
    return Html('<img class="{}" alt="{}" src="data:image/png;base64,{}">').format(
        name, alt, base64.b64encode(file.getvalue()).decode()
    )
