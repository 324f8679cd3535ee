"""Measures of meshes against closed forms and trimesh."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from tests.modalities.shape3d.solids import ball, block, table

from castalia.modalities.shape3d import mesh as meshes
from castalia.modalities.shape3d.mesh import Mesh


def soup(mesh: Mesh) -> Mesh:
    """Each triangle with corners of its own, as STL has them."""
    return Mesh(
        mesh.corners.reshape(-1, 3), np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3)
    )


def test_area_volume_and_extents_of_a_block() -> None:
    made = block(1, 2, 3, at=(5, -1, 2))
    assert meshes.volume(made) == pytest.approx(6)
    assert meshes.areas(made).sum() == pytest.approx(22)
    assert meshes.extents(made) == pytest.approx([1, 2, 3])
    turned = Mesh(made.vertices, made.faces[:, ::-1])
    assert meshes.volume(turned) == pytest.approx(-6)


def test_corners_of_one_place_are_merged() -> None:
    made = meshes.merged(soup(block(1, 1, 1)))
    assert made.vertices.shape == (8, 3) and made.faces.shape == (12, 3)
    flat = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 1], [0, 1, 2]], np.int32))
    assert len(meshes.merged(flat).faces) == 1


def test_near_corners_are_merged_in_steps() -> None:
    coarse = meshes.merged(ball(1.0), step=0.5)
    assert len(coarse.vertices) < 200 and meshes.closure(coarse).borders == 0


@pytest.mark.parametrize("damage", ["none", "hole", "turned", "sheet"])
def test_closed_is_what_trimesh_calls_watertight(damage: str) -> None:
    made = ball()
    faces = made.faces.copy()
    if damage == "hole":
        faces = faces[1:]
    elif damage == "turned":
        faces[0] = faces[0][::-1]
    elif damage == "sheet":
        faces = np.concatenate([faces, faces[:1]])
    state = meshes.closure(Mesh(made.vertices, faces))
    other = trimesh.Trimesh(made.vertices, faces, process=False)
    assert state.closed == (other.is_watertight and other.is_winding_consistent)
    assert state.closed == (damage == "none")
    assert (state.borders, state.shared) == {"hole": (3, 0), "sheet": (0, 3)}.get(damage, (0, 0))
    assert (state.turned > 0) == (damage == "turned")
    assert meshes.is_watertight(soup(Mesh(made.vertices, faces))) == state.closed


def test_bodies_are_counted() -> None:
    assert len(set(meshes.bodies(meshes.merged(table())))) == 5
    assert set(meshes.bodies(ball())) == {0}
    assert len(meshes.bodies(meshes.empty())) == 0


def test_points_are_spread_evenly_over_the_surface() -> None:
    points = meshes.surface_points(block(1, 2, 3), 6000, np.random.default_rng(0))
    away = np.abs(points) - np.array([0.5, 1, 1.5])
    on = np.isclose(away, 0, atol=1e-6)
    assert on.any(1).all()
    # of 22, the two sides across x have 12
    assert on[:, 0].mean() == pytest.approx(12 / 22, abs=0.02)
    assert not meshes.surface_points(meshes.empty(), 4, np.random.default_rng(0)).any()
