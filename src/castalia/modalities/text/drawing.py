"""Draw texts as a picture, for contact sheets (Chinese needs a font that the system has)."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

_FONTS = (  # looked up where the system keeps its fonts: Linux, macOS, Windows
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "simsun.ttc",
)
_SIZE, _LINE, _MARGIN, _COLUMNS, _ROWS, _TEXTS = 15, 21, 14, 72, 14, 16
_NOTE = "This system has no Chinese font: such characters are shown as code points."


def text_page(texts: list[str]) -> PIL.Image.Image:
    """RGB; the first 14 lines of 72 columns of at most 16 texts, one below another. A character
    that the font lacks is shown as U+4E2D.
    """
    font, chinese = _font()
    lines: list[str] = []
    for text in texts[:_TEXTS]:
        lines += [*_lines(text if chinese else _spelled(text)), ""]
    if not chinese and any(
        _wide(character) for text in texts[:_TEXTS] for character in text[: _COLUMNS * _ROWS]
    ):
        lines.append(_NOTE)
    width = (
        max([_COLUMNS * _SIZE // 2, *(int(font.getlength(line)) for line in lines)]) + 2 * _MARGIN
    )
    page = PIL.Image.new("RGB", (width, _LINE * max(1, len(lines)) + 2 * _MARGIN), "white")
    draw = PIL.ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + number * _LINE), line, fill="black", font=font)
    return page


@cache
def _font() -> tuple[Any, bool]:
    """(font, whether it has Chinese)."""
    for name in _FONTS:
        try:
            return PIL.ImageFont.truetype(name, _SIZE), True
        except OSError:
            continue
    return PIL.ImageFont.load_default(_SIZE), False


def _lines(text: str) -> list[str]:
    """The text broken into at most 14 lines of 72 columns; East Asian characters take
    two columns.
    """
    lines: list[str] = []
    for line in text[: _COLUMNS * _ROWS].expandtabs(4).split("\n"):
        held, columns = "", 0
        for character in line:
            character = character if character.isprintable() else "\ufffd"
            columns += 2 if _wide(character) else 1
            if columns > _COLUMNS:
                lines.append(held)
                held, columns = "", 2 if _wide(character) else 1
            held += character
        lines.append(held)
        if len(lines) >= _ROWS:
            break
    return lines[:_ROWS]


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _spelled(text: str) -> str:
    return "".join(
        f"[{ord(character):04X}]" if _wide(character) else character
        for character in text[: _COLUMNS * _ROWS]
    )
