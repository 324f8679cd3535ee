"""The page of a search for a better prompt."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from castalia import atomic
from castalia.apps.prompt.pages import bar
from castalia.apps.prompt.template import SUFFIX, written
from castalia.language import Voice
from castalia.pages import render

if TYPE_CHECKING:
    from castalia.apps.prompt.optimise import Found

SHOWN = 12  # candidates of a round


def write(found: Found, folder: Path, language: str = "en") -> Path:
    """search.json, search.html and, where there is a gain, the better prompt; the page."""
    atomic.write_json(folder / "search.json", found.document(language))
    if found.better:
        atomic.write(folder / f"{found.prompt.name}{SUFFIX}", written(found.best))
    page = folder / "search.html"
    write_page(found, page, language)
    return page


def write_page(found: Found, path: Path, language: str = "en") -> None:
    """Writes `path` whole or not at all."""
    voice = Voice(language)
    sides = [(found.prompt, found.before), (found.best, found.after)]
    difference = difflib.unified_diff(
        *(written(one).splitlines() for one, _ in sides),
        *(f"{one.name} {one.version}" for one, _ in sides),
        lineterm="",
    )
    render.write(
        path,
        "prompt_search.html.j2",
        language,
        title=found.suite.about or found.suite.name,
        headline=found.verdict,
        figures=found.figures,
        notes=found.notes,
        development=found.development,
        held_out=found.gain.n,
        calls=found.calls,
        sides=[
            {
                "changes": found.winner.words if number else "",
                "version": one.version,
                "share": measured,
                "bar": bar(measured.low, measured.value, measured.high, voice),
            }
            for number, (one, measured) in enumerate(sides)
        ],
        rounds=[
            {
                "cases": one.cases,
                "count": len(one.shares),
                "shares": [
                    {"changes": who.words, "value": value, "bar": f"{100 * value:.0f}%"}
                    for who, value in one.shares[:SHOWN]
                ],
            }
            for one in found.rounds
        ],
        difference="\n".join(difference),
    )
