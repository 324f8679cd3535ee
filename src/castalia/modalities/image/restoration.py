"""Pictures restored by a model that infills or restores: parts made anew, noise taken away, larger
sizes, colours. What each edit is called and what it is asked: edits.py.

All works at the size of the run's pictures; larger ones are cut into tiles that overlap by half and
are blended, so that no seam is left. What is known comes back: outside a mask every pixel, of an
enlarged picture the mean of every square, of a coloured one the lightness.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.abilities import Infills, Restores
from castalia.codecs.base import Codec
from castalia.data.stream import to_unit
from castalia.errors import DataError, RecipeError, SpecError
from castalia.families.base import Family
from castalia.modalities.image.codec import levels_of, open_picture
from castalia.modalities.image.colours import flattened
from castalia.nn.counter_random import generators
from castalia.registry import require_undoing
from castalia.sampling.latent_edits import encoded
from castalia.sentences import say

MOST_TILES = 1 << 20  # of a picture: each has noise of its own
ROWS = 64  # pictures or tiles that are computed together
MOST_PIXELS = 1 << 24  # of an enlarged picture
LIGHTNESS = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601, as Pillow makes grey


@torch.inference_mode()
def infilled(
    model: Family,
    codec: Codec[Any],
    items: Sequence[PIL.Image.Image],
    cond: dict[str, Tensor],
    *,
    mask: str | None,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[PIL.Image.Image]:
    """`count` versions of each picture, at the run's size. mask: "X,Y,W,H" in the picture's pixels,
    or a picture as a data URL, white or transparent where it is made anew; None: where the pictures
    are transparent.

    Raises RecipeError for a mask that is empty, covers all, or has another size than the picture.
    """
    infiller = require_undoing(model, Infills, "infill", "hole")
    x = encoded(model, codec, items)
    keep = torch.stack([~made_anew(codec, item, mask) for item in items]).to(x.device)

    def fill(rows: Tensor, rngs: Sequence[torch.Generator], cond: dict[str, Tensor]) -> Tensor:
        return infiller.infill(x[rows], keep[rows], rngs, cond, temperature)

    return _versions(codec, fill, cond, len(items), count, seed)


def made_anew(codec: Codec[Any], item: PIL.Image.Image, mask: str | None) -> Tensor:
    """(1, H, W) bool at the run's size, True where the picture is made anew."""
    if mask is None:
        if "A" not in item.getbands() and "transparency" not in item.info:
            raise RecipeError(
                say("nothing says which part of the picture to make anew"),
                where="edit infill",
                fix=say("--mask X,Y,W,H, --mask FILE, or a picture with a transparent part"),
            )
        marked = _clear(item.convert("RGBA"))
    elif mask.startswith("data:"):
        marked = _of_url(mask)
        if marked.size != item.size:
            raise RecipeError(
                say("the mask has another size than the picture"),
                where="mask {} x {}, picture {} x {}".format(*marked.size, *item.size),
                fix=say("save the mask with as many pixels"),
            )
    else:
        left, top, width, height = (int(part) for part in mask.split(","))
        marked = PIL.Image.new("L", item.size)
        marked.paste(255, (left, top, left + width, top + height))
    # resized and cut as the picture itself
    anew = codec.encode(marked)[:1] > 127
    if not anew.any() or anew.all():
        what = say("the mask is empty") if not anew.any() else say("the mask covers all")
        raise RecipeError(
            what,
            where=f"mask={'FILE' if mask and mask.startswith('data:') else mask}",
            fix=say("mark a part of the picture; `castalia sample` makes whole ones"),
        )
    return anew


