"""A toy voice of four tones, one for each letter: after some hundred steps texts that it never
heard come out in their letters and in their order.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.spoken import LETTERS, RATE, spoken

import castalia
from castalia.captions import Caption
from castalia.modalities.audio.spectrogram import stft
from castalia.run import Run
from castalia.training.setup import open_data

HOP = 128
SETTINGS = {
    "data.consent": "Tones of no person; nobody needs to agree.",
    "data.validation": 0.2,
    "training.steps": 250,
    "training.minutes": None,
    "training.threads": 1,
    "training.sample_every": 0,
    "training.ema": 0.98,
    "codec.bands": 32,
    "family.width": 16,
    "family.condition_width": 32,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("speech")
    return castalia.train("audio/speech", spoken(place / "data", 80), SETTINGS, out=place / "run")


def spoken_by(run: Run, text: str) -> torch.Tensor:
    """Samples (S,)."""
    return torch.from_numpy(castalia.sample(run, 1, 0, {"caption": text})[0].item.samples)


def spectra_of(samples: torch.Tensor) -> torch.Tensor:
    """(bins, frames)."""
    whole = torch.nn.functional.pad(samples, (0, -len(samples) % HOP))
    return stft(whole[None], HOP)[0].abs()


def loud(samples: torch.Tensor) -> torch.Tensor:
    """(frames,) bool."""
    spectra = spectra_of(samples)
    return spectra.amax(0) > 0.3 * spectra.max()


def heard(samples: torch.Tensor) -> str:
    """The letters of a sound: of each frame that is loud the nearest tone, repetitions once."""
    hertz = spectra_of(samples).argmax(0) * RATE / (4 * HOP)
    frames = [
        min(LETTERS, key=lambda letter: abs(LETTERS[letter] - one))
        for one in hertz[loud(samples)].tolist()
    ]
    # a letter lasts for six frames; one or two are where one turns into another
    runs = [(letter, 1) for letter in frames[:1]]
    for letter in frames[1:]:
        last, count = runs[-1]
        runs = [*runs[:-1], (last, count + 1)] if letter == last else [*runs, (letter, 1)]
    said = [letter for letter, count in runs if count > 2]
    return "".join(
        letter for place, letter in enumerate(said) if not place or said[place - 1] != letter
    )


def once(text: str) -> str:
    """Without repetitions, which nothing separates."""
    return "".join(one for place, one in enumerate(text) if not place or text[place - 1] != one)


def test_texts_that_were_never_heard_are_said(run: Run) -> None:
    dataset, caption = open_data(run), Caption(run.conditions["caption"])  # type: ignore[arg-type]
    seen, held = (
        {caption.text(row).strip() for row in side.take(range(len(side))).cond["caption"].tolist()}
        for side in (dataset.train, dataset.validation)
    )
    texts = sorted(held - seen)
    assert len(texts) >= 5
    said = {text: heard(spoken_by(run, text)) for text in texts}
    right = sum(said[text] == once(text) for text in texts)
    assert right / len(texts) > 0.7, said  # by chance less than a tenth


def test_a_longer_text_takes_longer(run: Run) -> None:
    one, four = (int(loud(spoken_by(run, text)).nonzero().max()) for text in ("a", "abcd"))
    assert four > 2 * one


def test_the_recordings_are_heard_as_they_are(tmp_path: Path) -> None:
    from castalia.modalities.audio import wav

    folder = spoken(tmp_path / "data", 20)
    for path in sorted(folder.glob("*.wav")):
        text = path.with_suffix(".txt").read_text("utf-8").lower().rstrip(".")
        assert heard(torch.from_numpy(wav.read(path).samples)) == once(text)
