"""A terminal's columns: Chinese characters are two wide, combining marks none; and the words at the
Tab key.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.apps.command import inside

from castalia.cli.commands import first_words, verbs
from castalia.cli.completion import SCRIPTS, candidates, install
from castalia.cli.console import table
from castalia.language import say, using
from castalia.text_width import cut, padded, width, wrapped

NAMES = [
    "plain.png",
    "圣咏.mid",
    "cafe\u0301.txt",
    "café.txt",
    "👨\u200d👩\u200d👧.png",
    "한국어.txt",
    "ﾊﾝｶｸ",
    "a…b",
]


def test_widths():
    assert [width(name) for name in NAMES] == [9, 8, 8, 8, 6, 10, 4, 3]
    assert [width(padded(name, 12)) for name in NAMES] == [12] * len(NAMES)
    assert padded("long", 2) == "long"


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8, 20])
def test_cut_text_fits_and_is_a_beginning(columns: int):
    for name in NAMES:
        short = cut(name, columns)
        assert width(short) <= columns
        assert (
            short == name
            if width(name) <= columns
            else (short.endswith("…") and name.startswith(short[:-1]))
        )


def test_text_is_wrapped_by_columns_and_no_line_begins_with_punctuation():
    text = "逐位精确地续训一次运行，从最后一个检查点 castalia train --resume RUN（不需要配方）。"
    for columns in (12, 20, 33):
        lines = wrapped(text, columns)
        assert all(width(line) <= columns for line in lines if " " in line or not line.isascii())
        assert not any(line[0] in "，。）" for line in lines) and "".join(lines).replace(
            " ", ""
        ) == text.replace(" ", "")
    assert wrapped("a few words", 6) == ["a few", "words"] and wrapped("", 9) == [""]


def test_tables_align_whatever_they_hold():
    lines = table(["file", say("default: {0}", "x")], [[name, "|"] for name in NAMES]).splitlines()
    assert {width(line.partition("|")[0]) for line in lines[1:]} == {12}
    with using("zh"):
        assert table(["a", say("required")], [["b", "c"]]) == "a  必填\nb  c"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs, a folder of pictures and a file, and no other runs on
    this machine.
    """
    for name in ("gan", "vae 圣"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text("{}")
    (tmp_path / "photos").mkdir()
    (tmp_path / "plays.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    return tmp_path


def words(*line: str) -> list[str]:
    return [one.word for one in candidates(line)]


def test_what_the_tab_key_offers(place: Path):
    assert words("tr") == ["train"] and set(first_words()) < set(words(""))
    assert {"image/gan", "text/ar"} <= set(words("train", "")) and words(
        "train", "image/gan", "ph"
    ) == ["photos/"]
    assert "builtin/digits" in words("check", "") and "plays.txt" in words("check", "pl")
    assert (
        set(words("sample", ""))
        == {"latest", "gan", "vae 圣"}
        == set(words("train", "--resume", ""))
    )
    assert words("compare", "gan", "v") == ["vae 圣"] and words("serve", "--port", "0", "g") == [
        "gan"
    ]
    assert words("list", "re") == ["recipes"]
    assert set(words("edit", "gan", "")) >= {"interpolate", "vary", "infill", "predict", "upscale"}
    assert words("sample", "gan", "--to") == ["--top-k", "--top-p"] and words(
        "sample", "--lang", ""
    ) == ["en", "zh"]
    assert (
        words("--lang", "zh", "dem") == ["demo", "demand"]
        and words("sample", "gan", "--out", "") == []
    )


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_completes_its_own_options(verb: str, place: Path):
    assert {"--lang", "--help", "--limit"} <= set(words(*verb.split(), "-"))
    words(verb, "")


def test_completing_imports_nothing_heavy():
    program = (
        "import sys; from castalia.cli.completion import candidates; [candidates([verb, "
        "word]) for verb in ('train', 'sample', 'check', 'list') for word in ('', '-')]"
    )
    probe = program + "; print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


def test_bash_takes_what_is_offered(place: Path):
    """The script in a real bash: the words of COMP_WORDS, candidates quoted where they
    hold spaces.
    """
    castalia = f'castalia() {{ "{sys.executable}" -m castalia "$@"; }}\n'
    ask = (
        'COMP_WORDS=(castalia sample v); COMP_CWORD=2; _castalia; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", castalia + SCRIPTS["bash"] + ask], capture_output=True, text=True
    )
    assert done.stdout.startswith("vae\\ ") and done.stdout.count("\n") == 1, done.stderr


@pytest.mark.parametrize("shell", SCRIPTS)
def test_completion_is_installed_once(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    start = tmp_path / f".{shell}rc"
    start.write_text("alias ll='ls -l'")
    first, second = install(shell, tmp_path), install(shell, tmp_path)
    path = next(
        path for path in tmp_path.rglob("*") if "castalia" in path.as_posix() and path.is_file()
    )
    assert path.read_text() == SCRIPTS[shell] and first[0] == f"wrote {path}"
    lines = start.read_text().splitlines()
    assert lines[0] == "alias ll='ls -l'" and len(lines) == (1 if shell == "fish" else 2)
    assert len(first) == (2 if shell == "fish" else 3) and len(second) == 2


def test_which_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert inside("--show-completion", cwd=tmp_path).startswith("#compdef castalia")
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "no completion for the shell 'tcsh'" in inside(
        "--install-completion", cwd=tmp_path, code=2
    )
    assert "complete -c castalia" in inside("--show-completion", "fish", cwd=tmp_path)
