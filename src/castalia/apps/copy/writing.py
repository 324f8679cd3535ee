"""Texts into files as they come, so that a table of any length needs the memory of one product."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.apps.copy.making import Copies, Text
from castalia.apps.copy.products import Problem
from castalia.language import Voice
from castalia.pages.render import render
from castalia.sentences import Message, say

COLUMNS = ("product", "line", "tone", "form", "text", "says", "facts", "by")
PROBLEM_COLUMNS = ("line", "product", "rule", "what")
NAMES: dict[str, Message] = {
    "plain": say("plain"),
    "friendly": say("friendly"),
    "lively": say("lively"),
    "elegant": say("elegant"),
    "ad": say("ad"),
    "description": say("description"),
    "headline": say("headline"),
}
ON_PAGE = 200  # texts, and problems


@dataclass
class Summary:
    """Counts of what was made. first, problems: those that a page and the terminal show. rules: how
    many rows each rule left out.
    """

    texts: int = 0
    products: int = 0
    said: int = 0
    facts: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    first: list[Text] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _last: str = ""

    def take(self, one: Text | Problem) -> None:
        """Counts one."""
        if isinstance(one, Problem):
            self.rules[one.rule] += 1
            self.problems += [one][: ON_PAGE - len(self.problems)]
            return
        self.texts += 1
        self.products += one.name != self._last
        self._last = one.name
        self.said, self.facts = self.said + one.says, self.facts + one.facts
        self.first += [one][: ON_PAGE - len(self.first)]


def entry(one: Text) -> dict[str, Any]:
    """A text as a row of copy.csv, and as a line of copy.jsonl."""
    values = (one.name, one.line, one.tone, one.form, one.words, one.says, one.facts, one.by)
    return dict(zip(COLUMNS, values, strict=True))


def problem(one: Problem, voice: Voice) -> dict[str, Any]:
    """A row that was left out, as one of problems.csv."""
    return dict(zip(PROBLEM_COLUMNS, (one.line, one.name, one.rule, voice(one.what)), strict=True))


def write(made: Copies, folder: Path, language: str) -> tuple[Path, Summary]:
    """copy.csv, copy.jsonl, problems.csv and copy.html in `folder`: (the page, the counts)."""
    summary, voice = Summary(), Voice(language)
    with (
        atomic.place(folder / "copy.csv") as table,
        atomic.place(folder / "copy.jsonl") as lines,
        atomic.place(folder / "problems.csv") as wrong,
        table.open("w", encoding="utf-8-sig", newline="") as texts,
        lines.open("w", encoding="utf-8") as objects,
        wrong.open("w", encoding="utf-8-sig", newline="") as problems,
    ):
        rows, bad = csv.DictWriter(texts, COLUMNS), csv.DictWriter(problems, PROBLEM_COLUMNS)
        rows.writeheader()
        bad.writeheader()
        for one in made:
            summary.take(one)
            if isinstance(one, Problem):
                bad.writerow(problem(one, voice))
            else:
                rows.writerow(entry(one))
                objects.write(json.dumps(entry(one), ensure_ascii=False) + "\n")
    page = folder / "copy.html"
    atomic.write(page, copy_page(made, summary, language))
    return page, summary


def copy_page(made: Copies, summary: Summary, language: str) -> str:
    """HTML of the first texts, by product."""
    groups: list[dict[str, Any]] = []
    for one in summary.first:
        if not groups or groups[-1]["name"] != one.name:
            groups.append({"name": one.name, "texts": []})
        groups[-1]["texts"].append(one)
    return render(
        "copy.html.j2",
        language,
        title=made.source.name,
        groups=groups,
        names=NAMES,
        summary=summary,
        made=made,
        more=max(0, summary.texts - len(summary.first)),
    )
