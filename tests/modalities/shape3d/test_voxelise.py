"""Signed distances against closed forms, and what holes, turned faces and thin walls do to them."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from tests.modalities.shape3d.solids import ball, block, table

from castalia.modalities.shape3d import voxelise
from castalia.modalities.shape3d.contract import box
from castalia.modalities.shape3d.mesh import Mesh, is_watertight, joined
from castalia.modalities.shape3d.surface import surface
from castalia.modalities.shape3d.voxelise import TRUNCATE, placed, signed_distance, votes

N = 20


def moved(mesh: Mesh, at: float = 9.3) -> Mesh:
    return Mesh(mesh.vertices + np.float32(at), mesh.faces)


def test_distances_of_a_block_are_those_of_the_closed_form() -> None:
    found = signed_distance(moved(block(6, 8, 5.2)), N)
    true = box(np.full(3, 9.3), np.array([3, 4, 2.6]), N).clip(-TRUNCATE, TRUNCATE)
    assert np.abs(found - true).max() < 1e-4


def test_distances_of_a_ball_are_those_of_the_closed_form() -> None:
    found = signed_distance(moved(ball(6.0)), N)
    place = np.stack(np.mgrid[0:N, 0:N, 0:N], -1) - 9.3
    true = (np.linalg.norm(place, axis=-1) - 6.0).clip(-TRUNCATE, TRUNCATE)
    assert np.abs(found - true).max() < 0.04  # the ball is one of 1,280 triangles


def test_distances_are_those_of_trimesh() -> None:
    made = moved(table(14, 10, 8, 1.6))
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, N, (200, 3))
    found = np.abs(signed_distance(made, N))[tuple(chosen.T)]
    away = np.full(len(chosen), np.inf)
    for triangle in made.corners.astype(float):
        nearest = trimesh.triangles.closest_point(np.array([triangle] * len(chosen)), chosen)
        away = np.minimum(away, np.linalg.norm(nearest - chosen, axis=1))
    assert found == pytest.approx(np.minimum(away, TRUNCATE), abs=1e-4)


def winding(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """The generalised winding number (Jacobson et al. 2013) by solid angles (van Oosterom &
    Strackee 1983).
    """
    a, b, c = (mesh.corners[None, :, k].astype(float) - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(one, axis=2) for one in (a, b, c))
    top = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    below = la * lb * lc + (a * b).sum(2) * lc + (b * c).sum(2) * la + (c * a).sum(2) * lb
    return 2 * np.arctan2(top, below).sum(1) / (4 * np.pi)


def test_the_inside_is_where_the_winding_number_is_not_0() -> None:
    made = moved(joined([ball(5.0), ball(3.0, at=3.0)]))  # two bodies that overlap
    points = np.stack(np.mgrid[0:N, 0:N, 0:N], -1).reshape(-1, 3)[::7].astype(float)
    inside = votes(made.corners.astype(float), N).reshape(-1)[::7] >= 4
    assert (inside == (np.round(winding(made, points)) != 0)).all()


def test_a_hole_does_not_open_the_inside() -> None:
    whole = moved(block(8, 8, 8))
    facing = np.flatnonzero((whole.corners[:, :, 1] < 6).all(1))  # the two triangles below
    opened = Mesh(whole.vertices, np.delete(whole.faces, facing, axis=0))
    assert len(facing) == 2 and not is_watertight(opened)
    first, second = (signed_distance(one, N) < 0 for one in (whole, opened))
    assert (first != second).mean() < 0.002


def test_faces_turned_at_random_are_counted_instead() -> None:
    made = moved(ball(6.0))
    rng = np.random.default_rng(1)
    faces = made.faces.copy()
    turned = rng.random(len(faces)) < 0.5
    faces[turned] = faces[turned][:, ::-1]
    mixed = signed_distance(Mesh(made.vertices, faces), N)
    assert np.abs(mixed - signed_distance(made, N)).max() < 1e-6


def test_a_sheet_and_a_wire_come_out_whole() -> None:
    """Without thickening, what holds no voxel's middle is lost."""
    sheet = Mesh(
        np.array([[2, 8.5, 2], [16, 8.5, 2], [16, 8.5, 16], [2, 8.5, 16]], np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )
    assert (signed_distance(sheet, N) >= 0).all()
    for thin in (sheet, moved(block(14, 0.3, 0.3))):
        field = signed_distance(thin, N, 0.6)
        made = surface(field + 1e-4)
        assert is_watertight(made) and (field < 0).sum() > 10


def test_a_shape_is_put_into_its_box() -> None:
    made = placed(block(2, 1, 4, at=(100, -7, 3)), 32, longest=None, floor=True)
    low, high = made.vertices.min(0), made.vertices.max(0)
    assert high - low == pytest.approx(np.array([14, 7, 28]), rel=1e-5)
    assert low[1] == pytest.approx(voxelise.MARGIN)
    assert (low + high)[[0, 2]] / 2 == pytest.approx([15.5, 15.5])
    middle = placed(block(2, 1, 4), 32, longest=8.0, floor=False).vertices
    assert np.ptp(middle, axis=0) == pytest.approx([7, 3.5, 14])
    assert middle.mean(0) == pytest.approx([15.5] * 3)


def test_meshes_of_many_faces_are_made_coarser_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made = moved(ball(6.0))
    exact = signed_distance(made, N)
    monkeypatch.setattr(voxelise, "MANY", 100)
    assert np.abs(signed_distance(made, N) - exact).max() < 0.2
