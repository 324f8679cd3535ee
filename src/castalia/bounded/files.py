"""Open and read regular files: whole ones up to a limit, lines up to a length.

A device never ends, a named pipe waits for a writer, a socket cannot be read: each is refused by
what the opened file is, not by its name, so changing a link between check and open gains nothing.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from castalia.bounded.limits import current, exceeded
from castalia.errors import CastaliaError, DataError
from castalia.sentences import say

BLOCK = 1 << 20
_SORTS = {
    stat.S_IFDIR: say("a folder"),
    stat.S_IFIFO: say("a named pipe"),
    stat.S_IFSOCK: say("a socket"),
    stat.S_IFCHR: say("a device"),
    stat.S_IFBLK: say("a device"),
}
_FIX = say("check the path and its permissions, or set data.skip_bad=true")


def open_regular(
    path: str | os.PathLike[str], error: type[CastaliaError] = DataError
) -> io.BufferedReader:
    """A regular file, or a link to one, for reading bytes. Raises `error` for anything else, at
    once: nothing waits for a pipe's writer.
    """
    flags = (
        os.O_RDONLY
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_NOCTTY", 0)
        | getattr(os, "O_CLOEXEC", 0)
        | getattr(os, "O_BINARY", 0)
    )
    name = Path(path).name
    try:
        number = os.open(path, flags)
    except (OSError, ValueError) as failure:  # ValueError: a null character in the name
        reason = getattr(failure, "strerror", None) or failure
        if Path(path).is_socket():
            reason = say("it is a socket")
        raise error(say("the file cannot be read: {0}", reason), name, _FIX) from failure
    try:
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            sort = _SORTS.get(stat.S_IFMT(mode), say("no regular file"))
            raise error(
                say("the file cannot be read: it is {0}", sort),
                name,
                say("name a regular file, or save what it gives as one"),
            )
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_bytes(
    path: str | os.PathLike[str], limit: str = "file_bytes", error: type[CastaliaError] = DataError
) -> bytes:
    """The whole file, of at most as many bytes as the limit of that name. Raises `error` naming the
    file and the limit.
    """
    most, name = getattr(current(), limit), Path(path).name
    with open_regular(path, error) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise exceeded(limit, say("the file is too large"), name, error)
        try:
            data = file.read(size + 1)  # Python allocates what is asked for, so not `most`
            while size < len(data) <= most and (more := file.read(BLOCK)):
                data += more
        except OSError as failure:
            raise error(
                say("the file cannot be read: {0}", failure.strerror), name, _FIX
            ) from failure
    if len(data) > most:  # it grew meanwhile, or the system does not know its size
        raise exceeded(limit, say("the file is too large"), name, error)
    return data


def read_text(
    path: str | os.PathLike[str],
    limit: str = "file_bytes",
    error: type[CastaliaError] = DataError,
    errors: str = "strict",
) -> str:
    """The whole file as UTF-8 text, without a byte order mark and with LF alone. Raises `error`
    naming the file.
    """
    try:
        text = read_bytes(path, limit, error).decode("utf-8-sig", errors)
    except UnicodeDecodeError as failure:
        raise error(
            say("the file is not UTF-8 text"), Path(path).name, say("save it as UTF-8")
        ) from failure
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def text_lines(
    path: str | os.PathLike[str], error: type[CastaliaError] = DataError
) -> Iterator[str]:
    """Lines of a file of UTF-8 text with their ends as they are, one at a time. Raises `error`
    naming a line that is too long or no UTF-8.
    """
    most, number = current().line_bytes, 0
    with closing(
        io.TextIOWrapper(open_regular(path, error), encoding="utf-8-sig", newline="")
    ) as file:
        while True:
            try:
                line = file.readline(most + 1)
            except UnicodeDecodeError as failure:
                raise error(
                    say("the file is not UTF-8 text"), Path(path).name, say("save it as UTF-8")
                ) from failure
            except OSError as failure:
                raise error(
                    say("the file cannot be read: {0}", failure.strerror), Path(path).name, _FIX
                ) from failure
            if not line:
                return
            number += 1
            if len(line) > most:
                raise exceeded(
                    "line_bytes",
                    say("the line is too long"),
                    say("{0}, line {1}", Path(path).name, number),
                    error,
                )
            yield line
