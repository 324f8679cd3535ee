"""The client of outside models, against a real server that behaves, and in each of the ways in
which it does not.
"""

import socket
import time
from dataclasses import replace

import pytest
from tests.outside_model import outside

from castalia import outside_model
from castalia.errors import OutsideModelError, RecipeError
from castalia.outside_model import (
    Declined,
    OutsideModel,
    TooSlow,
    Unreachable,
    Unreadable,
    key_from_environment,
)

ASK = [{"role": "user", "content": "Is it? 吗？"}]
SECRET = "sk-very-secret-12345"


def model(address: str, **more: object) -> OutsideModel:
    return replace(OutsideModel(address, "tiny", patience=5, pause=0.01), **more)


def test_a_reply_and_what_was_asked_for():
    with outside(lambda document: f"{document['messages'][0]['content']} yes 是") as fake:
        found = model(fake.address).chat(
            ASK, temperature=0.5, most_tokens=7, seed=3, stop=["\n"], more={"top_k": 4}
        )
    assert (found.text, found.model) == ("Is it? 吗？ yes 是", "tiny")
    assert (found.tokens_in, found.tokens_out, found.ended) == (3, 5, "stop")
    assert fake.asked == [
        {
            "model": "tiny",
            "messages": ASK,
            "temperature": 0.5,
            "max_tokens": 7,
            "seed": 3,
            "stop": ["\n"],
            "top_k": 4,
        }
    ]
    assert "Authorization" not in fake.headers[0], "no key was given, so none is sent"


def test_nothing_is_sent_that_was_not_asked_for():
    with outside() as fake:
        model(fake.address + "/").chat(ASK)
        model(fake.address + "/chat/completions").chat(ASK)
    assert [sorted(one) for one in fake.asked] == [["messages", "model"]] * 2
    assert fake.paths == ["/v1/chat/completions"] * 2


@pytest.mark.parametrize("manner", ["429", "429 after 0", "500", "503", "cut", "gone"])
def test_what_passes_by_itself_is_tried_again(manner: str):
    with outside(lambda document: "yes", manner, manner, "fine") as fake:
        assert model(fake.address).chat(ASK).text == "yes"
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("manner", "error", "calls"),
    [
        ("429", Declined, 2),
        ("503", Declined, 2),
        ("429 after 9999", Declined, 1),  # nobody waits for hours
        ("400", Declined, 1),
        ("401", Declined, 1),
        ("404", Declined, 1),
        ("redirect", Declined, 1),
        ("garbage", Unreadable, 1),
        ("html", Unreadable, 1),
        ("null", Unreadable, 1),
        ("list", Unreadable, 1),
        ("huge", Unreadable, 1),
        ("not-http", Unreadable, 1),
        ("cut", Unreachable, 2),
        ("gone", Unreachable, 2),
    ],
)
def test_errors_have_names_and_no_key(manner: str, error: type[OutsideModelError], calls: int):
    with outside(lambda document: "", manner) as fake:
        asked = model(fake.address, key=SECRET, tries=2)
        with pytest.raises(error) as caught:
            asked.chat(ASK)
    assert len(fake.asked) == calls
    assert fake.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(asked)
    assert caught.value.exit_code == 8 and caught.value.fix


def test_a_servers_own_words_are_shown():
    with outside(lambda document: "", "400") as fake, pytest.raises(Declined) as caught:
        model(fake.address).chat(ASK)
    assert "error 400: status 400" in caught.value.what and caught.value.status == 400


@pytest.mark.parametrize("manner", ["slow", "trickle", "endless"])
def test_a_call_ends_however_slowly_bytes_come(manner: str):
    begun = time.monotonic()
    with outside(lambda document: "", manner) as fake, pytest.raises(TooSlow):
        model(fake.address, patience=0.4).chat(ASK)
    assert time.monotonic() - begun < 3
    assert len(fake.asked) == 1, "a slow server is not asked again"


def test_a_dead_server():
    with socket.socket() as line:  # a port that nobody listens at
        line.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{line.getsockname()[1]}/v1"
        with pytest.raises(Unreachable):
            model(address, tries=2).chat(ASK)


def test_an_unsafe_connection_is_named():
    with outside() as fake, pytest.raises(OutsideModelError):
        model(fake.address.replace("http:", "https:"), tries=1).chat(ASK)


def test_a_question_that_is_too_large_is_not_sent():
    with outside() as fake, pytest.raises(Declined):
        model(fake.address).chat([{"role": "user", "content": "x" * (9 << 20)}])
    assert fake.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "localhost:11434",
        "file:///etc/passwd",
        "http://",
        "http://h:99999/v1",
        "http://h:0/v1",
        "http://name:secret-word@h/v1",
        "http://h/v1?key=secret-word",
        "http://h/a b",
        "http://[1/v1",
        "",
    ],
)
def test_what_is_no_address(address: str):
    with pytest.raises(RecipeError) as caught:
        OutsideModel(address, "tiny")
    assert "secret-word" not in str(caught.value)


def test_a_name_and_a_key_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(RecipeError):
        OutsideModel("http://h/v1", " ")
    with pytest.raises(RecipeError) as caught:
        OutsideModel("http://h/v1", "m", key="a\r\nX-Injected: 1")
    assert "Injected" not in str(caught.value)
    monkeypatch.setenv(outside_model.KEY, f" {SECRET}\n")
    assert key_from_environment() == SECRET
    monkeypatch.delenv(outside_model.KEY)
    assert key_from_environment() == ""


def test_content_in_parts_and_refusals():
    read = outside_model._reply
    parts = {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert read({"choices": [{"message": parts}]}, "m", 0, "").text == "ab"
    no = {"content": None, "refusal": "No."}
    assert read({"choices": [{"message": no}], "usage": [1]}, "m", 0, "").text == "No."
