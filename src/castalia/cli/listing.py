"""castalia list runs|recipes|data|families|codecs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.errors import RecipeError
from castalia.language import constant, translate
from castalia.sentences import say

KINDS = ("runs", "recipes", "data", "families", "codecs")
SENTENCES = ("about", "for")  # columns that hold sentences
HEADS = {
    "about": say("about"),
    "can": say("can"),
    "codec": say("codec"),
    "created": say("created"),
    "data": say("data"),
    "family": say("family"),
    "finished": say("finished"),
    "for": say("for"),
    "from": say("from"),
    "licence": say("licence"),
    "minutes": say("minutes"),
    "recipe": say("recipe"),
    "run": say("run"),
    "steps": say("steps"),
}
YES = {True: say("True"), False: say("False")}


def command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="runs | recipes | data | families | codecs")
    ],
    json: AsJson = False,
) -> int:
    """List what is there."""
    if kind not in KINDS:
        raise RecipeError(
            say("cannot list '{0}'", kind),
            where="castalia list",
            fix=say("one of: {0}", ", ".join(KINDS)),
        )
    rows = globals()[f"_{kind}"]()
    if json:
        say_json(rows)
    elif rows:
        shown = [
            [
                constant(value)
                if key in SENTENCES
                else YES[value]
                if isinstance(value, bool)
                else translate(value)
                for key, value in row.items()
            ]
            for row in rows
        ]
        echo(table([HEADS[key] for key in rows[0]], shown))
    else:
        echo(say("no {0} yet", constant(kind)))
    return 0


def _runs() -> list[dict[str, Any]]:
    from castalia.run import listing

    return [
        {
            "run": run.folder.name,
            "recipe": run.about["recipe"]["title"],
            "steps": run.last_step or 0,
            "finished": run.finished,
            "created": run.about["created"],
        }
        for run in listing()
    ]


def _recipes() -> list[dict[str, Any]]:
    """What each is for (from the first lines of its file), from how much data on
    (checks/data_requirements.py), and how many minutes it takes at most.
    """
    from castalia.checks.data_requirements import least
    from castalia.recipe import minutes_of, purpose, shipped

    minutes = {name: minutes_of(name) for name in shipped()}
    return [
        {
            "recipe": name,
            "for": purpose(name),
            "from": least(name) or "-",
            "minutes": "-" if most is None else f"{most:g}",
        }
        for name, most in minutes.items()
    ]


def _data() -> list[dict[str, Any]]:
    from castalia.data import builtin

    return [
        {"data": f"builtin/{name}", "about": builtin.about(name), "licence": builtin.licence(name)}
        for name in builtin.names()
    ]


def _families() -> list[dict[str, Any]]:
    from castalia import registry

    return [
        {
            "family": name,
            "about": entry.about,
            "can": registry.named_abilities(entry.abilities),
        }
        for name, entry in registry.FAMILIES.items()
    ] + _foreign("family")


def _codecs() -> list[dict[str, Any]]:
    from castalia import registry

    return [
        {"codec": name, "about": entry.about} for name, entry in registry.known("codec").items()
    ] + _foreign("codec")


def _foreign(kind: Any) -> list[dict[str, Any]]:
    from castalia import registry

    own = {kind: "", "about": "from an installed package"} | (
        {"can": "?"} if kind == "family" else {}
    )
    return [
        {**own, kind: name} for name in registry.names(kind) if name not in registry.known(kind)
    ]
