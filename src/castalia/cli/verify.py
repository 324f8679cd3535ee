"""castalia verify FILE... [--run RUN]."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.escapes import one_line
from castalia.language import constant, translate
from castalia.sentences import say

CODES = {"intact": 0, "unknown": 3, "altered": 7}


def command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="what castalia sample or edit wrote")
    ],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="ask whether this run made them; default: the runs made here"
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Say whether files are as they were released, and which run made them. Exit 0 intact, 7
    altered, 3 unknown.
    """
    from castalia.governance import provenance
    from castalia.run import Run

    opened = None if run is None else Run.open(run)
    findings = [provenance.examine(path, opened) for path in files]
    if json:
        say_json({"files": [_document(finding) for finding in findings]})
    else:
        for finding in findings:
            echo(*_lines(finding))
    states = {finding.state for finding in findings}
    return CODES[
        "altered" if "altered" in states else "unknown" if "unknown" in states else "intact"
    ]


def _lines(finding: Any) -> list[str]:
    manifest = finding.manifest or {}
    lines = [say("{0}: {1}", finding.path, constant(finding.state))]
    lines += [say("  does not match: {0}", problem) for problem in finding.problems]
    if manifest:
        licence = manifest.get("licence")
        licence = licence if isinstance(licence, dict) else {}
        lines.append(
            say(
                "  made by    {0} (weights {1}, step {2})",
                manifest.get("run"),
                str(manifest.get("model"))[:12],
                manifest.get("step"),
            )
        )
        lines.append(say("  when       {0}, {1}", manifest.get("time"), manifest.get("generator")))
        lines.append(
            say(
                "  licence    data: {0}; model: {1}",
                licence.get("data") or say("not stated"),
                licence.get("model") or say("not stated"),
            )
        )
    if finding.run is not None:
        lines.append(
            say(
                "  run        {0}{1}",
                finding.run,
                say(", ledger line {0}", finding.line) if finding.line else "",
            )
        )
    return [
        one_line(translate(line), 500)
        for line in [*lines, *(say("  note: {0}", note) for note in finding.notes)]
    ]


def _document(finding: Any) -> dict[str, Any]:
    return {
        "file": str(finding.path),
        "state": finding.state,
        "problems": finding.problems,
        "notes": finding.notes,
        "run": None if finding.run is None else str(finding.run),
        "ledger_line": finding.line,
        "credentials": None if finding.claim is None else asdict(finding.claim),
        "manifest": finding.manifest,
    }
