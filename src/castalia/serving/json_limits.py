"""Limits on JSON bodies before anything parses them: depth, keys, and numbers that are finite.

JSON has no NaN and no Infinity, though Python reads them; a number that is too large for a double
becomes infinite, one of a million digits takes minutes, and a body of nothing but brackets or
unknown keys makes a validator write a report about each. Strings are skipped, so texts may hold
anything. Linear in the body's length.
"""

from __future__ import annotations

import re

from castalia.sentences import say
from castalia.serving.http_errors import Invalid

DEPTH = 64  # arrays and objects inside one another: schemas of real programs have a dozen
KEYS = 10_000  # of all objects together
PARTS = 100_000  # arrays, objects and strings: prompts, messages and stops in all
DIGITS = 64  # of one number: a double has 17

# one without an end ends with the body
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
# with DIGITS before it, 1e200 is the first that may be infinite
_LARGE = re.compile(rb"[0-9.][eE]\+?0*(?:[2-9][0-9]{2}|[1-9][0-9]{3})")
_LONG = re.compile(rb"[0-9.]{%d}" % (DIGITS + 1))
_ARRAYS = bytes.maketrans(b"{}", b"[]")
_OTHER = bytes(set(range(256)) - set(b"[]{}"))


def check_json(body: bytes) -> None:
    """Raises Invalid for a body that must not reach a parser. What is no JSON at all is left to
    that.
    """
    if body.count(b'"') > 4 * PARTS:  # half of them may be in a text
        raise Invalid(say("a body has {0:,} strings at most", 2 * PARTS))
    outside = _STRING.sub(b'"', body)
    if outside.count(b"[") + outside.count(b"{") > PARTS:
        raise Invalid(say("a body has {0:,} arrays and objects at most", PARTS))
    if b"NaN" in outside or b"Infinity" in outside:
        raise Invalid(
            say("JSON has no NaN and no Infinity"), fix=say("send a number, or leave the field out")
        )
    if _LONG.search(outside):
        raise Invalid(say("a number has {0} digits at most", DIGITS))
    if _LARGE.search(outside):
        raise Invalid(say("a number is too large"), fix=say("its exponent is below 200"))
    if outside.count(b":") > KEYS:
        raise Invalid(say("a body has {0:,} keys at most", KEYS))
    if _deep(outside.translate(_ARRAYS, _OTHER)):
        raise Invalid(
            say("a body is {0} arrays and objects deep at most", DEPTH), fix=say("make it flatter")
        )


def _deep(brackets: bytes) -> bool:
    """Whether brackets are more than DEPTH deep. Each pass takes away the innermost ones."""
    for _ in range(DEPTH):
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return len(brackets) > 2 * DEPTH if b"[]" not in brackets else True
