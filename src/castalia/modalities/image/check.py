"""What `check` learns from looking at each picture once: sizes, how it was stored, what it gives
away, and a thumbnail to compare.

JPEG files are decoded at a fraction of their size, which reads every byte and so finds a damaged
one. Memory: 1.2 KB a picture.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from castalia.checks.item_scan import Look, spread
from castalia.checks.near_pairs import Near
from castalia.codecs import array_files
from castalia.modalities.image import near_duplicates as lookalikes
from castalia.modalities.image.codec import ImageCodec, ImageConfig, flattened, open_picture

_ORIENTATION, _GPS, _EXIF = 0x0112, 0x8825, 0x8769
_AUTHORS = {0x013B: "artist", 0x8298: "copyright", 0x9C9D: "author"}  # of the first directory
# of the EXIF directory
_OWNERS = {0xA430: "owner of the camera", 0xA431: "serial number of the camera"}
_TEXTS = {"author": "author", "artist": "artist", "copyright": "copyright"}  # PNG text chunks


class _Head(NamedTuple):
    """What the beginning of a file says: the size as shown, frames, whether places are in it, which
    fields name somebody, whether Castalia made it.
    """

    size: tuple[int, int]
    frames: int
    gps: bool
    names: tuple[str, ...]
    generated: bool


class PictureLook(Look):
    """Pictures one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.size = np.zeros((count, 2), np.int32)  # width, height
        self._thumbnails = np.zeros((count, lookalikes.BYTES), np.uint8)
        self._stored: Counter[str] = Counter()
        self._grey = 0
        self.marks: defaultdict[str, list[str]] = defaultdict(list)  # finding -> names of pictures
        self.named: Counter[str] = Counter()  # fields that name somebody

    @staticmethod
    def reader(config: ImageConfig) -> ImageCodec:
        """A codec that decodes no larger than thumbnails need."""
        return ImageCodec(config.model_copy(update={"size": lookalikes.SIDE}))

    def add(self, number: int, item: PIL.Image.Image, path: Path, where: str) -> None:
        alone = not array_files.is_container(path)
        head = _head(path) if alone else None
        size = head.size if head is not None else item.size
        plain = flattened(item, 3)
        content = hashlib.sha256(f"{size[0]} {size[1]} {plain.size} ".encode())
        content.update(plain.tobytes())
        self.settle(number, content.digest())
        self.size[number] = size
        self._thumbnails[number] = np.frombuffer(lookalikes.thumbnail(plain), np.uint8)
        if number < self._own:
            self._describe(item, plain, head, where)

    def _describe(
        self, item: PIL.Image.Image, plain: PIL.Image.Image, head: _Head | None, where: str
    ) -> None:
        stored = str(item.info.get("castalia_stored", f"array {item.mode}"))
        self._stored[stored.partition(" named ")[0]] += 1
        if " named " in stored:
            self.marks["misnamed"].append(f"{where}: {stored.replace(' named', ', named')}")
        extremes = plain.getextrema()
        if all(low == high for low, high in extremes):  # type: ignore[misc]
            self.marks["constant"].append(where)
        self._grey += item.mode in ("1", "L", "LA", "I", "F") or item.mode.startswith("I;16")
        if head is not None:
            for mark, there in (
                ("gps", head.gps),
                ("named", bool(head.names)),
                ("animated", head.frames > 1),
                ("generated", head.generated),
            ):
                if there:
                    self.marks[mark].append(where)
            self.named.update(head.names)

    def near(self, chosen: np.ndarray) -> Near:
        found = lookalikes.near(self._thumbnails[chosen], self.size[chosen].min(1))
        return Near(chosen[found.pairs], found.distance)

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        size = self.size[own]
        different, count = (
            np.unique(size, axis=0, return_counts=True) if len(size) else (size, np.zeros(0, int))
        )
        frequent = np.argsort(-count, kind="stable")[:12]
        return {
            "sizes": [
                {
                    "width": int(different[k, 0]),
                    "height": int(different[k, 1]),
                    "count": int(count[k]),
                }
                for k in frequent
            ],
            "different_sizes": len(different),
            "width": spread(size[:, 0]),
            "height": spread(size[:, 1]),
            "stored": dict(self._stored.most_common()),
            "stored_grey": self._grey,
        }


def _head(path: Path) -> _Head | None:
    """None where the head alone cannot be read: then the picture is found to be damaged, or its
    pixels say the size.
    """
    try:
        with _quiet(), open_picture(path) as opened:
            exif = opened.getexif()
            fields = {**{name: exif.get(tag) for tag, name in _AUTHORS.items()}, **_owners(exif)}
            texts = {
                _TEXTS[key.lower()]: value
                for key, value in opened.info.items()
                if isinstance(key, str) and key.lower() in _TEXTS
            }
            names = tuple(
                sorted(
                    name
                    for name, value in {**fields, **texts}.items()
                    if str(value or "").strip("\0 ")
                )
            )
            generated = "castalia" in opened.info or '"castalia' in str(exif.get(0x010E, ""))
            turned = exif.get(_ORIENTATION, 1) in (5, 6, 7, 8)
            size = (opened.height, opened.width) if turned else opened.size
            return _Head(
                size, getattr(opened, "n_frames", 1), bool(exif.get_ifd(_GPS)), names, generated
            )
    # PIL raises almost anything for damaged metadata; what matters is found when the picture is
    # decoded
    except Exception:
        return None


def _owners(exif: PIL.Image.Exif) -> dict[str, Any]:
    inner = exif.get_ifd(_EXIF)
    return {name: inner.get(tag) for tag, name in _OWNERS.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about broken EXIF that does not matter
        yield
