"""The page of a plan, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from castalia.apps.demand.items import Item, Planned
from castalia.apps.demand.sales import amount
from castalia.evaluation.base import Estimate
from castalia.evaluation.charts import level_line, plot, ticks
from castalia.language import Voice
from castalia.pages.html import Html
from castalia.pages.render import render
from castalia.sentences import Message, say

MOST_ROWS, CHARTS = 500, 4
WIDE, TALL, LEFT, RIGHT, TOP, BOTTOM = 760, 180, 52.0, 752.0, 10.0, 152.0
POLICIES: dict[str, Message] = {
    "ours": say("this plan"),
    "naive": say("seasonal naive with a margin of safety"),
    "fixed": say("twice the mean demand of the last 13 periods"),
}
PERIODS: dict[str, Message] = {"day": say("days"), "week": say("weeks"), "month": say("months")}
KINDS: dict[str, Message] = {
    "smooth": say("smooth"),
    "erratic": say("erratic"),
    "intermittent": say("intermittent"),
    "lumpy": say("lumpy"),
}


def findings(made: Planned) -> Iterator[str]:
    """Whether the plan can be believed, in sentences."""
    tested, terms = made.tested, made.terms
    yield say(
        "Counted in {0}: an order lasts {1} of them, {2} of which it is on its way.",
        PERIODS[made.sales.period],
        terms.cover,
        terms.lead,
    )
    if tested is None:
        yield say("The history is too short to test the plan on it.")
        return
    reached = tested.service("ours")
    yield say(
        "In the last {0} orders of the past, after {1} of them nothing was missing ({2} to {3}); "
        "asked were {4}.",
        tested.outcomes["ours"].orders,
        _percent(reached.value),
        _percent(reached.low),
        _percent(reached.high),
        _percent(terms.level),
    )
    if abs(reached.value - terms.level) > 0.02:
        yield say("That is more than 2 points off: the past changed on the way, or was too short.")
    cost = tested.cost_against("ours", "naive")
    if cost.high < 1:
        yield say(
            "It cost {0} of what the seasonal naive's stock would have cost: less.", _of(cost)
        )
    elif cost.low > 1:
        yield say(
            "It cost {0} of what the seasonal naive's stock would have cost: more. That one had "
            "nothing missing after {1} of the orders.",
            _of(cost),
            _percent(tested.service("naive").value),
        )
    else:
        yield say(
            "It cost {0} of what the seasonal naive's stock would have cost: no difference is "
            "shown.",
            _of(cost),
        )


def page(made: Planned, language: str) -> str:
    """HTML."""
    voice, tested = Voice(language), made.tested
    whole = made.sales.whole
    return render(
        "demand.html.j2",
        language,
        title=voice.say("Demand of {0}", made.sales.source),
        made=made,
        unit=PERIODS[made.sales.period],
        findings=list(findings(made)),
        policies=[] if tested is None else [_policy(tested, name) for name in tested.outcomes],
        charts=[
            {"title": one.name, "drawing": _chart(made, one, voice)} for one in made.items[:CHARTS]
        ],
        rows=[_row(one, whole) for one in made.items[:MOST_ROWS]],
        more=max(0, len(made.items) - MOST_ROWS),
        ordering=any(one.stock is not None for one in made.items),
        level=_percent(made.terms.level),
    )


def _policy(tested: Any, name: str) -> dict[str, Any]:
    service, filled = tested.service(name), tested.filled(name)
    cost = tested.cost_against(name, "naive")
    return {
        "label": POLICIES[name],
        "service": _of(service),
        "filled": _percent(filled.value),
        "stock": f"{tested.stock_of(name):,.0f}",
        "cost": _percent(cost.value) if name == "naive" else _of(cost),
    }


def _row(one: Item, whole: bool) -> dict[str, Any]:
    return {
        "item": one.item,
        "name": one.name if one.name != one.item else "",
        "kind": KINDS[one.kind],
        "mean": amount(one.mean, False),
        "range": f"{amount(one.quantiles[0], whole)} – {amount(one.quantiles[-1], whole)}",
        "point": amount(one.reorder_point, whole),
        "target": amount(one.order_up_to, whole),
        "stock": "" if one.stock is None else amount(one.stock, whole),
        "order": "" if one.order_now is None else amount(one.order_now, whole),
        "notes": list(one.notes),
    }


def _chart(made: Planned, one: Item, voice: Voice) -> Html:
    """Bars of what was sold in each period, and the level that is kept for one order."""
    place = made.sales.items.index(one.item)
    units, first = made.sales.units[place], int(made.sales.first[place])
    shown = units[first:] if len(units) - first <= 120 else units[-120:]
    begin = len(units) - len(shown)
    levels = ticks(0.0, max(float(shown.max()), one.order_up_to, 1.0), 5)
    top = levels[-1]

    def up(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / top

    step = (RIGHT - LEFT) / len(shown)
    parts = [level_line(LEFT, RIGHT, up(level), f"{level:g}") for level in levels]
    for number in np.flatnonzero(shown).tolist():
        y = up(float(shown[number]))
        parts.append(
            f'<rect class="band" x="{LEFT + step * number:.1f}" y="{y:.1f}" '
            f'width="{max(1.0, step * 0.8):.1f}" height="{BOTTOM - y:.1f}"/>'
        )
    y = up(one.order_up_to)
    parts.append(f'<polyline class="line" points="{LEFT},{y:.1f} {RIGHT},{y:.1f}"/>')
    for number, anchor in ((0, "start"), (len(shown) - 1, "end")):
        x = LEFT if number == 0 else RIGHT
        day = made.sales.starts[begin + number].isoformat()
        parts.append(f'<text x="{x}" y="{BOTTOM + 18}" text-anchor="{anchor}">{day}</text>')
    label = voice.say(
        "units of {0} sold in each period; the line is the stock kept for one order", one.name
    )
    return plot(parts, WIDE, TALL, label)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _of(one: Estimate) -> str:
    return f"{_percent(one.value)} ({_percent(one.low)} – {_percent(one.high)})"
