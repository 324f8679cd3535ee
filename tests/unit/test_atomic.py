"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from castalia import atomic
from castalia.errors import RunError


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path):
    path = tmp_path / "a.txt"
    atomic.write(path, "old")
    with pytest.raises(KeyError), atomic.place(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "step"
    with atomic.folder(path) as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(RunError, match="cannot write"), atomic.folder(path) as temporary:
        (temporary / "a").write_text("2")
        raise OSError(28, "No space left on device")
    assert (path / "a").read_text() == "1"
    assert [file.name for file in tmp_path.iterdir()] == ["step"]


def test_a_path_through_a_file_is_an_error_in_words(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        atomic.write(tmp_path / "file" / "x", "")
