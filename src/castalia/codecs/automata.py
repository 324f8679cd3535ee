"""Languages of characters, and how tokens walk through them.

A language is built from `chars`, `seq`, `either` and `repeat`; its automaton is never written out. A state is the set of what may still come
(partial derivatives, Antimirov 1996, doi:10.1016/0304-3975(95)00182-4), found when it is first reached, with repetitions kept as counters, so
that .{1,1000} costs no more than .* does. `Lifted` turns an automaton over code points into a `Grammar` over any vocabulary of byte strings:
characters, pieces of several characters, and single bytes.

Regular expressions, JSON schemas and verse are in regex.py, jsonschema.py and verse.py.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

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
    changes: dict[int, list[tuple[int, Ranges]]] = {}
    for ranges in targets:
        for low, high in ranges:
            changes.setdefault(low, []).append((1, ranges))
            changes.setdefault(high + 1, []).append((-1, ranges))
    edges: list[Edge] = []
    active: set[Ranges] = set()
    places = sorted(changes)
    for place, following in pairwise(places):
        for change, ranges in changes[place]:
            if change > 0:
                active.add(ranges)
        for change, ranges in changes[place]:
            if change < 0:
                active.discard(ranges)
        if active:
            target = frozenset(rest for ranges in active for rest in targets[ranges])
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


# Tokens ---------------------------------------------------------------------------------------------------------------


class _Node:
    """A place in the trie of tokens, read character by character."""

    __slots__ = ("below", "codes", "ids")

    def __init__(self) -> None:
        self.ids: list[int] = []  # tokens that end here
        self.below: dict[int, _Node] = {}
        self.codes: list[int] = []  # sorted keys of `below`


class Vocabulary:
    """Tokens as byte strings, index = id, b"" for special ones. Made once for a tokenizer, shared by all its grammars.

    A token of whole characters is used as such. Of the others only single bytes are: a longer token that breaks a character is never needed
    beside them.
    """

    def __init__(self, token_bytes: Sequence[bytes], end: int | None) -> None:
        self.token_bytes, self.end = token_bytes, end
        self.root = _Node()
        self.bytes: dict[int, list[int]] = {}  # byte of a broken character -> tokens
        self.texts: dict[int, str] = {}
        longest = 0
        for token, raw in enumerate(token_bytes):
            if not raw or token == end:
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                if len(raw) == 1:
                    self.bytes.setdefault(raw[0], []).append(token)
                continue
            self.texts[token] = text
            longest = max(longest, len(text))
            node = self.root
            for code in map(ord, text):
                node = node.below.setdefault(code, _Node())
            node.ids.append(token)
        todo = [self.root]
        while todo:
            node = todo.pop()
            node.codes = sorted(node.below)
            todo += node.below.values()
        self.pieces = longest > 1  # some token holds several characters
        self._single = [code for code in self.root.codes if self.root.below[code].ids]
        self._any_byte = all(byte in self.bytes for byte in (*range(0x80, 0xC0), *range(0xC2, 0xF5)))
        self._prices: dict[Ranges, int] = {}

    def __len__(self) -> int:
        return len(self.token_bytes)

    def price(self, ranges: Ranges) -> int:
        """Fewest tokens for one character out of ranges, by itself."""
        if ranges not in self._prices:
            self._prices[ranges] = self._price(ranges)
        return self._prices[ranges]

    def _price(self, ranges: Ranges) -> int:
        for low, high in ranges:
            place = bisect_left(self._single, low)
            if place < len(self._single) and self._single[place] <= high:
                return 1
        wide = [low for low, high in ranges for low in (max(low, 0x80),) if low <= high]
        return min((len(chr(low).encode()) for low in wide), default=NEVER) if self._any_byte else NEVER


def _span(prefix: bytes) -> tuple[int, int, int] | None:
    """(first, last, bytes to come) of the characters whose UTF-8 begins so; None where none does."""
    lead = prefix[0]
    size, least = (2, 0x80) if lead < 0xE0 else (3, 0x800) if lead < 0xF0 else (4, 0x10000)
    value = lead & (0xFF >> (size + 1))
    for byte in prefix[1:]:
        if not 0x80 <= byte < 0xC0:
            return None
        value = value << 6 | byte & 0x3F
    missing = size - len(prefix)
    low, high = max(value << 6 * missing, least), min(((value + 1) << 6 * missing) - 1, 0x10FFFF)
    return (low, high, missing) if 0xC2 <= lead < 0xF5 and missing >= 0 and low <= high else None


class _Look(NamedTuple):
    """What may come in a state: tokens by the state behind them, and whether it may end here."""

    groups: dict[Any, list[int]]
    accepts: bool


class Lifted:
    """A `Grammar` over tokens: what an automaton allows, `end` exactly where it accepts. States: (automaton's state, bytes of a character begun).

    A token is allowed only if an end can be reached behind it. `distance` is the fewest tokens to an end when the vocabulary holds only single
    characters and bytes; where tokens hold several characters it is so for automata of up to `EXPLORED` tokens in all, else the count of single
    characters' tokens, which is never too small.
    """

    EXPLORED = 200_000

    def __init__(self, automaton: Automaton, vocabulary: Vocabulary) -> None:
        self.automaton, self.vocabulary = automaton, vocabulary
        self._looks: dict[Any, _Look] = {}
        self._live: dict[Any, Sequence[Edge]] = {}
        self._exact: dict[Any, int] = self._explore() if vocabulary.pieces else {}

    def start(self) -> Any:
        return (self.automaton.start(), b"")

    def allowed(self, state: Any) -> Tensor:
        return self.costs(state) < NEVER

    def costs(self, state: Any) -> Tensor:
        """(V,) int64: for each token 1 + the distance behind it, 1 for `end`; NEVER where it is not allowed."""
        look = self._look(state)
        costs = np.full(len(self.vocabulary), NEVER, np.int64)
        for target, ids in look.groups.items():
            costs[ids] = 1 + self.distance(target)
        if look.accepts and self.vocabulary.end is not None:
            costs[self.vocabulary.end] = 1
        return torch.from_numpy(costs)

    def advance(self, state: Any, token: int) -> Any:
        here, begun = state
        text = self.vocabulary.texts.get(token)
        if text is None:
            begun += self.vocabulary.token_bytes[token]
            span = _span(begun)
            if span is None or span[2] > 0:
                return (here, begun)
            text = begun.decode()
        for code in map(ord, text):
            here = self._step(here, code)
        return (here, b"")

    def distance(self, state: Any) -> int:
        if state in self._exact:
            return self._exact[state]
        here, begun = state
        if not begun:
            return min(NEVER, self.automaton.distance(here, self.vocabulary.price))
        missing, edges = self._under(here, begun)
        return min((missing + self.distance((edge.target, b"")) for edge in edges), default=NEVER)

    # Inside

    def _edges(self, here: Any) -> Sequence[Edge]:
        """Those behind which there is an end."""
        if here not in self._live:
            price, distance = self.vocabulary.price, self.automaton.distance
            self._live[here] = [edge for edge in self.automaton.edges(here) if distance(edge.target, price) < NEVER]
        return self._live[here]

    def _step(self, here: Any, code: int) -> Any:
        edges = self._edges(here)
        return edges[bisect_right(edges, code, key=lambda edge: edge.low) - 1].target

    def _under(self, here: Any, begun: bytes) -> tuple[int, Sequence[Edge]]:
        """Bytes to come of a character begun, and the edges that it may be on."""
        span = _span(begun)
        if span is None:
            return 0, ()
        low, high, missing = span
        edges = self._edges(here)
        return missing, edges[bisect_left(edges, low, key=lambda edge: edge.high) : bisect_right(edges, high, key=lambda edge: edge.low)]

    def _look(self, state: Any) -> _Look:
        if state not in self._looks:
            here, begun = state
            groups: dict[Any, list[int]] = {}
            if not begun:
                self._walk(self.vocabulary.root, here, groups)
            for byte, ids in self.vocabulary.bytes.items():
                longer = begun + bytes([byte])
                if self._under(here, longer)[1]:
                    groups.setdefault(self.advance(state, ids[0]), []).extend(ids)
            if len(self._looks) > 4096:
                self._looks.clear()
            self._looks[state] = _Look(groups, not begun and self.automaton.accepts(here))
        return self._looks[state]

    def _walk(self, root: _Node, start: Any, groups: dict[Any, list[int]]) -> None:
        todo = [(root, start)]
        while todo:
            node, here = todo.pop()
            edges, codes = self._edges(here), node.codes
            if len(edges) < len(codes):
                pairs = [
                    (node.below[code], edge.target)
                    for edge in edges
                    for code in codes[bisect_left(codes, edge.low) : bisect_right(codes, edge.high)]
                ]
            else:
                pairs = []
                for code in codes:
                    place = bisect_right(edges, code, key=lambda edge: edge.low) - 1
                    if place >= 0 and code <= edges[place].high:
                        pairs.append((node.below[code], edges[place].target))
            for below, target in pairs:
                if below.ids:
                    groups.setdefault((target, b""), []).extend(below.ids)
                if below.codes:
                    todo.append((below, target))

    def _explore(self) -> dict[Any, int]:
        """Exact distances of all states, if they are few: breadth first from the start, then backwards from the ends."""
        before: dict[Any, list[Any]] = {}
        todo, seen, spent = [self.start()], {self.start()}, 0
        while todo:
            state = todo.pop()
            groups = self._look(state).groups
            spent += 1 + len(groups) + sum(map(len, groups.values()))
            if spent > self.EXPLORED:
                return {}
            for target in groups:
                before.setdefault(target, []).append(state)
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        ring = [state for state in seen if self._look(state).accepts]
        exact = dict.fromkeys(ring, 0)
        while ring:
            following = []
            for state in ring:
                for earlier in before.get(state, ()):
                    if earlier not in exact:
                        exact[earlier] = exact[state] + 1
                        following.append(earlier)
            ring = following
        return exact
