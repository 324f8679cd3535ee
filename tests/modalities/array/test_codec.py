"""The array codec: standardisation by closed form, exact round trips, bad numbers by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from castalia.errors import DataError, SpecError
from castalia.modalities.array.codec import ArrayCodec, ArrayConfig, read_manifest
from castalia.testing.codecs import check_codec


def fitted(items: np.ndarray, **options: object) -> ArrayCodec:
    codec = ArrayCodec(ArrayConfig(**options))
    codec.fit(items)
    return codec


@pytest.mark.parametrize("shape", [(1,), (2,), (9,), (3, 4), (2, 3, 4)])
def test_contract(shape: tuple[int, ...]):
    check_codec(
        ArrayCodec(), list(np.random.default_rng(0).normal(3, 2, (5, *shape)).astype(np.float32))
    )


def test_vectors_are_standardised_entry_by_entry():
    items = np.random.default_rng(0).normal([5, -3, 0], [2, 0.1, 1], (500, 3)).astype(np.float32)
    encoded = torch.stack([fitted(items).encode(item) for item in items])
    assert torch.allclose(encoded.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(encoded.std(0, correction=0), torch.ones(3), atol=1e-4)


def test_grids_keep_the_relation_of_neighbours():
    """One mean and deviation per channel: the closed form over all items and places of
    the channel.
    """
    items = np.random.default_rng(0).normal(0, 1, (50, 2, 4, 3)) * [[[1]], [[7]]] + np.arange(3)
    codec = fitted(items.astype(np.float32))
    _, tensors = codec.state()
    assert np.allclose(tensors["mean"].ravel(), items.mean((0, 2, 3)), atol=1e-5)
    assert np.allclose(tensors["deviation"].ravel(), items.std((0, 2, 3)), rtol=1e-5)
    assert (
        codec.spec.layout == "grid" and codec.spec.unit == "standard" and codec.spec.levels is None
    )


def test_constant_entries_pass():
    items = np.full((20, 2), 1e6, dtype=np.float32)
    items[:, 1] = np.arange(20)
    codec = fitted(items)
    assert codec.encode(items[3])[0] == 0 and np.allclose(
        codec.decode(codec.encode(items[3])), items[3]
    )


@settings(max_examples=80, deadline=None)
@given(arrays.arrays(np.float32, (6, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_round_trip_within_float_precision(items: np.ndarray):
    codec = fitted(items)
    scale = np.abs(items).max() + 1
    for item in items:
        assert np.abs(codec.decode(codec.encode(item)) - item).max() <= 1e-5 * scale


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.float32, (2,), elements=st.floats(width=32)))
def test_decode_gives_finite_numbers(values: np.ndarray):
    codec = fitted(np.array([[0, 1], [2, 5]], dtype=np.float32))
    assert np.isfinite(codec.decode(torch.from_numpy(values))).all()
    assert codec.decode(torch.full((2,), float("nan"))).tolist() == [1, 3]  # the mean


def test_options(tmp_path: Path):
    array = np.arange(12, dtype=np.int64).reshape(4, 3)
    np.save(tmp_path / "a.npy", array)
    assert [item.tolist() for item in ArrayCodec().read(tmp_path / "a.npy")] == array.tolist()
    assert [
        item.shape for item in ArrayCodec(ArrayConfig(rows=False)).read(tmp_path / "a.npy")
    ] == [(4, 3)]
    np.save(tmp_path / "b.npy", np.arange(5.0))
    assert [item.tolist() for item in ArrayCodec().read(tmp_path / "b.npy")] == [
        [0],
        [1],
        [2],
        [3],
        [4],
    ]
    plain = fitted(array.astype(np.float32), standard=False, layout="set")
    assert (
        plain.encode(array[1].astype(np.float32)).tolist() == [3, 4, 5]
        and plain.spec.layout == "set"
    )


def test_bad_numbers_are_named(tmp_path: Path):
    for name, value in (("nan", np.nan), ("infinity", np.inf), ("huge", 1e300)):
        array = np.zeros((2000, 2))
        array[1500, 1] = value
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(DataError, match="NaN, infinity") as caught:
            list(ArrayCodec().read(tmp_path / f"{name}.npy"))
        assert caught.value.where == f"{name}.npy, item 1500"
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(DataError, match="does not hold numbers"):
        list(ArrayCodec().read(tmp_path / "words.npy"))


def test_shapes_are_checked():
    codec = fitted(np.zeros((3, 2), dtype=np.float32))
    with pytest.raises(DataError, match="another shape"):
        codec.encode(np.zeros(3, dtype=np.float32))
    with pytest.raises(SpecError, match="another shape"):
        codec.decode(torch.zeros(3))
    with pytest.raises(DataError, match="another shape"):
        fitted([np.zeros(2), np.zeros(3)])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no array"):
        ArrayCodec().fit([])
    with pytest.raises(SpecError, match="fit"):
        _ = ArrayCodec().spec


def test_manifest(tmp_path: Path):
    item = np.array([1.5, 2.5], dtype=np.float32)
    codec = fitted(np.stack([item, item + 1]))
    codec.write(item, tmp_path / "a.npz", {"seed": 1, "name": "鹤"})
    assert read_manifest(tmp_path / "a.npz") == {"seed": 1, "name": "鹤"}
    assert [found.tolist() for found in codec.read(tmp_path / "a.npz")] == [[1.5, 2.5]]
    codec.write(item, tmp_path / "b.npy", {"seed": 1})
    assert (
        np.load(tmp_path / "b.npy").tolist() == [[1.5, 2.5]]
        and read_manifest(tmp_path / "b.npy") is None
    )
    codec.write(item, tmp_path / "c.npz")
    assert read_manifest(tmp_path / "c.npz") is None


def test_scatter_shows_the_plane():
    """Four corners: ink in the four corners of the picture, none in the middle."""
    items = [np.array(corner, dtype=np.float32) for corner in ((0, 0), (0, 1), (1, 0), (1, 1))]
    picture = np.asarray(fitted(np.stack(items)).preview(items).convert("L"))
    side = len(picture)
    corners = [picture[:16, :16], picture[:16, -16:], picture[-16:, :16], picture[-16:, -16:]]
    assert (
        all(corner.min() < 200 for corner in corners)
        and picture[side // 4 : -side // 4, side // 4 : -side // 4].min() == 255
    )
