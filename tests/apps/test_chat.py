"""Chat: the official client against a real server, and the terminal; what both get is what
`castalia.chat` gives.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import openai
import pytest

import castalia
from castalia import Run
from castalia.abilities import SampleOptions
from castalia.errors import AbilityError
from castalia.governance.policy import Policy
from castalia.sampling.generate import reproduce
from tests.apps.command import inside
from tests.apps.serving import Running, serving, talking

HELLO = [{"role": "user", "content": "那只猫做什么？"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "动作": {"enum": ["看见", "跟着"]},
        "times": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["动作", "times"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def up(place: Path) -> Iterator[Running]:
    with serving(place, place.parent / "texts") as running:
        yield running


def solo(place: Path, messages: list, seed: int, **options: object) -> str:
    own = {"temperature": 0.7, **options}
    return castalia.chat(place, messages, seed=seed, options=SampleOptions(**own)).item  # type: ignore[arg-type]


# The server ---------------------------------------------------------------------------------------


def test_a_reply_is_what_chat_gives_and_can_be_made_again(up: Running, place: Path) -> None:
    run = Run.open(place)
    talks = [
        HELLO,
        [{"role": "system", "content": "简短。"}, *HELLO],
        [{"role": "user", "content": [{"type": "text", "text": "a dog?"}]}],
    ]
    for messages in talks:
        found = up.client.chat.completions.create(
            model="talks", messages=messages, max_tokens=20, seed=5, n=2
        )
        choice = found.choices[0]
        plain = [
            {
                **one,
                "content": one["content"]
                if isinstance(one["content"], str)
                else one["content"][0]["text"],
            }
            for one in messages
        ]
        assert (
            choice.message.content == solo(place, plain, 5, length=20)
            and choice.message.role == "assistant"
        )
        assert {one.finish_reason for one in found.choices} <= {
            "stop",
            "length",
        } and found.object == "chat.completion"
        manifest = found.choices[1].castalia  # type: ignore[attr-defined]
        assert manifest["messages"] == plain and "prompt" not in manifest
        assert reproduce(run, manifest).item == found.choices[1].message.content
        assert (
            found.usage.prompt_tokens
            == sum(len(run.codec.tokenizer.encode(one["content"])) + 1 for one in plain) + 1
        )
        assert found.usage.completion_tokens == sum(one.castalia["tokens"] for one in found.choices)  # type: ignore[attr-defined]


def test_a_stream_says_the_same_in_whole_characters(up: Running, place: Path) -> None:
    for more in ({}, {"stop": ["。"]}, {"max_completion_tokens": 7}):
        whole = up.client.chat.completions.create(
            model="talks", messages=HELLO, seed=3, n=2, temperature=1.0, **more
        )
        stream = up.client.chat.completions.create(
            model="talks",
            messages=HELLO,
            seed=3,
            n=2,
            temperature=1.0,
            stream=True,
            stream_options={"include_usage": True},
            **more,
        )
        texts, roles, ends, usage = ["", ""], [], {}, None
        for chunk in stream:
            assert chunk.object == "chat.completion.chunk"
            usage = chunk.usage or usage
            for choice in chunk.choices:
                assert "\ufffd" not in (choice.delta.content or "")
                texts[choice.index] += choice.delta.content or ""
                roles += [choice.delta.role] if choice.delta.role else []
                if choice.finish_reason:
                    ends[choice.index] = choice.finish_reason
        assert (
            texts == [one.message.content for one in whole.choices] and roles == ["assistant"] * 2
        )
        assert (
            ends == {one.index: one.finish_reason for one in whole.choices} and usage == whole.usage
        )
        if "stop" in more:
            assert not any("。" in text for text in texts)


def test_what_the_client_helps_with(up: Running) -> None:
    """Its own accumulation of streams, and sending a reply back as it came."""
    with up.client.chat.completions.stream(
        model="talks", messages=HELLO, seed=1, max_tokens=9
    ) as stream:
        final = stream.get_final_completion()
    reply = final.choices[0].message
    again = up.client.chat.completions.create(
        model="talks",
        messages=[*HELLO, {"role": reply.role, "content": reply.content or "。"}, *HELLO],
        seed=1,
        max_tokens=5,
    )
    assert again.choices[0].message.content is not None
    sent = (
        up.client.chat.completions.create(model="talks", messages=HELLO, seed=2, max_tokens=5)
        .choices[0]
        .message
    )
    if sent.content:
        up.client.chat.completions.create(
            model="talks", messages=[*HELLO, sent, *HELLO], seed=1, max_tokens=5
        )


def test_many_at_once_say_what_each_says_alone(up: Running, place: Path) -> None:
    def ask(seed: int) -> str:
        found = up.client.chat.completions.create(
            model="talks", messages=HELLO, seed=seed, max_tokens=5 + seed
        )
        return found.choices[0].message.content or ""

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(16))) == [
            solo(place, HELLO, seed, length=5 + seed) for seed in range(16)
        ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_is_kept(up: Running, stream: bool) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "deed", "schema": SCHEMA, "strict": True},
    }
    for seed in range(3):
        found = up.client.chat.completions.create(
            model="talks", messages=HELLO, seed=seed, response_format=form, stream=stream
        )
        text = (
            "".join(chunk.choices[0].delta.content or "" for chunk in found)
            if stream
            else found.choices[0].message.content
        )
        jsonschema.validate(json.loads(text), SCHEMA)
    free = up.client.chat.completions.create(
        model="talks", messages=HELLO, seed=1, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(free.choices[0].message.content or ""), dict)
    plain = up.client.chat.completions.create(
        model="talks", messages=HELLO, seed=1, response_format={"type": "text"}, max_tokens=5
    )
    assert plain.choices[0].message.content is not None


def test_a_recursive_schema_is_kept(up: Running) -> None:
    schema: dict[str, object] = {
        "oneOf": [
            {"enum": ["看见", "跟着"]},
            {"type": "array", "items": {"$ref": "#"}, "maxItems": 2},
        ]
    }
    form = {"type": "json_schema", "json_schema": {"name": "deeds", "schema": schema}}
    for seed in range(3):
        found = up.client.chat.completions.create(
            model="talks", messages=HELLO, seed=seed, response_format=form
        )
        jsonschema.validate(json.loads(found.choices[0].message.content or ""), schema)


def test_log_probabilities(up: Running) -> None:
    found = up.client.chat.completions.create(
        model="talks", messages=HELLO, seed=4, max_tokens=6, logprobs=True, top_logprobs=3
    )
    content = found.choices[0].logprobs.content  # type: ignore[union-attr]
    assert (
        bytes(byte for one in content or () for byte in one.bytes or ()).decode(errors="ignore")
        == found.choices[0].message.content
    )
    assert all(
        len(one.top_logprobs) == 3 and one.logprob <= one.top_logprobs[0].logprob + 1e-6
        for one in content or ()
    )


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"store": True}, "store"),
        ({"presence_penalty": 1.0}, "presence_penalty"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"max_tokens": 10**6}, "max_tokens"),
        ({"max_completion_tokens": 10**6}, "max_completion_tokens"),
        ({"max_completion_tokens": 3, "max_tokens": 4}, "max_tokens"),
        ({"n": 65}, "n"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "是"}]}, "messages"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
                ]
            },
            "messages.0.content",
        ),
        ({"messages": [{"role": "user", "content": "很" * 80}]}, "messages"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"$ref": "#"}},
                }
            },
            "response_format",
        ),
        (
            {"extra_body": {"constraint": "regex:a"}, "response_format": {"type": "json_object"}},
            "constraint",
        ),
        ({"extra_body": {"temperatur": 1}}, "temperatur"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(up: Running, more: dict, param: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            list(
                up.client.chat.completions.create(
                    **{"model": "talks", "messages": HELLO, "stream": stream, **more}
                )
            )
        assert (caught.value.param or "").startswith(param), caught.value.param
        if "很" in str(more):
            assert caught.value.code == "context_length_exceeded"
        if param == "tools":
            assert "calls no tools" in str(caught.value)


def test_a_run_of_texts_has_no_chat(up: Running, place: Path) -> None:
    with pytest.raises(openai.NotFoundError, match="talks"):
        up.client.chat.completions.create(model="texts", messages=HELLO)
    with pytest.raises(AbilityError, match="never seen one"):
        castalia.chat(place.parent / "texts", "你好")
    assert "chat" in up.client.models.retrieve("talks").castalia["can"]  # type: ignore[attr-defined]


def test_the_policy_reads_both_sides(place: Path) -> None:
    blocked = [
        {"id": "in", "terms": ["秘密"], "applies": "input"},
        {"id": "out", "terms": ["猫猫猫"], "applies": "output"},
    ]
    policy = Policy.model_validate({"blocked": blocked})
    with serving(place, policy=policy) as up:
        with pytest.raises(openai.PermissionDeniedError):
            up.client.chat.completions.create(
                model="talks", messages=[{"role": "user", "content": "秘密"}]
            )
        with pytest.raises(openai.PermissionDeniedError):
            up.client.chat.completions.create(
                model="talks", messages=HELLO, extra_body={"constraint": "regex:猫猫猫。"}
            )
        said = ""
        with pytest.raises(openai.APIError):
            for chunk in up.client.chat.completions.create(
                model="talks",
                messages=HELLO,
                stream=True,
                extra_body={"constraint": "regex:猫看猫猫猫。"},
            ):
                said += chunk.choices[0].delta.content or ""
        assert said in ("", "猫", "猫看"), "as much as had been sent"
    lines = [json.loads(line) for line in (place / "ledger.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines[-3:]] == ["refused"] * 3 and lines[-1][
        "streamed"
    ] == "refused"


# The terminal -------------------------------------------------------------------------------------


def test_one_message(place: Path) -> None:
    said = inside("chat", "talks", "--message", "那只猫做什么？", "--seed", "5", cwd=place.parent)
    assert said == solo(place, HELLO, 5) + "\n"
    found = json.loads(
        inside(
            "chat",
            "talks",
            "--message",
            "那只猫做什么？",
            "--seed",
            "5",
            "--json",
            cwd=place.parent,
        )
    )
    assert found["reply"] + "\n" == said and found["manifest"]["messages"] == HELLO
    assert found["usage"]["completion_tokens"] == found["manifest"]["tokens"]
    assert [turn["role"] for turn in found["messages"]] == ["user", "assistant"]


def test_a_conversation_in_a_terminal(place: Path, tmp_path: Path) -> None:
    """Streaming, commands and Ctrl-C, in a real terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "castalia",
            "chat",
            str(place),
            "--constraint",
            "regex:[a-z]{40}",
            "--ledger",
            str(tmp_path / "l.jsonl"),
        ],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TERM": "dumb"},
        cwd=tmp_path,
        preexec_fn=os.setsid,
    )
    os.close(slave)
    seen = b""

    def until(text: str, start: int) -> int:
        nonlocal seen
        deadline = time.monotonic() + 60
        while text.encode() not in seen[start:]:
            assert time.monotonic() < deadline, seen.decode(errors="replace")
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 1 << 12)
        return len(seen)

    def send(text: str) -> None:
        os.write(master, f"{text}\n".encode())

    try:
        at = until("> ", 0)
        send("/help")
        at = until("/save FILE", at)
        send("/system 简短。")
        send("你好")
        at = until("你好", at)
        at = until("\n> ", at)
        send(f"/save {tmp_path / 'talk.jsonl'}")
        at = until("saved in", at)
        send("很" * 90)
        at = until("too long", at)
        send("/reset")
        at = until("forgotten", at)
        send("/quit")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(master)
    row = json.loads((tmp_path / "talk.jsonl").read_text(encoding="utf-8"))
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"] and row[
        "messages"
    ][1]["content"] == "你好"
    assert len(row["messages"][2]["content"]) == 40 and row["castalia"][0]["synthetic"]
    assert (tmp_path / "l.jsonl").exists()


