"""What a server must stand: bodies, files, headers, clients and keys that mean no good, and its own
end.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from castalia.serving.middleware import LOG, log_to
from castalia.serving.rate_limits import Keys, Limits, new_key
from castalia.serving.server import hosts_for, is_loopback
from tests.apps.command import inside
from tests.apps.serving import Running, serving, talking, trained


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = trained(tmp_path_factory.mktemp("border"))
    talking(folder)
    return folder


@pytest.fixture(scope="module")
def up(place: Path) -> Iterator[Running]:
    with serving(
        place / "words",
        place / "digits",
        limits=Limits(body=200_000, pixels=10_000, patience=1.0, seconds=20),
    ) as running:
        yield running


def long_text(**more: object) -> dict:
    """A request that takes a while; end tokens are as good as never drawn."""
    return {
        "model": "words",
        "prompt": "",
        "max_tokens": 8000,
        "constraint": "regex:[a-z]{7000}",
        **more,
    }


# Bodies -------------------------------------------------------------------------------------------


def named(schema: object, runs: list[str]) -> object:
    """The schema with real names of runs, so that what is behind the look-up is reached."""
    if isinstance(schema, dict):
        found = {key: named(value, runs) for key, value in schema.items()}
        for key in {"model", "run"} & set(found.get("properties", {})):
            found["properties"][key] = {"enum": runs}
        return found
    return [named(one, runs) for one in schema] if isinstance(schema, list) else schema


def test_no_request_that_the_schema_describes_meets_a_bug(place: Path) -> None:
    statuses: dict[str, set[int]] = {}
    runs = ["words", "digits", "clothes", "talks"]
    with serving(
        *(place / run for run in runs), limits=Limits(tokens=40, items=4, seconds=5)
    ) as up:
        document = named(up.get("/openapi.json").json(), [*runs, "nobody"])
        schema = schemathesis.openapi.from_dict(document)  # type: ignore[arg-type]
        for result in schema.get_all_operations():
            operation = result.ok()

            @settings(
                max_examples=15,
                derandomize=True,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            @given(case=operation.as_strategy())
            def ask(case: schemathesis.Case) -> None:
                answer = case.call(base_url=up.address)
                statuses.setdefault(case.operation.label, set()).add(answer.status_code)
                assert answer.status_code < 500, answer.text

            ask()
    made = ("POST /v1/completions", "POST /v1/chat/completions", "POST /api/generate")
    assert len(statuses) >= 19 and all(200 in statuses[route] for route in made), statuses


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 30_000 + b"1" + b"}" * 30_000, 400),
        (b"\xff\xfe\x00", 400),
        (b'{"model": "words", "prompt": "\\ud800"}', 400),
        (b'{"model": "words", "temperature": NaN}', 400),
        (b'{"model": "words", "temperature": 1e999}', 400),
        (b'{"model": "words", "seed": ' + b"9" * 5000 + b"}", 400),
        (b'{"model": "words", "prompt": "' + b"a" * 300_000 + b'"}', 413),
        (b'{"model": "\\u0000\\r\\nx-evil: 1"}', 404),
        (b'{"model": "/etc/passwd"}', 404),
        (b'{"model": "..", "prompt": {"$ref": "#"}}', 400),
    ],
)
def test_bodies_that_mean_no_good(up: Running, body: bytes, status: int) -> None:
    answer = httpx.post(
        up.address + "/v1/completions", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status and set(answer.json()["error"]) == {
        "message",
        "type",
        "param",
        "code",
    }
    assert "x-evil" not in answer.headers and "Traceback" not in answer.text


def test_a_body_without_a_length_is_counted_as_it_comes(up: Running) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(100):
            yield b"a" * 10_000

    with suppress(httpx.WriteError):  # the server closed before it was told everything
        assert httpx.post(up.address + "/v1/completions", content=parts()).status_code == 413
    zipped = httpx.post(
        up.address + "/v1/completions",
        content=zlib.compress(b"a" * 10**7),
        headers={"content-encoding": "gzip"},
    )
    assert zipped.status_code == 400 and "not compressed" in zipped.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/..%2f..%2fetc%2fpasswd",
        "/v1/models/%00",
        "/api/schema/..",
        "/api/schema/%2e%2e%2fwords",
        "//etc",
        "/v1/models/words/../../x",
    ],
)
def test_names_of_runs_are_no_paths(up: Running, path: str) -> None:
    answer = up.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1\.1 40[0-9]", answer) and b"root:" not in answer


# Files --------------------------------------------------------------------------------------------


def png(width: int, height: int, content: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (png(100_000, 100_000, zlib.compress(b"\0" * 10**7)), "too large to decode safely"),
        (png(101, 101, zlib.compress(b"\0" * 10**4)), "too large to decode safely"),
        (png(8, 8, b"rubbish"), "cannot be decoded"),
        (b"PK\x03\x04" + b"\0" * 100, "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture"),
        (b"", "empty"),
    ],
)
def test_files_that_mean_no_good(up: Running, content: bytes, says: str) -> None:
    before = set(Path("/tmp").iterdir())
    answer = up.post(
        "/api/edit",
        data={"run": "digits", "kind": "vary"},
        files=[("inputs", ("/etc/cron.d/x.png", content))],
    )
    assert answer.status_code == 422 and says in answer.text
    assert not any(path.name.endswith("x.png") for path in set(Path("/tmp").iterdir()) - before)


def test_forms_with_too_many_parts(up: Running) -> None:
    fields = {f"f{number}": "x" for number in range(40)}
    assert (
        up.post(
            "/api/edit", data={"run": "digits", "kind": "vary", **fields}, files=[("inputs", b"x")]
        ).status_code
        == 400
    )
    assert (
        up.post(
            "/api/edit", data={"run": "digits", "kind": "vary"}, files=[("inputs", b"x")] * 30
        ).status_code
        == 400
    )
    boundary = httpx.post(
        up.address + "/api/edit",
        content=b"--x\r\nbroken",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert boundary.status_code == 400


# Headers and logs ---------------------------------------------------------------------------------


def test_another_name_for_this_machine_is_refused(up: Running) -> None:
    """DNS rebinding: a page whose name leads here must not read what is here."""
    assert httpx.get(up.address + "/v1/models", headers={"host": "evil.example"}).status_code == 403
    assert httpx.get(up.address + "/v1/models", headers={"host": "localhost:1"}).status_code == 200
    answer = httpx.get(up.address + "/v1/models", headers={"origin": "http://evil.example"})
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert (
        answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["cache-control"] == "no-store"
    )
    assert "server" not in answer.headers and re.fullmatch(
        r"req-[0-9a-f]{16}", answer.headers["x-request-id"]
    )
    assert hosts_for("0.0.0.0") is None and is_loopback("::1") and not is_loopback("example.com")


def test_log_lines_are_one_object_each_and_tell_no_prompt(place: Path) -> None:
    for shown in (False, True):
        stream = io.StringIO()
        log_to(stream)
        try:
            with serving(place / "words", log_prompts=shown) as up:
                first = up.post(
                    "/v1/completions",
                    {"model": "words", "prompt": "geheim 秘密\n{}\x1b[2J", "max_tokens": 1},
                )
                second = up.raw(
                    b'GET /%0d%0a{"level":"forged"}%1b HTTP/1.1\r\nHost: localhost\r\nX: '
                    b"a\r\nConnection: close\r\n\r\n"
                )
        finally:
            LOG.handlers.clear()
        own = {first.headers["x-request-id"], re.search(r"req-[0-9a-f]{16}", second.decode())[0]}  # type: ignore[index]
        # The log is the process's: a server of another test may still write to it.
        lines = [
            line for line in map(json.loads, stream.getvalue().splitlines()) if line["id"] in own
        ]
        assert [line["status"] for line in lines] == [200, 404] and stream.getvalue().isascii()
        assert all(
            character.isprintable() for line in stream.getvalue().splitlines() for character in line
        )
        assert (
            lines[0]["run"] == "words"
            and lines[0]["tokens"] >= 0
            and ("prompt" in lines[0]) == shown
        )
        assert ("geheim" in stream.getvalue()) == shown


# Clients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /v1/mod",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        b"application/json\r\nContent-Length: 100\r\n\r\n{",
    ],
)
def test_slow_clients_are_let_go(up: Running, beginning: bytes) -> None:
    begun = time.monotonic()
    found = up.raw(beginning, seconds=6)
    assert time.monotonic() - begun < 4
    assert not found or b" 408 " in found


def test_a_client_that_does_not_read_is_let_go(up: Running) -> None:
    host, _, port = up.address.removeprefix("http://").rpartition(":")
    body = json.dumps(long_text(stream=True, logprobs=20, n=8)).encode()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((host, int(port)))
        head = (
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            f"application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        line.sendall(head.encode() + body)
        waited(lambda: up.engine.lanes["words/write"].live == 8, "the request never began")
        waited(lambda: up.engine.lanes["words/write"].live == 0, "the rows were never dropped")


def waited(true: object, why: str, seconds: float = 10) -> None:
    last = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < last, why
        time.sleep(0.01)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_row(up: Running, stream: bool) -> None:
    lane, cancelled = up.engine.lanes["words/write"], up.engine.cancelled
    host, _, port = up.address.removeprefix("http://").rpartition(":")
    body = json.dumps(long_text(stream=stream)).encode()
    with socket.create_connection((host, int(port))) as line:
        head = (
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            f"application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        line.sendall(head.encode() + body)
        waited(lambda: lane.live == 1, "the request never began")
    waited(lambda: lane.live == 0 and up.engine.cancelled > cancelled, "the row was never dropped")
    page = up.get("/metrics").text
    assert 'castalia_live{lane="words/write"} 0.0' in page and re.search(
        r"castalia_cancelled_total [1-9]", page
    )


def test_a_full_queue_says_when_to_come_back(place: Path) -> None:
    with serving(place / "words", queue=2) as up:
        lane = up.engine.lanes["words/write"]
        lane.rows = 1  # type: ignore[attr-defined]
        answers: list[httpx.Response] = []
        threads = []
        for _ in range(3):
            threads.append(
                threading.Thread(
                    target=lambda: answers.append(
                        up.post("/v1/completions", long_text(constraint="regex:[a-z]{1500}"))
                    )
                )
            )
            threads[-1].start()
            waited(lambda: lane.live == 1, "nothing began")
        waited(lambda: up.engine.waiting == 2, "the queue did not fill")
        for stream in (True, False):
            full = up.post("/v1/completions", {"model": "words", "stream": stream})
            assert (
                full.status_code == 429
                and int(full.headers["retry-after"]) >= 1
                and full.json()["error"]["type"] == "rate_limit_error"
            )
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 3


# Keys ---------------------------------------------------------------------------------------------


def test_keys_open_and_their_rates_hold(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first = inside(
        "serve", "--new-key", "alice", "--api-key-file", file, cwd=tmp_path
    ).splitlines()[0]
    second = new_key(file, "bob")
    text = file.read_text()
    assert (
        first not in text
        and hashlib.sha256(first.encode()).hexdigest() in text
        and file.stat().st_mode & 0o077 == 0
    )
    file.write_text(text.replace("\nbob", "\n# a comment\nbob").rstrip() + " requests=2 tokens=5\n")
    assert "is a key called" in inside(
        "serve", "--new-key", "bob", "--api-key-file", file, cwd=tmp_path, code=2
    )
    limits = Limits(requests=None)
    with serving(place / "words", keys=Keys.load(file, limits), limits=limits) as up:
        body = {"model": "words", "max_tokens": 3}
        for header in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": f"Basic {first}"},
            {"authorization": f"Bearer {first}x"},
        ):
            answer = up.post("/v1/completions", body, headers=header)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            assert up.get("/openapi.json", headers=header).status_code == 401
        assert up.get("/healthz").status_code == up.get("/readyz").status_code == 200
        for _ in range(4):
            assert (
                up.post(
                    "/v1/completions", body, headers={"authorization": f"Bearer {first}"}
                ).status_code
                == 200
            )
        statuses = [
            up.post("/v1/completions", body, headers={"authorization": f"Bearer {second}"})
            for _ in range(4)
        ]
        assert [answer.status_code for answer in statuses[:1]] == [200] and statuses[
            -1
        ].status_code == 429
        assert int(statuses[-1].headers["retry-after"]) > 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["words", "--host", "0.0.0.0"], "a server that others can reach needs keys"),
        ([], "there is no run to serve"),
        (["nowhere"], "there is no run called 'nowhere'"),
        (["words", "words"], "two runs would have the same name"),
        (["a/b=words"], "this cannot be the name of a run"),
        (["words", "--api-key-file", "missing"], "the file of keys cannot be read"),
        (["words", "--policy", "missing"], "the policy cannot be read"),
        (["--new-key", "x y", "--api-key-file", "k"], "a key's name has letters"),
        (["words", "--port", "99999"], "a port lies between 0 and 65535"),
    ],
)
def test_what_the_command_refuses_before_it_starts(
    place: Path, words: list[str], says: str
) -> None:
    said = inside(
        "serve", *words, cwd=place, code=4 if says.startswith("there is no run called") else 2
    )
    assert says in said


def test_a_run_with_code_of_its_own_is_not_opened(place: Path, tmp_path: Path) -> None:
    import shutil

    run = shutil.copytree(place / "words", tmp_path / "plugged")
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**about, "plugins": {"mine.py:Mine": "00"}}))
    assert "brings Python code of its own" in inside("serve", run, cwd=tmp_path, code=2)


# The process --------------------------------------------------------------------------------------


def test_the_process_starts_quickly_says_what_works_and_ends_when_its_work_is_done(
    place: Path,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "castalia", "serve", "plays=words", "digits", "--port", "0"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if "stop: Ctrl-C" in line:
                break
        address = re.search(r"http://[0-9.:]+", said)[0]  # type: ignore[index]
        assert "plays: text/ar, can completions" in said and "digits: image/vae, can images" in said
        resident = int(
            re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1]
        )  # type: ignore[index]
        assert resident < 700_000, "kB with a run of texts and one of pictures"
        curl = re.search(r"curl (\S+) .*-d '(.*)'", said)
        assert (
            curl is not None
            and httpx.post(
                curl[1], content=curl[2], headers={"content-type": "application/json"}
            ).status_code
            == 200
        )
        modules = subprocess.run(
            [
                sys.executable,
                "-c",
                "import castalia.serving.app, castalia.serving.server, sys; print([name for "
                "name in "
                "('lightning_fabric', 'pandas', 'castalia.evaluation', 'castalia.training', "
                "'scipy') if name in sys.modules])",
            ],
            capture_output=True,
            text=True,
        )
        assert modules.stdout.strip() == "[]"
        with httpx.stream(
            "POST",
            address + "/v1/completions",
            json=long_text(model="plays", stream=True, constraint="regex:[a-z]{1500}"),
            timeout=30,
        ) as answer:
            lines = answer.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            waited(
                lambda: httpx.get(address + "/readyz").status_code == 503,
                "the server never said that it stops",
            )
            late = httpx.post(address + "/v1/completions", json={"model": "plays"})
            assert late.status_code == 503 and "retry-after" in late.headers
            rest = list(lines)
        assert rest[-2] == "data: [DONE]" or "data: [DONE]" in rest
        assert process.wait(20) == 0
        assert process.stderr.read().rstrip().endswith("stopped")
    finally:
        process.kill()
