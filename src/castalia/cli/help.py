"""Help pages in languages other than English, from the Typer commands; in English, Typer prints
them.
"""

from __future__ import annotations

import shutil
from typing import Any

from castalia.language import constant, say, translate
from castalia.text_width import padded, width, wrapped

WIDEST, INDENT = 80, "  "
FIRST = 30  # columns of the names, at most; what explains a longer one begins on the next line


def page(context: Any, example: str) -> str:
    """The help of a verb in the current language. context: its click context."""
    command = context.command
    columns = min(WIDEST, shutil.get_terminal_size().columns) - 2
    usage = " ".join(
        translate(say("[OPTIONS]")) if piece == "[OPTIONS]" else piece
        for piece in command.collect_usage_pieces(context)
    )
    lines = [translate(say("Usage: {0}", f"{context.command_path} {usage}")), ""]
    lines += [INDENT + line for line in wrapped(constant(command.help or ""), columns)]
    for heading, kind in ((say("Arguments:"), "argument"), (say("Options:"), "option")):
        records = [
            _record(one, context)
            for one in command.get_params(context)
            if one.param_type_name == kind
        ]
        rows = [record for record in records if record is not None]
        if rows:
            lines += ["", translate(heading), *_columns(rows, columns)]
    return "\n".join([*lines, "", INDENT + translate(say("Example: {0}", example))])


def _columns(rows: list[tuple[str, str]], columns: int) -> list[str]:
    first = min(FIRST, max(width(name) for name, _ in rows)) + 2
    lines = []
    for name, about in rows:
        parts = wrapped(about, columns - first)
        if width(name) + 2 > first:
            lines.append(INDENT + name)
        else:
            lines.append((INDENT + padded(name, first) + parts.pop(0)).rstrip())
        lines += [INDENT + " " * first + part for part in parts]
    return lines


def _record(one: Any, context: Any) -> tuple[str, str] | None:
    """(names, what it is) of an argument or an option; None for a hidden one."""
    record = one.get_help_record(context)
    if record is None:
        return None
    names, text = record
    about = one.help or ""
    extra = text.removeprefix(about).strip()
    notes = (
        [translate(_note(note)) for note in extra.removeprefix("[").removesuffix("]").split("; ")]
        if extra.startswith("[")
        else []
    )
    return names, constant(about) + (translate(say(" [{0}]", "; ".join(notes))) if notes else "")


def _note(note: str) -> str:
    """What Typer adds in brackets."""
    if note.startswith("default: "):
        return say("default: {0}", note.removeprefix("default: "))
    return say("required") if note == "required" else note
