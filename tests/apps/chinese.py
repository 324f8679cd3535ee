"""Finds English in what should be Chinese: in printed text, and in what a page shows."""

from __future__ import annotations

import html
import re
from pathlib import Path

# three words in a row, the last two in small letters; or one that only sentences have
WORDS = re.compile(
    r"(?<![\w./'-])[A-Za-z]{2,} [a-z]+ [a-z]+(?![\w/=])"
    r"|(?<![-\w./])(?:the|of|to|is|and|with|for|are|not|which)(?![-\w=./])"
)
COMMANDS = re.compile(r"castalia [^，。；：）]*|RUN of \w+")
# Titles, names and licences of the data, which keep their language.
NAMED = re.compile(
    r"Alpaydin and Kaynak|Optical Recognition of Handwritten Digits|UCI Machine Learning Repository"
    r"|Barry Becker and Ronny Kohavi|Allison Horst[^<\n]*|authors (?:of|by)[^<\n]*"
    r"|Copyright [^<\n]*|[Pp]ublic domain[^<\n]*|(?:On|A|An|The) "
    r"[A-Z][^<\n]*\(?(?:19|20)[0-9]{2}\)?"
)


def english(text: str) -> list[str]:
    """The lines of a text that have English words in a row; commands and names are left out."""
    lines = (NAMED.sub("", COMMANDS.sub("", line)) for line in text.splitlines())
    return [line.strip() for line in lines if WORDS.search(line)]


def visible(page: Path) -> str:
    """What a page shows, one line for each element."""
    text = page.read_text(encoding="utf-8")
    assert '<html lang="zh' in text
    text = re.sub(r"<(style|script|pre|code)\b.*?</\1>", "", text, flags=re.DOTALL)
    shown = re.findall(r'(?:title|alt|aria-label)="([^"]*)"', text)
    return html.unescape("\n".join([re.sub(r"<[^>]+>", "\n", text), *shown]))
