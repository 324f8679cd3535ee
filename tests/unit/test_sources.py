"""What a source may be: archives, patterns, several places, links; and what of it is left out and
named.
"""

import io
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from castalia import bounded
from castalia.bounded import packed
from castalia.checks.check import check
from castalia.cli.clean import chosen, entries
from castalia.cli.train import split_words
from castalia.data import archives
from castalia.data.file_discovery import given_files
from castalia.data.source import DataConfig, Source, open_source
from castalia.data.stream import prepare
from castalia.errors import DataError
from castalia.modalities.array.codec import ArrayCodec
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.text.codec import TextCodec
from castalia.recipe import load


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(
        np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
    ).save(stream, "PNG")
    return stream.getvalue()


def pets(count: int = 6) -> dict[str, bytes]:
    return {
        f"{kind}/{number}.png": picture(number + 100 * (kind == "dog"))
        for kind in ("cat", "dog")
        for number in range(count)
    }


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def in_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def opened(source: Any, codec: Any = None, **config: Any) -> Source:
    given = str(source) if isinstance(source, Path) else source
    return open_source(DataConfig(source=given, **config), codec or ImageCodec())


def left_out(source: Source) -> dict[str, int]:
    return {str(one.what): one.count for one in source.omitted.listed()}


# Archives -----------------------------------------------------------------------------------------

PACKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    ".zip": zipped,
    ".tar": tarred,
    ".tar.gz": lambda path, files: tarred(path, files, "w:gz"),
    ".tgz": lambda path, files: tarred(path, files, "w:gz"),
    ".tar.bz2": lambda path, files: tarred(path, files, "w:bz2"),
    ".tar.xz": lambda path, files: tarred(path, files, "w:xz"),
}


@pytest.mark.parametrize("ending", PACKERS)
def test_an_archive_is_read_as_the_folder_that_it_holds(ending: str, tmp_path: Path):
    folder = opened(in_folder(tmp_path / "pets", pets()))
    archive = opened(PACKERS[ending](tmp_path / f"pets{ending}", pets()))
    assert archive.names == folder.names
    assert archive.classes == folder.classes == ("cat", "dog")
    assert (archive.label == folder.label).all() and (archive.digest == folder.digest).all()
    assert not archive.omitted


def test_an_archive_has_the_fingerprint_of_its_folder_and_is_unpacked_once(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    config = DataConfig(source=str(in_folder(tmp_path / "pets", pets())))
    whole = prepare(config, ImageCodec(), home=home).fingerprint
    packed_up = DataConfig(source=str(zipped(tmp_path / "pets.zip", pets())))
    assert prepare(packed_up, ImageCodec(), home=home).fingerprint == whole
    monkeypatch.setattr(archives, "_unpack", lambda *_: pytest.fail("it was unpacked already"))
    shutil.copy(tmp_path / "pets.zip", tmp_path / "other.zip")
    assert (
        prepare(DataConfig(source=str(tmp_path / "other.zip")), ImageCodec(), home=home).fingerprint
        == whole
    )


def test_tables_captions_and_labels_work_inside_an_archive(tmp_path: Path):
    files = {f"{number}.png": picture(number) for number in range(4)} | {"0.txt": b"the first"}
    files |= {"metadata.csv": b"file_name,kind\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n"}
    source = opened(zipped(tmp_path / "a.zip", files), label="kind")
    assert source.classes == ("a", "b") and source.label.tolist() == [0, 1, 0, 1]
    assert source.captions == [("the first",), (), (), ()]
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 2), np.float32))
    labels = io.BytesIO()
    np.save(labels, np.array([1, 0, 1]))
    arrays = opened(
        zipped(tmp_path / "b.zip", {"x.npy": buffer.getvalue(), "y.npy": labels.getvalue()}),
        ArrayCodec(),
    )
    assert arrays.label.tolist() == [1, 0, 1]


