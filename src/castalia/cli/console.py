"""What verbs share: where text goes, tables, and the progress line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.errors import RecipeError
from castalia.escapes import json_text, one_line, printable

if TYPE_CHECKING:
    from castalia.training.hooks import Progress


# What tells how tuning goes; its loss does not.
TUNING = ("reward/reward", "reward/met", "reward/kl", "reward/nats", "prefer/margin", "prefer/accuracy", "prefer/nats")


def say(*lines: str, err: bool = False) -> None:
    """Lines on stdout or stderr; control characters in them are shown, not obeyed."""
    print(*map(printable, lines), sep="\n", file=sys.stderr if err else sys.stdout, flush=True)


def say_json(document: Any) -> None:
    """One JSON document on stdout; with --json nothing else goes there."""
    print(json_text(json.dumps(document, ensure_ascii=False, indent=2)), flush=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Left-aligned columns, as wide as they need to be."""
    lines = [list(head), *[list(map(one_line, row)) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def duration(seconds: float) -> str:
    """ "42 s", "3 min 10 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def conditions(texts: Iterable[str]) -> dict[str, str | int]:
    """["label=3"] -> {"label": "3"}."""
    pairs: dict[str, str | int] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise RecipeError("a condition is written name=value", where=text, fix="for example --cond label=3")
        pairs[name] = value
    return pairs


class ProgressLine:
    """A training hook: one line that is redrawn on a terminal, one line every ten seconds elsewhere."""

    def __init__(self, title: str = "") -> None:
        self.title, self.last, self.text = title, 0.0, ""
        self.live = sys.stderr.isatty()

    def __call__(self, progress: Progress) -> None:
        if progress.event == "log":
            shown = (
                TUNING if any(name in progress.parts for name in TUNING) else [name for name in progress.parts if name.endswith("/total")]
            )
            losses = "  ".join(f"{name} {progress.parts[name]:.4g}" for name in shown if name in progress.parts)
            share = progress.step / progress.steps
            bar = "█" * round(share * 20) + "░" * (20 - round(share * 20))
            self.text = (
                f"{self.title}{bar} {progress.step}/{progress.steps}  {losses}  {progress.speed:.0f}/s  {duration(progress.left)} left"
            )
            if self.live or progress.step == progress.steps or time.monotonic() - self.last > 10:
                self._show(end="" if self.live else "\n")
        elif progress.event == "end" and self.live:
            print(file=sys.stderr)

    def _show(self, end: str) -> None:
        self.last = time.monotonic()
        print(("\r\x1b[K" if self.live else "") + self.text, end=end, file=sys.stderr, flush=True)


def constraint_of(given: str | None) -> str | None:
    """json:@FILE with the schema itself in place of the file: a manifest holds what was asked, and no path."""
    if given is None or not given.startswith("json:@"):
        return given
    path = Path(given.removeprefix("json:@"))
    try:
        return "json:" + path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError("the schema cannot be read", path, "name a file of UTF-8 text: json:@schema.json") from error
