"""Sound files: every kind of WAV against soundfile, broken headers by name, bounded reading."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.modalities.audio.sounds import file, tone

from castalia import bounded
from castalia.errors import DataError, MissingExtra
from castalia.modalities.audio import cut, files, wav
from castalia.modalities.audio.codec import AudioCodec, AudioConfig
from castalia.modalities.audio.sound import Sound

soundfile = pytest.importorskip("soundfile")
STEREO = np.random.default_rng(0).uniform(-0.9, 0.9, (700, 2))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_reads_as_soundfile_does(tmp_path: Path, subtype: str, container: str, channels: int):
    path = tmp_path / "a.wav"
    soundfile.write(path, STEREO[:, :channels], 44_100, subtype, format=container)
    sound = wav.read(path)
    theirs = soundfile.read(path, always_2d=True)[0].mean(1)
    assert sound.rate == 44_100 and sound.channels == channels
    assert np.abs(sound.samples - theirs).max() < 1e-7


@pytest.mark.parametrize(("ending", "tolerance"), [(".flac", 2e-5), (".ogg", 0.1), (".mp3", 0.1)])
def test_other_files_through_soundfile(tmp_path: Path, ending: str, tolerance: float):
    path, sound = tmp_path / f"a{ending}", tone(300, 0.5, 22_050)
    soundfile.write(path, sound.samples, sound.rate)
    (read,) = AudioCodec().read(path)
    assert read.rate == 22_050 and read.stored.split()[0] in ("FLAC", "OGG", "MP3", "MPEG")
    middle = slice(2000, 8000)
    assert np.abs(read.samples[middle] - sound.samples[middle]).max() < tolerance


def test_without_soundfile_the_fix_is_the_pip_line(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.flac"
    soundfile.write(path, STEREO, 8_000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra) as caught:
        files.read(path)
    assert caught.value.fix == "pip install 'castalia[audio]'" and caught.value.where == "a.flac"
    assert len(wav.read(_sixteen(tmp_path / "b.wav")).samples) == 100  # WAV needs nothing


def _sixteen(path: Path) -> Path:
    return file(path, np.arange(100, dtype="<i2").tobytes())


BROKEN = {
    "promises 4 GiB": ({"promised": 0xFFFFFFFF}, "cut short"),
    "promises more": ({"promised": 1_000}, "cut short"),
    "no samples": ({"promised": 0}, "not a single sample"),
    "12 bits": ({"bits": 12}, "bits a sample"),
    "no channels": ({"channels": 0}, "channels in frames"),
    "no rate": ({"rate": 0}, "a rate of 0 Hz"),
    "ADPCM": ({"kind": 2}, "ADPCM, which is not read"),
    "unknown": ({"kind": 999}, "format 999"),
    "extensible, cut": ({"kind": 0xFFFE}, "extended format"),
    "wide float": ({"kind": 3, "bits": 16}, "bits a sample"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_headers_are_named(tmp_path: Path, name: str):
    options, words = BROKEN[name]
    path = file(tmp_path / "a.wav", bytes(100), **options)
    with pytest.raises(DataError, match=words) as caught:
        wav.read(path)
    assert "a.wav" in str(caught.value.where) and caught.value.fix


def test_other_contents_are_named(tmp_path: Path):
    for content, words in (
        (b"", "not a WAV"),
        (b"RIFF", "not a WAV"),
        (b"RF64" + bytes(60), "RF64"),
        (b"RIFF\0\0\0\0WAVE", "no samples"),
        (b"RIFF\0\0\0\0WAVEdata" + struct.pack("<I", 4) + bytes(4), "format is missing"),
        (b"RIFF\0\0\0\0WAVEjunk" + struct.pack("<I", 1 << 31), "no samples"),
    ):
        (tmp_path / "a.wav").write_bytes(content)
        with pytest.raises(DataError, match=words):
            wav.read(tmp_path / "a.wav")


def test_numbers_that_are_none_are_named(tmp_path: Path):
    for value in (np.nan, np.inf):
        body = np.array([0, value, 0], "<f4").tobytes()
        with pytest.raises(DataError, match="NaN, infinity"):
            wav.read(file(tmp_path / "a.wav", body, kind=3, bits=32))
    huge = np.array([0, 1e300], "<f8").tobytes()
    with pytest.raises(DataError, match="NaN, infinity"):
        wav.read(file(tmp_path / "a.wav", huge, kind=3, bits=64))


def test_long_sounds_meet_a_limit(tmp_path: Path):
    path = file(tmp_path / "a.wav", bytes(4000))
    with bounded.using(bounded.from_words(["row_bytes=4000"])):
        with pytest.raises(DataError, match=r"too long.*4,000") as caught:
            wav.read(path)
        assert "row_bytes" in str(caught.value.fix)
    soundfile.write(tmp_path / "b.flac", np.zeros(2000), 8_000)
    with (
        bounded.using(bounded.from_words(["row_bytes=4000"])),
        pytest.raises(DataError, match="too long"),
    ):
        files.read(tmp_path / "b.flac")


def test_many_channels_at_a_high_rate(tmp_path: Path):
    """192 kHz, eight channels: the mean of the channels, brought to the codec's rate."""
    body = np.repeat((1000 * np.sin(np.arange(9600) / 200)).astype("<i2")[:, None], 8, 1)
    path = file(tmp_path / "a.wav", body.tobytes(), channels=8, rate=192_000)
    codec = AudioCodec(AudioConfig(form="wave"))
    (sound,) = codec.read(path)
    codec.fit([sound])
    assert sound.channels == 8 and sound.rate == 192_000 and len(sound.samples) == 9600
    assert codec.layout.rate == 22_050 and codec.encode(sound).shape == codec.spec.shape
    assert {"channels" in one.what or "lower" in one.what for one in codec.omitted(sound)} == {True}


