"""Grammars by llguidance (the extra `castalia[constraints]`), for JSON schemas and large regular
expressions over large vocabularies: a mask over 32,000 tokens takes microseconds, and a schema may
be recursive.

llguidance knows what may come next, not how far the end is. So `Guided` looks for a way to the end
(`way`): it closes what is open, and otherwise writes the shortest thing that is allowed. Near the
length, rows are held to that way. The search is rare while much room is left and happens at every
token near the end; what a state costs is bounded, as in budget.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from castalia.constraints import regex
from castalia.constraints.automata import NEVER, Language, Ranges, Regular
from castalia.constraints.budget import (
    CLOCK_EVERY,
    CompileLimits,
    OverBudget,
    current_limits,
    spend,
    spend_node,
)
from castalia.constraints.schema_rewriting import rewritten
from castalia.constraints.schema_shapes import Unkept
from castalia.constraints.schema_types import check_types
from castalia.constraints.token_grammar import Vocabulary
from castalia.errors import RecipeError
from castalia.sentences import say

LARGE = 4096  # tokens from which on a vocabulary is left to llguidance
INSTALL = 'pip install "castalia[constraints]"'
WAY_BYTES = 4_000  # of the longest way to an end that is looked for
STEP_WORK = 30  # microseconds of one step of that search
GROWTH, SLACK = 4, 32  # tokens that a way is expected to grow by with one token; and at most
JSON_DEPTH = 3  # of objects and lists, for one value inside of another
EXAMPLES = 50  # patterns of a schema of which one is kept
WARM = 32  # tokens of the way to an end whose masks are part of compiling
AGAIN = 64  # tokens between two searches that find nothing, at least
MASKS_KEPT = 64  # states do not come twice, so few masks are worth remembering
LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
QUOTE = '"'
CLOSING = "}]" + QUOTE  # what to write first on the way to an end, and then
REST = ",: 0123456789abcdefghijklmnopqrstuvwxyz"
LETTER = ord("q")  # no JSON outside of strings begins with it

_TOKENIZERS: WeakKeyDictionary[Vocabulary, _Tokens] = WeakKeyDictionary()


def library() -> ModuleType | None:
    """llguidance, or None where it is not installed."""
    try:
        import llguidance
    except ImportError:
        return None
    module: ModuleType = llguidance
    return module


def serves(vocabulary: Vocabulary) -> bool:
    """Whether a vocabulary is large enough for llguidance, and that is installed."""
    return len(vocabulary) >= LARGE and library() is not None


class Refused(Unkept):
    """llguidance cannot keep this. `detail`: its own words."""

    def __init__(self, detail: str) -> None:
        self.detail = " ".join(detail.split())[:300]
        super().__init__(
            say("this constraint has a part that cannot be kept"),
            where=self.detail,
            fix=say("leave that part out, or write it in other keywords"),
        )


def of_schema(schema: Any, vocabulary: Vocabulary) -> Guided:
    """Texts that `json.loads` reads and the schema accepts, written as `json.dumps` writes.

    Raises Refused for what llguidance does not know, OverBudget, and RecipeError where no text
    meets the schema.
    """
    _measure(schema)
    check_types(schema)
    try:
        if _has(schema, "multipleOf"):  # llguidance keeps 0.01, which a validator may deny
            schema = rewritten(schema)
        return _of_schema(schema, vocabulary)
    except Refused:
        try:
            return _of_schema(rewritten(schema), vocabulary)
        except Refused as again:
            if "disjoint" not in again.detail:
                raise
            return _of_schema(rewritten(schema, joined=True), vocabulary)


def _has(schema: Any, keyword: str) -> bool:
    if isinstance(schema, dict):
        return keyword in schema or any(_has(part, keyword) for part in schema.values())
    return isinstance(schema, list) and any(_has(part, keyword) for part in schema)


def _measure(schema: Any) -> None:
    """Count the parts of a schema, and how deep they nest, before llguidance sees it."""
    limits, layer, depth = current_limits(), [schema], 0
    while layer:
        depth += 1
        if depth > JSON_DEPTH * limits.depth:
            raise OverBudget(say("this JSON schema nests its values too deeply"), "depth", limits)
        below: list[Any] = []
        for part in layer:
            spend_node()
            below += (
                part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
            )
        layer = below


def _of_schema(schema: Any, vocabulary: Vocabulary) -> Guided:
    matcher = _required().LLMatcher
    source = schema if isinstance(schema, dict) else json.dumps(schema)
    try:
        text = matcher.grammar_from_json_schema(source, overrides=LAYOUT)
    except ValueError as error:
        raise Refused(str(error)) from None
    return Guided(text, vocabulary, _examples(schema))


def of_language(language: Language, vocabulary: Vocabulary) -> Guided:
    """The strings of a language of automata.py. Raises as `of_schema`."""
    return Guided(_required().LLMatcher.grammar_from_regex(pattern(language)), vocabulary)


def _required() -> ModuleType:
    package = library()
    if package is None:
        raise RecipeError(
            say("this constraint needs the package llguidance"), where="llguidance", fix=INSTALL
        )
    return package


def _examples(schema: Any) -> list[bytes]:
    """For each pattern of a schema a short text that it fits, as it stands in JSON."""
    patterns: dict[str, None] = {}
    todo = [schema]
    while todo:
        part = todo.pop()
        spend()
        if isinstance(part, dict):
            patterns |= dict.fromkeys(key for key in part.get("patternProperties", ()))
            if isinstance(part.get("pattern"), str):
                patterns[part["pattern"]] = None
        todo += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    words = map(_shortest, list(patterns)[:EXAMPLES])
    return [json.dumps(word, ensure_ascii=False)[1:-1].encode() for word in words if word]


def _shortest(words: str) -> str | None:
    """A shortest text in which an expression of ECMA 262 is found; None where we do not read it."""
    try:
        automaton = Regular(regex.parsed(words, "ecma").whole)
        state, shortest = automaton.start(), ""
        while automaton.distance(state, _one) > 0:
            edges = automaton.edges(state)
            edge = min(edges, key=lambda one: (automaton.distance(one.target, _one), -one.low))
            shortest += chr(edge.low)
            state = edge.target
    except (RecipeError, RecursionError, ValueError):
        return None
    return shortest


def _one(ranges: Ranges) -> int:
    return 1 if ranges else NEVER


# Grammar ------------------------------------------------------------------------------------------


class Node:
    """Where a row of tokens stands; equal to itself alone.

    spelled, behind   llguidance's state over bytes, some tokens ago, and the bytes since: what the
                      search for an end works on, because a mask over bytes costs least.
    searched, length  how many tokens ago an end was looked for, and the tokens to it then.
    """

    __slots__ = ("behind", "length", "matcher", "searched", "spelled", "way")

    def __init__(self, matcher: Any, spelled: Any, behind: bytes = b"") -> None:
        self.matcher, self.spelled, self.behind = matcher, spelled, behind
        self.searched = self.length = 0
        self.way: list[int] | None = None  # tokens from here to an end

    def step(self, token: int, raw: bytes) -> Node:
        """Behind one more token, which writes `raw`."""
        matcher = self.matcher.deep_copy()
        if raw:
            matcher.consume_token(token)
        node = Node(matcher, self.spelled, self.behind + raw)
        if self.way and self.way[0] == token:
            node.way = self.way[1:]
            node.length = len(node.way)
        else:
            node.searched, node.length = self.searched + 1, self.length
        return node

    def probe(self) -> Any:
        """A state over bytes to try things with."""
        if self.behind:
            self.spelled = self.spelled.deep_copy()
            self.spelled.consume_tokens(list(self.behind))
            self.behind = b""
        return self.spelled.deep_copy()


class Guided:
    """A `Grammar` whose states are `Node`s.

    `distance` is the length of a way to an end that is known to exist, and may be more than is
    needed. `timely` holds a row to that way as soon as no room is left for anything else. A value
    that takes more than SLACK tokens to close, begun by the last free token, can still be cut.
    """

    exact = False
    masks_kept = MASKS_KEPT

    def __init__(self, text: str, vocabulary: Vocabulary, examples: Sequence[bytes] = ()) -> None:
        """text: a grammar of llguidance's. examples: of what its strings may be. Raises as
        `of_schema`.
        """
        self._examples = [list(example) for example in examples]
        self.limits, self.vocabulary = current_limits(), vocabulary
        self._tokens = _TOKENIZERS.get(vocabulary) or _Tokens(vocabulary)
        _TOKENIZERS[vocabulary] = self._tokens
        matchers = []
        for tokenizer in (self._tokens.tokenizer, _bytes_tokenizer()):
            matchers.append(
                _required().LLMatcher(
                    tokenizer, text, log_level=0, limits=_parser_limits(self.limits)
                )
            )
            spend(CLOCK_EVERY)  # each of these may take long
            if matchers[-1].is_error():
                raise _meaning(matchers[-1].get_error(), self.limits)
        self._start = Node(*matchers)
        self._shorten(self._start)  # it decides whether a length suffices
        self._warm()

    def start(self) -> Node:
        return self._start

    def allowed(self, state: Node) -> Tensor:
        """(V,) bool."""
        bits = np.frombuffer(state.matcher.compute_bitmask(), np.uint8)
        if state.matcher.is_error():
            raise _meaning(state.matcher.get_error(), self.limits)
        mask = np.unpackbits(bits, count=len(self.vocabulary), bitorder="little")
        return torch.from_numpy(mask.view(bool))

    def advance(self, state: Node, token: int) -> Node:
        """Behind a token that is allowed."""
        ends = token == self.vocabulary.end
        return state.step(token, b"" if ends else self.vocabulary.token_bytes[token])

    def distance(self, state: Node) -> int:
        """Tokens of a way to an end; NEVER where none was seen."""
        way = self._way(state)
        return NEVER if way is None else len(way)

    def timely(self, state: Node, left: int) -> Tensor | None:
        """(V,) bool: the one token that a row with `left` tokens to come has to take to be
        complete in time; None where it is free, or where it is too late.
        """
        if state.length + GROWTH * state.searched + SLACK < left:
            return None
        fresh = state.way is None
        way = self._way(state)
        if fresh and way is not None and len(way) + SLACK >= left:
            way = self._shorten(state)
        if way is None or len(way) + SLACK < left or len(way) > left:
            return None
        token = way[0] if way else self.vocabulary.end
        if token is None:
            return None
        held = torch.zeros(len(self.vocabulary), dtype=torch.bool)
        held[token] = True
        return held

    # Inside

    def _warm(self) -> None:
        """Masks along the way to an end: llguidance builds its lexer's states when they are first
        reached, which belongs to compiling.
        """
        node = self._start
        if node.way is None:
            return  # no text of this vocabulary meets it, which `distance` says
        for token in node.way[:WARM]:
            self.allowed(node)
            spend(CLOCK_EVERY)
            node = self.advance(node, token)
        self.allowed(node)
        for opening in (b'{"', b'[{"', b'["'):
            with suppress(Refused):  # a place that the vocabulary cannot go on from
                node = self._start
                for token in self._tokens(opening):
                    if not bool(self.allowed(node)[token]):
                        break
                    node = self.advance(node, token)
                    self.allowed(node)

    def _way(self, state: Node) -> list[int] | None:
        if state.way is None:
            raw = _way_out(state.probe(), self._tokens.rank, self._examples)
            state.way = None if raw is None else self._tokens(raw)
            if raw is None or b"".join(map(self._tokens.token_bytes, state.way or ())) != raw:
                state.way = None
            # where the search was in vain, not again at once
            state.searched, state.length = (-AGAIN, 0) if state.way is None else (0, len(state.way))
        return state.way

    def _shorten(self, state: Node) -> list[int] | None:
        """The way to an end, without the parts that can be left out."""
        way = self._way(state)
        size = len(way or ()) // 2
        while way and size:
            place = 0
            while place < len(way):
                spend(STEP_WORK)
                shorter, probe = way[:place] + way[place + size :], state.matcher.deep_copy()
                if probe.try_consume_tokens(shorter) == len(shorter) and probe.is_accepting():
                    way = shorter
                else:
                    place += size
            size //= 2
        if way is not None:
            state.way, state.length = way, len(way)
        return way


def _way_out(matcher: Any, rank: np.ndarray, examples: list[list[int]]) -> bytes | None:
    """Bytes to an end: what closes comes first, then an example behind which a string may close; of
    the rest what was written less often, so that a repetition is left at last. None where there is
    none of WAY_BYTES.
    """
    way, written = bytearray(), np.zeros(256, np.int64)
    while len(way) <= WAY_BYTES:
        spend(STEP_WORK)
        if matcher.is_accepting():
            return bytes(way)
        forced: list[int] = matcher.compute_ff_tokens()
        if not forced:
            bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
            fits = np.flatnonzero(np.unpackbits(bits, count=256, bitorder="little"))
            if not len(fits):
                return None
            if LETTER in fits and ord(QUOTE) not in fits:
                example = next((one for one in examples if _closes(matcher, one)), None)
                if example is not None:
                    matcher.consume_tokens(example)
                    way += bytes(example)
                    continue
            ranks, patience = rank[fits], np.where(rank[fits] < len(CLOSING), 32, 1)
            if LETTER in fits:  # inside of a string, brackets close nothing
                brackets = ranks < CLOSING.index(QUOTE)
                ranks, patience = np.where(brackets, 99, ranks), np.where(brackets, 1, patience)
            forced = [int(fits[(ranks + 1000 * (written[fits] // patience)).argmin()])]
            written[forced] += 1
        if not matcher.consume_tokens(forced):
            return None
        way += bytes(forced)
    return None


def _closes(matcher: Any, example: list[int]) -> bool:
    """Whether an example may be written, and a string is complete behind it."""
    spend(STEP_WORK)
    probe = matcher.deep_copy()
    whole = [*example, ord(QUOTE)]
    return bool(probe.try_consume_tokens(whole) == len(whole))


def _meaning(message: str, limits: CompileLimits) -> RecipeError:
    """What an error of llguidance's is here."""
    if "nsatisfiable" in message:
        return RecipeError(
            say("no text meets this constraint"),
            where=" ".join(message.split())[:300],
            fix=say("look for empty sets and for parts that exclude each other"),
        )
    if any(word in message for word in ("too big", "limit for", "fuel", "too complex", "max is")):
        return OverBudget(say("this constraint is too much work"), "nodes", limits)
    return Refused(message)


