"""Extract the sentences of source files, for the tools that update catalogues (Babel; babel.cfg).

    python(file, keywords, comment_tags, options)     the sentences of a Python file
    recipe(file, keywords, comment_tags, options)     the line "# for: ..." of a recipe
    template(file, keywords, comment_tags, options)   say, plural and say_in in a template of a page

All are extraction methods of Babel: they yield (line, function, message, comments). Packages of
other people use them for catalogues of their own. Nothing here imports Babel.

A sentence is a literal in one of these places:

    say("...", ...)                      the template
    plural("...", "...", n, ...)         the form for one, the form for many
    say_in("context", "...", ...)        the context and the template
    N_("...")                            a template that is filled elsewhere
    Sentence("level", "..."[, "..."])    a finding: for many, for one
    stage("...", total, "...")           what is done, and in what units (progress)
    tracked(items, "...", total, "...")
    Verb(group, "...", ...), DataSet("...", ...)
    help="...", about="..."              in any call
    def command(...): the docstring of a verb of the command line
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

Extracted = tuple[int, str, Any, list[str]]

# The positions of sentences among the arguments.
POSITIONS = {
    "say": (0,),
    "N_": (0,),
    "stage": (0, 2),
    "tracked": (1, 3),
    "Verb": (0, 1),
    "DataSet": (0,),
}
FIELD = re.compile(r"\{[^{} ]*\}")
KEYWORDS = ("help", "about")
# Functions of templates, and what gettext calls them.
KINDS = {"say": "gettext", "plural": "ngettext", "say_in": "pgettext"}


def python(file: BinaryIO, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Extracted]:
    """The sentences of a Python file."""
    tree = ast.parse(file.read())
    own = any(
        isinstance(one, ast.FunctionDef)
        and one.name == "say"
        and "template" not in {argument.arg for argument in one.args.args}
        for one in ast.walk(tree)
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            # a function of the file's own that is called `say` looks labels up
            if not (own and isinstance(node.func, ast.Name) and node.func.id == "say"):
                yield from _call(node)
        elif isinstance(node, ast.FunctionDef) and node.name == "command":
            yield from _help(node)


def recipe(file: BinaryIO, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Extracted]:
    """What a recipe is for: the rest of its first line after "# for:"."""
    line = file.readline().decode("utf-8")
    if line.startswith("# for:"):
        yield 1, "gettext", line.removeprefix("# for:").strip(), []


def template(file: BinaryIO, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Extracted]:
    """The sentences of a jinja2 template."""
    import jinja2
    from jinja2.ext import extract_from_ast

    tree = jinja2.Environment().parse(file.read().decode("utf-8"))
    for line, function, strings in extract_from_ast(tree, tuple(KINDS)):
        literals = [strings] if isinstance(strings, str) else list(strings)
        if function == "say":
            yield line, KINDS[function], literals[0], []
        else:
            yield line, KINDS[function], tuple(literals[:2]), []


def name_of(function: ast.expr) -> str:
    """The last part of the name of what is called: "say" of `say`, `voice.say`."""
    match function:
        case ast.Name():
            return function.id
        case ast.Attribute():
            return function.attr
    return ""


def _help(node: ast.FunctionDef) -> Iterator[Extracted]:
    """The docstring of a verb of the command line, in one line."""
    words = ast.get_docstring(node)
    # options may be aliases (cli/options.py), and then have a default
    options = node.args.defaults or any("Annotated" in ast.dump(one) for one in node.args.args)
    if words and options:
        yield node.lineno, "gettext", " ".join(words.split()), []


def _call(node: ast.Call) -> Iterator[Extracted]:
    name = name_of(node.func)
    pair = [_literal(one) for one in node.args[:2]]
    if name == "plural" and all(pair):
        yield node.lineno, "ngettext", tuple(pair), []
    elif name == "say_in" and all(pair):
        yield node.lineno, "pgettext", tuple(pair), []
    elif name == "Sentence" and len(node.args) > 1:
        many, *one = (_literal(part) for part in node.args[1:3])
        yield node.lineno, *(("ngettext", (*one, many)) if one else ("gettext", many)), []
    for place in POSITIONS.get(name, ()):
        if text := "".join(map(_literal, node.args[place : place + 1])):
            yield node.lineno, "gettext", text, []
    for keyword in node.keywords:
        if keyword.arg in KEYWORDS and (text := _literal(keyword.value)):
            yield node.lineno, "gettext", text, []


def _literal(node: ast.expr) -> str:
    """The text of a literal; "" for anything else, and where there are only values."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return ""
    return node.value if FIELD.sub("", node.value).strip() else ""
