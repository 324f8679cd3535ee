"""The JSON of a manifest as a file holds it, and how a second one is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from castalia import bounded
from castalia.errors import DataError
from castalia.sentences import say


def only(texts: Iterable[str | bytes], name: str) -> dict[str, Any] | None:
    """The one JSON object among the texts of a file's fields for manifests; None where there is
    none. Texts that are not JSON belong to other programs.

    Raises DataError for a file with two that differ: which one counts would depend on the reader.
    """
    manifests: list[dict[str, Any]] = []
    for text in texts:
        try:
            one = bounded.parse_json(text)
        except DataError:
            continue
        if isinstance(one, dict) and one not in manifests:
            manifests.append(one)
    if len(manifests) > 1:
        raise DataError(
            say("the file carries more than one manifest"),
            name,
            say("somebody added one: ask for the file as it was released"),
        )
    return manifests[0] if manifests else None
