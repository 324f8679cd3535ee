"""Endings and their readers and writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from castalia.codecs import ai_label
from castalia.errors import DataError
from castalia.modalities.shape3d.files import glb, obj, off, ply, stl
from castalia.modalities.shape3d.files.reading import Parser, content, damaged
from castalia.modalities.shape3d.shape import Shape
from castalia.sentences import say

READERS: dict[str, Parser] = {
    ".glb": glb.read,
    ".stl": stl.read,
    ".obj": obj.read,
    ".ply": ply.read,
    ".off": off.read,
}
MANIFESTS = {
    ".glb": glb.manifest_of,
    ".stl": stl.manifest_of,
    ".obj": obj.manifest_of,
    ".ply": ply.manifest_of,
    ".off": off.manifest_of,
}


def ending_of(path: Path) -> str:
    """Raises DataError for one that is not known."""
    ending = path.suffix.lower()
    if ending not in READERS:
        raise DataError(
            say("'{0}' is no known ending of a mesh", ending or path.name),
            path.name,
            say("use one of {0}", ", ".join(READERS)),
        )
    return ending


def read(path: Path) -> Shape:
    """The shape of a file. Raises DataError naming it."""
    ending, data = ending_of(path), content(path)
    try:
        mesh = READERS[ending](data, path.name)
        glb_file = ending == ".glb"
        field = glb.field_of(data, path.name) if glb_file else None
        points = glb.points_of(data, path.name) if glb_file else None
    except MemoryError as error:
        raise damaged(say("it asks for more memory than there is"), path.name) from error
    return Shape(mesh, field, ending[1:].upper(), points)


def write(shape: Shape, path: Path, manifest: dict[str, Any] | None) -> bytes:
    """The bytes of a file of this name. Raises DataError for an ending that is not written."""
    match ending_of(path):
        case ".glb":
            return glb.write(shape.mesh, manifest, shape.field, shape.points)
        case ".stl":
            return stl.write(shape.mesh, manifest)
        case ".obj":
            return obj.write(shape.mesh, manifest)
        case ".ply":
            return ply.write(shape.mesh, manifest)
        case _:
            return off.write(shape.mesh, manifest)


def manifest_of(path: Path) -> dict[str, Any] | None:
    return MANIFESTS[ending_of(path)](content(path), path.name)


def is_labelled(path: Path, manifest: dict[str, Any]) -> bool:
    """Whether a GLB says in words for other programs what the manifest says; other formats have no
    place for it.
    """
    if ending_of(path) != ".glb":
        return True
    return glb.extras_of(content(path), path.name).get("label") == ai_label.line(manifest)
