"""POST /api/copy: a table of products in, texts out; POST /api/copy/check: texts and a table in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData

from castalia.apps.copy.file_checks import checked
from castalia.apps.copy.making import Text, copy
from castalia.apps.copy.writing import Summary, copy_page, entry, problem
from castalia.errors import DataError
from castalia.language import Voice
from castalia.sentences import say
from castalia.serving.form_routes import Files, form_route
from castalia.serving.forms import number_of, text_of

FIELDS = ("tone", "form", "n", "name", "currency", "seed")
MOST_HTTP = 2000  # texts of an answer: a server has others to answer


def router(table: Any, service: Any) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    routes.include_router(form_route("copy", FIELDS, {"data": 1}, _asked, _made))
    given = {"texts": 1, "data": 1}
    routes.include_router(
        form_route("copy/check", ("name", "currency"), given, _of_table, _checked)
    )
    return routes


def _asked(form: FormData) -> dict[str, Any]:
    return {
        "tone": (text_of(form, "tone") or "plain").split(","),
        "form": (text_of(form, "form") or "ad").split(","),
        "n": number_of(form, "n", 3, int),
        "seed": number_of(form, "seed", 0, int),
        **_of_table(form),
    }


def _of_table(form: FormData) -> dict[str, str]:
    return {name: (text_of(form, name) or "")[:200] for name in ("name", "currency")}


def _made(asked: dict[str, Any], files: Files, language: str) -> dict[str, Any]:
    """The texts, the rows that are left out, and the page."""
    made, summary = copy(files["data"][0], **asked), Summary()
    texts = []
    for one in made:
        summary.take(one)
        texts += [entry(one)] if isinstance(one, Text) else []
        if len(texts) > MOST_HTTP:
            raise DataError(
                say("the table asks for more than {0:,} texts", MOST_HTTP),
                made.source.name,
                say("send it in parts, or use the command line"),
            )
    voice = Voice(language)
    return {
        "texts": texts,
        "problems": [problem(one, voice) for one in summary.problems],
        "page": copy_page(made, summary, language),
    }


def _checked(asked: dict[str, str], files: Files, language: str) -> dict[str, Any]:
    if "data" not in files:
        raise DataError(say("the table of products is missing"), "data", say("send it as data"))
    found = checked(files["texts"][0], files["data"][0], asked["currency"], asked["name"])
    return found.document(Voice(language))
