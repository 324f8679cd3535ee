"""What stands at `/`: which runs are served, what each can do, and how to call it; a page for
browsers, JSON for programs.

The page is in English or Chinese (?lang=zh, else what the browser asks for), has no script, and
loads nothing. Whoever has no key where one is needed is told so, and no names of runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response

import castalia
from castalia.language import Voice, accepted, current, say
from castalia.pages.render import render, stylesheet
from castalia.serving.error_bodies import Json
from castalia.serving.loaded_runs import Hosted, Table

ADDRESSES = (
    ("POST /v1/completions", say("texts, whole or as a stream")),
    ("POST /v1/chat/completions", say("replies in a conversation")),
    ("POST /v1/images/generations", say("pictures")),
    ("POST /v1/audio/speech", say("texts said aloud")),
    ("POST /v1/embeddings", say("vectors of items")),
    ("POST /api/generate", say("items of any kind")),
    ("POST /api/edit", say("walks, variants and filled gaps")),
    ("POST /api/score", say("how likely items are")),
    ("GET /v1/models, /api/runs, /api/schema/RUN", say("what is here, and what it takes")),
    ("GET /healthz, /readyz, /metrics", say("for whoever runs the server")),
)


CLASSES = 12  # names of classes that a run's card lists


@cache
def policy() -> str:
    """The Content-Security-Policy of the page: its own stylesheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(stylesheet().encode()).digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"style-src 'sha256-{digest}'"
    )


def welcome(
    table: Table, headers: Headers, lang: str | None, scheme: str, *, keyed: bool, known: bool
) -> Response:
    """The answer to GET /. keyed: whether the server wants keys; known: whether this request has
    one, or needs none.
    """
    shown = tuple(table.runs.values()) if known else ()
    if "text/html" not in headers.get("accept", ""):
        about = {
            "name": "castalia",
            "key": "Authorization: Bearer KEY" if keyed else None,
            "runs": [one.about() for one in shown],
        }
        return Json({**about, "openapi": "/openapi.json"}, headers={"vary": "accept"})
    preferred = accepted(headers.get("accept-language", ""), current())
    voice = Voice(lang if lang in ("en", "zh") else preferred)
    host = headers.get("host", "")
    address = (
        f"{scheme}://{host}"
        if re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", host)
        else "http://ADDRESS"
    )
    content = _page(voice, shown, address, keyed, known)
    more = {
        "vary": "accept, accept-language",
        "content-security-policy": policy(),
        "content-language": voice.language,
    }
    return HTMLResponse(content, headers=more)


def request_for(one: Hosted) -> tuple[str, dict[str, Any]]:
    """The address and body of a request that this run answers."""
    if "chat" in one.features:
        return "/v1/chat/completions", {
            "model": one.name,
            "messages": [{"role": "user", "content": "你好"}],
        }
    if "completions" in one.features:
        return "/v1/completions", {"model": one.name, "prompt": "", "max_tokens": 60}
    if "images" in one.features:
        return "/v1/images/generations", {
            "model": one.name,
            "prompt": next((names[0] for names in one.classes.values()), ""),
            "n": 1,
        }
    if "speech" in one.features:
        return "/v1/audio/speech", {"model": one.name, "input": "hello", "voice": "default"}
    return "/api/generate", {"run": one.name, "n": 1}


def curl(one: Hosted, address: str, *, keyed: bool) -> str:
    """A curl line that works for this run."""
    path, body = request_for(one)
    words = [
        "curl",
        address + path,
        *(["-H", "Authorization: Bearer KEY"] if keyed else []),
        "-H",
        "Content-Type: application/json",
    ]
    words += ["-d", json.dumps(body, ensure_ascii=False)]
    if "speech" in one.features:  # the answer is a file
        words += ["--output", f"said{one.codec.suffix}"]
    return shlex.join(words)


def python(one: Hosted, address: str, *, keyed: bool) -> str:
    """The same with OpenAI's client; empty for a run that it has no words for."""
    path, body = request_for(one)
    calls = {
        "/v1/chat/completions": ("chat.completions.create", ".choices[0].message.content"),
        "/v1/completions": ("completions.create", ".choices[0].text"),
        "/v1/images/generations": ("images.generate", ".data[0].b64_json[:40]"),
        "/v1/audio/speech": ("audio.speech.create", ".content[:12]"),
    }
    if path not in calls:
        return ""
    call, part = calls[path]
    given = ", ".join(f"{name}={value!r}" for name, value in body.items())
    key = "KEY" if keyed else "none"
    lines = (
        "from openai import OpenAI",
        "",
        f'client = OpenAI(base_url="{address}/v1", api_key="{key}")',
        f"print(client.{call}({given}){part})",
    )
    return "\n".join(lines)


def _page(voice: Voice, shown: Sequence[Hosted], address: str, keyed: bool, known: bool) -> str:
    examples = [curl(one, address, keyed=keyed) for one in shown[:3]]
    examples += [text for one in shown[:1] if (text := python(one, address, keyed=keyed))]
    return render(
        "home.html.j2",
        voice.language,
        title="Castalia",
        other=("en", "en", "English") if voice.language == "zh" else ("zh", "zh-Hans", "中文"),
        keyed=keyed,
        known=known,
        runs=[
            {
                "name": one.name,
                "recipe": one.run.recipe.title,
                "abilities": [one.purpose(name) for name in one.features],
                "classes": list(one.classes.items()),
            }
            for one in shown
        ],
        listed=CLASSES,
        examples=examples,
        addresses=ADDRESSES,
        version=castalia.__version__ if known else "",
    )
