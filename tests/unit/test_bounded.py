"""Reading with limits: what is let through, what is refused, by which limit, and how a limit is
raised.
"""

import gzip
import io
import json
import os
import socket
import threading
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from castalia import bounded
from castalia.bounded import ReadLimits, packed
from castalia.cli import main as cli
from castalia.data.source import DataConfig
from castalia.errors import DataError, RecipeError, RunError
from castalia.recipe import load


def limited(**values: int) -> Any:
    return bounded.using(ReadLimits(**values))


# Files --------------------------------------------------------------------------------------------


def device(folder: Path) -> Path:
    (folder / "a.txt").symlink_to("/dev/zero")
    return folder / "a.txt"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.txt")
    return folder / "a.txt"


def sock(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may be 108 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("a.txt")
    finally:
        os.chdir(here)
    return folder / "a.txt"


def folder_itself(folder: Path) -> Path:
    (folder / "a.txt").symlink_to("/")
    return folder / "a.txt"


def nowhere(folder: Path) -> Path:
    return folder / "a\0.txt"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [device, pipe, sock, folder_itself, nowhere])
@pytest.mark.parametrize(
    "read", [bounded.read_bytes, bounded.read_text, lambda path: list(bounded.text_lines(path))]
)
def test_only_regular_files_are_read(
    make: Callable[[Path], Path], read: Callable[[Path], Any], tmp_path: Path
):
    with pytest.raises(DataError, match="cannot be read"):
        read(make(tmp_path))


def test_links_to_files_are_read(tmp_path: Path):
    (tmp_path / "a.txt").write_text("one\r\ntwo\n")
    (tmp_path / "b.txt").symlink_to("a.txt")
    assert bounded.read_bytes(tmp_path / "b.txt") == b"one\r\ntwo\n"
    assert bounded.read_text(tmp_path / "b.txt") == "one\ntwo\n"
    assert list(bounded.text_lines(tmp_path / "b.txt")) == ["one\r\n", "two\n"]


def test_files_have_a_size_and_lines_a_length(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"x" * 20 + b"\nab\n")
    with limited(file_bytes=10), pytest.raises(DataError, match="10 bytes") as caught:
        bounded.read_bytes(tmp_path / "a.txt")
    assert "data.limits.file_bytes" in caught.value.fix
    with limited(file_bytes=24):
        assert len(bounded.read_bytes(tmp_path / "a.txt")) == 24
    with limited(line_bytes=10), pytest.raises(DataError, match="line is too long") as caught:
        list(bounded.text_lines(tmp_path / "a.txt"))
    assert caught.value.where == "a.txt, line 1"


def test_the_error_is_the_callers(tmp_path: Path):
    with pytest.raises(RunError):
        bounded.read_bytes(tmp_path / "missing", error=RunError)
    with pytest.raises(RunError):
        bounded.parse_json("{", error=RunError)


