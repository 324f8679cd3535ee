"""Sources: what is found, what is ignored, which class, which side; and every way of giving bad
data.
"""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.codecs import array_files
from castalia.data import split
from castalia.data.data_report import summary
from castalia.data.source import DataConfig, Source, open_source
from castalia.data.stream import Dataset, prepare
from castalia.errors import DataError
from castalia.modalities.array.codec import ArrayCodec
from castalia.modalities.image.codec import ImageCodec, ImageConfig
from castalia.modalities.text.codec import TextCodec
from castalia.omissions import Omission, Omissions, collected, omit


def picture(seed: int, side: int = 6) -> PIL.Image.Image:
    return PIL.Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    )


def fill(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        picture(seed).save(folder / f"{seed:03d}.png")
    return folder


def opened(source: Path | str, **options: object) -> Source:
    return open_source(DataConfig(source=str(source), **options), ImageCodec())


def prepared(source: Path | str, **options: object) -> Dataset:
    return prepare(DataConfig(source=str(source), **options), ImageCodec(ImageConfig(size=6)))


def labels(source: Source) -> dict[str, str | None]:
    names = [*source.classes, None]
    return {
        source.names[file]: names[label] if source.classes else None
        for file, label in zip(source.file, source.label, strict=True)
    }


def fails(source: Path | str, says: str, where: str = "", **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        prepared(source, **options)
    assert says in caught.value.what, caught.value
    assert where in caught.value.where, caught.value
    assert caught.value.fix
    return caught.value


# Folders ------------------------------------------------------------------------------------------


def test_files_without_a_visible_character_are_told_before_training(tmp_path: Path):
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text(f"the text of number {number}\n")
    (tmp_path / "a.txt").write_bytes(b"")
    (tmp_path / "b.txt").write_text(" \n\t\n")
    report = prepare(DataConfig(source=str(tmp_path)), TextCodec()).report
    assert report["omitted"] == [
        {
            "what": "files that hold nothing to learn from",
            "count": 2,
            "example": "a.txt",
            "remedy": "",
        }
    ]
    assert "left out: files that hold nothing to learn from: 2, e.g. a.txt" in summary(report)


def test_sub_folders_are_classes_in_natural_order(tmp_path: Path):
    for number, name in enumerate(("10", "2", "1")):
        fill(tmp_path / name, 3, 10 * number)
    found = opened(tmp_path)
    assert found.classes == ("1", "2", "10") and found.label.tolist().count(2) == 3
    assert labels(found)["10/000.png"] == "10"


def test_nested_folders_give_their_first_level(tmp_path: Path):
    fill(tmp_path / "cats" / "black", 2)
    fill(tmp_path / "cats" / "white" / "old", 2, 10)
    fill(tmp_path / "dogs" / "black", 4, 20)
    found = opened(tmp_path)
    assert found.classes == ("cats", "dogs") and labels(found)["cats/white/old/010.png"] == "cats"


def test_folders_that_all_files_share_are_no_class(tmp_path: Path):
    fill(tmp_path / "export" / "images", 5)
    assert opened(tmp_path).classes == ()
    fill(tmp_path / "export" / "photos", 5, 10)
    assert opened(tmp_path).classes == ("images", "photos")


def test_split_folders_are_no_classes(tmp_path: Path):
    for number, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        fill(tmp_path / name, 3, 10 * number)
    found = opened(tmp_path)
    assert found.classes == ("cat", "dog") and any("train" in note for note in found.notes)


def test_a_folder_per_file_is_no_class(tmp_path: Path):
    for seed in range(9):
        fill(tmp_path / f"person{seed}", 1, seed)
    found = opened(tmp_path)
    assert found.classes == () and "9 folders for 9 files" in found.notes[0]


def test_files_above_the_classes_have_none(tmp_path: Path):
    fill(tmp_path / "a", 5)
    fill(tmp_path / "b", 5, 10)
    fill(tmp_path, 5, 20)
    dataset = prepared(tmp_path)
    assert dataset.report["unlabelled"] == 5 and dataset.report["classes"] == {"a": 5, "b": 5}
    label = dataset.train.take(range(len(dataset.train))).cond["label"]
    assert label.max() == 2  # len(names): dropped


def test_foreign_and_hidden_files_are_ignored_and_foreign_ones_counted(tmp_path: Path):
    fill(tmp_path, 9)
    for name in ("notes.md", "b.MD", ".hidden.png", "Makefile", "000.txt"):
        (tmp_path / name).write_text("words")
    fill(tmp_path / "__MACOSX", 2)
    fill(tmp_path / ".thumbnails", 2)
    found = opened(tmp_path)
    assert len(found) == 9 and dict(found.ignored) == {".md": 2, "(no ending)": 1}
    assert found.captions is not None and found.captions.count(("words",)) == 1


def test_links_to_folders_are_followed_once(tmp_path: Path):
    fill(tmp_path / "a", 9)
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert len(opened(tmp_path)) == 9


def test_the_licence_beside_the_files(tmp_path: Path):
    fill(tmp_path, 9)
    (tmp_path / "LICENSE").write_text("\n# CC BY 4.0\nmore\n")
    assert opened(tmp_path).licence == "CC BY 4.0"


# Lists, tables, containers ------------------------------------------------------------------------


def test_a_file_list(tmp_path: Path):
    fill(tmp_path / "a", 3)
    fill(tmp_path / "b", 3, 10)
    listed = tmp_path / "some.txt"
    listed.write_text(f"a/000.png\n\nb/010.png\n{tmp_path}/b/011.png\na/000.png\nreadme.md\n")
    found = opened(listed)
    assert (
        len(found) == 3
        and found.names[:2] == ["a/000.png", "b/010.png"]
        and found.ignored[".md"] == 1
    )
    listed.write_text("a/000.png\na/999.png\n")
    with pytest.raises(DataError, match="does not exist") as caught:
        opened(listed)
    assert "a/999.png" in caught.value.where
    assert opened(listed, skip_bad=True).notes == ["listed but missing: a/999.png"]


def test_a_table_as_source(tmp_path: Path):
    fill(tmp_path / "images", 3)
    lines = [
        {"file": f"images/{seed:03d}.png", "kind": "even" if seed % 2 == 0 else "odd"}
        for seed in range(3)
    ]
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert opened(tmp_path / "all.jsonl").names == [line["file"] for line in lines]


@pytest.mark.parametrize(
    "name", ["metadata.csv", "metadata.jsonl", "attributes.jsonl", "people.tsv"]
)
def test_classes_captions_and_groups_from_a_table(tmp_path: Path, name: str):
    fill(tmp_path / "images", 12)
    rows = [
        {
            "file_name": f"images/{seed:03d}.png",
            "kind": ["x", "y"][seed % 2] if seed else None,
            "says": f"picture {seed} 图",
            "who": f"p{seed // 3}",
        }
        for seed in range(12)
    ]
    if name.endswith("jsonl"):
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    else:
        mark = "\t" if name.endswith("tsv") else ","
        text = "\n".join(
            mark.join(str(value or "") for value in values)
            for values in [rows[0].keys(), *(row.values() for row in rows)]
        )
    (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    found = opened(tmp_path, label="kind", caption="says", group="who")
    assert found.classes == ("x", "y") and found.label[0] == 2 and found.label[1] == 1
    assert found.captions is not None and found.captions[3] == ("picture 3 图",)
    assert (
        found.groups == ["p0", "p1", "p2", "p3"]
        and found.group.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    )
    assert not found.ignored
    assert opened(tmp_path, label="kind", conditional=False).classes == ()


def test_table_mistakes(tmp_path: Path):
    fill(tmp_path, 12)
    fails(tmp_path, "need a metadata table", label="kind")
    fails(tmp_path, "does not exist", "nowhere.csv", label="kind", metadata="nowhere.csv")
    table = tmp_path / "metadata.csv"
    table.write_text("file_name,kind\n000.png,a\n")
    assert "did you mean 'kind'" in fails(tmp_path, "no column 'kinds'", label="kinds").fix
    table.write_text("name,kind\n000.png,a\n")
    fails(tmp_path, "no column 'file_name' or 'file'", label="kind")
    table.write_text("file,kind\nother/x.png,a\n")
    fails(tmp_path, "none of the 12 files has a row", label="kind")
    table.write_text("file,kind\n" + "".join(f"{seed:03d}.png,{seed}\n" for seed in range(12)))
    fails(tmp_path, "12 different values", label="kind")
    table.write_text("file,kind\n")
    fails(tmp_path, "the table is empty", label="kind")
    table.write_bytes(b"file,kind\n000.png,\xff\xfe\n")
    fails(tmp_path, "not UTF-8", label="kind")
    table.unlink()
    (tmp_path / "metadata.jsonl").write_text('{"file": "000.png"}\n{oops\n')
    fails(tmp_path, "not JSON", "line 2", label="file")
    (tmp_path / "metadata.jsonl").unlink()
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("file,kind\n000.png,a\n")
    fails(tmp_path, "found: a.csv, b.csv", label="kind")


def test_mnist_layout(tmp_path: Path):
    pictures = np.random.default_rng(0).integers(0, 256, (20, 5, 5), dtype=np.uint8)
    array_files.write_idx(tmp_path / "train-images-idx3-ubyte.gz", pictures)
    array_files.write_idx(
        tmp_path / "train-labels-idx1-ubyte.gz", np.arange(20, dtype=np.uint8) % 3
    )
    for source in (tmp_path, tmp_path / "train-images-idx3-ubyte.gz"):
        found = opened(source)
        assert (
            len(found) == 20
            and found.classes == ("0", "1", "2")
            and found.label[:4].tolist() == [0, 1, 2, 0]
        )
    (tmp_path / "classes.txt").write_text("0\tzero\n1\tone\n2\ttwo\n3\tnever seen\n")
    assert opened(tmp_path).classes == ("zero", "one", "two", "never seen")
    (tmp_path / "classes.txt").write_text("zero\none\n")
    with pytest.raises(DataError, match="a label is 2"):
        opened(tmp_path)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_picture_arrays(tmp_path: Path, channels: int):
    pictures = np.random.default_rng(0).integers(0, 256, (20, 6, 6, channels), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pictures, labels=np.array(["cat", "dog"] * 10))
    dataset = prepared(tmp_path / "set.npz")
    assert dataset.report["classes"] == {"cat": 10, "dog": 10} and dataset.spec.shape == (
        min(channels, 3),
        6,
        6,
    )
    np.save(tmp_path / "wrong.npy", pictures.astype(np.float32))
    fails(tmp_path / "wrong.npy", "does not hold pictures", "wrong.npy")


def test_vectors_from_npy(tmp_path: Path):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(50, 2)))
    dataset = prepare(DataConfig(source=str(tmp_path / "points.npy")), ArrayCodec())
    assert dataset.spec.shape == (2,) and len(dataset.train) + len(dataset.validation) == 50
    x = dataset.train.take(range(len(dataset.train))).x
    assert abs(x.mean().item()) < 1e-5 and abs(x.std(0, correction=0).mean().item() - 1) < 1e-5


def test_one_array_per_file(tmp_path: Path):
    for seed in range(12):
        np.save(tmp_path / f"{seed}.npy", np.random.default_rng(seed).normal(size=(2, 7)))
    codec = ArrayCodec(ArrayCodec.Config(rows=False))
    dataset = prepare(DataConfig(source=str(tmp_path)), codec)
    assert dataset.spec.shape == (2, 7) and dataset.report["items"] == 12


# Bad data -----------------------------------------------------------------------------------------


def test_nothing_to_read(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "the folder is empty")
    fails(tmp_path / "nowhere", "do not exist")
    fails("", "no data were given")
    fails("builtin/nothing", "no built-in set called 'nothing'")
    for name in ("a.txt", "b.txt", "c.pdf"):
        (tmp_path / "empty" / name).write_text("words")
    fails(tmp_path / "empty", "ignored: 2 .txt, 1 .pdf")
    fails(tmp_path / "empty" / "c.pdf", "does not read this file", "c.pdf")


def test_files_of_another_codec_name_the_recipe(tmp_path: Path):
    fill(tmp_path, 3)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "song.odt").write_bytes(b"PK")
    with pytest.raises(DataError) as caught:
        open_source(DataConfig(source=str(tmp_path)), TextCodec())
    assert caught.value.fix == "the codec 'image' reads 3 files: castalia train image/vae DATA"
    for name in ("a.txt", "b.txt"):
        (tmp_path / "deep" / name).write_text("words")
    assert "castalia train text/ar DATA" in fails(tmp_path / "deep", "no files").fix


