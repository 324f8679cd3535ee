"""Errors that Castalia raises, with their exit codes and HTTP statuses.

An error says what is wrong, where, and what to do about it; it prints as three lines:

    the codec does not know this file
    at:  photos/notes.tiff
    try: convert it to PNG, or set data.skip_bad=true
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import ClassVar

from castalia.sentences import say


def meant(given: str, known: Iterable[str], before: str = "") -> str:
    """The beginning of a fix: "did you mean 'x'? " for the known name nearest to the given one, or
    nothing. before: is put before the name.
    """
    import difflib  # only where something went wrong

    near = difflib.get_close_matches(given, list(known), n=1)
    return say("did you mean '{0}'? ", before + near[0]) if near else ""


class CastaliaError(Exception):
    """Base of all errors that a user can cause and mend. `where` and `fix` may be empty.

    The three are kept as they are given, so that sentences made by `castalia.sentences.say` can be
    shown in another language (`castalia.language.translate`); `str` is English.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, what: str, where: object = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where if isinstance(where, str) else str(where)
        # a place on this machine, which is nobody else's business
        self.local = isinstance(where, PurePath)
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"at:  {self.where}")
        if self.fix:
            lines.append(f"try: {self.fix}")
        return "\n".join(lines)


class RecipeError(CastaliaError):
    """A recipe, an override or an option that does not make sense."""

    exit_code, http_status = 2, 400


class PluginError(CastaliaError):
    """A family, codec or metric that was named but cannot be loaded."""

    exit_code, http_status = 2, 400


class DataError(CastaliaError):
    """Files that cannot be read, or too few of them."""

    exit_code, http_status = 3, 422


class SpecError(CastaliaError):
    """A tensor or a spec that does not fit where it was put."""

    exit_code, http_status = 3, 422


class AbilityError(CastaliaError):
    """A trained model was asked for something that its family cannot do."""

    exit_code, http_status = 3, 404


class RunError(CastaliaError):
    """A run directory that is missing, damaged, locked or of a newer format."""

    exit_code, http_status = 4, 404


class StorageError(RunError):
    """A file cannot be written: the disk is full, or the folder is read-only."""

    exit_code, http_status = 4, 507


class MissingExtra(CastaliaError):
    """An optional package is needed; `fix` is the pip line that installs it."""

    exit_code, http_status = 5, 404

    def __init__(self, package: str, extra: str, where: object = "") -> None:
        super().__init__(
            say("the optional package '{0}' is not installed", package),
            where,
            f"pip install 'castalia[{extra}]'",
        )


class TrainingError(CastaliaError):
    """Training cannot go on: a loss that is not finite, a checkpoint that cannot be written."""

    exit_code, http_status = 6, 500


class Refused(CastaliaError):
    """A policy forbids this output, or learning from these data without a stated consent."""

    exit_code, http_status = 7, 403


class OutsideModelError(CastaliaError):
    """A language model elsewhere did not answer, or not as it should: castalia.outside_model."""

    exit_code, http_status = 8, 502
