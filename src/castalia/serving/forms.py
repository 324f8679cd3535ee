"""Fields of forms that are read by hand, so that their parts are counted first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.datastructures import FormData, UploadFile

from castalia.sentences import say
from castalia.serving.http_errors import Invalid


def text_of(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value else None


def field_of(form: FormData, name: str) -> str:
    value = form.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(say("the field {0} is missing", name), name)
    return value


def number_of(form: FormData, name: str, default: Any, kind: type) -> Any:
    value = form.get(name)
    if value is None or value == "":
        return default
    try:
        return kind(str(value)[:40])
    except ValueError:
        raise Invalid(say("{0} is a number", name), name) from None


def uploads_of(form: FormData, name: str, least: int, most: int) -> Sequence[UploadFile]:
    """The files of a field. Raises Invalid for too few or too many."""
    uploads = [one for one in form.getlist(name) if isinstance(one, UploadFile)]
    if not least <= len(uploads) <= most:
        raise Invalid(say("between {0} and {1} files", least, most), name)
    return uploads


async def files_in(form: FormData, name: str, most: int, folder: Path) -> list[Path]:
    """The files of a field, between 1 and `most`, written into a folder, each in one of its own and
    under what is harmless of its name. Raises Invalid for too few or too many.
    """
    written = []
    for number, upload in enumerate(uploads_of(form, name, 1, most)):
        # a client's name may say anything: of it only what a report shows is kept
        last = PurePosixPath((upload.filename or "").replace("\\", "/")).name
        own = re.sub(r"[^\w.-]", "_", last)[-80:]
        written.append(folder / str(number) / (own or f"table-{number}.csv"))
        written[-1].parent.mkdir(parents=True)
        written[-1].write_bytes(await upload.read())
    return written
