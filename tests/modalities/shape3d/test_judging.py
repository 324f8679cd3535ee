"""Distances between sets of shapes, the matcher of copies, and completion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from castalia.data.stream import to_unit
from castalia.families.flow import Flow, FlowConfig
from castalia.modalities.shape3d.codec import ShapeCodec, ShapeConfig
from castalia.modalities.shape3d.completion import PARTS, completed, kept
from castalia.modalities.shape3d.contract import SIDE, furniture
from castalia.modalities.shape3d.copies import Solids
from castalia.modalities.shape3d.metrics.clouds import FEWER, chamfer, clouds, earth_mover
from castalia.modalities.shape3d.metrics.point_sets import covered, matching, nearest_is_same
from castalia.modalities.shape3d.pose import posed
from castalia.nn.counter_random import generator

ITEMS = [furniture(number) for number in range(10)]


def codec() -> ShapeCodec:
    made = ShapeCodec(ShapeConfig(size=SIDE))
    made.fit(ITEMS)
    return made


def fields(*names: object) -> torch.Tensor:
    rows = torch.stack([codec().encode(furniture(*name)) for name in names])  # type: ignore[misc]
    return to_unit(codec().spec, rows)


def test_chamfer_distance_is_that_of_a_double_loop() -> None:
    a = clouds(ITEMS[:3])[:, :40]
    found = chamfer(a, a)
    for i in range(3):
        for j in range(3):
            squares = ((a[i][:, None] - a[j][None]) ** 2).sum(2)
            true = squares.amin(1).mean() + squares.amin(0).mean()
            assert float(found[i, j]) == pytest.approx(float(true), abs=1e-5)


def test_earth_movers_distance_is_near_the_exact_assignment() -> None:
    a = clouds(ITEMS)
    found = earth_mover(a, a).numpy()
    distance = torch.cdist(a[:, None, :FEWER], a[None, :, :FEWER]).numpy()
    true = np.array([[one[linear_sum_assignment(one)].mean() for one in row] for row in distance])
    other = ~np.eye(len(a), dtype=bool)
    assert (found / np.maximum(true, 1e-9))[other] == pytest.approx(1, abs=0.1)
    assert np.corrcoef(found[other], true[other])[0, 1] > 0.995
    assert np.diag(found).max() < 0.1 * found[other].min()


def test_nearest_neighbours_by_hand() -> None:
    """Points on a line, with distances of points."""

    def judged(a: list[float], b: list[float]) -> tuple[float, float, float]:
        x, y = torch.tensor(a).double()[:, None], torch.tensor(b).double()[:, None]
        across = torch.cdist(x, y)
        same = nearest_is_same(torch.cdist(x, x), across, torch.cdist(y, y))
        return same.value, covered(across).value, matching(across).value

    assert judged([0, 1, 2], [10, 11, 12]) == (1.0, pytest.approx(1 / 3), 9.0)
    assert judged([0, 10], [0.1, 10.1]) == (0.0, 1.0, pytest.approx(0.1, rel=1e-4))
    assert judged([0, 1], [0.5, 9.0])[1:] == (0.5, pytest.approx((0.5 + 8) / 2))


def test_a_shape_is_brought_to_one_place_and_size() -> None:
    first = fields((0,))
    moved = torch.roll(first, (2, 1, -1), (2, 3, 4))
    one, other = posed(first), posed(moved)
    assert float((one - other).abs().mean()) < 0.01
    assert posed(torch.ones(1, 1, 8, 8, 8)).max() == 0


@pytest.mark.parametrize("kind", Solids.planted)
def test_planted_copies_are_found(kind: str) -> None:
    training = fields(*[("train", number) for number in range(40)])
    matcher = Solids(codec(), training)
    fresh = matcher.match(fields(*[("new", number) for number in range(20)]))
    planted = matcher.match(matcher.plant(training[:20], kind, generator("planted")))
    assert (planted.train == torch.arange(20)).double().mean() >= 0.95
    assert planted.residual.max() < fresh.residual.median()
    assert set(planted.kinds) <= set(Solids.kinds)
    if kind in ("exact", "turned", "flipped"):
        assert planted.distance.max() < 0.02


def test_the_index_is_kept() -> None:
    matcher = Solids(codec(), fields((0,), (1,), (2,)))
    again = Solids.restore(codec(), *matcher.state())
    asked = fields((2,), (5,))
    assert torch.equal(again.match(asked).distance, matcher.match(asked).distance)
    assert len(again) == 3 and len(again.match(asked[:0])) == 0


@pytest.mark.parametrize("part", PARTS)
def test_the_part_made_anew_is_the_one_asked_for(part: str) -> None:
    field = torch.ones(8, 8, 8)
    field[2:6, 2:6, 2:6] = -1
    keep = kept(field, part, 0.5)
    axis, at_end = PARTS[part]
    layers = keep.movedim(axis, 0).flatten(1)
    assert (layers.all(1) | ~layers.any(1)).all()
    assert layers[:, 0].tolist() == [at_end] * 4 + [not at_end] * 4


def test_what_is_kept_comes_back_as_it_was() -> None:
    made = codec()
    model = Flow(FlowConfig(width=8, patch=4, steps=2), made.spec, {})
    (first, second) = completed(model, made, ITEMS[:1], {}, part="top", share=0.5, count=2, seed=0)
    before = made.encode(ITEMS[0])[0].numpy()
    keep = kept(to_unit(made.spec, made.encode(ITEMS[0])[None])[0, 0], "top", 0.5).numpy()
    solid = (before <= 127) & keep
    for one in (first, second):
        assert one.field is not None and ((one.field <= 127) & keep)[solid].mean() > 0.95
    assert not np.array_equal(first.field, second.field)
