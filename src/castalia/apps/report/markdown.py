"""The Markdown that reports are written in, as HTML: headings, paragraphs, lists, tables, emphasis,
code and rules. Everything else, HTML too, is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from castalia.pages.html import Html

_HEADING = re.compile(r"(#{1,4})\s+(.*)")
_ITEM = re.compile(r"\s*([-*+]|\d+[.)])\s+(.*)")
_RULE = re.compile(r"\s*([-*_])(\s*\1){2,}\s*")
_DIVIDER = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_INLINE = ((r"`([^`]+)`", "code"), (r"\*\*([^*]+)\*\*", "strong"), (r"\*([^*]+)\*", "em"))


def html(text: str) -> Html:
    """The document's inside."""
    return Html("\n".join(_blocks(text.splitlines())))


def _blocks(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif found := _HEADING.fullmatch(line):
            level = len(found[1])
            yield f"<h{level}>{_inline(found[2])}</h{level}>"
            at += 1
        elif _RULE.fullmatch(line):
            yield "<hr>"
            at += 1
        elif "|" in line and at + 1 < len(lines) and _DIVIDER.fullmatch(lines[at + 1]):
            end = at + 2
            while end < len(lines) and "|" in lines[end] and lines[end].strip():
                end += 1
            yield _table(line, lines[at + 2 : end])
            at = end
        elif _ITEM.fullmatch(line):
            end = at
            items = []
            while end < len(lines) and (item := _ITEM.fullmatch(lines[end])):
                items.append(item)
                end += 1
            kind = "ol" if items[0][1][0].isdigit() else "ul"
            inside = "".join(f"<li>{_inline(item[2])}</li>" for item in items)
            yield f"<{kind}>{inside}</{kind}>"
            at = end
        else:
            end = at
            while (
                end < len(lines) and lines[end].strip() and (end == at or not _starts(lines[end]))
            ):
                end += 1
            yield f"<p>{_inline(' '.join(one.strip() for one in lines[at:end]))}</p>"
            at = end


def _starts(line: str) -> bool:
    return bool(_HEADING.fullmatch(line) or _ITEM.fullmatch(line) or _RULE.fullmatch(line))


def _table(head: str, body: list[str]) -> str:
    def cells(line: str) -> list[str]:
        return [_inline(cell.strip()) for cell in line.strip().strip("|").split("|")]

    top = "".join(f'<th scope="col">{cell}</th>' for cell in cells(head))
    rows = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells(line)) + "</tr>" for line in body
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def _inline(text: str) -> str:
    text = escape(text)
    for form, tag in _INLINE:
        text = re.sub(form, rf"<{tag}>\1</{tag}>", text)
    return text
