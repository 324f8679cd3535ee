"""What is against a training, said before its first step: too few items for the recipe, too varied
ones for so few, or too large ones for the time.

Cheap: from the data report of the run, a few items that are encoded already, and the forecast.
`castalia check` looks at every file and knows more.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from castalia.checks.check_page import enough_line
from castalia.checks.data_requirements import judge
from castalia.checks.item_scan import of
from castalia.data.windows import Windows
from castalia.language import current
from castalia.sentences import plural, say
from castalia.spec import Dense

if TYPE_CHECKING:
    from castalia.data.stream import Dataset
    from castalia.recipe import Recipe
    from castalia.training.time_forecast import Forecast

LOOKED, LONGEST = 32, 4096  # items that are looked at, and tokens of one
SHARE = 0.1  # of the recipe's steps: with time for fewer, the items are too large for it


def advice(plan: Recipe, dataset: Dataset, forecast: Forecast | None) -> list[str]:
    """Sentences in the current language; none of a run that starts from another one's weights,
    which needs less.
    """
    if plan.start_from is not None or plan.training.tunes:
        return []
    codec, spec = dataset.codec.name, dataset.spec
    check = of(codec)
    facts = {"entries": spec.size} if isinstance(spec, Dense) else {}
    recipe = check.like.get(plan.title, plan.title)
    found = [
        enough_line(one.model_copy(update={"family": plan.title}), current())
        for one in judge(codec, amount(dataset, check.unit), **facts)
        if one.family == recipe and one.verdict != "enough"
    ]
    found += check.cautions(plan, dataset.report)
    steps = plan.training.steps
    if forecast is not None and steps is not None and forecast.steps < SHARE * steps:
        found.append(
            say(
                "too large for {0}: there is time for {1:,} of the {2:,} steps that {3} asks for; "
                "smaller items (codec.size, codec.length), a smaller network (family.width) or "
                "--minutes with more",
                plural("{0:g} minute", "{0:g} minutes", plan.training.minutes or 0.0),
                forecast.steps,
                steps,
                plan.title,
            )
        )
    return found


def amount(dataset: Dataset, unit: str) -> int:
    """About how much there is in the unit of a check: items, copies not counted, or what codecs
    count in an item ("characters", "notes"), from a few of them.
    """
    side, distinct, kind = dataset.train, int(dataset.report["distinct"]), unit.removesuffix("s")
    rows: list[Any]
    if isinstance(side, Windows):
        rows = [document[:LONGEST] for document in islice(side.documents(), LOOKED)]
        whole = sum(dataset.report["tokens"]) / max(1, sum(map(len, rows)))
    else:
        rows = list(side.take(range(min(LOOKED, len(side)))).x)
        whole = distinct / max(1, len(rows))
    units = [dataset.codec.units(dataset.codec.decode(row)) for row in rows]
    seen = sum(one[kind] for one in units if kind in one)
    return round(seen * whole) if any(kind in one for one in units) else distinct
