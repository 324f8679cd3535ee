"""Sound files of any kind: WAV by our own reader, the others through soundfile (extra `audio`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from castalia import bounded
from castalia.errors import DataError, MissingExtra
from castalia.modalities.audio import wav
from castalia.modalities.audio.sound import Sound
from castalia.sentences import say

WAV = (".wav", ".wave")
OTHERS = (".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif")
ENDINGS = (*WAV, *OTHERS)
_BLOCK = 1 << 18  # frames that are decoded at once


def read(path: Path) -> Sound:
    """The whole file, channels mixed. Raises DataError naming a file that cannot be read,
    MissingExtra where soundfile is needed and missing.
    """
    if path.suffix.lower() in WAV:
        return wav.read(path)
    soundfile = _library(path)
    with bounded.open_regular(path) as file:
        try:
            with soundfile.SoundFile(file) as opened:
                return _decoded(opened, path.name)
        except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
            raise DataError(
                say("the sound file cannot be read: {0}", str(error)[:120]),
                path.name,
                say("copy it again, or save it as WAV"),
            ) from error


def _decoded(opened: Any, name: str) -> Sound:
    rate, channels = int(opened.samplerate), int(opened.channels)
    if opened.frames > 0:
        wav.check_length(int(opened.frames), name)  # what the header says, before it is believed
    parts, count = [], 0
    while len(block := opened.read(_BLOCK, dtype="float32", always_2d=True)):
        count += len(block)
        wav.check_length(count, name)
        parts.append(block.mean(1, dtype=np.float64).astype(np.float32))
    if not count:
        raise wav.empty(name)
    samples = np.concatenate(parts)
    wav.check_numbers(samples, name)
    kind = str(opened.subtype).replace("_", " ").replace("PCM ", "")
    stored = f"{opened.format} {kind}-bit" if kind.isdigit() else f"{opened.format} {kind.lower()}"
    return Sound(samples, rate, channels, stored)


def _library(path: Path) -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: its library is not there
        raise MissingExtra("soundfile", "audio", where=path.name) from error
    return soundfile