def _parser_limits(limits: CompileLimits) -> Any:
    """Work inside of one call of llguidance, which cannot be broken off: some 20 ms each."""
    return _required().LLParserLimits(
        initial_lexer_fuel=5 * limits.nodes,
        step_lexer_fuel=limits.mask_steps // 10,
        max_lexer_states=10 * limits.states,
        max_grammar_size=limits.nodes,
        verbose_errors=False,
    )


# Tokens -------------------------------------------------------------------------------------------


class _Wrapped:
    """What llguidance asks of a tokenizer."""

    bos_token_id = None

    def __init__(
        self, tokens: Sequence[bytes], end: int | None, spell: Callable[[bytes], list[int]]
    ) -> None:
        """tokens: b"" where special. end: one more token where it is None."""
        self.tokens = [
            bytes(raw) if raw and token != end else b"\xff<%d>" % token  # \xff marks special ones
            for token, raw in enumerate(tokens)
        ]
        self.eos_token_id = len(tokens) if end is None else end
        if end is None:
            self.tokens.append(b"\xff<end>")
        self.special_token_ids = [
            token for token, raw in enumerate(self.tokens) if raw.startswith(b"\xff<")
        ]
        self.spell = spell

    def __call__(self, text: str | bytes) -> list[int]:
        return self.spell(text.encode() if isinstance(text, str) else text)

    def tokenizer(self) -> Any:
        library = _required()
        return library.LLTokenizer(library.TokenizerWrapper(self), n_vocab=len(self.tokens))


