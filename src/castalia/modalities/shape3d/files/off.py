"""OFF, the Object File Format of Geomview: counts, corners, polygons, as text. A word before OFF
(C, N, ST) announces colours or normals behind the coordinates, which are passed over. The manifest
is a comment.
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
    """Raises DataError."""
    lines = [
        stripped for line in data.splitlines() if (stripped := line.partition(b"#")[0].strip())
    ]
    kind = lines[0].split()[0] if lines else b""
    if not kind.endswith(b"OFF") or kind not in (b"OFF", b"COFF", b"NOFF", b"CNOFF", b"STOFF"):
        raise damaged(say("it does not begin with OFF"), name)
    # "OFF 8 6 0" in one line, or without the space, occurs
    rest = lines[0][len(kind) :].strip()
    lines = ([rest] if rest else []) + lines[1:]
    counts = [whole(word, name) for word in (lines[0].split() if lines else [])[:2]]
    if len(counts) < 2 or min(counts) < 0:
        raise damaged(say("the line of counts is missing"), name)
    corners, faces = counts
    check_count(faces, name)
    if len(lines) < 1 + corners + faces:
        raise damaged(
            say(
                "it promises {0:,} corners and {1:,} faces, and has {2:,} lines",
                corners,
                faces,
                len(lines) - 1,
            ),
            name,
        )
    rows = [line.split()[:3] for line in lines[1 : 1 + corners]]
    if any(len(row) < 3 for row in rows):
        raise damaged(say("a corner has fewer than three coordinates"), name)
    values = floats([word for row in rows for word in row], name).reshape(-1, 3)
    polygons = []
    for line in lines[1 + corners : 1 + corners + faces]:
        words = line.split()
        size = whole(words[0], name)
        if not 0 <= size < len(words):
            raise damaged(say("a face has fewer corners than it says"), name)
        polygons.append([whole(word, name) for word in words[1 : 1 + size]])
    return checked(values, triangles(polygons, name), name)


def write(mesh: Mesh, manifest: dict[str, Any] | None) -> bytes:
    lines = ["OFF"]
    if manifest is not None:
        lines.append(f"{MARK.decode()}{json.dumps(manifest, sort_keys=True)}")
    lines.append(f"{len(mesh.vertices)} {len(mesh.faces)} 0")
    lines += [f"{x:.7g} {y:.7g} {z:.7g}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    return ("\n".join(lines) + "\n").encode()


def manifest_of(data: bytes, name: str) -> dict[str, Any] | None:
    head = data[: 1 << 22].splitlines()[:64]
    return manifest_json.only([line[len(MARK) :] for line in head if line.startswith(MARK)], name)
