"""The notebooks in examples/ are executed, with a few steps in place of minutes."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from castalia.data import builtin

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))
TINY = {
    "first_steps_pictures": {
        "BUDGET": {"training.steps": 3, "training.batch": 8, "family.width": 8, "data.limit": 400},
        "JUDGED": 100,
    },
    "first_steps_text": {
        "DATA": "plays.txt",
        "BUDGET": {
            "training.steps": 3,
            "training.batch": 4,
            "training.sample_every": 0,
            "codec.length": 64,
            "family.width": 32,
        },
        "LENGTH": 90,
        "JUDGED": 20,
    },
    "first_steps_music": {
        "BUDGET": {
            "training.steps": 2,
            "training.batch": 2,
            "training.sample_every": 0,
            "codec.length": 64,
            "family.width": 32,
            "family.depth": 1,
            "family.heads": 4,
            "data.limit": 30,
        },
        "LENGTH": 64,
    },
}


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_shows_something(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    plays = gzip.decompress((builtin.path("shakespeare") / "input.txt.gz").read_bytes())
    Path("plays.txt").write_bytes(plays[:50_000])
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in (one for one in cells(notebook) if one["cell_type"] == "code"):
        shown = run_cell("".join(cell["source"]), f"{notebook.name}:{cell['id']}", names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert set(TINY[notebook.stem]) <= set(names), "the test changes values that are there"
            names |= TINY[notebook.stem]
        elif hasattr(shown, "_repr_html_"):
            assert shown._repr_html_().startswith("<"), cell["id"]
        else:
            assert shown, f"{cell['id']}: the last line shows something"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped_and_links_lead_somewhere(notebook: Path):
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert document["nbformat"] == 4
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    text = "".join("".join(cell["source"]) for cell in document["cells"])
    for part in text.split("](")[1:]:
        assert (notebook.parent / part.partition(")")[0]).exists()


def run_cell(source: str, name: str, names: dict[str, Any]) -> Any:
    """Executes a cell as a notebook does; the value of its last line, None where it has none."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307
