"""No module imports one that imports it, neither at once nor by way of others: not in its functions
and not for type checkers only.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


def modules(source: Path) -> dict[str, Path]:
    """Dotted name -> file, of the package in `source`; without its front page, which has names of
    the verbs for those who use the package and is asked for the version by some of its own modules.
    """
    found = {}
    for path in sorted((source / "castalia").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found["castalia"]
    return found


def imported(tree: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    """What a module imports of the package, wherever in the module it does so. `from a import b` is
    an import of the module a.b where there is one, else of a.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The sets of modules that reach one another (Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(one: str) -> None:
        number[one] = low[one] = len(number)
        stack.append(one)
        for other in sorted(graph[one]):
            if other not in number:
                visit(other)
                low[one] = min(low[one], low[other])
            elif other in stack:
                low[one] = min(low[one], number[other])
        if low[one] == number[one]:
            circle = stack[stack.index(one) :]
            del stack[stack.index(one) :]
            if len(circle) > 1 or one in graph[one]:
                found.append(sorted(circle))

    for one in sorted(graph):
        if one not in number:
            visit(one)
    return found


def test_no_module_imports_itself_by_way_of_others():
    known = modules(SOURCE)
    graph = {
        name: set(imported(ast.parse(path.read_text(encoding="utf-8")), known))
        for name, path in known.items()
    }
    assert len(graph) > 300
    assert circles(graph) == []


def test_a_circle_would_be_noticed():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []
