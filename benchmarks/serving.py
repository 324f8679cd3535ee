"""The server: how soon it is there, what two hundred clients get, and tokens per second beside
`transformers serve`.

    python benchmarks/serving.py --peer FOLDER
        # FOLDER: pip install --no-deps --target FOLDER accelerate psutil; about 10 minutes
    python benchmarks/serving.py --memory
        # 300 mixed clients for ten minutes; writes serving_memory.json
    python benchmarks/serving.py --quick
        # a smoke test without the peer: half a minute, writes nothing

Parts, all over HTTP on this machine, servers in processes of their own with one computing thread:

start   seconds from the end of the imports until the address answers, and resident memory, with one
        run of texts and one of pictures.
crowd   200 clients for a minute, three in four ask for streamed texts, one for pictures. Every
        request must end whole or as 429. Each whole text is compared with what the run writes for
        the same seed alone: with other rows beside it the last bit of a logit may differ, and then
        a draw that falls on a border may go to the other side. Memory is read every second.
peer    the same model, exported, behind `transformers serve --continuous-batching`: 1 and 16
        clients, greedy, the same prompts and lengths, streamed, in turn round by round. How many
        texts are the same is noted: it shows that both did the same work.
memory  by itself, with --memory: 300 clients of every kind, one in four of whom hangs up in the
        middle (mixed_load.py). Resident memory must level off: the mean of the last third within 3%
        of the third before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import castalia
from castalia.abilities import SampleOptions
from castalia.export.targets import export
from castalia.sampling.generate import Request, generate
from machine import spread, write_result
from mixed_load import PROMPTS, mixed_load, resident_mb

GOALS = {"ready_seconds": 2.0, "resident_mb": 700, "whole": 0.9, "times": 1.5, "growth": 0.03}
PEER = (
    "import sys; from transformers.cli.transformers import main; sys.argv[0] = "
    "'transformers'; main()"
)
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Answer(NamedTuple):
    status: int
    text: str
    tokens: int
    seconds: float


# Servers and a client -----------------------------------------------------------------------------


@contextmanager
def castalia_server(
    folder: Path, runs: Sequence[str], *more: str
) -> Iterator[tuple[int, int, str]]:
    """(port, process, what it printed)."""
    words = [
        sys.executable,
        "-m",
        "castalia",
        "serve",
        *runs,
        "--port",
        "0",
        "--threads",
        "1",
        *more,
    ]
    process = subprocess.Popen(
        words,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    )
    said = ""
    for line in process.stdout or ():
        said += line
        if "Ctrl-C" in line:
            break
    found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
    if found is None:
        raise SystemExit(f"the server did not start: {said}")
    try:
        yield int(found[1]), process.pid, said
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise SystemExit("the server did not end with 0")


@contextmanager
def peer_server(model: Path, packages: str) -> Iterator[int]:
    port = random.Random(os.getpid()).randrange(20_000, 30_000)
    words = [
        sys.executable,
        "-c",
        PEER,
        "serve",
        str(model),
        "--continuous-batching",
        "--device",
        "cpu",
        "--host",
        "127.0.0.1",
    ]
    environment = {**ENVIRONMENT, "PYTHONPATH": packages}
    process = subprocess.Popen(
        [*words, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        for _ in range(600):
            if asyncio.run(answers(port)) or process.poll() is not None:
                break
            time.sleep(0.2)
        yield port
    finally:
        process.kill()  # asked kindly, it waits for its worker for ever
        process.wait(60)


async def answers(port: int) -> bool:
    try:
        return (await call(port, "GET", "/health"))[0] == 200
    except OSError:
        return False


async def call(port: int, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    """One request by hand: a library's own work would count against both servers. HTTP/1.0, so an
    answer ends with its connection.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    data = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: "
        f"application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    found = await reader.read(-1)
    writer.close()
    before, _, rest = found.partition(b"\r\n\r\n")
    status = int(before.split(b" ", 2)[1]) if before else 0
    return status, unchunked(rest) if b"transfer-encoding: chunked" in before.lower() else rest


def unchunked(data: bytes) -> bytes:
    """Some servers send chunks whatever the version."""
    parts = []
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        parts.append(data[:length])
        data = data[length + 2 :]
    return b"".join(parts)


