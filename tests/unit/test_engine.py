"""The engine without HTTP: order, fairness, limits, leaving."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from castalia.abilities import SampleOptions
from castalia.errors import RecipeError, TrainingError
from castalia.families.ar import Ar, ArConfig
from castalia.families.vae import Vae, VaeConfig
from castalia.nn.counter_random import generators
from castalia.nn.decode import Decoder, complete
from castalia.nn.transformer import Memory
from castalia.sampling.generate import Stretch, draw, draw_block
from castalia.serving import batching as lanes
from castalia.serving import engine as engine_module
from castalia.serving.batching import CallLane, DenseLane, Drawing, Piece, TextLane, Writing
from castalia.serving.engine import Engine, Lane
from castalia.serving.http_errors import Busy, Late, Stopping
from castalia.serving.packed_linear import pack
from castalia.spec import Classes, Dense, Tokens

SPEC = Tokens(length=24, vocab=20, begin=0, end=1)


def model() -> Ar:
    torch.manual_seed(0)
    made = Ar(ArConfig(width=16, depth=1, heads=2), SPEC, {}).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.5)
    return made.requires_grad_(False)


MODEL = model()
ENDLESS = Tokens(length=24, vocab=20, begin=0)


@contextmanager
def running(*lanes: Lane, queue: int = 256) -> Iterator[Engine]:
    engine = Engine({lane.name: lane for lane in lanes}, queue=queue, threads=1)
    try:
        yield engine
    finally:
        engine.stop()
        assert not engine.alive


def writing(seed: int, *prompt: int, rows: int = 1, length: int = 12, **more: object) -> Writing:
    options = SampleOptions(length=length, temperature=1.5)
    return Writing(torch.tensor([0, *prompt]), rows, seed, options, **more)  # type: ignore[arg-type]


def solo(work: Writing) -> list[list[int]]:
    found = complete(
        MODEL,
        [work.prompt] * work.rows,
        generators(work.seed, 0, work.rows),
        work.options,
        spec=SPEC,
    )
    return [one.tokens for one in found]


async def written(engine: Engine, work: Writing, pause: float = 0.0) -> list[list[int]]:
    await asyncio.sleep(pause)
    pieces = await engine.submit("texts", work).all()
    return [piece.done.tokens for piece in sorted(pieces) if piece.done is not None]


def test_rows_that_come_and_go_write_what_they_write_alone() -> None:
    works = [
        writing(seed, *range(2, 2 + seed % 9), rows=1 + seed % 3, length=4 + seed % 17)
        for seed in range(40)
    ]

    async def all_() -> list[list[list[int]]]:
        with running(TextLane("texts", MODEL, SPEC, rows=8, prefill=12)) as engine:
            return await asyncio.gather(
                *(written(engine, work, 0.002 * (index % 7)) for index, work in enumerate(works))
            )

    assert asyncio.run(all_()) == [solo(work) for work in works]


def test_a_stream_has_every_token_once_and_looks_when_asked() -> None:
    async def pieces() -> list[Piece]:
        with running(TextLane("texts", MODEL, SPEC)) as engine:
            ticket = engine.submit(
                "texts", writing(3, 5, rows=3, length=20, stream=True, top_logprobs=2)
            )
            return await ticket.all()

    found = asyncio.run(pieces())
    for row, expected in enumerate(solo(writing(3, 5, rows=3, length=20))):
        own = [piece for piece in found if piece.row == row]
        assert [token for piece in own for token in piece.tokens] == expected
        logprobs = [entry for piece in own for entry in piece.logprobs]
        assert [entry.token for entry in logprobs][: len(expected)] == expected and all(
            len(entry.likeliest) == 2 for entry in logprobs
        )
        assert [piece.done is not None for piece in own] == [False] * (len(own) - 1) + [True]


class Slow(Lane):
    """Turns of a given length; work is a number of turns."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.seconds, self.turns = seconds, 0
        self.gate = threading.Event()
        self.gate.set()

    def turn(self) -> None:
        self.gate.wait(5)
        time.sleep(self.seconds)
        self.turns += 1
        ticket = next(iter(self.waiting), None)
        if ticket is None:
            return
        ticket.started = True
        ticket.work -= 1
        if ticket.gone or not ticket.work:
            self.next()
            ticket.put("done")
            ticket.finish()

    def fail(self, error: Exception) -> None:
        raise AssertionError from error


