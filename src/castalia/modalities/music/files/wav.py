"""Render scores as WAV audio: by our own additive synthesis, or by fluidsynth with a SoundFont
where both are installed.

Our synthesiser adds partials with an attack, a decay and a release that depend on the family of the
General MIDI program; drums are filtered noise. It is a function of the score alone. fluidsynth is
used through pretty-midi and pyfluidsynth (extra `sound`) with the SoundFont that
$CASTALIA_SOUNDFONT names, else the first in the places where Linux keeps them.

A written WAV is 16-bit mono PCM, its manifest inside (codecs/riff.py).
"""

from __future__ import annotations

import importlib.util
import io
import os
from contextlib import redirect_stdout
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from castalia.codecs import riff
from castalia.codecs.riff import content, is_labelled, read_manifest
from castalia.errors import DataError, MissingExtra
from castalia.modalities.music.files import midi
from castalia.modalities.music.score import Note, Score, Tempo
from castalia.sentences import say

__all__ = ["content", "is_labelled", "read_manifest", "rendered", "wav", "write"]

Engine = Literal["auto", "own", "fluidsynth"]

RATE = 22_050
TAIL = 1.0  # seconds of silence and echo after the last note
_LONGEST = 1800.0  # seconds
_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
)


class Timbre(NamedTuple):
    """partials: amplitudes of 1, 2, 3 ... times the pitch. attack, release: seconds. decay: seconds
    to 1/e, 0: sustained. vibrato: share of the pitch.
    """

    partials: tuple[float, ...]
    attack: float
    decay: float
    release: float
    vibrato: float = 0.0


_PIANO = Timbre((1, 0.55, 0.32, 0.2, 0.12, 0.07, 0.04), 0.004, 1.1, 0.12)
_BELL = Timbre((1, 0.1, 0.5, 0.05, 0.3, 0.02, 0.12), 0.002, 0.8, 0.3)
_ORGAN = Timbre((1, 0.75, 0.35, 0.5, 0.1, 0.2, 0.05, 0.15), 0.02, 0, 0.06)
_PLUCKED = Timbre((1, 0.6, 0.45, 0.25, 0.15, 0.1), 0.003, 0.55, 0.08)
_STRINGS = Timbre((1, 0.5, 0.38, 0.28, 0.2, 0.15, 0.1, 0.07), 0.07, 0, 0.15, 0.003)
_VOICE = Timbre((1, 0.62, 0.3, 0.12, 0.1, 0.05), 0.05, 0, 0.14, 0.003)
_BRASS = Timbre((1, 0.8, 0.65, 0.5, 0.35, 0.22, 0.12), 0.03, 0, 0.08)
_REED = Timbre((1, 0.15, 0.6, 0.12, 0.35, 0.08, 0.2), 0.03, 0, 0.07)
_FLUTE = Timbre((1, 0.28, 0.1, 0.04), 0.04, 0, 0.09, 0.004)
_FAMILIES = (
    _PIANO,
    _BELL,
    _ORGAN,
    _PLUCKED,
    _PLUCKED,
    _STRINGS,
    _VOICE,
    _BRASS,
    _REED,
    _FLUTE,
    _REED,
    _STRINGS,
    _BELL,
    _PLUCKED,
    _BELL,
    _BELL,
)


def rendered(score: Score, engine: Engine = "auto") -> np.ndarray:
    """(S,) float32 in [-1, 1], RATE samples a second. Raises DataError beyond half an hour;
    MissingExtra for fluidsynth where it is not there.
    """
    seconds = Clock(score)
    if seconds(score.end) > _LONGEST:
        raise DataError(
            say("{0:.0f} seconds of music are too long to be rendered", seconds(score.end)),
            "score",
            say("cut it"),
        )
    if engine == "fluidsynth" or (engine == "auto" and has_fluidsynth()):
        wave = _fluidsynth(score)
    else:
        wave = _own(score, seconds)
    peak = float(np.abs(wave).max(initial=0))
    return (wave * (0.89 / peak) if peak > 0 else wave).astype(np.float32)


def has_fluidsynth() -> bool:
    """Whether the packages, the library and a SoundFont are there."""
    return soundfont() is not None and _library()


@cache
def _library() -> bool:
    if not (importlib.util.find_spec("pretty_midi") and importlib.util.find_spec("fluidsynth")):
        return False
    try:
        with redirect_stdout(io.StringIO()):  # it prints where it found the library
            import fluidsynth  # noqa: F401 - it looks for the library
    except (ImportError, OSError):
        return False
    return True


def soundfont() -> Path | None:
    named = os.environ.get("CASTALIA_SOUNDFONT")
    if named:
        return Path(named) if Path(named).is_file() else None
    fonts = [
        path
        for folder in _FOLDERS
        if Path(folder).is_dir()
        for path in sorted(Path(folder).glob("*.sf[23]"))
    ]
    return fonts[0] if fonts else None


