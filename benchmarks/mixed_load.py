"""Clients of every kind against one server, many of whom leave in the middle: what its memory does
meanwhile.

Each client picks a request by chance: texts whole and streamed, constrained, with
log-probabilities, chats' like; pictures, vectors, scores, edits, pages, and requests that make no
sense. One in four hangs up: before its body is whole, before the answer, or in the middle of a
stream, and all do at the end. Resident memory is read once a second; `growth` compares the last
third of the time with the third before it, `slope` the two halves of the last third.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROMPTS = [
    "KING:",
    "ROMEO:",
    "First Citizen:\n",
    "What is ",
    "O, ",
    "My lord, ",
    "The ",
    "I will not ",
]
LEAVES = 0.25  # share of requests whose client hangs up
Asked = tuple[str, str, bytes, str]  # method, path, body, content type


def resident_mb(pid: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024  # type: ignore[index]


def requests(texts: str, pictures: str, picture: bytes) -> list[Callable[[random.Random], Asked]]:
    """What a client may ask for, given the names of two runs and the bytes of a picture."""

    def posted(path: str, body: Any) -> Asked:
        return "POST", path, json.dumps(body).encode(), "application/json"

    def completion(choice: random.Random, **more: Any) -> Asked:
        body = {
            "model": texts,
            "prompt": choice.choice(PROMPTS),
            "max_tokens": choice.randrange(4, 160),
            "seed": choice.randrange(10**9),
        }
        return posted("/v1/completions", {**body, **more})

    def edited(choice: random.Random) -> Asked:
        line, fields = (
            "--edge\r\nContent-Disposition: form-data; name=",
            {"run": pictures, "kind": "vary", "steps": "2"},
        )
        form = "".join(f'{line}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        file = f'{line}"inputs"; filename="a.png"\r\n\r\n'.encode() + picture + b"\r\n--edge--\r\n"
        return "POST", "/api/edit", form.encode() + file, "multipart/form-data; boundary=edge"

    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    return [
        lambda choice: completion(choice, stream=True),
        lambda choice: completion(choice, stream=True, n=choice.randrange(1, 5)),
        lambda choice: completion(choice),
        lambda choice: completion(choice, logprobs=5, echo=True),
        lambda choice: completion(choice, constraint=f"regex:[a-z ]{{{choice.randrange(2, 60)}}}"),
        lambda choice: completion(
            choice, temperature=0.8, top_p=0.9, frequency_penalty=0.5, stop=["\n"]
        ),
        lambda choice: posted(
            "/v1/images/generations", {"model": pictures, "n": choice.randrange(1, 5)}
        ),
        lambda choice: posted(
            "/v1/embeddings", {"model": pictures, "input": [uri] * choice.randrange(1, 5)}
        ),
        lambda choice: posted(
            "/api/score", {"run": texts, "items": [choice.choice(PROMPTS) * choice.randrange(1, 9)]}
        ),
        edited,
        lambda choice: (
            "GET",
            choice.choice(["/", "/v1/models", "/metrics", f"/api/schema/{texts}", "/nothing"]),
            b"",
            "",
        ),
        lambda choice: completion(choice, top_k=-choice.randrange(10**6)),
        lambda choice: (
            "POST",
            "/v1/completions",
            b"[" * choice.randrange(1, 5000),
            "application/json",
        ),
    ]


async def ask(port: int, asked: Asked, leaves: float) -> str:
    """The status, or "left". leaves: seconds after which the client hangs up; below 0: before its
    body is whole.
    """
    method, path, body, kind = asked
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        f"{kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        if leaves < 0:
            writer.write(head.encode() + body[: len(body) // 2])
            await writer.drain()
            return "left"
        writer.write(head.encode() + body)
        try:
            async with asyncio.timeout(leaves):
                answer = await reader.read(-1)
        except TimeoutError:
            return "left"
        return answer.split(b" ", 2)[1].decode() if answer else "closed"
    finally:
        writer.close()


def mixed_load(
    port: int, pid: int, texts: str, pictures: str, picture: bytes, clients: int, seconds: float
) -> dict[str, Any]:
    """Outcomes of all requests, and the server's memory in thirds of the time."""
    outcomes: Counter[str] = Counter()
    memory: list[float] = []
    kinds = requests(texts, pictures, picture)

    async def client(number: int, until: float) -> None:
        choice = random.Random(number)
        while time.monotonic() < until:
            left = until - time.monotonic()
            leaves = min(left, choice.uniform(-0.3, 1.0)) if choice.random() < LEAVES else left
            try:
                outcome = await ask(port, choice.choice(kinds)(choice), leaves)
            except OSError:
                outcome = "refused"
            outcomes[outcome] += 1
            if outcome == "429":
                await asyncio.sleep(choice.uniform(0.5, 1.5))

    async def watch(until: float) -> None:
        while time.monotonic() < until:
            memory.append(resident_mb(pid))
            await asyncio.sleep(1)

    async def everyone() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(watch(until), *(client(number, until) for number in range(clients)))

    asyncio.run(everyone())
    third = max(2, len(memory) // 3)
    first, middle, last = memory[:third], memory[-2 * third : -third], memory[-third:]
    half = third // 2
    return {
        "clients": clients,
        "seconds": seconds,
        "leave_in_the_middle": LEAVES,
        "outcomes": dict(sorted(outcomes.items())),
        "memory_mb": [round(value) for value in memory[:: max(1, len(memory) // 30)]],
        "thirds_mb": [round(statistics.mean(part), 1) for part in (first, middle or first, last)],
        "growth": round(statistics.mean(last) / statistics.mean(middle or first) - 1, 4),
        "slope": round(statistics.mean(last[half:]) / statistics.mean(last[:half]) - 1, 4),
    }