def test_lanes_share_the_time_and_not_the_turns() -> None:
    async def shared() -> tuple[Slow, Slow]:
        long, short = Slow("long", 0.02), Slow("short", 0.002)
        with running(long, short) as engine:
            first, other = engine.submit("long", 1000), engine.submit("short", 10_000)
            await asyncio.sleep(0.5)
            first.cancel()
            other.cancel()
            return long, short

    long, short = asyncio.run(shared())
    assert (
        abs(long.computed - short.computed) < 0.25 * long.computed + 0.05
        and short.turns > 2 * long.turns
    )


def test_a_full_queue_refuses_and_a_place_that_is_given_up_is_free() -> None:
    async def story() -> None:
        lane = Slow("slow", 0.0)
        lane.gate.clear()
        with running(lane, queue=3) as engine:
            tickets = [engine.submit("slow", 1) for _ in range(3)]
            with pytest.raises(Busy) as caught:
                engine.submit("slow", 1)
            assert caught.value.seconds >= 1 and engine.refused == 1
            tickets[1].cancel()
            tickets.append(engine.submit("slow", 1))
            lane.gate.set()
            assert [await ticket.all() for ticket in (tickets[0], tickets[2], tickets[3])] == [
                ["done"]
            ] * 3
            engine.draining = True
            with pytest.raises(Stopping):
                engine.submit("slow", 1)

    asyncio.run(story())


def test_whoever_leaves_frees_the_row() -> None:
    async def story() -> None:
        lane = TextLane("texts", MODEL, ENDLESS, rows=2)
        with running(lane) as engine:
            long = engine.submit("texts", writing(1, 2, rows=2, length=100_000))
            other = engine.submit("texts", writing(2, 3, length=3))
            while not lane.live:
                await asyncio.sleep(0.001)
            assert lane.live == 2 and not other.started
            long.cancel()
            assert await asyncio.wait_for(other.all(), 5)
            while not engine.idle:
                await asyncio.sleep(0.001)
            assert lane.live == 0 and engine.cancelled == 1

    asyncio.run(story())


def test_deadlines_before_and_after_the_start() -> None:
    async def story() -> None:
        with running(TextLane("texts", MODEL, ENDLESS, rows=1)) as engine:
            first = engine.submit("texts", writing(1, 2, length=10**6), seconds=0.2)
            second = engine.submit("texts", writing(1, 2), seconds=0.1)
            with pytest.raises(Busy):
                await second.all()
            with pytest.raises(Late):
                await first.all()
            while not engine.idle:
                await asyncio.sleep(0.001)
            assert engine.cancelled == 2

    asyncio.run(story())


