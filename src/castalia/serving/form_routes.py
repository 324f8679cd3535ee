"""Routes of tools that compute from files: a form comes in, a document goes out. Neither runs nor
the engine take part, so the work has a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from castalia.language import Voice
from castalia.serving.error_bodies import Json
from castalia.serving.forms import files_in, text_of
from castalia.serving.openai_api import form_schema
from castalia.serving.responses import present

Files = Mapping[str, list[Path]]
FIELD_BYTES = 1 << 14


def form_route(
    path: str,
    fields: Sequence[str],
    files: Mapping[str, int],
    asked: Callable[[FormData], Any],
    work: Callable[[Any, Files, str], dict[str, Any]],
    field_bytes: int = FIELD_BYTES,
    needs_file: bool = True,
) -> APIRouter:
    """POST /api/`path`. fields: of the form, beside `language`. files: of the form, how many of
    each at most; the first has to be there, unless none is needed. asked: what the fields ask for,
    before a file is read.
    work: (asked, files by field, language) -> the document, blocking.
    """
    routes = APIRouter(prefix="/api", tags=["Castalia"])
    names = [*fields, "language"]
    limits = {
        "max_files": sum(files.values()),
        "max_fields": max(4, len(names)),
        "max_part_size": field_bytes,
    }

    @routes.post(f"/{path}", openapi_extra=form_schema(*names, files=tuple(files)))
    async def answer(http: HttpRequest) -> Response:
        async with http.form(**limits) as form:  # type: ignore[arg-type]
            return Json(await present(http, _worked(form, files, asked, work, needs_file)))

    return routes


async def _worked(
    form: FormData,
    files: Mapping[str, int],
    asked: Callable[[FormData], Any],
    work: Callable[[Any, Files, str], dict[str, Any]],
    needs_file: bool,
) -> dict[str, Any]:
    language = text_of(form, "language") or "en"
    Voice(language)  # a wrong one is said before the work
    wanted, first = asked(form), next(iter(files)) if needs_file else None
    with TemporaryDirectory() as folder:
        given = {
            name: await files_in(form, name, most, Path(folder) / name)
            for name, most in files.items()
            if name == first or form.getlist(name)
        }
        return await run_in_threadpool(work, wanted, given, language)
