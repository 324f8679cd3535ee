"""Languages of characters, as automata that are never written out.

A language is built from `chars`, `seq`, `either` and `repeat`. A state of its automaton is the set of what may still come (partial derivatives,
Antimirov 1996, doi:10.1016/0304-3975(95)00182-4), found when it is first reached, with repetitions kept as counters, so that .{1,1000} costs
no more than .* does.

Regular expressions, JSON schemas and verse are in regex.py, jsonschema.py and verse.py; how tokens walk through an automaton in lifting.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

NEVER = 1 << 30  # a distance that is not to be had
EVERY = ((0, 0xD7FF), (0xE000, 0x10FFFF))  # all code points that UTF-8 can write

Ranges = tuple[tuple[int, int], ...]  # sorted, disjoint, not touching, both ends included
Price = Callable[[Ranges], int]  # fewest tokens for one character out of ranges


class Edge(NamedTuple):
    """Characters low ... high lead to `target`."""

    low: int
    high: int
    target: Hashable


class Automaton(Protocol):
    """A language of characters. States are hashable."""

    def start(self) -> Hashable: ...

    def edges(self, state: Any) -> Sequence[Edge]:
        """Sorted and disjoint."""
        ...

    def accepts(self, state: Any) -> bool: ...

    def distance(self, state: Any, price: Price) -> int:
        """Fewest tokens to an accepting state when each character is bought by itself; NEVER or more if there is no way."""
        ...


# Sets of characters ---------------------------------------------------------------------------------------------------


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pair for ranges in sets for pair in ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def intersection(one: Ranges, other: Ranges) -> Ranges:
    found = []
    i = j = 0
    while i < len(one) and j < len(other):
        low, high = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if low <= high:
            found.append((low, high))
        i, j = (i + 1, j) if one[i][1] < other[j][1] else (i, j + 1)
    return tuple(found)


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    gaps, first = [], 0
    for low, high in ranges:
        if low > first:
            gaps.append((first, low - 1))
        first = high + 1
    if first <= 0x10FFFF:
        gaps.append((first, 0x10FFFF))
    return intersection(EVERY, tuple(gaps))


def members(characters: Iterable[str]) -> Ranges:
    return union((ord(character), ord(character)) for character in characters)


# Languages ------------------------------------------------------------------------------------------------------------


class Language:
    """A set of strings. Equal languages that were built alike are the same object, so states compare by identity."""

    __slots__ = ("__weakref__", "kind", "nullable", "parts")
    _known: ClassVar[WeakValueDictionary[tuple[Any, ...], Language]] = WeakValueDictionary()

    kind: str  # "empty", "chars", "seq", "either", "repeat"
    parts: tuple[Any, ...]
    nullable: bool

    @classmethod
    def of(cls, kind: str, nullable: bool, *parts: Any) -> Language:
        found = cls._known.get((kind, parts))
        if found is None:
            found = cls()
            found.kind, found.parts, found.nullable = kind, parts, nullable
            cls._known[kind, parts] = found
        return found


EMPTY = Language.of("empty", True)


def chars(ranges: Ranges) -> Language:
    """One character of a set; surrogates are never in it."""
    return Language.of("chars", False, intersection(EVERY, ranges))


NOTHING = chars(())


def seq(*languages: Language) -> Language:
    """One after the other."""
    parts = [language for language in languages if language is not EMPTY]
    if not parts:
        return EMPTY
    result = parts.pop()
    for part in reversed(parts):
        heads = []
        while part.kind == "seq":  # the first part of a sequence is never one itself
            heads.append(part.parts[0])
            part = part.parts[1]
        for head in (part, *reversed(heads)):
            result = Language.of("seq", head.nullable and result.nullable, head, result)
    return result


def either(*languages: Language) -> Language:
    options = dict.fromkeys(languages)
    if len(options) == 1:
        return languages[0]
    return Language.of("either", any(language.nullable for language in options), *options) if options else NOTHING


def repeat(body: Language, least: int = 0, most: int | None = None) -> Language:
    """`body` from `least` to `most` times; None for no limit."""
    if most == 0 or body is EMPTY:
        return EMPTY
    if least == most == 1:
        return body
    least = 0 if body.nullable else least
    return Language.of("repeat", least == 0, body, least, most)


def literal(text: str) -> Language:
    return seq(*(chars(members(character)) for character in text))


def partials(language: Language) -> list[tuple[Ranges, Language]]:
    """(characters, what may follow them) of every way to begin."""
    found: list[tuple[Ranges, Language]] = []
    todo: list[tuple[Language, Language]] = [(language, EMPTY)]  # a beginning, and what comes behind it
    while todo:
        head, rest = todo.pop()
        if head.kind == "chars":
            found.append((head.parts[0], rest))
        elif head.kind == "seq":
            todo.append((head.parts[0], seq(head.parts[1], rest)))
            if head.parts[0].nullable:
                todo.append((head.parts[1], rest))
        elif head.kind == "either":
            todo += [(option, rest) for option in head.parts]
        elif head.kind == "repeat":
            body, least, most = head.parts
            again = repeat(body, max(0, least - 1), None if most is None else most - 1)
            todo.append((body, seq(again, rest)))
    return found


class Regular:
    """The automaton of a language. States: frozensets of languages, any of which may follow."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._edges: dict[Any, Sequence[Edge]] = {}
        self._ahead: dict[Price, dict[Language, int]] = {}

    def start(self) -> Hashable:
        return frozenset([self.language])

    def accepts(self, state: Any) -> bool:
        return any(language.nullable for language in state)

    def edges(self, state: Any) -> Sequence[Edge]:
        if state not in self._edges:
            targets: dict[Ranges, list[Language]] = {}
            for language in state:
                for ranges, rest in partials(language):
                    targets.setdefault(ranges, []).append(rest)
            self._edges[state] = _overlaid(targets)
        return self._edges[state]

    def distance(self, state: Any, price: Price) -> int:
        known = self._ahead.setdefault(price, {EMPTY: 0})
        return min((_distance(language, price, known) for language in state), default=NEVER)


