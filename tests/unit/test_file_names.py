"""Tables and files meet by what their names look like; what is not sure is nobody's, and is
counted.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from castalia.data import file_names
from castalia.data.source import DataConfig, Source, open_source
from castalia.modalities.image.codec import ImageCodec


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def pictures(folder: Path, *files: str) -> Path:
    for number, file in enumerate(files):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full((8, 8), number, np.uint8)).save(path)
    return folder


def opened(folder: Path, rows: dict[str, str], **config) -> Source:
    (folder / "metadata.csv").write_text(
        "file_name,kind\n" + "".join(f"{name},{kind}\n" for name, kind in rows.items()),
        encoding="utf-8-sig",
    )
    return open_source(DataConfig(source=str(folder), label="kind", **config), ImageCodec())


def labels(source: Source) -> dict[str, str]:
    return {
        source.names[place]: (*source.classes, "")[source.label[place]]
        for place in range(len(source))
    }


def left(source: Source) -> dict[str, int]:
    return {str(one.what): one.count for one in source.omitted.listed()}


def test_a_file_of_another_folder_is_another_file(tmp_path: Path):
    folder = pictures(tmp_path, "a/p0.png", "a/p1.png", "b/p0.png", "b/p1.png")
    source = opened(folder, {"a/p0.png": "cat", "a/p1.png": "dog"})
    assert labels(source) == {"a/p0.png": "cat", "a/p1.png": "dog", "b/p0.png": "", "b/p1.png": ""}
    assert left(source) == {"files without a row in the table": 2}


def test_a_bare_name_means_a_file_where_there_is_one_of_it(tmp_path: Path):
    folder = pictures(tmp_path, "a/p0.png", "a/p1.png", "b/p0.png", "p2.png", "c/p2.png")
    source = opened(folder, {"p0.png": "cat", "p1.png": "dog", "p2.png": "cat", "p9.png": "dog"})
    assert labels(source) == {
        "a/p0.png": "",
        "a/p1.png": "dog",
        "b/p0.png": "",
        "p2.png": "cat",
        "c/p2.png": "",
    }
    assert left(source) == {
        "files without a row, since names in the table may mean several": 2,
        "files without a row in the table": 1,
        "rows of the table without a file": 1,
    }


@pytest.mark.parametrize(
    "form", ["./{}", "/data/pictures/{}", "C:\\pictures\\{}", "pictures/{}", ".\\{}", "{}"]
)
def test_rows_may_be_relative_to_other_folders(form: str, tmp_path: Path):
    kinds = {"a/p0.png": "cat", "a/p1.png": "dog", "b/p0.png": "dog", "b/p1.png": "cat"}
    folder = pictures(tmp_path, *kinds)
    source = opened(
        folder,
        {
            form.format(file.replace("/", "\\" if "\\" in form else "/")): kind
            for file, kind in kinds.items()
        },
    )
    assert labels(source) == kinds and left(source) == {}


@pytest.mark.parametrize(("on_disk", "in_table"), [(nfd, str), (str, nfd), (nfd, nfd), (str, str)])
def test_names_are_compared_as_they_look(on_disk, in_table, tmp_path: Path):
    files = [f"café/Ünï_{number}.png" for number in range(4)]
    folder = pictures(tmp_path, *map(on_disk, files))
    rows = {in_table(file): ("cat", "dog")[number % 2] for number, file in enumerate(files)}
    source = opened(folder, rows)
    assert list(labels(source).values()) == ["cat", "dog", "cat", "dog"] and left(source) == {}
    (tmp_path / "list.txt").write_text("\n".join(map(in_table, files)), encoding="utf-8")
    assert len(open_source(DataConfig(source=str(tmp_path / "list.txt")), ImageCodec())) == 4
    (tmp_path / "metadata.csv").rename(tmp_path / "table.csv")
    assert (
        len(
            open_source(
                DataConfig(source=str(tmp_path / "table.csv"), label="kind"), ImageCodec()
            ).classes
        )
        == 2
    )


def test_captions_beside_are_found_in_any_form(tmp_path: Path):
    folder = pictures(tmp_path, nfd("café.png"), "b.png")
    (folder / "café.txt").write_text("a café")
    source = open_source(DataConfig(source=str(folder)), ImageCodec())
    assert source.captions is not None and sorted(source.captions) == [(), ("a café",)]
    assert not source.ignored


def test_capital_letters_do_not_part_a_row_from_its_file_and_are_said(tmp_path: Path):
    folder = pictures(tmp_path, "A/P0.PNG", "a2/p1.png", "x/q.png", "X/Q.png")
    source = opened(folder, {"a/p0.png": "cat", "a2/p1.png": "dog", "x/q.PNG": "dog"})
    assert labels(source) == {"A/P0.PNG": "cat", "a2/p1.png": "dog", "x/q.png": "", "X/Q.png": ""}
    assert any("capital letters" in note for note in source.notes)


def test_classes_that_look_the_same_are_one(tmp_path: Path):
    folder = pictures(
        tmp_path,
        "café/0.png",
        f"{nfd('café')}/1.png",
        "tea/2.png",
        "Tea/3.png",
        "tea/4.png",
        "tea/5.png",
        "café/6.png",
        "café/7.png",
    )
    source = open_source(DataConfig(source=str(folder)), ImageCodec())
    assert source.classes == ("café", "Tea", "tea")
    assert any("look the same are one: café" in note for note in source.notes)
    assert any("capital letters alone: Tea, tea" in note for note in source.notes)


def test_class_names_of_one_form_stay_as_they_are(tmp_path: Path):
    """Names are part of the fingerprint, which must not drift."""
    folder = pictures(
        tmp_path,
        *(f"{nfd('café')}/{number}.png" for number in range(3)),
        *(f"tea/{number + 3}.png" for number in range(3)),
    )
    assert open_source(DataConfig(source=str(folder)), ImageCodec()).classes == (nfd("café"), "tea")


def test_labels_that_contradict_sub_folders_are_said(tmp_path: Path):
    folder = pictures(tmp_path, "cat/0.png", "cat/1.png", "dog/2.png", "dog/3.png")
    source = opened(
        folder, {"cat/0.png": "cat", "cat/1.png": "dog", "dog/2.png": "dog", "dog/3.png": "dog"}
    )
    assert [note for note in source.notes if "another label" in note] == [
        "1 item has another label than the sub-folder that it is in: 'dog' in 'cat'; the label "
        "counts"
    ]


def test_matching_is_quick_where_many_files_share_a_name():
    files = [f"train/{folder}/{number:04d}.png" for folder in range(300) for number in range(20)]
    found = file_names.matched([file.removeprefix("train/") for file in files], files)
    assert found.row == list(range(len(files))) and not found.doubtful
