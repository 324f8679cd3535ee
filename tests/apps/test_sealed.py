"""Runs sealed for transport: opened by whom they are for, and by nobody else."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from pathlib import Path

import pytest

from tests.apps.command import TINY, inside

pyrage = pytest.importorskip("pyrage")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has released something."""
    folder = tmp_path_factory.mktemp("sealed")
    inside("train", "image/vae-mlp", "builtin/digits", *TINY, "--out", "run", cwd=folder)
    inside("sample", "run", "-n", 1, "--out", "drawn", cwd=folder)
    return folder


@pytest.fixture
def recipient(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path / "settings"))
    told = json.loads(inside("keys", "recipient", "--json", cwd=place))
    key = tmp_path / "settings" / "transport.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert json.loads(inside("keys", "recipient", "--json", cwd=place)) == told
    return str(told["recipient"])


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_a_run_arrives_whole_with_its_ledger(place: Path, recipient: str, tmp_path: Path):
    sealed = tmp_path / "run.age"
    inside("export", "run", sealed, "--encrypt", recipient, cwd=place)
    assert sealed.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"ledger.jsonl" not in sealed.read_bytes()
    inside("unseal", sealed, tmp_path / "theirs", cwd=place)
    assert files(tmp_path / "theirs") == files(place / "run")
    assert "ledger.jsonl" in files(tmp_path / "theirs")
    inside("verify", "drawn/00000.png", "--run", tmp_path / "theirs", cwd=place)
    again = inside("export", "run", sealed, "--encrypt", recipient, cwd=place, code=4)
    assert "in the way" in again


def test_an_export_is_sealed_too(place: Path, recipient: str, tmp_path: Path):
    words = "export", "run", tmp_path / "b.age", "--to", "safetensors", "--encrypt", recipient
    inside(*words, cwd=place)
    inside("unseal", tmp_path / "b.age", tmp_path / "b", cwd=place)
    assert any(name.endswith(".safetensors") for name in files(tmp_path / "b"))


def test_without_a_key_or_with_a_wrong_one_nothing_opens(
    place: Path, recipient: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sealed = tmp_path / "run.age"
    inside("export", "run", sealed, "--encrypt", recipient, cwd=place)
    data = bytearray(sealed.read_bytes())
    data[-20] ^= 1
    (tmp_path / "damaged.age").write_bytes(bytes(data))
    said = inside("unseal", tmp_path / "damaged.age", tmp_path / "x", cwd=place, code=3)
    assert "damaged" in said
    wrong = tmp_path / "wrong.key"
    wrong.write_text(f"# a comment\n{pyrage.x25519.Identity.generate()}\n")
    said = inside("unseal", sealed, tmp_path / "x", "--identity", wrong, cwd=place, code=3)
    assert "does not open" in said
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path / "nothing"))
    assert "no key" in inside("unseal", sealed, tmp_path / "x", cwd=place, code=4)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("recipient_given", ["", "age1nobody", "ssh-rsa AAAA"])
def test_nothing_leaves_for_nobody(place: Path, tmp_path: Path, recipient_given: str):
    words = "export", "run", tmp_path / "run.age", "--encrypt", recipient_given
    assert "no key of a recipient" in inside(*words, cwd=place, code=2)
    assert not (tmp_path / "run.age").exists()


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a\\..\\b"])
def test_a_sealed_file_cannot_write_outside(place: Path, recipient: str, tmp_path: Path, name: str):
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    key = pyrage.x25519.Recipient.from_str(recipient)
    (tmp_path / "evil.age").write_bytes(pyrage.encrypt(memory.getvalue(), [key]))
    inside("unseal", tmp_path / "evil.age", tmp_path / "deep" / "x", cwd=place, code=3)
    assert not (tmp_path / "deep" / "x").exists()
    assert not (tmp_path / "deep" / "out.txt").exists()


def test_an_export_without_a_format_says_what_is_missing(place: Path, tmp_path: Path):
    assert "--encrypt" in inside("export", "run", tmp_path / "x", cwd=place, code=2)
