"""From an automaton of characters to a `Grammar` over any vocabulary of byte strings.

Tokens may be characters, pieces of several characters, or single bytes. What is allowed between two
characters is found by walking the trie of all tokens and the automaton together, one layer of the
trie at a time; a character that is spelled in bytes is followed by the range of characters that may
still come of it. A walk may be long, so it can be done in slices (`prepare`), and it has a budget.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Generator, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from castalia.constraints.automata import EDGES_PER_STATE, NEVER, Automaton, Ranges
from castalia.constraints.budget import CompileLimits, Meter, OverBudget, current_limits, spend
from castalia.sentences import say

WALKS_KEPT = 1 << 23  # bytes of walks that one grammar remembers
T = TypeVar("T")
EDGES_AT_ONCE = 2000  # of a state, looked at in one slice of work


class Vocabulary:
    """Tokens as byte strings, index = id, b"" for special ones. Made once for a tokenizer, shared
    by all its grammars.

    A token of whole characters is used as such. Of the others only single bytes are: a longer token
    that breaks a character is never needed beside them.

    The trie of tokens, read character by character, has its nodes in order of depth, those below
    one node side by side and sorted:

    code            (N,) int64: the last character of the way to a node; node 0 is the root.
    first, below    (N,) int64: the first node below each, and how many there are.
    ids_from, ids   of node n end the tokens ids[ids_from[n] : ids_from[n + 1]].
    """

    def __init__(self, token_bytes: Sequence[bytes], end: int | None) -> None:
        self.token_bytes, self.end = token_bytes, end
        self.bytes: dict[int, list[int]] = {}  # byte of a broken character -> tokens
        self.texts: dict[int, str] = {}
        for token, raw in enumerate(token_bytes):
            if not raw or token == end:
                continue
            try:
                self.texts[token] = raw.decode()
            except UnicodeDecodeError:
                if len(raw) == 1:
                    self.bytes.setdefault(raw[0], []).append(token)
        self._grow()
        # some token holds several characters
        self.pieces = any(len(text) > 1 for text in self.texts.values())
        self._any_byte = all(
            byte in self.bytes for byte in (*range(0x80, 0xC0), *range(0xC2, 0xF5))
        )
        self._prices: dict[Ranges, int] = {}

    def _grow(self) -> None:
        """Make the trie, one layer at a time."""
        tokens = np.array(list(self.texts), np.int64)
        sizes = np.array([len(text) for text in self.texts.values()], np.int64)
        letters = np.frombuffer("".join(self.texts.values()).encode("utf-32-le"), np.uint32)
        begins = np.cumsum(sizes) - sizes
        node = np.zeros(len(tokens), np.int64)  # where each token's text has led so far
        parents, codes, known = [np.array([-1])], [np.array([0])], 1
        for depth in range(int(sizes.max(initial=0))):
            longer = np.flatnonzero(sizes > depth)
            ways, node_of = np.unique(
                node[longer] << 21 | letters[begins[longer] + depth].astype(np.int64),
                return_inverse=True,
            )
            node[longer] = known + node_of
            parents.append(ways >> 21)
            codes.append(ways & 0x1FFFFF)
            known += len(ways)
        parent, self.code = np.concatenate(parents), np.concatenate(codes)
        self.first = np.searchsorted(parent, np.arange(known))
        self.below = np.bincount(parent[1:], minlength=known)
        self.ids = tokens[np.argsort(node, kind="stable")]
        self.ids_from = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=known))])
        below_root = np.arange(self.first[0], self.first[0] + self.below[0])
        # that are tokens by themselves
        self.characters: list[int] = self.code[below_root[self.counts(below_root) > 0]].tolist()

    def counts(self, nodes: np.ndarray) -> np.ndarray:
        """How many tokens end at each node."""
        counted: np.ndarray = self.ids_from[nodes + 1] - self.ids_from[nodes]
        return counted

    def under(self, nodes: np.ndarray) -> np.ndarray:
        """All nodes directly below some."""
        return _ranges(self.first[nodes], self.below[nodes])

    def ending(self, nodes: np.ndarray) -> np.ndarray:
        """The tokens that end at some nodes."""
        ids: np.ndarray = self.ids[_ranges(self.ids_from[nodes], self.counts(nodes))]
        return ids

    def __len__(self) -> int:
        return len(self.token_bytes)

    def price(self, ranges: Ranges) -> int:
        """Fewest tokens for one character out of ranges, by itself."""
        if ranges not in self._prices:
            self._prices[ranges] = self._price(ranges)
        return self._prices[ranges]

    def _price(self, ranges: Ranges) -> int:
        for low, high in ranges:
            place = bisect_left(self.characters, low)
            if place < len(self.characters) and self.characters[place] <= high:
                return 1
        return min((self.price_in_bytes(low, high) for low, high in ranges), default=NEVER)

    def price_in_bytes(self, low: int, high: int) -> int:
        """Fewest single-byte tokens for a character from low to high that has several bytes."""
        return len(chr(max(low, 0x80)).encode()) if high >= 0x80 and self._any_byte else NEVER


def _span(prefix: bytes) -> tuple[int, int, int] | None:
    """(first, last, bytes to come) of the characters whose UTF-8 begins so; None where
    none does.
    """
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
    missing   bytes still to come of a character that is settled: `here` is already the state behind
              it.
    """

    here: Any
    begun: bytes = b""
    missing: int = 0


