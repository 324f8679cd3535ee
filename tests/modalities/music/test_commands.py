"""A run of music from the outside: files in several formats, a sheet that plays offline, and the
server's answers.
"""

from __future__ import annotations

import base64
import io
import re
import wave
from dataclasses import replace
from pathlib import Path

import pytest
from tests.apps.command import inside

import castalia
from castalia.cli.output_folder import Batch, endings
from castalia.errors import RecipeError
from castalia.governance import provenance
from castalia.governance.release_gate import Gate
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.music.files import midi, musicxml_read, wav
from castalia.run import Run
from castalia.sampling.generate import generate, request_of

SHORT = [
    "codec.length=32",
    "family.width=16",
    "family.depth=1",
    "family.heads=2",
    "training.steps=2",
    "training.batch=2",
    "training.threads=1",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("music") / "run"
    return castalia.train(
        "music/ar",
        "builtin/chorales",
        [*SHORT, "training.sample_every=1", "data.limit=40"],
        out=folder,
    )


def test_training_draws_its_samples(run: Run):
    assert list((run.folder / "samples").glob("step-*.png")) and not list(
        (run.folder / "samples").glob("*.txt")
    )


def test_samples_are_files_that_others_open(run: Run, tmp_path: Path):
    inside(
        "sample",
        run.folder,
        "-n",
        "2",
        "--format",
        "mid",
        "--format",
        "musicxml",
        "--format",
        "wav",
        "--out",
        "new",
        cwd=tmp_path,
    )
    tmp_path = tmp_path / "new"
    files = sorted(path.name for path in tmp_path.glob("0*"))
    assert files == [f"0000{i}.{ending}" for i in range(2) for ending in ("mid", "musicxml", "wav")]
    for number in range(2):
        one, other = (
            midi.read(tmp_path / f"0000{number}.mid"),
            musicxml_read.read(tmp_path / f"0000{number}.musicxml"),
        )
        assert one.count == other.count > 0
    for name in files[:3]:
        assert provenance.examine(tmp_path / name, run).state == "intact"
        assert castalia.reproduce(tmp_path / name, run=run, out=tmp_path / "again").identical
    page = (tmp_path / "sheet.html").read_text()
    players = re.findall(r'<audio controls preload="none" src="([^"]+)">', page)
    assert players == ["00000.wav", "00001.wav"] and page.count('src="data:image/png;base64,') == 2
    assert "http://" not in page and "https://" not in page


def test_a_beginning_is_continued(run: Run, tmp_path: Path):
    codec: MusicCodec = run.codec
    given = codec.decode(
        codec.encode(next(iter(castalia.sample(run, n=1, seed=3))).item.cut(0, 24))
    )
    codec.write(given, tmp_path / "given.mid")
    inside("sample", run.folder, "-n", "1", "--prompt", "@given.mid", "--out", "out", cwd=tmp_path)
    prompt = codec.encode(given)[:-1].tolist()
    manifest = codec.read_manifest(tmp_path / "out" / "00000.mid")
    assert manifest is not None and manifest["prompt_tokens"] == prompt
    found = codec.encode(midi.read(tmp_path / "out" / "00000.mid")).tolist()
    assert found[: len(prompt) - 4] == prompt[:-4]  # the last step may be held on
    assert castalia.reproduce(
        tmp_path / "out" / "00000.mid", run=run, out=tmp_path / "again"
    ).identical
    assert "@FILE.mid" in inside(
        "sample", run.folder, "--prompt", "C D E", "--out", "no", cwd=tmp_path, code=2
    )


@pytest.fixture(scope="module")
def choir(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("harmony") / "choir"
    return castalia.train(
        "music/ar-harmonise",
        "builtin/chorales",
        [*SHORT, "training.sample_every=0", "data.limit=40"],
        out=folder,
    )


def test_a_harmonised_file_can_be_made_again(run: Run, choir: Run, tmp_path: Path):
    """By everything that edit was told: kept parts, bars, temperature, and bars drawn anew."""
    choir.codec.write(next(iter(castalia.sample(run, n=1, seed=3))).item, tmp_path / "melody.mid")
    how = [
        "--keep",
        "soprano",
        "--bars",
        "1-9",
        "--temperature",
        "0.9",
        "--redraw",
        "2",
        "--steps",
        "2",
        "--seed",
        "4",
    ]
    inside("edit", choir.folder, "infill", "melody.mid", *how, "--out", "made", cwd=tmp_path)
    file = tmp_path / "made" / "00001.mid"
    told = choir.codec.read_manifest(file)
    assert told is not None and (told["redraw"], told["bars"], told["temperature"]) == (
        2,
        [1, 9],
        0.9,
    )
    assert castalia.reproduce(
        file, run=choir, inputs=[tmp_path / "melody.mid"], out=tmp_path / "again"
    ).identical


def test_only_what_the_codec_writes_is_asked_for(run: Run, tmp_path: Path):
    assert endings(run.codec, None) == (".mid", ".wav") and endings(run.codec, ["WAV", "wav"]) == (
        ".wav",
    )
    with pytest.raises(RecipeError, match="mp3"):
        endings(run.codec, ["mp3"])
    batch = Batch(Gate(run), tmp_path, ["musicxml"])
    sample = next(iter(generate(run, request_of(run, 1))))
    assert batch.emit(0, sample.item, {**batch.gate.facts(sample)}) and [
        file.name for file in batch.files
    ] == ["00000.musicxml"]


def test_the_server_harmonises(run: Run, choir: Run, tmp_path: Path):
    """As the command does, in every format; what cannot be asked is refused."""
    pytest.importorskip("fastapi")
    from tests.apps.serving import serving

    choir.codec.write(next(iter(castalia.sample(run, n=1, seed=3))).item, tmp_path / "melody.mid")
    melody = [("inputs", ("whatever.mid", (tmp_path / "melody.mid").read_bytes()))]
    asked = {
        "run": choir.folder.name,
        "kind": "infill",
        "keep": ["soprano"],
        "steps": "2",
        "seed": "5",
        "temperature": "0.8",
        "redraw": "2",
    }
    with serving(choir.folder) as client:
        answer = client.post("/api/edit", data=asked, files=melody)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        made = [midi.parsed(base64.b64decode(item["data"]), "a.mid") for item in items]
        wanted = castalia.edit(
            choir,
            "infill",
            [tmp_path / "melody.mid"],
            keep=["soprano"],
            steps=2,
            seed=5,
            temperature=0.8,
            redraw=2,
        )
        assert [score.parts for score in made] == [
            tuple(part for part in score.parts if part.notes) for score in wanted
        ]
        (tmp_path / "second.mid").write_bytes(base64.b64decode(items[1]["data"]))
        again = castalia.reproduce(
            tmp_path / "second.mid",
            run=choir,
            inputs=[tmp_path / "melody.mid"],
            out=tmp_path / "again",
        )
        assert again.identical
        answer = client.post(
            "/api/edit",
            data={**asked, "keep": [], "bars": "1-2", "ending": "musicxml"},
            files=melody,
        )
        assert (
            musicxml_read.parsed(
                base64.b64decode(answer.json()["items"][0]["data"]), "a.musicxml"
            ).count
            > 0
        )
        for wrong in (
            {"keep": ["violin"]},
            {"keep": []},
            {"bars": "all"},
            {"redraw": "99"},
            {"temperature": "nan"},
            {"ending": "mp3"},
            {"steps": "0"},
        ):
            answer = client.post("/api/edit", data={**asked, **wrong}, files=melody)
            assert answer.status_code == 400, (wrong, answer.text)
        assert client.post("/api/edit", data=asked, files=[]).status_code == 400
        long = replace(next(iter(castalia.sample(run, n=1, seed=3))).item, metres=())
        last = max(note.end for part in long.parts for note in part.notes)
        many = [
            part.notes[0]._replace(start=again * last)
            for part in long.parts[:1]
            for again in range(400)
        ]
        choir.codec.write(
            replace(long, parts=(replace(long.parts[0], notes=tuple(many)), *long.parts[1:])),
            tmp_path / "long.mid",
        )
        answer = client.post(
            "/api/edit",
            data={**asked, "redraw": "16"},
            files=[("inputs", (tmp_path / "long.mid").read_bytes())],
        )
        assert answer.status_code == 400 and "too long" in answer.text
        assert (
            client.post("/api/edit", data=asked, files=[("inputs", b"MThd, not quite")]).status_code
            == 422
        )


def test_the_server_answers_in_notes_and_sound(run: Run):
    pytest.importorskip("fastapi")
    from tests.apps.serving import serving

    name = run.folder.name
    with serving(run.folder) as client:
        answer = client.post("/api/generate", json={"run": name, "n": 2, "seed": 1})
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert [item["type"] for item in items] == ["audio/midi"] * 2
        scores = [midi.parsed(base64.b64decode(item["data"]), "a.mid") for item in items]
        alone = [sample.item.count for sample in castalia.sample(run, n=2, seed=1)]
        assert [score.count for score in scores] == alone
        answer = client.post(
            "/api/generate", json={"run": name, "seed": 1, "format": "file", "ending": "musicxml"}
        )
        assert (
            musicxml_read.parsed(answer.content, "a.musicxml").count > 0
            and "musicxml" in answer.headers["content-type"]
        )
        answer = client.post(
            "/api/generate", json={"run": name, "seed": 1, "format": "file", "ending": "wav"}
        )
        with wave.open(io.BytesIO(answer.content)) as file:
            assert file.getframerate() == wav.RATE
        prompt = items[0]["data"]
        answer = client.post(
            "/api/generate", json={"run": name, "prompt": prompt, "options": {"length": 8}}
        )
        assert answer.status_code == 200 or "context" in answer.text
        assert client.post("/api/generate", json={"run": name, "ending": "mp3"}).status_code == 400