@cache
def _bytes_tokenizer() -> Any:
    return _Wrapped([bytes([byte]) for byte in range(256)], None, list).tokenizer()


class _Tokens:
    """A vocabulary as llguidance takes it, and how texts are spelled in it.

    rank    (256,) int64: the smaller, the sooner a byte is written on the way to an end.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.token_bytes = vocabulary.token_bytes.__getitem__
        self._known = {
            raw: token
            for token, raw in reversed(list(enumerate(vocabulary.token_bytes)))
            if raw and token != vocabulary.end
        }
        self._longest = max(map(len, self._known), default=0)
        self.tokenizer = _Wrapped(vocabulary.token_bytes, vocabulary.end, self).tokenizer()
        order = {ord(sign): place for place, sign in enumerate(CLOSING + REST)}
        self.rank = np.array(
            [
                order.get(byte, 100 + 100 * (byte in b'\\"[{-.') + 200 * (byte >= 0x80))
                + 500 * (bytes([byte]) not in self._known)
                for byte in range(256)
            ]
        )

    def __call__(self, raw: bytes) -> list[int]:
        """The longest token that fits, again and again; broken off where none does."""
        tokens, place = [], 0
        while place < len(raw):
            for size in range(min(self._longest, len(raw) - place), 0, -1):
                token = self._known.get(raw[place : place + size])
                if token is not None:
                    tokens.append(token)
                    place += size
                    break
            else:
                break
        return tokens


# Languages ----------------------------------------------------------------------------------------


def pattern(language: Language) -> str:
    """A language as a regular expression in llguidance's syntax, that of Rust."""
    built: dict[int, str] = {}
    todo = [language]
    while todo:
        one = todo[-1]
        parts = [part for part in _below(one) if id(part) not in built]
        if parts:
            todo += parts
            continue
        todo.pop()
        if id(one) not in built:
            built[id(one)] = _written(one, lambda part: built[id(part)])
            spend(1 + len(built[id(one)]) // 100)
    return built[id(language)]


def _below(language: Language) -> Iterable[Language]:
    match language.kind:
        case "seq":
            heads = []
            while language.kind == "seq":  # one after the other, so each is written once
                heads.append(language.parts[0])
                language = language.parts[1]
            return [*heads, language]
        case "either" | "group":
            return language.parts
        case "repeat":
            return language.parts[:1]
    return ()


def _written(language: Language, of: Callable[[Language], str]) -> str:
    match language.kind:
        case "chars":
            return _set(language.parts[0])
        case "seq" | "group":
            return "".join(map(of, _below(language)))
        case "either":
            return f"(?:{'|'.join(map(of, language.parts))})"
        case "repeat":
            body, least, most = language.parts
            return f"(?:{of(body)}){{{least},{'' if most is None else most}}}"
    return "(?:)"


def _set(ranges: Ranges) -> str:
    return (
        "["
        + "".join(
            f"\\u{{{low:x}}}" if low == high else f"\\u{{{low:x}}}-\\u{{{high:x}}}"
            for low, high in ranges
        )
        + "]"
    )
