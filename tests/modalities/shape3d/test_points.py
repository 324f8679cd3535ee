"""Shapes as sets of points: what is drawn from a mesh, what becomes of a set, and what is said of
it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import castalia
from castalia.errors import DataError
from castalia.modalities.shape3d import augment
from castalia.modalities.shape3d.codec import ShapeCodec, ShapeConfig
from castalia.modalities.shape3d.completion import kept_points
from castalia.modalities.shape3d.contract import furniture
from castalia.modalities.shape3d.copies import Solids
from castalia.modalities.shape3d.files import glb
from castalia.modalities.shape3d.mesh import is_watertight
from castalia.modalities.shape3d.point_clouds import PointFeatures, field_of
from castalia.nn.counter_random import generator
from castalia.testing import CODEC_CHECKS


def codec(points: int = 200, size: int = 16) -> ShapeCodec:
    made = ShapeCodec(ShapeConfig(form="points", points=points, size=size))
    made.fit([furniture("fit")])
    return made


def sets(count: int, points: int = 200) -> torch.Tensor:
    kind = codec(points)
    return torch.stack([kind.encode(furniture("set", number)) for number in range(count)])


@pytest.mark.parametrize("check", CODEC_CHECKS)
def test_contract(check: str) -> None:
    CODEC_CHECKS[check](codec(), [furniture("item", number) for number in range(3)])


def test_points_lie_on_the_surface_and_fill_the_box() -> None:
    points = codec(400, 32).encode(furniture("item"))
    assert points.shape == (3, 400) and float(points.abs().max()) <= 1
    extent = points.amax(1) - points.amin(1)
    assert 1.7 < float(extent.max()) < 2  # of 2, but for the margin
    again = codec(400, 32).encode(furniture("item"))
    assert torch.equal(points, again)


def test_the_field_of_one_point_is_a_ball() -> None:
    field = field_of(torch.zeros(1, 3, 1), 25)[0, 0]
    inside = (field < 0).float().sum()
    radius = 1.25 * 24 / 23
    assert float(inside) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.35)
    assert float(field[12, 12, 12]) < 0 < float(field[0, 0, 0])


def test_any_set_is_a_closed_shape() -> None:
    kind = codec(64)
    for values in (torch.randn(3, 64), torch.full((3, 64), torch.nan), torch.zeros(3, 64)):
        shape = kind.decode(values)
        assert is_watertight(shape.mesh) and shape.points is not None


def test_order_does_not_matter_to_features_and_copies() -> None:
    x = sets(24)
    shuffled = x[..., torch.randperm(200, generator=generator("order"))]
    extract = PointFeatures().extractor(codec().spec)
    assert torch.allclose(extract(x), extract(shuffled), atol=1e-5)
    matcher = Solids(codec(), x)
    found = matcher.match(shuffled)
    assert found.train.tolist() == list(range(24)) and set(found.kinds) == {"exact"}


@pytest.mark.parametrize("kind", Solids.planted)
def test_planted_copies_are_found(kind: str) -> None:
    x = sets(40)
    planted = Solids(codec(), x).plant(x, kind, generator("plant", kind))
    assert planted.shape == x.shape and float(planted.abs().max()) <= 1
    found = Solids(codec(), x).match(planted)
    assert float((found.train == torch.arange(40)).float().mean()) >= 0.9


@pytest.mark.parametrize("name", ["turn_points", "mirror_points", "stretch_points"])
def test_augmented_sets_stay_in_the_box(name: str) -> None:
    x = sets(8)
    changed = getattr(augment, name)(x, generator(name))
    assert changed.shape == x.shape and float(changed.abs().max()) <= 1 + 1e-6
    assert not torch.equal(changed, x)
    assert torch.equal(changed, getattr(augment, name)(x, generator(name)))


def test_turning_keeps_distances_about_the_axis() -> None:
    x = 0.5 * sets(4)
    turned = augment.turn_points(x, generator("turn"))
    assert torch.allclose(x[:, ::2].norm(dim=1), turned[:, ::2].norm(dim=1), atol=1e-5)
    assert torch.allclose(x[:, 1], turned[:, 1], atol=1e-5)


def test_a_part_is_kept() -> None:
    points = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert kept_points(points, "right", 0.4).tolist() == [True, True, False]
    assert kept_points(points, "left", 0.4).tolist() == [False, True, True]


def test_files_keep_the_points_and_damage_is_named(tmp_path: Path) -> None:
    kind = codec(32)
    shape = kind.decode(sets(1, 32)[0])
    kind.write(shape, tmp_path / "a.glb", {"run": "r"})
    (read,) = kind.read(tmp_path / "a.glb")
    assert torch.equal(kind.encode(read), kind.encode(shape))
    data = (tmp_path / "a.glb").read_bytes()
    assert b'"count":32' in data
    (tmp_path / "b.glb").write_bytes(data.replace(b'"count":32', b'"count":99'))
    with pytest.raises(DataError, match=r"points are damaged"):
        glb.points_of((tmp_path / "b.glb").read_bytes(), "b.glb")


def test_from_training_to_an_audit(tmp_path: Path) -> None:
    run = castalia.train(
        "shape3d/points",
        "builtin/furniture",
        {
            "training.steps": 2,
            "training.minutes": None,
            "training.threads": 1,
            "training.sample_every": 0,
            "codec.size": 12,
            "codec.points": 64,
            "family.width": 16,
            "family.depth": 1,
            "family.steps": 2,
        },
        out=tmp_path / "run",
    )
    document = castalia.evaluate(run, n=20)
    names = {score["name"]: score for score in document["scores"]}
    assert names["closed"]["value"] == 1
    assert names["nearest-is-same-chamfer"]["baselines"]["naive"] > 0.5
    castalia.audit(run, n=20)
    file = next((run.folder / "samples").glob("*.glb"), None)
    assert file is None or is_watertight(next(iter(run.codec.read(file))).mesh)
    half = castalia.edit(run, "infill", [_written(run, tmp_path)], part="right", share=0.5, steps=1)
    assert half[0].points is not None


def _written(run: castalia.Run, folder: Path) -> Path:
    path = folder / "given.glb"
    run.codec.write(run.codec.decode(run.codec.encode(furniture("edit"))), path)
    return path
