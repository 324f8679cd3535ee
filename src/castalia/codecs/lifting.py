"""How tokens walk through an automaton of characters: a `Grammar` over any vocabulary of byte strings.

Tokens may be characters, pieces of several characters, or single bytes. What is allowed between two characters is found by walking the trie of
all tokens and the automaton together; a character that is spelled in bytes is followed by the range of characters that may still come of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.automata import NEVER, Automaton, Edge, Ranges

WALKS_KEPT = 2048  # states of one grammar whose tokens are remembered


class _Node:
    """A place in the trie of tokens, read character by character; `settle` makes the lists that walks use."""

    __slots__ = ("below", "codes", "first", "ids", "inner", "tokens")

    def __init__(self) -> None:
        self.ids: list[int] = []  # tokens that end here
        self.below: dict[int, _Node] = {}

    def settle(self) -> None:
        self.codes = sorted(code for code, node in self.below.items() if node.ids)  # characters that complete tokens, and these tokens
        self.tokens = np.array([token for code in self.codes for token in self.below[code].ids], np.int64)
        self.first = [0, *accumulate(len(self.below[code].ids) for code in self.codes)]
        self.inner = [code for code, node in self.below.items() if node.below]


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
            node.settle()
            todo += node.below.values()
        self.pieces = longest > 1  # some token holds several characters
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
            place = bisect_left(self.root.codes, low)
            if place < len(self.root.codes) and self.root.codes[place] <= high:
                return 1
        return min((self.price_in_bytes(low, high) for low, high in ranges), default=NEVER)

    def price_in_bytes(self, low: int, high: int) -> int:
        """Fewest single-byte tokens for a character from low to high that has several bytes."""
        return len(chr(max(low, 0x80)).encode()) if high >= 0x80 and self._any_byte else NEVER


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


class Place(NamedTuple):
    """Where a row of tokens stands.

    here      the automaton's state, behind the last whole character.
    begun     bytes of a character that has begun, where it matters which they are.
    missing   bytes still to come of a character that is settled: `here` is already the state behind it.
    """

    here: Any
    begun: bytes = b""
    missing: int = 0


class Lifted:
    """A `Grammar` over tokens: what an automaton allows, `end` exactly where it accepts. States are `Place`s.

    A token is allowed only if an end can be reached behind it. `distance` is the fewest tokens to an end, exactly, if the vocabulary holds only
    single characters and bytes. Where tokens hold several characters it is exact for automata with at most `EXPLORED` ways (tokens of
    all states, counted together), else the count of single characters' tokens, which is enough and may be more than is needed.
    """

    EXPLORED = 100_000

    def __init__(self, automaton: Automaton, vocabulary: Vocabulary) -> None:
        self.automaton, self.vocabulary = automaton, vocabulary
        self._live: dict[Any, Sequence[Edge]] = {}
        self._walks: dict[Any, dict[Any, np.ndarray]] = {}
        self._exact: dict[Any, int] = self._explore() if vocabulary.pieces else {}
        self.exact = bool(self._exact) or not vocabulary.pieces  # whether `distance` is

    def start(self) -> Place:
        return Place(self.automaton.start())

    def allowed(self, state: Place) -> Tensor:
        """(V,) bool."""
        return self.costs(state) < NEVER

    def costs(self, state: Place) -> Tensor:
        """(V,) int64: for each token 1 + the distance behind it, 1 for `end`; NEVER where it is not allowed."""
        here, begun, missing = state
        costs = np.full(len(self.vocabulary), NEVER, np.int64)
        if not begun and not missing:
            for target, tokens in self._walk(here).items():
                costs[tokens] = 1 + self._ahead(target)
            if self.vocabulary.end is not None and self.automaton.accepts(here):
                costs[self.vocabulary.end] = 1
        for byte, ids in self.vocabulary.bytes.items():
            behind = self._behind(state, byte)
            if behind is not None:
                costs[ids] = 1 + self.distance(behind)
        return torch.from_numpy(costs)

    def advance(self, state: Place, token: int) -> Place:
        """Behind a token that is allowed."""
        text = self.vocabulary.texts.get(token)
        if text is not None:
            here = state.here
            for code in map(ord, text):
                edge = _edge(self._edges(here), code)
                here = here if edge is None else edge.target
            return Place(here)
        behind = self._behind(state, self.vocabulary.token_bytes[token][0])
        return state if behind is None else behind

    def distance(self, state: Place) -> int:
        here, begun, missing = state
        if not begun:
            return missing + self._ahead(here)
        span = _span(begun)
        return NEVER if span is None else min((span[2] + self._ahead(edge.target) for edge in self._under(here, span)), default=NEVER)

    # Inside

    def _ahead(self, here: Any) -> int:
        """Tokens to an end from between two characters."""
        found = self._exact.get(here)
        return min(NEVER, self.automaton.distance(here, self.vocabulary.price)) if found is None else found

    def _edges(self, here: Any) -> Sequence[Edge]:
        """Those behind which there is an end."""
        if here not in self._live:
            edges = self.automaton.edges(here)
            ends = {target: self.automaton.distance(target, self.vocabulary.price) < NEVER for target in {edge.target for edge in edges}}
            self._live[here] = [edge for edge in edges if ends[edge.target]]
        return self._live[here]

    def _under(self, here: Any, span: tuple[int, int, int]) -> Sequence[Edge]:
        """The edges that a character begun may be on."""
        edges = self._edges(here)
        return edges[bisect_left(edges, span[0], key=_high) : bisect_right(edges, span[1], key=_low)]

    def _behind(self, state: Place, byte: int) -> Place | None:
        """Behind one byte of a broken character; None where it is not allowed."""
        here, begun, missing = state
        if missing:
            return Place(here, b"", missing - 1) if 0x80 <= byte < 0xC0 else None
        longer = begun + bytes([byte])
        span = _span(longer)
        edges = () if span is None else self._under(here, span)
        if span is None or not edges:
            return None
        low, high, missing = span
        if edges[0].low <= low and high <= edges[0].high and high - low + 1 == 64**missing:
            return Place(edges[0].target, b"", missing)  # whatever follows, the character is on this edge
        return Place(here, longer)

    def _walk(self, start: Any) -> dict[Any, np.ndarray]:
        """Tokens of whole characters that are allowed between two characters, by the state behind them."""
        if start in self._walks:
            return self._walks[start]
        groups: dict[Any, list[np.ndarray]] = {}
        todo = [(self.vocabulary.root, start)]
        while todo:
            node, here = todo.pop()
            edges, codes, first = self._edges(here), node.codes, node.first
            if len(edges) < len(codes):
                for low, high, target in edges:
                    tokens = node.tokens[first[bisect_left(codes, low)] : first[bisect_right(codes, high)]]
                    if len(tokens):
                        groups.setdefault(target, []).append(tokens)
            else:
                for place, code in enumerate(codes):
                    edge = _edge(edges, code)
                    if edge is not None:
                        groups.setdefault(edge.target, []).append(node.tokens[first[place] : first[place + 1]])
            for code in node.inner:
                edge = _edge(edges, code)
                if edge is not None:
                    todo.append((node.below[code], edge.target))
        if len(self._walks) >= WALKS_KEPT:
            self._walks.clear()
        self._walks[start] = {target: parts[0] if len(parts) == 1 else np.concatenate(parts) for target, parts in groups.items()}
        return self._walks[start]

    def _explore(self) -> dict[Any, int]:
        """Exact distances of all states, if they are few: forwards from the start, then shortest ways back from the ends (Dijkstra 1959)."""
        back: dict[Any, list[tuple[Any, int]]] = {}
        start = self.automaton.start()
        todo, seen, spent = [start], {start}, 0
        while todo:
            here = todo.pop()
            groups, edges = self._walk(here), self._edges(here)
            spent += 1 + len(edges) + sum(map(len, groups.values()))
            if spent > self.EXPLORED:
                return {}
            ways = [(target, 1) for target in groups]
            ways += [(edge.target, self.vocabulary.price_in_bytes(edge.low, edge.high)) for edge in edges]
            for target, price in ways:
                back.setdefault(target, []).append((here, price))
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        exact: dict[Any, int] = {}
        heap = [(0, number, here) for number, here in enumerate(seen) if self.automaton.accepts(here)]
        heapify(heap)
        number = len(seen)  # decides between equals, since states have no order
        while heap:
            distance, _, here = heappop(heap)
            if here not in exact:
                exact[here] = distance
                for earlier, price in back.get(here, ()):
                    number += 1
                    heappush(heap, (distance + price, number, earlier))
        return exact


def _edge(edges: Sequence[Edge], code: int) -> Edge | None:
    """The one that a character is on."""
    place = bisect_right(edges, code, key=_low) - 1
    return edges[place] if place >= 0 and code <= edges[place].high else None


def _low(edge: Edge) -> int:
    return edge.low


def _high(edge: Edge) -> int:
    return edge.high
