"""The main job on the built-in drums through the command line: train, sample, edit, audit, card."""

from __future__ import annotations

from pathlib import Path

import pytest

import castalia
from castalia.cli.main import main
from castalia.data import builtin
from castalia.modalities.audio.codec import AudioCodec

DRUMS = builtin.path("drums")
TINY = [
    *("training.steps=3", "training.batch=4", "training.threads=1", "training.sample_every=0"),
    *("family.width=8", "codec.seconds=0.3", "data.limit=30"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> castalia.Run:
    folder = tmp_path_factory.mktemp("drums") / "run"
    return castalia.train("audio/flow", "builtin/drums", TINY, out=folder)


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def test_samples_are_sounds_with_players(run: castalia.Run, tmp_path: Path):
    assert command("sample", run.folder, "-n", 3, "--out", tmp_path / "new") == 0
    files = sorted((tmp_path / "new").glob("*.wav"))
    assert len(files) == 3
    page = (tmp_path / "new" / "sheet.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 3 == page.count("data:audio/wav;base64,")
    assert "http://" not in page and "https://" not in page
    manifest = AudioCodec.read_manifest(files[0])
    assert manifest is not None and manifest["synthetic"] and manifest["seed"] == 0
    assert command("verify", files[0]) == 0
    assert command("reproduce", files[1], "--out", tmp_path / "again") == 0


def test_edits(run: castalia.Run, tmp_path: Path):
    tabla, kick = DRUMS / "tabla" / "na.wav", DRUMS / "kick" / "808.wav"
    for kind, words, count in (
        ("vary", [tabla, "--steps", 2], 2),
        ("interpolate", [tabla, kick, "--steps", 3], 3),
        ("infill", [tabla, "--gap", "0.1-0.15", "--steps", 2], 2),
        ("denoise", [tabla], 1),
    ):
        out = tmp_path / kind
        assert command("edit", run.folder, kind, *words, "--out", out) == 0, kind
        assert len(list(out.glob("*.wav"))) == count
    assert command("edit", run.folder, "infill", tabla, "--gap", "x") == 2


def test_a_copy_is_found_and_voices_are_on_the_card(run: castalia.Run, tmp_path: Path):
    (tmp_path / "given").mkdir()
    train = run.about["data"]["report"]
    assert train["items"] == 30
    from castalia.data.stream import prepare

    data = prepare(run.recipe.data, run.codec, fit=False)
    for number in range(3):
        item = run.codec.decode(data.train.take([number]).x[0])
        run.codec.write(item, tmp_path / "given" / f"{number}.wav")
    audit = castalia.audit(run, samples=tmp_path / "given")
    assert audit["checked"] == 3 and audit["matcher"] == "sounds"
    assert audit["copies"] >= 2
    assert command("card", run.folder) == 0
    assert "voices of people" in (run.folder / "card.md").read_text(encoding="utf-8")
