"""The page of a tested suite, and its JUnit XML for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from castalia import atomic
from castalia.apps.prompt.answers import ITEMS
from castalia.language import Voice
from castalia.pages import render
from castalia.pages.html import Html
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from castalia.apps.prompt.outcomes import Cell, Outcome, Tested

SHOWN, REPEATS = 100, 8  # cases, and answers of each, on the page; results.json has all
LONGEST = 600  # characters of an answer on the page
WIDTH, HEIGHT = 240, 20
PICTURES = (".png", ".jpg", ".gif", ".webp")


def write(tested: Tested, language: str = "en") -> Path:
    """results.json and report.html in the folder of the answers; the page."""
    atomic.write_json(tested.folder / "results.json", tested.document(language))
    page = tested.folder / "report.html"
    write_page(tested, page, language)
    return page


def write_page(tested: Tested, path: Path, language: str = "en") -> None:
    """Writes `path` whole or not at all."""
    suite, voice = tested.suite, Voice(language)
    cases = [_case(tested, place) for place in range(min(SHOWN, len(suite.cases)))]
    worst = next((one for one in cases if one["passed"] < one["count"]), cases[0])
    worst["open"] = True  # what one looks for first
    render.write(
        path,
        "prompt_test.html.j2",
        language,
        title=suite.about or suite.name,
        headline=tested.verdict,
        shown=tested.shown,
        notes=tested.notes,
        counts=say(
            "{0}, {1}, {2}; {3:,} answers, {4:,} of them asked now.",
            plural("{0} prompt", "{0} prompts", len(suite.prompts)),
            plural("{0} model", "{0} models", len(suite.models)),
            plural("{0} case", "{0} cases", len(suite.cases)),
            sum(len(one.outcomes) for one in tested.cells),
            tested.asked,
        ),
        cells=[
            {
                "prompt": one.prompt,
                "model": one.model,
                "share": one.share,
                "passed": sum(one.scores),
                "bar": bar(one.share.low, one.share.value, one.share.high, voice),
                "seconds": one.seconds,
                "failed": _failed(one),
            }
            for one in tested.cells
        ],
        comparisons=tested.comparisons,
        metrics=tested.metrics,
        cases=cases,
        left_out=max(0, len(suite.cases) - SHOWN),
        prompts=[
            {"name": one.name, "version": one.version, "body": one.body} for one in suite.prompts
        ],
    )


def bar(low: float, value: float, high: float, voice: Voice) -> Html:
    """A share between 0 and 1 with its interval."""
    span = WIDTH - 16
    places = [8 + span * one for one in (low, value, high)]
    words = voice.say("{0:.0%}, between {1:.0%} and {2:.0%}", value, low, high)
    return Html(
        '<svg class="strip" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<line class="axis" x1="8" x2="{}" y1="10" y2="10"/>'
        '<rect class="band" x="{:.1f}" y="4" width="{:.1f}" height="12" rx="3"/>'
        '<circle class="model" cx="{:.1f}" cy="10" r="4.5"/></svg>'
    ).format(
        *(WIDTH, HEIGHT, words, WIDTH - 8, places[0]),
        *(max(2.0, places[2] - places[0]), places[1]),
    )


def _failed(cell: Cell) -> list[tuple[str, int]]:
    """(assertion, how many answers fail it), the commonest first."""
    counts: dict[str, int] = {}
    for one in cell.outcomes:
        for made, verdict in one.verdicts:
            if not verdict.passed:
                counts[made.title] = counts.get(made.title, 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])[:5]


def _case(tested: Tested, place: int) -> dict[str, Any]:
    """The answers of all cells in one case."""
    own = [one for cell in tested.cells for one in cell.outcomes if one.case == place]
    return {
        "name": tested.suite.cases[place].name,
        "cells": [_shown(cell, place) for cell in tested.cells],
        "passed": sum(one.passed for one in own),
        "count": len(own),
        "open": False,
    }


def _shown(cell: Cell, place: int) -> dict[str, Any]:
    """The answers of a cell in one case."""
    own = [one for one in cell.outcomes if one.case == place]
    return {
        "prompt": cell.prompt,
        "model": cell.model,
        "answers": [
            {
                "passed": one.passed,
                "problem": one.answer.problem,
                "text": _cut(one.answer.text),
                "item": _item(one.answer.file),
                "failed": [
                    (made.title, verdict.words)
                    for made, verdict in one.verdicts
                    if not verdict.passed
                ],
            }
            for one in own[:REPEATS]
        ],
        "left_out": max(0, len(own) - REPEATS),
    }


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _item(file: str) -> Html | None:
    """A picture beside the page; of any other file a link to it; None of a text."""
    if not file:
        return None
    name = f"{ITEMS}/{file}"
    if not name.lower().endswith(PICTURES):
        return Html('<a href="{}">{}</a>').format(name, file)
    return Html('<img class="small" width="72" alt="{}" src="{}">').format(file, name)


# For continuous integration -----------------------------------------------------------------------


def write_junit(tested: Tested, path: Path, language: str = "en") -> None:
    """JUnit's XML: a test suite for each prompt with each model, a test case for each answer."""
    voice = Voice(language)
    parts = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for cell in tested.cells:
        name = f"{cell.prompt} / {cell.model}"
        failures = sum(not one.passed and not one.answer.problem for one in cell.outcomes)
        errors = sum(bool(one.answer.problem) for one in cell.outcomes)
        seconds = sum(one.answer.seconds for one in cell.outcomes)
        parts.append(
            f'  <testsuite name={_attribute(name)} tests="{len(cell.outcomes)}" '
            f'failures="{failures}" errors="{errors}" time="{seconds:.3f}">'
        )
        for one in cell.outcomes:
            case = tested.suite.cases[one.case].name
            title = case if tested.suite.repeat == 1 else f"{case} #{one.repeat + 1}"
            parts.append(
                f"    <testcase classname={_attribute(name)} name={_attribute(title)} "
                f'time="{one.answer.seconds:.3f}">{_problems(one, voice)}</testcase>'
            )
        parts.append("  </testsuite>")
    atomic.write(path, "\n".join([*parts, "</testsuites>", ""]))


def _problems(one: Outcome, voice: Voice) -> str:
    if one.answer.problem:
        return f"<error message={_attribute(voice(one.answer.problem))}/>"
    if one.passed:
        return ""
    failed = [
        f"{made.title}: {voice(verdict.words)}"
        for made, verdict in one.verdicts
        if not verdict.passed
    ]
    message = failed[0] if failed else ""
    body = "\n".join([*failed, "", one.answer.text or one.answer.file])
    return f"<failure message={_attribute(message)}>{escape(_plain(body))}</failure>"


def _attribute(text: str) -> str:
    return quoteattr(_plain(" ".join(text.split())))


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold: control characters, surrogates."""
    return "".join(
        sign
        if sign in "\t\n"
        or " " <= sign <= "\ud7ff"
        or "\ue000" <= sign <= "\ufffd"
        or sign > "\uffff"
        else "�"
        for sign in text
    )
