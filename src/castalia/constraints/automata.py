"""Languages of characters as automata that are never written out as a whole.

A language is built from `chars`, `seq`, `either` and `repeat`. A state of its automaton is the set
of what may still come (partial derivatives, Antimirov 1996, doi:10.1016/0304-3975(95)00182-4),
found when it is first reached, with repetitions kept as counters, so that .{1,1000} costs no more
than .* does. All loops here `spend` (budget.py), and what is remembered is bounded, so a state
costs no more than its limit.

Regular expressions and JSON schemas become languages in regex.py and json_schema.py; how tokens
walk through an automaton is in token_grammar.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

from castalia.constraints.budget import CompileLimits, Meter, current_limits, spend, spend_node
from castalia.sentences import say

NEVER = 1 << 30  # a distance that is not to be had
EVERY = ((0, 0xD7FF), (0xE000, 0x10FFFF))  # all code points that UTF-8 can write
EDGES_PER_STATE = 20  # on average, of all states that are kept: what bounds them in memory

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
        """Fewest tokens to an accepting state when each character is bought by itself; NEVER or
        more if there is no way.
        """
        ...


# Sets of characters -------------------------------------------------------------------------------


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pair for ranges in sets for pair in ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def intersection(one: Ranges, other: Ranges) -> Ranges:
    common = []
    i = j = 0
    while i < len(one) and j < len(other):
        low, high = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if low <= high:
            common.append((low, high))
        i, j = (i + 1, j) if one[i][1] < other[j][1] else (i, j + 1)
    return tuple(common)


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


# Languages ----------------------------------------------------------------------------------------


class Language:
    """A set of strings. Equal languages that were built alike are the same object, so states
    compare by identity.
    """

    __slots__ = ("__weakref__", "kind", "nullable", "parts")
    _known: ClassVar[WeakValueDictionary[tuple[Any, ...], Language]] = WeakValueDictionary()

    kind: str  # "empty", "chars", "seq", "either", "repeat", "group"
    parts: tuple[Any, ...]
    nullable: bool

    @classmethod
    def of(cls, kind: str, nullable: bool, *parts: Any) -> Language:
        language = cls._known.get((kind, parts))
        if language is None:
            spend_node()
            language = cls()
            language.kind, language.parts, language.nullable = kind, parts, nullable
            cls._known[kind, parts] = language
        return language


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
    if any(part is NOTHING for part in parts):
        return NOTHING
    result = parts.pop()
    for part in reversed(parts):
        heads = []
        while part.kind == "seq":  # the first part of a sequence is never one itself
            heads.append(part.parts[0])
            part = part.parts[1]
        spend(1 + len(heads))
        for head in (part, *reversed(heads)):
            result = Language.of("seq", head.nullable and result.nullable, head, result)
    return result


def either(*languages: Language) -> Language:
    spend(len(languages))
    options = dict.fromkeys(language for language in languages if language is not NOTHING)
    if len(options) == 1:
        return next(iter(options))
    return (
        Language.of("either", any(language.nullable for language in options), *options)
        if options
        else NOTHING
    )


def repeat(body: Language, least: int = 0, most: int | None = None) -> Language:
    """`body` from `least` to `most` times; None for no limit."""
    if most == 0 or body is EMPTY or (body is NOTHING and least == 0):
        return EMPTY
    if body is NOTHING or least == most == 1:
        return body
    least = 0 if body.nullable else least
    if body.kind == "repeat":
        inner, low, high = body.parts
        if _gapless(low, high, least, most):
            return repeat(inner, least * low, None if high is None or most is None else most * high)
    return Language.of("repeat", least == 0, body, least, most)


def _gapless(low: int, high: int | None, least: int, most: int | None) -> bool:
    """Whether (x{low,high}){least,most} is x{least * low, most * high}: the counts of one
    repetition more begin where the others end.
    """
    if least == most:
        return True
    if least == 0:
        return low <= 1  # from nothing to one repetition; one more is then no further
    return high is None or least * high + 1 >= (least + 1) * low


def group(language: Language) -> Language:
    """The same strings as one part: `seq` does not copy what it holds, so that what is used in many
    places is built once.
    """
    return Language.of("group", language.nullable, language) if language.kind == "seq" else language


def words(texts: Iterable[str]) -> Language:
    """Any of the texts. Beginnings and endings that they share are there once."""
    root: dict[str, Any] = {}
    for text in texts:
        node = root
        spend(len(text))
        for character in text:
            node = node.setdefault(character, {})
        node[""] = {}
    built: dict[int, Language] = {}
    todo = [root]
    while todo:
        node = todo[-1]
        waits = [below for below in node.values() if below and id(below) not in built]
        if waits:
            todo += waits
            continue
        todo.pop()
        behind: dict[Language, list[str]] = {}
        for character, below in node.items():
            if character:
                behind.setdefault(built[id(below)], []).append(character)
        options = [seq(chars(members(begins)), rest) for rest, begins in behind.items()]
        built[id(node)] = either(*options, *([EMPTY] if "" in node else []))
    return built[id(root)]


@lru_cache(4096)
def letter(character: str) -> Language:
    """One character."""
    return chars(members(character))


def literal(text: str) -> Language:
    return seq(*map(letter, text))


def partials(language: Language) -> list[tuple[Ranges, Language]]:
    """(characters, what may follow them) of every way to begin."""
    beginnings: list[tuple[Ranges, Language]] = []
    # a beginning, and what comes behind it
    todo: list[tuple[Language, Language]] = [(language, EMPTY)]
    while todo:
        spend(2)
        head, rest = todo.pop()
        if head.kind == "chars":
            beginnings.append((head.parts[0], rest))
        elif head.kind == "group":
            todo.append((head.parts[0], rest))
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
    return beginnings


class Regular:
    """The automaton of a language. States: frozensets of languages, any of which may follow.

    What is found is remembered within `limits.states`. Raises OverBudget for a state that takes
    more than `limits.state_steps`.
    """

    def __init__(self, language: Language, limits: CompileLimits | None = None) -> None:
        """limits: those of the budget that is set, else the defaults."""
        self.language, self.limits = language, limits or current_limits()
        self._edges: dict[Any, Sequence[Edge]] = {}
        self._kept = 0  # edges that are remembered
        self._ahead: dict[Price, dict[Language, int]] = {}

    def start(self) -> Hashable:
        return frozenset([self.language])

    def accepts(self, state: Any) -> bool:
        return any(language.nullable for language in state)

    def edges(self, state: Any) -> Sequence[Edge]:
        if state not in self._edges:
            with Meter(
                self.limits.state_steps,
                "state_steps",
                self.limits,
                say("this constraint has too many ways to go on at one place"),
            ):
                targets: dict[Ranges, list[Language]] = {}
                for language in state:
                    for ranges, rest in partials(language):
                        targets.setdefault(ranges, []).append(rest)
                edges = _overlaid(targets)
            if (
                len(self._edges) >= self.limits.states
                or self._kept + len(edges) > EDGES_PER_STATE * self.limits.states
            ):
                self._edges, self._kept = {}, 0
            self._edges[state] = edges
            self._kept += len(edges)
        return self._edges[state]

    def distance(self, state: Any, price: Price) -> int:
        known = self._ahead.setdefault(price, {})
        if len(known) > max(self.limits.nodes, 10 * self.limits.states):
            known.clear()
        spend(1 + len(state) // 8)
        return min(
            (known[one] if one in known else _distance(one, price, known) for one in state),
            default=NEVER,
        )


def _overlaid(targets: dict[Ranges, list[Language]]) -> list[Edge]:
    """Disjoint edges out of sets of characters that overlap."""
    spend(sum(map(len, targets)))
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
    # sets that overlap -> what is behind all of them
    joined: dict[frozenset[int], frozenset[Language]] = {}
    places = sorted(changes)
    for place, following in pairwise(places):
        for number, begins in changes[place]:
            (active.add if begins else active.discard)(number)
        spend(1 + len(active) // 8)
        if active:
            overlap = frozenset(active)
            if overlap not in joined:
                spend(sum(len(behind[number]) for number in active))
                joined[overlap] = frozenset(rest for number in active for rest in behind[number])
            target = joined[overlap]
            if edges and edges[-1].target == target and edges[-1].high == place - 1:
                edges[-1] = Edge(edges[-1].low, following - 1, target)
            else:
                edges.append(Edge(place, following - 1, target))
    return edges


def _distance(language: Language, price: Price, known: dict[Language, int]) -> int:
    """Parts before the whole; languages are too deep to recurse."""
    todo = [language]
    while todo:
        one = todo[-1]
        waits = [] if one in known else [part for part in _priced_parts(one) if part not in known]
        if waits:
            todo += waits
            continue
        todo.pop()
        if one not in known:
            spend(1 + len(one.parts))
            known[one] = min(NEVER, _priced(one, price, known))
    return known[language]


def _priced_parts(language: Language) -> Sequence[Language]:
    match language.kind:
        case "seq" | "either" | "group":
            return language.parts
        case "repeat":
            return language.parts[:1] if language.parts[1] else ()
    return ()


def _priced(language: Language, price: Price, known: dict[Language, int]) -> int:
    match language.kind:
        case "chars":
            return price(language.parts[0])
        case "seq":
            return sum(known[part] for part in language.parts)
        case "either":
            return min(known[part] for part in language.parts)
        case "repeat":
            body, least, _ = language.parts
            return least * known[body] if least else 0
        case "group":
            return known[language.parts[0]]
    return 0
