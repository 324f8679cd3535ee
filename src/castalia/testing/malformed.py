"""Malformed documents and files to test readers with, which must raise a CastaliaError and nothing
else.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

# What takes the place of a value in a document; `...` stands for taking it out.
VALUES: tuple[Any, ...] = (
    ...,
    None,
    True,
    -1,
    0,
    10**9,
    2**63,
    10**40,
    -(10**40),
    1e308,
    0.5,
    "",
    "x",
    "\x1b[31m\u202e",
    "x" * 100_000,
    "../../etc/passwd",
    "9" * 40,
    [],
    [[]],
    {},
    {"a": {"b": {}}},
    [1] * 1000,
    [None],
    {"name": "gan"},
    {"kind": "dense", "shape": [2**31, 2**31]},
    "\ud800",
    [10**18, 10**18],
)
# What takes the place of a whole text file.
TEXTS = (
    "",
    "{",
    "[]",
    "null",
    "NaN",
    '{"a": NaN}',
    "[" * 100_000,
    '{"n": ' + "9" * 100_000 + "}",
    '{"id": 1, "id": 2}',
    "\x00",
    "a: &a [*a]",
    "1e400",
    '"\\ud800"',
    "<a>" * 100_000,
    "\ufeff{}",
)
WAYS = ("flip", "cut", "grow", "text", "folder", "device", "loop", "missing", "pipe")


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of a document of dicts and lists stands, the document itself included."""
    result = [before]
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in entries:
        result += places(inner, (*before, key))
    return result


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """The document with `new` at `place`, or without what stands there where new is `...`."""
    if not place:
        return None if new is ... else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(place) == 1 and new is ...:
        del copy[place[0]]
    else:
        copy[place[0]] = replaced(value[place[0]], place[1:], new)
    return copy


def altered(raw: bytes, rng: random.Random) -> bytes:
    """Bytes with a few of them flipped, cut out, doubled, or set to what ends a range; the
    beginning, where headers are, twice as often.
    """
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        if not data:
            break
        place = rng.randrange(min(len(data), 256) if rng.random() < 0.5 else len(data))
        match rng.randrange(5):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice((0x00, 0x01, 0x7F, 0x80, 0xFF, 0x20, 0x39, 0x2D))
            case 2:
                del data[place : place + rng.randrange(1, 9)]
            case 3:
                data[place:place] = data[place : place + rng.randrange(1, 33)]
            case _:
                data[place : place + 4] = rng.choice(
                    (
                        b"\xff\xff\xff\xff",
                        b"\x00\x00\x00\x00",
                        b"\x7f\xff\xff\xff",
                        b"9999",
                        b"\xff\xff\xff\x7f",
                    )
                )
    return bytes(data)


def damage(path: Path, way: str, rng: random.Random) -> None:
    """Damages a file in one of WAYS."""
    raw = path.read_bytes()
    match way:
        case "flip":
            path.write_bytes(altered(raw, rng))
        case "cut":
            path.write_bytes(raw[: rng.randrange(len(raw) + 1)])
        case "grow":
            path.write_bytes(raw + rng.choice((b"\x00" * 100, b"}", raw[:1000], b"\n" * 1000)))
        case "text":
            path.write_bytes(rng.choice(TEXTS).encode(errors="surrogatepass"))
        case _:
            path.unlink()
            if way == "folder":
                path.mkdir()
            elif way == "device":
                path.symlink_to("/dev/zero")
            elif way == "loop":
                path.symlink_to(path.name)
            elif way == "pipe":
                os.mkfifo(path)


def copied(folder: Path, target: Path) -> Path:
    """A fresh copy of a folder in place of an earlier one."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target
