"""castalia clean [KEY ...] [--yes]: what $CASTALIA_HOME holds, what it belongs to, and its removal,
whole or one by one.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from castalia import bounded
from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.errors import DataError
from castalia.language import constant
from castalia.sentences import say, series
from castalia.units import size


def command(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY]...", help="only these, by key or the beginning of one; default: all"
        ),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--yes", help="remove them; they are built again when needed")
    ] = False,
    json: AsJson = False,
) -> int:
    """List caches and what they belong to; remove them, or those named, with --yes. Runs are never
    touched.
    """
    from castalia.user_dirs import home

    caches = chosen(entries(), keys or [])
    if remove:
        for entry in caches:
            _remove(entry)
    if json:
        say_json({"home": str(home()), "caches": caches, "removed": remove})
    elif not caches:
        echo(say("no caches in {0}", home()))
    else:
        head = [say("cache"), say("holds"), say("size"), say("from"), say("runs"), say("last used")]
        echo(table(head, [_row(entry) for entry in caches]), "")
        total = size(sum(entry["bytes"] for entry in caches))
        named = " ".join(["castalia clean", *(keys or [])])
        echo(
            say("removed: {0}", total)
            if remove
            else say("{0} in {1}; remove them with: {2} --yes", total, home(), named)
        )
    return 0


def entries() -> list[dict[str, Any]]:
    """Every cache, largest first: {"key", "kind", "bytes", "source", "runs", "used"}. runs: names
    of those made here that read it.
    """
    from castalia.data.stream import list_caches
    from castalia.user_dirs import home

    users = _users()
    caches = [
        {**cache, "kind": "encoded data", "path": str(home() / "cache" / cache["key"])}
        for cache in list_caches()
    ]
    for folder, kind in (("bases", "pretrained model"), ("archives", "opened archive")):
        caches += [
            _stored(path, kind) for path in sorted((home() / folder).glob("*")) if path.is_dir()
        ]
    for entry in caches:
        entry["runs"] = (
            users.get(entry["source"], [])
            if entry["kind"] != "pretrained model"
            else users.get(entry["key"], [])
        )
    return sorted(caches, key=lambda entry: -int(entry["bytes"]))


def chosen(caches: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any]]:
    """Those whose key begins with one of `keys`; all without keys. Raises DataError for a key that
    names none, or several.
    """
    if not keys:
        return caches
    result: list[dict[str, Any]] = []
    for key in keys:
        matching = [entry for entry in caches if entry["key"].startswith(key)]
        if len(matching) != 1 or not key:
            what = (
                say("there is no such cache")
                if not matching
                else say("{0} caches begin like this", len(matching))
            )
            raise DataError(what, key, "castalia clean lists them")
        result += [entry for entry in matching if entry not in result]
    return result


def _stored(path: Path, kind: str) -> dict[str, Any]:
    """A folder that something was unpacked or converted into; castalia.json in it says
    from what.
    """
    files = [file for file in path.rglob("*") if file.is_file()]
    try:
        source = str(
            bounded.parse_json(bounded.read_bytes(path / "castalia.json", "json_bytes"))["source"]
        )
    except (DataError, KeyError, TypeError):
        source = "(unknown)"
    used = max((file.stat().st_mtime for file in files), default=path.stat().st_mtime)
    return {
        "key": path.name,
        "kind": kind,
        "bytes": sum(file.stat().st_size for file in files),
        "source": source,
        "used": used,
        "path": str(path),
    }


def _users() -> dict[str, list[str]]:
    """Data sources and digests of pretrained models -> the runs made here that name them."""
    from castalia.user_dirs import known_folders

    users: dict[str, list[str]] = {}
    for folder in known_folders():
        try:
            recipe = bounded.parse_json(bounded.read_bytes(folder / "run.json", "json_bytes"))[
                "recipe"
            ]
            named = [recipe["data"]["source"], recipe["family"].get("base")]
        except (DataError, KeyError, TypeError, AttributeError):
            continue
        for name in named:
            if isinstance(name, str):
                users.setdefault(name, []).append(folder.name)
    return users


def _remove(entry: dict[str, Any]) -> None:
    from castalia.data.stream import remove_cache

    if entry["kind"] == "encoded data":
        remove_cache(entry["key"])
    else:
        shutil.rmtree(entry["path"])


def _row(entry: dict[str, Any]) -> list[Any]:
    runs = entry["runs"]
    shown = (
        "-"
        if not runs
        else series(runs)
        if len(runs) <= 2
        else say("{0} and {1} more", series(runs[:2]), len(runs) - 2)
    )
    when = time.strftime("%Y-%m-%d", time.localtime(entry["used"]))
    return [
        entry["key"][:16],
        constant(entry["kind"]),
        size(entry["bytes"]),
        constant(entry["source"]),
        shown,
        when,
    ]
