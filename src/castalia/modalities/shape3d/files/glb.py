"""GLB, binary glTF 2.0 (Khronos): a scene of nodes that place meshes of triangles; metres, +y up.

Read: triangles, strips and fans of all nodes of the scene, placed by their matrices; materials,
textures, bones and animations are passed over. Compressed meshes (Draco, meshopt), quantised
coordinates and buffers in other files are refused by name.
Written: one mesh. The manifest, and the field and the points that the surface was taken from, are
in `extras` of the asset, which other programs keep or ignore; `generator`, and in `extras.label`,
say that a machine made it.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np

from castalia import bounded
from castalia.codecs import ai_label, manifest_json
from castalia.errors import DataError
from castalia.modalities.shape3d.files.reading import check_count, checked, damaged
from castalia.modalities.shape3d.mesh import Mesh, empty, joined
from castalia.sentences import say

JSON, BIN = 0x4E4F534A, 0x004E4942
KINDS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
REFUSED = {
    "KHR_draco_mesh_compression": "Draco",
    "EXT_meshopt_compression": "meshopt",
    "KHR_mesh_quantization": "quantisation",
}
MOST_NODES = 100_000
LARGEST_FIELD = 256  # voxels of a side
MOST_POINTS = 1 << 16


class _Scene:
    """The JSON and the bytes of a GLB file; every access is checked, because both are untrusted."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.json, self.bytes = chunks(data, name)

    def entry(self, list_name: str, number: Any) -> dict[str, Any]:
        entries = self.json.get(list_name)
        if (
            not isinstance(entries, list)
            or not isinstance(number, int)
            or not 0 <= number < len(entries)
            or not isinstance(entries[number], dict)
        ):
            raise damaged(say("it names an entry of '{0}' that is not there", list_name), self.name)
        return entries[number]

    def number(self, of: dict[str, Any], key: str, default: int | None = None) -> int:
        value = of.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
            raise damaged(say("'{0}' is no whole number", key), self.name)
        return value

    def view(self, number: Any) -> tuple[bytes, int]:
        """(bytes, stride, 0 for none)."""
        view = self.entry("bufferViews", number)
        if self.number(view, "buffer", 0) or "uri" in self.entry("buffers", 0):
            raise DataError(
                say("a part of the model is in another file"),
                self.name,
                say("save it as one GLB file"),
            )
        start, size = self.number(view, "byteOffset", 0), self.number(view, "byteLength")
        if start + size > len(self.bytes):
            raise damaged(say("it names bytes beyond its end"), self.name)
        return self.bytes[start : start + size], self.number(view, "byteStride", 0)

    def values(self, number: Any, width: int) -> np.ndarray:
        """The numbers (N, width) of an accessor."""
        accessor = self.entry("accessors", number)
        kind = KINDS.get(accessor.get("componentType", 0))
        if "sparse" in accessor or kind is None or accessor.get("normalized"):
            raise DataError(
                say("the coordinates are stored in a way that is not read"),
                self.name,
                say("save it again as GLB without compression"),
            )
        data, stride = self.view(accessor.get("bufferView"))
        count, offset = self.number(accessor, "count"), self.number(accessor, "byteOffset", 0)
        if not count:
            return np.zeros((0, width), kind)
        size = np.dtype(kind).itemsize * width
        step = stride or size
        if step < size or offset + (count - 1) * step + size > len(data):
            raise damaged(say("it names bytes beyond its end"), self.name)
        check_count(count // 4, self.name)
        rows = np.lib.stride_tricks.as_strided(
            np.frombuffer(data, np.uint8)[offset:], (count, size), (step, 1), writeable=False
        )
        return np.ascontiguousarray(rows).view(kind).reshape(count, width)

    def mesh(self, number: Any) -> Mesh:
        """All primitives of triangles of a mesh."""
        parts = []
        for one in _list(self.entry("meshes", number), "primitives"):
            if not isinstance(one, dict):
                raise damaged(say("'{0}' is no list of objects", "primitives"), self.name)
            packed = [word for key, word in REFUSED.items() if key in (one.get("extensions") or {})]
            if packed:
                raise self.compressed(packed[0])
            mode = self.number(one, "mode", 4)
            attributes = one.get("attributes")
            if mode not in (4, 5, 6) or not isinstance(attributes, dict):
                continue  # points and lines have no surface
            vertices = self.values(attributes.get("POSITION"), 3)
            if vertices.dtype.kind != "f":
                raise self.compressed("quantisation")
            order = (
                self.values(one["indices"], 1)[:, 0].astype(np.int64)
                if "indices" in one
                else np.arange(len(vertices))
            )
            faces = _faces(order, mode)
            if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
                raise damaged(
                    say(
                        "a face has corner {0}, and there are {1}",
                        int(faces.max()),
                        len(vertices),
                    ),
                    self.name,
                )
            parts.append(Mesh(vertices, faces.astype(np.int32)))
        return joined(parts)

    def compressed(self, word: str) -> DataError:
        return DataError(
            say("the model is compressed ({0}), which is not read", word),
            self.name,
            say("save it again as GLB without compression"),
        )

    def whole(self) -> Mesh:
        """The meshes of all nodes of the scene, placed."""
        for word in _list(self.json, "extensionsRequired"):
            if word in REFUSED:
                raise self.compressed(REFUSED[word])
        scenes = _list(self.json, "scenes")
        if scenes:
            roots = _list(self.entry("scenes", self.json.get("scene", 0)), "nodes")
        else:
            roots = list(range(len(_list(self.json, "nodes"))))
        parts: list[Mesh] = []
        waiting = [(root, np.eye(4)) for root in reversed(roots)]
        meshes: dict[int, Mesh] = {}
        seen = faces = 0
        while waiting:
            number, outer = waiting.pop()
            node = self.entry("nodes", number)
            seen += 1
            if seen > MOST_NODES:
                raise damaged(say("it has too many nodes, or they hold one another"), self.name)
            place = outer @ self.matrix(node)
            if "mesh" in node:
                key = self.number(node, "mesh")
                if key not in meshes:
                    meshes[key] = self.mesh(key)
                faces += len(meshes[key].faces)
                check_count(faces, self.name)
                parts.append(_moved(meshes[key], place))
            waiting += [(child, place) for child in reversed(_list(node, "children"))]
        return joined(parts)

    def matrix(self, node: dict[str, Any]) -> np.ndarray:
        """(4, 4) of a node: its matrix, else translation, rotation (a quaternion) and scale."""
        parts = {}
        for key, size, default in (
            ("matrix", 16, None),
            ("translation", 3, (0, 0, 0)),
            ("rotation", 4, (0, 0, 0, 1)),
            ("scale", 3, (1, 1, 1)),
        ):
            value = node.get(key, default)
            if value is None:
                continue
            if (
                not isinstance(value, list | tuple)
                or len(value) != size
                or not all(isinstance(one, int | float) and abs(one) < 1e30 for one in value)
            ):
                raise damaged(say("'{0}' is no list of {1} numbers", key, size), self.name)
            parts[key] = np.array(value, np.float64)
        if "matrix" in parts:
            return parts["matrix"].reshape(4, 4).T  # columns first
        made = np.eye(4)
        made[:3, :3] = _rotation(parts["rotation"]) * parts["scale"]
        made[:3, 3] = parts["translation"]
        return made


def read(data: bytes, name: str) -> Mesh:
    """Raises DataError."""
    scene = _Scene(data, name)
    mesh = scene.whole()
    return checked(mesh.vertices, mesh.faces, name)


def chunks(data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """(JSON, bytes) of a GLB file. Raises DataError."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise damaged(say("it does not begin as GLB"), name)
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2 or length > len(data):
        raise damaged(
            say("it is no complete file of glTF 2.0")
            if version == 2
            else say("it is glTF {0}, and 2 is read", version),
            name,
        )
    found: dict[int, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > length:
            raise damaged(say("it ends within a part"), name)
        found.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    content = bounded.parse_json(found.get(JSON, b""), name)
    if not isinstance(content, dict):
        raise damaged(say("its JSON is no object"), name)
    return content, found.get(BIN, b"")


def write(
    mesh: Mesh,
    manifest: dict[str, Any] | None,
    field: np.ndarray | None,
    points: np.ndarray | None = None,
) -> bytes:
    """The same arguments give the same bytes."""
    vertices = mesh.vertices.astype("<f4")
    faces = mesh.faces.astype("<u4")
    blocks = [vertices.tobytes(), faces.tobytes()]
    extras: dict[str, Any] = {}
    if field is not None:
        blocks.append(zlib.compress(np.ascontiguousarray(field).tobytes(), 9))
        extras["field"] = {"bufferView": 2, "size": len(field)}
    if points is not None:
        extras["points"] = {"bufferView": len(blocks), "count": points.shape[1]}
        blocks.append(points.astype("<f4").tobytes())
    if manifest is not None:
        extras["castalia"] = json.dumps(manifest, sort_keys=True)
        label = ai_label.line(manifest)
        if label is not None:
            extras["label"] = label
    content = b""
    views = []
    for number, block in enumerate(blocks):
        view = {"buffer": 0, "byteOffset": len(content), "byteLength": len(block)}
        views.append(view | ({"target": 34962 + number} if number < 2 else {}))
        content += block + bytes(-len(block) % 4)
    document = {
        "asset": {"version": "2.0", "generator": "Castalia", "extras": extras},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": len(vertices),
                "type": "VEC3",
                "min": vertices.min(0).tolist(),
                "max": vertices.max(0).tolist(),
            },
            {"bufferView": 1, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(content)}],
    }
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<II", len(text), JSON) + text
    parts += struct.pack("<II", len(content), BIN) + content
    return struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts


def extras_of(data: bytes, name: str) -> dict[str, Any]:
    """What `write` put into the asset's extras; empty for a file of another program."""
    asset = chunks(data, name)[0].get("asset")
    extras = asset.get("extras") if isinstance(asset, dict) else None
    return extras if isinstance(extras, dict) else {}


def manifest_of(data: bytes, name: str) -> dict[str, Any] | None:
    text = extras_of(data, name).get("castalia")
    return manifest_json.only([text], name) if isinstance(text, str) else None


def field_of(data: bytes, name: str) -> np.ndarray | None:
    """(n, n, n) uint8: the field that `write` was given; None where there is none."""
    about = extras_of(data, name).get("field")
    if not isinstance(about, dict):
        return None
    scene = _Scene(data, name)
    size = scene.number(about, "size")
    packed, _ = scene.view(about.get("bufferView"))
    if not 2 <= size <= LARGEST_FIELD:
        raise damaged(say("its field has {0} voxels a side", size), name)
    try:
        values = zlib.decompressobj().decompress(packed, size**3 + 1)
    except zlib.error as error:
        raise damaged(say("its field is damaged"), name) from error
    if len(values) != size**3:
        raise damaged(say("its field is damaged"), name)
    return np.frombuffer(values, np.uint8).reshape(size, size, size)


def points_of(data: bytes, name: str) -> np.ndarray | None:
    """(3, P) float32 in [-1, 1]: the points that `write` was given; None where there are none."""
    about = extras_of(data, name).get("points")
    if not isinstance(about, dict):
        return None
    scene = _Scene(data, name)
    count = scene.number(about, "count")
    block, _ = scene.view(about.get("bufferView"))
    if not 1 <= count <= MOST_POINTS or len(block) != 12 * count:
        raise damaged(say("its points are damaged"), name)
    points = np.frombuffer(block, "<f4").astype(np.float32).reshape(3, count)
    if not (np.abs(points) <= 1).all():  # NaN is not, either
        raise damaged(say("its points are damaged"), name)
    return points


def _list(of: dict[str, Any], key: str) -> list[Any]:
    value = of.get(key)
    return value if isinstance(value, list) else []


def _faces(order: np.ndarray, mode: int) -> np.ndarray:
    """(F, 3): corners in order, as triangles (4), a strip (5) or a fan (6)."""
    if mode == 4:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    if len(order) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == 6:
        return np.stack([np.full(len(order) - 2, order[0]), order[1:-1], order[2:]], 1)
    rows = np.stack([order[:-2], order[1:-1], order[2:]], 1)
    rows[1::2] = rows[1::2, [1, 0, 2]]  # every other triangle of a strip is turned
    return rows


def _rotation(q: np.ndarray) -> np.ndarray:
    """(3, 3) of a quaternion x, y, z, w of any length."""
    x, y, z, w = q / max(float(np.linalg.norm(q)), 1e-30)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _moved(mesh: Mesh, place: np.ndarray) -> Mesh:
    """The mesh under a matrix; a mirror turns its faces, so that they look outwards again."""
    if not len(mesh.faces):
        return empty()
    with np.errstate(over="ignore", invalid="ignore"):
        vertices = mesh.vertices.astype(np.float64) @ place[:3, :3].T + place[:3, 3]
        vertices = vertices.astype(np.float32)
    faces = mesh.faces[:, ::-1] if np.linalg.det(place[:3, :3]) < 0 else mesh.faces
    return Mesh(vertices, np.ascontiguousarray(faces))