def test_errors_stay_with_who_made_them() -> None:
    class Never:
        """A grammar that cannot be completed in time."""

        def start(self) -> int:
            return 0

        def distance(self, state: int) -> int:
            return 1000

    async def story() -> None:
        lane, calls = TextLane("texts", MODEL, SPEC), CallLane("calls")
        with running(lane, calls) as engine:
            good = asyncio.create_task(written(engine, writing(1, 2, length=200)))
            with pytest.raises(RecipeError, match="needs at least 1000 tokens"):
                await engine.submit("texts", writing(1, 2, grammar=Never())).all()
            with pytest.raises(ZeroDivisionError):
                await engine.submit("calls", lambda: 1 // 0).all()
            assert await engine.submit("calls", lambda: 6 * 7).all() == [42]
            assert await good == solo(writing(1, 2, length=200))

    asyncio.run(story())


def test_a_model_of_nan_fails_its_requests_and_nothing_else() -> None:
    broken = model()
    broken.network.embedding.weight.fill_(float("nan"))

    async def story() -> None:
        with running(TextLane("texts", MODEL, SPEC), TextLane("broken", broken, SPEC)) as engine:
            with pytest.raises(TrainingError, match="not finite"):
                await engine.submit("broken", writing(1, 2)).all()
            assert engine.lanes["broken"].live == 0
            assert await written(engine, writing(1, 2)) == solo(writing(1, 2))

    asyncio.run(story())


def test_pictures_of_several_requests_are_computed_together() -> None:
    torch.manual_seed(0)
    vae = (
        Vae(VaeConfig(width=8), Dense((1, 8, 8)), {"label": Classes(("a", "b", "c"))})
        .eval()
        .requires_grad_(False)
    )
    works = [
        Drawing(5, 1, SampleOptions()),
        Drawing(20, 2, SampleOptions(), first=3, cond={"label": "b"}),
        Drawing(2, 3, SampleOptions(0.5)),
    ]

    async def story() -> list[list]:
        lane = DenseLane("pictures", vae, together=16)
        hold = Slow("hold", 0.05)
        with running(hold, lane) as engine:
            engine.submit("hold", 1)
            return await asyncio.gather(*(engine.submit("pictures", work).all() for work in works))

    for work, drawn in zip(works, asyncio.run(story()), strict=True):
        assert [one.number for one in drawn] == [*range(work.first, work.first + work.rows)]
        straight = draw(vae, work.seed, work.first, work.rows, work.cond, work.options)
        for one, expected in zip(drawn, straight, strict=True):
            torch.testing.assert_close(one.x, expected, atol=1e-4, rtol=0)
            # A block of the same shape, all of this seed, gives the same bits: what `reproduce`
            # relies on.
            block = draw_block(
                vae, [Stretch(work.seed, one.number - one.row, one.rows, work.cond)], work.options
            )
            assert torch.equal(block[one.row], one.x)
    first, second = asyncio.run(story())[:2]
    assert {one.rows for one in first} == {16} and [one.rows for one in second] == [16] * 11 + [
        9
    ] * 9


def test_packed_layers_give_what_plain_ones_give() -> None:
    packed = model()
    assert pack(packed) == 4  # qkv, out, into, out of one block
    for rows in (1, 3, 4, 17):
        x = torch.randn(rows, 16, generator=torch.Generator().manual_seed(rows))
        plain, own = MODEL.network.blocks[0].attention.qkv, packed.network.blocks[0].attention.qkv
        torch.testing.assert_close(own(x), plain(x), atol=1e-5, rtol=1e-5)
        assert rows >= 4 or torch.equal(own(x), plain(x))
        assert torch.equal(own(x[None]), plain(x[None]))
    lane_of = TextLane("texts", packed, SPEC)

    async def story() -> list[list[list[int]]]:
        with running(lane_of) as engine:
            return await asyncio.gather(
                *(written(engine, writing(seed, 3, length=20)) for seed in range(12))
            )

    assert asyncio.run(story()) == [solo(writing(seed, 3, length=20)) for seed in range(12)]


# Faults -------------------------------------------------------------------------------------------


def raising(*_: object, **__: object) -> None:
    raise ZeroDivisionError("injected")


def endless(seed: int) -> Writing:
    return Writing(torch.tensor([0, 2 + seed]), 1, seed, SampleOptions(length=2000), banned=(1,))


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [(Ar, "prefill", 5), (Memory, "join", 4), (lanes, "generators", 5), (lanes, "condition", 5)],
)
def test_a_request_that_cannot_join_ends_alone(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int
) -> None:
    """Rows of other requests go on to their last token. All join in one turn; the fifth raises."""
    works = [writing(seed, 3, length=20) for seed in range(6)]
    real, calls = getattr(owner, name), [0]

    def fifth(*arguments: object, **more: object) -> object:
        calls[0] += 1
        return raising() if calls[0] == call else real(*arguments, **more)

    async def story() -> None:
        hold, lane = Slow("hold", 0.05), TextLane("texts", MODEL, SPEC)
        with running(hold, lane) as engine:
            engine.submit("hold", 1)
            monkeypatch.setattr(owner, name, fifth)
            found = await asyncio.gather(
                *(written(engine, work) for work in works), return_exceptions=True
            )
            assert isinstance(found.pop(4), ZeroDivisionError)
            assert found == [solo(work) for work in works[:4] + works[5:]] and not engine.failing

    asyncio.run(story())


def test_a_batch_that_breaks_ends_its_requests_and_the_lane_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "AGAIN", 0.02)

    async def story() -> None:
        lane = TextLane("texts", MODEL, SPEC)
        with running(lane) as engine:
            with monkeypatch.context() as patch:
                patch.setattr(Ar, "step", raising)
                tickets = [engine.submit("texts", endless(seed)) for seed in range(3)]
                for ticket in tickets:
                    with pytest.raises(ZeroDivisionError):
                        await ticket.all()
                patch.setattr(Ar, "prefill", raising)
                await asyncio.sleep(0.1)
                assert engine.failing == ("texts",) and engine.alive and lane.live == 0, (
                    "its smallest computation fails, too"
                )
            while engine.failing:  # nobody asks: it tries by itself
                await asyncio.sleep(0.01)
            assert await written(engine, writing(1, 3)) == solo(writing(1, 3))

    asyncio.run(story())


