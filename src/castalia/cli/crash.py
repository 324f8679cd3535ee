"""Unexpected exceptions on the command line: three lines, and the traceback in a file.

It is no way to report mistakes of users, which raise CastaliaError where they are noticed.
CASTALIA_DEBUG=1 shows the traceback instead.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import castalia
from castalia import user_dirs
from castalia.escapes import one_line
from castalia.sentences import say

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
KEPT = 20  # tracebacks
_MEMORY_WORDS = ("can't allocate memory", "out of memory", "not enough memory")


def debugging() -> bool:
    """Whether tracebacks are wanted: CASTALIA_DEBUG is set to anything but 0."""
    return os.environ.get("CASTALIA_DEBUG", "") not in ("", "0")


def describe(error: BaseException, arguments: Sequence[str]) -> str:
    """Three lines on an exception that is no CastaliaError. Writes its traceback to a file in
    $CASTALIA_HOME, which the last line names.
    """
    file = _write(error, arguments)
    place = _place(error)
    report = (
        say("the traceback is in {0}", file)
        if file
        else say("CASTALIA_DEBUG=1 shows the traceback")
    )
    if isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _MEMORY_WORDS
    ):
        return say(
            "there is not enough memory for this\nat:  {0}\ntry: a smaller "
            "training.batch, codec.size, codec.length or -n; {1}",
            place,
            report,
        )
    if isinstance(error, OSError) and error.strerror:
        name = one_line(error.filename, 300) if error.filename else place
        return say(
            "the system refused: {0}\nat:  {1}\ntry: check permissions and free space; {2}",
            error.strerror,
            name,
            report,
        )
    what = say(
        "this is a bug in Castalia: {0}{1}",
        type(error).__name__,
        f": {one_line(error, 200)}" if str(error) else "",
    )
    return say(
        "{0}\nat:  {1}\ntry: please report it with the output of castalia env; {2}",
        what,
        place,
        report,
    )


def _place(error: BaseException) -> str:
    """The last line of Castalia's own code that the exception came through: "recipe.py, line 210,
    in from_dict".
    """
    own = Path(castalia.__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__, limit=-200)
        if Path(frame.filename).is_relative_to(own)
    ]
    if not frames:
        return "castalia"
    frame = frames[-1]
    return say(
        "{0}, line {1}, in {2}", Path(frame.filename).relative_to(own), frame.lineno, frame.name
    )


def _write(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """The file with the traceback; None where it cannot be written."""
    name = datetime.now().strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}.txt"
    try:
        folder = user_dirs.home() / "crashes"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        lines = traceback.format_exception(error, limit=-100)
        head = (
            f"castalia {castalia.__version__}: "
            f"{' '.join(one_line(word, 500) for word in arguments)}\n\n"
        )
        for old in sorted(folder.glob("*.txt"))[: -KEPT + 1]:
            old.unlink()
        path.write_text(head + "".join(lines), encoding="utf-8", errors="backslashreplace")
    except (OSError, MemoryError):
        return None
    return path
