"""POST /api/lesson: exercises and pages out; POST /api/lesson/check: a file of exercises in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData

from castalia.apps.lesson.file_checks import checked
from castalia.apps.lesson.making import lesson
from castalia.apps.lesson.options import band_of, signs_of, steps_of
from castalia.errors import RecipeError
from castalia.language import Voice
from castalia.sentences import say
from castalia.serving.form_routes import Files, form_route
from castalia.serving.forms import field_of, number_of, text_of

FIELDS = ("kinds", "n", "steps", "largest", "signs", "band", "longest", "roster", "title", "seed")
MOST_HTTP = 200  # exercises: a server has others to answer


def router(table: Any, service: Any) -> APIRouter:
    """The routes."""
    given = {"text": 1, "words": 1}
    routes = APIRouter()
    routes.include_router(form_route("lesson", FIELDS, given, _asked, _made, needs_file=False))
    routes.include_router(form_route("lesson/check", (), {"data": 1, **given}, _nothing, _checked))
    return routes


def _asked(form: FormData) -> dict[str, Any]:
    number = number_of(form, "n", 20, int)
    if number > MOST_HTTP:
        raise RecipeError(
            say("the number of exercises is out of range"),
            f"n={number}",
            say("{0:,} to {1:,}", 1, MOST_HTTP),
        )
    return {
        "kinds": field_of(form, "kinds").replace(",", " ").split(),
        "n": number,
        "steps": steps_of(text_of(form, "steps") or "1-3"),
        "largest": number_of(form, "largest", 100, int),
        "signs": signs_of(text_of(form, "signs") or "+-*/"),
        "band": band_of(text_of(form, "band")),
        "longest": number_of(form, "longest", None, float),
        "roster": [one for one in (text_of(form, "roster") or "").splitlines() if one.strip()],
        "title": (text_of(form, "title") or "")[:200],
        "seed": number_of(form, "seed", 0, int),
    }


def _made(asked: dict[str, Any], files: Files, language: str) -> dict[str, Any]:
    """lesson.json, and the pages."""
    given: dict[str, Any] = {name: files[name][0] for name in ("text", "words") if name in files}
    made = lesson(**asked, **given, language=None if "text" in given else language)
    return {**made.document(), "worksheet": made.worksheet(), "key": made.key()}


def _nothing(form: FormData) -> None:
    return None


def _checked(asked: None, files: Files, language: str) -> dict[str, Any]:
    given = [files[name][0] if name in files else None for name in ("text", "words")]
    found: dict[str, Any] = Voice(language).plain(checked(files["data"][0], *given).document())
    return found