async def stream(port: int, body: dict[str, Any]) -> Answer:
    begun = time.perf_counter()
    status, content = await call(port, "POST", "/v1/completions", {**body, "stream": True})
    seconds = time.perf_counter() - begun
    if status != 200:
        return Answer(status, content.decode(errors="replace")[:200], 0, seconds)
    text, tokens, whole = "", 0, False
    for line in content.decode().split("\n\n"):
        data = line.removeprefix("data: ").strip()
        if not data or data == "[DONE]":
            continue
        chunk = json.loads(data)
        for choice in chunk.get("choices", ()):
            text += choice["text"]
            whole = whole or choice.get("finish_reason") is not None
        tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
    return Answer(200 if whole else 0, text, tokens, seconds)


# The parts ----------------------------------------------------------------------------------------


def start(folder: Path, rounds: int) -> dict[str, Any]:
    ready, imports, memory = [], [], []
    for _ in range(rounds):
        with castalia_server(folder, ["plays", "clothes"]) as (port, pid, said):
            times = re.search(r"ready in ([\d.]+) s, after ([\d.]+) s", said)
            ready.append(float(times[1]))  # type: ignore[index]
            imports.append(float(times[2]))  # type: ignore[index]
            asyncio.run(stream(port, {"model": "plays", "prompt": "KING:", "max_tokens": 64}))
            asyncio.run(call(port, "POST", "/v1/images/generations", {"model": "clothes", "n": 16}))
            memory.append(resident_mb(pid))
    return {
        "ready_seconds": spread(ready, 2),
        "import_seconds": spread(imports, 2),
        "resident_mb": spread(memory, 0),
    }


