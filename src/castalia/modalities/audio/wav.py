"""Read WAV files ourselves: 8 to 32-bit integers, 32- and 64-bit floats, any rate and channels.

A file is read block by block, channels are mixed on the way, and no more is asked for than the file
holds, whatever its header promises. The formats are those of RFC 2361 and of Microsoft's
WAVE_FORMAT_EXTENSIBLE.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from castalia import bounded
from castalia.codecs import riff
from castalia.errors import DataError
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.sentences import say

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # behind the two bytes of the format
_OTHERS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM", 0x55: "MP3"}
_MOST_HEADER = 1 << 16  # bytes of a fmt chunk
_MOST_CHUNKS = 10_000
_BLOCK = 1 << 20  # bytes that are turned into numbers at once
MOST_RATE, MOST_CHANNELS = 1_000_000, 1024


class Header(NamedTuple):
    """kind: PCM or FLOAT. channels, rate, bits: of a sample. place, size: of the samples in the
    file, in bytes, whole frames.
    """

    kind: int
    channels: int
    rate: int
    bits: int
    place: int
    size: int

    @property
    def frame(self) -> int:
        return self.channels * (self.bits // 8)

    @property
    def stored(self) -> str:
        return f"WAV {self.bits}-bit{' float' if self.kind == FLOAT else ''}"


def read(path: Path) -> Sound:
    """Raises DataError naming a file that is no WAV, is damaged, holds no sample, another encoding,
    numbers that are none, or more than the limit `row_bytes`.
    """
    with bounded.open_regular(path) as file:
        head = header(file, path.name)
        count = head.size // head.frame
        check_length(count, path.name)
        samples = np.empty(count, np.float32)
        file.seek(head.place)
        block = max(1, _BLOCK // head.frame)
        for first in range(0, count, block):
            wanted = min(block, count - first)
            data = file.read(wanted * head.frame)
            if len(data) < wanted * head.frame:
                raise cut_short(path.name, head.size, first * head.frame + len(data))
            values = _numbers(data, head).reshape(-1, head.channels)
            with np.errstate(over="ignore", invalid="ignore"):
                samples[first : first + wanted] = values.mean(1, dtype=np.float64)
    check_numbers(samples, path.name)
    return Sound(samples, head.rate, head.channels, head.stored)


def header(file: io.BufferedReader, name: str) -> Header:
    """What stands before the samples."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(12)
    if start[:4] in (b"RF64", b"RIFX"):
        raise DataError(
            say("a {0} file is not read", start[:4].decode()), name, say("save it as WAV or FLAC")
        )
    if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        raise riff.no_wav(name)
    form: tuple[int, int, int, int] | None = None
    place = 12
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        place += 8
        if kind == b"fmt ":
            form = _format(file.read(min(length, _MOST_HEADER)), name)
        elif kind == b"data":
            if form is None:
                raise _damaged(say("its format is missing"), name)
            if length > size - place:
                raise cut_short(name, length, size - place)
            code, channels, rate, bits = form
            whole = length - length % (channels * bits // 8)
            if not whole:
                raise empty(name)
            return Header(code, channels, rate, bits, place, whole)
        place += length + length % 2
        if place > size:
            break
        file.seek(place)
    raise _damaged(say("it holds no samples"), name)


def _format(body: bytes, name: str) -> tuple[int, int, int, int]:
    """(kind, channels, rate, bits) of a fmt chunk."""
    if len(body) < 16:
        raise _damaged(say("its format is cut short"), name)
    kind, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", body[:16])
    if kind == EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _GUID:
            raise _damaged(say("its extended format is none that is known"), name)
        kind = int.from_bytes(body[24:26], "little")
    if kind not in (PCM, FLOAT):
        raise DataError(
            say("the WAV file holds {0}, which is not read", _OTHERS.get(kind, f"format {kind}")),
            name,
            say("save it as 16-bit PCM or FLAC"),
        )
    known = (8, 16, 24, 32) if kind == PCM else (32, 64)
    if bits not in known:
        raise DataError(
            say("the WAV file has {0} bits a sample", bits), name, say("save it as 16-bit PCM")
        )
    if not 1 <= channels <= MOST_CHANNELS or frame != channels * bits // 8:
        raise _damaged(say("{0} channels in frames of {1} bytes", channels, frame), name)
    if not 1 <= rate <= MOST_RATE:
        raise _damaged(say("a rate of {0} Hz", rate), name)
    return kind, channels, rate, bits


def _numbers(data: bytes, head: Header) -> np.ndarray:
    """Samples in [-1, 1) as float; 8-bit ones are unsigned."""
    if head.kind == FLOAT:
        return np.frombuffer(data, f"<f{head.bits // 8}")
    if head.bits == 8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if head.bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float64) / 2**31
    return np.frombuffer(data, f"<i{head.bits // 8}").astype(np.float64) / 2 ** (head.bits - 1)


def write(sound: Sound, path: Path, manifest: dict[str, object] | None = None) -> None:
    """16-bit mono PCM, the manifest inside (codecs/riff.py)."""
    whole = (on_grid(sound.samples) * 32768).astype("<i2")
    path.write_bytes(riff.wav(whole.tobytes(), sound.rate, manifest))


# Errors that readers of other formats share -------------------------------------------------------


def check_length(samples: int, name: str) -> None:
    """Raises DataError beyond the limit `row_bytes`, four bytes a sample."""
    if 4 * samples > bounded.current().row_bytes:
        raise bounded.exceeded("row_bytes", say("the sound is too long"), name)


def check_numbers(samples: np.ndarray, name: str) -> None:
    if not np.isfinite(samples).all():
        raise DataError(
            say("the sound holds NaN, infinity or numbers beyond float32"),
            name,
            say("export it again as 16-bit PCM"),
        )


def empty(name: str) -> DataError:
    return DataError(
        say("the file holds no sound: not a single sample"), name, say("remove it, or record again")
    )


def cut_short(name: str, promised: int, held: int) -> DataError:
    return DataError(
        say("the WAV file is cut short"),
        say("{0}: its header promises {1:,} bytes, {2:,} are there", name, promised, max(0, held)),
        say("copy it again, or let an audio editor repair and save it"),
    )


def _damaged(why: str, name: str) -> DataError:
    return DataError(say("the WAV file is damaged: {0}", why), name, say("copy or save it again"))
