"""Parse YAML as plain data: mappings with text keys, lists, text, numbers, booleans, null.

Beside `yaml.safe_load`: the number of values is bounded (aliases may not multiply what was written,
CWE-776), nesting and digits are bounded, a key may stand once, dates stay the text that they are
written as, and other tags are errors.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from castalia.bounded.limits import current, exceeded
from castalia.errors import CastaliaError, DataError
from castalia.sentences import Message, say

MOST_VALUES = 50_000  # of one document, aliases written out
DEEPEST = 32  # levels; PyYAML calls itself at each

_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")
)


_MEND = say("mend the file")


class _Loader(yaml.SafeLoader):
    """Resolves no dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag in _TAGS]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(
    text: str, where: object = "", fix: str = _MEND, error: type[CastaliaError] = DataError
) -> Any:
    """The value of the one document of a YAML text; None of an empty one. Raises `error`, which
    names the problem and the line, for what is not plain data, and beyond the limits yaml_bytes and
    digits.
    """
    if len(text) > current().yaml_bytes:
        raise exceeded("yaml_bytes", say("the YAML is too long"), where, error)
    try:
        return _parsed(text)
    except yaml.MarkedYAMLError as failure:
        line = (
            "" if failure.problem_mark is None else say(", line {0}", failure.problem_mark.line + 1)
        )
        raise error(say("this is not YAML: {0}{1}", failure.problem, line), where, fix) from failure
    except yaml.YAMLError as failure:
        # ours have one sentence, PyYAML's have lines
        problem = failure.args[0] if failure.args else ""
        if not isinstance(problem, Message):
            problem = str(failure).partition("\n")[0]
        raise error(say("this is not plain YAML: {0}", problem), where, fix) from failure


def _parsed(text: str) -> Any:
    _check_events(text)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {}, set())
        return loader.construct_document(node)
    # a tag that does not fit its text: !!bool maybe
    except (ValueError, OverflowError, KeyError, AttributeError, TypeError) as failure:
        raise yaml.YAMLError(
            say("a value does not fit its tag: {0}", type(failure).__name__)
        ) from failure
    finally:
        loader.dispose()


def _check_events(text: str) -> None:
    """Nesting and number of nodes, before the recursive part of PyYAML sees them."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(
                say("nested more than {0} deep, line {1}", DEEPEST, event.start_mark.line + 1)
            )
        if nodes > MOST_VALUES:
            raise yaml.YAMLError(say("more than {0:,} values", MOST_VALUES))


def _check(node: Node, sizes: dict[int, int], open_nodes: set[int]) -> int:
    """How many values a node stands for with its aliases written out."""
    if id(node) in sizes:
        return sizes[id(node)]
    line = say("line {0}", node.start_mark.line + 1)
    if id(node) in open_nodes:
        raise yaml.YAMLError(say("a value contains itself, {0}", line))
    if node.tag not in _TAGS:
        raise yaml.YAMLError(say("the tag {0!r:.60} is not read, {1}", node.tag, line))
    open_nodes.add(id(node))
    size = 1
    if isinstance(node, ScalarNode):
        if node.tag.endswith((":int", ":float")) and len(node.value) > current().digits:
            raise yaml.YAMLError(say("a number of {0:,} digits, {1}", len(node.value), line))
    elif isinstance(node, SequenceNode):
        size += sum(_check(one, sizes, open_nodes) for one in node.value)
    elif isinstance(node, MappingNode):
        names = set[str]()
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.YAMLError(
                    say("a key must be text, line {0}: put it in quotes", key.start_mark.line + 1)
                )
            if key.value in names:
                raise yaml.YAMLError(
                    say(
                        "the key '{0:.60}' stands twice, line {1}",
                        key.value,
                        key.start_mark.line + 1,
                    )
                )
            names.add(key.value)
            size += _check(value, sizes, open_nodes)
    if size > MOST_VALUES:
        raise yaml.YAMLError(
            say("its aliases stand for more than {0:,} values, {1}", MOST_VALUES, line)
        )
    open_nodes.discard(id(node))
    sizes[id(node)] = size
    return size
