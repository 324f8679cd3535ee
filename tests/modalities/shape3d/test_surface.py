"""Surfaces of fields are closed, whatever the field."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.modalities.shape3d import mesh as meshes
from castalia.modalities.shape3d.surface import loops, surface, table


def test_every_edge_of_a_cell_is_in_one_loop() -> None:
    for inside in range(256):
        edges = [edge for loop in loops(inside) for edge in loop]
        assert len(edges) == len(set(edges))
        assert all(len(loop) >= 3 for loop in loops(inside))
    assert [len(table()[one]) for one in (0, 1, 255)] == [0, 1, 0]


@pytest.mark.parametrize("case", range(1, 255))
def test_each_case_alone_is_closed(case: int) -> None:
    corners = [1.0 if case >> number & 1 else -1.0 for number in range(8)]
    made = surface(np.array(corners).reshape(2, 2, 2))
    other = trimesh.Trimesh(made.vertices, made.faces, process=False)
    assert other.is_watertight and other.is_winding_consistent and other.volume > 0


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 7]))
@settings(max_examples=40, deadline=None)
def test_random_fields_have_closed_surfaces(seed: int, side: int) -> None:
    field = np.random.default_rng(seed).normal(size=(side, side + 1, side))
    made = surface(field)
    other = trimesh.Trimesh(made.vertices, made.faces, process=False)
    assert other.is_watertight and other.is_winding_consistent
    assert meshes.is_watertight(made) and meshes.volume(made) > 0


def test_a_ball_has_the_area_and_volume_of_a_ball() -> None:
    place = np.stack(np.mgrid[0:32, 0:32, 0:32], -1) - 15.5
    made = surface(np.linalg.norm(place, axis=-1) - 10.3)
    assert meshes.volume(made) == pytest.approx(4 / 3 * np.pi * 10.3**3, rel=0.01)
    assert meshes.areas(made).sum() == pytest.approx(4 * np.pi * 10.3**2, rel=0.01)
    away = np.linalg.norm(made.vertices - 15.5, axis=1)
    assert away.min() > 10.2 and away.max() < 10.4


def test_nothing_inside_is_empty_and_all_inside_is_the_box() -> None:
    assert len(surface(np.ones((3, 3, 3))).faces) == 0
    full = surface(-np.ones((3, 3, 3)))
    assert meshes.is_watertight(full) and meshes.extents(full) == pytest.approx([3, 3, 3])
