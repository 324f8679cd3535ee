"""A gap of a text filled by a run, each version through the gate, with its copied lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from castalia.apps.code.copied_lines import Copied, lines_of
from castalia.errors import RecipeError, Refused
from castalia.governance.release_gate import Gate
from castalia.run import Run
from castalia.sampling.edit import edit_of, facts_of, options_of
from castalia.sentences import say
from castalia.verbs.edit import edit

GAP = "[[]]"


@dataclass(frozen=True)
class Version:
    """text: the whole; filled: what stands in the gap; copied: its lines that are copies."""

    text: str
    filled: str
    copied: tuple[Copied, ...]

    def document(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "filled": self.filled,
            "copied": [one.document() for one in self.copied],
        }


def with_gap(text: str, at: int | None) -> str:
    """The text with its one gap: its own mark, else in place of the line `at` (from 1). Raises
    RecipeError where there is no gap, and for a line that there is not.
    """
    if at is None:
        if text.count(GAP) != 1:
            raise RecipeError(
                say("the text has {0} gaps, and one is filled", text.count(GAP)),
                where=GAP,
                fix=say("mark one with {0}, or name a line: --at 12", GAP),
            )
        return text
    lines = text.splitlines(keepends=True)
    if not 1 <= at <= len(lines):
        raise RecipeError(
            say("the text has no line {0}", at),
            where=f"--at {at}",
            fix=say("it has {0} lines", len(lines)),
        )
    line = lines[at - 1]
    indent = line[: len(line) - len(line.lstrip())].rstrip("\n")
    lines[at - 1] = indent + GAP + ("\n" if line.endswith("\n") else "")
    return "".join(lines)


def fill(
    run: Run, text: str, *, count: int = 3, seed: int = 0, temperature: float = 0.7
) -> tuple[list[Version], list[Refused]]:
    """Versions of a text with one gap, and why others were refused: what does not parse is drawn
    again, up to the codec's tries.
    """
    gate, lines = Gate(run, app="code"), lines_of(run)
    gate.prepare_text(text)
    given: dict[str, Any] = {"steps": count, "temperature": temperature}
    before, _, after = text.partition(GAP)
    options = options_of("infill", edit_of("infill", run.codec), given)
    made, refused = [], []
    for whole in edit(run, "infill", [text], seed=seed, progress=False, **given):
        try:
            gate.emit_bytes(whole, gate.facts_of(**facts_of("infill", options, seed, {})))
        except Refused as refusal:
            refused.append(refusal)
            continue
        filled = whole[len(before) : len(whole) - len(after)]
        first = 1 + before.count("\n")
        new = range(first, first + filled.count("\n") + 1)
        made.append(Version(whole, filled, tuple(lines.copied(whole, new))))
    return made, refused
