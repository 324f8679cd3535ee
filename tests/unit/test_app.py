"""An app of another package: its commands, its demo, its route and its templates are found, and no
line of Castalia names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.apps.command import inside
from tests.unit.test_check_any_codec import package

from castalia import app
from castalia.cli import commands
from castalia.cli.completion import candidates
from castalia.pages import render

TALLY = """
from castalia.app import App, Command

APP = App(
    name="tally",
    package="tally",
    about="counts lines",
    commands={
        "lines": Command("tally.work:command", "how many lines", "castalia tally lines a.txt"),
        "twice": Command("tally.work:command", "the same", "castalia tally twice a.txt"),
    },
    router="tally.work:router",
    demo="tally.work:demo",
)
"""
WORK = '''
from pathlib import Path
from typing import Annotated

import typer

from castalia import atomic, bounded
from castalia.pages.render import render
from castalia.sentences import say


def count(path):
    return len(bounded.read_text(path).splitlines())


def command(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> int:
    """Count lines."""
    print(count(file))
    return 0


def router(table, service):
    from fastapi import APIRouter

    routes = APIRouter(prefix="/api")

    @routes.get("/tally")
    async def tally():
        return {"lines": 2}

    return routes


def demo(folder):
    page = folder / "page.html"
    folder.mkdir(parents=True)
    atomic.write(page, render("tally.html.j2", "zh", lines=2))
    return page
'''


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "packages"
    package("tally", TALLY, app.GROUP, "APP", folder)
    (folder / "tally" / "work.py").write_text(WORK)
    (folder / "tally" / "templates").mkdir()
    (folder / "tally" / "templates" / "tally.html.j2").write_text("<p>{{ lines }}</p>")
    monkeypatch.syspath_prepend(folder)
    caches = (app.every, commands.verbs, render.environment)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("tally")
def test_the_commands_of_an_app_are_those_of_the_command_line(tmp_path: Path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert inside("tally", "lines", "a.txt", cwd=tmp_path).strip() == "2"
    assert "castalia tally --help" in inside("--help", cwd=tmp_path)
    own = inside("tally", "--help", cwd=tmp_path)
    assert "counts lines" in own and "castalia tally lines a.txt" in own
    assert "castalia tally lines" in inside("tally", "line", cwd=tmp_path, code=2)
    assert "at:  FILE" in inside("tally", "twice", cwd=tmp_path, code=2)
    assert {one.word for one in candidates(["tally", ""])} == {"lines", "twice"}
    assert "tally" in {one.word for one in candidates(["ta"])}
    assert "--lang" in {one.word for one in candidates(["tally", "lines", "--l"])}


@pytest.mark.usefixtures("tally")
def test_its_demo_finds_its_template(tmp_path: Path):
    inside("demo", "tally", "--out", "out", "--no-open", cwd=tmp_path)
    assert (tmp_path / "out" / "page.html").read_text() == "<p>2</p>"


@pytest.mark.usefixtures("tally")
def test_the_server_takes_its_routes_in():
    from starlette.testclient import TestClient

    from castalia.serving.app import make_app
    from castalia.serving.engine import Engine
    from castalia.serving.loaded_runs import Table

    made = make_app(Table({}), Engine({}))
    assert TestClient(made).get("/api/tally").json() == {"lines": 2}


@pytest.mark.parametrize("name", app.every())
def test_what_a_descriptor_names_is_there(name: str):
    described = app.every()[name]
    assert described.about and (described.command or described.commands)
    for part in ("router", "demo"):
        assert getattr(described, part) == "" or callable(described.load(part))
    for words, command in app.commands():
        assert command.example.startswith(f"castalia {words}")
