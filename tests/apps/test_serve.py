"""The official client against a real server: what it gets is what `castalia sample` gives."""

from __future__ import annotations

import base64
import io
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import numpy as np
import openai
import PIL.Image
import pytest
import torch

from castalia import Run
from castalia.abilities import SampleOptions
from castalia.governance.policy import Policy
from castalia.modalities.image.codec import read_manifest
from castalia.sampling.generate import Request, generate, reproduce
from castalia.spec import Batch
from castalia.verbs.reproduce import reproduce as remake
from tests.apps.serving import Running, events, serving, trained

LATENT_EDITS = ("interpolate", "vary", "mix", "style", "direction", "invert")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def up(place: Path) -> Iterator[Running]:
    with serving(place / "words", place / "digits", place / "clothes") as running:
        yield running


def solo(run: Run, prompt: str, seed: int, n: int = 1, **options: object) -> list[str]:
    """What `castalia sample` gives, without the prompt."""
    request = Request(n, seed, {}, SampleOptions(**options), prompt=prompt or None)  # type: ignore[arg-type]
    return [sample.item.removeprefix(prompt) for sample in generate(run, request)]


# Completions --------------------------------------------------------------------------------------


def test_a_completion_is_what_sample_gives(up: Running, place: Path) -> None:
    run = Run.open(place / "words")
    for prompt in ("那只猫", "the cat ", ""):
        found = up.client.completions.create(
            model="words", prompt=prompt, max_tokens=20, seed=5, n=2, temperature=0.9
        )
        assert [choice.text for choice in found.choices] == solo(
            run, prompt, 5, 2, length=20, temperature=0.9
        )
        assert {choice.finish_reason for choice in found.choices} <= {"stop", "length"}
        assert found.usage is not None and found.usage.completion_tokens <= 40
        assert found.usage.prompt_tokens == len(run.codec.encode(prompt)) - 2
        manifest = found.choices[1].castalia  # type: ignore[attr-defined]
        assert (
            reproduce(run, manifest).item == prompt + found.choices[1].text
            and manifest["run"] == "words"
        )


def test_a_stream_says_the_same_in_whole_characters(up: Running, place: Path) -> None:
    run = Run.open(place / "words")
    for stop in (None, ["听。"], ["the", "。"]):
        more = {} if stop is None else {"stop": stop}
        stream = up.client.completions.create(
            model="words",
            prompt="老国王",
            max_tokens=30,
            seed=7,
            n=2,
            stream=True,
            stream_options={"include_usage": True},
            **more,
        )
        texts, usage, ends = ["", ""], None, []
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                assert "\ufffd" not in choice.text
                texts[choice.index] += choice.text
                ends += [choice.finish_reason] if choice.finish_reason else []
        assert texts == solo(run, "老国王", 7, 2, length=30, stop=tuple(stop or ()))
        assert len(ends) == 2 and usage is not None and usage.prompt_tokens == 3


def test_many_at_once_say_what_each_says_alone(up: Running, place: Path) -> None:
    """Continuous batching: rows join and leave all the time."""
    run = Run.open(place / "words")
    prompts = ["那只猫", "the old king ", "一条狗", "", "my aunt "] * 5

    def ask(number: int) -> str:
        found = up.client.completions.create(
            model="words", prompt=prompts[number], max_tokens=5 + number, seed=number
        )
        return found.choices[0].text

    with ThreadPoolExecutor(12) as pool:
        texts = list(pool.map(ask, range(len(prompts))))
    assert texts == [
        solo(run, prompt, number, length=5 + number)[0] for number, prompt in enumerate(prompts)
    ]


def test_log_probabilities_are_the_model_s(up: Running, place: Path) -> None:
    run = Run.open(place / "words")
    found = up.client.completions.create(
        model="words", prompt="那只猫", max_tokens=8, seed=1, logprobs=3, echo=True
    )
    choice = found.choices[0]
    assert choice.logprobs is not None and choice.text.startswith("那只猫")
    ids = run.codec.encode(choice.text).long()[:-1]
    # over all tokens but `begin`, which costs next to nothing here
    nats = run.model().token_nats(Batch(ids[None]))[0]
    assert choice.logprobs.token_logprobs == pytest.approx((-nats).tolist(), abs=0.05)
    assert "".join(choice.logprobs.tokens) == choice.text
    assert choice.logprobs.text_offset == list(range(len(choice.text)))
    for value, top in zip(
        choice.logprobs.token_logprobs, choice.logprobs.top_logprobs, strict=True
    ):
        assert len(top) <= 3 and max(top.values()) >= value - 1e-6
    scored = up.client.completions.create(
        model="words", prompt="那只猫", max_tokens=0, logprobs=1, echo=True
    )
    assert scored.choices[0].text == "那只猫" and len(scored.choices[0].logprobs.tokens) == 3
    score = up.post(
        "/api/score", {"run": "words", "items": ["那只猫看见老国王听。\n", "the cat"]}
    ).json()
    whole = [run.codec.encode(text).long() for text in ("那只猫看见老国王听。\n", "the cat")]
    expected = [float(run.model().nats(Batch(row[None]))[0]) for row in whole]
    assert [one["nats"] for one in score["scores"]] == pytest.approx(expected, abs=1e-3)
    assert score["exact"] and score["scores"][0]["units"] == {"byte": 31, "character": 11}


