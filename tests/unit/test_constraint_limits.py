"""Constraints are programs: what one may cost to compile, and at each place of a text."""

import json
import threading
import time
from typing import Any

import pytest

from castalia.codecs.budget import Budget, Cancelled, CompileLimits, OverBudget, limits_from
from castalia.codecs.constraints import constraint, grammar
from castalia.codecs.lifting import Vocabulary
from castalia.errors import RecipeError

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
        (schema({"enum": [f"{number * 2654435761 % 2**32:08x}" * 2 for number in range(2_000)]}), "nodes"),
        ("regex:" + "a" * (1 << 20) + "a", "bytes"),
        (schema({"const": "a" * (1 << 20)}), "bytes"),
        ("regex:(((a?b?c?d?e?f?){50}g?){50}h?){50}", "state_steps"),
        ("regex:" + "(a?" * 40 + ")*" * 40, "state_steps"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_over_the_budget_is_refused_with_the_name_of_the_limit(text: str, limit: str) -> None:
    with pytest.raises(OverBudget, match=r"^this .*") as raised:
        grammar(text, Vocabulary([*BYTES, b"ab"], end=1), budget=Budget(CompileLimits(nodes=20_000)))  # pieces: the automaton is explored
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
    """(x{a,b}){c,d} is one counter where its counts have no gaps, so nested ones cost what one costs."""
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
        constraint("regex:" + "|".join(f"{number:07d}" for number in range(100_000)), Budget(CompileLimits(seconds=0.05, nodes=1 << 30)))
