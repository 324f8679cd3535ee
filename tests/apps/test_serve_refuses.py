"""What must not break a server: poisonous requests, faults inside, foreign pages, spent limits,
full disks.
"""

from __future__ import annotations

import errno
import html
import json
import re
import shlex
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from castalia.errors import DataError, RecipeError, RunError
from castalia.governance import ledger
from castalia.language import using
from castalia.nn.decode import Decoder, Step
from castalia.serving import engine as engine_module
from castalia.serving import loaded_runs
from castalia.serving.cross_origin import origins_of
from castalia.serving.error_bodies import problem
from castalia.serving.home_page import welcome
from castalia.serving.http_errors import Invalid
from castalia.serving.json_limits import DEPTH, check_json
from castalia.serving.rate_limits import Bucket, Key, Keys, Limits, new_key
from tests.apps.serving import Running, events, serving, trained


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("refuses"))


@pytest.fixture(scope="module")
def up(place: Path) -> Iterator[Running]:
    with serving(
        place / "words",
        place / "digits",
        place / "clothes",
        origins=frozenset({"http://app.example"}),
    ) as running:
        yield running


def fine(up: Running) -> bool:
    """Whether every lane still works."""
    texts = up.post("/v1/completions", {"model": "words", "max_tokens": 3})
    pictures = [up.post("/api/generate", {"run": run, "n": 2}) for run in ("digits", "clothes")]
    return [one.status_code for one in (texts, *pictures, up.get("/readyz"))] == [200] * 4


# Options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nothing", {}),
        ("/v1/completions", {"model": "no such run"}),
        ("/v1/completions", {"model": "words", "max_tokens": "many"}),
        ("/v1/completions", {"model": "words", "colour": 1, "size": 2}),
        ("/v1/completions", {"model": "words", "logit_bias": {"1": 1}}),
        ("/v1/chat/completions", {"model": "words", "messages": [], "store": True}),
        ("/api/generate", {"run": "words", "n": 10**9}),
        ("/api/generate", {"run": "words", "options": {"temperature": -1}}),
    ],
)
def test_errors_are_in_the_language_that_a_request_accepts(up: Running, path: str, body: dict):
    chinese, english = (
        up.post(path, body, headers={"accept-language": accepted})
        for accepted in ("zh-CN,zh;q=0.9,en;q=0.8", "en,zh;q=0.5")
    )
    told, said = chinese.json()["error"], english.json()["error"]
    assert chinese.status_code == english.status_code and told["code"] == said["code"]
    assert re.search("[\u4e00-\u9fff]", told["message"]) and said["message"].isascii()
    assert re.findall(r"\b(?:the|of|to|is|and|with|for|should)\b", told["message"]) == []
    with using("zh"):  # as `castalia serve --lang zh`, asked by a program that names no language
        assert up.post(path, body).json()["error"]["message"] == told["message"]


POISON = [
    ("temperature", [1e-40, -1, 1e300, 101, 0.001]),
    ("top_k", [0, -1, 2**31, 2**63, 2**64, 10**60, 1.5]),
    ("top_p", [0, -0.5, 1.5]),
    ("min_p", [-0.1, 2]),
    ("seed", [2**63, -(2**63) - 1, 10**60, 0.5]),
    ("stop", [[""], ["x"] * 5, ["y" * 300]]),
]
RENAMED = {
    "frequency": "frequency_penalty",
    "repetition": "repetition_penalty",
    "length": "max_tokens",
}
MORE = [
    ("frequency", [1e300, -101]),
    ("repetition", [0, 1e-40, 1e300]),
    ("length", [-1, 2**31, 2**63]),
]


@pytest.mark.parametrize(("option", "values"), [*POISON, *MORE])
def test_no_option_breaks_a_run(up: Running, option: str, values: list) -> None:
    for value in values:
        asked = {"model": "words", RENAMED.get(option, option): value}
        bodies = [("/v1/completions", asked), ("/v1/completions", {**asked, "stream": True})]
        own = {"seed": value} if option == "seed" else {"options": {option: value}}
        bodies += [("/api/generate", {"run": run, **own}) for run in ("words", "digits", "clothes")]
        for path, body in bodies:
            answer = up.post(path, body)
            assert answer.status_code == 400, (path, body, answer.text)
    assert fine(up)


