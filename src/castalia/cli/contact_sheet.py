"""Write the contact sheet beside files that were made: one HTML page with relative links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from castalia.language import current
from castalia.pages.files import Shown
from castalia.pages.html import Html
from castalia.pages.render import write


class Given(NamedTuple):
    """What an edit was given: the name of its file, "" for what was typed, and how it looks."""

    name: str
    shown: Html


def write_sheet(
    folder: Path,
    figures: Sequence[Shown],
    title: str,
    given: Sequence[Given] = (),
    *,
    together: bool = False,
    notes: Sequence[str] = (),
) -> Path:
    """`folder`/sheet.html: pictures, texts, drawings with a player; other files become links.

    given: the inputs of an edit; each stands beside what was made of it, or, where they were used
    together (interpolation), all stand first. notes: what is said above them all.
    """
    each, rest = divmod(len(figures), len(given)) if given else (0, 0)
    rows: list[tuple[Given | None, Sequence[Shown]]]
    if given and not together and not rest:
        rows = [
            (one, figures[place * each : (place + 1) * each]) for place, one in enumerate(given)
        ]
        given = ()
    else:
        rows = [(None, figures)]
    path = folder / "sheet.html"
    write(
        path,
        "contact_sheet.html.j2",
        current(),
        title=title,
        notes=notes,
        inputs=given,
        rows=rows,
    )
    return path
