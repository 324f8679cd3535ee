"""Units of Python code: the functions and classes of a file, as documents; and whether a text is
Python.

A unit is a function or a class at the top of a file with its decorators; of a class of more than
LONGEST characters each method by itself, moved to the left edge. Nothing is ever run. `ast.parse`
is bounded: texts of at most MOST characters, and what Python's own parser limits (brackets 200
deep, its stack) is a text that does not parse.
"""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Iterator

from castalia.errors import DataError
from castalia.sentences import say

MOST = 1 << 18  # characters of a text that is parsed
LONGEST = 3000  # characters of a class that stays whole
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def units(text: str, where: str) -> Iterator[str]:
    """The units of a file, in their order. Raises DataError where it is no Python."""
    tree = _parsed(text)
    if isinstance(tree, str):
        raise DataError(
            say("the file is no Python: {0}", tree),
            where,
            say("mend it, leave it out, or set data.skip_bad=true"),
        )
    lines = text.splitlines(keepends=True)
    for node in tree.body:
        if isinstance(node, _DEFINITIONS):
            yield from _of(node, lines)


def flaw(text: str) -> str:
    """Why a text is no unit of Python, a sentence; "" where it is one."""
    tree = _parsed(text)
    if isinstance(tree, str):
        return say("it is no Python: {0}", tree)
    return "" if tree.body else say("it holds no statement")


def _of(node: ast.stmt, lines: list[str]) -> Iterator[str]:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    text = "".join(lines[first - 1 : node.end_lineno])
    if isinstance(node, ast.ClassDef) and len(text) > LONGEST:
        for inner in node.body:
            if isinstance(inner, _DEFINITIONS):
                yield from _of(inner, lines)
        return
    whole = textwrap.dedent(text).rstrip() + "\n"
    if not isinstance(_parsed(whole), str):  # a string may hold lines at the left edge
        yield whole


def _parsed(text: str) -> ast.Module | str:
    """The tree, or why there is none."""
    if len(text) > MOST:
        return say("longer than {0:,} characters", MOST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings
            return ast.parse(text)
    except SyntaxError as error:
        return say("{0}, line {1}", error.msg, error.lineno or 1)
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
