"""Cases drawn from a run of a table under conditions and rules, and the real rows beside them.

Rows pass through the run's codec as JSON lines, so that a number is a number whatever the source
wrote; what a column means is known to the codec alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from castalia.apps.simulate.experiment import Sheet
from castalia.apps.simulate.rules import Rule, is_number
from castalia.codecs.protocols import Collects, TakesGiven, need
from castalia.errors import DataError, RecipeError, meant
from castalia.governance.release_gate import Gate
from castalia.progress import stage
from castalia.run import Run
from castalia.sampling.generate import Request, generate, request_of
from castalia.sentences import say
from castalia.text_files import tables

BATCH = 1024
TRIES = 40  # drawn rows for each case that is wanted, before the conditions are given up
FIRST_TRIES = 4096
PROBED = 64
MOST_REAL = 50_000  # rows that are set beside the drawn ones
_PLAIN = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,9})?")
Row = dict[str, Any]


@dataclass
class Drawn:
    """rows of cases; tried: how many were drawn for them; broken: rows that each rule refused."""

    rows: list[Row]
    tried: int
    broken: Counter[str] = field(default_factory=Counter)


class Model:
    """A run of a table as a source of cases. Raises RecipeError for a run of anything else."""

    def __init__(self, run: Run) -> None:
        self.run, self.codec = run, run.codec
        for protocol in (Collects, TakesGiven):
            need(
                self.codec,
                protocol,
                say("the run is not one of a table"),
                where=run.folder.name,
                fix=say("train one: castalia train table/ar FILE.csv"),
            )
        self.gate = Gate(run, app="simulate")
        self.family = self.gate.model()
        # a few rows, by which columns and their kinds are known before anything is asked for
        self.probe = self._typed(self._items(PROBED, 0, {}, 0))
        self.names = list(self.probe[0])

    def check(self, sheet: Sheet, arm: str) -> None:
        """Raises RecipeError, naming key and line, for a condition that the model does not know."""
        for name, value in sheet.given(arm).items():
            key = sheet.arm_key(arm, "given", name)
            if name not in self.names:
                raise sheet.error(
                    say("the table has no column '{0}'", name[:80]),
                    key,
                    say("{0}columns: {1}", meant(name, self.names), ", ".join(self.names[:20])),
                )
            try:
                self.codec.partial({name: value})  # type: ignore[attr-defined]
            except RecipeError as error:
                raise sheet.error(error.what, key, error.fix) from error

    def draw(self, sheet: Sheet, arm: str, rules: Sequence[Rule], seed: int, count: int) -> Drawn:
        """`count` cases of an arm. Raises RecipeError where nearly no drawn row keeps the rules."""
        given, kept = sheet.given(arm), list[Any]()
        found, first = Drawn([], 0), 0
        sums = [rule for rule in rules if rule.kind == "sum"]
        others = [rule for rule in rules if rule.kind != "sum"]
        with stage("drawing cases", count, "items") as work:
            while len(kept) < count:
                if found.tried > FIRST_TRIES + TRIES * len(kept):
                    raise _too_rare(sheet, arm, found, len(kept))
                share = (len(kept) + 1) / (found.tried + 1) if found.tried else 1.0
                wanted = math.ceil(1.1 * (count - len(kept)) / max(share, 1 / TRIES))
                size = min(BATCH, max(wanted, 16))
                items = self._items(size, seed, given, first)
                first, found.tried = first + size, found.tried + size
                for item, row in zip(items, self._typed(items), strict=True):
                    broken = [rule for rule in others if rule.broken(row)]
                    found.broken.update(rule.text for rule in broken)
                    if not broken and len(kept) < count:
                        kept.append(item)
                        work.advance(1)
        found.rows = self._typed(kept)
        for row in found.rows:
            for rule in sums:
                _sum(rule, row)
        return found

    def real(self, path: Path) -> list[Row]:
        """Rows of a table that the run's codec reads; MOST_REAL at most."""
        rows = self._typed(list(islice(self.codec.read(path), MOST_REAL)))
        missing = [name for name in self.names if rows and name not in rows[0]]
        if not rows or missing:
            raise DataError(
                say("the table has no column '{0}'", missing[0])
                if missing
                else say("the table is empty"),
                path.name,
                say("give the table that the run was trained on"),
            )
        return rows

    def _items(self, count: int, seed: int, given: dict[str, str], first: int) -> list[Any]:
        options = request_of(self.run, count, seed).options
        request = Request(count, seed, {}, options, first, batch=BATCH, given=dict(given))
        self.gate.prepare(request)
        return [one.item for one in generate(self.run, request, model=self.family)]

    def _typed(self, items: Sequence[Any]) -> list[Row]:
        """The rows of items, numbers as numbers, None where there is no value."""
        if not items:
            return []
        with TemporaryDirectory() as folder:
            file = Path(folder) / "rows.jsonl"
            self.codec.write(self.codec.collected(items), file)  # type: ignore[attr-defined]
            return [
                {name: _number(cell) for name, cell in row.items()}
                for _, row in tables.rows(file)[1]
            ]


def _number(cell: Any) -> Any:
    """Categories that are numbers, such as years of school, as numbers; codes such as 007 stay."""
    if not isinstance(cell, str) or not _PLAIN.fullmatch(cell):
        return cell
    return float(cell) if "." in cell else int(cell)


def matching(rows: Iterable[Row], given: dict[str, str], rules: Sequence[Rule]) -> list[Row]:
    """The rows that meet conditions and rules."""
    return [
        row
        for row in rows
        if all(_equal(row.get(name), value) for name, value in given.items())
        and not any(rule.broken(row) for rule in rules)
    ]


def _equal(cell: Any, value: str) -> bool:
    if is_number(cell):
        try:
            return math.isclose(float(cell), float(value), rel_tol=1e-9, abs_tol=1e-12)
        except ValueError:
            return False
    if isinstance(cell, bool):
        return str(cell).lower() == value.strip().lower()
    return ("" if cell is None else str(cell).strip()) == value.strip()


def _sum(rule: Rule, row: Row) -> None:
    *parts, total = rule.names
    if all(is_number(row.get(name)) for name in parts):
        value = math.fsum(row[name] for name in parts)
        row[total] = round(value, 9)


def _too_rare(sheet: Sheet, arm: str, found: Drawn, kept: int) -> RecipeError:
    worst = found.broken.most_common(1)
    key: tuple[str | int, ...] = ("arms", arm)
    for text, place in sheet.rules(arm):
        if worst and text == worst[0][0]:
            key = place
    return sheet.error(
        say(
            "of {0:,} cases that were drawn for '{1}', {2:,} keep the rules; '{3}' refused {4:,}",
            found.tried,
            arm,
            kept,
            worst[0][0] if worst else "",
            worst[0][1] if worst else 0,
        ),
        key,
        say("loosen the rule, or give a condition that makes it likely"),
    )
