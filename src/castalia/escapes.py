"""Escape untrusted text (file names, classes, captions, generated text) for terminals, single lines
and Markdown.

What is escaped: control characters (a terminal obeys them: CWE-150), marks that turn the direction
of text (CVE-2021-42574), and the marks of the document it stands in. HTML is escaped by
`html.escape` where pages are made.
"""

from __future__ import annotations

import re

# C0 but for tab and line feed, DEL, C1; line and paragraph separators; embeddings, overrides and
# isolates of direction; lone surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAKS = re.compile(r"[\t\n]+")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#!|~&]")
_MARKDOWN_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")


def printable(text: str) -> str:
    r"""Safe on a terminal: control characters and marks of direction as \x1b, \u202e; tabs and line
    ends stay.
    """
    return _CONTROL.sub(lambda match: _code(match[0]), text)


def one_line(text: object, most: int | None = None) -> str:
    """`printable` in one line: tabs and line ends become a space. most: characters that are kept; a
    longer text ends in "...".
    """
    line = printable(_BREAKS.sub(" ", str(text)))
    return line if most is None or len(line) <= most else line[: max(0, most - 1)] + "…"


def json_text(document: str) -> str:
    r"""A JSON document with the same characters as \u001b inside its texts: the content is the
    same,
    and a terminal obeys none.
    """
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def markdown(text: object, most: int | None = 1000) -> str:
    """Plain text inside a line or a table cell of Markdown: its marks, HTML and links are shown,
    not obeyed (CommonMark, backslash escapes).
    """
    line = _MARKDOWN.sub(lambda match: _entity(match[0]), one_line(text, most))
    return _MARKDOWN_LINK.sub(
        lambda match: match[1] + ("&#58;" if match[2] == ":" else "&#46;"), line
    )


def _code(character: str) -> str:
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"


def _entity(mark: str) -> str:
    """HTML's own for what opens HTML, so that no renderer can differ; a backslash for
    the others.
    """
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(mark, "\\" + mark)
