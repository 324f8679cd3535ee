"""Readers and writers against trimesh, and what damaged and hostile files get."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from tests.modalities.shape3d.solids import ball, table

from castalia import bounded
from castalia.bounded import ReadLimits
from castalia.errors import CastaliaError, DataError
from castalia.modalities.shape3d.codec import ShapeCodec
from castalia.modalities.shape3d.contract import furniture
from castalia.modalities.shape3d.files import formats, glb
from castalia.modalities.shape3d.mesh import areas, extents, merged, volume
from castalia.modalities.shape3d.shape import Shape
from castalia.testing.malformed import altered

ENDINGS = tuple(formats.READERS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_trimesh_writes_is_read(ending: str, tmp_path: Path) -> None:
    made = ball(2.0, at=3.0)
    path = tmp_path / f"ball{ending}"
    trimesh.Trimesh(made.vertices, made.faces, process=False).export(path)
    read = formats.read(path).mesh
    assert volume(read) == pytest.approx(volume(made), rel=1e-5)
    assert len(read.faces) == len(made.faces)
    assert merged(read).vertices.mean(0) == pytest.approx([3.0] * 3, abs=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_by_trimesh(ending: str, tmp_path: Path) -> None:
    item = furniture("written")
    path = tmp_path / f"table{ending}"
    ShapeCodec().write(item, path, {"run": "test", "seed": 1, "text": "鹤"})
    read = trimesh.load(path, force="mesh")
    assert read.is_watertight and read.is_winding_consistent
    assert read.volume == pytest.approx(volume(item.mesh), rel=1e-4)
    assert ShapeCodec.read_manifest(path) == {"run": "test", "seed": 1, "text": "鹤"}
    bare = tmp_path / f"bare{ending}"
    ShapeCodec().write(item, bare)
    assert ShapeCodec.read_manifest(bare) is None
    assert ShapeCodec.content(bare) == ShapeCodec.content(path)


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    """With properties that are not read, and a quadrangle among triangles."""
    path = tmp_path / "a.ply"
    order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[encoding]
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1)]
    faces = [(0, 1, 2, 3), (0, 1, 4)]
    head = (
        f"ply\nformat {encoding} 1.0\ncomment by hand\nelement vertex 5\nproperty uchar red\n"
        "property float x\nproperty double y\nproperty float z\nelement face 2\n"
        "property list uchar int vertex_index\nproperty uchar flags\nend_header\n"
    ).encode()
    if order:
        body = b"".join(struct.pack(f"{order}Bfdf", 9, *corner) for corner in corners)
        body += b"".join(
            struct.pack(f"{order}B{len(face)}iB", len(face), *face, 7) for face in faces
        )
    else:
        body = "".join(f"9 {x} {y} {z}\n" for x, y, z in corners).encode()
        body += "".join(f"{len(face)} {' '.join(map(str, face))} 7\n" for face in faces).encode()
    path.write_bytes(head + body)
    mesh = formats.read(path).mesh
    assert mesh.vertices.tolist() == [list(map(float, corner)) for corner in corners]
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 4]]


def test_obj_of_polygons_and_corners_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text(
        "mtllib x.mtl\no one\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0 0.5 0.5 0.5\nvn 0 0 1\n"
        "f 1//1 2//1 3//1 \\\n 4//1\nl 1 2\nf -4 -3 -2\n"
    )
    assert formats.read(path).mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]


def test_glb_places_nodes_by_their_matrices(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    one = trimesh.creation.box((1, 2, 3))
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [0.5, 0, 0])
    mirror = np.diag([-2.0, 1, 1, 1])
    scene.add_geometry(one, node_name="a", transform=turn)
    scene.add_geometry(one, node_name="b", parent_node_name="a", transform=mirror)
    path = tmp_path / "scene.glb"
    scene.export(path)
    mesh, expected = formats.read(path).mesh, scene.to_geometry()
    assert extents(mesh) == pytest.approx(expected.extents, rel=1e-5)
    assert volume(mesh) == pytest.approx(6 + 12, rel=1e-5)  # the mirrored one is not inside out


def test_glb_reads_strips_and_fans() -> None:
    order = np.array([0, 1, 2, 3])
    assert glb._faces(order, 5).tolist() == [[0, 1, 2], [2, 1, 3]]
    assert glb._faces(order, 6).tolist() == [[0, 1, 2], [0, 2, 3]]
    assert len(glb._faces(order[:2], 5)) == 0


def packed(document: dict[str, object], content: bytes = b"") -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<II", len(text), glb.JSON) + text
    parts += struct.pack("<II", len(content), glb.BIN) + content
    return struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts


NAN = "v 0 0 0\nv 1 0 nan\nv 1 1 0\nf 1 2 3\n"
BAD: dict[str, tuple[str, bytes, str]] = {
    "a point cloud": ("a.obj", b"v 0 0 0\nv 1 0 0\n", "point cloud"),
    "a cloud as PLY": (
        "a.ply",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
        b"property float z\nend_header\n1 2 3\n",
        "point cloud",
    ),
    "NaN": ("a.obj", NAN.encode(), "NaN"),
    "a corner that is not there": ("a.obj", b"v 0 0 0\nf 1 2 3\n", "corner"),
    "one place": ("a.obj", b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "no size"),
    "an empty file": ("a.stl", b"", "empty"),
    "a short STL": ("a.stl", b"x" * 90, "promises"),
    "4 GiB of triangles": (
        "a.stl",
        bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(500),
        "promises",
    ),
    "5 million faces": (
        "a.ply",
        b"ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\n"
        b"property float y\nproperty float z\nelement face 5000000\n"
        b"property list uchar int vertex_indices\nend_header\n",
        "mesh_faces",
    ),
    "5 million faces as OFF": ("a.off", b"OFF\n3 5000000 0\n0 0 0\n", "mesh_faces"),
    "an empty scene": ("a.glb", packed({"asset": {"version": "2.0"}}), "no shape"),
    "Draco": (
        "a.glb",
        packed(
            {
                "asset": {"version": "2.0"},
                "extensionsRequired": ["KHR_draco_mesh_compression"],
            }
        ),
        "Draco",
    ),
    "nodes in a ring": (
        "a.glb",
        packed({"nodes": [{"children": [0]}], "scenes": [{"nodes": [0]}]}),
        "hold one another",
    ),
    "bytes beyond the end": (
        "a.glb",
        packed(
            {
                "scenes": [{"nodes": [0]}],
                "nodes": [{"mesh": 0}],
                "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
                "accessors": [{"bufferView": 0, "componentType": 5126, "count": 2**31}],
                "bufferViews": [{"buffer": 0, "byteLength": 36}],
                "buffers": [{"byteLength": 36}],
            },
            bytes(36),
        ),
        "beyond its end",
    ),
    "glTF 1": ("a.glb", struct.pack("<4sII", b"glTF", 1, 20) + bytes(8), "glTF 1"),
    "no OFF": ("a.off", b"hello\n", "OFF"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named(case: str, tmp_path: Path) -> None:
    name, content, words = BAD[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(ShapeCodec().read(path))
    assert words in str(caught.value) and name in str(caught.value) and caught.value.fix


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_files_raise_errors_of_castalia_only(ending: str, tmp_path: Path) -> None:
    path, rng = tmp_path / f"a{ending}", random.Random(ending)
    ShapeCodec().write(furniture("damaged"), path, {"run": "x"})
    whole = path.read_bytes()
    refused = 0
    for _ in range(60):
        path.write_bytes(altered(whole, rng))
        for reader in (formats.read, formats.manifest_of):
            try:
                reader(path)
            except CastaliaError:
                refused += 1
    assert refused or ending in (".stl", ".obj")


def test_limits_can_be_raised(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    ShapeCodec().write(Shape(table()), path)
    with bounded.using(ReadLimits(mesh_faces=10)), pytest.raises(DataError, match="mesh_faces"):
        formats.read(path)
    with bounded.using(ReadLimits(mesh_bytes=10)), pytest.raises(DataError, match="too large"):
        formats.read(path)
    assert areas(formats.read(path).mesh).sum() > 0


def test_stl_of_few_triangles_is_text_with_the_manifest(tmp_path: Path) -> None:
    path, made = tmp_path / "a.stl", table()
    manifest = {"run": random.Random(0).randbytes(400).hex(), "text": "a vertex 鹤"}
    ShapeCodec().write(Shape(made), path, manifest)
    assert path.read_bytes().startswith(b"solid castalia ")
    assert ShapeCodec.read_manifest(path) == manifest
    read = formats.read(path).mesh
    assert np.array_equal(read.corners, made.corners)
    assert trimesh.load(path, force="mesh").volume == pytest.approx(volume(made), rel=1e-4)


def test_stl_as_text(tmp_path: Path) -> None:
    path, made = tmp_path / "a.stl", ball()
    trimesh.Trimesh(made.vertices, made.faces).export(path, file_type="stl_ascii")
    assert volume(formats.read(path).mesh) == pytest.approx(volume(made), rel=1e-4)
    end = path.read_bytes().rindex(b"vertex")
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match="within a triangle"):
        formats.read(path)


def test_a_glb_holds_its_field_and_label(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    item, manifest = furniture("field"), {"synthetic": True, "generator": "castalia test"}
    ShapeCodec().write(item, path, manifest)
    read = formats.read(path)
    assert np.array_equal(read.field, item.field)
    assert ShapeCodec.is_labelled(path, manifest)
    assert not ShapeCodec.is_labelled(path, {**manifest, "generator": "another"})