def test_every_kind_of_data_comes_in_archives(tmp_path: Path):
    texts = zipped(
        tmp_path / "texts.zip",
        {"a.txt": b"words", "b.jsonl": b'{"text": "x"}\n{"text": "y"}\n', "README.md": b"about"},
    )
    assert (
        opened(texts, TextCodec()).names == ["a.txt", "b.jsonl"]
        and len(opened(texts, TextCodec())) == 3
    )
    notes = b"MTrk" + struct.pack(">I", 12) + b"\x00\x90\x3c\x40\x60\x80\x3c\x00\x00\xff\x2f\x00"
    midi = tarred(
        tmp_path / "tunes.tar.gz",
        {"a.mid": b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + notes},
        "w:gz",
    )
    assert opened(midi, MusicCodec()).names == ["a.mid"]
    assert {check(texts).document.codec, check(midi).document.codec} == {"text", "music"}


def test_archives_in_a_folder_are_folders_of_it(tmp_path: Path):
    split = {
        kind: {
            name.partition("/")[2]: data for name, data in pets().items() if name.startswith(kind)
        }
        for kind in ("cat", "dog")
    }
    folder = tmp_path / "all"
    folder.mkdir()
    zipped(folder / "cat.zip", split["cat"])
    tarred(folder / "dog.tar.gz", split["dog"], "w:gz")
    source = opened(folder)
    assert source.classes == ("cat", "dog")
    assert source.names[0] == "cat.zip/0.png" and source.names[-1] == "dog.tar.gz/5.png"
    checked = check(folder)
    assert checked.document.items == 12 and not checked.document.unreadable


def test_what_an_archive_leaves_out_is_counted_and_named(tmp_path: Path):
    path = tarred(
        tmp_path / "a.tar",
        {
            "../up.png": picture(1),
            "/abs.png": picture(2),
            "C:/windows.png": picture(3),
            "a/../../b.png": picture(4),
            "good.png": picture(5),
        },
    )
    with tarfile.open(path, "a") as archive:
        for name, kind in (
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("fifo.png", tarfile.FIFOTYPE),
            ("dev.png", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        again = tarfile.TarInfo("good.png")
        again.size = len(picture(6))
        archive.addfile(again, io.BytesIO(picture(6)))
        inner = zipped(tmp_path / "inner.zip", {"x.png": picture(7)}).read_bytes()
        for name, data in (
            ("inner.zip", inner),
            (".hidden.png", b"x"),
            ("__MACOSX/good.png", b"x"),
            ("x" * 300 + ".png", b"x"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    for _ in range(2):  # also when it comes out of the cache
        source = opened(path)
        assert source.names == ["good.png"]
        assert bytes(source.files[0].read_bytes()) == picture(6), "the later one counts"
        assert left_out(source) == {
            archives.OUTSIDE: 4,
            archives.LINK: 4,
            archives.TWICE: 1,
            archives.UNWRITABLE: 1,
            "archives": 1,
        }
    assert not (tmp_path.parent / "up.png").exists()
    assert sum(finding.code == "omitted" for finding in check(path).document.findings) == 5


def test_a_link_in_a_zip_is_left_out(tmp_path: Path):
    path = zipped(tmp_path / "a.zip", {"a.png": picture(1)})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("passwd.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert opened(path).names == ["a.png"] and left_out(opened(path)) == {archives.LINK: 1}


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("gbk", "中文图片/猫咪.png"), ("utf-8", "中文/é.png"), ("cp437", "été/tête.png")],
)
def test_names_that_do_not_say_their_encoding(encoding: str, name: str, tmp_path: Path):
    stand_in = "".join(chr(97 + place % 26) for place in range(len(name.encode(encoding)))).encode()
    data = (
        zipped(tmp_path / "a.zip", {stand_in.decode(): picture(1)})
        .read_bytes()
        .replace(stand_in, name.encode(encoding))
    )
    (tmp_path / "a.zip").write_bytes(data)
    assert opened(tmp_path / "a.zip").names == [name]


def test_bombs_are_stopped_and_leave_nothing_behind(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packed, "FREE", 1 << 20)
    bomb = bytes(4 << 20)
    for name, make in (
        ("a.zip", zipped),
        ("b.tar.gz", PACKERS[".tar.gz"]),
        ("c.tar.xz", PACKERS[".tar.xz"]),
        ("d.tar.bz2", PACKERS[".tar.bz2"]),
    ):
        with pytest.raises(DataError, match="far more than its size") as caught:
            opened(make(tmp_path / name, {"a.png": bomb}))
        assert "inflation_ratio" in caught.value.fix
    with pytest.raises(DataError, match="unpacks to too much"):
        opened(tmp_path / "a.zip", limits={"inflated_bytes": 1 << 20, "inflation_ratio": 10**6})
    with pytest.raises(DataError, match="too many files"):
        opened(PACKERS[".tar"](tmp_path / "many.tar", pets()), limits={"archive_members": 5})
    assert list((home / "archives").iterdir()) == []


def test_headers_of_tar_files_are_not_believed(tmp_path: Path):
    long = tarfile.TarInfo("x")
    long.type, long.size = b"x", 1 << 30  # an extended header of a gigabyte
    (tmp_path / "long.tar").write_bytes(long.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    with pytest.raises(DataError, match="damaged"):
        opened(tmp_path / "long.tar")
    sparse = tarfile.TarInfo("zeros.png")
    sparse.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 50),
        "GNU.sparse.map": "0,0",
    }
    (tmp_path / "sparse.tar").write_bytes(sparse.tobuf(tarfile.PAX_FORMAT) + bytes(4096))
    with pytest.raises(DataError, match="holds no files"):
        opened(tmp_path / "sparse.tar")


def test_a_member_without_a_name_is_no_member(tmp_path: Path):
    data = zipped(tmp_path / "a.zip", {"x": picture(1), "b.png": picture(2)}).read_bytes()
    directory = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))
    nameless = bytearray(data)
    # the name is 0 bytes long, and one byte of something else
    nameless[directory + 28 : directory + 30] = b"\0\0"
    nameless[directory + 30 : directory + 32] = b"\1\0"
    (tmp_path / "a.zip").write_bytes(nameless)
    assert opened(tmp_path / "a.zip").names == ["b.png"]


