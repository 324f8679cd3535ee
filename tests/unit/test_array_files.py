"""IDX, .npy and .npz: round trips, labels beside items, damage by name."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from castalia.codecs import array_files
from castalia.errors import DataError
from castalia.omissions import collected

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz", "a-ubyte", "a-ubyte.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_idx_round_trip(tmp_path: Path, name: str, dtype: str):
    array = (np.arange(7 * 3 * 2) - 20).reshape(7, 3, 2).astype(dtype)
    array_files.write_idx(tmp_path / name, array)
    found = np.concatenate(list(array_files.blocks(tmp_path / name, rows=2)))
    assert found.dtype == array.dtype and (found == array).all()
    assert array_files.header(tmp_path / name).shape == (7, 3, 2)


def test_idx_bytes_follow_the_published_layout(tmp_path: Path):
    """yann.lecun.com: magic 0x00000803 for three-axis bytes, sizes big-endian, row-major values."""
    array_files.write_idx(tmp_path / "a.idx", np.arange(4, dtype=np.uint8).reshape(1, 2, 2))
    assert (tmp_path / "a.idx").read_bytes() == bytes.fromhex(
        "00000803 00000001 00000002 00000002 00010203"
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_and_npz_are_streamed(tmp_path: Path, order: str):
    array = np.asarray(np.random.default_rng(0).normal(size=(11, 4, 3)), order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", x=array, y=np.arange(11))
    for name in ("a.npy", "a.npz"):
        parts = list(array_files.blocks(tmp_path / name, rows=4))
        assert [len(part) for part in parts] == [4, 4, 3]
        assert (np.concatenate(parts) == array).all()
    assert (array_files.labels(tmp_path / "a.npz") == np.arange(11)).all()


def test_big_endian_values_come_out_native(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.arange(5, dtype=">i4")[:, None])
    (block,) = array_files.blocks(tmp_path / "a.npy")
    assert block.dtype == np.dtype("=i4") and block.ravel().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("items", "labels"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("images-idx3-ubyte", "labels-idx1-ubyte"),
        ("x_train.npy", "y_train.npy"),
        ("images.npy", "labels.npy"),
    ],
)
def test_labels_lie_beside_items(tmp_path: Path, items: str, labels: str):
    for name, array in (
        (items, np.zeros((3, 2, 2), np.uint8)),
        (labels, np.array([4, 0, 1], np.uint8)),
    ):
        np.save(tmp_path / name, array) if name.endswith(".npy") else array_files.write_idx(
            tmp_path / name, array
        )
    assert array_files.label_file(tmp_path / items) == tmp_path / labels
    assert array_files.is_labels(tmp_path / labels) and not array_files.is_labels(tmp_path / items)
    found = array_files.labels(tmp_path / items)
    assert found is not None and found.tolist() == [4, 0, 1]


def test_labels_must_fit(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(2, int))
    with pytest.raises(DataError, match="3 items, labels of shape"):
        array_files.labels(tmp_path / "a.npz")


def test_class_names_with_and_without_numbers(tmp_path: Path):
    (tmp_path / "classes.txt").write_text("0\tT-shirt/top\n1\tTrouser\n", encoding="utf-8")
    assert array_files.class_names(tmp_path / "a.idx") == ("T-shirt/top", "Trouser")
    (tmp_path / "classes.txt").write_text("猫\n1 dog\n", encoding="utf-8")
    assert array_files.class_names(tmp_path / "a.idx") == ("猫", "1 dog")


def _damaged(folder: Path) -> dict[str, bytes]:
    array_files.write_idx(folder / "good.idx", np.arange(600, dtype=np.uint8).reshape(6, 10, 10))
    np.save(folder / "good.npy", np.zeros((6, 3)))
    np.savez(folder / "good.npz", x=np.zeros((6, 3)))
    idx, npy, npz = ((folder / f"good.{ending}").read_bytes() for ending in ("idx", "npy", "npz"))
    return {
        "empty.idx": b"",
        "short.idx": idx[:-1],
        "long.idx": idx + b"0",
        "header.idx": idx[:3],
        "magic.idx": b"\1" + idx[1:],
        "type.idx": idx[:2] + b"\x55" + idx[3:],
        "cut.idx.gz": gzip.compress(idx)[:-12],
        "sum.idx.gz": gzip.compress(idx)[:-8] + b"\0" * 8,
        "notgz-ubyte.gz": b"\x1f\x8bnot gzip at all",
        "short.npy": npy[:-1],
        "magic.npy": b"X" + npy[1:],
        "cut.npz": npz[:-30],
        "text.npz": b"hello",
        "huge.idx": struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**20, 2**20),
        "flat.idx": struct.pack(">BBBBII", 0, 0, 8, 2, 5, 0),
    }


def test_damage_is_named(tmp_path: Path):
    for name, content in _damaged(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            list(array_files.blocks(path))
        assert name in caught.value.where and caught.value.fix, name


def test_nothing_is_unpickled(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="unpickled"):
        list(array_files.blocks(tmp_path / "a.npy"))
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="unpickled"):
        list(array_files.blocks(tmp_path / "a.npz"))


def test_further_arrays_of_an_npz_are_counted(tmp_path: Path):
    np.savez(
        tmp_path / "a.npz",
        x=np.zeros((3, 2)),
        y=np.arange(3),
        x_test=np.zeros((2, 2)),
        extra=np.zeros(4),
        manifest=np.array("{}"),
    )
    np.savez(tmp_path / "b.npz", only=np.zeros((3, 2)))
    with collected() as omissions:
        for name in ("a.npz", "b.npz"):
            assert len(list(array_files.contents(tmp_path / name))) == 3
    assert [(one.what, one.count, one.example) for one in omissions.listed()] == [
        ("further arrays in .npz files", 2, "a.npz: x_test")
    ]
