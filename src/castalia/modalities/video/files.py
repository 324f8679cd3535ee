"""Files of clips: animated GIF, WebP and PNG by Pillow; MP4, WebM, AVI, MOV and others by PyAV (the
extra `castalia[video]`), whatever the ending says.

Reading stops after `MOST_FRAMES` frames, and large frames are made smaller, so that memory is
bounded. A manifest stands in the EXIF image description of WebP, the comment of GIF, the comment
field of MP4; codecs/ai_label.py is the label for other programs, in WebP.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from castalia import bounded
from castalia.codecs import ai_label
from castalia.errors import DataError, MissingExtra
from castalia.language import say
from castalia.modalities.video.clip import Clip, at_even_times

ANIMATED = {"GIF": (".gif",), "WEBP": (".webp",), "PNG": (".apng",)}
CONTAINERS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv")
MOST_FRAMES = 512  # of a file
LARGEST = 512  # pixels of the longer side of a frame that is kept
RATES = (0.1, 240.0)  # frames a second that are believed; else `USUAL`
USUAL = 10.0
EXIF_DESCRIPTION = 0x010E
CRF = "12"  # of H.264: nearly without visible loss


def is_animated(path: Path) -> bool:
    """Whether the file has two frames or more, by its header; False where that cannot be read."""
    if path.suffix.lower() in CONTAINERS:
        return True
    try:
        with _opened(path) as picture:
            return getattr(picture, "n_frames", 1) > 1
    except Exception:
        return False


def read_clip(path: Path) -> Clip:
    """The frames of a file. Raises DataError naming a file that is damaged, empty or has one frame
    only; MissingExtra for a container without PyAV.
    """
    clip = _frames_of(path)
    if len(clip.frames) < 2:
        raise DataError(
            say("a clip needs two frames or more, and this file has one"),
            path.name,
            say("set data.skip_bad=true, or train on pictures"),
        )
    return clip


def _frames_of(path: Path) -> Clip:
    with bounded.open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise DataError(
                say("the file is empty (zero bytes)"),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            )
        if size > bounded.current().file_bytes:
            raise bounded.exceeded("file_bytes", say("the video is too large"), path.name)
        file.seek(0)
        head = file.read(16)
        file.seek(0)
        pillow = head.startswith((b"GIF8", b"\x89PNG")) or head[8:12] == b"WEBP"
        try:
            clip = _by_pillow(file, path) if pillow else _by_av(file, path)
        except (DataError, MissingExtra):
            raise
        # decoders fed with a damaged file raise almost anything
        except Exception as error:
            raise DataError(
                say("the video cannot be decoded: {0}", str(error) or type(error).__name__),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            ) from error
    return clip


# Pillow -------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    with bounded.open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata that do not matter
        with PIL.Image.open(file, formats=list(ANIMATED)) as picture:
            yield picture


def _by_pillow(file: BinaryIO, path: Path) -> Clip:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PIL.Image.open(file, formats=list(ANIMATED)) as picture:
            _bounded_size(picture.width, picture.height, path)
            count = getattr(picture, "n_frames", 1)
            timed, now, lengths = [], 0.0, []
            for number in range(min(count, MOST_FRAMES)):
                picture.seek(number)
                picture.load()
                # browsers show what is meant to take no time for a tenth of a second
                seconds = float(picture.info.get("duration") or 100) / 1000
                timed.append((now, _kept(picture.convert("RGBA"))))
                lengths.append(seconds)
                now += seconds
            form = picture.format or ""
    rate = _believed(common_rate(lengths))
    frames = np.stack(list(islice(at_even_times(timed, now, rate), MOST_FRAMES)))
    varied = max(lengths) > 1.5 * min(lengths)
    return Clip(frames, rate, f"{form} animated", False, max(0, count - MOST_FRAMES), varied)


def common_rate(seconds: Sequence[float]) -> float:
    """Frames a second of frames that are shown for these times: of their mean, where they are about
    equal, for files round them; of the shortest, where all others are about whole multiples of it,
    for equal frames are joined in files; else of the middle one.
    """
    shortest = max(min(seconds), 1e-3)
    if max(seconds) <= 1.5 * shortest:
        return len(seconds) / sum(seconds)
    multiples = [max(1, round(one / shortest)) for one in seconds]
    if all(
        abs(one / shortest - times) <= 0.15 * times
        for one, times in zip(seconds, multiples, strict=True)
    ):
        return sum(multiples) / sum(seconds)
    return 1 / float(np.median(seconds))


def _kept(rgba: PIL.Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 on white, made smaller where it is large."""
    plain = PIL.Image.new("RGB", rgba.size, (255, 255, 255))
    plain.paste(rgba, mask=rgba.getchannel("A"))
    if max(plain.size) > LARGEST:
        plain.thumbnail((LARGEST, LARGEST), PIL.Image.Resampling.BOX)
    return np.asarray(plain)


# PyAV ---------------------------------------------------------------------------------------------


def av_module(where: str) -> Any:
    """PyAV. Raises MissingExtra."""
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "video", where=where) from error
    av.logging.set_level(av.logging.PANIC)
    return av