def test_prompts_as_tokens_and_several_at_once(up: Running, place: Path) -> None:
    run = Run.open(place / "words")
    ids = run.codec.encode("the cat ").tolist()[1:-1]
    one = (
        up.client.completions.create(model="words", prompt=[ids], max_tokens=9, seed=2)
        .choices[0]
        .text
    )
    both = up.client.completions.create(
        model="words", prompt=["the cat ", "一条狗"], max_tokens=9, seed=2
    )
    assert one == both.choices[0].text and [choice.index for choice in both.choices] == [0, 1]


def test_hard_constraints_leave_the_others_their_turn(up: Running) -> None:
    """Nested repeats took 5 seconds a token, in which nobody got one; $refs that double took 40
    seconds of compiling.
    """
    doubled = {
        f"d{level}": {"properties": {name: {"$ref": f"#/$defs/d{level + 1}"} for name in "ab"}}
        for level in range(15)
    }
    schema = json.dumps({"$defs": {**doubled, "d15": {"type": "integer"}}, "$ref": "#/$defs/d0"})
    hard = ["regex:((a|b?){50}){50}", "regex:.*[aeiou].{60}", f"json:{schema}"]
    bodies = [
        {"model": "words", "prompt": "", "max_tokens": 200, "constraint": text} for text in hard
    ]
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(up.post, "/v1/completions", body) for body in bodies]
        begun = time.monotonic()
        assert (
            up.post(
                "/v1/completions", {"model": "words", "prompt": "那", "max_tokens": 5}
            ).status_code
            == 200
        )
        assert time.monotonic() - begun < 15
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]


def test_a_constraint_holds_and_a_gap_is_filled(up: Running) -> None:
    client = up.client
    text = (
        client.completions.create(
            model="words", prompt="", seed=1, extra_body={"constraint": "regex:[a-z]{4} 猫"}
        )
        .choices[0]
        .text
    )
    assert len(text) == 6 and text.endswith(" 猫")
    filled = client.completions.create(
        model="words", prompt="那只猫", suffix="听。\n", max_tokens=6, seed=1
    ).choices[0]
    assert filled.castalia["edit"] == "infill" and "猫听" not in filled.text  # type: ignore[attr-defined]
    edited = up.post(
        "/api/edit",
        data={"run": "words", "kind": "infill", "text": "那只猫[[]]听。", "steps": "2"},
        files={},
    ).json()
    assert [item["text"][:3] + item["text"][-2:] for item in edited["items"]] == ["那只猫听。"] * 2


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"presence_penalty": 1.0}, "presence_penalty"),
        ({"best_of": 3}, "best_of"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**6}, "max_tokens"),
        ({"n": 65}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [10**6]}, "prompt"),
        ({"top_p": 0}, "top_p"),
        ({"extra_body": {"temperatur": 1}}, "temperatur"),
        ({"extra_body": {"constraint": "json:@/etc/passwd"}}, None),
        ({"extra_body": {"constraint": "json:\t@/etc/passwd"}}, None),
        (
            {
                "extra_body": {
                    "constraint": 'json:{"type": "object", "properties": {}, "required": [["a"]]}'
                }
            },
            None,
        ),
        ({"extra_body": {"constraint": 'json:{"const": 1e400}'}}, None),
        ({"extra_body": {"constraint": "regex:" + "(" * 2000 + ")" * 2000}}, None),
        ({"extra_body": {"constraint": "regex:[a-z]{90}"}, "max_tokens": 5}, None),
        ({"extra_body": {"cond": {"label": "3"}}}, None),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(up: Running, more: dict, param: str | None) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            list(
                up.client.completions.create(
                    **{"model": "words", "prompt": "那", "stream": stream, **more}
                )
            )
        assert caught.value.param == param


# Pictures and vectors -----------------------------------------------------------------------------