def test_a_written_file_is_read_by_others(tmp_path: Path):
    sound = tone(440)
    wav.write(sound, tmp_path / "a.wav", {"seed": 1, "name": "鹤", "synthetic": True})
    theirs, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == sound.rate and np.array_equal(theirs, sound.samples)
    manifest = AudioCodec.read_manifest(tmp_path / "a.wav")
    assert manifest == {"seed": 1, "name": "鹤", "synthetic": True}
    assert AudioCodec.is_labelled(tmp_path / "a.wav", manifest)
    assert not AudioCodec.is_labelled(tmp_path / "a.wav", {**manifest, "generator": "other"})


def test_a_recording_is_cut_at_pauses():
    """Three sounds with pauses between them; one pause is shorter than PAUSE."""
    rate, quiet = 8_000, np.zeros(2400, np.float32)
    one, two, three = (tone(200 * k, 0.3, fade=0.5).samples for k in (1, 2, 3))
    breath = np.zeros(400, np.float32)
    whole = Sound(np.concatenate([quiet, one, quiet, two, breath, three, quiet]), rate)
    found = cut.by_silence(whole)
    assert [round(part.seconds, 1) for part in found] == [0.4, 0.7]
    assert cut.by_silence(Sound(np.zeros(8000, np.float32), rate)) == []
    assert [round(part.seconds, 2) for part in cut.by_length(whole, 0.5)] == [0.5] * 3 + [0.35]


def test_cut_recordings_stay_on_one_side(tmp_path: Path):
    rate = 8_000
    both = np.concatenate([tone(200).samples, np.zeros(3000, np.float32), hiss_()])
    wav.write(Sound(both, rate), tmp_path / "a.wav")
    codec = AudioCodec(AudioConfig(cut="silence"))
    items = list(codec.read(tmp_path / "a.wav"))
    assert len(items) == 2 == len(list(codec.contents(tmp_path / "a.wav")))
    assert len(set(codec.belongs(tmp_path / "a.wav") or [])) == 1
    assert codec.is_container(tmp_path / "a.wav")
    assert not AudioCodec().is_container(tmp_path / "a.wav")


def hiss_() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, 2000).astype(np.float32)


def test_soundfile_is_given_no_more_than_regular_files(tmp_path: Path):
    (tmp_path / "a.flac").mkdir()
    with pytest.raises(DataError, match="folder"):
        files.read(tmp_path / "a.flac")
    (tmp_path / "b.ogg").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="cannot be read"):
        files.read(tmp_path / "b.ogg")
