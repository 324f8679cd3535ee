"""castalia clean: caches in $CASTALIA_HOME."""

from __future__ import annotations

from typing import Annotated

import typer

from castalia.cli.console import say, say_json, table


def command(
    remove: Annotated[bool, typer.Option("--yes", help="remove them; they are built again when needed")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """List caches of encoded data, and remove them with --yes. Runs are never touched."""
    from castalia.data.stream import list_caches, remove_cache
    from castalia.places import home

    found = list_caches()
    if remove:
        for cache in found:
            remove_cache(cache["key"])
    if json:
        say_json({"home": str(home()), "caches": found, "removed": remove})
    elif not found:
        say(f"no caches in {home()}")
    else:
        say(table(["cache", "MB", "from"], [[cache["key"][:16], f"{cache['bytes'] / 2**20:.1f}", cache["source"]] for cache in found]), "")
        say("removed" if remove else "remove them with: castalia clean --yes")
    return 0