def test_files_of_known_kinds_are_counted_with_a_remedy(tmp_path: Path):
    fill(tmp_path, 9)
    for name in ("a.svg", "b.PSD", "c.unheard"):
        (tmp_path / name).write_bytes(b"?")
    dataset = prepared(tmp_path)
    assert dataset.report["omitted"] == [
        {
            "what": "pictures in formats that are not read",
            "count": 2,
            "example": "a.svg",
            "remedy": "save them as PNG or JPEG",
        }
    ]
    lines = summary(dataset.report)
    assert (
        "left out: pictures in formats that are not read: 2, e.g. a.svg" in lines
        and "not read: 1 .unheard" in lines
    )


class Rough(ImageCodec):
    """A codec that keeps nothing of the lower half."""

    def omitted(self, item: PIL.Image.Image) -> list[Omission]:
        return [Omission("rows of pixels", item.height // 2, "", "use codec.size")]


def test_what_an_item_loses_is_summed_and_kept_with_the_cache(tmp_path: Path):
    fill(tmp_path / "a", 9)
    config = DataConfig(source=str(tmp_path / "a"))
    for _ in range(2):  # made, then found in the cache
        report = prepare(config, Rough(ImageConfig(size=6)), home=tmp_path / "home").report
        assert report["omitted"] == [
            {
                "what": "rows of pixels",
                "count": 27,
                "example": "000.png",
                "remedy": "use codec.size",
            }
        ]


def test_omissions_add_up_and_reach_only_who_collects():
    omit("rows")
    with collected() as outer:
        omit("rows", example="a, line 1")
        with collected() as inner:
            omit("cells", 3)
        omit("rows", 4, example="a, line 9")
    assert outer.listed() == [Omission("rows", 5, "a, line 1", "")] and inner.listed() == [
        Omission("cells", 3, "", "")
    ]
    assert Omissions.of(outer.plain()).listed() == outer.listed()


def test_too_few_is_said_to_be_too_few(tmp_path: Path):
    fails(fill(tmp_path / "three", 3), "too few items to learn from: 3")
    fill(tmp_path / "copies", 3)
    for seed in range(9):
        picture(0).save(tmp_path / "copies" / f"copy{seed}.png")
    fails(tmp_path / "copies", "too few items to learn from: 3 (12 with copies)")
    fails(fill(tmp_path / "many", 20), "data.limit=3 leaves too few items", limit=3)


def test_identical_items(tmp_path: Path):
    for seed in range(10):
        picture(0).save(tmp_path / f"{seed}.png")
    fails(tmp_path, "all 10 items are identical")
    (tmp_path / "formats").mkdir()
    for seed in range(10):  # different bytes, one picture
        picture(0).save(
            tmp_path / "formats" / f"{seed}.png", compress_level=seed % 10, dpi=(seed + 1, 10)
        )
    fails(tmp_path / "formats", "all 10 items are identical")


@pytest.mark.parametrize("kind", ["truncated", "empty", "text"])
def test_a_bad_file_is_named_or_skipped(tmp_path: Path, kind: str):
    fill(tmp_path, 30)
    whole = (tmp_path / "007.png").read_bytes()
    (tmp_path / "007.png").write_bytes(
        {"truncated": whole[:-40], "empty": b"", "text": b"hello"}[kind]
    )
    fails(tmp_path, "", "007.png")
    dataset = prepared(tmp_path, skip_bad=True)
    assert [entry["file"] for entry in dataset.report["skipped"]] == ["007.png"] and dataset.report[
        "skipped"
    ][0]["why"]
    assert len(dataset.train) + len(dataset.validation) == 29
    fails(tmp_path, "", "007.png")  # the cache that was built meanwhile hides nothing
    assert prepared(tmp_path, skip_bad=True).report["skipped"] == dataset.report["skipped"]


def test_a_bad_container_is_named_or_skipped(tmp_path: Path):
    for name, seed in (("a.idx", 0), ("b.idx", 1)):
        array_files.write_idx(
            tmp_path / name,
            np.random.default_rng(seed).integers(0, 256, (10, 6, 6), dtype=np.uint8),
        )
    (tmp_path / "b.idx").write_bytes((tmp_path / "b.idx").read_bytes()[:-5])
    fails(tmp_path, "damaged", "b.idx")
    dataset = prepared(tmp_path, skip_bad=True)
    assert dataset.report["items"] == 10 and dataset.report["skipped"][0]["file"] == "b.idx"


def test_all_bad(tmp_path: Path):
    for seed in range(10):
        (tmp_path / f"{seed}.png").write_text(f"not a picture {seed}")
    fails(tmp_path, "not a picture", ".png")
    fails(tmp_path, "", skip_bad=True)


# The split ----------------------------------------------------------------------------------------


def _digests(seeds: list[int]) -> np.ndarray:
    return np.stack(
        [np.random.default_rng(seed).integers(0, 256, 16, dtype=np.uint8) for seed in seeds]
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True),
    st.integers(1, 59),
    st.sampled_from([0.1, 0.3, 0.5]),
)
def test_adding_items_moves_none_across(seeds: list[int], cut: int, share: float):
    old, none = seeds[: max(1, cut % len(seeds))], np.full(len(seeds), -1)
    side = dict(zip(seeds, split.validates(_digests(seeds), none, [], share), strict=True))
    before = split.validates(_digests(old), none[: len(old)], [], share)
    natural = [
        np.frombuffer(_digests([seed])[0, :8].tobytes(), ">u8")[0] / 2**64 < share for seed in old
    ]
    # else a side would be empty, which is the stated exception
    if any(natural) and not all(natural):
        assert before.tolist() == natural == [side[seed] for seed in old]
    if len(old) > 1:
        assert before.any() and not before.all()


def test_the_share_is_met_and_ties_are_not_broken():
    digests = _digests(list(range(5000)))
    side = split.validates(digests, np.full(5000, -1), [], 0.1)
    assert 0.085 < side.mean() < 0.115
    twice = split.validates(np.concatenate([digests, digests]), np.full(10000, -1), [], 0.1)
    assert (twice[:5000] == twice[5000:]).all() and (twice[:5000] == side).all()
    assert not split.validates(digests, np.full(5000, -1), [], 0).any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 8)), min_size=2, max_size=60))