def test_pictures_carry_their_manifest_and_can_be_made_again(
    up: Running, place: Path, tmp_path: Path
) -> None:
    run = Run.open(place / "digits")
    found = up.client.images.generate(
        model="digits", prompt="draw a 3", n=3, size="8x8", extra_body={"seed": 4}
    )  # type: ignore[call-overload]
    for index, one in enumerate(found.data):
        content = base64.b64decode(one.b64_json)
        (tmp_path / "one.png").write_bytes(content)
        manifest = read_manifest(tmp_path / "one.png")
        assert (
            manifest is not None
            and manifest["cond"] == {"label": "3"}
            and (manifest["seed"], manifest["index"]) == (4, index)
        )
        again = reproduce(run, manifest)
        assert again.item.tobytes() == PIL.Image.open(io.BytesIO(content)).tobytes()
    straight = list(generate(run, Request(3, 4, {"label": "3"}, SampleOptions())))
    difference = np.asarray(straight[2].item, dtype=int) - np.asarray(
        PIL.Image.open(io.BytesIO(content)), dtype=int
    )
    assert abs(difference).max() <= 1


def test_pictures_of_several_clients_share_a_batch_and_stay_their_own(
    up: Running, place: Path
) -> None:
    run = Run.open(place / "clothes")
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda seed: up.post(
                    "/api/generate", {"run": "clothes", "n": 3, "seed": seed}
                ).json()["items"],
                range(8),
            )
        )
    for seed, items in enumerate(found):
        expected = [
            np.asarray(sample.item, dtype=int) for sample in generate(run, Request(3, seed))
        ]
        for item, one in zip(items, expected, strict=True):
            picture = np.asarray(
                PIL.Image.open(io.BytesIO(base64.b64decode(item["data"]))), dtype=int
            )
            assert abs(picture - one).max() <= 1 and item["manifest"]["seed"] == seed
    file = up.post("/api/generate", {"run": "clothes", "format": "file", "seed": 1})
    assert file.headers["content-type"] == "image/png" and file.content.startswith(b"\x89PNG")


def test_vectors_are_the_latent_means(up: Running, place: Path) -> None:
    picture = up.post("/api/generate", {"run": "digits", "format": "file", "seed": 1}).content
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    found = up.client.embeddings.create(model="digits", input=[uri, uri])
    plain = up.client.embeddings.create(model="digits", input=uri, encoding_format="float")
    assert len(found.data) == 2 and np.allclose(found.data[0].embedding, plain.data[0].embedding)
    run = Run.open(place / "digits")
    x = run.codec.encode(PIL.Image.open(io.BytesIO(picture))).float().div(127.5).sub(1)
    expected = run.model().to_latent(x[None], {"label": torch.tensor([10])})[0].detach()
    assert np.allclose(plain.data[0].embedding, expected.flatten(), atol=1e-4)


def test_edits_of_uploads(up: Running, place: Path, tmp_path: Path) -> None:
    picture = up.post("/api/generate", {"run": "digits", "format": "file", "seed": 1}).content
    files = [("inputs", ("../../evil.png", picture)), ("inputs", ("b.png", picture))]
    form = {"run": "digits", "kind": "interpolate", "steps": "3", "cond": '{"label": "1"}'}
    walked = up.post("/api/edit", data=form, files=files).json()
    assert len(walked["items"]) == 3 and walked["items"][0]["manifest"]["edit"] == "interpolate"
    (tmp_path / "start.png").write_bytes(picture)
    (tmp_path / "middle.png").write_bytes(base64.b64decode(walked["items"][1]["data"]))
    again = remake(
        tmp_path / "middle.png",
        tmp_path / "again",
        run=Run.open(place / "digits"),
        inputs=[tmp_path / "start.png"] * 2,
    )
    assert again.identical, again
    for wrong in (
        {"kind": "paint"},
        {"steps": "x"},
        {"steps": "1"},
        {"cond": "[1]"},
        {"strength": "7"},
        {"run": "nobody"},
    ):
        assert up.post("/api/edit", data={**form, **wrong}, files=files).status_code in (
            400,
            404,
        ), wrong


def test_edits_of_latents_over_http(up: Running) -> None:
    picture = up.post("/api/generate", {"run": "digits", "format": "file", "seed": 1}).content
    files = [("inputs", ("a.png", picture)), ("inputs", ("b.png", picture))]
    for run, kind, form, count in (
        ("digits", "mix", {"shares": "0.7,0.3"}, 1),
        ("digits", "style", {"to": "4", "cond": '{"label": "1"}'}, 2),
        ("digits", "direction", {"steps": "3", "amount": "-1"}, 6),
        ("clothes", "invert", {}, 2),
    ):
        found = up.post("/api/edit", data={"run": run, "kind": kind, **form}, files=files).json()
        assert len(found["items"]) == count, found
        assert found["items"][0]["manifest"]["edit"] == kind
    for kind, form, says in (
        ("style", {"to": "4"}, "class of input 1 is not known"),
        ("style", {"to": "cat", "cond": '{"label": "1"}'}, "no class 'cat'"),
        ("mix", {"shares": "1"}, "1 shares for 2 inputs"),
        ("direction", {"along": "4"}, "training data, which are not read here"),
    ):
        answer = up.post("/api/edit", data={"run": "digits", "kind": kind, **form}, files=files)
        assert answer.status_code == 400 and says in answer.text, answer.text


