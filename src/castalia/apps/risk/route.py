"""POST /api/risk: a file of prices or returns in, its risk and a page out."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData

from castalia.apps.risk.assessing import risk
from castalia.apps.risk.command import numbers_in, rule_of, weights_in
from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.serving.form_routes import Files, form_route
from castalia.serving.forms import number_of, text_of

FIELDS = (
    *("kind", "time", "value", "asset", "weights", "worth", "levels", "horizons", "methods"),
    *("window", "test", "paths", "rule", "cost", "seed"),
)
# a server has others to answer
MOST_HTTP_PATHS, MOST_HTTP_TEST, MOST_HTTP_HORIZONS = 20_000, 2000, 3


def router(table: Any, service: Any) -> APIRouter:
    """The route."""
    return form_route("risk", FIELDS, {"data": 1}, _asked, _assessed)


def _asked(form: FormData) -> dict[str, Any]:
    kind = text_of(form, "kind")
    if kind not in (None, "prices", "returns"):
        raise RecipeError(say("numbers are prices or returns"), f"kind={kind[:40]}", "kind=prices")
    paths = number_of(form, "paths", 10_000, int)
    if paths > MOST_HTTP_PATHS:
        raise RecipeError(
            say("the number of paths is out of range"),
            f"paths={paths}",
            say("100 to {0:,}", MOST_HTTP_PATHS),
        )
    test = number_of(form, "test", None, int)
    if test is not None and test > MOST_HTTP_TEST:
        raise RecipeError(
            say("the back-test of {0} steps does not fit", test),
            f"test={test}",
            say("{0} at most", MOST_HTTP_TEST),
        )
    horizons = numbers_in(text_of(form, "horizons") or "1,10", "horizons", whole=True)
    if len(horizons) > MOST_HTTP_HORIZONS:
        raise RecipeError(
            say("there are too many levels or horizons"),
            f"horizons: {len(horizons)}",
            say("{0} at most", MOST_HTTP_HORIZONS),
        )
    return {
        "kind": kind,
        "time": text_of(form, "time"),
        "asset": text_of(form, "asset"),
        "values": _listed(text_of(form, "value")),
        "weights": weights_in(_listed(text_of(form, "weights"))),
        "value": number_of(form, "worth", None, float),
        "levels": numbers_in(text_of(form, "levels") or "0.95,0.975,0.99", "levels"),
        "horizons": [int(one) for one in horizons],
        "methods": _listed(text_of(form, "methods")),
        "window": number_of(form, "window", None, int),
        "test": test,
        "paths": paths,
        "rule": rule_of(
            text_of(form, "rule") or "20/100", number_of(form, "cost", 0.001, float), None
        ),
        "seed": number_of(form, "seed", 0, int),
    }


def _assessed(asked: dict[str, Any], files: Files, language: str) -> dict[str, Any]:
    """risk.json, and the page."""
    made = risk(files["data"][0], progress=False, **asked)
    return {**made.document(), "page": made.page(language)}


def _listed(text: str | None) -> list[str]:
    return [] if text is None else [one.strip() for one in re.split(r"[,;]", text) if one.strip()]