def test_groups_and_copies_stay_on_one_side(pairs: list[tuple[int, int]]):
    digests, group = _digests([seed for seed, _ in pairs]), np.array([name for _, name in pairs])
    side = split.validates(digests, group, [f"g{name}" for name in range(9)], 0.4)
    for values in zip(*pairs, strict=True):
        for value in set(values) - {-1}:
            assert (
                len({bool(side[place]) for place in range(len(pairs)) if values[place] == value})
                == 1
            )


def test_limit_is_a_nested_choice():
    digests = _digests(list(range(200)))
    small, large = split.limited(digests, 20), split.limited(digests, 50)
    assert small.sum() == 20 and large.sum() == 50 and not (small & ~large).any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=30))
def test_ranks_number_distinct_digests_in_order(rows: list[bytes]):
    found = split.ranks(np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 16))
    place = {row: number for number, row in enumerate(sorted(set(rows)))}
    assert found.tolist() == [place[row] for row in rows]


def _sides(dataset: Dataset) -> dict[bytes, str]:
    """Encoded picture -> side."""
    where = {}
    for name in ("train", "validation"):
        side = dataset.split(name)
        for row in side.stored(range(len(side))):
            where[row.numpy().tobytes()] = name
    return where


def test_adding_files_to_a_folder_moves_no_old_file(tmp_path: Path):
    fill(tmp_path, 60)
    before = _sides(prepared(tmp_path))
    fill(tmp_path / "more", 60, 100)
    (tmp_path / "000.png").rename(tmp_path / "zzz.png")
    after = _sides(prepared(tmp_path))
    assert set(before.values()) == {"train", "validation"} and len(after) == 120
    assert all(after[row] == side for row, side in before.items())