def crowd(folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    texts: list[tuple[str, int, int, str]] = []
    memory: list[float] = []
    waits: list[float] = []

    async def client(port: int, number: int, until: float) -> None:
        choice, count = random.Random(number), 0
        while time.monotonic() < until:
            count += 1
            seed = number * 10_000 + count
            if choice.random() < 0.75:
                prompt, length = choice.choice(PROMPTS), choice.randrange(16, 97)
                found = await stream(
                    port, {"model": "plays", "prompt": prompt, "max_tokens": length, "seed": seed}
                )
                status = found.status
                if status == 200:
                    texts.append((prompt, length, seed, found.text))
                    waits.append(found.seconds)
            else:
                status, _ = await call(
                    port,
                    "POST",
                    "/v1/images/generations",
                    {"model": "clothes", "n": 2, "seed": seed},
                )
            outcomes["whole" if status == 200 else "429" if status == 429 else "other"] += 1
            if status == 429:
                await asyncio.sleep(1)

    async def watch(pid: int, until: float) -> None:
        while time.monotonic() < until:
            memory.append(resident_mb(pid))
            await asyncio.sleep(1)

    async def everyone(port: int, pid: int) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(
            watch(pid, until), *(client(port, number, until) for number in range(clients))
        )

    with castalia_server(folder, ["plays", "clothes"]) as (port, pid, _):
        asyncio.run(everyone(port, pid))
    run = castalia.open(folder / "plays")
    model = run.model()
    alone = [
        next(
            generate(
                run, Request(1, seed, {}, SampleOptions(length=length), prompt=prompt), model=model
            )
        ).item.removeprefix(prompt)
        for prompt, length, seed, _ in texts
    ]
    differing = sum(text != one for (*_, text), one in zip(texts, alone, strict=True))
    quarter = max(1, len(memory) // 4)
    early, late = (
        statistics.median(memory[quarter : 2 * quarter] or memory),
        statistics.median(memory[-quarter:]),
    )
    return {
        "clients": clients,
        "seconds": seconds,
        "outcomes": dict(outcomes),
        "whole": round(outcomes["whole"] / max(1, outcomes.total()), 4),
        "texts": len(texts),
        "text_seconds": spread(waits, 2),
        "texts_that_differ": differing,
        "memory_mb": [round(value) for value in memory[:: max(1, len(memory) // 12)]],
        "memory_growth": round(late / early - 1, 4),
    }


def memory(folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    with castalia_server(folder, ["plays", "clothes"]) as (port, pid, _):
        _, picture = asyncio.run(
            call(port, "POST", "/api/generate", {"run": "clothes", "format": "file", "seed": 1})
        )
        return mixed_load(port, pid, "plays", "clothes", picture, clients, seconds)


def beside_peer(
    folder: Path, packages: str, rounds: int, each: dict[int, int], new: int
) -> dict[str, Any]:
    model = folder / "exported"
    export(castalia.open(folder / "plays"), "transformers", model)
    results: dict[str, Any] = {
        "versions": {name: version(name) for name in ("transformers", "uvicorn", "fastapi")},
        "new_tokens": new,
    }
    with castalia_server(folder, ["plays"]) as (ours, *_), peer_server(model, packages) as theirs:
        said: dict[str, dict[tuple[int, int], str]] = {"castalia": {}, "transformers": {}}

        async def together(
            port: int, name: str, body: dict[str, Any], clients: int, count: int
        ) -> float:
            async def one(number: int) -> int:
                tokens = 0
                for turn in range(count):
                    prompt = PROMPTS[(number + turn) % len(PROMPTS)]
                    found = await stream(
                        port, {**body, "prompt": prompt, "max_tokens": new, "temperature": 0.0}
                    )
                    if found.status != 200 or found.tokens != new:
                        raise SystemExit(f"{name}: {found}")
                    said[name][number, turn] = found.text
                    tokens += found.tokens
                return tokens

            begun = time.perf_counter()
            total = sum(await asyncio.gather(*(one(number) for number in range(clients))))
            return total / (time.perf_counter() - begun)

        bodies = {
            "castalia": (ours, {"model": "plays", "stream_options": {"include_usage": True}}),
            "transformers": (theirs, {"model": str(model)}),
        }
        for name, (port, body) in bodies.items():  # its first request takes half a minute
            asyncio.run(together(port, name, body, 2, 2))
        for clients, count in each.items():
            speeds: dict[str, list[float]] = {name: [] for name in bodies}
            for _ in range(rounds):
                for name, (port, body) in bodies.items():
                    speeds[name].append(asyncio.run(together(port, name, body, clients, count)))
            times = [
                mine / their
                for mine, their in zip(speeds["castalia"], speeds["transformers"], strict=True)
            ]
            same = [said["castalia"][key] == said["transformers"][key] for key in said["castalia"]]
            results[str(clients)] = {
                "tokens_per_second": {name: spread(values, 0) for name, values in speeds.items()},
                "times": spread(times, 2),
                "same_texts": f"{sum(same)} of {len(same)}",
                "reached": statistics.median(times) >= GOALS["times"],
            }
            print(clients, results[str(clients)], file=sys.stderr)
    return results


def trained(folder: Path, quick: bool) -> None:
    """`plays` has no token that ends a text, so every text is as long as asked for."""
    steps, threads = ("training.steps=4" if quick else "training.steps=60"), "training.threads=1"
    castalia.train(
        "text/ar",
        "builtin/shakespeare",
        [steps, threads, "codec.close=false", "training.sample_every=0"],
        out=folder / "plays",
    )
    castalia.train(
        "image/vae",
        "builtin/fashion",
        ["training.steps=20", threads, "training.sample_every=0"],
        out=folder / "clothes",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="folder with accelerate, which `transformers serve` wants")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds of each part; writes nothing"
    )
    parser.add_argument(
        "--memory", action="store_true", help="only memory under mixed clients, ten minutes"
    )
    options = parser.parse_args()
    quick = options.quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trained(folder, quick)
        if options.memory or quick:
            found = memory(folder, 20 if quick else 300, 5 if quick else 600)
            print("memory", found, file=sys.stderr)
            if any(status.startswith("5") for status in found["outcomes"]):
                raise SystemExit("a request met a bug")
            if options.memory and not quick:
                write_result(
                    "serving_memory",
                    {
                        "goal": GOALS["growth"],
                        "memory": found,
                        "reached": abs(found["growth"]) <= GOALS["growth"],
                    },
                )
                return
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "start": lambda: start(folder, 1 if quick else 5),
            "crowd": lambda: crowd(folder, 20 if quick else 200, 3 if quick else 60),
        }
        if options.peer:
            each = {1: 2, 16: 1} if quick else {1: 12, 16: 6}
            parts["peer"] = lambda: beside_peer(
                folder, options.peer, 1 if quick else options.rounds, each, 64
            )
        results: dict[str, Any] = {"goals": GOALS}
        for part, measure in parts.items():
            results[part] = measure()
            print(part, results[part], file=sys.stderr)
    if results["crowd"]["outcomes"].get("other"):
        raise SystemExit("a request ended neither whole nor as 429")
    if not quick:
        write_result("serving", results)


if __name__ == "__main__":
    main()
