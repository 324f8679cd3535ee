"""`castalia.report`: a template and tables to a report, its facts, and pages of both."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from castalia import atomic, bounded
from castalia.apps.report import facts as asking
from castalia.apps.report.checking import Unproved, lost, unproved
from castalia.apps.report.facts import BEGIN, END, Fact, Ledger, Rows
from castalia.apps.report.markdown import html
from castalia.errors import CastaliaError, DataError, Refused
from castalia.language import Voice, current
from castalia.pages.html import Html
from castalia.pages.render import render
from castalia.sentences import say
from castalia.text_files.columns import Source, read

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_RANGES = 12  # of lines, on the page; the document has all


@dataclass(frozen=True)
class Report:
    """text: Markdown. facts: those that it shows, in order. declared: what stands in the template
    itself, numbers of the author included.
    """

    text: str
    facts: tuple[Fact, ...]
    declared: str
    pieces: tuple[str | int, ...]  # text, and numbers of facts

    def document(self) -> dict[str, Any]:
        """JSON: every fact with its formula and its cells."""
        return {
            "facts": [
                {
                    "shown": fact.shown,
                    "value": fact.value,
                    "formula": fact.formula,
                    "form": fact.form,
                    "cells": [
                        {"file": one.file, "column": one.column, "lines": one.ranges}
                        for one in fact.cells
                    ],
                }
                for fact in self.facts
            ],
            "declared": self.declared,
        }

    def page(self, title: str, language: str) -> str:
        """HTML: each fact is a link to where it comes from."""
        marked = "".join(
            piece if isinstance(piece, str) else f"{BEGIN}{piece}{END}" for piece in self.pieces
        )
        body, voice = str(html(marked)), Voice(language)
        for number, fact in enumerate(self.facts):
            link = f'<a href="#fact-{number + 1}" title="{escape(voice(fact.formula))}">'
            body = body.replace(f"{BEGIN}{number}{END}", f"{link}{escape(fact.shown)}</a>")
        rows = [
            {"shown": fact.shown, "formula": fact.formula, "cells": _places(fact, voice)}
            for fact in self.facts
        ]
        return render("facts.html.j2", language, title=title, body=Html(body), facts=rows)

    def write(self, folder: Path, title: str, language: str | None = None) -> Path:
        """report.md, report.html and facts.json in `folder`; the page."""
        folder.mkdir(parents=True, exist_ok=True)
        document = json.dumps(self.document(), ensure_ascii=False, indent=1)
        atomic.write(folder / "report.md", self.text)
        atomic.write(folder / "facts.json", document + "\n")
        page = folder / "report.html"
        atomic.write(page, self.page(title, language or current()))
        return page


def report(
    data: Sequence[str | os.PathLike[str]],
    template: str | os.PathLike[str] | None = None,
    *,
    language: str | None = None,
) -> Report:
    """A report on tables, written by a template in Markdown with Jinja's marks; None: an overview.

    In a template `rows` are the rows of the first table, `tables["sales.csv"]` those of any, and
    `name` the first one's name. What they answer are facts (facts.py), which know their cells. A
    number that comes from no cell is refused. Templates are untrusted: they run in a sandbox, with
    a budget of work. Raises DataError for a table, a column or a cell that cannot be used, Refused
    for such a number.

    >>> castalia.report(["sales.csv"], "monthly.md").write(Path("out"), "Sales")
    """
    sources = [read(Path(one)) for one in data]
    if not sources:
        raise DataError(say("there is no table to report on"), "report", say("name a file"))
    name = template or TEMPLATES / f"overview.{language or current()}.md"
    return written(sources, bounded.read_text(Path(name)), Path(name).name)


def written(sources: Sequence[Source], template: str, name: str) -> Report:
    """`report` of tables and a template that are in memory."""
    from castalia.bounded.templates import budget, compiled

    ledger = Ledger()
    tables = {one.name: Rows(one, ledger, range(len(one))) for one in sources}
    names = {
        "rows": tables[sources[0].name],
        "tables": tables,
        "name": Fact(sources[0].name, say("name of the file"), (), ledger, form="name"),
        "columns": list(sources[0].columns),
        "column_count": Fact(
            len(sources[0].columns), say("columns of {0}", sources[0].name), (), ledger, decimals=0
        ),
        "is_number": _is_number(sources[0]),
        "percent": asking.percent,
        "change": asking.change,
    }
    size = sum(len(one) * len(one.columns) for one in sources)
    try:
        with budget(len(template) + size):
            rendered = compiled(
                template, {"decimals": asking.decimals}, names, strict=True
            ).render()
    except CastaliaError:
        raise
    except Exception as error:  # a template is a stranger's program: whatever it does is its fault
        raise DataError(
            say("the template cannot be used: {0}", str(error)[:200]),
            name if not getattr(error, "lineno", None) else f"{name}, line {error.lineno}",  # type: ignore[attr-defined]
            say("docs/report.md has what a template may ask"),
        ) from error
    pieces, kept = _pieces(rendered, ledger.facts)
    whole = "".join(piece if isinstance(piece, str) else kept[piece].shown for piece in pieces)
    made = Report(whole, tuple(kept), template, tuple(pieces))
    loose = unproved(
        whole,
        [fact.shown for fact in kept],
        [fact.shown for fact in kept if fact.form == "name"],
        _literal(template),
    )
    if loose:
        raise Refused(
            say("the number {0} comes from no cell", loose[0].number),
            say("{0}, line {1} of the report: {2}", name, loose[0].line, loose[0].around),
            say("compute it from cells, or write it into the template's text"),
        )
    return made


def checked(texts: Sequence[Path], facts: Path) -> tuple[list[Unproved], list[str]]:
    """(numbers of the texts that no fact of `facts`, a facts.json, has; names that the report
    showed and the texts do not). Raises DataError where that is no such file.
    """
    known = bounded.parse_json(bounded.read_text(facts), facts.name)
    rows = known.get("facts") if isinstance(known, dict) else None
    declared = known.get("declared") if isinstance(known, dict) else None
    if not isinstance(declared, str) or not isinstance(rows, list) or not all(map(_is_fact, rows)):
        raise DataError(
            say("this is no list of facts"), facts.name, say("give the facts.json of a report")
        )
    text = "\n".join(bounded.read_text(one) for one in texts)
    shown = [row["shown"] for row in rows]
    names = [row["shown"] for row in rows if row.get("form") == "name"]
    return unproved(text, shown, names, _literal(declared)), lost(text, names)


def _is_fact(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("shown"), str)


def _pieces(rendered: str, facts: Sequence[Fact]) -> tuple[list[str | int], list[Fact]]:
    """Text and facts by turns; facts that were asked and not written are left out."""
    pieces: list[str | int] = []
    kept: list[Fact] = []
    for place, part in enumerate(rendered.split(BEGIN)):
        if place:
            number, _, part = part.partition(END)
            kept.append(facts[int(number)])
            pieces.append(len(kept) - 1)
        pieces.append(part)
    return pieces, kept


def _literal(template: str) -> str:
    """The template's own text, without what stands in Jinja's marks."""
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", " ", template, flags=re.DOTALL)


def _is_number(source: Source) -> dict[str, bool]:
    found = {}
    for column in source.columns:
        try:
            numbers, _ = source.numbers(column)
            found[column] = any(number == number for number in numbers)
        except DataError:
            found[column] = False
    return found


def _places(fact: Fact, voice: Voice) -> list[str]:
    words = []
    for one in fact.cells:
        ranges = [str(a) if a == b else f"{a}–{b}" for a, b in one.ranges]
        more = ", …" if len(ranges) > SHOWN_RANGES else ""
        lines = ", ".join(ranges[:SHOWN_RANGES]) + more
        words.append(
            voice.say("{0}: {1}, lines {2}", one.file, one.column, lines)
            if one.column
            else voice.say("{0}: lines {1}", one.file, lines)
        )
    return list(dict.fromkeys(words))
