"""Batches are functions of counters, the cache is safe to share and to lose, and memory
stays flat.
"""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.listening import recorded

from castalia.codecs import array_files
from castalia.data import cache
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, list_caches, prepare, remove_cache, to_unit
from castalia.errors import DataError, RecipeError
from castalia.modalities.array.codec import ArrayCodec
from castalia.modalities.image.codec import ImageCodec, ImageConfig
from castalia.spec import Dense, Tokens


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """100 pictures whose pixels all show their number."""
    numbers = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    array_files.write_idx(tmp_path / "images-idx3-ubyte", numbers)
    array_files.write_idx(tmp_path / "labels-idx1-ubyte", np.arange(100, dtype=np.uint8) % 5)
    return tmp_path / "images-idx3-ubyte"


def open_(
    path: Path, home: Path | None = None, codec: ImageCodec | None = None, **options: object
) -> Dataset:
    return prepare(DataConfig(source=str(path), **options), codec or ImageCodec(), home=home)


def numbers(x: torch.Tensor) -> list[int]:
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


# Batches ------------------------------------------------------------------------------------------


def test_to_unit_by_closed_form():
    stored = torch.arange(256, dtype=torch.uint8)
    signed, binary = (
        to_unit(Dense((256,), unit="signed", levels=256), stored),
        to_unit(Dense((256,), unit="binary", levels=256), stored),
    )
    assert signed[0] == -1 and signed[255] == 1 and signed.dtype == torch.float32
    assert torch.allclose(signed.double(), torch.arange(256).double() * 2 / 255 - 1, atol=1e-7)
    assert torch.allclose(binary.double(), torch.arange(256).double() / 255, atol=1e-7)
    assert to_unit(
        Dense((2,), unit="signed", levels=2), torch.tensor([0, 1], dtype=torch.uint8)
    ).tolist() == [-1, 1]
    assert to_unit(
        Dense((2,), unit="standard"), torch.tensor([0.5, -7.0], dtype=torch.float64)
    ).tolist() == [0.5, -7]
    assert to_unit(Tokens(4, 9, 0), torch.tensor([1, 8], dtype=torch.uint8)).dtype == torch.int64