def test_ctrl_c_stops_a_reply_and_nothing_else(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from castalia.cli.chat import _speak
    from castalia.governance.release_gate import Gate
    from castalia.sampling.generate import request_of
    from castalia.verbs.chat import ChatSession

    gate = Gate(Run.open(place))
    talk = ChatSession(gate, gate.model(), request_of(gate.run, 1, 0))
    wait = iter([None, None])
    real = __import__("castalia.sampling.generate", fromlist=["stream"]).stream

    def interrupted(*args: object, **more: object) -> Iterator[str]:
        for piece in real(*args, **more):
            if piece and next(wait, 1):
                signal.raise_signal(signal.SIGINT)
            yield piece

    monkeypatch.setattr("castalia.verbs.chat.stream", interrupted)
    # a job in the background begins with Ctrl-C ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _speak(talk, "那只猫做什么？")
    finally:
        signal.signal(signal.SIGINT, before)
    assert "[stopped]" in capsys.readouterr().out
    assert [turn.role for turn in talk.messages] == ["user", "assistant"] and talk.messages[
        1
    ].content
    assert talk.manifests[0]["streamed"] == "broken off"


def test_history_is_cut_by_tokens_and_the_system_stays(place: Path) -> None:
    from castalia.codecs.conversation import Conversation
    from castalia.sampling.chat import trimmed

    codec = Run.open(place).codec
    turns = [{"role": "system", "content": "简短。"}]
    for number in range(12):
        turns += [
            {"role": "user", "content": f"问{number}"},
            {"role": "assistant", "content": f"答{number}"},
        ]
    talk = Conversation.of([*turns, {"role": "user", "content": "最后"}])
    for reply in (4, 16, 30):
        kept = trimmed(codec, talk, reply)
        assert (
            kept.messages[0].role == "system"
            and kept.messages[1].role == "user"
            and kept.messages[-1].content == "最后"
        )
        assert kept.messages[1:] == talk.messages[-len(kept.messages) + 1 :]
        size = len(codec.opening(kept)) + reply
        wider = Conversation([talk.messages[0], *talk.messages[-len(kept.messages) - 1 :]])
        assert size <= codec.spec.length + 1 < len(codec.opening(wider)) + reply