def _overlaid(targets: dict[Ranges, list[Language]]) -> list[Edge]:
    """Disjoint edges out of sets of characters that overlap."""
    if len(targets) == 1:
        ((ranges, rests),) = targets.items()
        target = frozenset(rests)
        return [Edge(low, high, target) for low, high in ranges]
    behind = list(targets.values())
    changes: dict[int, list[tuple[int, bool]]] = {}  # where a set begins or has ended
    for number, ranges in enumerate(targets):
        for low, high in ranges:
            changes.setdefault(low, []).append((number, True))
            changes.setdefault(high + 1, []).append((number, False))
    edges: list[Edge] = []
    active: set[int] = set()
    places = sorted(changes)
    for place, following in pairwise(places):
        for number, begins in changes[place]:
            (active.add if begins else active.discard)(number)
        if active:
            target = frozenset(rest for number in active for rest in behind[number])
            if edges and edges[-1].target == target and edges[-1].high == place - 1:
                edges[-1] = Edge(edges[-1].low, following - 1, target)
            else:
                edges.append(Edge(place, following - 1, target))
    return edges


def _distance(language: Language, price: Price, known: dict[Language, int]) -> int:
    chain = []  # a long sequence is a long chain, too long to recurse
    while language not in known and language.kind == "seq":
        chain.append(language)
        language = language.parts[1]
    if language not in known:
        match language.kind:
            case "chars":
                known[language] = price(language.parts[0])
            case "either":
                known[language] = min(_distance(option, price, known) for option in language.parts)
            case "repeat":
                known[language] = language.parts[1] and min(NEVER, language.parts[1] * _distance(language.parts[0], price, known))
    for link in reversed(chain):
        known[link] = min(NEVER, _distance(link.parts[0], price, known) + known[link.parts[1]])
    return known[chain[0]] if chain else known[language]
