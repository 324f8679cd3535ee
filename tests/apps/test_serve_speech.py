"""Speech over HTTP, by the official client: what it gives, and what is refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import castalia
from castalia import Run
from castalia.governance.policy import Policy
from castalia.modalities.audio import wav
from castalia.modalities.audio.codec import AudioCodec
from castalia.verbs.reproduce import reproduce as remake
from tests.apps.serving import Running, serving
from tests.spoken import spoken

openai = pytest.importorskip("openai")
SHORT = (
    "training.steps=4",
    "training.minutes=null",
    "training.sample_every=0",
    "training.threads=1",
    "codec.bands=32",
    "family.width=8",
    "family.condition_width=16",
    "family.steps=2",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("runs")
    data = spoken(place / "data")
    voice = castalia.train(
        "audio/speech", data, [*SHORT, "data.consent=tones of no person"], out=place / "voice"
    )
    drums = castalia.train(
        "audio/flow", data, [*SHORT, "data.conditional=false"], out=place / "drums"
    )
    return voice.folder, drums.folder


@pytest.fixture(scope="module")
def up(runs: tuple[Path, Path]) -> Iterator[Running]:
    with serving(*runs) as server:
        yield server


def test_the_official_client_gets_a_sound(
    up: Running, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    answer = up.client.audio.speech.create(
        model="voice", input="Abba, d!", voice="default", extra_body={"seed": 7}
    )
    made = tmp_path / "said.wav"
    answer.write_to_file(made)
    assert answer.response.headers["content-type"] == "audio/wav"
    manifest = AudioCodec.read_manifest(made)
    assert manifest is not None
    assert (manifest["seed"], manifest["cond"]) == (7, {"caption": "Abba, d!"})
    assert AudioCodec.is_labelled(made, manifest)
    assert len(wav.read(made).samples) > 0
    assert remake(made, tmp_path / "again", run=Run.open(runs[0])).identical


def test_a_sound_comes_as_it_would_be_streamed(up: Running, tmp_path: Path) -> None:
    with up.client.audio.speech.with_streaming_response.create(
        model="voice", input="abc", voice="voice", response_format="wav"
    ) as answer:
        answer.stream_to_file(tmp_path / "said.wav")
    assert wav.read(tmp_path / "said.wav").rate == 8_000


def test_letters_that_are_passed_over_are_named(up: Running) -> None:
    answer = up.client.audio.speech.create(model="voice", input="a xylo ü", voice="default")
    assert answer.response.headers["x-castalia-passed-over"] == "xylo%C3%BC"
    plain = up.client.audio.speech.create(model="voice", input="ab", voice="default")
    assert "x-castalia-passed-over" not in plain.response.headers


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"response_format": "mp3"}, "speech leaves as WAV alone"),
        ({"response_format": "pcm"}, "cannot carry its manifest and its label"),
        ({"voice": "alloy"}, "this run has one voice, and imitates no other"),
        ({"voice": {"id": "voice_1234"}}, "this run has one voice"),
        ({"speed": 2.0}, "speaks at the speed that it learned"),
        ({"speed": 9.0}, "less than or equal to 4"),
        ({"instructions": "whisper"}, "no instructions on how to speak"),
        ({"extra_body": {"stream_format": "sse"}}, "sent whole, not as events"),
        ({"extra_body": {"pitch": 2}}, "pitch"),
        ({"input": ""}, "there is nothing to say"),
        ({"input": "..."}, "there is nothing to say"),
        ({"input": "xyz"}, "knows none of these letters"),
        ({"input": "abcd " * 20}, "this model says 8 at most"),
        ({"input": "a" * 5000}, "4096"),
        ({"model": "drums"}, "cannot say texts aloud"),
        ({"model": "nobody"}, "there is no run of this name here"),
    ],
)
def test_what_has_no_meaning_is_refused(up: Running, given: dict, match: str) -> None:
    with pytest.raises(openai.APIStatusError, match=match) as refused:
        up.client.audio.speech.create(
            **{"model": "voice", "input": "abc", "voice": "default", **given}
        )
    assert refused.value.status_code in (400, 404)


def test_a_policy_reads_what_is_to_be_said(runs: tuple[Path, Path], tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("blocked: [{id: names, terms: [baba]}]\n", encoding="utf-8")
    with serving(runs[0], policy=Policy.load(policy)) as server:
        with pytest.raises(openai.PermissionDeniedError, match="names"):
            server.client.audio.speech.create(model="voice", input="a baba", voice="default")
        server.client.audio.speech.create(model="voice", input="a bab", voice="default")


def test_the_server_says_what_it_can(up: Running) -> None:
    by_name = {one["name"]: one for one in up.get("/api/runs").json()["runs"]}
    assert "speech" in by_name["voice"]["can"] and "speech" not in by_name["drums"]["can"]
    home = up.get("/", headers={"accept": "text/html"}).text
    assert "/v1/audio/speech" in home and "audio.speech.create" in home
