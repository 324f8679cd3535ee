"""What nobody foresaw ends in three lines and an exit code; the traceback is in a file."""

from pathlib import Path

import pytest

from castalia.cli import env, main
from castalia.cli.crash import KEPT
from tests.apps.command import castalia, inside


@pytest.fixture
def caught(monkeypatch, tmp_path: Path):
    """A function: the lines that `castalia env` ends in where its code raises `error`."""
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CASTALIA_DEBUG", "0")

    def lines(error: Exception) -> list[str]:
        def command() -> int:
            raise error

        monkeypatch.setattr(env, "command", command)
        return inside("env", cwd=tmp_path, code=70).splitlines()

    return lines


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            ValueError("odd\x1b[31m\nvalue"),
            r"this is a bug in Castalia: ValueError: odd\x1b[31m value",
        ),
        (KeyError("x"), "this is a bug in Castalia: KeyError: 'x'"),
        (RecursionError("deep"), "this is a bug in Castalia: RecursionError: deep"),
        (MemoryError(), "there is not enough memory for this"),
        (
            RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate "
                "9 bytes."
            ),
            "there is not enough memory",
        ),
        (PermissionError(13, "Permission denied", "/a/b"), "the system refused: Permission denied"),
    ],
)
def test_three_lines_and_a_file(error: Exception, says: str, caught, tmp_path: Path):
    what, where, fix = caught(error)
    assert what.startswith(says)
    assert where.startswith("at:  ") and fix.startswith("try: ")
    file = Path(fix.partition("the traceback is in ")[2])
    assert file.parent == tmp_path / "home" / "crashes"
    assert "Traceback (most recent call last)" in file.read_text()
    assert where.startswith("at:  cli/commands.py, line ") or where == "at:  /a/b"


def test_tracebacks_do_not_pile_up(caught, tmp_path: Path):
    folder = tmp_path / "home" / "crashes"
    folder.mkdir(parents=True)
    for number in range(KEPT + 5):
        (folder / f"20200101-000000-{number:03d}.txt").write_text("old")
    caught(ValueError())
    assert len(list(folder.iterdir())) == KEPT


def test_the_net_can_be_taken_away(monkeypatch, tmp_path: Path):
    def command() -> int:
        raise ValueError("mine")

    monkeypatch.setattr(env, "command", command)
    monkeypatch.setenv("CASTALIA_DEBUG", "1")
    with pytest.raises(ValueError, match="mine"):
        main.main(["env"])


def test_words_on_a_terminal_that_has_none_of_them(tmp_path: Path):
    """An error about a Chinese name, where output is ASCII."""
    said = castalia(
        "show",
        "春\x1b[31m",
        cwd=tmp_path,
        code=4,
        environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert "\\u6625\\x1b[31m" in said
