"""How docstrings look on pages of the reference: paragraphs that are laid out in
columns stay so.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

COLUMNS = re.compile(r"\S {2,}\S|^ {4,}\S", re.MULTILINE)


class KeepColumns(griffe.Extension):
    """Puts paragraphs with two or more spaces within a line, or indented ones, between fences."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            paragraphs = obj.docstring.value.split("\n\n")
            obj.docstring.value = "\n\n".join(map(_shown, paragraphs))


def _shown(paragraph: str) -> str:
    lines = paragraph.strip("\n")
    if COLUMNS.search(lines):
        return f"```text\n{lines}\n```"
    return lines.replace("[", "\\[").replace("<", "&lt;")