def test_an_epoch_is_a_permutation_and_the_stream_is_endless(pictures: Path):
    train = open_(pictures).train
    size, length = 7, len(train)
    seen: list[int] = []
    for counter in range(3 * length):
        seen += numbers(train.batch(counter, size, seed=1).x)
    epochs = [seen[start : start + length] for start in range(0, 5 * length, length)]
    assert all(sorted(epoch) == sorted(epochs[0]) and len(set(epoch)) == length for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_batches_depend_on_counter_and_seed_alone(pictures: Path, tmp_path: Path):
    first, second = open_(pictures).train, open_(pictures, home=tmp_path / "other").train
    wanted = [first.batch(counter, 16, seed=3) for counter in (0, 5, 40)]
    for _ in range(10):
        second.batch(17, 16, seed=4)
    for counter, expected in zip((40, 5, 0), reversed(wanted), strict=True):
        found = second.batch(counter, 16, seed=3)
        assert torch.equal(found.x, expected.x) and torch.equal(
            found.cond["label"], expected.cond["label"]
        )
    assert numbers(first.batch(0, 16, seed=4).x) != numbers(wanted[0].x)


def test_a_batch_may_be_larger_than_the_data(pictures: Path):
    train = open_(pictures).train
    found = numbers(train.batch(0, 2 * len(train), seed=0).x)
    assert sorted(found) == sorted(2 * numbers(train.take(range(len(train))).x))


def test_labels_stay_with_their_items(pictures: Path):
    dataset = open_(pictures)
    for batch in (
        dataset.train.batch(3, 32, seed=0, augment=True),
        dataset.validation.take(range(len(dataset.validation))),
    ):
        assert batch.cond["label"].dtype == torch.int64
        assert batch.cond["label"].tolist() == [number % 5 for number in numbers(batch.x)]
    assert dataset.conditions["label"].names == ("0", "1", "2", "3", "4")
    assert (
        open_(pictures, conditional=False).conditions == {}
        and open_(pictures, conditional=False).train.batch(0, 4, 0).cond == {}
    )


def test_captions_stay_with_their_items(tmp_path: Path):
    import PIL.Image

    for number in range(30):
        PIL.Image.fromarray(np.full((4, 4), number, np.uint8)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text(f"第{number}", encoding="utf-8")
    dataset = open_(tmp_path)
    for side in (dataset.train, dataset.validation):
        assert side.captions == [f"第{number}" for number in numbers(side.take(range(len(side))).x)]


def test_augmentation_touches_training_batches_only(pictures: Path):
    dataset = open_(pictures, augment=("colour",))
    plain, changed = dataset.train.batch(0, 16, 0), dataset.train.batch(0, 16, 0, augment=True)
    assert not torch.equal(plain.x, changed.x) and torch.equal(
        changed.x, dataset.train.batch(0, 16, 0, augment=True).x
    )
    assert not torch.equal(
        changed.x - plain.x,
        dataset.train.batch(1, 16, 0, augment=True).x - dataset.train.batch(1, 16, 0).x,
    )
    assert torch.equal(
        dataset.validation.batch(0, 4, 0).x, dataset.validation.batch(0, 4, 0, augment=True).x
    )
    assert torch.equal(
        dataset.train.take([0, 1]).x, to_unit(dataset.spec, dataset.train.stored([0, 1]))
    )
    assert dataset.report["augmentations"] == ["colour"]
    # the default is none
    assert torch.equal(open_(pictures).train.batch(0, 16, 0, augment=True).x, plain.x)


def test_wrong_names(pictures: Path):
    with pytest.raises(RecipeError) as caught:
        open_(pictures, augment=("colur",))
    assert "did you mean 'colour'" in caught.value.fix
    with pytest.raises(DataError, match="no split called"):
        open_(pictures).split("test")


def test_an_empty_side_is_said(pictures: Path):
    dataset = open_(pictures, validation=0)
    assert len(dataset.validation) == 0 and len(dataset.train) == 100
    with pytest.raises(DataError, match="empty"):
        dataset.validation.batch(0, 4, 0)


def test_limit(pictures: Path):
    some, more = (
        set(numbers(side.take(range(len(side))).x))
        for side in (
            open_(pictures, limit=20, validation=0).train,
            open_(pictures, limit=50, validation=0).train,
        )
    )
    assert len(some) == 20 and len(more) == 50 and some < more


def test_a_restored_codec_is_not_fitted_again(pictures: Path):
    codec = ImageCodec(ImageConfig(size=2, channels=3))
    dataset = prepare(DataConfig(source=str(pictures), limit=4), codec, fit=False)
    assert dataset.spec.shape == (3, 2, 2) and dataset.report["items"] == 4


# The cache ----------------------------------------------------------------------------------------


class Counted(ImageCodec):
    """Counts what is encoded and fitted."""

    encoded = fits = 0

    def encode(self, item):
        type(self).encoded += 1
        return super().encode(item)

    def fit(self, items):
        type(self).fits += 1
        return super().fit(items)


@pytest.fixture
def counted():
    Counted.encoded = Counted.fits = 0
    return Counted


def test_items_are_encoded_once(pictures: Path, tmp_path: Path, counted: type[Counted]):
    home = tmp_path / "home"
    first = open_(pictures, home, counted())
    assert (counted.encoded, counted.fits) == (100, 1)
    second = open_(pictures, home, counted())
    assert (counted.encoded, counted.fits) == (100, 1) and second.spec == first.spec
    assert torch.equal(first.train.batch(3, 8, 0).x, second.train.batch(3, 8, 0).x)
    open_(pictures, home, counted(), conditional=False, augment=("flip",))
    assert counted.encoded == 100
    open_(pictures, home, counted(ImageConfig(size=2)))
    assert counted.encoded == 200
    restored = counted().restore(*second.codec.state())
    assert (
        prepare(DataConfig(source=str(pictures)), restored, home=home, fit=False).fingerprint
        == first.fingerprint
    )
    assert counted.encoded == 200
    assert {entry["rows"] for entry in list_caches(home)} == {100} and len(list_caches(home)) == 2


@pytest.mark.parametrize("damage", ["short", "flipped", "summary", "gone", "format", "digests"])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_damaged_cache_is_built_anew(
    pictures: Path, tmp_path: Path, counted: type[Counted], damage: str, mapped: bool, monkeypatch
):
    monkeypatch.setattr(cache, "RESIDENT_BYTES", 0 if mapped else 1 << 20)
    home = tmp_path / "home"
    good = open_(pictures, home, counted()).train.batch(0, 64, 0).x
    folder = home / "cache" / list_caches(home)[0]["key"]
    rows = (folder / "rows.bin").read_bytes()
    match damage:
        case "short":
            (folder / "rows.bin").write_bytes(rows[:-1])
        case "flipped":
            (folder / "rows.bin").write_bytes(bytes([rows[0] ^ 1]) + rows[1:])
        case "summary":
            (folder / "cache.json").write_text("{")
        case "gone":
            (folder / "stored.bin").unlink()
        case "format":
            (folder / "cache.json").write_text(
                json.dumps({**json.loads((folder / "cache.json").read_text()), "format": 99})
            )
        case "digests":
            (folder / "digests.bin").write_bytes(b"short")
    for fit in (home / "fits").iterdir():
        fit.write_bytes(b"damaged too")
    assert torch.equal(open_(pictures, home, counted()).train.batch(0, 64, 0).x, good)
    assert (counted.encoded, counted.fits) == (200, 2)
    assert not list((home / "cache").glob("*.tmp"))


def test_mapped_rows_equal_resident_rows(pictures: Path, tmp_path: Path, monkeypatch):
    resident = open_(pictures, tmp_path / "home")
    monkeypatch.setattr(cache, "RESIDENT_BYTES", 0)
    monkeypatch.setattr(cache, "_MAPPED_BYTES", 1)  # give pages back after every batch
    mapped = open_(pictures, tmp_path / "home")
    assert isinstance(mapped.train._rows, cache.MappedRows) and isinstance(
        resident.train._rows, cache.ResidentRows
    )
    for counter in range(5):
        assert torch.equal(
            mapped.train.batch(counter, 33, 0).x, resident.train.batch(counter, 33, 0).x
        )


def test_float_rows_are_kept_bit_by_bit(tmp_path: Path):
    points = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    np.save(tmp_path / "points.npy", points)
    config = DataConfig(source=str(tmp_path / "points.npy"), validation=0)
    dataset = prepare(config, ArrayCodec())
    expected = {dataset.codec.encode(point).numpy().tobytes() for point in points}
    assert {row.numpy().tobytes() for row in dataset.train.stored(range(64))} == expected
    again = prepare(config, ArrayCodec())
    assert torch.equal(
        again.train.batch(0, 64, 0).x, dataset.train.batch(0, 64, 0).x
    ) and again.codec.state()[1].keys() == {
        "mean",
        "deviation",
    }


def test_builders_at_once(pictures: Path, tmp_path: Path, counted: type[Counted]):
    """Four at once, each with file handles of its own as in four processes: the lock lets one
    build, the others find the result.
    """
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda _: numbers(
                    open_(pictures, tmp_path / "home", counted()).train.batch(0, 32, 0).x
                ),
                range(4),
            )
        )
    assert found == [found[0]] * 4 and counted.encoded == 100
    assert len(list_caches(tmp_path / "home")) == 1 and not list(
        (tmp_path / "home" / "cache").glob("*.tmp")
    )


