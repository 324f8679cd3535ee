"""A sandbox for untrusted templates, with a budget of work.

Jinja2's sandbox keeps a template from Python's insides, but not from time and memory: `'a' *
10**9`, loops in loops, a macro that calls itself twice, `center(10**9)`, a list that holds itself
ten times over. Here every construct that can multiply work is paid for before it is done: each turn
of a loop and each call by the size of its body, each operator, filter, test and method by the size
of what it touches, each piece of output by its length. A budget is a number, so a conversation that
fits once always fits; the clock of the computing thread stands behind it. Nothing needs a signal, a
process or a thread of its own, so nothing can be left behind.

Filters that cannot be paid for in advance are not there: pprint,
random, striptags, urlize, wordwrap, xmlattr; nor is lipsum.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from functools import wraps
from types import BuiltinMethodType, GeneratorType
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.compiler import CodeGenerator
from jinja2.environment import Template
from jinja2.exceptions import TemplateError
from jinja2.runtime import Context, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

# units: about one for each character touched and for each expression; half a second
BUDGET = 10_000_000
EACH = 64  # units for each character that goes in
STEP = 40  # units of a turn of a loop, and of a call
LOOK = 10  # units of an element that is read
# of the thread's own time, and a microsecond for each character, where units were too cheap
SECONDS = 1.0
LONGEST = 1 << 17  # characters of a template
BITS = 4096  # of an integer
WIDEST = 1000  # of a field in a format string

ABSENT = ("pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr")
ALONE = {  # filters and tests that look at one value and not into it
    "attr",
    "count",
    "d",
    "default",
    "first",
    "items",
    "last",
    "length",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "test",
    "true",
    "undefined",
}
GETTERS = {"get", "items", "keys", "values"}  # methods of a dict that do not look into it
# work is size times a number
TIMES = {"batch", "center", "expandtabs", "indent", "ljust", "rjust", "slice", "tojson", "zfill"}
SORTED = {"dictsort", "groupby", "max", "min", "sort", "sum", "unique"}
# in a format string: fields in fields, wide fields, widths from arguments
_WIDE = re.compile(r"\{[^{}]*\{|[0-9]{4}|\*")


class Spent(TemplateError):
    """The template takes more work than it may."""


class _Meter:
    def __init__(self, characters: int) -> None:
        self.left, self.calls = BUDGET + EACH * characters, 0
        self.until = time.thread_time() + SECONDS + 1e-6 * characters

    def burn(self, units: int) -> None:
        self.left -= units
        self.calls += 1
        if self.left < 0 or (self.calls % 256 == 0 and time.thread_time() > self.until):
            raise Spent("it takes more work than a template may")


_ACTIVE = threading.local()


@contextmanager
def budget(characters: int) -> Iterator[None]:
    """One budget for all that is rendered inside, in this thread. characters: of what goes in.
    Within another budget it changes nothing.
    """
    if getattr(_ACTIVE, "meter", None) is not None:
        yield
        return
    _ACTIVE.meter = _Meter(characters)
    try:
        yield
    finally:
        _ACTIVE.meter = None


def burn(units: int) -> None:
    meter: _Meter | None = getattr(_ACTIVE, "meter", None)
    if meter is None:
        raise Spent("there is no budget")
    meter.burn(units)


def compiled(
    source: str,
    filters: Mapping[str, Callable[..., Any]],
    names: Mapping[str, Any],
    *,
    strict: bool = False,
) -> Template:
    """A template, to be rendered within a `budget`. filters: in place of Jinja's own; names: what
    it may use beside its arguments. strict: a name that is not there is an error, not nothing.

    Raises TemplateError for one that is too long, or no template.
    """
    if len(source) > LONGEST:
        raise Spent(f"it has {len(source):,} characters, {LONGEST:,} at most")
    sandbox = _Sandbox(filters, names)
    if strict:
        sandbox.undefined = StrictUndefined
    return sandbox.from_string(source)


def size(value: Any) -> int:
    """Of one value, without looking into it."""
    return (
        len(value)
        if isinstance(value, str | bytes | list | tuple | dict | set | frozenset | range)
        else 1
    )


def weigh(value: Any) -> int:
    """Pay for all that a value holds, as often as it holds it; how much that is."""
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        total += 1 + size(one)
        burn(LOOK + size(one))
        if isinstance(one, list | tuple | set | frozenset | KeysView | ValuesView | ItemsView):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.keys())
            waiting.extend(one.values())
        elif isinstance(one, Namespace):
            waiting.append(one._Namespace__attrs)  # type: ignore[attr-defined]
    return total


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self, filters: Mapping[str, Callable[..., Any]], names: Mapping[str, Any]) -> None:
        # Not optimised: constants would be worked out while compiling.
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols"],
            optimized=False,
            finalize=pass_context(_written),
        )
        self.code_generator_class = _Generator
        kept = {
            name: function
            for name, function in {**self.filters, **filters}.items()
            if name not in ABSENT
        }
        self.filters = {name: _paid(name, function) for name, function in kept.items()}
        self.tests = {name: _paid(name, function) for name, function in self.tests.items()}
        # names that no template can write
        self.filters |= {" step": _step, " weigh": _weighed, " part": _part}
        self.globals.pop("lipsum", None)
        self.globals.update(names)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            for one, times in ((left, right), (right, left)):
                if isinstance(times, int) and not isinstance(one, int | float):
                    burn(size(one) * max(0, times))
        elif operator == "%" and isinstance(left, str):
            _expect_narrow(left)
            burn(size(left) * (1 + weigh(right)))
        elif (
            operator == "**"
            and isinstance(left, int)
            and isinstance(right, int)
            and left.bit_length() * abs(right) > BITS
        ):
            raise Spent("a number is too large")
        burn(size(left) + size(right))
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and result.bit_length() > BITS:
            raise Spent("a number is too large")
        return result

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _expect_narrow(value.__self__)
        return wrapped

    def call(__self, __context: Context, __obj: Any, *arguments: Any, **more: Any) -> Any:
        burn(STEP)
        arguments = tuple(list(one) if isinstance(one, GeneratorType) else one for one in arguments)
        # Jinja's own wrapper of str.format, or a method of a str, list or dict
        method = getattr(__obj, "__wrapped__", __obj)
        if isinstance(method, BuiltinMethodType) and isinstance(
            method.__self__, str | bytes | list | tuple | dict
        ):
            owner, name = method.__self__, method.__name__
            if name in ("translate", "maketrans"):
                raise Spent(f"templates have no {name}")
            if not (isinstance(owner, dict) and name in GETTERS):
                _pay(name, owner, arguments, more)
        result = super().call(__context, __obj, *arguments, **more)
        burn(size(result))
        return result


def _expect_narrow(form: str) -> None:
    if _WIDE.search(form):
        raise Spent("a format string asks for wide fields")


def _pay(name: str, owner: Any, arguments: tuple[Any, ...], more: Mapping[str, Any]) -> None:
    """For a filter, a test or a method, before it works on `owner`."""
    given = (*arguments, *more.values())
    whole = weigh(owner)
    others = sum(weigh(one) for one in given)
    numbers = [abs(one) for one in given if isinstance(one, int) and not isinstance(one, bool)]
    if name in TIMES:
        for number in numbers:
            burn(whole * number)
            whole *= max(1, number)
        if name == "indent":
            burn(size(owner) * max((size(one) for one in given if isinstance(one, str)), default=0))
    elif name == "replace" and isinstance(owner, str) and len(given) >= 2:
        old, new = str(given[0]), str(given[1])
        burn(owner.count(old) * len(new))
    elif name == "join":
        # a filter joins its owner, a method its argument
        burn(size(owner) * (1 + max((size(one) for one in given), default=0)))
    elif name in ("format", "format_map"):
        _expect_narrow(str(owner))
        burn(size(owner) * (1 + others))
    elif name in ("strip", "lstrip", "rstrip", "trim", "rfind", "rindex", "rsplit", "rpartition"):
        burn(whole * others // 8)
    elif name in SORTED:
        burn(16 * whole if name != "sum" else whole * size(owner))
    elif name == "round" and any(number > 100 for number in numbers):
        raise Spent("a number is rounded to too many places")


def _paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test that is paid for. What it yields is paid for as it is taken."""
    passed = int(getattr(function, "jinja_pass_arg", None) is not None)  # the context, first

    @wraps(function)
    def run(*arguments: Any, **more: Any) -> Any:
        burn(STEP)
        head, rest = (
            arguments[:passed],
            [list(one) if isinstance(one, GeneratorType) else one for one in arguments[passed:]],
        )
        if rest and name not in ALONE:
            _pay(name, rest[0], tuple(rest[1:]), more)
        result = function(*head, *rest, **more)
        if isinstance(result, GeneratorType):
            return _counted(result)
        burn(size(result))
        return result

    return run


