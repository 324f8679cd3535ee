"""Parse JSON, XML and numbers within limits of depth, length and size.

Python's own parsers are used; what they do not bound is counted before (bytes, separators, runs of
digits) or after (depth). The usual document costs one pass more than parsing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from castalia.bounded.limits import current, exceeded
from castalia.errors import CastaliaError, DataError
from castalia.sentences import say

_MEND, _SAVE = say("mend the file"), say("save it again")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")
_EXPONENT = re.compile(r"[0-9][eE]\+?[0-9]{3}")


def parse_json(
    text: str | bytes,
    where: object = "",
    fix: str = _MEND,
    error: type[CastaliaError] = DataError,
    *,
    finite: bool = True,
) -> Any:
    """The value of a JSON text (RFC 8259). Raises `error` for what is no JSON, for NaN and infinite
    numbers, for a key that stands twice in an object, and beyond the limits json_bytes, json_depth,
    json_values and digits. finite=False: NaN and Infinity are read, as Python writes them into
    scores and losses.
    """
    limits = current()
    if len(text) > limits.json_bytes:
        raise exceeded("json_bytes", say("the JSON is too long"), where, error)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as failure:
            raise error(
                say("the JSON is not UTF-8: {0} at byte {1}", failure.reason, failure.start),
                where,
                fix,
            ) from failure
    separators = text.count(",") + text.count("[") + text.count("{")
    if separators >= limits.json_values:
        bare = _STRING.sub("", text)
        if bare.count(",") + bare.count("[") + bare.count("{") >= limits.json_values:
            raise exceeded("json_values", say("the JSON holds too many values"), where, error)
    decoder = _PLAIN if finite else _PYTHONS
    if _EXPONENT.search(text) or (
        len(text) > limits.digits and re.search(rf"[0-9.]{{{min(limits.digits, 4000) + 1}}}", text)
    ):
        decoder = json.JSONDecoder(
            object_pairs_hook=_object,
            parse_constant=_constant if finite else None,
            parse_int=_short(int, where, error, finite),
            parse_float=_short(float, where, error, finite),
        )
    try:
        value = decoder.decode(text)
    except _Refused as failure:
        raise error(failure.what, where, failure.fix) from failure
    except RecursionError as failure:
        raise exceeded(
            "json_depth", say("the JSON is nested too deeply"), where, error
        ) from failure
    except json.JSONDecodeError as failure:
        column = say("column {0}", failure.colno)
        place = (
            say("{0}, line {1}, {2}", where, failure.lineno, column)
            if where and "\n" in text.strip()
            else where
        )
        at = "" if place != where else say(" at {0}", column)
        raise error(say("this is not JSON: {0}{1}", failure.msg, at), place, fix) from failure
    if text.count("[") + text.count("{") > limits.json_depth and _deeper(value, limits.json_depth):
        raise exceeded("json_depth", say("the JSON is nested too deeply"), where, error)
    return value


def parse_number(text: str, where: object = "", error: type[CastaliaError] = DataError) -> Fraction:
    """A decimal number exactly. Raises `error` for anything else, and beyond the limit digits,
    which bounds its length and its exponent.
    """
    match = _NUMBER.fullmatch(text.strip()) if len(text) <= 2 * current().digits else None
    if match is None and len(text) <= 2 * current().digits:
        raise error(say("{0!r} is no number", text.strip()[:40]), where, say("mend the file"))
    if (
        match is None
        or len(text.strip()) > current().digits
        or len(match[1] or "") > 6
        or abs(int(match[1] or 0)) > current().digits
    ):
        raise exceeded(
            "digits", say("the number {0}... is too long", text.strip()[:20]), where, error
        )
    return Fraction(text.strip())


def parse_xml(
    data: bytes, where: object = "", fix: str = _SAVE, error: type[CastaliaError] = DataError
) -> ElementTree.Element:
    """The root of an XML document. Entities of its own are refused; a document type is passed over,
    and nothing that it names is loaded.

    Raises `error` for what is no XML, and beyond the limits xml_depth and xml_elements.
    """
    limits = current()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > limits.xml_depth:
            raise exceeded("xml_depth", say("the XML is nested too deeply"), where, error)
        if count > limits.xml_elements:
            raise exceeded("xml_elements", say("the XML holds too many elements"), where, error)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def entity(*declared: Any) -> None:
        raise error(
            say("the XML declares entities of its own"),
            where,
            say("save it without a DTD of its own"),
        )

    # a first pass builds nothing, so it costs little, and what it lets through is safe to build
    first = expat.ParserCreate()
    first.StartElementHandler, first.EndElementHandler, first.EntityDeclHandler = start, end, entity
    try:
        first.Parse(data, True)
        return ElementTree.fromstring(data)
    # LookupError: an unknown encoding
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as failure:
        raise error(say("this is not XML: {0}", failure), where, fix) from failure


class _Refused(Exception):
    """Something that Python's parser takes and this one does not."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(
            say("the key {0!r} stands twice in one JSON object", twice),
            say("leave one of them out"),
        )
    return made


def _constant(name: str) -> Any:
    raise _Refused(say("JSON has no number {0}", name), say("write null, or leave the value out"))


# made once: making one costs as much as a short text
_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_PYTHONS = json.JSONDecoder(object_pairs_hook=_object)


def _short(
    kind: Callable[[str], Any], where: object, error: type[CastaliaError], finite: bool
) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        if len(text) > current().digits:
            raise exceeded("digits", say("a number is too long"), where, error)
        try:
            value = kind(text)
        # longer than Python turns into an integer, whatever the limit
        except ValueError as failure:
            raise exceeded("digits", say("a number is too long"), where, error) from failure
        if finite and value in (float("inf"), float("-inf")):
            raise error(
                say("the number {0} is beyond what a computer's numbers hold", text[:20]),
                where,
                say("write null, or leave the value out"),
            )
        return value

    return number


def _deeper(value: Any, most: int) -> bool:
    """Whether lists and objects lie more than `most` levels inside one another."""
    level = [value] if isinstance(value, list | dict) else []
    depth = 0
    while level:
        depth += 1
        if depth > most:
            return True
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
    return False