@pytest.mark.parametrize(
    "form",
    [
        {"seed": str(2**63)},
        {"strength": "nan"},
        {"strength": "1e400"},
        {"steps": "9" * 30},
        {"cond": "[" * 3000},
        {"cond": '{"label": ' + "9" * 5000 + "}"},
        {"cond": '{"label": NaN}'},
        {"cond": '{"label": true}'},
    ],
)
def test_no_field_of_a_form_breaks_a_run(up: Running, form: dict) -> None:
    picture = up.post("/api/generate", {"run": "digits", "format": "file"}).content
    answer = up.post(
        "/api/edit",
        data={"run": "digits", "kind": "vary", **form},
        files=[("inputs", ("a.png", picture))],
    )
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
        b'{"a": NaN}',
        b"[-Infinity]",
        b"[1e999]",
        b"[1E+0400]",
        b"[" + b"9" * 65 + b"]",
        b"{" + b'"a":1,' * 20_000 + b'"b":2}',
        b"[" + b"[]," * 200_000 + b"[]]",
        b'"' * 500_000,
    ],
)
def test_bodies_that_reach_no_parser(body: bytes) -> None:
    with pytest.raises(Invalid):
        check_json(body)


def test_bodies_that_do(up: Running) -> None:
    text = 'NaN \\" [[[ {{{ 1e999 \\\\'
    for body in (
        b"[" * DEPTH + b"]" * DEPTH,
        f'{{"a": "{text}", "b": [1e-999, 1.5e19, -3]}}'.encode(),
        b'{"a": "\xe4\xbd',
        b"",
        b"[]][",
        b'"\\',
    ):
        check_json(body)
    form = {"headers": {"content-type": "application/x-www-form-urlencoded"}}
    assert (
        400
        <= httpx.post(up.address + "/v1/completions", content=b"model=words", **form).status_code
        < 500
    )  # type: ignore[arg-type]
    assert httpx.post(up.address + "/api/edit", content=b"a=b&" * 1000, **form).status_code == 400  # type: ignore[arg-type]


# Faults -------------------------------------------------------------------------------------------


