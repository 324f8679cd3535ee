"""What the codec's settings do, beside the contract of all codecs (tests/contracts)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.modalities.shape3d.solids import ball, block, table

from castalia.data.stream import to_unit
from castalia.errors import DataError
from castalia.modalities.shape3d import augment, specks
from castalia.modalities.shape3d.codec import ShapeCodec, ShapeConfig
from castalia.modalities.shape3d.contract import box, furniture, levels_of
from castalia.modalities.shape3d.mesh import extents, is_watertight
from castalia.modalities.shape3d.render import render, shades
from castalia.modalities.shape3d.shape import Shape


def codec(**given: object) -> ShapeCodec:
    made = ShapeCodec(ShapeConfig(**{"size": 20, **given}))
    made.fit([Shape(table())])
    return made


def again(made: ShapeCodec, item: Shape) -> Shape:
    return made.decode(to_unit(made.spec, made.encode(item)[None])[0])


def test_a_mesh_comes_back_as_large_as_its_box_and_closed() -> None:
    made = again(codec(thicken=0), Shape(table(10, 7, 6, 1.6)))
    assert is_watertight(made.mesh)
    assert extents(made.mesh) == pytest.approx([1.0, 0.78, 0.6], abs=0.05)
    assert made.mesh.vertices[:, 1].min() == pytest.approx(0, abs=0.03)


def test_a_shared_scale_keeps_proportions() -> None:
    made = ShapeCodec(ShapeConfig(size=24, scale="shared", thicken=0))
    made.fit([Shape(block(2, 2, 2)), Shape(block(8, 4, 4))])
    assert extents(again(made, Shape(block(8, 4, 4))).mesh) == pytest.approx([8, 4, 4], abs=0.1)
    assert extents(again(made, Shape(block(4, 4, 4))).mesh) == pytest.approx([4, 4, 4], abs=0.1)
    with pytest.raises(DataError, match="no shape"):
        ShapeCodec(ShapeConfig(scale="shared")).fit([])


def test_up_is_turned_when_read_and_when_written(tmp_path: Path) -> None:
    tall, path = block(1, 1, 5), tmp_path / "a.stl"
    ShapeCodec().write(Shape(tall), path)
    (item,) = ShapeCodec(ShapeConfig(up="z")).read(path)
    assert extents(item.mesh) == pytest.approx([1, 5, 1])
    ShapeCodec(ShapeConfig(up="z")).write(item, path)
    (plain,) = ShapeCodec().read(path)
    assert extents(plain.mesh) == pytest.approx([1, 1, 5])


def test_open_meshes_are_closed_or_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "open.ply", ball()
    opened = Shape(type(whole)(whole.vertices, whole.faces[30:]))
    ShapeCodec().write(opened, path)
    assert is_watertight(again(codec(), next(codec().read(path))).mesh)
    with pytest.raises(DataError, match="not closed"):
        list(codec(repair="refuse").read(path))


def test_specks_are_left_out_and_the_largest_body_never() -> None:
    field = np.minimum.reduce(
        [
            levels_of(box(np.array(centre, float), np.full(3, half)))
            for centre, half in (((5, 5, 5), 2.6), ((13, 13, 13), 0.6))
        ]
    )
    label = specks.labelled(field <= 127)
    assert label.max() == 2
    assert specks.labelled(specks.removed(field, 8) <= 127).max() == 1
    assert np.array_equal(specks.removed(field, 1), field)
    assert specks.labelled(specks.removed(field, 1 << 20) <= 127).max() == 1


def test_voxels_that_touch_at_an_edge_are_one_body() -> None:
    inside = np.zeros((4, 4, 4), bool)
    inside[1, 1, 1] = inside[2, 2, 1] = inside[3, 3, 2] = True  # the last two touch at a corner
    assert specks.labelled(inside).max() == 2


def test_nothing_inside_gives_the_voxel_nearest_to_it() -> None:
    made = codec()
    x = torch.full((1, 20, 20, 20), 0.9)
    x[0, 3, 4, 5] = 0.2
    item = made.decode(x)
    assert (
        is_watertight(item.mesh) and (item.field <= 127).sum() == 1 and item.field[3, 4, 5] == 127
    )


def test_the_field_a_made_shape_brings_is_used_where_it_fits() -> None:
    item = furniture("field")
    assert torch.equal(codec(size=16).encode(item)[0], torch.from_numpy(item.field))
    assert codec(size=24).encode(item).shape == (1, 24, 24, 24)


def test_stretching_keeps_floor_and_middle() -> None:
    item = codec(size=24).encode(Shape(block(2, 1.5, 2)))
    made = augment.stretch(item[None].repeat(20, 1, 1, 1, 1), torch.Generator().manual_seed(0))
    inside = made[:, 0] <= 127
    floors = {int(row.any(2).any(0).nonzero()[0]) for row in inside}
    assert floors <= {1, 2}
    heights = [int(row.any(2).any(0).sum()) for row in inside]
    assert len(set(heights)) > 2 and max(heights) <= 24
    sides = inside.any(3).any(2).float()
    assert torch.allclose(sides, sides.flip(1))  # symmetric about the middle of x


def test_turning_is_about_the_upward_axis() -> None:
    item = codec(size=16).encode(Shape(table()))[None].repeat(16, 1, 1, 1, 1)
    turned = augment.turn(item, torch.Generator().manual_seed(0))
    assert (turned != item).any()
    assert torch.equal((turned <= 127).sum((2, 4)), (item <= 127).sum((2, 4)))


def test_a_ball_is_drawn_as_a_disc_lit_from_the_upper_left() -> None:
    bright = shades(ball(), 35.0, 101)
    y, x = np.mgrid[0:101, 0:101]
    away = np.hypot(x - 50, y - 50) / 50.5
    assert not np.isnan(bright[away < 0.92]).any() and np.isnan(bright[away > 0.96]).all()
    assert np.nanmean(bright[:50, :50]) > np.nanmean(bright[51:, 51:]) + 0.1


def test_what_is_near_hides_what_is_behind() -> None:
    """From the front a large thin plate hides the block behind it."""
    plate, behind = block(4, 4, 0.1, at=(0, 0, 2)), block(1, 1, 1)
    both = type(plate)(
        np.concatenate([plate.vertices, behind.vertices]),
        np.concatenate([plate.faces, behind.faces + len(plate.vertices)]),
    )
    middle = shades(both, 0.0, 64)[32, 32]
    backwards = shades(both, 180.0, 64)[32, 32]
    assert not np.isnan(middle) and middle != pytest.approx(backwards, abs=1e-3)


def test_pictures_of_empty_meshes_are_white() -> None:
    from castalia.modalities.shape3d.mesh import empty

    assert np.asarray(render(empty(), size=8)).min() == 255