def _of_url(mask: str) -> PIL.Image.Image:
    """ "data:image/png;base64,..." as a grey picture: white where white or transparent."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mask.png"
        try:
            path.write_bytes(base64.b64decode(mask.partition(",")[2], validate=True))
            with open_picture(path) as opened:
                rgba = opened.convert("RGBA")
        except (ValueError, PIL.UnidentifiedImageError, SyntaxError) as error:
            raise DataError(
                say("the mask is not a picture"), where="mask", fix=say("save it as PNG")
            ) from error
    white = rgba.convert("L").point(lambda value: 255 * (value > 127))
    return PIL.Image.composite(PIL.Image.new("L", rgba.size, 255), white, _clear(rgba))


def _clear(rgba: PIL.Image.Image) -> PIL.Image.Image:
    """White where a picture is transparent, black elsewhere."""
    return rgba.getchannel("A").point(lambda alpha: 255 * (alpha < 128))


@torch.inference_mode()
def outpainted(
    model: Family,
    codec: Codec[Any],
    items: Sequence[PIL.Image.Image],
    cond: dict[str, Tensor],
    *,
    by: int,
    seed: int,
) -> list[PIL.Image.Image]:
    """The pictures, at their own scale, with `by` more pixels on every side; the middle comes back
    bit by bit. Windows of the run's size go outwards; each is filled beside what is known by then.
    """
    infiller = require_undoing(model, Infills, "outpaint", "hole")
    sides = codec.spec.shape[1:]  # type: ignore[union-attr]
    results = []
    for row, item in enumerate(items):
        width, height = item.width + 2 * by, item.height + 2 * by
        if width * height > MOST_PIXELS:
            raise RecipeError(
                say(
                    "the enlarged picture would have {0:,.0f} million pixels", width * height / 1e6
                ),
                where=say("{0} x {1} pixels", width, height),
                fix=say("a smaller part of the picture, or fewer pixels on its sides"),
            )
        middle = (slice(by, by + item.height), slice(by, by + item.width))
        # at least one window
        lack = [max(0, side - have) for side, have in zip(sides, (height, width), strict=True)]
        whole = torch.zeros(codec.spec.shape[0], height + lack[0], width + lack[1])  # type: ignore[union-attr]
        whole[(slice(None), *middle)] = as_unit(codec, item)
        known = torch.zeros(1, *whole.shape[1:], dtype=torch.bool)
        known[(slice(None), *middle)] = True
        centre = [
            (part.start + part.stop - side) / 2 for part, side in zip(middle, sides, strict=True)
        ]
        places = [
            (top, left)
            for top in _starts(whole.shape[1], sides[0])
            for left in _starts(whole.shape[2], sides[1])
        ]
        places.sort(key=lambda at: (at[0] - centre[0]) ** 2 + (at[1] - centre[1]) ** 2)
        for number, (top, left) in enumerate(places):
            area = (slice(None), slice(top, top + sides[0]), slice(left, left + sides[1]))
            if known[area].all():
                continue
            filled = infiller.infill(
                whole[area][None].to(model.device),
                known[area][None].to(model.device),
                generators(seed, row * MOST_TILES + number, 1),
                _told(cond, row, 1),
            )
            whole[area] = filled[0].cpu()
            known[area] = True
        results.append(codec.decode(whole[:, :height, :width]))
    return results


@torch.inference_mode()
def denoised(
    model: Family,
    codec: Codec[Any],
    items: Sequence[PIL.Image.Image],
    cond: dict[str, Tensor],
    *,
    noise: float | None,
) -> list[PIL.Image.Image]:
    """The pictures without noise, at their own size. noise: its deviation in levels of 255; None:
    estimated.
    """
    restorer = require_undoing(model, Restores, "denoise", "noise")
    results = []
    for row, item in enumerate(items):
        whole = as_unit(codec, item)
        level = estimated_noise(whole) if noise is None else noise * 2 / 255

        def clean(tiles: Tensor, first: int, row: int = row, level: float = level) -> Tensor:
            told = _told(cond, row, len(tiles))
            deviation = torch.full((len(tiles),), level, device=model.device)
            return restorer.denoise(tiles.to(model.device), deviation, told).cpu()

        results.append(codec.decode(by_tiles(clean, whole, codec.spec.shape[1:])))  # type: ignore[union-attr]
    return results


def estimated_noise(x: Tensor) -> float:
    """Deviation of white noise in a picture (C, H, W): the median size of the finest diagonal Haar
    differences over that of a standard normal (Donoho & Johnstone 1994). 0 for pictures of a pixel.
    """
    even = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
    a, b = even[..., ::2, ::2], even[..., ::2, 1::2]
    c, d = even[..., 1::2, ::2], even[..., 1::2, 1::2]
    diagonal = (a - b - c + d) / 2
    return float(diagonal.abs().median() / 0.6745) if diagonal.numel() else 0.0


@torch.inference_mode()
def upscaled(
    model: Family,
    codec: Codec[Any],
    items: Sequence[PIL.Image.Image],
    cond: dict[str, Tensor],
    *,
    factor: int,
    detail: float,
    seed: int,
) -> list[PIL.Image.Image]:
    """The pictures with `factor` times as many pixels a side; the mean of every square is the pixel
    that was given. detail: scale of the noise that the details are made of. Raises SpecError where
    the run's own sides are no multiples of `factor`.
    """
    restorer = require_undoing(model, Restores, "upscale", "coarse")
    sides = codec.spec.shape[1:]  # type: ignore[union-attr]
    if any(side % factor for side in sides):
        raise SpecError(
            say("the run's pictures cannot be cut into squares of {0} pixels a side", factor),
            where=say("{0} x {1} pixels, {2} times", *reversed(sides), factor),
            fix=say("another factor, or a run whose codec.size {0} divides", factor),
        )
    results = []
    for row, item in enumerate(items):
        if item.width * item.height * factor**2 > MOST_PIXELS:
            raise RecipeError(
                say(
                    "the enlarged picture would have {0:,.0f} million pixels",
                    item.width * item.height * factor**2 / 1e6,
                ),
                where=say("{0} x {1} pixels, {2} times", item.width, item.height, factor),
                fix=say("a smaller factor, or a part of the picture"),
            )
        small = as_unit(codec, item)

        def enlarge(tiles: Tensor, first: int, row: int = row) -> Tensor:
            told = _told(cond, row, len(tiles))
            given = tiles.to(model.device)

            def consistent(x: Tensor) -> Tensor:
                details = x - _squares(F.avg_pool2d(x, factor), factor)
                high, low = (F.max_pool2d(side, factor) for side in (details, -details))
                share = _within_limits(given, high, low)
                return _squares(given, factor) + _squares(share, factor) * details

            rngs = generators(seed, row * MOST_TILES + first, len(tiles))
            return restorer.restore(consistent, rngs, told, detail).cpu()

        tile = [side // factor for side in sides]
        results.append(codec.decode(by_tiles(enlarge, small, tile, factor)))
    return results


@torch.inference_mode()
def colourised(
    model: Family,
    codec: Codec[Any],
    items: Sequence[PIL.Image.Image],
    cond: dict[str, Tensor],
    *,
    detail: float,
    seed: int,
) -> list[PIL.Image.Image]:
    """The pictures in colour, at the run's size, as light as the given ones. detail: scale of the
    noise that the colours are made of.
    """
    restorer = require_undoing(model, Restores, "colourise", "grey")
    if codec.spec.shape[0] != 3:  # type: ignore[union-attr]
        raise SpecError(
            say("this run draws in grey"),
            where="edit colourise",
            fix=say("a run that was trained with codec.channels=3"),
        )
    weights = torch.tensor(LIGHTNESS, device=model.device).view(1, 3, 1, 1)
    grey = (encoded(model, codec, items) * weights).sum(1, keepdim=True)

    def colour(rows: Tensor, rngs: Sequence[torch.Generator], cond: dict[str, Tensor]) -> Tensor:
        def consistent(x: Tensor) -> Tensor:
            colour, light = x - (x * weights).sum(1, keepdim=True), grey[rows]
            high, low = colour.amax(1, keepdim=True), -colour.amin(1, keepdim=True)
            return light + _within_limits(light, high, low) * colour

        return restorer.restore(consistent, rngs, cond, detail)

    return _versions(codec, colour, cond, len(items), 1, seed)


def as_unit(codec: Codec[Any], item: PIL.Image.Image) -> Tensor:
    """(C, H, W) in [-1, 1] at the picture's own size, with the run's channels."""
    plain = flattened(item, codec.spec.shape[0])  # type: ignore[union-attr]
    return to_unit(codec.spec, levels_of(plain)[None])[0]


def by_tiles(
    change: Callable[[Tensor, int], Tensor],
    whole: Tensor,
    sides: Sequence[int],
    factor: int = 1,
) -> Tensor:
    """`change` (tiles (B, C, h, w) of `sides`, the number of the first -> the same, or `factor`
    times as large) done to all of a picture (C, H, W).

    Tiles overlap by half; each counts most in its middle. A picture smaller than a tile is
    continued by its edges.
    """
    height, width = whole.shape[1:]
    lack = [max(0, side - have) for side, have in zip(sides, (height, width), strict=True)]
    padded = F.pad(whole[None], (0, lack[1], 0, lack[0]), mode="replicate")[0]
    tops, lefts = (_starts(have, side) for have, side in zip(padded.shape[1:], sides, strict=True))
    places = [(top, left) for top in tops for left in lefts]
    total = torch.zeros(padded.shape[0], *(factor * side for side in padded.shape[1:]))
    weight = torch.zeros(1, *total.shape[1:])
    # the same within every square of an enlarged picture, so that its mean stays
    rows, columns = (_hill(side).repeat_interleave(factor) for side in sides)
    hill = rows[:, None] * columns[None, :]
    for begin in range(0, len(places), ROWS):
        part = places[begin : begin + ROWS]
        tiles = torch.stack(
            [padded[:, top : top + sides[0], left : left + sides[1]] for top, left in part]
        )
        for (top, left), tile in zip(part, change(tiles, begin), strict=True):
            area = (
                slice(factor * top, factor * (top + sides[0])),
                slice(factor * left, factor * (left + sides[1])),
            )
            total[:, *area] += tile * hill
            weight[:, *area] += hill
    return (total / weight)[:, : factor * height, : factor * width]


def _told(cond: dict[str, Tensor], row: int, tiles: int) -> dict[str, Tensor]:
    """The conditions of one picture, for each of its tiles."""
    return {
        name: value[row : row + 1].repeat_interleave(tiles, dim=0) for name, value in cond.items()
    }


def _squares(x: Tensor, factor: int) -> Tensor:
    """Every pixel of (B, C, H, W) as a square of `factor` x `factor`."""
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def _within_limits(middle: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """The largest share, at most 1, of what goes up to `high` above `middle` and `low` below it
    that stays in [-1, 1].
    """
    return torch.minimum(
        (1 - middle) / high.clamp_min(1e-6), (1 + middle) / low.clamp_min(1e-6)
    ).clamp(0, 1)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin: half a tile apart, the last one at the end."""
    return sorted({*range(0, length - side, max(1, side // 2)), length - side})


def _hill(side: int) -> Tensor:
    """Weights of a tile's rows: a triangle, nowhere 0."""
    line = torch.arange(side, dtype=torch.float32)
    return torch.minimum(line, side - 1 - line) + 0.5


def _versions(
    codec: Codec[Any],
    change: Callable[[Tensor, Sequence[torch.Generator], dict[str, Tensor]], Tensor],
    cond: dict[str, Tensor],
    items: int,
    count: int,
    seed: int,
) -> list[PIL.Image.Image]:
    """`count` rows for each item, `ROWS` at a time, version v of item i with the noise of sample i
    count + v.
    """
    owner = torch.arange(items).repeat_interleave(count)
    results = []
    for first in range(0, len(owner), ROWS):
        rows = owner[first : first + ROWS]
        told = {name: value[rows] for name, value in cond.items()}
        results += list(change(rows, generators(seed, first, len(rows)), told).cpu())
    return [codec.decode(row) for row in results]
