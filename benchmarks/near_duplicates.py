"""Which pictures that were saved again `castalia check` finds, and how many pairs of different
pictures it takes for the same.

    python benchmarks/near_duplicates.py [FOLDER ...]
        # folders of pictures beside the built-in sets; writes results/near_duplicates.json

Of each set, 200 pictures are saved again in several ways and compared with themselves: the share
that is found, and the median distance. Then all pairs of at most 2,000 pictures of the set are
compared. Some of those found are twins indeed (emoji that differ by a hair), so they are an upper
bound of errors.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from castalia.data import builtin
from castalia.data.source import DataConfig, open_source
from castalia.modalities.image import near_duplicates as lookalikes
from castalia.modalities.image.codec import ImageCodec, flattened
from machine import write_result

Picture = PIL.Image.Image
AGAIN, ALL = 200, 2000


def saved(form: str, quality: int) -> Callable[[Picture], Picture]:
    def save(picture: Picture) -> Picture:
        file = io.BytesIO()
        picture.save(file, form, quality=quality)
        return PIL.Image.open(file).convert("RGB")

    return save


def scaled(factor: float) -> Callable[[Picture], Picture]:
    return lambda picture: picture.resize(
        [max(1, round(side * factor)) for side in picture.size], PIL.Image.Resampling.LANCZOS
    )


WAYS = {
    "JPEG 90": saved("JPEG", 90),
    "JPEG 75": saved("JPEG", 75),
    "JPEG 50": saved("JPEG", 50),
    "WebP 80": saved("WEBP", 80),
    "half the size": scaled(0.5),
    "three quarters": scaled(0.75),
    "twice the size": scaled(2.0),
    "a tenth darker": lambda picture: picture.point(lambda value: round(0.9 * value)),
}


def kept(pictures: list[Picture]) -> tuple[np.ndarray, np.ndarray]:
    thumbnails = np.stack(
        [np.frombuffer(lookalikes.thumbnail(picture), np.uint8) for picture in pictures]
    )
    return thumbnails, np.array([min(picture.size) for picture in pictures])


def measure(folder: Path) -> dict[str, Any]:
    codec = ImageCodec()
    source = open_source(DataConfig(source=str(folder)), codec)
    pictures = list(
        islice((flattened(item, 3) for file in source.files for item in codec.read(file)), ALL)
    )
    thumbnails, shorter = kept(pictures)
    found: dict[str, Any] = {
        "pictures": len(pictures),
        "side": int(np.median(shorter)),
        "saved again": {},
    }
    for name, again in WAYS.items():
        ours, sizes = kept([again(picture) for picture in pictures[:AGAIN]])
        count = len(ours)
        near = lookalikes.near(
            np.concatenate([thumbnails[:count], ours]), np.concatenate([shorter[:count], sizes])
        )
        hit = near.pairs[:, 1] == near.pairs[:, 0] + count
        found["saved again"][name] = {
            "found": round(float(hit.sum() / count), 3),
            "median": round(float(np.median(near.distance[hit])), 3) if hit.any() else None,
        }
    found["pairs"] = len(pictures) * (len(pictures) - 1) // 2
    found["pairs called near"] = len(lookalikes.near(thumbnails, shorter).pairs)
    return found


def main() -> None:
    folders = {f"builtin/{name}": builtin.path(name) for name in ("fashion", "digits")}
    folders |= {Path(word).name: Path(word) for word in sys.argv[1:]}
    write_result(
        "near_duplicates",
        {
            "threshold": lookalikes.NEAR,
            "sets": {name: measure(path) for name, path in folders.items()},
        },
    )


if __name__ == "__main__":
    main()