def _counted(values: Iterator[Any]) -> Iterator[Any]:
    for value in values:
        burn(STEP)
        yield value


@pass_context
def _written(context: Context, value: Any) -> Any:
    """What is put out. An iterator would write its address, which is never the same."""
    if isinstance(value, GeneratorType):
        raise TemplateError("a list that is not made yet cannot be written: add |list")
    burn(1 + len(value) if isinstance(value, str) else 4 * weigh(value))
    return value


def _step(units: int) -> bool:
    burn(units)
    return True


def _weighed(value: Any) -> Any:
    weigh(value)
    return value


def _part(value: Any, start: Any, stop: Any, step: Any) -> Any:
    burn(size(value))
    return value[start:stop:step]


class _Generator(CodeGenerator):
    def visit_Template(self, node: nodes.Template, frame: Any = None) -> None:
        super().visit_Template(_Payments().visit(node), frame)


class _Payments(NodeTransformer):
    """Puts what is paid at run time into a template's tree."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        paid = _payment(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(paid, lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(_payment(node.test), node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: Any) -> nodes.Node:
        """What has a body of its own that may run several times: macros, blocks and what calls pass
        to macros.
        """
        paid = _payment(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(paid, lineno=node.lineno))
        return node  # type: ignore[no-any-return]

    visit_Block = visit_CallBlock = visit_Macro

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_filter(one, " weigh") for one in node.nodes]
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _filter(node.expr, " weigh")
        for operand in node.ops:
            operand.expr = _filter(operand.expr, " weigh")
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        ends = [
            end if end is not None else nodes.Const(None)
            for end in (node.arg.start, node.arg.stop, node.arg.step)
        ]
        return _filter(node.node, " part", *ends)


def _payment(node: nodes.Node) -> nodes.Filter:
    """For one pass through a body: its expressions, and the text that stands in it."""
    inside = list(node.find_all(nodes.Node))
    text = sum(len(one.data) for one in inside if isinstance(one, nodes.TemplateData))
    return _filter(nodes.Const(STEP + 2 * len(inside) + text), " step")


def _filter(node: nodes.Expr, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno or 1)
