"""castalia detect FILE... [--run RUN]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.escapes import one_line
from castalia.language import constant, translate
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.governance.watermark.detection import Detection

CODES = {"yes": 0, "unknown": 3, "no": 7}


def command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="files of any origin, in any format")
    ],
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="ask about this run; default: the runs made here"),
    ] = None,
    json: AsJson = False,
) -> int:
    """Look for this installation's watermark in files. Exit 0: all have it, 7: some do not, 3:
    nothing could be looked for in some.
    """
    from castalia.governance.provenance import kind_of
    from castalia.governance.watermark.detection import detect
    from castalia.run import Run

    opened = None if run is None else Run.open(run)
    found = [detect(path, kind_of(path), opened) for path in files]
    if json:
        say_json({"files": [_document(one) for one in found]})
    else:
        for one in found:
            echo(*_lines(one))
    return max((CODES[one.state] for one in found), default=0)


def _lines(found: Detection) -> list[str]:
    lines = [say("{0}: {1}", found.path, constant(found.state))]
    if found.chance is not None:
        lines.append(say("  without a mark, at most this likely: {0:.1g}", found.chance))
    if found.mark:
        lines.append(say("  mark       {0}", found.mark))
    if found.run is not None:
        lines.append(say("  run        {0}{1}", found.run, ""))
    return [
        one_line(translate(line), 500)
        for line in [*lines, *(say("  note: {0}", note) for note in found.notes)]
    ]


def _document(found: Detection) -> dict[str, Any]:
    return {
        "file": str(found.path),
        "state": found.state,
        "chance": found.chance,
        "mark": found.mark or None,
        "run": None if found.run is None else str(found.run),
        "notes": found.notes,
    }
