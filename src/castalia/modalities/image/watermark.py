"""A blind mark in pictures: a keyed pattern in the middle frequencies of their brightness.

The pattern (governance/watermark/carrier.py) repeats over the picture brought to a canonical area,
so that scaling is undone before anything is looked for, a cut piece still holds whole tiles, and
small turns and what a cut does to the scale are searched for. The picture's own content is noise to
the reader: its local mean and contrast are taken out first.

Two forms. A picture of at least `ROOM` squared pixels carries 64 bits; a smaller one only that this
installation made it; one below `LEAST` squared nothing. Both are as strong as the asked quality
allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import PIL.Image
from PIL.Image import Resampling, Transform

from castalia.governance.watermark.carrier import (
    Array,
    Carrier,
    Peak,
    Spectrum,
    chance,
    folded,
    repeated,
)
from castalia.governance.watermark.convolution import LENGTH, coded, likeliest
from castalia.governance.watermark.key import Key
from castalia.governance.watermark.watermark import Reading
from castalia.modalities.image.colours import flattened
from castalia.sentences import say

ROOM = 160  # side of the smallest square that carries 64 bits
LEAST = 48  # side of the smallest square that carries any mark
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CONTRAST = 2.0  # levels that are added to the local contrast, so that flat parts are no noise
CLIP = 2.5
STEPS = 12  # halvings of the interval in which the strength is looked for
NYQUIST = 0.45  # periods a pixel above which nothing is read
SURE = 1e-7  # a chance at which no other alignment is tried
FINER = 4  # parts of a step of the search that are tried around its best


@dataclass(frozen=True)
class Form:
    """How a mark is laid out and looked for.

    side    of the square of the canonical area; tile: side of a tile in it.
    band    of the carrier.
    angle   degrees from one angle that is searched to the next, up to 4 on either side.
    scale   ratio of one scale to the next, from `first` steps below 1 to `last` above.
    """

    side: int
    tile: int
    band: tuple[float, float]
    bits: int
    angle: float
    scale: float
    first: int
    last: int

    @cached_property
    def views(self) -> list[tuple[int, int]]:
        """(scale, angle) in steps, the likeliest first."""
        turns = round(4 / self.angle)
        every = (
            (scale, angle)
            for scale in range(-self.first, self.last + 1)
            for angle in range(-turns, turns + 1)
        )
        return sorted(every, key=lambda one: abs(one[0]) / self.last + abs(one[1]) / turns)

    @property
    def tried(self) -> int:
        """Alignments among which the best may lie: views, with those around them, as fine as they
        may become, and all shifts of each.
        """
        scales, angles = self.first + self.last + 3, 2 * round(4 / self.angle) + 3
        return scales * angles * FINER**2 * self.tile**2


LARGE = Form(256, 128, (12, 46), LENGTH, angle=0.4, scale=1.008, first=8, last=28)
SMALL = Form(64, 64, (3, 24), 0, angle=1.0, scale=1.03, first=2, last=8)


class View(NamedTuple):
    """What was found at one scale and angle, both in steps of the search."""

    peak: Peak
    spectrum: Spectrum
    scale: float
    angle: float


class PictureMark:
    """`MarksItems` for pictures."""

    name = "picture-1"
    native = PIL.Image.Image

    def trouble(self, item: PIL.Image.Image) -> str:
        """Why a picture takes no mark; "": it takes one."""
        if item.width * item.height < LEAST**2:
            return say("pictures below {0} x {0} pixels are too small for a mark", LEAST)
        return ""

    def marked(self, item: PIL.Image.Image, key: Key, mark: str, quality: float) -> PIL.Image.Image:
        """A picture of mode "L" or "RGB" and the same size; peak signal to noise >= quality dB."""
        plain = item if item.mode in ("L", "RGB") else flattened(item, 3)
        form = form_of(plain)
        tile = _carrier(key.derived(self.name), form).tile(
            coded(int(mark, 16)) if form.bits else ()
        )
        width, height = canonical(plain, form)
        pattern = _scaled(repeated(tile, (height, width)), *plain.size)
        bright = luma(plain)
        rest = bright - blurred(bright, 2)
        pattern *= np.clip(np.sqrt(blurred(rest**2, 2)), 3, 12) ** 0.25  # where eyes see it less
        return _added(plain, pattern, quality)

    def look(self, item: PIL.Image.Image, key: Key) -> Reading:
        """What is in a picture; both forms are looked for where it may have been scaled to half or
        to twice its size.
        """
        trouble = self.trouble(item)
        if trouble:
            return Reading(None, trouble=trouble)
        plain = item if item.mode in ("L", "RGB") else flattened(item, 3)
        side = math.sqrt(plain.width * plain.height)
        likely = sorted(
            [LARGE] * (side >= ROOM / 2) + [SMALL] * (side < 2 * ROOM),
            key=lambda form: form != form_of(plain),
        )
        best = Reading(1.0)
        for form in likely:
            found = _read(plain, key.derived(self.name), form, len(likely))
            best = found if (found.chance or 0.0) < (best.chance or 0.0) else best
            if best.found:
                break
        return best


MARK = PictureMark()


def form_of(picture: PIL.Image.Image) -> Form:
    return LARGE if picture.width * picture.height >= ROOM**2 else SMALL


def canonical(picture: PIL.Image.Image, form: Form) -> tuple[int, int]:
    """(width, height) of the same shape and of the form's area."""
    scale = form.side / math.sqrt(picture.width * picture.height)
    return max(8, round(picture.width * scale)), max(8, round(picture.height * scale))