# Compressed files ---------------------------------------------------------------------------------


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ratio counts from the first byte on, so that bombs may be small."""
    monkeypatch.setattr(packed, "FREE", 0)


def test_gzip_is_counted_while_it_inflates(tmp_path: Path, free: None):
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(3 << 20)))
    with (
        bounded.open_gzip(tmp_path / "a.gz") as stream,
        pytest.raises(DataError, match="far more than its size"),
    ):
        stream.read()
    with limited(inflation_ratio=2000), bounded.open_gzip(tmp_path / "a.gz") as stream:
        assert len(stream.read()) == 3 << 20
    with (
        limited(inflated_bytes=1000),
        bounded.open_gzip(tmp_path / "a.gz") as stream,
        pytest.raises(DataError, match="too much"),
    ):
        stream.read(2000)


def test_members_of_a_zip_are_counted_together_whatever_they_declare(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(name, os.urandom(10) * 50)
    with limited(inflated_bytes=1200), bounded.open_zip(tmp_path / "a.zip") as members:
        assert len(members.open("a").read()) == 500
        assert len(members.open("b").read()) == 500
        with pytest.raises(DataError, match="too much"):
            members.open("c").read()
    with (
        limited(archive_members=2),
        pytest.raises(DataError, match="too many files"),
        bounded.open_zip(tmp_path / "a.zip"),
    ):
        pass


def test_an_encrypted_member_is_named(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"text")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[6] |= 1  # the flag in the member's own header, and in the directory at the end
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with bounded.open_zip(bytes(data)) as members, pytest.raises(DataError, match="encrypted"):
        members.open("a")


def test_a_declared_length_is_not_allocated():
    assert bounded.read_exactly(io.BytesIO(b"abc"), 1 << 60) == b"abc"


# JSON, XML, numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, 2.5e10, -3, null, true, "ä\\u00e4"]}', "[]", "12", '"x"', "[1.5e-300, 1e308]"],
)
def test_json_is_pythons(text: str):
    assert bounded.parse_json(text) == json.loads(text)
    assert bounded.parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        "[1e999]",
        "[-1e400]",
        '{"a": 1, "a": 2}',
        "[" * 300 + "]" * 300,
        "[" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        "1" * 401,
        "1" * 5000,
        "0." + "1" * 5000,
        "{",
        "",
        "[1,]",
        "nul",
        b"\xff",
        '["a\nb"]',
    ],
)
def test_json_that_is_refused(text: str):
    with pytest.raises(DataError) as caught:
        bounded.parse_json(text, "a.json, line 3")
    assert str(caught.value.where).startswith("a.json, line 3")
    assert caught.value.fix


def test_limits_of_json():
    with limited(json_values=4):
        assert bounded.parse_json('[1, 2, "a,b,c,d,e,f,[[["]') == [1, 2, "a,b,c,d,e,f,[[["], (
            "separators in strings do not count"
        )
        with pytest.raises(DataError, match="too many values"):
            bounded.parse_json("[1, 2, 3, 4]")
    with limited(json_bytes=5), pytest.raises(DataError, match="too long"):
        bounded.parse_json("[1, 2]")
    with limited(json_depth=3):
        assert bounded.parse_json("[[[1]], [[2]], [[3]]]")
        with pytest.raises(DataError, match="nested"):
            bounded.parse_json('[[[1]], {"a": [{}]}]')
    with limited(digits=5), pytest.raises(DataError, match="number"):
        bounded.parse_json("[123456]")


def test_xml():
    root = bounded.parse_xml(
        b'<!DOCTYPE a PUBLIC "-//X//DTD//EN" "http://example.invalid/a.dtd"><a><b c="1">x</b></a>'
    )
    assert root.findtext("b") == "x"
    for bad in (
        b'<!DOCTYPE a [<!ENTITY x "xxxxxxxx"><!ENTITY y "&x;&x;">]><a>&y;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<a>" * 101 + b"</a>" * 101,
        b"<a>" * 10**5,
        b"<a>",
        b"",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
    ):
        with pytest.raises(DataError):
            bounded.parse_xml(bad, "a.xml")
    with limited(xml_elements=3), pytest.raises(DataError, match="too many elements"):
        bounded.parse_xml(b"<a><b/><b/><b/></a>")


def test_numbers_are_exact_and_short():
    assert bounded.parse_number(" -1.25e2 ") == Fraction(-125)
    assert bounded.parse_number("0.1") == Fraction(1, 10)
    for bad in (
        "1e9999999999",
        "1e-99999",
        "1" * 500,
        "1" * 10**6,
        "nan",
        "inf",
        "1/2",
        "",
        "٣",
        "1_000",
        "0x10",
    ):
        with pytest.raises(DataError):
            bounded.parse_number(bad)


# Limits -------------------------------------------------------------------------------------------


def test_limits_hold_where_they_are_set():
    assert bounded.current() == ReadLimits()
    seen = []

    def values() -> Any:
        for _ in range(2):
            seen.append(bounded.current().rows)
            yield

    with limited(rows=7):
        with limited(digits=50):
            assert (bounded.current().rows, bounded.current().digits) == (7, 50)
        thread = threading.Thread(target=lambda: seen.append(bounded.current().rows))
        thread.start()
        thread.join()
    assert seen.pop() == ReadLimits().rows, "another thread has its own"
    for _ in bounded.within(ReadLimits(rows=9), values()):
        assert bounded.current() == ReadLimits(), "between the items, the limits are the caller's"
    assert seen == [9, 9]


def test_limits_from_words():
    given = bounded.from_words(["pixels=200000000", "inflated_bytes=2 GiB"])
    assert given.changed() == {"pixels": 200_000_000, "inflated_bytes": 2 << 30}
    for word in ("pixel=3", "pixels", "pixels=-1", "pixels=many", "pixels=0"):
        with pytest.raises(RecipeError):
            bounded.from_words([word])


def test_a_recipe_mentions_only_the_limits_it_sets():
    """So recipes, and the hashes of recipes, are as they were before there were limits."""
    assert "limits" not in DataConfig(source="x").model_dump(mode="json")
    plan = load("image/vae", "builtin/digits", ["data.limits.pixels=1000"])
    assert plan.as_dict()["data"]["limits"] == {"pixels": 1000}
    with pytest.raises(RecipeError, match="pixel"):
        load("image/vae", "builtin/digits", ["data.limits.pixel=1000"])


def test_every_verb_takes_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        cli.main(["check", str(tmp_path), "--limit", "pixel=3"])
    assert caught.value.code == 2
    assert "did you mean 'pixels'" in capsys.readouterr().err
