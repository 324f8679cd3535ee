"""POST /api/report: tables in, a report with its facts and their cells out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData

from castalia.apps.report.writing import report, written
from castalia.serving.editing import MOST_INPUTS
from castalia.serving.form_routes import Files, form_route
from castalia.serving.forms import text_of
from castalia.text_files.columns import read

TEMPLATE_BYTES = 1 << 18


def router(table: Any, service: Any) -> APIRouter:
    """The route."""
    files = {"data": MOST_INPUTS}
    return form_route("report", ("template",), files, _template, _reported, TEMPLATE_BYTES)


def _template(form: FormData) -> str | None:
    return text_of(form, "template")


def _reported(template: str | None, files: Files, language: str) -> dict[str, Any]:
    """Markdown, a page, and the facts with their cells."""
    tables = files["data"]
    if template is None:
        made = report(tables, language=language)
    else:
        made = written([read(one) for one in tables], template, "template.md")
    page = made.page(tables[0].stem, language)
    return {"markdown": made.text, "page": page, **made.document()}
