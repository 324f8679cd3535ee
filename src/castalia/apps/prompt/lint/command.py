"""castalia prompt lint FILE...: exit code 0 where nothing is found, 1 for findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from castalia.apps.prompt.lint.finding import Finding
    from castalia.apps.prompt.lint.prompt_files import Source

    Checked = Sequence[tuple[Source, Sequence[Finding]]]


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="texts, Markdown, NAME.prompt.md, tables of prompts, folders"
        ),
    ],
    column: Annotated[
        Optional[str],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(metavar="NAME", help="the column of a table that holds prompts"),
    ] = None,
    select: Annotated[
        str, typer.Option(metavar="RULES", help="judge these rules only: clear,specific,...")
    ] = "",
    ignore: Annotated[str, typer.Option(metavar="RULES", help="do not judge these rules")] = "",
    fix: Annotated[
        bool, typer.Option("--fix", help="make the changes that leave nothing to be filled in")
    ] = False,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="with --fix: write here, and leave the prompt as it is"),
    ] = None,
    sarif: Annotated[
        bool, typer.Option("--sarif", help="findings as SARIF 2.1.0 on stdout, for code hosts")
    ] = False,
    json: AsJson = False,
) -> int:
    """Judge prompts by five rules: clear, specific, concise, relevant, diverse."""
    from castalia.apps.prompt.lint import RULES, judged, lint
    from castalia.apps.prompt.lint.prompt_files import prompts_in
    from castalia.apps.prompt.lint.sarif import document
    from castalia.errors import RecipeError

    if sarif and json:
        raise RecipeError(say("one form at a time"), "--sarif, --json", say("leave one out"))
    if out is not None and not fix:
        raise RecipeError(
            say("--out is where --fix writes to"), "--out", say("add --fix, or leave --out out")
        )
    chosen, without = _rules(select) or RULES, _rules(ignore)
    checked: list[tuple[Source, list[Finding]]] = []
    unjudged: list[Source] = []
    for source in prompts_in(files, column):
        # a template is judged as one, even if its head declares nothing
        template = True if source.template else None
        found = lint(source.text, select=chosen, ignore=without, template=template)
        checked.append((source, found))
        if not judged(source.text):
            unjudged.append(source)
    count = sum(len(found) for _, found in checked)
    mended = _mend(checked, out) if fix else []
    if sarif:
        say_json(document(checked, unjudged))
    elif json:
        say_json(
            {
                "prompts": len(checked),
                "findings": [
                    {"file": str(source.path), "row": source.row, **one.document(source.text)}
                    for source, found in checked
                    for one in found
                ],
                "not_judged": [source.name for source in unjudged],
                "written": [str(path) for path, _ in mended],
            }
        )
    else:
        _say(checked, unjudged)
        for path, changes in mended:
            echo(say("{0} in {1}", plural("{0} change", "{0} changes", changes), path))
    return 1 if count else 0


def _rules(given: str) -> list[str]:
    return [one.strip() for one in given.replace("，", ",").split(",") if one.strip()]


def _say(checked: Checked, unjudged: Sequence[Source]) -> None:
    from castalia.apps.prompt.lint.finding import diff
    from castalia.apps.prompt.lint.sarif import other_language

    for source, found in checked:
        for one in found:
            echo(f"{source.name}:{one.line}:{one.column}: {one.rule}: {one.reason}")
            for line in diff(source.text, one.edits).splitlines()[2:]:
                echo(f"    {line}")
    for source in unjudged:
        echo(f"{source.name}: {other_language()}")
    count = sum(len(found) for _, found in checked)
    echo(
        say(
            "{0}: {1}",
            plural("{0} prompt", "{0} prompts", len(checked)),
            plural("{0} finding", "{0} findings", count),
        )
    )


def _mend(checked: Checked, out: Path | None) -> list[tuple[Path, int]]:
    """(file, changes) of each that was written."""
    from castalia import atomic
    from castalia.apps.prompt.lint.finding import mended
    from castalia.errors import RecipeError

    rows = next((source for source, _ in checked if source.row is not None), None)
    if rows is not None:
        raise RecipeError(
            say("rows of a table are not changed"),
            rows.path,
            say("leave --fix out: the findings show what to change"),
        )
    if out is not None and len(checked) != 1:
        raise RecipeError(
            say("--out takes the change of one prompt"), "--out", say("give one file")
        )
    written = []
    for source, found in checked:
        text, made = mended(source.text, found)
        if made or out is not None:
            atomic.write(out or source.path, text)
            written.append((out or source.path, len(made)))
    return written
