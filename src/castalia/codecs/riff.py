"""Chunks of RIFF files (WAV), and what Castalia puts into them: the manifest as the comment of the
LIST INFO chunk, the label for other programs as an XMP packet in the `_PMX` chunk.

Microsoft & IBM 1991, Multimedia Programming Interface and Data Specifications 1.0; Adobe's XMP
specification, part 3, for `_PMX`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from castalia.codecs import ai_label, manifest_json
from castalia.errors import DataError
from castalia.sentences import say


def wav(samples: bytes, rate: int, manifest: dict[str, Any] | None = None) -> bytes:
    """A whole file from little-endian 16-bit mono PCM."""
    body = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16))
    if manifest is not None:
        info = chunk(b"ISFT", b"Castalia\0") + chunk(
            b"ICMT", json.dumps(manifest, sort_keys=True).encode() + b"\0"
        )
        body += chunk(b"LIST", b"INFO" + info)
        packet = ai_label.packet(manifest)
        body += chunk(b"_PMX", packet.encode()) if packet else b""
    body += chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def read_manifest(data: bytes, name: str) -> dict[str, Any] | None:
    """The manifest that `wav` put into a file; None if there is none."""
    lists = (
        body[4:] for kind, body in chunks(data, name) if kind == b"LIST" and body[:4] == b"INFO"
    )
    return manifest_json.only(
        (
            text.rstrip(b"\0")
            for body in lists
            for inner, text in _walk(body, name)
            if inner == b"ICMT"
        ),
        name,
    )


def is_labelled(data: bytes, name: str, manifest: dict[str, Any]) -> bool:
    """Whether the label is there and fits the manifest."""
    label = next(
        (body.decode("utf-8", "replace") for kind, body in chunks(data, name) if kind == b"_PMX"),
        None,
    )
    return label == ai_label.packet(manifest)


def content(data: bytes, name: str) -> str:
    """SHA-256 of format and samples."""
    digest = hashlib.sha256()
    for kind, body in chunks(data, name):
        if kind in (b"fmt ", b"data"):
            digest.update(kind + body)
    return digest.hexdigest()


def chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each. Raises DataError naming a file that is no WAV or is cut short."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise no_wav(name)
    yield from _walk(data[12:], name)


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def no_wav(name: str) -> DataError:
    return DataError(
        say("the file is not a WAV file, whatever its name says"), name, say("copy it again")
    )


def _walk(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if place + 8 + size > len(data):
            raise DataError(
                say("the WAV file is damaged: a chunk is cut short"), name, say("copy it again")
            )
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
