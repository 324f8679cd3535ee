"""POST /api/demand: a file of sales in, a plan and its page out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData

from castalia.apps.demand.page import page
from castalia.apps.demand.plan import demand
from castalia.serving.form_routes import Files, form_route
from castalia.serving.forms import field_of, number_of, text_of

NUMBERS = ("lead", "review", "service", "under", "over")
FIELDS = ("item", "time", "units", "name", "period", *NUMBERS, "seed")


def router(table: Any, service: Any) -> APIRouter:
    """The route."""
    return form_route("demand", FIELDS, {"data": 1, "stock": 1}, _asked, _planned)


def _asked(form: FormData) -> dict[str, Any]:
    usual = {"lead": 7.0, "review": 7.0}
    return {
        "item": field_of(form, "item"),
        "time": field_of(form, "time"),
        "units": text_of(form, "units"),
        "name": text_of(form, "name"),
        "period": text_of(form, "period"),
        "seed": number_of(form, "seed", 0, int),
        **{name: number_of(form, name, usual.get(name), float) for name in NUMBERS},
    }


def _planned(asked: dict[str, Any], files: Files, language: str) -> dict[str, Any]:
    """plan.json, and the page."""
    stock = files["stock"][0] if "stock" in files else None
    made = demand(files["data"][0], stock=stock, progress=False, **asked)
    return {**made.document(), "page": page(made, language)}
