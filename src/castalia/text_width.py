"""Width of text in terminal columns (a Chinese character takes two, a combining mark none):
padding, cutting, wrapping.
"""

from __future__ import annotations

import re

ELLIPSIS = "…"
# No line begins with these, none ends with those: closing and opening punctuation.
CLOSING, OPENING = "，。、；：！？）》」』】”’％…,.;:!?)]}%", "（《「『【“‘([{"
_WIDE = r"[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0001faff]"  # noqa: E501
_PIECES = re.compile(rf"\s+|{_WIDE}[\u0300-\u036f\ufe0f\u200d]*|(?:(?!{_WIDE})\S)+")


def width(text: str) -> int:
    """How many columns `text` takes."""
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def padded(text: str, columns: int) -> str:
    """`text` with spaces behind it, `columns` wide; longer text stays as it is."""
    return text + " " * max(0, columns - width(text))


def cut(text: str, columns: int) -> str:
    """`text` where it fits `columns`, else its beginning with "…" behind, at most that wide. Raises
    nothing; columns >= 1.
    """
    if width(text) <= columns:
        return text
    for end in range(min(len(text), 4 * columns), -1, -1):  # combining marks take no column
        short = text[:end].rstrip("\u200d") + ELLIPSIS
        if width(short) <= columns:
            break
    return short


def wrapped(text: str, columns: int) -> list[str]:
    """Lines at most `columns` wide: broken at spaces and between wide characters. A word that is
    wider has a line of its own.
    """
    lines: list[str] = []
    line = ""
    for piece in _unbroken(text):
        if line.strip() and width(line + piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        if line or not piece.isspace():
            line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _unbroken(text: str) -> list[str]:
    """Pieces between which a line may break: closing punctuation is kept with what is before it,
    opening with what follows.
    """
    pieces: list[str] = []
    for piece in _PIECES.findall(text):
        kept = (
            pieces
            and not piece.isspace()
            and not pieces[-1].isspace()
            and (piece[0] in CLOSING or pieces[-1][-1] in OPENING)
        )
        if kept:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces
