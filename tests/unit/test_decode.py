"""Decoding against a reference that does one row at a time in plain Python, and against closed
cases.
"""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from castalia.abilities import BOUNDS, Decodes, SampleOptions
from castalia.errors import RecipeError, SpecError, TrainingError
from castalia.nn import decode as decode_module
from castalia.nn import token_sampling
from castalia.nn.counter_random import generator, generators
from castalia.nn.decode import Completion, Decoder, Step, complete, decode
from castalia.nn.grammar_masks import FORBIDDEN
from castalia.sampling.edit import Infill, options_of
from castalia.spec import Ragged, Tokens
from castalia.testing.synthetic import Rolling

BEGIN, END, VOCAB = 0, 1, 12
SPEC = Tokens(length=10, vocab=VOCAB, begin=BEGIN, end=END)
MODEL = Rolling(VOCAB)


def prompts(*rows: list[int]) -> list[Tensor]:
    return [torch.tensor([BEGIN, *row]) for row in rows]


def reference(
    prompt: list[int],
    rng: torch.Generator,
    options: SampleOptions,
    spec: Tokens = SPEC,
    banned: tuple[int, ...] = (),
) -> Completion:
    """One row in double precision, with loops: what the documentation says, word by word."""
    uniforms = iter(torch.cat([torch.rand(64, generator=rng) for _ in range(20)]).tolist())
    tokens: list[int] = []
    nats = spent = 0.0
    context, taken = list(prompt), 0
    while True:
        if taken == 0 or taken >= spec.length:
            whole = prompt + tokens
            context = whole if len(whole) <= spec.length else whole[-max(1, spec.length // 2) :]
            taken = len(context)
        else:
            context, taken = [*context, tokens[-1]], taken + 1
        ids = torch.tensor([context])
        logits = (
            MODEL.prefill(ids, torch.ones_like(ids, dtype=torch.bool), {})[0][0].double().tolist()
        )
        total = sum(map(math.exp, logits))
        forbidden = {spec.begin, *banned}
        wanted = list(logits)
        for token in range(spec.vocab):
            if token in prompt or token in tokens:
                wanted[token] = (
                    wanted[token] / options.repetition
                    if wanted[token] > 0
                    else wanted[token] * options.repetition
                )
            wanted[token] -= options.frequency * tokens.count(token)
        weights = {
            token: math.exp(value / (options.temperature or 1))
            for token, value in enumerate(wanted)
            if token not in forbidden
        }
        order = sorted(weights, key=lambda token: -weights[token])
        if options.top_k is not None:
            order = order[: options.top_k]
        mass, kept = sum(weights[token] for token in order), []
        for token in order:
            if sum(weights[other] for other in kept) < options.top_p * mass:
                kept.append(token)
        kept = [token for token in kept if weights[token] >= options.min_p * weights[order[0]]]
        target, token = next(uniforms) * sum(weights[other] for other in kept), -1
        for token in sorted(kept):
            target -= weights[token]
            if target < 0:
                break
        if options.temperature == 0:
            token = order[0]
        nats -= logits[token] - math.log(total)
        spent -= math.log(
            sum(math.exp(value) for other, value in enumerate(logits) if other not in forbidden)
            / total
        )
        if token == spec.end:
            return Completion(tokens, "end", nats, spent)
        tokens.append(token)
        if len(tokens) == (options.length or spec.length):
            return Completion(tokens, "length", nats, spent)


def same(found: Completion, expected: Completion) -> None:
    assert (found.tokens, found.reason) == (expected.tokens, expected.reason)
    assert found.nats == pytest.approx(expected.nats, abs=1e-4)
    assert found.constraint_nats == pytest.approx(expected.constraint_nats, abs=1e-4)


# One step -----------------------------------------------------------------------------------------


def test_top_k_top_p_and_min_p_in_closed_form():
    weights = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    column = lambda value: torch.tensor([[value]])  # noqa: E731
    assert (
        token_sampling.top_k(weights, column(2)).tolist()
        == torch.tensor([[0, 0.4, 0, 0.3]]).tolist()
    )
    assert token_sampling.top_k(weights, column(9)).equal(weights)
    assert token_sampling.top_p(weights, column(0.39)).nonzero()[:, 1].tolist() == [1]
    assert token_sampling.top_p(weights, column(0.41)).nonzero()[:, 1].tolist() == [1, 3]
    assert token_sampling.top_p(weights, column(0.71)).nonzero()[:, 1].tolist() == [1, 2, 3]
    assert token_sampling.top_p(weights, column(1.0)).equal(weights)
    assert token_sampling.min_p(weights, column(0.5)).nonzero()[:, 1].tolist() == [1, 2, 3]
    assert token_sampling.min_p(weights, column(1.0)).nonzero()[:, 1].tolist() == [1]


def test_equal_weights_stay_or_go_together():
    weights = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.4, 0.2, 0.2, 0.2]])
    assert token_sampling.top_k(weights, torch.tensor([[1], [2]])).equal(weights)
    assert token_sampling.top_p(weights, torch.tensor([[0.1], [0.5]])).equal(weights)


def test_top_p_over_a_large_flat_vocabulary():
    """More tokens are needed than the quick look at the likeliest ones sees."""
    weights = torch.rand(3, 2000, generator=generator(1)).double()
    for share in (0.05, 0.5, 0.97):
        kept = token_sampling.top_p(weights, torch.full((3, 1), share).double())
        for row, full in zip(kept, weights, strict=True):
            falling = full.sort(descending=True).values
            count = int((falling.cumsum(0) < share * full.sum()).sum()) + 1
            assert (
                int((row > 0).sum()) == count
                and row.sum() >= share * full.sum()
                and row.max() == full.max()
            )


def test_draws_follow_the_weights_and_never_hit_a_zero():
    weights = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0]).repeat(3, 1)
    edges = torch.tensor([[0.0], [1 - 2.0**-24], [0.5]])
    assert token_sampling.draw(weights, edges).view(-1).tolist() == [1, 4, 3]
    uniform = torch.rand(20_000, 1, generator=generator(2))
    share = (
        torch.bincount(
            token_sampling.draw(weights[:1].repeat(20_000, 1), uniform).view(-1), minlength=6
        )
        / 20_000
    )
    assert torch.allclose(share, weights[0], atol=4 * math.sqrt(0.25 / 20_000))
    for scale in (1.0, 1e-30, 3.7, 1.9999999):
        tail = torch.cat([torch.rand(1, 999, generator=generator(3)) * scale, torch.zeros(1, 5)], 1)
        assert int(token_sampling.draw(tail, torch.tensor([[1 - 2.0**-24]]))) <= 998


def test_penalties_in_closed_form():
    logits = torch.tensor([[2.0, -2.0, 2.0, 1.0]])
    seen, made = torch.tensor([[1.0, 1, 0, 3]]), torch.tensor([[0.0, 1, 0, 2]])
    out = token_sampling.penalised(
        logits, seen, made, torch.tensor([[2.0]]), torch.tensor([[0.25]])
    )
    assert out.tolist() == [[1.0, -4.25, 2.0, 0.0]]


# Rows ---------------------------------------------------------------------------------------------


def test_the_model_of_these_tests_decodes():
    assert isinstance(MODEL, Decodes)


OPTIONS = st.builds(
    SampleOptions,
    temperature=st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0]),
    repetition=st.sampled_from([1.0, 1.0, 1.5]),
    frequency=st.sampled_from([0.0, 0.0, 0.3, -0.2]),
    top_k=st.sampled_from([None, None, 1, 3, 50]),
    top_p=st.sampled_from([1.0, 1.0, 0.4, 0.9]),
    min_p=st.sampled_from([0.0, 0.0, 0.2]),
    length=st.sampled_from([None, 1, 30]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(2, VOCAB - 1), max_size=14), OPTIONS), min_size=1, max_size=5
    ),
    st.integers(0, 99),
)
def test_every_row_is_what_the_reference_says(
    rows: list[tuple[list[int], SampleOptions]], seed: int
):
    """Unequal prompts (some longer than the context), unequal options, rows that join late, and
    contexts that run full at different times.
    """
    decoder, finished = Decoder(MODEL, SPEC, banned=[5]), {}
    for index, (prompt, options) in enumerate(rows):
        assert decoder.add(prompts(prompt), generators(seed, index, 1), options) == [index]
        for _ in range(index % 3):
            finished |= decoder.step().finished
    while decoder.live:
        finished |= decoder.step().finished
    for index, (prompt, options) in enumerate(rows):
        same(
            finished[index],
            reference([BEGIN, *prompt], generators(seed, index, 1)[0], options, banned=(5,)),
        )


def test_a_row_does_not_depend_on_its_neighbours():
    asked = prompts([3, 4], [], [7] * 9, [2, 2, 2])
    options = SampleOptions(temperature=0.9, length=200, repetition=1.1)
    together = complete(MODEL, asked, generators(5, 0, 4), options, spec=SPEC)
    for index, prompt in enumerate(asked):
        same(
            together[index],
            complete(MODEL, [prompt], generators(5, index, 1), options, spec=SPEC)[0],
        )
    assert len({row.reason for row in together} | {len(row.tokens) for row in together}) > 2, (
        "rows of different ends were meant"
    )


def test_the_stream_is_the_result():
    steps = list(
        decode(MODEL, prompts([], [4]), generators(1, 0, 2), SampleOptions(length=25), spec=SPEC)
    )
    rows: dict[int, list[int]] = {0: [], 1: []}
    for step in steps:
        for number, token in step.tokens.items():
            rows[number].append(token)
    for number, row in enumerate(
        complete(MODEL, prompts([], [4]), generators(1, 0, 2), SampleOptions(length=25), spec=SPEC)
    ):
        assert row.tokens == rows[number]
    assert sum(len(step.finished) for step in steps) == 2


def test_begin_and_banned_tokens_never_come_and_what_they_cost_is_counted():
    model = Rolling(VOCAB)
    model.table[:, [BEGIN, 3]] = 9.0  # nearly all of the mass
    rows = complete(
        model,
        prompts(*[[]] * 8),
        generators(0, 0, 8),
        SampleOptions(length=20),
        spec=SPEC,
        banned=[3],
    )
    hot = complete(
        model,
        prompts(*[[]] * 8),
        generators(0, 0, 8),
        SampleOptions(length=20, temperature=2.0),
        spec=SPEC,
        banned=[3],
    )
    for row in rows + hot:
        assert not {BEGIN, 3} & set(row.tokens)
        drawn = len(row.tokens) + (row.reason == "end")
        assert 6.0 * drawn < row.constraint_nats < row.nats


def test_nats_are_the_models_own_whatever_the_options():
    plain, hot = (
        complete(
            MODEL,
            prompts([2]),
            [generator(1)],
            SampleOptions(temperature=t, top_k=1, length=9),
            spec=SPEC,
        )[0]
        for t in (1.0, 0.3)
    )
    assert plain.tokens == hot.tokens and plain.nats == pytest.approx(hot.nats, abs=1e-5)


def test_draws_have_the_models_distribution():
    n = 4000
    rows = complete(
        MODEL, prompts(*[[]] * n), generators(3, 0, n), SampleOptions(length=1), spec=SPEC
    )
    logits, _ = MODEL.prefill(torch.tensor([[BEGIN]]), torch.ones(1, 1, dtype=torch.bool), {})
    logits[:, BEGIN] = -math.inf
    expected = logits[0].softmax(0)
    counts = Counter(row.tokens[0] if row.tokens else END for row in rows)
    chi = sum(
        (counts[token] - n * float(p)) ** 2 / (n * float(p))
        for token, p in enumerate(expected)
        if p > 0
    )
    assert chi < 35  # 99.9% point of chi-square with 10 degrees of freedom is 29.6


def test_stop_keeps_what_it_says():
    def stop(tokens: list[int]) -> int | None:
        return len(tokens) - 2 if tokens[-1] >= 8 and len(tokens) > 2 else None

    free = complete(
        MODEL, prompts([], [3], [4]), generators(2, 0, 3), SampleOptions(length=40), spec=SPEC
    )
    cut = complete(
        MODEL,
        prompts([], [3], [4]),
        generators(2, 0, 3),
        SampleOptions(length=40),
        spec=SPEC,
        stop=stop,
    )
    assert any(row.reason == "stop" for row in cut)
    for whole, row in zip(free, cut, strict=True):
        assert whole.tokens[: len(row.tokens)] == row.tokens
        if row.reason == "stop":
            assert whole.tokens[len(row.tokens) + 1] >= 8 and row.nats < whole.nats
    never = complete(
        MODEL,
        prompts([]),
        generators(2, 0, 1),
        SampleOptions(length=300),
        spec=Tokens(10, VOCAB, BEGIN),
        stop=lambda _: None,
    )
    assert never[0].reason == "length" and len(never[0].tokens) == 300


def test_conditions_follow_their_rows():
    """The shift starts the code: rows that are prefilled anew, joined or taken must
    keep their own.
    """
    asked, shifts = prompts([2], [3, 3], [4]), torch.tensor([5, 700, 31])
    options = SampleOptions(length=37)
    together = complete(
        MODEL, asked, generators(0, 0, 3), options, spec=SPEC, cond={"shift": shifts}
    )
    for index in range(3):
        alone = complete(
            MODEL,
            [asked[index]],
            generators(0, index, 1),
            options,
            spec=SPEC,
            cond={"shift": shifts[index : index + 1]},
        )
        same(together[index], alone[0])
    assert complete(MODEL, asked, generators(0, 0, 3), options, spec=SPEC) != together


def test_ragged_conditions_arrive_padded():
    seen: list[Any] = []

    class Watching(Rolling):
        def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> Any:
            seen.append(cond["text"])
            return super().prefill(ids, mask, {})

    text = Ragged(
        torch.tensor([[1, 2, 3], [4, 0, 0]]),
        torch.tensor([[True, True, True], [True, False, False]]),
    )
    complete(
        Watching(VOCAB),
        prompts([], []),
        generators(0, 0, 2),
        SampleOptions(length=2),
        spec=SPEC,
        cond={"text": text},
    )
    assert seen[0].ids.equal(text.ids) and seen[0].mask.equal(text.mask)


def test_dropped_rows_leave_the_others_alone():
    decoder = Decoder(MODEL, SPEC)
    decoder.add(prompts([2], [3], [4]), generators(0, 0, 3), SampleOptions(length=30))
    finished = decoder.step().finished
    decoder.drop([1])
    assert 1 not in decoder.live
    while decoder.live:
        finished |= decoder.step().finished
    whole = complete(
        MODEL, prompts([2], [3], [4]), generators(0, 0, 3), SampleOptions(length=30), spec=SPEC
    )
    assert finished[0].tokens == whole[0].tokens and finished[2].tokens == whole[2].tokens
    assert decoder.step() == Step({}, {})


# Grammars -----------------------------------------------------------------------------------------


class Brackets:
    """Token 2 opens, token 3 closes, up to four deep; `end` where all are closed. Knows its
    distance, for every token with `costs`.
    """

    def start(self) -> int:
        return 0

    def allowed(self, state: int) -> Tensor:
        mask = torch.zeros(VOCAB, dtype=torch.bool)
        mask[2], mask[3], mask[END] = state < 4, state > 0, state == 0
        return mask

    def advance(self, state: int, token: int) -> int:
        return state + {2: 1, 3: -1}[token]

    def distance(self, state: int) -> int:
        return state


class Costly(Brackets):
    def costs(self, state: int) -> Tensor:
        costs = torch.full((VOCAB,), FORBIDDEN)
        costs[2], costs[3], costs[END] = state + 2, state, 1
        return costs.masked_fill(~self.allowed(state), FORBIDDEN)


class Unaware:
    """The same grammar without a distance, and with a dead end: after four openings nothing may
    come.
    """

    def start(self) -> int:
        return 0

    def allowed(self, state: int) -> Tensor:
        mask = torch.zeros(VOCAB, dtype=torch.bool)
        mask[2] = state < 4
        return mask

    def advance(self, state: int, token: int) -> int:
        return state + 1


@pytest.mark.parametrize("grammar", [Brackets(), Costly()])
def test_a_grammar_that_knows_its_distance_is_complete_at_every_length(grammar: Any):
    for length in range(2, 12):
        rows = complete(
            MODEL,
            prompts(*[[]] * 16),
            generators(1, 0, 16),
            SampleOptions(length=length),
            spec=SPEC,
            grammars=grammar,
        )
        for row in rows:
            assert row.tokens.count(2) == row.tokens.count(3) and set(row.tokens) <= {2, 3}
            assert row.reason == "end" or len(row.tokens) in (length, length - 1)
            depths = [
                row.tokens[:n].count(2) - row.tokens[:n].count(3) for n in range(len(row.tokens))
            ]
            assert all(0 <= depth <= 4 for depth in depths)


def test_nothing_to_follow_ends_a_row():
    row = complete(
        MODEL,
        prompts([6]),
        generators(0, 0, 1),
        SampleOptions(length=9),
        spec=SPEC,
        grammars=Unaware(),
    )[0]
    assert (row.tokens, row.reason) == ([2, 2, 2, 2], "constraint")
    rows = complete(
        MODEL,
        prompts([6], []),
        generators(0, 0, 2),
        SampleOptions(length=9),
        spec=SPEC,
        grammars=[Unaware(), None],
    )
    free = complete(
        MODEL, prompts([6], []), generators(0, 0, 2), SampleOptions(length=9), spec=SPEC
    )
    same(rows[0], row)
    same(rows[1], free[1])


def test_a_constraint_that_cannot_be_met_says_so():
    class Long(Brackets):
        def distance(self, state: int) -> int:
            return 7 + state

    with pytest.raises(RecipeError, match="at least 7 tokens"):
        complete(
            MODEL,
            prompts([]),
            generators(0, 0, 1),
            SampleOptions(length=6),
            spec=SPEC,
            grammars=Long(),
        )


def test_the_specs_grammar_follows_the_prompt_and_always_holds():
    spec = Tokens(10, VOCAB, BEGIN, END, grammar=Brackets())
    rows = complete(
        MODEL, prompts([2, 2], [2], []), generators(0, 0, 3), SampleOptions(length=8), spec=spec
    )
    for row, depth in zip(rows, (2, 1, 0), strict=True):
        assert row.tokens.count(3) - row.tokens.count(2) == depth
    assert (
        complete(MODEL, prompts([7]), generators(0, 0, 1), SampleOptions(length=8), spec=spec)[
            0
        ].tokens.count(7)
        == 0
    )


def test_constraint_nats_are_minus_log_of_the_allowed_mass():
    spec = Tokens(10, VOCAB, BEGIN, END)
    row = complete(
        MODEL,
        prompts([]),
        generators(0, 0, 1),
        SampleOptions(length=8),
        spec=spec,
        grammars=Unaware(),
    )[0]
    context, nats = [BEGIN], 0.0
    for token in row.tokens:
        ids = torch.tensor([context])
        nats -= float(MODEL.prefill(ids, ids >= 0, {})[0][0].log_softmax(0)[token])
        context.append(token)
    assert row.nats == pytest.approx(nats, abs=1e-4) and row.constraint_nats == pytest.approx(
        nats, abs=1e-4
    ), "one token: all mass but its"


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1.0},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": 2.0},
        {"repetition": 0.0},
        {"length": 0},
    ],
)
def test_options_out_of_range(options: dict[str, float]):
    with pytest.raises(RecipeError, match=next(iter(options))):
        complete(MODEL, prompts([]), generators(0, 0, 1), SampleOptions(**options), spec=SPEC)


