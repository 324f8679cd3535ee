"""Rewards for texts by rules that a machine can check: every constraint of constraints/parse.py,
and length.

regex:..., json:..., verse:7x4   1 for a text that fulfils it as a whole, less for one that nearly
                                 does
length:20..60                    characters, ends included; either end may be left out

So what can be enforced while a model writes can also be taught to it (training/objective.py). Not
here: what only a person or a model can judge.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from castalia.constraints.automata import NEVER, Automaton, Ranges
from castalia.constraints.parse import constraint, examples, kinds
from castalia.errors import RecipeError
from castalia.sentences import say

Rule = Callable[[str], float]


def rule(text: str) -> Rule:
    """A function of texts: 1.0 where the rule holds, else a number in [0, 1) for how near the text
    comes. Raises RecipeError.
    """
    kind, colon, body = text.partition(":")
    if kind == "length" and colon:
        return _length(body.strip())
    if kind not in kinds() or not colon:
        raise RecipeError(
            say("a reward begins with its kind"),
            where=repr(text[:40]),
            fix=say("length:20..60 or a constraint: {0}", examples()),
        )
    automaton = constraint(text)
    return lambda written: nearness(automaton, written)


def best(rules: Sequence[Rule]) -> Rule:
    """One of the rules is enough: the largest of their values."""
    return lambda text: max(one(text) for one in rules)


def mean(rules: Sequence[Rule]) -> Rule:
    """All of the rules count alike."""
    return lambda text: sum(one(text) for one in rules) / len(rules)


def nearness(automaton: Automaton, text: str) -> float:
    """Characters that can be read before the text breaks the language, over these and the larger
    of: what is left unread, what is missing.
    """
    state, read = automaton.start(), 0
    for character in text:
        edges, code = automaton.edges(state), ord(character)
        place = bisect_right(edges, code, key=lambda edge: edge.low) - 1
        if place < 0 or code > edges[place].high:
            break
        state, read = edges[place].target, read + 1
    missing = 0 if automaton.accepts(state) else automaton.distance(state, _one)
    behind = max(len(text) - read, missing)
    return 1.0 if behind == 0 else 0.0 if missing >= NEVER else read / (read + behind)


def _one(ranges: Ranges) -> int:
    return 1 if ranges else NEVER


def _length(body: str) -> Rule:
    match = re.fullmatch(r"(\d*)\s*\.\.\s*(\d*)", body)
    low, high = (int(match[1] or 0), int(match[2]) if match[2] else None) if match else (0, 0)
    if match is None or not (match[1] or match[2]) or (high is not None and not 0 < high >= low):
        raise RecipeError(
            say("this is no range of lengths"),
            where=f"length:{body}",
            fix=say("characters from and to: length:20..60, length:..80, length:20.."),
        )

    def near(text: str) -> float:
        count = len(text)
        return (
            count / low
            if count < low
            else high / count
            if high is not None and count > high
            else 1.0
        )

    return near