class Clock:
    """Seconds at a tick, by the tempos of a score (120 quarter notes a minute where it
    has none).
    """

    def __init__(self, score: Score) -> None:
        tempos = list(score.tempos)
        if not tempos or tempos[0].start > 0:
            tempos.insert(0, Tempo(0, 120.0))
        self._ticks = np.array([tempo.start for tempo in tempos])
        self._pace = np.array([60.0 / (tempo.quarters * score.resolution) for tempo in tempos])
        self._begun = np.concatenate([[0.0], np.cumsum(np.diff(self._ticks) * self._pace[:-1])])

    def __call__(self, tick: int) -> float:
        place = int(np.searchsorted(self._ticks, tick, side="right")) - 1
        return float(self._begun[place] + (tick - self._ticks[place]) * self._pace[place])


# Our synthesiser ----------------------------------------------------------------------------------


def _own(score: Score, seconds: Clock) -> np.ndarray:
    wave = np.zeros(int((seconds(score.end) + TAIL) * RATE) + 1)
    for part in score.parts:
        timbre = _FAMILIES[part.program // 8]
        for note in part.notes:
            first = int(seconds(note.start) * RATE)
            sound = (
                _struck(note)
                if part.drums
                else _tone(note.pitch, seconds(note.end) - seconds(note.start), timbre)
            )
            end = min(len(wave), first + len(sound))
            wave[first:end] += (note.velocity / 127) ** 1.5 * sound[: end - first]
    return _echoed(wave)


@lru_cache(maxsize=256)
def _tone(pitch: int, length: float, timbre: Timbre) -> np.ndarray:
    pitch_hz = 440.0 * 2 ** ((pitch - 69) / 12)
    time = np.arange(int((length + timbre.release) * RATE)) / RATE
    phase = 2 * np.pi * pitch_hz * time
    if timbre.vibrato:
        phase = phase - timbre.vibrato * pitch_hz / 5.2 * np.cos(2 * np.pi * 5.2 * time) * np.clip(
            (time - 0.15) / 0.3, 0, 1
        )
    sound = np.zeros_like(time)
    for number, amplitude in enumerate(timbre.partials, 1):
        if number * pitch_hz < RATE / 2.2:
            fading = np.exp(-time * (0.6 + 0.4 * number) / timbre.decay) if timbre.decay else 1.0
            sound += amplitude * fading * np.sin(number * phase)
    shape = np.minimum(1.0, time / timbre.attack) * np.clip(
        (length + timbre.release - time) / timbre.release, 0, 1
    )
    # ears are keener on high notes
    return sound * shape * (0.35 * min(1.6, (261.6 / pitch_hz) ** 0.3))


def _struck(note: Note) -> np.ndarray:
    """A drum: low ones are a falling tone, others noise, the higher the shorter and brighter."""
    time = np.arange(int(0.35 * RATE)) / RATE
    if note.pitch in (35, 36, 41, 43, 45, 47, 48, 50):
        base = 50.0 if note.pitch < 40 else 80.0 + 8 * (note.pitch - 41)
        return (
            0.9
            * np.sin(2 * np.pi * (base * time + 2.5 * (1 - np.exp(-time * 30))))
            * np.exp(-time * 14)
        )
    noise = np.random.default_rng(note.pitch).standard_normal(len(time))
    bright = np.diff(noise, prepend=0.0) if note.pitch >= 42 else noise
    return 0.25 * bright * np.exp(-time * (45 if note.pitch in (42, 44) else 16))


def _echoed(wave: np.ndarray) -> np.ndarray:
    """A small room: three echoes."""
    out = wave.copy()
    for delay, gain in ((0.031, 0.18), (0.053, 0.13), (0.089, 0.09)):
        shift = int(delay * RATE)
        out[shift:] += gain * wave[:-shift]
    return out


def _fluidsynth(score: Score) -> np.ndarray:
    font = soundfont()
    if font is None or not _library():
        raise MissingExtra(
            "fluidsynth, its Python packages or a SoundFont are missing",
            "sound=fluidsynth",
            "pip install 'castalia[sound]'; on Debian: apt-get install fluidsynth "
            "timgm6mb-soundfont",
        )
    import pretty_midi

    wave: np.ndarray = pretty_midi.PrettyMIDI(io.BytesIO(midi.encoded(score))).fluidsynth(
        fs=RATE, synthesizer=str(font)
    )
    return wave


# WAV files ----------------------------------------------------------------------------------------


def write(
    score: Score, path: Path, manifest: dict[str, Any] | None = None, engine: Engine = "auto"
) -> None:
    path.write_bytes(wav(rendered(score, engine), manifest))


def wav(wave: np.ndarray, manifest: dict[str, Any] | None = None) -> bytes:
    """A RIFF file of 16-bit mono PCM from (S,) float in [-1, 1]."""
    samples = np.rint(np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
    return riff.wav(samples, RATE, manifest)
