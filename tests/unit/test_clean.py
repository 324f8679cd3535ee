"""castalia clean: what each cache belongs to, and the removal of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.apps.command import inside

from castalia import user_dirs
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.registry import resolve


def encode(folder: Path, source: str) -> None:
    codec = resolve("codec", "image")
    prepare(DataConfig(source=source), codec(codec.Config(size=8)))


def test_one_cache_is_named_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    run = tmp_path / "runs" / "shoes"
    run.mkdir(parents=True)
    recipe = {"data": {"source": "builtin/fashion"}, "family": {"name": "gan"}}
    (run / "run.json").write_text(json.dumps({"id": "x", "recipe": recipe}), encoding="utf-8")
    user_dirs.remember("x", run)
    for source in ("builtin/fashion", "builtin/digits"):
        encode(tmp_path, source)
    before = json.loads(inside("clean", "--json", cwd=tmp_path))
    assert {entry["source"]: entry["runs"] for entry in before["caches"]} == {
        "builtin/fashion": ["shoes"],
        "builtin/digits": [],
    }
    assert "encoded data" in inside("clean", cwd=tmp_path)
    one = next(entry for entry in before["caches"] if entry["runs"])
    inside("clean", one["key"][:10], "--yes", cwd=tmp_path)
    (left,) = json.loads(inside("clean", "--json", cwd=tmp_path))["caches"]
    assert left["source"] == "builtin/digits"
    assert "there is no such cache" in inside("clean", "zzz", "--yes", cwd=tmp_path, code=3)
    inside("clean", "--yes", cwd=tmp_path)
    assert "no caches" in inside("clean", cwd=tmp_path)
