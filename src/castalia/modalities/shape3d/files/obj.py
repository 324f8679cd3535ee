"""Wavefront OBJ: lines of corners (v) and faces (f); all else is passed over. The manifest is a
comment.
"""

from __future__ import annotations

import json
from typing import Any

from castalia.codecs import manifest_json
from castalia.modalities.shape3d.files.reading import (
    check_count,
    checked,
    damaged,
    floats,
    triangles,
    whole,
)
from castalia.modalities.shape3d.mesh import Mesh
from castalia.sentences import say

MARK = b"# castalia "


def read(data: bytes, name: str) -> Mesh:
    """Raises DataError. Corners that are counted from the end (-1) are understood."""
    if b"\0" in data[:1024]:
        raise damaged(say("it is no text"), name)
    words: list[bytes] = []
    count = 0
    polygons: list[list[int]] = []
    for line in data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        if line.startswith((b"v ", b"v\t")):
            parts = line.split()[1:4]
            if len(parts) < 3:
                raise damaged(say("a corner has fewer than three coordinates"), name)
            words += parts
            count += 1
        elif line.startswith((b"f ", b"f\t")):
            corners = [whole(part.split(b"/")[0], name) for part in line.split()[1:]]
            polygons.append([number - 1 if number > 0 else count + number for number in corners])
            if len(polygons) % 65536 == 0:
                check_count(len(polygons), name)
    if not words and not polygons:
        raise damaged(say("it has no line of a corner or a face"), name)
    return checked(floats(words, name).reshape(-1, 3), triangles(polygons, name), name)


def write(mesh: Mesh, manifest: dict[str, Any] | None) -> bytes:
    lines = ["# Castalia"]
    if manifest is not None:
        lines.append(f"{MARK.decode()}{json.dumps(manifest, sort_keys=True)}")
    lines += [f"v {x:.7g} {y:.7g} {z:.7g}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def manifest_of(data: bytes, name: str) -> dict[str, Any] | None:
    head = data[: 1 << 22].splitlines()[:64]
    return manifest_json.only([line[len(MARK) :] for line in head if line.startswith(MARK)], name)