def luma(picture: PIL.Image.Image) -> Array:
    """(H, W) brightness from 0 to 255."""
    values = np.asarray(picture, np.float64)
    return values if values.ndim == 2 else values @ np.array(LUMA)


def blurred(values: Array, radius: int) -> Array:
    """Mean over a square of 2 radius + 1 pixels, the border repeated."""
    size = 2 * radius + 1
    padded = np.pad(values, radius, "edge")
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    boxes = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return np.asarray(np.maximum(boxes, 0) / size**2 if values.min() >= 0 else boxes / size**2)


def whitened(values: Array, radius: int = 3) -> Array:
    """What is left without the local mean, over the local contrast."""
    rest = values - blurred(values, radius)
    contrast = np.sqrt(blurred(rest**2, radius))
    return np.clip(rest / (contrast + CONTRAST), -CLIP, CLIP)


@lru_cache(8)
def _carrier(secret: bytes, form: Form) -> Carrier:
    return Carrier(secret + b"%d" % form.side, (form.tile, form.tile), form.band, form.bits)


def _scaled(values: Array, width: int, height: int) -> Array:
    image = PIL.Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), Resampling.BICUBIC), np.float64)


def _added(plain: PIL.Image.Image, pattern: Array, quality: float) -> PIL.Image.Image:
    """The picture with as much of the pattern as the quality allows, all channels alike."""
    levels = np.asarray(plain, np.float64)
    pattern = pattern if levels.ndim == 2 else pattern[..., None]
    allowed = 255**2 / 10 ** (quality / 10)
    low, high = 0.0, 64.0
    for _ in range(STEPS):
        strength = (low + high) / 2
        made = np.clip(np.round(levels + strength * pattern), 0, 255)
        low, high = (low, strength) if np.mean((made - levels) ** 2) > allowed else (strength, high)
    return PIL.Image.fromarray(
        np.clip(np.round(levels + low * pattern), 0, 255).astype(np.uint8), plain.mode
    )


def _read(picture: PIL.Image.Image, secret: bytes, form: Form, forms: int) -> Reading:
    best = _best(picture, _carrier(secret, form), form)
    probability = min(1.0, forms * chance(best.peak.z, form.tried))
    if not form.bits:
        return Reading(probability)
    number, checked = likeliest(_carrier(secret, form).said(best.spectrum, best.peak.shift))
    return Reading(probability, f"{number:016x}" if checked else "")


def _best(picture: PIL.Image.Image, carrier: Carrier, form: Form) -> View:
    """The view of the picture in which the leading signs fit best."""
    values = whitened(_scaled(luma(picture), *canonical(picture, form)))
    image = PIL.Image.fromarray(values.astype(np.float32))
    # nothing that the picture's own pixels could not show
    highest = NYQUIST * form.tile * math.sqrt(picture.width * picture.height) / form.side

    def viewed(scale: float, angle: float) -> View:
        turned = _turned(image, form.scale**scale, angle * form.angle)
        spectrum = carrier.spectrum(folded(turned, carrier.shape), highest)
        return View(carrier.find(spectrum), spectrum, scale, angle)

    best: View | None = None
    for scale, angle in form.views:
        view = viewed(scale, angle)
        if best is None or view.peak.z > best.peak.z:
            best = view
            if chance(best.peak.z, form.tried) < SURE:
                break
    assert best is not None
    for step in (2 / FINER, 1 / FINER):
        for scale, angle in _around(best.scale, best.angle, step):
            view = viewed(scale, angle)
            best = view if view.peak.z > best.peak.z else best
    return best


def _around(scale: float, angle: float, step: float) -> Iterator[tuple[float, float]]:
    for more in (-step, 0, step):
        for turned in (-step, 0, step):
            if more or turned:
                yield scale + more, angle + turned


def _turned(image: PIL.Image.Image, scale: float, angle: float) -> Array:
    """The picture smaller by `scale`, which undoes what enlarged a cut piece, and turned."""
    if scale == 1 and angle == 0:
        return np.asarray(image, np.float64)
    width, height = round(image.width / scale), round(image.height / scale)
    along = math.cos(math.radians(angle)) * scale
    across = math.sin(math.radians(angle)) * scale
    left = (image.width - along * width - across * height) / 2
    top = (image.height + across * width - along * height) / 2
    matrix = (along, across, left, -across, along, top)
    return np.asarray(
        image.transform((width, height), Transform.AFFINE, matrix, Resampling.BILINEAR), np.float64
    )
