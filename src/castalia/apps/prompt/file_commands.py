"""castalia prompt list | show | render | diff: prompts as files."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from castalia.cli.console import echo, pairs_of, say_json, table
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.apps.prompt.template import Prompt

Files = Annotated[
    Optional[list[Path]],  # noqa: UP045 - typer reads annotations at run time
    typer.Argument(metavar="[FILE...]", help="prompts, or folders of them; default: here"),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="a prompt: NAME.prompt.md")]
Json = Annotated[
    bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")
]


def listing(files: Files = None, json: Json = False) -> int:
    """List prompts with their versions, variables and tests."""
    from castalia.apps.prompt.template import files as found
    from castalia.apps.prompt.template import read

    prompts = [read(path) for path in found(files or [Path()])]
    if json:
        say_json([_told(one) for one in prompts])
        return 0
    head = [say("prompt"), say("version"), say("variables"), say("tests"), say("about")]
    rows = [
        [
            *(one.name, one.version, ", ".join(one.variables) or "–"),
            *(len(one.head.tests), one.head.about),
        ]
        for one in prompts
    ]
    echo(table(head, rows))
    return 0


def show(file: File, json: Json = False) -> int:
    """Show what a prompt asks for, and its body."""
    from castalia.apps.prompt.template import read

    prompt = read(file)
    if json:
        say_json({**_told(prompt), "body": prompt.body})
        return 0
    echo(say("{0}, version {1}", prompt.name, prompt.version))
    if prompt.head.about:
        echo(prompt.head.about)
    head = [say("variable"), say("type"), say("default"), say("about")]
    rows = [
        [
            name,
            ", ".join(one.choices) or one.type,
            *("–" if one.default is None else str(one.default), one.about),
        ]
        for name, one in prompt.variables.items()
    ]
    if rows:
        echo("", table(head, rows))
    for name, texts in prompt.head.alternatives.items():
        echo("", say("{0}, one of:", name), *(f"  {text}" for text in texts))
    settings = prompt.head.sampling.given()
    if settings:
        echo("", ", ".join(f"{name}={value}" for name, value in settings.items()))
    echo("", prompt.body.rstrip("\n"))
    return 0


def render(
    file: File,
    var: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="NAME=VALUE", help="a variable; @FILE reads it; may be given several times"
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Print what a model would be told; ask nobody."""
    from castalia.apps.prompt.template import read

    values = pairs_of(var or [], say("a variable is written NAME=VALUE"), "--var question=...")
    rendered = read(file).render({name: _value(value) for name, value in values.items()})
    if json:
        say_json(
            {
                "messages": list(rendered.messages),
                "cond": rendered.cond,
                "sampling": rendered.sampling.given(),
            }
        )
        return 0
    echo(rendered.text)
    return 0


def diff(
    file: File,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="the other one")],
    json: Json = False,
) -> int:
    """Print what differs, line by line; exit code 0 where nothing does, else 1."""
    from castalia.apps.prompt.template import read

    one, two = read(file), read(other)
    lines = list(
        difflib.unified_diff(
            *(_lines(one), _lines(two)),
            *(f"{file} {one.version}", f"{other} {two.version}"),
            lineterm="",
        )
    )
    if json:
        versions = {"versions": [one.version, two.version]}
        say_json({**versions, "same": one.version == two.version, "diff": lines})
    elif lines:
        echo(*lines)
    else:
        echo(say("both are version {0}", one.version))
    return 0 if one.version == two.version else 1


def _lines(prompt: Prompt) -> list[str]:
    """Without what says nothing, so that only meaning differs."""
    from castalia.apps.prompt.template import written

    return written(prompt).splitlines()


def _told(prompt: Prompt) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "file": str(prompt.path),
        "version": prompt.version,
        "variables": {
            name: one.model_dump(mode="json", exclude_defaults=True) | {"type": one.type}
            for name, one in prompt.variables.items()
        },
        "tests": len(prompt.head.tests),
        "about": prompt.head.about,
    }


def _value(given: str) -> str:
    from castalia import bounded

    if given.startswith("@"):
        return bounded.read_text(given[1:], "settings_bytes")
    return given.replace("\\n", "\n")
