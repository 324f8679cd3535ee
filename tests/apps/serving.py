"""A server of tiny runs on a free port: in a thread of this process, which saves importing torch
again.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI

from castalia.governance.policy import Policy
from castalia.serving import server
from castalia.serving.app import lanes_of, make_app
from castalia.serving.engine import Engine
from castalia.serving.loaded_runs import Table, open_runs
from castalia.serving.rate_limits import Keys, Limits
from tests.apps.command import TINY, inside
from tests.texts import SHORT, conversations, corpus


def trained(folder: Path) -> Path:
    """Runs `words` (English and Chinese, with marks for the middle), `digits` (a VAE with classes)
    and `clothes` (a GAN).
    """
    corpus(folder / "texts", files=10, language="zh")
    corpus(folder / "more", files=6)
    for path in (folder / "more").iterdir():
        path.rename(folder / "texts" / f"en-{path.name}")
    inside(
        "train",
        "text/ar",
        "texts",
        *SHORT,
        "training.steps=30",
        "codec.fill_middle=true",
        "--out",
        "words",
        cwd=folder,
    )
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "digits", cwd=folder)
    inside(
        "train",
        "image/gan",
        "builtin/digits",
        *TINY,
        "data.conditional=false",
        "--out",
        "clothes",
        cwd=folder,
    )
    return folder


def talking(folder: Path) -> Path:
    """A run `talks`, tuned on conversations from one of texts that knew no roles."""
    corpus(folder / "plain", files=10, language="zh")
    conversations(folder / "talks.jsonl")
    more = [
        "training.steps=30",
        "codec.length=64",
        "family.width=16",
        "family.depth=1",
        "family.heads=2",
        "training.threads=1",
    ]
    inside(
        "train", "text/ar", "plain", *more, "training.sample_every=0", "--out", "texts", cwd=folder
    )
    inside(
        "train",
        "text/chat",
        "talks.jsonl",
        "start_from=texts",
        "training.steps=40",
        "training.threads=1",
        "--out",
        "talks",
        cwd=folder,
    )
    return folder / "talks"


@dataclass
class Running:
    address: str
    engine: Engine
    table: Table

    @property
    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.address}/v1", api_key="none", max_retries=0)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return (
            httpx.post(self.address + path, json=body, timeout=30, **more)
            if body is not None
            else httpx.post(self.address + path, **more)
        )

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.address + path, timeout=30, **more)

    def raw(self, data: bytes, seconds: float = 5.0) -> bytes:
        """Bytes as they are; what comes back until the server closes or `seconds` are over."""
        host, _, port = self.address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=seconds) as line:
            line.sendall(data)
            found = b""
            try:
                while part := line.recv(1 << 16):
                    found += part
            except TimeoutError:
                pass
        return found


@contextmanager
def serving(
    *runs: Path,
    limits: Limits | None = None,
    keys: Keys | None = None,
    policy: Policy | None = None,
    queue: int = 256,
    **more: Any,
) -> Iterator[Running]:
    table = open_runs([str(run) for run in runs], policy=policy)
    engine = Engine(lanes_of(table), queue=queue, threads=1)
    limits = limits or Limits(patience=5)
    app = make_app(
        table,
        engine,
        limits=limits,
        keys=keys,
        hosts=server.hosts_for("127.0.0.1"),
        open_metrics=True,
        **more,
    )
    address: list[str] = []
    up = threading.Event()

    def ready(found: str) -> None:
        address.append(found)
        up.set()

    thread = threading.Thread(
        target=lambda: server.serve(
            app, engine, port=0, drain=5, patience=limits.patience, ready=ready
        ),
        name="server",
        daemon=True,
    )
    thread.start()
    assert up.wait(20)
    try:
        yield Running(address[0], engine, table)
    finally:
        engine.draining = True
        thread.join(20)
        assert not thread.is_alive()


def events(text: str) -> list[Any]:
    """The data of server-sent events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]
