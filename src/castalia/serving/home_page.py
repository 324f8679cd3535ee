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
from html import escape
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response

import castalia
from castalia.language import Voice, say
from castalia.serving.error_bodies import Json
from castalia.serving.loaded_runs import FEATURES, Hosted, Table

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5a6477; --line: #d9dee7; --back: #fbfcfe; --card: #fff; --code: #f1f4f9; --mark: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #a3adbf; --line: #323a49; --back: #12161d; --card: #1a2029; --code: #0d1117; --mark: #8ab4f8; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--back); color: var(--ink);
  font: 1rem/1.55 system-ui, "Noto Sans", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 0; }
a { color: var(--mark); }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
.runs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .8rem; }
.run { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; min-width: 0; }
ul { margin: .4rem 0 0; padding-left: 1.2rem; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: .4rem 0; overflow-x: auto;
  white-space: pre-wrap; font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .35rem .5rem .35rem 0; vertical-align: top; }
code { font: .875rem ui-monospace, Menlo, Consolas, monospace; }
"""
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
ADDRESSES = (
    ("POST /v1/completions", say("texts, whole or as a stream")),
    ("POST /v1/chat/completions", say("replies in a conversation")),
    ("POST /v1/images/generations", say("pictures")),
    ("POST /v1/embeddings", say("vectors of items")),
    ("POST /api/generate", say("items of any kind")),
    ("POST /api/edit", say("walks, variants and filled gaps")),
    ("POST /api/score", say("how likely items are")),
    ("GET /v1/models, /api/runs, /api/schema/RUN", say("what is here, and what it takes")),
    ("GET /healthz, /readyz, /metrics", say("for whoever runs the server")),
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
    voice = Voice(lang if lang in ("en", "zh") else preferred(headers.get("accept-language", "")))
    host = headers.get("host", "")
    address = (
        f"{scheme}://{host}"
        if re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", host)
        else "http://ADDRESS"
    )
    content = _page(voice, shown, address, keyed, known)
    more = {
        "vary": "accept, accept-language",
        "content-security-policy": POLICY,
        "content-language": voice.language,
    }
    return HTMLResponse(content, headers=more)


def preferred(header: str) -> str:
    """ "zh" where an Accept-Language header prefers Chinese to English, else "en"."""
    best = {"zh": 0.0, "en": 0.0}
    for part in header[:1000].split(","):
        name, _, more = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", more)
        language = name.strip().lower().partition("-")[0]
        if language in best:
            best[language] = max(
                best[language], float(quality[1]) if quality else 1.0 if not more else 0.0
            )
    return "zh" if best["zh"] > best["en"] else "en"


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
    return shlex.join([*words, "-d", json.dumps(body, ensure_ascii=False)])


def python(one: Hosted, address: str, *, keyed: bool) -> str:
    """The same with OpenAI's client; empty for a run that it has no words for."""
    path, body = request_for(one)
    calls = {
        "/v1/chat/completions": ("chat.completions.create", ".choices[0].message.content"),
        "/v1/completions": ("completions.create", ".choices[0].text"),
        "/v1/images/generations": ("images.generate", ".data[0].b64_json[:40]"),
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
    other, name = ("en", "English") if voice.language == "zh" else ("zh", "中文")
    parts = [
        f"<header><h1>Castalia</h1><a href='/?lang={other}' lang='{other}'>{name}</a></header>",
        "<p "
        f"class='soft'>{escape(voice.say('This server answers requests with trained models, in the words of the OpenAI API.'))}</p>",
    ]
    if keyed:
        parts.append(
            f"<p>{escape(voice.say('It wants a key, in the header Authorization: Bearer KEY.'))}</p>"
        )
    if known:
        parts += [
            f"<h2>{escape(voice.say('Runs'))}</h2><div class='runs'>",
            *(_card(voice, one) for one in shown),
            "</div>",
        ]
    if shown:
        parts.append(f"<h2>{escape(voice.say('How to call it'))}</h2>")
        parts += [f"<pre>{escape(curl(one, address, keyed=keyed))}</pre>" for one in shown[:3]]
        parts += [
            f"<pre>{escape(text)}</pre>"
            for text in [python(one, address, keyed=keyed) for one in shown][:1]
            if text
        ]
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{escape(voice(meaning))}</td></tr>"
        for path, meaning in ADDRESSES
    )
    parts.append(f"<h2>{escape(voice.say('Addresses'))}</h2><table>{rows}</table>")
    parts.append(
        "<p><a href='/openapi.json'>/openapi.json</a>: "
        f"{escape(voice.say('every address and field, for programs.'))} "
        f"{escape(voice.say('The guide is docs/serve.md, in the folder docs of the source.'))}</p>"
        f"<p class='soft'>castalia {escape(castalia.__version__) if known else ''}</p>"
    )
    return (
        "<!doctype html><html "
        f"lang='{'zh-CN' if voice.language == 'zh' else 'en'}'><head><meta "
        "charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><meta "
        "name='robots' content='noindex'>"
        f"<title>Castalia</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _card(voice: Voice, one: Hosted) -> str:
    can = "".join(f"<li>{escape(voice(FEATURES[name][0]))}</li>" for name in one.features)
    classes = "".join(
        f"<p class='soft'>{escape(name)}: "
        f"{escape(', '.join(names[:12]))}{' …' if len(names) > 12 else ''}</p>"
        for name, names in one.classes.items()
    )
    return (
        f"<section class='run'><h3>{escape(one.name)}</h3><p "
        f"class='soft'>{escape(one.run.recipe.title)}</p><ul>{can}</ul>{classes}</section>"
    )