def test_a_fault_inside_is_told_with_a_number_everywhere_and_the_run_recovers(
    up: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "AGAIN", 0.02)
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "step", lambda *_: 1 // 0)
        patch.setattr("castalia.serving.batching.draw_block", lambda *_: 1 // 0)
        patch.setattr(loaded_runs.Hosted, "tensor", lambda *_: 1 // 0)
        picture = "data:image/png;base64,aGVsbG8="
        for path, body in (
            ("/v1/completions", {"model": "words"}),
            ("/v1/completions", {"model": "words", "stream": True}),
            ("/api/generate", {"run": "words"}),
            ("/api/generate", {"run": "clothes"}),
            ("/v1/images/generations", {"model": "clothes"}),
        ):
            answer = up.post(path, body)
            error = answer.json()["error"]
            assert (
                answer.status_code == 500
                and error["type"] == "server_error"
                and answer.headers["x-request-id"] in error["message"]
            )
        assert up.post("/v1/embeddings", {"model": "digits", "input": picture}).status_code == 422
        ready = up.get("/readyz")
        assert ready.status_code == 503 and set(ready.json()["lanes"]) == {
            "words/write",
            "clothes/draw",
        }
    for _ in range(200):
        if up.get("/readyz").status_code == 200:
            break
    assert fine(up)


def test_a_stream_that_breaks_in_the_middle_says_so(
    up: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = Decoder.step, [0]

    def step(self: Decoder, *given: object) -> Step:
        found = real(self, *given) if written[0] < 10 else 1 // 0  # type: ignore[arg-type]
        written[0] += len(found.tokens)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "step", step)
        patch.setattr("castalia.serving.batching.PATIENCE", 0.0)
        answer = up.post(
            "/v1/completions",
            {"model": "words", "stream": True, "constraint": "regex:[a-z]{60}", "max_tokens": 300},
        )
    last = events(answer.text)[-1]
    assert (
        answer.status_code == 200
        and answer.headers["x-request-id"] in last["error"]["message"]
        and last["error"]["type"] == "server_error"
    )
    assert fine(up)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_507_and_names_no_place(
    up: Running, place: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(code, "No space left on device", str(place / "words" / "ledger.jsonl"))

    for target in (
        ("castalia.governance.ledger._write",),
        ("castalia.governance.release_gate.write_sealed",),
        ("pathlib.Path.write_bytes",),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(*target, full)
            answers = [
                up.post("/v1/completions", {"model": "words", "max_tokens": 2}),
                up.post("/v1/completions", {"model": "words", "max_tokens": 2, "stream": True}),
                up.post("/api/generate", {"run": "clothes"}),
                up.post(
                    "/v1/embeddings", {"model": "digits", "input": "data:image/png;base64,aGVsbG8="}
                ),
            ]
        for answer in answers:
            assert (
                str(place) not in answer.text
                and "ledger.jsonl" not in answer.text
                and "/tmp" not in answer.text
            )
            assert answer.status_code != 404
        if target[0].endswith("_write"):
            assert [answer.status_code for answer in answers[:1] + answers[2:3]] == [507, 507]
            assert answers[0].headers["x-request-id"] in answers[0].json()["error"]["message"]
            assert "server_error" in answers[1].text
    assert fine(up)
    with pytest.raises(RunError, match="ledger cannot be written"), monkeypatch.context() as patch:
        patch.setattr("castalia.governance.ledger._write", full)
        ledger.append(place / "other.jsonl", {})


def test_an_error_that_names_a_place_keeps_it_to_itself() -> None:
    for error in (
        DataError(
            "cannot read /srv/data/secret/x.png: broken",
            Path("/srv/data/x.png"),
            "look at '/srv/data/x.png'",
        ),
        RunError("there is no run at /srv/data/runs", "/srv/data/runs/one"),
        OSError(errno.EACCES, "Permission denied", "/srv/data/x"),
    ):
        shown = json.dumps(problem(error, "req-1"))
        assert "/srv" not in shown and "x.png" not in shown
    assert (
        "/v1/chat/completions"
        in problem(Invalid("use /v1/chat/completions"), "req-1")["error"]["message"]
    )


# Foreign pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "SELF"}, 200),
        ({"origin": "SELF", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://app.example", "sec-fetch-site": "cross-site"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:1"}, 403),
        ({"origin": "http://app.example.evil.example"}, 403),
        ({"origin": "SELF", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost:80@evil.example"}, 403),
    ],
)
def test_a_foreign_page_neither_writes_nor_computes(
    up: Running, headers: dict, status: int
) -> None:
    headers = {name: up.address if value == "SELF" else value for name, value in headers.items()}
    forms = [
        httpx.post(up.address + path, headers=headers, **body)  # type: ignore[arg-type]
        for path, body in (
            ("/v1/completions", {"json": {"model": "words", "max_tokens": 1}}),
            ("/v1/completions", {"json": {"model": "words", "max_tokens": 1, "stream": True}}),
            (
                "/api/edit",
                {
                    "data": {"run": "words", "kind": "infill", "text": "a[[]]b", "steps": "1"},
                    "files": {"x": b"y"},
                },
            ),
        )
    ]
    assert [answer.status_code for answer in forms] == [status] * 3, forms[0].text
    named = headers.get("origin") == "http://app.example"
    assert (forms[0].headers.get("access-control-allow-origin") == "http://app.example") == named
    assert "access-control-allow-origin" not in forms[0].headers or named


def test_a_page_that_asks_first(up: Running) -> None:
    asking = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    good = httpx.options(
        up.address + "/v1/completions", headers={"origin": "http://app.example", **asking}
    )
    assert (
        good.status_code == 204 and "x-stainless-os" in good.headers["access-control-allow-headers"]
    )
    assert (
        httpx.options(
            up.address + "/v1/completions", headers={"origin": "http://evil.example", **asking}
        ).status_code
        == 403
    )
    assert httpx.options(up.address + "/v1/completions").status_code == 405
    assert origins_of(["HTTPS://Example.com/"]) == {"https://example.com"}
    for wrong in ("*", "example.com", "https://example.com/path", "null"):
        with pytest.raises(RecipeError):
            origins_of([wrong])
    doubled = up.raw(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: "
        b"http://localhost\r\nOrigin: http://x.y\r\nConnection: close\r\n\r\n"
    )
    assert b" 400 " in doubled
    assert b" 413 " in up.raw(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "
        + b"a" * 50_000
        + b"\r\nConnection: close\r\n\r\n"
    )


# Limits -------------------------------------------------------------------------------------------


class Minute(Bucket):
    """One that is not refilled while the test looks."""

    def wait(self, wanted: float) -> float:
        self.seen = time.monotonic()
        return super().wait(wanted)


def limited(rate: int) -> Keys:
    keys = Keys()
    keys.anyone = Key("local", tokens=Minute(rate))
    return keys


def long(tokens: int, **more: object) -> dict:
    return {
        "model": "words",
        "max_tokens": tokens,
        "constraint": f"regex:[a-z]{{{tokens - tokens // 4}}}",
        "prompt": "",
        **more,
    }


def test_twenty_at_once_spend_no_more_than_the_limit(place: Path) -> None:
    keys = limited(300)
    with serving(place / "words", keys=keys) as up:
        with ThreadPoolExecutor(20) as pool:
            found = list(
                pool.map(
                    lambda number: up.post("/v1/completions", long(60, stream=number % 2 == 0)),
                    range(20),
                )
            )
        statuses = [answer.status_code for answer in found]
        assert set(statuses) == {200, 429}, statuses
        used = sum(
            answer.json()["usage"]["total_tokens"]
            for answer in found[1::2]
            if answer.status_code == 200
        )
        assert used <= 300 and 0 <= keys.anyone.tokens.left < 300
        over = up.post("/v1/completions", long(400))
        assert over.status_code == 429 and "smaller max_tokens" in over.text


def test_what_breaks_is_charged_what_it_used(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = limited(10_000)
    bucket, body = keys.anyone.tokens, long(4000, stream=True)
    with serving(place / "words", keys=keys, limits=Limits(patience=5, seconds=20)) as up:
        lane = up.engine.lanes["words/write"]

        def spent() -> float:
            time.sleep(0.05)  # the last request settles when its answer is out
            return 10_000 - bucket.left

        with httpx.stream("POST", up.address + "/v1/completions", json=body, timeout=30) as answer:
            lines = answer.iter_lines()
            for _ in range(5):
                next(lines)
            assert bucket.left < 6_100, "reserved while it runs"
        for _ in range(1000):
            if lane.live == 0 and bucket.left > 6_100:
                break
            threading.Event().wait(0.005)
        first = spent()
        assert 1 <= first < 3_900, "charged what it used, and the rest came back"
        with monkeypatch.context() as patch:
            patch.setattr("castalia.governance.release_gate.Gate.emit_bytes", lambda *_: 1 // 0)
            assert up.post("/v1/completions", long(40)).status_code == 500
        assert 29 <= spent() - first <= 41, "computed, though it failed afterwards"
        before = spent()
        assert (
            up.post(
                "/v1/completions",
                {"model": "words", "prompt": "那只猫", "max_tokens": 0, "echo": True},
            ).status_code
            == 200
        )
        assert spent() - before == pytest.approx(3, abs=0.2)
        assert (
            up.post("/api/score", {"run": "words", "items": ["那只猫"]}).status_code == 200
            and spent() - before > 5.5
        )
        before = spent()
        assert up.post(
            "/v1/completions", {"model": "nobody"}
        ).status_code == 404 and spent() == pytest.approx(before, abs=0.2)


# Methods ------------------------------------------------------------------------------------------


def test_head_is_get_without_the_body(up: Running) -> None:
    for path in (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/models",
        "/v1/models/words",
        "/api/runs",
        "/api/schema/words",
        "/openapi.json",
    ):
        got, head = up.get(path), httpx.head(up.address + path)
        assert got.status_code == head.status_code == 200 and head.content == b"", path
        assert head.headers["content-type"] == got.headers["content-type"]
    assert (
        httpx.head(up.address + "/nothing").status_code == 404
        and httpx.head(up.address + "/v1/completions").status_code == 405
    )


# The page -----------------------------------------------------------------------------------------


def test_the_page_says_what_is_served_in_both_languages(place: Path, tmp_path: Path) -> None:
    with serving(place / "words", place / "digits") as up:
        english = up.get("/", headers={"accept": "text/html"})
        chinese = up.get("/?lang=zh", headers={"accept": "text/html"})
        asked = up.get(
            "/", headers={"accept": "text/html", "accept-language": "zh-TW,zh;q=0.9,en;q=0.8"}
        )
        program = up.get("/")
        hostile = up.get(
            "/?lang=%3Cscript%3E", headers={"accept": "text/html", "host": "localhost:1"}
        )
        line = re.search(r"<pre>(curl .*?)</pre>", english.text)
        assert line is not None
        words = shlex.split(html.unescape(line[1]))
        answer = httpx.post(
            words[1], content=words[-1].encode(), headers={"content-type": "application/json"}
        )
    assert answer.status_code == 200, "the line that it shows works"
    assert all(
        word in english.text
        for word in ("words", "digits", "continue texts", "OpenAI", "/openapi.json")
    )
    assert (
        "续写文本" in chinese.text
        and chinese.text == asked.text
        and 'lang="zh' in chinese.text.replace("'", '"')
    )
    assert [one["name"] for one in program.json()["runs"]] == ["words", "digits"]
    assert (
        "<script" not in hostile.text
        and "script-src" not in hostile.headers["content-security-policy"]
    )
    policies = [
        value for name, value in english.headers.multi_items() if name == "content-security-policy"
    ]
    assert len(policies) == 1 and "style-src 'sha256-" in policies[0]
    file = tmp_path / "keys"
    new_key(file, "one")
    with serving(place / "words", keys=Keys.load(file, Limits())) as up:
        page = up.get("/", headers={"accept": "text/html"})
        assert (
            page.status_code == 200
            and "key" in page.text
            and "words" not in page.text.replace("in the words of", "")
        )
        assert up.get("/").json()["runs"] == []


def test_names_on_the_page_are_only_names() -> None:
    class Named:
        name, features, classes = "<b>&'x", ("completions",), {"<i>": ("<u>",)}

        @staticmethod
        def purpose(feature: str) -> str:
            return feature

        class run:
            class recipe:
                title = "<img src=x>"

    table = type("Runs", (), {"runs": {"x": Named}})()
    page = welcome(
        table,
        Headers({"accept": "text/html", "host": "a'><b>"}),
        "en",
        "http",
        keyed=True,
        known=True,
    )
    assert not any(tag in page.body.decode() for tag in ("<b>", "<i>", "<u>", "<img"))