def test_copies_are_reported_and_on_one_side(tmp_path: Path):
    fill(tmp_path / "a", 40)
    for seed in range(40):
        picture(seed).save(tmp_path / "a" / f"copy {seed}.png")
    fill(tmp_path / "b", 5, 35)
    dataset = prepared(tmp_path)
    report = dataset.report
    assert (
        report["items"] == 85 and report["distinct"] == 40 and report["duplicates"]["copies"] == 45
    )
    assert (
        "5 items occur in more than one class" in report["notes"]
        and len(report["duplicates"]["examples"][0]) >= 2
    )
    sides = [
        {row.numpy().tobytes() for row in side.stored(range(len(side)))}
        for side in (dataset.train, dataset.validation)
    ]
    assert not sides[0] & sides[1] and len(dataset.train) + len(dataset.validation) == 85


def test_one_picture_in_two_formats_is_not_on_both_sides(tmp_path: Path):
    fill(tmp_path, 120)
    before = _sides(prepared(tmp_path))
    for seed in range(120):
        picture(seed).save(tmp_path / f"{seed}.bmp")
    dataset = prepared(tmp_path)
    sides = [
        {row.numpy().tobytes() for row in side.stored(range(len(side)))}
        for side in (dataset.train, dataset.validation)
    ]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 120
    left_out = dataset.report["equal_once_encoded"]
    assert left_out > 0 and len(dataset.train) + len(dataset.validation) == 240 - left_out
    assert f"{left_out} items equal one of the other side" in dataset.report["notes"][0]
    # the share stays what it was
    assert 0.5 < len(sides[1]) / list(before.values()).count("validation") < 2


