"""POST /api/recommend: a file of events in, suggestions and their page out. It trains nothing: a
server's one thread of computing is for its runs, so the transformer has no part.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData

from castalia.apps.recommend.suggesting import recommend
from castalia.apps.recommend.writing import document, page
from castalia.serving.form_routes import Files, form_route
from castalia.serving.forms import field_of, number_of, text_of

FIELDS = ("user", "item", "time", "name", "weight", "for", "n", "method", "seed")


def router(table: Any, service: Any) -> APIRouter:
    """The route."""
    return form_route("recommend", FIELDS, {"data": 1, "without": 1}, _asked, _suggested)


def _asked(form: FormData) -> dict[str, Any]:
    one = text_of(form, "for")
    return {
        "user": field_of(form, "user"),
        "item": field_of(form, "item"),
        "time": field_of(form, "time"),
        "name": text_of(form, "name"),
        "weight": text_of(form, "weight"),
        "users": [] if one is None else [one],
        "n": number_of(form, "n", 10, int),
        "method": text_of(form, "method") or "blend",
        "seed": number_of(form, "seed", 0, int),
    }


def _suggested(asked: dict[str, Any], files: Files, language: str) -> dict[str, Any]:
    """The document with its suggestions, and the page."""
    without = files["without"][0] if "without" in files else None
    made = recommend(files["data"][0], without=without, minutes=0, progress=False, **asked)
    return {**document(made), "page": page(made, language)}
