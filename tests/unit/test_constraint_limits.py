"""Constraints are programs: what one may cost to compile, and at each place of a text."""

import itertools
import json
import threading
import time
from typing import Any

import pytest
import torch

from castalia.abilities import SampleOptions
from castalia.constraints.automata import NEVER
from castalia.constraints.budget import Budget, Cancelled, CompileLimits, OverBudget, limits_from
from castalia.constraints.parse import constraint, grammar
from castalia.constraints.token_grammar import Vocabulary
from castalia.errors import RecipeError
from castalia.nn.counter_random import generators
from castalia.nn.decode import Decoder, Step, complete
from castalia.spec import Tokens
from castalia.testing.synthetic import Rolling

BYTES = [b"", b"", *(bytes([byte]) for byte in range(256))]
VOCABULARY = Vocabulary(BYTES, end=1)


def schema(value: Any) -> str:
    return f"json:{json.dumps(value)}"


def stacked(levels: int) -> Any:
    inner: Any = {"type": "null"}
    for _ in range(levels):
        inner = {"type": "array", "items": inner}
    return inner


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("regex:" + "(" * 500 + ")" * 500, "depth"),
        (schema(stacked(90)), "depth"),
        (schema({"anyOf": [stacked(70)]}), "depth"),
        ("regex:" + "abcde" * 5_000, "nodes"),
        (
            schema({"enum": [f"{number * 2654435761 % 2**32:08x}" * 2 for number in range(2_000)]}),
            "nodes",
        ),
        ("regex:" + "a" * (1 << 20) + "a", "bytes"),
        (schema({"const": "a" * (1 << 20)}), "bytes"),
        ("regex:(((a?b?c?d?e?f?){50}g?){50}h?){50}", "state_steps"),
        ("regex:" + "(a?" * 40 + ")*" * 40, "state_steps"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_over_the_budget_is_refused_with_the_name_of_the_limit(
    text: str, limit: str
) -> None:
    with pytest.raises(OverBudget, match=r"^this .*") as raised:
        # pieces: the automaton is explored
        grammar(
            text, Vocabulary([*BYTES, b"ab"], end=1), budget=Budget(CompileLimits(nodes=20_000))
        )
    assert raised.value.limit == limit and f"{limit}=" in raised.value.fix
    assert raised.value.where and len(str(raised.value)) < 1000
    assert raised.value.http_status == 400


def test_a_limit_can_be_raised_by_whoever_runs_this() -> None:
    text = "regex:" + "ab" * 2000
    with pytest.raises(OverBudget, match="more than 3,000 parts"):
        constraint(text, Budget(CompileLimits(nodes=3000)))
    constraint(text, Budget(limits_from("nodes=5000,seconds=20")))
    assert limits_from("seconds=0.5") == CompileLimits(seconds=0.5)
    for words in ("node=3", "nodes=many", "nodes=0", "seconds=-1", "nodes"):
        with pytest.raises(RecipeError) as raised:
            limits_from(words)
        assert raised.value.where and raised.value.fix


def test_many_repetitions_are_counters() -> None:
    """(x{a,b}){c,d} is one counter where its counts have no gaps, so nested ones cost what one
    costs.
    """
    automaton = constraint("regex:((a?){50}){50}")
    state, steps = automaton.start(), 0
    while edges := automaton.edges(state):
        assert len(state) == 1  # type: ignore[arg-type] - a set
        state, steps = edges[0].target, steps + 1
    assert steps == 2500
    for text in (
        schema({"items": {"type": "null"}, "minItems": 10**6, "maxItems": 10**9}),
        schema({"type": "string", "maxLength": 10**12}),
    ):
        rule = grammar(text, VOCABULARY)
        assert rule.distance(rule.start()) in (2, 4 * 10**6 + 2 * (10**6 - 1) + 2)


def test_a_compilation_ends_soon_after_it_is_cancelled() -> None:
    budget = Budget(CompileLimits(seconds=60, nodes=1 << 30, state_steps=1 << 30))
    outcome: list[BaseException] = []

    def compile_it() -> None:
        try:
            constraint("regex:" + "|".join(f"{number:07d}" for number in range(100_000)), budget)
        except BaseException as error:  # whatever it is, the test looks at it
            outcome.append(error)

    thread = threading.Thread(target=compile_it)
    thread.start()
    time.sleep(0.05)
    budget.cancel()
    thread.join(5)
    assert not thread.is_alive() and isinstance(outcome[0], Cancelled)


def test_the_time_is_the_processors() -> None:
    with pytest.raises(OverBudget, match=r"more than 0\.05 seconds"):
        constraint(
            "regex:" + "|".join(f"{number:07d}" for number in range(100_000)),
            Budget(CompileLimits(seconds=0.05, nodes=1 << 30)),
        )


# While a text is written --------------------------------------------------------------------------

PIECES = [
    *BYTES,
    *(bytes(pair) for pair in itertools.product(b"abcdefgh ", repeat=2)),
    *(bytes(three) for three in itertools.product(b"abcd", repeat=3)),
]
SPEC = Tokens(64, len(PIECES), 0, 1)
OPTIONS = SampleOptions(length=12)


class Slow:
    """Only token 5, whose mask takes `slices` calls of `prepare` at every place; above `breaks`
    tokens it raises.
    """

    def __init__(self, slices: int, breaks: int = 99) -> None:
        self.slices, self.breaks, self.done = slices, breaks, dict[int, int]()

    def start(self) -> int:
        return 0

    def advance(self, state: int, token: int) -> int:
        return state + 1

    def prepare(self, state: int, until: float) -> bool:
        if state >= self.breaks:
            raise OverBudget("too much", "mask_steps", CompileLimits())
        self.done[state] = self.slices if until == float("inf") else self.done.get(state, 0) + 1
        return self.done[state] >= self.slices

    def allowed(self, state: int) -> torch.Tensor:
        assert self.done[state] >= self.slices, "the mask is not asked for before it is there"
        return torch.arange(len(PIECES)) == 5


def test_rows_whose_mask_is_late_wait_and_the_others_go_on() -> None:
    model, begin = Rolling(len(PIECES)), torch.tensor([0])
    alone = complete(
        model, [begin] * 3, generators(0, 0, 3), OPTIONS, spec=SPEC, grammars=[None, Slow(4), None]
    )
    decoder = Decoder(model, SPEC)
    slow = Slow(4)
    numbers = decoder.add([begin] * 3, generators(0, 0, 3), OPTIONS, grammars=[None, slow, None])
    steps: list[Step] = []
    while decoder.live:
        steps.append(decoder.step(0.0))
        assert numbers[1] in decoder.live or numbers[1] in steps[-1].finished
    done = {number: one for step in steps for number, one in step.finished.items()}
    assert [done[number] for number in numbers] == alone and alone[1].tokens == [5] * 12
    assert [numbers[1] in step.tokens for step in steps].count(True) == 12 and len(steps) == 4 * 12
    assert all(numbers[0] in step.tokens for step in steps[: len(alone[0].tokens)])
    joined = decoder.add([begin], generators(0, 1, 1), OPTIONS, grammars=Slow(9))
    decoder.step(0.0)
    decoder.drop(joined)  # a row that waits may leave
    assert not decoder.live


def test_a_constraint_that_proves_too_much_work_ends_its_own_row_alone() -> None:
    model, begin = Rolling(len(PIECES)), torch.tensor([0])
    for slices in (1, 3):
        decoder = Decoder(model, SPEC)
        numbers = decoder.add(
            [begin] * 2, generators(0, 0, 2), OPTIONS, grammars=[None, Slow(slices, breaks=4)]
        )
        failed, finished = {}, {}
        while decoder.live:
            step = decoder.step(0.0)
            failed |= step.failed
            finished |= step.finished
        assert list(failed) == [numbers[1]] and list(finished) == [numbers[0]]
    with pytest.raises(OverBudget):
        complete(
            model, [begin], generators(0, 0, 1), OPTIONS, spec=SPEC, grammars=Slow(1, breaks=4)
        )


def test_a_mask_in_slices_is_the_whole_mask() -> None:
    for text in (
        "regex:(ab|[a-h]{2,9} ){3}",
        "regex:.*[ab].{5}",
        schema({"type": "string", "maxLength": 40}),
        "regex:[一-鿿é]{2}a",
    ):
        whole, sliced = (grammar(text, Vocabulary(PIECES, end=1)) for _ in range(2))
        state = whole.start()
        for _ in range(6):
            calls = 1
            while not sliced.prepare(state, until=0.0):
                calls += 1
            costs = whole.costs(state)
            assert torch.equal(costs, sliced.costs(state)), text
            token = int((costs < NEVER).nonzero()[-1])
            assert whole.advance(state, token) == sliced.advance(state, token)
            state = whole.advance(state, token)


@pytest.mark.parametrize(
    "pattern", ["((a|b?){50}){50}", "((a|b|ab)?){90}", ".*[abc].{40}", "(a*)*(b?)*(c{0,9}){9}"]
)
def test_a_step_takes_bounded_time(pattern: str) -> None:
    """The nested ones took seconds a token, in which nobody else got one."""
    model, begin = Rolling(len(PIECES)), torch.tensor([0])
    rule = grammar(f"regex:{pattern}", Vocabulary(PIECES, end=1))
    decoder = Decoder(model, SPEC)
    decoder.add([begin] * 4, generators(0, 0, 4), SampleOptions(length=400), grammars=rule)
    worst = 0.0
    for _ in range(10):
        begun = time.thread_time()
        decoder.step(0.02)
        worst = max(worst, time.thread_time() - begun)
    assert worst < 0.5


def test_what_is_remembered_is_bounded() -> None:
    limits = CompileLimits(states=20)
    rule = grammar("regex:.*[abc].{9}", Vocabulary(PIECES, end=1), budget=Budget(limits))
    free = grammar("regex:.*[abc].{9}", Vocabulary(PIECES, end=1))
    state = rule.start()
    for step in range(12):
        costs = rule.costs(state)
        assert torch.equal(costs, free.costs(state))
        token = (costs < NEVER).nonzero().flatten().tolist()[7 * step % 90]
        state = rule.advance(state, token)
        assert len(rule._edges_of) <= 20 and len(rule.automaton._edges) <= 20  # type: ignore[attr-defined]