def test_a_group_stays_on_one_side(tmp_path: Path):
    fill(tmp_path / "images", 60)
    lines = "".join(f"images/{seed:03d}.png,{seed % 20}\n" for seed in range(60))
    (tmp_path / "metadata.csv").write_text("file,person\n" + lines)
    dataset = prepared(tmp_path, group="person", validation=0.3)
    known = {
        np.asarray(picture(seed)).transpose(2, 0, 1).tobytes(): seed % 20 for seed in range(60)
    }
    people = [
        {known[row.numpy().tobytes()] for row in side.stored(range(len(side)))}
        for side in (dataset.train, dataset.validation)
    ]
    assert (
        not people[0] & people[1]
        and len(people[0] | people[1]) == 20
        and dataset.report["groups"] == 20
    )


def test_fingerprint_names_content_and_classes_only(tmp_path: Path):
    for root in ("one", "two"):
        fill(tmp_path / root / "a", 5)
        fill(tmp_path / root / "b", 5, 10)
    (tmp_path / "two" / "a" / "000.png").rename(tmp_path / "two" / "a" / "renamed.png")
    one = prepared(tmp_path / "one").fingerprint
    assert len(one) == 64 and prepared(tmp_path / "two", validation=0.4).fingerprint == one
    (tmp_path / "two" / "a" / "renamed.png").rename(tmp_path / "two" / "b" / "renamed.png")
    assert prepared(tmp_path / "two").fingerprint != one
    assert prepared(tmp_path / "one", conditional=False).fingerprint != one
    fill(tmp_path / "one" / "a", 1, 99)
    assert prepared(tmp_path / "one").fingerprint != one


def test_report_is_json_without_absolute_paths(tmp_path: Path):
    fill(tmp_path / "data", 12)
    report = prepared(tmp_path / "data").report
    text = json.dumps({key: value for key, value in report.items() if key != "source"})
    assert str(tmp_path) not in text and json.loads(text)["encodings"] == {"PNG RGB": 12}