def test_damage_is_named(tmp_path: Path):
    whole = zipped(tmp_path / "a.zip", pets()).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-40])
    (tmp_path / "noise.zip").write_bytes(os.urandom(4000))
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "flipped.zip").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    (tmp_path / "cut.tar.gz").write_bytes(
        PACKERS[".tgz"](tmp_path / "b.tgz", pets()).read_bytes()[:900]
    )
    (tmp_path / "cut.tar.xz").write_bytes(
        PACKERS[".tar.xz"](tmp_path / "c.tar.xz", pets()).read_bytes()[:900]
    )
    for name in ("cut.zip", "noise.zip", "empty.zip", "flipped.zip", "cut.tar.gz", "cut.tar.xz"):
        with pytest.raises(DataError, match=r"damaged|holds no files"):
            opened(tmp_path / name)
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture(1))
    (folder / "bad.zip").write_bytes(os.urandom(500))
    with pytest.raises(DataError, match="damaged"):
        opened(folder)
    assert opened(folder, skip_bad=True).skipped[0]["file"] == "bad.zip"
    assert check(folder).document.unreadable[0].file == "bad.zip"


def test_opened_archives_are_listed(tmp_path: Path):
    opened(zipped(tmp_path / "a.zip", pets()))
    entry = next(one for one in entries() if one["kind"] == "opened archive")
    assert entry["source"] == str(tmp_path / "a.zip") and entry["bytes"] > sum(
        map(len, pets().values())
    )
    chosen(entries(), [entry["key"][:8]])


# Patterns and several places ----------------------------------------------------------------------


def test_a_pattern_is_what_the_shell_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    in_folder(tmp_path / "data", pets())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    plain = opened("data")
    for source in (
        "data/*/*.png",
        "data/**/*.png",
        "~/data",
        "~/data/*/*.png",
        str(tmp_path / "data" / "*"),
        "d[a]ta",
    ):
        found = opened(source)
        assert [
            name.removeprefix("data/") for name in found.names
        ] == plain.names and found.classes == plain.classes, source
        assert found.name == source
    expanded = sorted(str(path) for path in Path("data").glob("*/*.png"))
    several = opened(tuple(reversed(expanded)))
    assert several.names == plain.names, "the order of the words does not matter"
    assert several.name == f"{expanded[-1]} and 11 more"
    assert opened("data/cat/*.png").names == [f"{number}.png" for number in range(6)]
    with pytest.raises(DataError, match="pattern"):
        opened("data/*.gif")


