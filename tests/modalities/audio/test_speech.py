"""Speech: a consent or nothing, texts in letters, and what is said of a toy voice. That letters are
learned is shown in tests/learning/test_speech.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.apps.command import inside
from tests.spoken import spoken

import castalia
from castalia.errors import RecipeError, Refused
from castalia.governance.card import render
from castalia.modalities.audio import wav
from castalia.run import Run
from castalia.spec import Words

CONSENT = "Tones of no person; nobody needs to agree."
SHORT = {
    "training.steps": 4,
    "training.minutes": None,
    "training.batch": 8,
    "training.threads": 1,
    "training.sample_every": 0,
    "codec.bands": 32,
    "family.width": 8,
    "family.condition_width": 32,
    "family.steps": 3,
    "training.ema": 0.9,
    "data.consent": CONSENT,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("speech")
    return castalia.train("audio/speech", spoken(place / "data"), SHORT, out=place / "run")


def test_a_prompt_in_letters(run: Run) -> None:
    kind = run.conditions["caption"]
    assert isinstance(kind, Words) and kind.unit == "letter" and set("abcd") <= set(kind.vocabulary)
    one, two = (castalia.sample(run, 1, 0, {"caption": text})[0].x for text in ("ad", "da"))
    assert not torch.equal(one, two)


def test_a_text_that_is_too_long_is_refused(run: Run) -> None:
    with pytest.raises(RecipeError, match="this model says 8 at most"):
        castalia.sample(run, 1, 0, {"caption": "abcd " * 9})


@pytest.mark.parametrize("consent", ["", "   "])
def test_no_voice_without_a_consent(tmp_path: Path, consent: str) -> None:
    with pytest.raises(Refused) as refused:
        castalia.train(
            "audio/speech", spoken(tmp_path / "data", 8), SHORT | {"data.consent": consent}
        )
    assert refused.value.where == "data.consent" and "whose voices" in refused.value.fix
    # words of sounds ("a dog barks") are no voice
    plain = {"data.caption_unit": "word", "family.alignment": "attention", "training.steps": 1}
    castalia.train(
        "audio/speech",
        tmp_path / "data",
        SHORT | plain | {"data.consent": ""},
        out=tmp_path / "run",
    )


def test_the_consent_is_kept_and_shown(run: Run) -> None:
    assert run.about["recipe"]["data"]["consent"] == CONSENT
    card = render(run)
    assert CONSENT.partition(";")[0] in card and "A toy voice" in card
    assert "玩具" in render(run, "zh")


def test_the_command_line_speaks(run: Run, tmp_path: Path) -> None:
    inside(
        "sample", run.folder, "--prompt", "Abba!", "-n", "1", "--out", tmp_path / "said",
        cwd=tmp_path,
    )  # fmt: skip
    made = tmp_path / "said" / "00000.wav"
    manifest = run.codec.read_manifest(made)
    assert manifest is not None and manifest["cond"] == {"caption": "Abba!"}
    assert wav.read(made).seconds > 0.2
    sheet = (tmp_path / "said" / "sheet.html").read_text(encoding="utf-8")
    assert "A toy voice" in sheet and "Abba!" in sheet
    inside("reproduce", made, "--run", run.folder, "--out", tmp_path / "again", cwd=tmp_path)
    assert (tmp_path / "again" / made.name).read_bytes() == made.read_bytes()


def test_the_report_says_that_it_is_a_toy(run: Run) -> None:
    castalia.evaluate(run, n=20)
    page = (run.folder / "eval" / "report.html").read_text(encoding="utf-8")
    assert "A toy voice" in page


def test_a_check_asks_for_the_consent(tmp_path: Path) -> None:
    found = castalia.check(spoken(tmp_path / "data", 6)).document.findings
    words = next(one.words for one in found if one.code == "spoken")
    assert words.startswith("6 sounds have a text beside them") and "data.consent" in words
