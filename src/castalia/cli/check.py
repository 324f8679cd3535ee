"""castalia check DATA... [KEY=VALUE ...] [--against DATA] [--manifest FILE] [--out FOLDER] [--lang
zh] [--strict] [--json].
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.errors import DataError, RecipeError
from castalia.language import current, translate
from castalia.sentences import plural, say
from castalia.text_width import cut, padded, width

if TYPE_CHECKING:
    from castalia.checks.check import Checked

LONGEST = 150  # columns of an example


def command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA... [KEY=VALUE]...",
            help="folders, files, archives, a pattern, a list or builtin/NAME, and data.* or "
            "codec.*",
        ),
    ],
    codec: Annotated[
        str, typer.Option(help="name of a codec, or auto: the one that reads most of it")
    ] = "auto",
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA",
            help="other data, a test set for one: how much of it is in DATA? Repeatable",
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="manifest.json of an earlier check: what was added, removed, changed?",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="write report.html, check.json, manifest.json, and keep.txt: the files without "
            "copies",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 3 for warnings, too")] = False,
    json: AsJson = False,
) -> int:
    """Look at data before training: sizes, copies, leakage, damage, personal data, and whether it
    is enough.
    """
    from castalia.verbs.check import check

    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    sources = [word for word in words if word not in overrides]
    if not sources:
        raise RecipeError(
            say("expected data"),
            where=" ".join(words),
            fix="castalia check photos/ --against test/",
        )
    checked = check(
        sources,
        codec=codec,
        against=against or (),
        overrides=overrides,
        compare=manifest,
        out=out,
        language=current(),
    )
    if json:
        say_json(checked.document.to_json())
    else:
        echo(*summary(checked, current()))
        if out is not None:
            echo("", say("look at: {0}", Path(out) / "report.html"))
    stops = checked.document.verdict == "problems" or (
        strict and checked.document.verdict == "warnings"
    )
    return DataError.exit_code if stops else 0


def summary(checked: Checked, language: str) -> list[str]:
    """The lines of the terminal."""
    from castalia.checks import messages as words
    from castalia.checks.check_page import enough_line, facts

    document = checked.document
    lines = [
        translate(
            say(
                "{0}: {1}", document.source, words.pick(words.VERDICTS[document.verdict], language)
            ),
            language,
        ),
        "",
    ]
    rows = facts(document, language)
    wide = max(width(name) for name, _ in rows) + 2
    lines += [f"  {padded(name, wide)}{value}" for name, value in rows]
    marks = {"problem": "✗", "warning": "!", "note": "·"}
    if document.findings:
        lines.append("")
    for one in document.findings:
        lines.append(
            f"  {marks[one.level]} {words.finding(one.code, language, one.values, document.codec)}"
        )
        if one.level != "note":
            lines += [
                f"      {cut(words.example(name, language), LONGEST)}" for name in one.examples[:3]
            ]
    if document.enough:
        lines += ["", *(f"  {enough_line(one, language)}" for one in document.enough)]
    if document.next:
        lines += [
            "",
            translate(say("{0}:", words.label("next", language)), language),
            *(f"  {step.command}{_time(step.command, language)}" for step in document.next),
        ]
    return lines


def _time(command: str, language: str) -> str:
    """What a recommended training takes at most: " # 10 minutes at most"; nothing of other
    commands.
    """
    from castalia.recipe import minutes_of, shipped

    words = command.split()
    recipe = words[2] if words[:2] == ["castalia", "train"] and len(words) > 2 else ""
    most = (
        minutes_of(recipe)
        if recipe in shipped() and not any(word.startswith("training.") for word in words)
        else None
    )
    return (
        ""
        if most is None
        else "   # "
        + translate(plural("{0:g} minute at most", "{0:g} minutes at most", most), language)
    )