def test_several_places_are_read_as_one_folder(tmp_path: Path):
    for kind in ("cat", "dog"):
        in_folder(
            tmp_path / kind,
            {
                name.partition("/")[2]: data
                for name, data in pets().items()
                if name.startswith(kind)
            },
        )
    zipped(tmp_path / "owl.zip", {"0.png": picture(7)})
    source = opened(
        (
            str(tmp_path / "dog"),
            str(tmp_path / "cat"),
            str(tmp_path / "owl.zip"),
            str(tmp_path / "cat" / "0.png"),
        )
    )
    assert source.classes == ("cat", "dog", "owl")
    assert len(source) == 13, "what is given twice counts once"
    assert check([tmp_path / "cat", tmp_path / "dog"]).document.items == 12
    with pytest.raises(DataError, match="read alone"):
        opened(("builtin/digits", str(tmp_path / "cat")))


def test_a_name_with_brackets_that_is_there_is_no_pattern(tmp_path: Path):
    in_folder(tmp_path / "photos [1]", pets())
    assert len(opened(tmp_path / "photos [1]")) == 12


def test_recipes_and_commands_take_several(tmp_path: Path):
    assert split_words(["image/gan", "a.png", "b.png", "training.steps=3"]) == (
        "image/gan",
        ["a.png", "b.png"],
        ["training.steps=3"],
    )
    plan = load("image/gan", ["a.png", "b.png"])
    assert plan.data.source == ("a.png", "b.png") and plan.as_dict()["data"]["source"] == [
        "a.png",
        "b.png",
    ]
    assert load("image/gan", ["a"]).as_dict() == load("image/gan", "a").as_dict()


def test_what_is_given_to_be_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    in_folder(tmp_path / "data", pets())
    monkeypatch.chdir(tmp_path)
    zipped(tmp_path / "a.zip", {"0.png": picture(7)})
    assert given_files(["data/cat/0.png", "data/dog/[01].png"], ImageCodec()) == [
        "data/cat/0.png",
        *(str(tmp_path / f"data/dog/{n}.png") for n in (0, 1)),
    ]
    assert Path(given_files(["a.zip"], ImageCodec())[0]).read_bytes() == picture(7)
    words = ["what is [[12]]?", "x" * 5000, "a*b"]
    assert given_files(words, TextCodec()) == words, "texts are texts"


# Links --------------------------------------------------------------------------------------------


def test_links_to_folders_outside_are_left_out_unless_asked(tmp_path: Path):
    data = in_folder(tmp_path / "data", {"cat/0.png": picture(0)})
    in_folder(tmp_path / "elsewhere", {"1.png": picture(1)})
    (data / "dog").symlink_to(tmp_path / "elsewhere")
    (data / "owl").symlink_to(data / "cat")
    (data / "root").symlink_to("/")
    (data / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    source = opened(data)
    assert source.names == ["2.png", "cat/0.png"], "links to files are files"
    assert left_out(source) == {"links to folders outside the data": 2}
    (data / "root").unlink()
    assert opened(data, follow_links=True).names == ["2.png", "cat/0.png", "dog/1.png"]
    assert "follow_links" not in DataConfig(source="x").model_dump()
    (tmp_path / "name").symlink_to(data)
    assert opened(tmp_path / "name").names == ["2.png", "cat/0.png"], (
        "the source itself may be a link"
    )


def test_a_source_that_is_no_file(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    in_folder(tmp_path, {"a.png": picture(1)})
    assert opened(tmp_path).names == ["a.png"] and left_out(opened(tmp_path)) == {
        "devices, pipes and sockets": 2
    }
    for source in ("pipe.png", "zero.png"):
        with pytest.raises(DataError, match="cannot be read"):
            opened(tmp_path / source)
    with pytest.raises(DataError):
        opened("a\0b.png")
    with pytest.raises(DataError):
        opened("x" * 5000)


def test_limits_of_a_recipe_reach_the_reader(tmp_path: Path):
    in_folder(tmp_path, {f"{number}.png": picture(number) for number in range(8)})
    config = DataConfig(source=str(tmp_path), limits=bounded.ReadLimits(pixels=63))
    with pytest.raises(DataError, match="63 pixels"):
        prepare(config, ImageCodec())
