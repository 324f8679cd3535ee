"""What a reader may rely on in every file of the package."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "castalia"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 500
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
NETWORK_MODULES = {"socket", "urllib.request", "http.client", "requests", "httpx", "aiohttp", "ftplib", "smtplib"}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in FILES:
        yield path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.AST) -> str:
    """The dotted name of what a call calls: "torch.load"; "" for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute) else ""


def imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def where(pick: Callable[[Path, Any], bool]) -> list[str]:
    return [f"{path}:{node.lineno}" for path, tree in trees() for node in ast.walk(tree) if pick(path, node)]


def test_there_is_something_to_check():
    assert len(FILES) > 30


def test_no_print_outside_the_command_line():
    assert where(lambda path, node: called(node) == "print" and path.parts[0] != "cli") == []


def test_nothing_unpickles_or_evaluates():
    bad = {"torch.load", "torch.save", "eval", "exec", "compile"}
    assert where(lambda path, node: called(node) in bad) == []
    assert where(lambda path, node: called(node) in {"np.load", "numpy.load"} and not any(word.arg == "allow_pickle" and word.value.value is False for word in node.keywords)) == [], "say allow_pickle=False"
    assert [str(path) for path, tree in trees() if imports(tree) & UNSAFE_MODULES] == []


def test_yaml_is_read_safely():
    assert where(lambda path, node: called(node) in {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}) == []


def test_no_module_that_opens_connections():
    assert [str(path) for path, tree in trees() if imports(tree) & NETWORK_MODULES] == []


def test_errors_are_castalias_own():
    def bare(path: Path, node: ast.AST) -> bool:
        return isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and called(node.exc) in {"ValueError", "TypeError", "RuntimeError", "Exception", "KeyError", "SystemExit"}

    assert where(bare) == []
    # Contract tests are assertions by nature; everywhere else a check of input must survive `python -O`.
    assert where(lambda path, node: isinstance(node, ast.Assert) and path.parts[0] != "testing") == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_tells_one_story(path: Path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a header says what the file is"
    assert text.count("\n") <= LONGEST
    assert not any(mark in text for mark in ("TODO", "FIXME", "XXX"))
