"""Write files atomically: under a temporary name beside their place, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from castalia.errors import StorageError
from castalia.sentences import say


def write(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content`; lone surrogates are written as JSON escapes them. Raises
    StorageError when the disk is full or the folder cannot be written.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    with place(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, data: Any) -> None:
    write(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def place(path: Path) -> Iterator[Path]:
    """A temporary path with the same suffix; moved to `path` if the block succeeds, removed if it
    fails.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    with _explained(path, temporary.unlink):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Like `place`, for a whole folder: it appears complete under its name, replacing
    an old one.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with _explained(path, lambda: shutil.rmtree(temporary)):
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)


@contextmanager
def _explained(path: Path, clean: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # it may never have come to be
            clean()
        if isinstance(error, OSError):
            raise StorageError(
                say("cannot write: {0}", error.strerror or error),
                where=path,
                fix=say("free space, or choose a folder that can be written"),
            ) from error
        raise
