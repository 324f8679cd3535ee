"""PLY, the Polygon File Format (Turk 1994): a header that names elements and their properties, then
their values, as text or binary in either byte order. Corners need x, y, z; faces a list of corners;
all else is passed over. The manifest is a comment of the header.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

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

TYPES = {
    **dict.fromkeys((b"char", b"int8"), "i1"),
    **dict.fromkeys((b"uchar", b"uint8"), "u1"),
    **dict.fromkeys((b"short", b"int16"), "i2"),
    **dict.fromkeys((b"ushort", b"uint16"), "u2"),
    **dict.fromkeys((b"int", b"int32"), "i4"),
    **dict.fromkeys((b"uint", b"uint32"), "u4"),
    **dict.fromkeys((b"float", b"float32"), "f4"),
    **dict.fromkeys((b"double", b"float64"), "f8"),
}
ORDERS = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}
MARK = b"comment castalia "
LISTS = (b"vertex_indices", b"vertex_index")
MOST_HEAD = 1 << 22  # bytes of a header


class Property(NamedTuple):
    """count: type of the number of values before them, "" for a single value."""

    name: bytes
    kind: str
    count: str


class Element(NamedTuple):
    name: bytes
    size: int
    properties: list[Property]


def header(data: bytes, name: str) -> tuple[str, list[Element], int]:
    """(byte order, "" for text; the elements; where their values begin). Raises DataError."""
    end = data.find(b"end_header", 0, MOST_HEAD)
    if not data.startswith(b"ply") or end < 0:
        raise damaged(say("it has no header of PLY"), name)
    begin = data.find(b"\n", end) + 1
    if not begin:
        raise damaged(say("nothing follows the header"), name)
    order: str | None = None
    elements: list[Element] = []
    for line in data[:end].splitlines()[1:]:
        words = line.split()
        match words[:1]:
            case [b"format"] if len(words) > 1:
                order = ORDERS.get(words[1])
            case [b"element"] if len(words) == 3:
                elements.append(Element(words[1], whole(words[2], name), []))
            case [b"property"] if elements and len(words) in (3, 5):
                kinds = [TYPES.get(word) for word in words[2:-1] if len(words) == 5]
                kinds = kinds or [TYPES.get(words[1])]
                if None in kinds:
                    raise damaged(say("it has a property of an unknown type"), name)
                one = Property(words[-1], str(kinds[-1]), str(kinds[0]) if len(words) == 5 else "")
                elements[-1].properties.append(one)
            case [b"comment"] | [b"obj_info"] | []:
                pass
            case _:
                raise damaged(say("a line of the header is not understood"), name)
    if order is None or any(element.size < 0 for element in elements):
        raise damaged(say("its header names no format"), name)
    for element in elements:
        check_count(element.size // 4 if element.name == b"vertex" else element.size, name)
    return order, elements, begin


def read(data: bytes, name: str) -> Mesh:
    """Raises DataError."""
    order, elements, place = header(data, name)
    vertices = np.zeros((0, 3))
    faces = np.zeros((0, 3), np.int64)
    words = data[place:].split() if not order else []
    at = 0 if not order else place
    for element in elements:
        if order:
            values, at = _binary(data, at, order, element, name)
        else:
            values, at = _text(words, at, element, name)
        if element.name == b"vertex":
            if not all(axis in values for axis in (b"x", b"y", b"z")):
                raise damaged(say("its corners have no x, y and z"), name)
            vertices = np.stack([values[axis] for axis in (b"x", b"y", b"z")], 1)
        elif element.name == b"face":
            lists = next((values[one] for one in LISTS if one in values), None)
            if lists is None:
                raise damaged(say("its faces have no list of corners"), name)
            faces = lists if isinstance(lists, np.ndarray) else triangles(lists, name)
    return checked(vertices, faces, name)


def _binary(
    data: bytes, at: int, order: str, element: Element, name: str
) -> tuple[dict[bytes, Any], int]:
    """Values by property, and where the next element begins. Lists of three come as one array."""
    ends = damaged(say("it ends within its {0}", element.name.decode("latin-1")), name)
    fixed = np.dtype(
        [(str(k), order + one.kind) for k, one in enumerate(element.properties) if not one.count]
    )
    if not any(one.count for one in element.properties):
        if at + element.size * fixed.itemsize > len(data):
            raise ends
        rows = np.frombuffer(data, fixed, element.size, at)
        names = [one.name for one in element.properties]
        return {one: rows[str(k)].astype(np.float64) for k, one in enumerate(names)}, (
            at + element.size * fixed.itemsize
        )
    threes = np.dtype(
        [
            part
            for k, one in enumerate(element.properties)
            for part in (
                [(f"n{k}", order + one.count), (str(k), order + one.kind, 3)]
                if one.count
                else [(str(k), order + one.kind)]
            )
        ]
    )
    if at + element.size * threes.itemsize <= len(data):
        rows = np.frombuffer(data, threes, element.size, at)
        listed = [k for k, one in enumerate(element.properties) if one.count]
        if all((rows[f"n{k}"] == 3).all() for k in listed):
            found = {element.properties[k].name: rows[str(k)].astype(np.int64) for k in listed}
            return found, at + element.size * threes.itemsize
    lists: dict[bytes, Any] = {one.name: [] for one in element.properties if one.count}
    for _ in range(element.size):
        for one in element.properties:
            kind = np.dtype(order + (one.count or one.kind))
            if at + kind.itemsize > len(data):
                raise ends
            if not one.count:
                at += kind.itemsize
                continue
            size = int(np.frombuffer(data, kind, 1, at)[0])
            at += kind.itemsize
            kind = np.dtype(order + one.kind)
            if size < 0 or at + size * kind.itemsize > len(data):
                raise ends
            lists[one.name].append(np.frombuffer(data, kind, size, at).astype(np.int64).tolist())
            at += size * kind.itemsize
    return lists, at


def _text(words: list[bytes], at: int, element: Element, name: str) -> tuple[dict[bytes, Any], int]:
    ends = damaged(say("it ends within its {0}", element.name.decode("latin-1")), name)
    plain = len(element.properties)
    if not any(one.count for one in element.properties):
        stop = at + plain * element.size
        if stop > len(words):
            raise ends
        rows = floats(words[at:stop], name).reshape(element.size, plain)
        return {one.name: rows[:, k] for k, one in enumerate(element.properties)}, stop
    lists: dict[bytes, Any] = {one.name: [] for one in element.properties if one.count}
    for _ in range(element.size):
        for one in element.properties:
            if at >= len(words):
                raise ends
            size = whole(words[at], name) if one.count else 0
            at += 1
            if not 0 <= size <= len(words) - at:
                raise ends
            if one.count:
                lists[one.name].append([_corner(word, name) for word in words[at : at + size]])
                at += size
    return lists, at


def _corner(word: bytes, name: str) -> int:
    """Of a list of any property: lists of other numbers than corners are passed over, too."""
    return whole(word.partition(b".")[0], name)


def write(mesh: Mesh, manifest: dict[str, Any] | None) -> bytes:
    """Binary, little-endian."""
    comment = b""
    if manifest is not None:
        comment = MARK + json.dumps(manifest, sort_keys=True).encode() + b"\n"
    head = (
        b"ply\nformat binary_little_endian 1.0\n"
        + comment
        + b"element vertex %d\nproperty float x\nproperty float y\nproperty float z\n"
        % len(mesh.vertices)
        + b"element face %d\nproperty list uchar int vertex_indices\nend_header\n" % len(mesh.faces)
    )
    faces = np.zeros(len(mesh.faces), np.dtype([("n", "u1"), ("corners", "<i4", 3)]))
    faces["n"], faces["corners"] = 3, mesh.faces
    return head + mesh.vertices.astype("<f4").tobytes() + faces.tobytes()


def manifest_of(data: bytes, name: str) -> dict[str, Any] | None:
    end = data.find(b"end_header", 0, MOST_HEAD)
    lines = data[: max(end, 0)].splitlines()
    return manifest_json.only([line[len(MARK) :] for line in lines if line.startswith(MARK)], name)
