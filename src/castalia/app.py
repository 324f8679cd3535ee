"""An app: a tool for a purpose, described so that the rest of Castalia needs to know nothing of it.

Each app is one folder with an `APP` in its `__init__.py`: built-in ones in castalia/apps/, those of
other packages under the entry point group `castalia.app`. A descriptor names code as
"module:attribute", so that looking at all of them imports none of it. The command line lists the
commands of apps beside the verbs, the server takes their routes in, and pages find their templates.

Beside its code a folder may have `templates/*.j2` of pages, `locale/` of translations and `data/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from castalia.language import more_catalogues
from castalia.modality import Descriptor, descriptors

GROUP = "castalia.app"


@dataclass(frozen=True)
class Command:
    """A command of the command line. target: "module:function", with Typer's annotations; about:
    one line; example: a line to type. talks: it has the terminal to itself, as `chat` does.
    """

    target: str
    about: str
    example: str
    talks: bool = False


@dataclass(frozen=True)
class App(Descriptor):
    """Targets are "module:attribute"; "" where the app has nothing of its own.

    name        of its folder and of its command.
    package     dotted name of its folder.
    about       one line.
    command     `castalia NAME`; None for an app that has `commands` alone.
    commands    `castalia NAME WORD`, by the word.
    router      its HTTP routes: a function (table, service) -> fastapi.APIRouter, with paths below
                /api; serving/answers_api.py shows how routes answer.
    demo        what `castalia demo NAME` does: a function of a folder that gives back the page.
    rank        the smaller, the earlier it is listed.
    """

    name: str
    package: str
    about: str
    command: Command | None = None
    commands: Mapping[str, Command] = field(default_factory=dict)
    router: str = ""
    demo: str = ""
    rank: int = 100


@cache
def every() -> Mapping[str, App]:
    """All apps by name, in their order. Raises PluginError for one that cannot be loaded."""
    return descriptors("castalia.apps", "APP", GROUP)


def commands() -> Iterator[tuple[str, Command]]:
    """(words after `castalia`, what they run) of all apps: "demand", "prompt lint"."""
    for one in every().values():
        if one.command is not None:
            yield one.name, one.command
        yield from ((f"{one.name} {word}", command) for word, command in one.commands.items())


more_catalogues(lambda: [one.folder for one in every().values()])
