"""Output of verbs: text, JSON and tables, in the current language."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from castalia import bounded, progress
from castalia.errors import RecipeError
from castalia.escapes import json_text, one_line, printable
from castalia.language import translate
from castalia.sentences import say
from castalia.text_width import padded, width
from castalia.units import duration

__all__ = ["conditions", "constraint_of", "duration", "echo", "open_page", "say_json", "table"]


def echo(*lines: str, err: bool = False) -> None:
    """Lines on stdout or stderr, in the current language; control characters in them are shown, not
    obeyed.
    """
    with progress.paused():
        print(
            *(printable(translate(line)) for line in lines),
            sep="\n",
            file=sys.stderr if err else sys.stdout,
            flush=True,
        )


def say_json(document: Any) -> None:
    """One JSON document on stdout; with --json nothing else goes there."""
    with progress.paused():
        print(json_text(json.dumps(document, ensure_ascii=False, indent=2)), flush=True)


def open_page(page: Path | str) -> None:
    """A file or an address in the browser, where there is a screen; else nothing."""
    if sys.stdout.isatty() and (
        sys.platform == "darwin"
        or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    ):
        webbrowser.open(page if isinstance(page, str) else page.resolve().as_uri())


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """Left-aligned columns, as wide as they need to be, in the current language."""
    lines = [[one_line(translate(cell)) for cell in row] for row in [head, *rows]]
    widths = [max(width(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(map(padded, line, widths)).rstrip() for line in lines)


def conditions(texts: Iterable[str]) -> dict[str, str | int]:
    """["label=3"] -> {"label": "3"}."""
    return dict(pairs_of(texts, say("a condition is written name=value"), "--cond label=3"))


def pairs_of(texts: Iterable[str], what: str, example: str) -> dict[str, str]:
    """["name=value"] -> {"name": "value"}. Raises RecipeError(what) for one without a sign."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise RecipeError(
                what,
                where=text,
                fix=say("for example {0}", example),
            )
        pairs[name] = value
    return pairs


def constraint_of(given: str | None) -> str | None:
    """json:@FILE with the schema itself in place of the file: a manifest holds what was asked, and
    no path.
    """
    if given is None or not given.startswith("json:@"):
        return given
    path = Path(given.removeprefix("json:@"))
    try:
        return "json:" + bounded.read_text(path, "settings_bytes", RecipeError).strip()
    except RecipeError as error:
        raise RecipeError(
            say("the schema cannot be read: {0}", error.what),
            path,
            say("name a file of UTF-8 text: json:@schema.json"),
        ) from error