class _Edges(NamedTuple):
    """The ways out of a state behind which there is an end: characters low[i] ... high[i] lead to
    targets[which[i]].
    """

    low: np.ndarray
    high: np.ndarray
    which: np.ndarray
    targets: list[Any]
    ahead: np.ndarray  # (targets,) int64: tokens to an end, when each character is bought by itself

    def find(self, code: int) -> int | None:
        place = int(self.low.searchsorted(code, "right")) - 1
        return place if place >= 0 and code <= self.high[place] else None

    def between(self, low: int, high: int) -> slice:
        """The edges with characters from low to high."""
        return slice(int(self.high.searchsorted(low)), int(self.low.searchsorted(high, "right")))


class _Walk(NamedTuple):
    """Tokens of whole characters that may come between two characters: tokens[i] leads to
    targets[which[i]].
    """

    tokens: np.ndarray
    which: np.ndarray
    targets: list[Any]
    ahead: np.ndarray  # (targets,) int64: tokens to an end


class Lifted:
    """A `Grammar` over tokens: what an automaton allows, `end` exactly where it accepts. States are
    `Place`s.

    A token is allowed only if an end can be reached behind it. `distance` is the fewest tokens to
    an end, exactly, if the vocabulary holds only single characters and bytes. Where tokens hold
    several characters it is exact for automata with at most `EXPLORED` ways (tokens of all states,
    counted together) that take EXPLORE_STEPS at most, else the count of single characters' tokens,
    which is enough and may be more than is needed.

    `costs` and `allowed` may take long where the automaton is large; `prepare` does their work in
    slices. All raise OverBudget where a state or a mask takes more than its limit. What is
    remembered is bounded.
    """

    EXPLORED, EXPLORE_STEPS = 100_000, 1_000_000

    def __init__(
        self, automaton: Automaton, vocabulary: Vocabulary, limits: CompileLimits | None = None
    ) -> None:
        """limits: those of the budget that is set, else the defaults. Explores the automaton, and
        finds what may come first.
        """
        self.automaton, self.vocabulary, self.limits = (
            automaton,
            vocabulary,
            limits or current_limits(),
        )
        self._edges_of: dict[Any, _Edges] = {}
        self._walks: dict[Any, _Walk] = {}
        self._kept = self._walked = 0  # edges, and bytes of walks, that are remembered
        # work that `prepare` has not finished
        self._begun: dict[tuple[Any, bool], Generator[None, None, Any]] = {}
        self._exact: dict[Any, int] = {}
        if vocabulary.pieces:
            exploring = Meter(self.EXPLORE_STEPS, "nodes", self.limits)  # whose error nobody sees
            try:
                with exploring:
                    self._exact = self._explore()
            except OverBudget:
                if exploring.spent <= exploring.most:
                    raise
            self._forget()  # what has distances that were not exact yet
        self.exact = bool(self._exact) or not vocabulary.pieces  # whether `distance` is
        self.prepare(self.start())

    def _forget(self) -> None:
        self._edges_of, self._kept = {}, 0
        self._walks, self._walked = {}, 0

    def start(self) -> Place:
        return Place(self.automaton.start())

    def prepare(self, state: Place, until: float = float("inf")) -> bool:
        """Work on what `costs(state)` needs, at least a little, and until `time.monotonic()` is
        `until`; whether it is all there.
        """
        here, begun, missing = state
        if missing:
            return True
        key = here, bool(begun)
        work = self._begun.setdefault(
            key, self._edges_in_slices(here) if begun else self._walk_in_slices(here)
        )
        done = None
        try:
            while (done := _slice(work)) is None and time.monotonic() < until:
                pass
        except BaseException:
            del self._begun[key]
            raise
        if done is not None:
            del self._begun[key]
        return done is not None

    def allowed(self, state: Place) -> Tensor:
        """(V,) bool."""
        return self.costs(state) < NEVER

    def costs(self, state: Place) -> Tensor:
        """(V,) int64: for each token 1 + the distance behind it, 1 for `end`; NEVER where it is not
        allowed.
        """
        here, begun, missing = state
        costs = np.full(len(self.vocabulary), NEVER, np.int64)
        if not begun and not missing:
            walk = self._walk(here)
            costs[walk.tokens] = 1 + walk.ahead[walk.which]
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
        if text is None:
            behind = self._behind(state, self.vocabulary.token_bytes[token][0])
            return state if behind is None else behind
        here = state.here
        if here in self._walks and len(text) > 1:  # the states between may be forgotten
            walk = self._walks[here]
            places = np.flatnonzero(walk.tokens == token)
            if len(places):
                return Place(walk.targets[walk.which[places[0]]])
        for code in map(ord, text):
            edges = self._edges(here)
            edge = edges.find(code)
            here = here if edge is None else edges.targets[edges.which[edge]]
        return Place(here)

    def distance(self, state: Place) -> int:
        here, begun, missing = state
        if not begun:
            return missing + self._ahead(here)
        span = _span(begun)
        if span is None:
            return NEVER
        edges = self._edges(here)
        ahead = edges.ahead[edges.which[edges.between(*span[:2])]]
        return span[2] + int(ahead.min()) if len(ahead) else NEVER

    # Inside

    def _ahead(self, here: Any) -> int:
        """Tokens to an end from between two characters."""
        exact = self._exact.get(here)
        return (
            min(NEVER, self.automaton.distance(here, self.vocabulary.price))
            if exact is None
            else exact
        )

    def _behind(self, state: Place, byte: int) -> Place | None:
        """Behind one byte of a broken character; None where it is not allowed."""
        here, begun, missing = state
        if missing:
            return Place(here, b"", missing - 1) if 0x80 <= byte < 0xC0 else None
        longer = begun + bytes([byte])
        span = _span(longer)
        if span is None:
            return None
        low, high, missing = span
        edges = self._edges(here)
        under = edges.between(low, high)
        if under.start >= under.stop:
            return None
        if (
            edges.low[under.start] <= low
            and high <= edges.high[under.start]
            and high - low + 1 == 64**missing
        ):
            # whatever follows, the character is on this edge
            return Place(edges.targets[edges.which[under.start]], b"", missing)
        return Place(here, longer)

    def _edges(self, here: Any) -> _Edges:
        return (
            self._edges_of[here]
            if here in self._edges_of
            else _finished(self._edges_in_slices(here))
        )

    def _edges_in_slices(self, here: Any) -> Generator[None, None, _Edges]:
        if here in self._edges_of:
            return self._edges_of[here]
        edges = self.automaton.edges(here)
        number: dict[Any, int] = {}  # of each target, -1 where it leads nowhere
        targets: list[Any] = []
        ahead: list[int] = []
        live: list[tuple[int, int, int]] = []
        for count, edge in enumerate(edges):
            if edge.target not in number:
                tokens = self._ahead(edge.target)
                number[edge.target] = len(targets) if tokens < NEVER else -1
                if tokens < NEVER:
                    targets.append(edge.target)
                    ahead.append(tokens)
            if number[edge.target] >= 0:
                live.append((edge.low, edge.high, number[edge.target]))
            if count % EDGES_AT_ONCE == EDGES_AT_ONCE - 1:
                spend(EDGES_AT_ONCE)
                yield
        low, high, which = np.array(live, np.int64).reshape(-1, 3).T
        if (
            len(self._edges_of) >= self.limits.states
            or self._kept + len(live) > EDGES_PER_STATE * self.limits.states
        ):
            self._edges_of, self._kept = {}, 0
        self._edges_of[here] = _Edges(low, high, which, targets, np.array(ahead, np.int64))
        self._kept += len(live)
        return self._edges_of[here]

    def _walk(self, start: Any) -> _Walk:
        return (
            self._walks[start] if start in self._walks else _finished(self._walk_in_slices(start))
        )

    def _walk_in_slices(self, start: Any) -> Generator[None, None, _Walk]:
        """Layer by layer of the trie: the nodes that are reached in each state of the automaton."""
        if start in self._walks:
            return self._walks[start]
        vocabulary = self.vocabulary
        meter = Meter(
            self.limits.mask_steps,
            "mask_steps",
            self.limits,
            say("at one place this constraint is too much work"),
        )
        ending: dict[Any, list[np.ndarray]] = {}  # tokens, by the state behind them
        layer = {start: [np.zeros(1, np.int64)]}
        while layer:
            deeper: dict[Any, list[np.ndarray]] = {}
            for here, parts in layer.items():
                slices, edges = self._edges_in_slices(here), None
                while edges is None:
                    with meter:
                        edges = _slice(slices)
                    if edges is None:
                        yield
                with meter:
                    nodes = vocabulary.under(parts[0] if len(parts) == 1 else np.concatenate(parts))
                    meter.spend(20 + len(nodes) // 16)
                    for target, reached in _sorted_by_target(edges, nodes, vocabulary.code[nodes]):
                        meter.spend(5)
                        if len(tokens := vocabulary.ending(reached)):
                            ending.setdefault(target, []).append(tokens)
                        inner = reached[vocabulary.below[reached] > 0]
                        if len(inner):
                            deeper.setdefault(target, []).append(inner)
                yield
            layer = deeper
        ahead = np.empty(len(ending), np.int64)
        for count, target in enumerate(ending):
            ahead[count] = self._ahead(target)
            if count % EDGES_AT_ONCE == EDGES_AT_ONCE - 1:
                yield
        sizes = [sum(map(len, parts)) for parts in ending.values()]
        tokens = np.concatenate(
            [part for parts in ending.values() for part in parts] or [np.empty(0, np.int64)]
        )
        walk = _Walk(tokens, np.repeat(np.arange(len(sizes)), sizes), list(ending), ahead)
        if self._walked > WALKS_KEPT:
            self._walks, self._walked = {}, 0
        self._walks[start] = walk
        self._walked += 16 * len(tokens) + 100 * len(sizes)
        return walk

    def _explore(self) -> dict[Any, int]:
        """Exact distances of all states, if they are few: forwards from the start, then shortest
        ways back from the ends (Dijkstra 1959).
        """
        back: dict[Any, list[tuple[Any, int]]] = {}
        start = self.automaton.start()
        todo, seen, spent = [start], {start}, 0
        while todo:
            here = todo.pop()
            walk, edges = self._walk(here), self._edges(here)
            spent += 1 + len(edges.low) + len(walk.tokens)
            if spent > self.EXPLORED:
                return {}
            ways = [(target, 1) for target in walk.targets]
            lowest = zip(edges.low.tolist(), edges.high.tolist(), edges.which.tolist(), strict=True)
            ways += [
                (edges.targets[which], self.vocabulary.price_in_bytes(low, high))
                for low, high, which in lowest
            ]
            for target, price in ways:
                back.setdefault(target, []).append((here, price))
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        exact: dict[Any, int] = {}
        heap = [
            (0, number, here) for number, here in enumerate(seen) if self.automaton.accepts(here)
        ]
        heapify(heap)
        number = len(seen)  # decides between equals, since states have no order
        while heap:
            distance, _, here = heappop(heap)
            spend()
            if here not in exact:
                exact[here] = distance
                for earlier, price in back.get(here, ()):
                    number += 1
                    heappush(heap, (distance + price, number, earlier))
        return exact


def _slice(work: Generator[None, None, T]) -> T | None:
    """Do one slice; the result, once all are done."""
    try:
        next(work)
    except StopIteration as end:
        result: T = end.value
        return result
    return None


def _finished(work: Generator[None, None, T]) -> T:
    while (result := _slice(work)) is None:
        pass
    return result


def _sorted_by_target(
    edges: _Edges, nodes: np.ndarray, codes: np.ndarray
) -> list[tuple[Any, np.ndarray]]:
    """The nodes that edges lead to, by the state behind them."""
    place = edges.low.searchsorted(codes, "right") - 1
    fits = (
        (place >= 0) & (codes <= edges.high[place])
        if len(edges.low)
        else np.zeros(len(codes), bool)
    )
    nodes, which = nodes[fits], edges.which[place[fits]]
    if not len(nodes):
        return []
    if len(edges.targets) == 1:
        return [(edges.targets[0], nodes)]
    order = np.argsort(which, kind="stable")
    which = which[order]
    cuts = np.flatnonzero(np.diff(which)) + 1
    firsts = which[np.concatenate([[0], cuts])].tolist()
    return [
        (edges.targets[first], part)
        for first, part in zip(firsts, np.split(nodes[order], cuts), strict=True)
    ]


def _ranges(begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """begins[0], begins[0] + 1 ... of sizes[0] numbers, then those of begins[1], and so on."""
    if len(begins) == 1:
        return np.arange(begins[0], begins[0] + sizes[0])
    behind = np.cumsum(sizes)
    return np.repeat(begins - behind + sizes, sizes) + np.arange(behind[-1] if len(behind) else 0)
