"""The UTF-8 automaton against Python's own decoder and the closed-form counts of well-formed
sequences; its lift against brute force.
"""

import numpy as np
import pytest
import torch

from castalia.abilities import SampleOptions
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.modalities.text.utf8_grammar import Utf8Grammar, automaton
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.nn.grammar_masks import FORBIDDEN
from castalia.testing.synthetic import Rolling


def accepted(raw: bytes) -> bool:
    step, state = automaton(), 0
    for byte in raw:
        state = step[state, byte]
    return state == 0


def test_every_character_is_accepted():
    step = automaton()
    for first, last, width in (
        (0, 0x80, 1),
        (0x80, 0x800, 2),
        (0x800, 0xD800, 3),
        (0xE000, 0x10000, 3),
        (0x10000, 0x110000, 4),
    ):
        text = np.arange(first, last, dtype="<u4").tobytes().decode("utf-32-le")
        raw = np.frombuffer(text.encode(), np.uint8).reshape(-1, width)
        state = np.zeros(len(raw), dtype=np.uint8)
        for place in range(width):
            state = step[state, raw[:, place]]
            assert (state == 0).all() == (place == width - 1)
        assert (state == 0).all()


def test_and_nothing_else():
    """Paths that leave state 0 and first return to it after n bytes are as many as there are
    characters of n bytes.
    """
    step = automaton()
    edges = np.zeros((9, 9), dtype=np.int64)
    for state in range(9):
        np.add.at(edges[state], step[state], 1)
    ways = edges[0].copy()
    counts = []
    for _ in range(4):
        counts.append(int(ways[0]))
        ways[0] = ways[8] = 0
        ways = ways @ edges
    assert counts == [0x80, 0x800 - 0x80, 0x10000 - 0x800 - 0x800, 0x110000 - 0x10000]
    ways[8] = 0
    assert not ways.any(), "no character has five bytes"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8",
        b"\x80",
        b"\xe4\xbd",
        b"\xff",
    ],
)
def test_ill_formed_bytes_are_refused(raw: bytes):
    assert not accepted(raw)


def test_masks_against_brute_force():
    rng = np.random.default_rng(0)
    tokens = [b"", b""] + [bytes([byte]) for byte in range(256)]
    tokens += [
        rng.integers(0x70, 256, rng.integers(1, 6), dtype=np.uint8).tobytes() for _ in range(300)
    ]
    tokens += [
        "你好".encode(),
        "你好".encode()[1:],
        "好".encode()[:2] + b"\xbd",
        "𠮷".encode()[2:] + b"a",
    ]
    grammar = Utf8Grammar(tokens, end=1)
    opened = {
        0: b"",
        1: b"\xc3",
        2: b"\xe4",
        3: b"\xf1",
        4: b"\xe0",
        5: b"\xed",
        6: b"\xf0",
        7: b"\xf4",
    }
    for state, before in opened.items():
        allowed = grammar.allowed(state).tolist()
        assert allowed[0] is False and allowed[1] is (state == 0)
        for number, token in enumerate(tokens[2:], 2):
            assert allowed[number] == may_follow(before + token), (state, token)
            if allowed[number]:
                after = grammar.advance(state, number)
                for byte in range(0, 256, 5):
                    assert bool(grammar.allowed(after)[2 + byte]) == may_follow(
                        before + token + bytes([byte])
                    )


def may_follow(raw: bytes) -> bool:
    """Whether `raw` begins some text: only its last character may be open."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
        # Python reports an open end only when its bytes so far are possible.
        return any(completed(raw[error.start :] + bytes(rest)) for rest in _RESTS)
    return True


_RESTS = [(0x80,), (0xBF,), (0x80, 0x80), (0xBF, 0x80), (0x80, 0x80, 0x80), (0x90, 0x80, 0x80)]


def completed(raw: bytes) -> bool:
    try:
        return len(raw.decode()) == 1
    except UnicodeDecodeError:
        return False


def test_a_window_that_begins_inside_a_character_goes_on():
    grammar = TextCodec(TextConfig(tokenizer="byte")).spec.grammar
    state = grammar.start()
    for byte in "日".encode()[1:]:
        state = grammar.advance(state, byte + 2)
    assert state == 0
    assert grammar.advance(1, 0xE6 + 2) == 2


@pytest.mark.parametrize("tokens", ["bytes", "pieces"])
def test_the_distance_is_the_shortest_way_out(tokens: str):
    """Against a search that tries every sequence of tokens."""
    token_bytes = [
        b"",
        b"",
        *(bytes([byte]) for byte in range(0x7F, 256)),
        *([b"\x80\x80", b"\xbf\x80\x80a"] if tokens == "pieces" else []),
    ]
    grammar = Utf8Grammar(token_bytes, end=1)
    for state in range(8):
        reached, steps = {state}, 0
        while 0 not in reached:
            reached = {
                grammar.advance(one, int(token))
                for one in reached
                for token in grammar.allowed(one).nonzero().flatten()
            }
            steps += 1
        assert grammar.distance(state) == steps
        costs, allowed = grammar.costs(state), grammar.allowed(state)
        for token in allowed.nonzero().flatten().tolist():
            assert costs[token] == (
                1 if token == 1 else 1 + grammar.distance(grammar.advance(state, token))
            )
        assert (costs[~allowed] >= FORBIDDEN).all()


def test_a_text_is_whole_where_its_length_ends():
    codec = TextCodec(TextConfig(tokenizer="byte", length=16))
    for length in range(1, 9):
        made = complete(
            Rolling(codec.spec.vocab),
            [torch.tensor([0])] * 40,
            generators(0, 0, 40),
            SampleOptions(length=length),
            spec=codec.spec,
        )
        raw = [b"".join(codec.token_bytes[token] for token in row.tokens) for row in made]
        assert all(one.decode() is not None for one in raw)
        assert {row.reason for row in made} >= {"length"} and any(
            byte > 0x7F for one in raw for byte in one
        ) == (length > 1)
