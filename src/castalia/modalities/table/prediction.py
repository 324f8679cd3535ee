"""A column predicted from the others: what is asked of the model, and how its answer is written.

A category gets its likeliest value and the probability of each value; a number its median, its mean
and the interval that holds nine tenths. Where the truth stands in the file, the predictions are
scored: share right and log loss of categories (and how far stated probabilities are from what came:
the expected calibration error, Naeini et al. 2015), mean absolute error and coverage of numbers.
`codec` is a TableCodec, which uses this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.codecs.protocols import Question
from castalia.errors import RecipeError, SpecError
from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.columns.discrete import Derived
from castalia.modalities.table.row import Cell, Header, Row
from castalia.sentences import say
from castalia.spec import Tokens

MOST_SHOWN = 12  # values of a category whose probability is written
LEAST, MOST = 0.05, 0.95  # quantiles of a number
CALIBRATION = 10  # bins of stated probabilities


def question(codec: Any, items: Sequence[Row], name: str) -> Question:
    """See Foretells. A cell that is missing though the training data never miss there is open."""
    if not isinstance(codec.spec, Tokens):
        raise SpecError(
            say("only runs of tokens predict"), "codec.form=dense", say("train table/ar")
        )
    column = codec.column(name, "--column")
    if isinstance(column, Derived):
        raise RecipeError(
            say("the column '{0}' follows from '{1}'", name, column.source),
            where=f"--column {name}",
            fix=say("predict {0}", column.source),
        )
    slot = codec.slot(name)
    if slot is None:
        raise RecipeError(
            say("nothing of the column '{0}' is learned ({1})", name, column.kind),
            where=f"--column {name}",
            fix=say("codec.columns.{0}=category would learn it", name),
        )
    xs, keeps = [], []
    for item in items:
        cells = dict(zip(codec.names, codec.cells_of(item, whole=False), strict=True))
        row = Row(codec.header, tuple(cells[one] for one in codec.names))
        xs.append(codec.encode(row).long())
        keeps.append(
            [True, *(one.name != name and _known(one, cells[one.name]) for one in codec.learned)]
        )
    return Question(torch.stack(xs), torch.tensor(keeps), slot + 1)


def _known(column: object, cell: Cell) -> bool:
    """Whether a cell says something: a value, or a gap as the training data have them."""
    if not is_missing(cell):
        return True
    known = column.specials if isinstance(column, Binned) else getattr(column, "values", [])
    return cell is not None and cell in known


def answer(
    codec: Any, items: Sequence[Row], name: str, probabilities: Tensor
) -> tuple[list[Row], dict[str, float]]:
    """See Foretells."""
    column, slot = codec.column(name, "--column"), codec.slot(name)
    if not items or slot is None:
        return [], {}
    first, last = codec.token_range(slot)
    chances = probabilities[:, first:last].double()
    chances = chances / chances.sum(1, keepdim=True).clamp_min(1e-12)
    truth = [item.get(name) for item in items]
    if isinstance(column, Binned):
        return _numbers(column, items, name, chances, truth)
    values: list[str] = list(column.values)  # type: ignore[attr-defined]
    shown = values[:MOST_SHOWN]
    names = (f"{name} (predicted)", *(f"p({value})" for value in shown))
    best = chances.argmax(1).tolist()
    made = [
        _beside(item, names, [values[place], *(f"{p:.4f}" for p in row[: len(shown)])])
        for item, place, row in zip(items, best, chances.tolist(), strict=True)
    ]
    known = [
        (number, column.encode(cell))
        for number, cell in enumerate(truth)
        if cell is not None and cell in values
    ]
    return made, _scores(chances, known)


def _scores(chances: Tensor, known: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Of a category: share right, log loss in nats, expected calibration error."""
    if not known:
        return {}
    rows = torch.tensor([row for row, _ in known])
    true = torch.tensor([token for _, token in known])
    picked = chances[rows]
    sure, guess = picked.max(1)
    right = (guess == true).double()
    loss = -picked.gather(1, true[:, None]).clamp_min(1e-12).log().mean()
    bins = (sure * CALIBRATION).long().clamp_max(CALIBRATION - 1)
    error = sum(
        float((right[bins == one].mean() - sure[bins == one].mean()).abs())
        * int((bins == one).sum())
        for one in range(CALIBRATION)
        if bool((bins == one).any())
    ) / len(known)
    return {
        "rows": float(len(known)),
        "accuracy": float(right.mean()),
        "log loss": float(loss),
        "calibration error": error,
    }


def _numbers(
    column: Binned, items: Sequence[Row], name: str, chances: Tensor, truth: Sequence[Cell]
) -> tuple[list[Row], dict[str, float]]:
    """A number's median, mean and quantiles, given that it is not missing."""
    start = len(column.specials)
    mass = chances[:, start:]
    missing = chances[:, :start].sum(1).tolist()
    mass = mass / mass.sum(1, keepdim=True).clamp_min(1e-12)
    below = mass.cumsum(1)
    middles = torch.tensor([column.middle(start + place) for place in range(mass.shape[1])])
    means = (mass @ middles.double()).tolist()
    names = tuple(
        f"{name} ({what})" for what in ("predicted", "mean", "5%", "95%", "chance of none")
    )
    made, errors, inside = [], [], []
    for number, item in enumerate(items):
        cells = [_at(column, below[number], share) for share in (0.5, LEAST, MOST)]
        made.append(
            _beside(
                item,
                names,
                [cells[0], f"{means[number]:.6g}", cells[1], cells[2], f"{missing[number]:.4f}"],
            )
        )
        cell = truth[number]
        true = None if cell is None or is_missing(cell) else column.value(cell)
        low, middle, high = (column.value(cells[place]) for place in (1, 0, 2))
        if true is None or low is None or middle is None or high is None:
            continue
        errors.append(abs(true - middle))
        inside.append(low <= true <= high)
    if not errors:
        return made, {}
    return made, {
        "rows": float(len(errors)),
        "mean absolute error": sum(errors) / len(errors),
        "within 5% to 95%": sum(inside) / len(inside),
    }


def _at(column: Binned, below: Tensor, share: float) -> str:
    """The cell at a quantile of a distribution over bins."""
    place = min(int(torch.searchsorted(below, share)), len(column.bins) - 1)
    before = float(below[place - 1]) if place else 0.0
    width = max(float(below[place]) - before, 1e-12)
    part = min(max((share - before) / width, 0.0), 1.0 - 1e-9)
    return column.scale.write(column.bins[place].at(part, column.step))


def _beside(item: Row, names: tuple[str, ...], cells: Sequence[str]) -> Row:
    header = item.header
    wide = _WIDER.get((header.names, names))
    if wide is None:
        wide = Header((*header.names, *names), header.dialect, header.label)
        _WIDER.clear()
        _WIDER[header.names, names] = wide
    return Row(wide, (*item.cells, *cells))


_WIDER: dict[tuple[tuple[str, ...], tuple[str, ...]], Header] = {}  # the last one made


def rated(items: Sequence[Row], nats: Tensor) -> list[Row]:
    """The rows with -log of their probability."""
    return [
        _beside(item, ("nats",), [f"{value:.3f}"])
        for item, value in zip(items, nats.tolist(), strict=True)
    ]
