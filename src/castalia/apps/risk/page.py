"""The page of an assessment."""

from __future__ import annotations

import math
from typing import Any

from castalia.apps.risk import drawing
from castalia.apps.risk.assessment import Assessment, Traded
from castalia.apps.risk.backtest import Tested, verdict
from castalia.apps.risk.document import WARNING, one_step, summary
from castalia.apps.risk.market import span
from castalia.apps.risk.methods import LABELS
from castalia.language import Voice
from castalia.pages.render import render
from castalia.sentences import Message, say

ZONES: dict[str, Message] = {
    "green": say("green"),
    "yellow": say("yellow"),
    "red": say("red"),
    "": say("–"),
}


def page(made: Assessment, language: str) -> str:
    """HTML."""
    voice, found = Voice(language), made.market
    weights = ", ".join(
        f"{name} {weight:.1%}" for name, weight in zip(found.names, made.weights, strict=True)
    )
    horizons = list(dict.fromkeys(one.horizon for one in made.estimates))
    return render(
        "risk.html.j2",
        language,
        title=voice.say("Risk of {0}", found.source),
        made=made,
        market=found,
        weights=weights,
        horizons=[(horizon, span(found.step, horizon)) for horizon in horizons],
        levels=list(dict.fromkeys(one.level for one in made.estimates)),
        rows=[
            {"label": LABELS[name], "cells": _cells(made, name, horizons)} for name in made.methods
        ],
        verdict=verdict(one_step(made)),
        tables=[
            {
                "horizon": horizon,
                "span": span(found.step, horizon),
                "rows": [_row(one) for one in made.tests if one.horizon == horizon],
            }
            for horizon in horizons
            if any(one.horizon == horizon for one in made.tests)
        ],
        courses=_courses(made, voice),
        trading=None if made.traded is None else _trading(made.traded, found.step, voice),
        warning=WARNING,
    )


def percent(value: float) -> str:
    """A share for people."""
    return f"{100 * value:.2f}%"


def money(made: Assessment, share: float) -> str:
    """What a share of the portfolio is worth; "" where its value is not known."""
    return "" if made.value is None else f"{share * made.value:,.0f}"


def _cells(made: Assessment, name: str, horizons: list[int]) -> list[dict[str, str]]:
    return [
        {
            "var": percent(one.var),
            "es": percent(one.es),
            "var_money": money(made, one.var),
            "es_money": money(made, one.es),
        }
        for horizon in horizons
        for one in made.estimates
        if one.method == name and one.horizon == horizon
    ]


def _row(one: Tested) -> dict[str, Any]:
    return {
        "label": LABELS[one.method],
        "level": f"{100 * one.level:.4g}%",
        "exceedances": f"{one.cover.exceedances} / {one.cover.days}",
        "expected": f"{one.cover.expected:.1f}",
        "kupiec": p_value(one.cover.kupiec),
        "independence": p_value(one.cover.independence),
        "joint": p_value(one.cover.joint),
        "z": f"{one.tail.z:.2f}",
        "tail": p_value(one.tail.p),
        "zone": ZONES[one.zone],
        "words": one.words(),
        "rejected": bool(one.rejected),
    }


def p_value(value: float) -> str:
    """A p-value for people; – where nothing was tested."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _courses(made: Assessment, voice: Voice) -> list[dict[str, Any]]:
    """Drawings of the strictest level, for each method."""
    tests = one_step(made)
    if not tests:
        return []
    top = max(one.level for one in tests)
    chosen = [one for one in tests if one.level == top]
    return [
        {
            "caption": say(
                "{0}: returns, the value at risk of {1}, and {2} exceedances",
                LABELS[one.method],
                f"{100 * top:.4g}%",
                one.cover.exceedances,
            ),
            "drawing": drawing.course(
                one,
                [made.market.when(step) for step in one.steps.tolist()],
                voice(LABELS[one.method]),
            ),
        }
        for one in chosen
    ]


def _trading(made: Traded, step: str, voice: Voice) -> dict[str, Any]:
    def row(label: str, outcome: Any, beside: bool) -> dict[str, Any]:
        one = summary(outcome)
        return {
            "label": label,
            "low": percent(one["low"]) if beside else "",
            "median": percent(one["median"]),
            "high": percent(one["high"]) if beside else "",
            "loses": percent(one["loses"]) if beside else "",
            "drawdown": percent(one["drawdown"]),
            "changes": f"{one['changes']:.1f}",
            "costs": percent(one["costs"]),
        }

    beats = float((made.drawn.total > made.drawn_holding.total).mean())
    return {
        "made": made,
        "span": span(step, made.steps),
        "past_span": span(step, made.past_steps),
        "paths": LABELS[made.method],
        "beats": percent(beats),
        "drawn": [
            row(say("the rule"), made.drawn, True),
            row(say("holding all the time"), made.drawn_holding, True),
        ],
        "past": [
            row(say("the rule, on the data"), made.past, False),
            row(say("holding, on the data"), made.past_holding, False),
        ],
        "drawing": drawing.outcomes(
            made.drawn.total,
            made.drawn_holding.total,
            voice.say("totals of drawn courses: the rule and holding"),
        ),
    }
