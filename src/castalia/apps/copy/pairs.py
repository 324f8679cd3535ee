"""Two tones side by side, judged blind: a sheet of pairs, and a paired test of what was preferred.

The sheet has a text in each of the two tones for every product, left and right by a fair draw, and
does not say which is which; pairs-key.csv does. People write left, right or nothing into the column
`preferred` of pairs.csv. The test is exact: under no difference, each of those who preferred one
would have preferred the other as well (a sign test, which is McNemar 1947 for pairs); the interval
of the share is that of Clopper and Pearson (1934). Those without a preference count for neither.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from castalia import atomic
from castalia.apps.copy.making import Copies, Text
from castalia.errors import DataError, RecipeError
from castalia.evaluation.exact_tests import LEVEL, lower_bound, mcnemar, upper_bound
from castalia.language import current
from castalia.pages.render import render
from castalia.sentences import Message, say
from castalia.text_files import columns

COLUMNS, KEY = ("number", "product", "left", "right", "preferred"), ("number", "left", "right")
SIDES = {"left": "left", "right": "right", "左": "left", "右": "right"}
MOST = 2000  # pairs of a sheet


@dataclass(frozen=True)
class Preference:
    """wins: how often the first tone was preferred; losses: the second; ties: neither. low, high:
    95% interval of the first one's share among those with a preference. p: two-sided.
    """

    first: str
    second: str
    wins: int
    losses: int
    ties: int
    low: float
    high: float
    p: float

    @property
    def share(self) -> float:
        return self.wins / max(1, self.wins + self.losses)

    def document(self) -> dict[str, Any]:
        return {**vars(self), "share": self.share, "shown": self.p <= LEVEL}

    def sentence(self) -> Message:
        """What may be said."""
        values = (self.first, self.second, self.wins, self.wins + self.losses, self.p)
        if self.p > LEVEL:
            return say(
                "“{0}” was preferred to “{1}” in {2} of {3} pairs; no difference is shown "
                "(p {4:.3f})",
                *values,
            )
        if self.wins > self.losses:
            return say("“{0}” is preferred to “{1}”: in {2} of {3} pairs (p {4:.3f})", *values)
        return say("“{1}” is preferred to “{0}”, which had {2} of {3} pairs (p {4:.3f})", *values)


def write_pairs(made: Copies, folder: Path | None) -> Path:
    """pairs.csv, pairs-key.csv and pairs.html in `folder`; the page. Raises RecipeError where there
    are not two tones and one form, or no folder.
    """
    if folder is None or len(made.tones) != 2 or len(made.forms) != 1:
        raise RecipeError(
            say("pairs are of two tones and one form, in a folder"),
            "--pairs",
            "--tone friendly --tone plain --form ad --out DIR",
        )
    folder.mkdir(parents=True, exist_ok=True)
    rows = _pairs(made)
    atomic.write(folder / "pairs.csv", _table(COLUMNS, [row[:5] for row in rows]))
    key = [(row[0], row[5], row[6]) for row in rows]
    atomic.write(folder / "pairs-key.csv", _table(KEY, key))
    page = folder / "pairs.html"
    words = {"title": made.source.name, "rows": rows}
    atomic.write(page, render("pairs.html.j2", current(), **words))
    return page


def compared(judged: Path, key: Path | None = None) -> Preference:
    """The test of a filled-in pairs.csv. Raises DataError for one that is not filled in, and for a
    key of another sheet.
    """
    table = columns.read(judged)
    told = columns.read(key or judged.with_name("pairs-key.csv"), KEY)
    tones = {
        number: {"left": left, "right": right}
        for number, left, right in zip(*(told.cells(name) for name in KEY), strict=True)
    }
    first, second = sorted({tone for one in tones.values() for tone in one.values()})[:2]
    wins = losses = ties = 0
    numbers, choices = table.cells("number"), table.cells("preferred")
    for row, (number, choice) in enumerate(zip(numbers, choices, strict=True)):
        side = SIDES.get(choice.strip().lower(), "")
        if number not in tones or (choice.strip() and not side):
            raise DataError(
                say("a preference is left, right or empty, for a pair of the key"),
                table.place("preferred", row),
                say("mend the cell"),
            )
        ties += not side
        wins += bool(side) and tones[number][side] == first
        losses += bool(side) and tones[number][side] == second
    if not wins + losses:
        raise DataError(say("no preference is filled in"), judged.name, say("write left or right"))
    tail, n = (1 - 0.95) / 2, wins + losses
    low, high = lower_bound(wins, n, 1 - tail), upper_bound(wins, n, 1 - tail)
    return Preference(first, second, wins, losses, ties, low, high, mcnemar(wins, losses))


def _pairs(made: Copies) -> list[tuple[Any, ...]]:
    """(number, product, left, right, "", tone of the left, of the right)."""
    texts: dict[str, dict[str, list[Text]]] = {}
    for one in made:
        if isinstance(one, Text) and len(texts) <= MOST:
            texts.setdefault(one.name, {}).setdefault(one.tone, []).append(one)
    rows: list[tuple[Any, ...]] = []
    rng = Random(made.seed)
    for name, by_tone in texts.items():
        for two in zip(*(by_tone.get(tone, []) for tone in made.tones), strict=False):
            left, right = two if rng.random() < 0.5 else two[::-1]
            rows.append((len(rows) + 1, name, left.words, right.words, "", left.tone, right.tone))
    return rows[:MOST]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(rows)
    return "\ufeff" + out.getvalue()