def _by_av(file: BinaryIO, path: Path) -> Clip:
    av = av_module(path.name)
    with av.open(file, mode="r") as container:
        if not container.streams.video:
            raise DataError(
                say("the file has no pictures: no video stream"),
                path.name,
                say("remove it, or set data.skip_bad=true"),
            )
        stream = container.streams.video[0]
        context = stream.codec_context
        _bounded_size(context.width, context.height, path)
        rate = _believed(float(stream.average_rate or stream.guessed_rate or USUAL))
        stored = f"{context.name} in {container.format.name}"
        sound = bool(container.streams.audio)
        timed, first, steps = [], None, []
        for number, frame in enumerate(container.decode(stream)):
            if number == MOST_FRAMES:
                break
            begins = frame.time if frame.time is not None else number / rate
            first = begins if first is None else first
            if timed:
                steps.append(begins - first - timed[-1][0])
            timed.append((begins - first, _kept(frame.to_image().convert("RGBA"))))
        total = int(stream.frames or 0)
    if not timed:
        raise DataError(
            say("no frame of the video can be decoded"),
            path.name,
            say("copy it again, or set data.skip_bad=true"),
        )
    varied = bool(steps) and max(steps) - min(steps) > 0.5 / rate
    end = timed[-1][0] + 1 / rate
    frames = np.stack(list(islice(at_even_times(timed, end, rate), MOST_FRAMES)))
    return Clip(frames, rate, stored, sound, max(0, total - len(timed)), varied)


def _bounded_size(width: int, height: int, path: Path) -> None:
    if width * height > bounded.current().pixels:
        raise bounded.exceeded(
            "pixels",
            say("the frames are too large to decode safely: {0} x {1} pixels", width, height),
            path.name,
        )


def _believed(rate: float) -> float:
    """A rate that a file states, rounded to a thousandth; `USUAL` where it cannot be."""
    return round(rate, 3) if RATES[0] <= rate <= RATES[1] else USUAL


# Writing ------------------------------------------------------------------------------------------


def write_clip(clip: Clip, path: Path, manifest: dict[str, Any] | None) -> None:
    """WebP without loss, GIF (256 colours) or MP4 (H.264), by the ending. The same clip and
    manifest give the same bytes.
    """
    # ASCII: EXIF has no other text
    text = None if manifest is None else json.dumps(manifest, sort_keys=True)
    ending = path.suffix.lower()
    if ending == ".mp4":
        path.write_bytes(_mp4(clip, text, path.name))
        return
    pictures = [PIL.Image.fromarray(frame) for frame in _rgb(clip.frames)]
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": pictures[1:],
        "duration": _durations(len(pictures), clip.rate, 10 if ending == ".gif" else 1),
        "loop": 0,
    }
    if ending == ".gif":
        if text is not None:
            options["comment"] = text.encode()
        pictures[0].save(path, "GIF", **options, optimize=False, disposal=1)
        return
    if text is not None:
        exif = PIL.Image.Exif()
        exif[EXIF_DESCRIPTION] = text
        if len(text) > 60_000:
            raise DataError(
                say("the manifest does not fit into the file's EXIF block of 64 kB"),
                path.name,
                say("write GIF or MP4"),
            )
        options["exif"] = exif
        label = None if manifest is None else ai_label.packet(manifest)
        if label is not None:
            options["xmp"] = label.encode()
    # equal frames would be joined into one that is shown longer
    pictures[0].save(
        path, "WEBP", **options, lossless=True, quality=50, method=2, minimize_size=False
    )


def _durations(count: int, rate: float, unit: int) -> list[int]:
    """Milliseconds of each frame, multiples of `unit`, whose sums stay near the exact times."""
    ends = [round(1000 * (number + 1) / rate / unit) for number in range(count)]
    return [max(1, end - start) * unit for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _rgb(frames: np.ndarray) -> np.ndarray:
    return np.repeat(frames, 3, axis=3) if frames.shape[3] == 1 else frames


def _mp4(clip: Clip, text: str | None, name: str) -> bytes:
    av = av_module(name)
    frames = _rgb(clip.frames)
    height, width = frames.shape[1:3]
    # the sides of H.264's usual form are even
    frames = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    file = io.BytesIO()
    with av.open(file, mode="w", format="mp4") as container:
        if text is not None:
            container.metadata["comment"] = text
        stream = container.add_stream("libx264", rate=Fraction(clip.rate).limit_denominator(1000))
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = "yuv420p"
        # one thread: the same bytes on any machine
        stream.codec_context.thread_count = 1
        stream.options = {"crf": CRF}
        for frame in frames:
            planar = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p")
            for plane in planar.planes:
                # x264 looks at what lies behind the end of a line, which differs from run to run
                lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                lines[:, plane.width :] = lines[:, plane.width - 1 : plane.width]
            for packet in stream.encode(planar):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue()


# What a written file says -------------------------------------------------------------------------


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest in a file; None where there is none. Raises DataError for a file that cannot be
    read.
    """
    if path.suffix.lower() in CONTAINERS:
        text = _comment(path)
    else:
        try:
            with _opened(path) as picture:
                if picture.format == "GIF":
                    comment = picture.info.get("comment", b"")
                    text = comment.decode(errors="replace") if comment else None
                else:
                    text = picture.getexif().get(EXIF_DESCRIPTION)
        except DataError:
            raise
        except Exception as error:
            raise _unreadable(path, error) from error
    if not isinstance(text, str) or not text.startswith("{"):
        return None
    try:
        manifest = bounded.parse_json(text)
    except DataError:
        return None
    return manifest if isinstance(manifest, dict) else None


def content(path: Path) -> str:
    """SHA-256 of the frames as they are decoded, and of how long each is shown."""
    clip = _frames_of(path)
    head = f"{clip.frames.shape} {clip.rate:.3f}\n"
    return hashlib.sha256(head.encode() + clip.frames.tobytes()).hexdigest()


def xmp(path: Path) -> str | None:
    """The XMP packet of a WebP file."""
    with _opened(path) as picture:
        found = picture.info.get("xmp")
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def _comment(path: Path) -> str | None:
    av = av_module(path.name)
    with bounded.open_regular(path) as file:
        try:
            with av.open(file, mode="r") as container:
                found: str | None = container.metadata.get("comment")
                return found
        except Exception as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        say("the video cannot be read: {0}", str(error) or type(error).__name__),
        path.name,
        say("copy it again"),
    )
