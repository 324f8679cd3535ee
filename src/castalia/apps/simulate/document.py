"""A simulation as JSON and as files; each says that it is simulated."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.apps.simulate.cases import Row
from castalia.apps.simulate.rules import is_number
from castalia.apps.simulate.simulation import LABEL, Simulation
from castalia.errors import RecipeError
from castalia.sentences import say

MOST_VALUES = 8  # of a category that are listed
WARNING = say(
    "Everything here is simulated. No case in it exists, and simulated cases are no evidence about "
    "real ones: simulated patients say nothing about what a treatment does to real patients."
)


def document(made: Simulation, *, answers: bool = True) -> dict[str, Any]:
    """What --json prints and simulation.json holds. answers: with what was declared and found."""
    experiment = made.sheet.experiment
    found: dict[str, Any] = {
        LABEL: True,
        "warning": str(WARNING),
        "title": experiment.title,
        "seed": experiment.seed,
        **made.origin,
        "columns": list(made.names),
        "notes": [str(one) for one in made.notes],
        "arms": {
            group.name: {
                "cases": len(group.drawn.rows),
                "given": dict(group.given),
                "rules": [rule.text for rule in group.rules],
                "cases_tried": group.drawn.tried,
                "real_rows": None if group.real is None else len(group.real),
            }
            for group in made.groups
        },
    }
    if not answers:
        return found
    for group in made.groups:
        found["arms"][group.name] |= {
            "effects": {
                name: effect.model_dump()
                for name, effect in experiment.arms[group.name].effects.items()
            },
            "summary": {
                kind: {name: summary(rows, name) for name in made.names}
                for kind, rows in (
                    ("real", group.real or []),
                    ("drawn", group.drawn.rows),
                    ("declared", last_rows(made, group.made.rows)),
                )
            },
        }
    found["course"] = None if experiment.course is None else experiment.course.model_dump()
    compare = experiment.compare
    found["comparison"] = None
    if compare is not None and made.comparison is not None:
        one = made.comparison
        found["comparison"] = {
            "column": compare.column,
            "between": list(compare.between),
            "level": compare.level,
            "cases": list(one.n),
            "difference": one.difference,
            "interval": [one.low, one.high],
            "t": one.t if math.isfinite(one.t) else None,
            "p": one.p,
        }
    found["power"] = None if made.power is None else made.power._asdict()
    return found


def last_rows(made: Simulation, rows: Sequence[Row]) -> Sequence[Row]:
    """Those of the last time."""
    course = made.sheet.experiment.course
    times = len(course.times) if course else 1
    return rows[times - 1 :: times]


def summary(rows: Sequence[Row], name: str) -> dict[str, Any] | None:
    """Mean and standard deviation of numbers; shares of the most frequent values of others."""
    values = [row.get(name) for row in rows if row.get(name) not in (None, "")]
    if not values:
        return None
    numbers = [float(value) for value in values if is_number(value)]
    if len(numbers) >= 0.9 * len(values):
        mean = math.fsum(numbers) / len(numbers)
        spread = math.fsum((value - mean) ** 2 for value in numbers)
        return {
            "n": len(numbers),
            "mean": mean,
            "sd": math.sqrt(spread / (len(numbers) - 1)) if len(numbers) > 1 else None,
        }
    counts: dict[str, int] = {}
    for value in values:
        counts[str(value)] = counts.get(str(value), 0) + 1
    top = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    if len(top) > max(MOST_VALUES, len(values) // 2):  # names, codes: nothing to compare
        return {"n": len(values), "different": len(top)}
    return {
        "n": len(values),
        "shares": {value: count / len(values) for value, count in top[:MOST_VALUES]},
    }


def write(made: Simulation, folder: Path, page: str, *, answer_key: bool = False) -> Path:
    """See Simulated.write."""
    folder.mkdir(parents=True, exist_ok=True)
    told = [name for name in ("report.html", "answer-key.csv") if (folder / name).exists()]
    if answer_key and told:
        raise RecipeError(
            say("the folder holds the answers of an earlier simulation: {0}", told[0]),
            folder,
            say("choose another --out, or remove it"),
        )
    gate = made.model.gate
    key = folder / "answer-key" if answer_key else folder
    key.mkdir(exist_ok=True)
    rows = made.rows()
    facts = {
        LABEL: True,
        "warning": str(WARNING),
        "experiment": made.sheet.experiment.title,
        "seed": made.sheet.experiment.seed,
    }
    tables = {
        folder / "simulated.csv": _table([made.header, *rows]),
        key / "answer-key.csv": _table(_answers(made, rows)),
    }
    for path, text in tables.items():
        manifest = gate.facts_of(**facts)
        text = gate.emit_text(text, manifest)
        # before the table appears, so that none ever is without
        atomic.write_json(path.with_suffix(".manifest.json"), manifest)
        atomic.write(path, text)
    atomic.write(
        folder / "simulation.json",
        _json(document(made, answers=not answer_key)),
    )
    if answer_key:
        atomic.write(key / "simulation.json", _json(document(made)))
    path = key / "report.html"
    atomic.write(path, page)
    return path


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _table(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if cell is None else _cell(cell) for cell in row])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _answers(made: Simulation, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """What was drawn and what was declared of each changed cell."""
    timed = made.sheet.experiment.course is not None
    own = 4 if timed else 3
    head = [*made.header[:own], "column", "drawn", "course", "effect", "value"]
    found: list[list[Any]] = [head]
    keys = [key for group in made.groups for key in group.made.key]
    values = [row for group in made.groups for row in group.made.rows]
    for row, key, value in zip(rows, keys, values, strict=True):
        for name, (drawn, course, effect) in key.items():
            found.append([*row[:own], name, drawn, round(course, 9), round(effect, 9), value[name]])
    return found
