"""What a check of data found: its document, the files, and the items that its page shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from castalia.checks.report_schema import Document
from castalia.codecs.base import Codec


@dataclass
class Shown:
    """Items side by side for the page: why ("bytes", "content", "near", "leak"), their names, the
    native items, how far apart.
    """

    why: str
    names: list[str]
    items: list[Any]
    distance: float | None


@dataclass
class CheckResult:
    """document: what `--json` prints. manifest: of the files. shown: evidence, where it was asked
    for. keep: files that are readable and no copies. codec: what read the items, not fitted.
    """

    document: Document
    manifest: dict[str, Any]
    shown: list[Shown] = field(default_factory=list)
    keep: list[Path] = field(default_factory=list)
    codec: Codec[Any] | None = None
