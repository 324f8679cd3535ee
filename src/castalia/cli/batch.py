"""Items that pass the gate into one folder. What the policy refuses is counted and said; the others go on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from castalia.cli.console import say
from castalia.cli.sheet import write_sheet
from castalia.errors import Refused
from castalia.governance.release import Gate


class Batch:
    """Files `folder`/00000.png ..., numbered by the item's index, and a contact sheet of them."""

    def __init__(self, gate: Gate, folder: Path) -> None:
        self.gate, self.folder = gate, folder
        self.files: list[Path] = []
        self.refused: list[tuple[int, Refused]] = []

    def emit(self, index: int, item: Any, facts: dict[str, Any]) -> bool:
        """Whether the item was written."""
        try:
            self.files.append(self.gate.emit(item, self.folder / f"{index:05d}{self.gate.codec.suffix}", facts))
        except Refused as refusal:
            self.refused.append((index, refusal))
            return False
        return True

    def document(self, title: str) -> dict[str, Any]:
        """What --json prints of it; writes the sheet. Raises the first refusal where nothing was left."""
        if self.refused and not self.files:
            raise self.refused[0][1]
        sheet = write_sheet(self.folder, self.files, title)
        found: dict[str, Any] = {"folder": str(self.folder), "files": [path.name for path in self.files], "sheet": sheet.name}
        if self.refused:
            found["refused"] = [{"index": index, "rule": refusal.where.removeprefix("rule ")} for index, refusal in self.refused]
        return found

    def code(self) -> int:
        """The exit code: that of Refused where anything was; says how much, and by which rules."""
        if not self.refused:
            return 0
        rules = Counter(refusal.where for _, refusal in self.refused)
        counts = ", ".join(f"{count} by {rule}" for rule, count in rules.items())
        say(f"the policy refused {len(self.refused)} of {len(self.refused) + len(self.files)}: {counts}", err=True)
        return Refused.exit_code