# What is there ------------------------------------------------------------------------------------


def test_models_and_schemas(up: Running) -> None:
    models = {model.id: model for model in up.client.models.list()}
    assert (
        list(models) == ["words", "digits", "clothes"]
        and up.client.models.retrieve("digits").owned_by == "castalia"
    )
    about = {one["name"]: one for one in up.get("/api/runs").json()["runs"]}
    assert about["digits"]["can"] == [
        "images",
        "image_variations",
        "embeddings",
        "generate",
        "score",
        *LATENT_EDITS,
    ]
    # a GAN has no encoder: its latents are searched for, and make no vectors; it knows no classes
    own = [kind for kind in LATENT_EDITS if kind != "style"]
    assert about["clothes"]["can"] == ["images", "image_variations", "generate", *own]
    for name, body in (
        ("words", {"prompt": "猫", "options": {"top_k": 3}}),
        ("digits", {"cond": {"label": "3"}, "options": {"temperature": 0.5}}),
    ):
        schema = up.get(f"/api/schema/{name}").json()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate({"run": name, "n": 2, **body}, schema)
        assert up.post("/api/generate", {"run": name, "n": 2, **body}).status_code == 200
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"run": "digits", "cond": {"label": "cat"}}, schema)


def test_a_missing_ability_says_who_has_it(up: Running) -> None:
    client = up.client
    with pytest.raises(
        openai.NotFoundError, match=r"words' cannot draw pictures.*here these can: digits, clothes"
    ):
        client.images.generate(model="words", prompt="")
    with pytest.raises(
        openai.NotFoundError, match=r"digits' cannot continue texts.*here these can: words"
    ):
        client.completions.create(model="digits", prompt="")
    with pytest.raises(
        openai.NotFoundError, match=r"clothes' cannot turn items into vectors.*: digits"
    ):
        client.embeddings.create(model="clothes", input="x")
    with pytest.raises(
        openai.NotFoundError, match=r"digits' cannot fill parts of pictures.*no run here can.*ar"
    ):
        client.images.edit(model="digits", image=b"x", prompt="")
    with pytest.raises(openai.NotFoundError, match="there is no run of this name"):
        client.completions.create(model="../words", prompt="")
    with pytest.raises(openai.BadRequestError, match="this run draws 8x8"):
        client.images.generate(model="digits", prompt="", size="1024x1024")
    with pytest.raises(openai.BadRequestError, match="names no class"):
        client.images.generate(model="digits", prompt="cat")


def test_what_a_policy_forbids_neither_comes_in_nor_goes_out(place: Path) -> None:
    policy = Policy.model_validate(
        {
            "blocked": [{"id": "cats", "terms": ["猫"]}],
            "options": [{"id": "calm", "option": "temperature", "most": 1.2}],
        }
    )
    run = Run.open(place / "words")
    bad = next(seed for seed in range(200) if "猫" in solo(run, "", seed, length=30)[0])
    with serving(place / "words", policy=policy) as up:
        with pytest.raises(openai.PermissionDeniedError, match="rule cats"):
            up.client.completions.create(model="words", prompt="那只 猫")
        with pytest.raises(openai.PermissionDeniedError, match="rule calm"):
            up.client.completions.create(model="words", prompt="", temperature=1.5)
        with pytest.raises(openai.PermissionDeniedError, match="rule cats"):
            up.client.completions.create(model="words", prompt="", seed=bad, max_tokens=30)
        answer = up.post(
            "/v1/completions", {"model": "words", "seed": bad, "max_tokens": 30, "stream": True}
        )
        assert "猫" not in answer.text and ("rule cats" in answer.text)
        assert up.engine.lanes["words/write"].live == 0
    lines = [
        json.loads(line)
        for line in (place / "words" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {line["app"] for line in lines} == {"server"} and "cats" in {
        line.get("rule") for line in lines
    }


def test_streams_in_a_row_are_events(up: Running) -> None:
    answer = up.post(
        "/v1/completions",
        {
            "model": "words",
            "prompt": "a",
            "max_tokens": 4,
            "seed": 1,
            "stream": True,
            "logprobs": 1,
            "echo": True,
        },
    )
    found = events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream") and found[-1] == "[DONE]"
    assert found[0]["choices"][0]["text"] == "a" and math.isfinite(
        found[0]["choices"][0]["logprobs"]["token_logprobs"][0]
    )
