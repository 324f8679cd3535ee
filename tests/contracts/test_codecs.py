"""Every built-in codec keeps every item of the contract; each item catches a codec that
breaks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from castalia import registry
from castalia.codecs.base import Codec
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.level.contract import rooms
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo
from castalia.modalities.series.series import Series
from castalia.modalities.shape3d.contract import furniture
from castalia.modalities.table.contract import records
from castalia.modalities.table.history.history import History
from castalia.modalities.table.row import Header, Row
from castalia.modalities.video.clip import Clip
from castalia.testing import CODEC_CHECKS, check_codec


def picture(seed: int, mode: str, size: tuple[int, int]) -> PIL.Image.Image:
    channels = len(PIL.Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(
        0, 256, (size[1], size[0], channels), dtype=np.uint8
    )
    return PIL.Image.fromarray(values.squeeze(-1) if channels == 1 else values, mode)


def arrays(*shape: int) -> list[np.ndarray]:
    return [
        np.random.default_rng(seed).normal(3.0, 2.0, shape).astype(np.float32) for seed in range(6)
    ]


ENGLISH = [
    "To be, or not to be,\nthat is the question.\n",
    "Whether 'tis nobler in the mind",
    "naïve café: 3 €",
    "to suffer",
]
CHINESE = [
    "聞道黃花戍，頻年不解兵。\n可憐閨裏月，偏照漢家營。",
    "千里東歸客，無心憶舊遊。",
    "白日依山尽，黄河入海流。",
    "𠮷野家 café",
]


def sound(seed: int) -> Sound:
    """Noise that fades, on the 16-bit grid."""
    noise = np.random.default_rng(seed).standard_normal(900 + 100 * seed)
    return Sound(on_grid(0.2 * noise * np.exp(-np.arange(len(noise)) / 300)), 8_000)


def score(seed: int, *parts: str, length: int = 8) -> Score:
    """Notes of one or two sixteenths and some silence, at 480 ticks a quarter note."""
    rng, made = np.random.default_rng(seed), []
    for number, name in enumerate(parts):
        notes, now = [], 0
        while now < 120 * length:
            held = 120 * int(rng.integers(1, 3))
            if rng.random() < 0.9 or not now:
                notes.append(Note(now, held, 72 - 12 * number + int(rng.integers(0, 8)), 64))
            now += held
        made.append(Part(name, 52, False, tuple(notes)))
    return Score(
        tuple(made), 480, (Tempo(0, 100.0),), (Metre(0, 3, 4),), (Key(0, -1, True),), "title"
    )


CHORALES = [score(seed, "soprano", "alto", "tenor", "bass") for seed in range(4)]

ROWS = [
    Row(
        Header(("name", "size", "sort", "day")),
        (
            f"A-{100 + n}",
            "" if n % 9 == 8 else f"{n * n % 37 / 4:.2f}",
            "abc"[n % 3],
            f"2020-01-{1 + n % 28:02d}",
        ),
    )
    for n in range(60)
]

HISTORIES = [
    History([Row(Header(("who", "what")), (f"u{n}", f"i{(n + t) % 7}")) for t in range(2 + n % 5)])
    for n in range(20)
]
SERIES = [
    Series(
        "",
        10
        + np.sin(np.arange(600) / (2 + seed))
        + 0.3 * np.random.default_rng(seed).normal(size=600),
    )
    for seed in range(8)
]


LEVELS = rooms(12, "codec")


def clip(seed: int, frames: int, side: int, rate: float) -> Clip:
    values = np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)
    return Clip(values, rate)


CASES: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "clips": (
        "video",
        {"size": 12, "frames": 4},
        [clip(seed, 6, 12 + seed, 8) for seed in range(4)],
    ),
    "clips of any length": ("video", {}, [clip(seed, 3 + 2 * seed, 16, 4) for seed in range(4)]),
    "grey pictures": ("image", {"size": 12}, [picture(seed, "L", (12, 12)) for seed in range(4)]),
    "colour pictures of any size": (
        "image",
        {"size": 16},
        [picture(seed, "RGB", (9 + 5 * seed, 20)) for seed in range(4)],
    ),
    "vectors": ("array", {}, arrays(3)),
    "arrays": ("array", {}, arrays(2, 5)),
    "characters": ("text", {}, ENGLISH),
    "characters, no others": ("text", {"unknown": "error", "close": False}, CHINESE),
    "Chinese characters": ("text", {"fill_middle": True}, CHINESE),
    "bytes": ("text", {"tokenizer": "byte"}, ENGLISH + CHINESE),
    "merges": ("text", {"tokenizer": "bpe", "vocab": 300}, 3 * ENGLISH),
    "chorales": ("music", {}, CHORALES),
    "chords": ("music", {"form": "chords"}, CHORALES),
    "events": ("music", {"form": "events"}, CHORALES),
    "rolls": (
        "music",
        {"form": "roll", "bars": 1},
        [score(seed, "melody", length=16) for seed in range(4)],
    ),
    "rolls of parts": ("music", {"form": "roll", "bars": 1, "apart": True}, CHORALES),
    "rows": ("table", {}, ROWS),
    "rows as numbers": ("table", {"form": "dense"}, ROWS),
    "series": ("series", {"lags": 6, "season": 4, "stretch": 1000}, SERIES),
    "parents and children": ("related", {"children": "visits.csv"}, records(80, "codec")),
    "histories": ("history", {"entity": "who", "item": "what", "rare": 1}, HISTORIES),
    # spectrograms lose something on every trip: tests/modalities/audio/test_codec.py
    "waves": ("audio", {"form": "wave"}, [sound(seed) for seed in range(4)]),
    "levels": ("level", {"rules": "dungeon"}, LEVELS),
    "levels of several sizes, by columns": (
        "level",
        {"rules": "", "scan": "columns"},
        [LEVELS[0], LEVELS[1].part(0, 0, 4, 6), LEVELS[2].part(0, 0, 7, 3)],
    ),
    "shapes": ("shape3d", {"size": 16}, [furniture(seed) for seed in range(3)]),
    "meshes of a shared scale": (
        "shape3d",
        {"size": 12, "scale": "shared", "place": "middle"},
        [replace(furniture(seed), field=None) for seed in range(3)],
    ),
    "Chinese merges": ("text", {"tokenizer": "bpe", "vocab": 320}, 3 * CHINESE + ENGLISH),
}


def fitted(case: str) -> tuple[Codec[Any], list[Any]]:
    name, config, items = CASES[case]
    chosen = registry.resolve("codec", name)
    codec: Codec[Any] = chosen(chosen.Config(**config))
    codec.fit(items)
    return codec, items


@pytest.mark.parametrize("check", CODEC_CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_contract(case: str, check: str) -> None:
    CODEC_CHECKS[check](*fitted(case))


def test_every_codec_has_a_case() -> None:
    assert {name for name, _, _ in CASES.values()} == set(registry.known("codec"))


class Noisy(ImageCodec):
    def encode(self, item: Any) -> Tensor:
        return super().encode(item) ^ torch.randint(0, 2, (1,), dtype=torch.uint8)


class Brittle(ImageCodec):
    def decode(self, x: Tensor) -> Any:
        if not torch.isfinite(x).all():
            raise ValueError("not finite")
        return super().decode(x)


class Leaky(ImageCodec):
    """Lets whatever the library raises through."""

    def read(self, path: Path) -> Iterator[Any]:
        with PIL.Image.open(path) as found:
            yield found.copy()


class Dimming(ImageCodec):
    def decode(self, x: Tensor) -> Any:
        return super().decode(0.8 * x)


class Forgetful(ImageCodec):
    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
        fresh = type(self)(self.config)
        fresh.fit([picture(0, "RGB", (12, 12)), picture(1, "RGB", (12, 12))])
        return fresh


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Noisy, "encodes to its spec"),
        (Brittle, "decode never raises"),
        (Leaky, "refuses bad files"),
        (Dimming, "round trip is stable"),
        (Forgetful, "restores"),
        (Noisy, "has a table entry"),
    ],
)
def test_broken_codec_is_caught(broken: type[ImageCodec], check: str) -> None:
    _, config, items = CASES["grey pictures"]
    codec = broken(ImageCodec.Config(**config))
    codec.fit(items)
    with pytest.raises(AssertionError):
        for _ in range(20):  # an impure codec is caught by chance
            CODEC_CHECKS[check](codec, items)


def test_check_codec_names_what_is_broken() -> None:
    _, config, items = CASES["grey pictures"]
    with pytest.raises(AssertionError, match="has a table entry"):
        check_codec(Dimming(ImageCodec.Config(**config)), items)
