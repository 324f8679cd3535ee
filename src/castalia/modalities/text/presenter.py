"""Texts on pages."""

from __future__ import annotations

import difflib
import re

from castalia.language import Voice
from castalia.pages.html import Html
from castalia.pages.presenter import Written
from castalia.text_files import personal_data

EXCERPT = 360  # characters of a text that is compared with another
_TOKENS = re.compile(
    r"\s+|[\u3040-\u9fff\uf900-\ufaff]|[^\W\u3040-\u9fff\uf900-\ufaff]+|.", re.DOTALL
)


class TextPresenter(Written):
    def pair(self, one: str, other: str, voice: Voice) -> tuple[Html, Html]:
        """Personal data are masked."""
        left, right = compared(personal_data.masked(one), personal_data.masked(other))
        box = Html('<div class="text" dir="auto">{}</div>')
        return box.format(left), box.format(right)


def compared(one: str, other: str) -> tuple[Html, Html]:
    """Two texts, what differs marked; of long ones an excerpt from a little before the first
    difference.
    """
    pairs = enumerate(zip(one, other, strict=False))
    first = next((place for place, (a, b) in pairs if a != b), 0)
    start = max(0, first - EXCERPT // 3)
    cut = [text[start : start + EXCERPT] for text in (one, other)]
    left, right = (_TOKENS.findall(text) for text in cut)
    sides: tuple[list[Html], list[Html]] = ([], [])
    matched = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for kind, a, b, c, d in matched.get_opcodes():
        for side, piece in zip(sides, ("".join(left[a:b]), "".join(right[c:d])), strict=True):
            same = kind == "equal" or not piece
            side.append(Html("{}" if same else "<mark>{}</mark>").format(piece))
    before = "… " if start else ""
    whole = [
        Html("{}{}{}").format(
            before, Html().join(side), " …" if len(text) > start + EXCERPT else ""
        )
        for side, text in zip(sides, (one, other), strict=True)
    ]
    return whole[0], whole[1]