def test_bad_prompts_and_bad_models():
    with pytest.raises(SpecError, match="prompt"):
        complete(
            MODEL,
            [torch.tensor([], dtype=torch.int64)],
            generators(0, 0, 1),
            SampleOptions(),
            spec=SPEC,
        )
    with pytest.raises(SpecError, match="prompt"):
        complete(MODEL, prompts([99]), generators(0, 0, 1), SampleOptions(), spec=SPEC)
    with pytest.raises(SpecError, match="generator"):
        complete(MODEL, prompts([]), generators(0, 0, 2), SampleOptions(), spec=SPEC)
    assert complete(MODEL, [], [], SampleOptions(), spec=SPEC) == []
    broken = Rolling(VOCAB)
    broken.table[:, 4] = math.nan
    with pytest.raises(TrainingError, match="finite"):
        complete(broken, prompts([]), generators(0, 0, 1), SampleOptions(), spec=SPEC)


@pytest.mark.parametrize("name", ["prefill", "join", "Knobs", "cat"])
def test_adding_is_all_or_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Wherever `add` raises, the rows that were there write what they write without it, and others
    may still join.
    """
    spec = Tokens(length=24, vocab=VOCAB, begin=BEGIN)
    options = SampleOptions(length=16, repetition=1.3, top_k=7)

    def rows(decoder: Decoder, seed: int) -> None:
        decoder.add([torch.tensor([0, seed, 5])] * 2, generators(seed, 0, 2), options)

    def story(*, fault: bool) -> dict[int, list[int]]:
        decoder, finished = Decoder(MODEL, spec), {}
        rows(decoder, 3)
        for step in range(40):
            if step == 5 and fault:
                owner = {
                    "prefill": MODEL,
                    "join": type(decoder._state),
                    "Knobs": decode_module,
                    "cat": torch,
                }[name]
                with monkeypatch.context() as patch:
                    patch.setattr(owner, name, lambda *_, **__: 1 // 0)
                    with pytest.raises(ZeroDivisionError):
                        rows(decoder, 4)
                assert decoder.sound and decoder.live == (0, 1)
            if step == 8:
                rows(decoder, 6)
            finished |= decoder.step().finished
        return {number: done.tokens for number, done in finished.items()}

    assert story(fault=True) == story(fault=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 1e-40),
        ("temperature", math.nan),
        ("temperature", -1),
        ("top_k", 2**63),
        ("top_k", 0),
        ("top_k", 1.5),
        ("frequency", 1e300),
        ("repetition", 0),
        ("repetition", math.inf),
        ("top_p", 0),
        ("top_p", 10**400),
        ("min_p", -0.1),
        ("length", 2**31),
        ("steps", 10**9),
        ("guidance", "1"),
        ("temperature", True),
        ("stop", "end"),
        ("stop", ("x" * 2000,)),
        ("stop", ("x",) * 100),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_computed(
    name: str, value: object
) -> None:
    with pytest.raises(RecipeError):
        SampleOptions(**{name: value})  # type: ignore[arg-type]


def test_an_edit_refuses_a_temperature_out_of_range() -> None:
    for temperature in (1e-40, -1, math.nan, 1e9):
        with pytest.raises(RecipeError, match="option temperature"):
            options_of("infill", Infill(), {"temperature": temperature})


def test_options_at_their_bounds_decode() -> None:
    for name, bound in BOUNDS.items():
        for value in {bound.least, bound.most, bound.gap} - {
            None,
            bound.least if bound.above else None,
        }:
            options = replace(
                SampleOptions(length=4), **{name: int(value) if bound.whole else value}
            )
            options = replace(options, length=min(options.length or 4, 30))
            found = complete(MODEL, prompts([3]), generators(1, 0, 1), options, spec=SPEC)
            assert math.isfinite(found[0].nats), (name, value)
