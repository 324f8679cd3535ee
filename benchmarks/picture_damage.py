"""Kinds of damage that generators do to pictures, each with an amount: for training the picture
network (picture_network.py) and for asking judges about it (judge_agreement.py).

Every kind takes pictures (B, 3, S, S) in [-1, 1], amounts (B,) in [0, 1] and a torch.Generator,
and gives pictures of the same shape and range. TAUGHT kinds are named to the network in training;
ASKED kinds never are: they are what a judge is tested with.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Kind = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def column(amount: Tensor) -> Tensor:
    return amount.view(-1, 1, 1, 1)


def lerp(x: Tensor, y: Tensor, amount: Tensor) -> Tensor:
    return x + column(amount) * (y - x)


def uniform(rows: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.rand(rows, generator=rng) * (high - low) + low


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """Blurred by `sigma` pixels, edges repeated."""
    radius = max(1, round(2.5 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma).square())
    kernel = (taps / taps.sum()).view(1, 1, -1)
    channels = x.shape[1]
    x = F.pad(x, (radius,) * 4, mode="replicate")
    x = F.conv2d(x, kernel[..., None, :].expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(x, kernel[..., None].expand(channels, 1, -1, 1), groups=channels)


def by_level(
    x: Tensor, amount: Tensor, levels: tuple[float, ...], effect: Callable[[Tensor, float], Tensor]
) -> Tensor:
    """`effect` at the level that each amount falls on, 0 the first."""
    choice = (amount * (len(levels) - 1)).round().long()
    y = x.clone()
    for number, level in enumerate(levels):
        rows = choice == number
        if rows.any():
            y[rows] = effect(x[rows], level)
    return y


def resized(x: Tensor, share: float, back: str) -> Tensor:
    side = max(4, round(x.shape[2] * share))
    small = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    smooth = {} if back == "nearest" else {"align_corners": False}
    return F.interpolate(small, size=x.shape[2:], mode=back, **smooth)


def blur(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    return by_level(x, amount, (0.5, 0.7, 1.0, 1.4, 2.0, 3.0), gaussian)


def soft(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    return by_level(x, amount, (0.7, 0.6, 0.5, 0.35, 0.25), lambda y, s: resized(y, s, "bicubic"))


def pixels(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    return by_level(x, amount, (0.6, 0.5, 0.35, 0.25), lambda y, s: resized(y, s, "nearest"))


def motion(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """The mean of copies shifted along a line."""

    def along(y: Tensor, length: float) -> Tensor:
        angle = torch.rand((), generator=rng) * torch.pi
        steps = [
            (round(float(t * angle.cos())), round(float(t * angle.sin())))
            for t in torch.linspace(-length, length, 7)
        ]
        return torch.stack([rolled(y, a, b) for a, b in steps]).mean(0)

    return by_level(x, amount, (1.0, 2.0, 3.0, 5.0), along)


def rolled(x: Tensor, down: int, right: int) -> Tensor:
    reach = max(abs(down), abs(right), 1)
    side = x.shape[2]
    y = F.pad(x, (reach,) * 4, mode="replicate")
    return y[:, :, reach + down : reach + down + side, reach + right : reach + right + side]


def noise(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    return x + column(0.04 + 0.36 * amount) * torch.randn(x.shape, generator=rng)


def stains(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Smooth noise in colour: shadows and spots that nothing casts."""
    side = x.shape[2]
    coarse = torch.randn((len(x), 3, side // 8, side // 8), generator=rng)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    return x + column(0.1 + 0.5 * amount) * smooth


def grain(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Noise of two to four pixels' size."""
    side = x.shape[2]
    coarse = torch.randn((len(x), 3, side // 3, side // 3), generator=rng)
    smooth = F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
    return x + column(0.06 + 0.4 * amount) * smooth


def ghost(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Another picture shines through."""
    return lerp(x, x.roll(1, 0), 0.15 + 0.35 * amount)


def blocks(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Each 8 x 8 block keeps its mean and a share of the rest: seams between patches."""
    means = F.interpolate(F.avg_pool2d(x, 8), scale_factor=8, mode="nearest")
    return lerp(x, means, 0.25 + 0.65 * amount)


def seams(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Each 8 x 8 block is lighter or darker by its own offset."""
    offsets = torch.randn((len(x), 1, x.shape[2] // 8, x.shape[3] // 8), generator=rng)
    return x + column(0.05 + 0.3 * amount) * F.interpolate(offsets, scale_factor=8, mode="nearest")


def checkers(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """The pattern of a transposed convolution: every second or fourth pixel stands out."""
    side = x.shape[2]
    period = 2 + 2 * torch.randint(0, 2, (), generator=rng)
    line = (torch.arange(side) % period == 0).float()
    pattern = (line[:, None] + line[None, :]) % 2 * 2 - 1
    local = gaussian((x - gaussian(x, 1.5)).abs().mean(1, keepdim=True), 2.0) + 0.1
    return x + column(0.15 + 0.85 * amount) * pattern * local


def shuffle(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Some of the 16 x 16 parts stand in one another's places."""
    side = x.shape[2] // 4
    y = x.clone()
    for row, count in enumerate((1 + 5 * amount).round().long().tolist()):
        for first, second in torch.randint(0, 16, (count, 2), generator=rng).tolist():
            a = (
                slice(first // 4 * side, first // 4 * side + side),
                slice(first % 4 * side, first % 4 * side + side),
            )
            b = (
                slice(second // 4 * side, second // 4 * side + side),
                slice(second % 4 * side, second % 4 * side + side),
            )
            y[row][:, a[0], a[1]], y[row][:, b[0], b[1]] = (
                x[row][:, b[0], b[1]],
                x[row][:, a[0], a[1]],
            )
    return y


def warp(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Bent: a smooth field of shifts."""
    coarse = torch.randn((len(x), 2, 6, 6), generator=rng)
    field = F.interpolate(coarse, size=x.shape[2:], mode="bicubic", align_corners=False)
    field = field * column(0.03 + 0.12 * amount)
    line = torch.linspace(-1, 1, x.shape[2])
    grid = torch.stack(
        [line[None, :].expand(len(line), -1), line[:, None].expand(-1, len(line))], -1
    )
    return F.grid_sample(
        x, grid + field.permute(0, 2, 3, 1), padding_mode="border", align_corners=True
    )


def smudge(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Jittered by a rough field and averaged: lines frayed, surfaces wiped."""
    line = torch.linspace(-1, 1, x.shape[2])
    grid = torch.stack(
        [line[None, :].expand(len(line), -1), line[:, None].expand(-1, len(line))], -1
    )
    total = torch.zeros_like(x)
    for _ in range(3):
        coarse = torch.randn((len(x), 2, x.shape[2] // 4, x.shape[3] // 4), generator=rng)
        field = F.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=False)
        field = field * column(0.02 + 0.08 * amount)
        total += F.grid_sample(
            x, grid + field.permute(0, 2, 3, 1), padding_mode="border", align_corners=True
        )
    return total / 3


def holes(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Some 12 x 12 parts are filled smoothly from around: details that are missing."""
    side = x.shape[2]
    smooth = resized(x, 0.09, "bicubic")
    y = x.clone()
    for row, count in enumerate((1 + 9 * amount).round().long().tolist()):
        for top, left in torch.randint(0, side - 12, (count, 2), generator=rng).tolist():
            y[row, :, top : top + 12, left : left + 12] = smooth[
                row, :, top : top + 12, left : left + 12
            ]
    return y


def fade(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Less contrast around the picture's own mean."""
    return lerp(x, x.mean((2, 3), keepdim=True).expand_as(x), 0.25 + 0.6 * amount)


def median(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """The median of neighbourhoods: painted surfaces, sharp edges, no fine lines."""

    def of(y: Tensor, reach: float) -> Tensor:
        radius = int(reach)
        padded = F.pad(y, (radius,) * 4, mode="replicate")
        size = 2 * radius + 1
        return (
            F.unfold(padded, size)
            .unflatten(1, (3, size * size))
            .median(2)
            .values.unflatten(2, y.shape[2:])
        )

    return by_level(x, amount, (1, 2, 3), of)


def smear(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Inside a region in the middle, details are averaged along a direction; outside, kept."""
    side = x.shape[2]
    line = torch.linspace(-1, 1, side)
    centre = torch.rand((len(x), 2, 1, 1), generator=rng) * 0.8 - 0.4
    distance = (line[None, None, :] - centre[:, 0]).square() + (
        line[None, :, None] - centre[:, 1]
    ).square()
    inside = torch.exp(-distance / (2 * 0.45**2))[:, None]
    return x + inside * (motion(gaussian(x, 0.8), amount, rng) - x)


def patches(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Each 4 x 4 or 8 x 8 patch keeps its slowest cosine terms only: a patchy decoder."""

    def of(y: Tensor, kept: float) -> Tensor:
        size = 8
        n = torch.arange(size)
        basis = torch.cos(torch.pi * (n[None, :] + 0.5) * n[:, None] / size)
        basis = basis / basis.norm(dim=1, keepdim=True)
        low = basis[: int(kept)]
        project = low.T @ low
        tiles = y.unflatten(2, (-1, size)).unflatten(4, (-1, size))
        return torch.einsum("bcihjw,hk,wl->bcikjl", tiles, project, project).reshape(y.shape)

    return by_level(x, amount, (5, 4, 3, 2), of)


def repeats(x: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """One part of a picture stands in other places as well."""
    side = x.shape[2]
    part = side // 4
    y = x.clone()
    for row, count in enumerate((1 + 6 * amount).round().long().tolist()):
        top, left = torch.randint(0, side - part, (2,), generator=rng).tolist()
        source = x[row, :, top : top + part, left : left + part]
        for down, right in torch.randint(0, side - part, (count, 2), generator=rng).tolist():
            y[row, :, down : down + part, right : right + part] = source
    return y


TAUGHT: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        blur,
        soft,
        pixels,
        motion,
        noise,
        stains,
        grain,
        ghost,
        blocks,
        seams,
        checkers,
        shuffle,
        warp,
        smudge,
        holes,
        fade,
    )
}
ASKED: dict[str, Kind] = {kind.__name__: kind for kind in (median, smear, patches, repeats)}


def damaged(
    x: Tensor, kinds: Tensor, amounts: Tensor, rng: torch.Generator, named: dict[str, Kind]
) -> Tensor:
    """kinds (B,): 0 leaves a picture as it is, k is the k-th of `named`."""
    y = x.clone()
    for number, kind in enumerate(named.values(), 1):
        rows = (kinds == number).nonzero()[:, 0]
        if len(rows):
            y[rows] = kind(x[rows], amounts[rows], rng)
    return y.clamp(-1, 1)
