"""The check of sounds finds what is planted, and its near duplicates are altered copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.modalities.audio.sounds import file, phrases, tone

import castalia
from castalia.modalities.audio import near_duplicates as alike
from castalia.modalities.audio import wav
from castalia.modalities.audio.check import clipped, offset
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound


def codes(report: dict) -> set[str]:
    return {finding["code"] for finding in report["findings"]}


def test_what_is_planted_is_found(tmp_path: Path):
    for number, sound in enumerate(phrases(30)):
        place = tmp_path / "data" / ("low" if number % 2 else "high") / f"{number:02d}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        wav.write(sound, place)
    low = tmp_path / "data" / "low"
    wav.write(Sound(np.zeros(4000, np.float32), 8_000), low / "silent.wav")
    time = np.arange(4000) / 8000
    loud = np.clip(3 * np.sin(2 * np.pi * 200 * time), -0.99, 0.99).astype(np.float32)
    wav.write(Sound(loud, 8_000), low / "clipped.wav")
    wav.write(Sound(tone(300).samples * 0.5 + 0.1, 8_000), low / "offset.wav")
    wav.write(Sound(tone(320).samples[:80], 8_000), low / "tiny.wav")
    wav.write(tone(340, 2.0), low / "long.wav")
    wav.write(tone(360, 0.3, 16_000), low / "fast.wav")
    wav.write(tone(380), low / "made.wav", {"synthetic": True})
    first = tmp_path / "data" / "high" / "00.wav"
    quieter = wav.read(first)
    wav.write(Sound(0.3 * quieter.samples, 8_000), low / "quieter.wav")
    file(low / "broken.wav", bytes(100), promised=10_000)
    checked = castalia.check(tmp_path / "data", overrides=["codec.seconds=0.7"])
    report = checked.document.model_dump(mode="json")
    assert codes(report) >= {
        *("silent", "clipped", "offset", "tiny", "cut_off", "rates", "generated", "voices"),
        "near",
    }
    by_code = {one["code"]: one for one in report["findings"]}
    for code in ("silent", "clipped", "offset", "tiny", "generated"):
        assert by_code[code]["values"]["count"] == 1, code
        name = {"generated": "made"}.get(code, code)
        assert by_code[code]["examples"] == [f"low/{name}.wav"]
    assert any("broken.wav" in str(one) for one in report["findings"])


def test_few_sounds_are_too_little_and_not_a_wrong_format(tmp_path: Path):
    for number, sound in enumerate(phrases(3)):
        wav.write(sound, tmp_path / f"{number}.wav")
    report = castalia.check(tmp_path).document.model_dump(mode="json")
    assert "few" in codes(report) and report["codec"] == "audio"


def test_clipping_and_offsets():
    time = np.arange(8000) / 8000
    wave = np.sin(2 * np.pi * 220 * time).astype(np.float32)
    assert not clipped(Sound(0.99 * wave, 8_000)) and not clipped(Sound(0.2 * np.sign(wave), 8_000))
    assert clipped(Sound(np.clip(1.5 * wave, -1, 1), 8_000))
    assert offset(Sound(0.1 * wave + 0.05, 8_000)) and not offset(Sound(wave, 8_000))


ALTERED = {
    "louder": lambda s: Sound(2.5 * s.samples, s.rate),
    "later": lambda s: Sound(np.concatenate([np.zeros(700, np.float32), s.samples]), s.rate),
    "another rate": lambda s: Sound(resampled(s.samples, s.rate, 22_050), 22_050),
    "noise": lambda s: Sound(
        (s.samples + 2e-3 * s.peak * np.random.default_rng(0).standard_normal(len(s.samples)))
        .astype(np.float32), s.rate,
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ALTERED)
def test_altered_copies_are_near(how: str):
    sounds = phrases(12)
    both = [alike.thumbnail(one) for one in [*sounds, *map(ALTERED[how], sounds)]]
    found = alike.near(np.stack([one for one, _ in both]), np.array([two for _, two in both]))
    pairs = {tuple(pair) for pair in found.pairs.tolist()}
    copies = {(k, k + 12) for k in range(12)}
    assert len(pairs & copies) >= 10 and not pairs - copies