def test_a_failed_build_leaves_nothing(pictures: Path, tmp_path: Path):
    class Breaks(ImageCodec):
        def encode(self, item):
            raise DataError("no more", "item", "stop")

    with pytest.raises(DataError, match="no more"):
        open_(pictures, tmp_path / "home", Breaks())
    assert list_caches(tmp_path / "home") == []
    assert len(open_(pictures, tmp_path / "home").train) > 0


def test_a_home_that_cannot_be_written(pictures: Path, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cache cannot be written") as caught:
        open_(pictures, tmp_path / "file" / "home")
    assert "CASTALIA_HOME" in caught.value.fix and (tmp_path / "file").read_text() == "mine"


def test_home_follows_the_environment(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path))
    assert cache.home() == tmp_path
    monkeypatch.delenv("CASTALIA_HOME")
    assert cache.home() == Path.home() / ".cache" / "castalia"


def test_caches_are_listed_and_removed(pictures: Path, tmp_path: Path):
    home = tmp_path / "home"
    assert list_caches(home) == []
    open_(pictures, home)
    (found,) = list_caches(home)
    assert (
        found["rows"] == 100
        and found["bytes"] > 100 * 16
        and found["source"] == str(pictures)
        and found["codec"] == "image"
    )
    (home / "cache" / "dead.tmp").mkdir()
    assert [entry["source"] for entry in list_caches(home)] == [str(pictures), "(unfinished)"]
    for bad in ("", "..", "nothing", "../cache"):
        with pytest.raises(DataError, match="no such cache"):
            remove_cache(bad, home)
    for entry in list_caches(home):
        remove_cache(entry["key"], home)
    assert (
        list_caches(home) == []
        and not list((home / "cache").iterdir())
        and not (home / "fits").exists()
    )


def test_progress_is_reported(pictures: Path, tmp_path: Path):
    with recorded() as seen:
        prepare(DataConfig(source=str(pictures)), ImageCodec(), home=tmp_path / "home")
    assert ("encoding", 100, 100) in [
        (stage.name, stage.done, stage.total) for stage in seen.stages
    ]
    assert {"reading the files", "learning what the data hold"} <= set(seen.names) and len(
        seen.ended
    ) == len(seen.stages)


# Memory -------------------------------------------------------------------------------------------

_MEASURE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import torch
torch.set_num_threads(1)
from castalia.modalities.image.codec import ImageCodec
from castalia.data import cache
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
cache.RESIDENT_BYTES, cache._MAPPED_BYTES = 4 << 20, 4 << 20
dataset = prepare(DataConfig(source=sys.argv[1]), ImageCodec(), home=Path(sys.argv[2]))
for counter in range(300):
    dataset.train.batch(counter, 64, 0)
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_data(tmp_path: Path):
    """44 MB of pictures, the limits of what is resident scaled down to 4 MB: the rows are never
    held as a whole.
    """
    peaks = []
    for count in (200, 7000):
        path = tmp_path / f"{count}.idx"
        array_files.write_idx(
            path, np.random.default_rng(0).integers(0, 256, (count, 80, 80), dtype=np.uint8)
        )
        command = [sys.executable, "-c", _MEASURE, str(path), str(tmp_path / "home")]
        peaks.append(
            int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        )
        shutil.rmtree(tmp_path / "home")
    assert peaks[1] - peaks[0] < 30, peaks