def test_a_turn_that_does_not_end_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "STALLED", 0.05)

    async def story() -> None:
        lane = Slow("slow", 0.0)
        lane.gate.clear()
        with running(lane) as engine:
            ticket = engine.submit("slow", 1)
            while not engine.failing:
                await asyncio.sleep(0.01)
            lane.gate.set()
            await ticket.all()
            assert not engine.failing

    asyncio.run(story())


class Trap:
    """A grammar that lets everything through and raises at the third token, or when it is asked
    what may come.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def start(self) -> int:
        return 0

    def allowed(self, state: int) -> torch.Tensor:
        if self.where == "allowed" and state == 2:
            raise MemoryError("injected")
        return torch.ones(SPEC.vocab, dtype=torch.bool)

    def advance(self, state: int, token: int) -> int:
        if self.where == "advance" and state == 2:
            raise MemoryError("injected")
        return state + 1


@pytest.mark.parametrize("where", ["allowed", "advance", "stop"])
def test_a_row_whose_rules_raise_ends_its_request_and_no_other(where: str) -> None:
    def stop(tokens: list[int]) -> None:
        if where == "stop" and len(tokens) == 2:
            raise MemoryError("injected")

    async def story() -> None:
        lane = TextLane("texts", MODEL, SPEC)
        with running(lane) as engine:
            good = [
                asyncio.create_task(written(engine, writing(seed, 3, length=20)))
                for seed in range(3)
            ]
            bad = engine.submit(
                "texts", replace(writing(5, 3, rows=3), grammar=Trap(where), stop=stop)
            )
            with pytest.raises(MemoryError):
                await bad.all()
            assert [await one for one in good] == [
                solo(writing(seed, 3, length=20)) for seed in range(3)
            ] and lane.live == 0

    asyncio.run(story())


def test_of_pictures_that_fail_together_only_the_bad_ones_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vae = (
        Vae(VaeConfig(width=8), Dense((1, 8, 8)), {"label": Classes(("a", "b"))})
        .eval()
        .requires_grad_(False)
    )
    real = Vae.sample

    def sample(self: Vae, rngs: list, cond: dict, options: SampleOptions) -> torch.Tensor:
        if bool((cond["label"] == 1).any()):
            raise ZeroDivisionError("injected")
        return real(self, rngs, cond, options)

    monkeypatch.setattr(Vae, "sample", sample)

    async def story() -> None:
        hold, lane = Slow("hold", 0.05), DenseLane("pictures", vae)
        with running(hold, lane) as engine:
            engine.submit("hold", 1)
            tickets = [
                engine.submit(
                    "pictures", Drawing(2, seed, SampleOptions(), cond={"label": seed % 2})
                )
                for seed in range(4)
            ]
            for seed, ticket in enumerate(tickets):
                if seed % 2:
                    with pytest.raises(ZeroDivisionError):
                        await ticket.all()
                else:
                    assert len(await ticket.all()) == 2
            assert not lane.waiting

    asyncio.run(story())


def test_tokens_are_counted_for_who_used_them() -> None:
    async def story() -> None:
        with running(TextLane("texts", MODEL, SPEC)) as engine:
            whole = engine.submit("texts", writing(3, 2, 3, 4, rows=2, length=10))
            pieces = await whole.all()
            assert whole.used == 3 + sum(len(piece.done.tokens) for piece in pieces)
            left = engine.submit("texts", endless(1))
            while left.used < 5:
                await asyncio.sleep(0)
            left.cancel()
            await asyncio.sleep(0.05)
            assert 5 <= left.used < 2001

    asyncio.run(story())


def test_what_rows_remembered_is_given_back_without_looking_for_circles() -> None:
    """A circle of references keeps its tensors until Python counts enough objects, however large
    they are.
    """
    decoder = Decoder(MODEL, ENDLESS)
    gc.collect()
    before = sum(type(one) is Memory for one in gc.get_objects())
    gc.disable()
    try:
        for seed in range(30):  # alone, together, and prefilled anew
            decoder.add(
                [torch.tensor([0, 3])] * (1 + seed % 3),
                generators(seed, 0, 1 + seed % 3),
                SampleOptions(length=5 + seed),
            )
            for _ in range(3 + seed % 9):
                decoder.step()
        while decoder.live:
            decoder.step()
        alive = sum(type(one) is Memory for one in gc.get_objects())
    finally:
        gc.enable()
    assert alive == before
