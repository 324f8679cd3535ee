"""STL: triangles by their corners, binary or as text. Units and the upward axis are not in it.

Binary: 80 bytes of header, the number of triangles, 50 bytes each, the last two of which are for
anything. Castalia puts the manifest there, one byte a triangle: the file stays small, and programs
take the highest bit, which stays 0, as "no colour". A mesh of too few triangles is written as text,
whose title has room for it, in base64, so that no program takes its words for triangles.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import numpy as np

from castalia.codecs import manifest_json
from castalia.modalities.shape3d.files.reading import check_count, checked, damaged, floats
from castalia.modalities.shape3d.mesh import Mesh, normals
from castalia.sentences import say

RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
HEAD, MARK = 84, b"Castalia"
TITLE = b"solid castalia "
MOST_MANIFEST = 1 << 20  # bytes


def read(data: bytes, name: str) -> Mesh:
    """Raises DataError."""
    promised = struct.unpack_from("<I", data, 80)[0] if len(data) >= HEAD else -1
    if promised >= 0 and len(data) == HEAD + 50 * promised:
        return _binary(data, promised, name)
    if data.lstrip()[:5].lower() == b"solid" and b"facet" in data[:MOST_MANIFEST]:
        return _text(data, name)
    if promised < 0:
        raise damaged(say("it is too short for STL"), name)
    # some programs add bytes of their own at the end
    if 0 <= len(data) - HEAD - 50 * promised < 50 and promised:
        return _binary(data, promised, name)
    raise damaged(
        say(
            "it promises {0:,} triangles of 50 bytes, and {1:,} bytes follow",
            promised,
            len(data) - HEAD,
        ),
        name,
    )


def _binary(data: bytes, count: int, name: str) -> Mesh:
    check_count(count, name)
    records = np.frombuffer(data, RECORD, count, HEAD)
    return _soup(records["corners"].reshape(-1, 3), name)


def _text(data: bytes, name: str) -> Mesh:
    words = data.partition(b"\n")[2].split()  # the first line is a title
    places = [number for number, word in enumerate(words) if word.lower() == b"vertex"]
    check_count(len(places) // 3, name)
    if len(places) % 3 or (places and places[-1] + 3 >= len(words)):
        raise damaged(say("the text ends within a triangle"), name)
    values = floats([words[place + step] for place in places for step in (1, 2, 3)], name)
    return _soup(values.reshape(-1, 3), name)


def _soup(corners: np.ndarray, name: str) -> Mesh:
    return checked(corners, np.arange(len(corners)).reshape(-1, 3), name)


def write(mesh: Mesh, manifest: dict[str, Any] | None) -> bytes:
    """Binary; as text where the mesh has too few triangles for the manifest."""
    records = np.zeros(len(mesh.faces), RECORD)
    corners = mesh.corners.astype("<f4")
    across = normals(corners)
    records["normal"] = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    records["corners"] = corners
    head = b"STL"
    if manifest is not None:
        text = json.dumps(manifest, sort_keys=True).encode()
        packed = zlib.compress(text, 9)
        if len(packed) > len(records):
            return _as_text(records, base64.b64encode(text))
        head = MARK + struct.pack("<I", len(packed))
        records["spare"][: len(packed)] = np.frombuffer(packed, np.uint8)
    return head.ljust(80, b"\0") + struct.pack("<I", len(records)) + records.tobytes()


def _as_text(records: np.ndarray, manifest: bytes) -> bytes:
    lines = [TITLE + manifest]
    for record in records:
        x, y, z = record["normal"].tolist()
        lines += [b"facet normal %.7g %.7g %.7g" % (x, y, z), b"outer loop"]
        lines += [b"vertex %.9g %.9g %.9g" % tuple(corner) for corner in record["corners"].tolist()]
        lines += [b"endloop", b"endfacet"]
    return b"\n".join([*lines, b"endsolid", b""])


def manifest_of(data: bytes, name: str) -> dict[str, Any] | None:
    """What `write` put there; None for a file of another program."""
    if data.startswith(TITLE):
        try:
            text = base64.b64decode(data[len(TITLE) :].partition(b"\n")[0], validate=True)
        except ValueError:
            return None
        return manifest_json.only([text], name)
    if len(data) < HEAD or not data.startswith(MARK):
        return None
    size, count = struct.unpack_from("<I", data, len(MARK))[0], (len(data) - HEAD) // 50
    if size > count:
        return None
    spare = np.frombuffer(data, RECORD, count, HEAD)["spare"][:size]
    try:
        text = zlib.decompressobj().decompress(spare.astype(np.uint8).tobytes(), MOST_MANIFEST)
    except zlib.error:
        return None
    return manifest_json.only([text], name)
