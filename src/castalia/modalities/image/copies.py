"""The copy matcher of pictures: copies that were shifted, mirrored, cropped, recoloured, or left
plain.

Every picture is brought to SIDE x SIDE. First, candidates: layouts of 8 x 8 grey cells, free of
brightness and contrast, of the sample and of its mirror image, against those of every training
picture and of WINDOWS inside it, one matrix product a window. The window that is most alike is a
first guess of what was cut or moved. From there each candidate is registered (Gauss-Newton on
position and size of both axes, gain and offset; Lucas & Kanade 1981), all at half the side, the
best few to a fraction of a pixel. What is left unexplained is measured in all colours at once, each
as a mixture of the training picture's: `residual`, 0 (the same picture) to 1.

A simple picture is near to many others without being a copy of any. So `distance` is the residual
divided by what the other candidates leave (the median), as Carlini et al. 2023 (arXiv:2301.13188)
do for pixels. Not here: what distance makes a copy (governance/calibration.py); rotations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.codecs.base import Codec
from castalia.errors import SpecError
from castalia.governance.copy_matcher import Matches
from castalia.modalities.image.metrics.features import is_picture
from castalia.sentences import say
from castalia.spec import Dense, Spec

SIDE, CELLS, DIMENSIONS = 32, 8, 32
# candidates of the sample, of its mirror image, and how many are registered
PLAIN, MIRRORED, REGISTERED = 64, 16, 4
ROUNDS, LAST = 3, 4  # of Gauss-Newton, at half the side and at the whole
SMALLEST = 0.66  # share of a side that a crop keeps, with some room below the 70% that are promised
FLAT = 2 / 255  # a standard deviation below which there is nothing to recognise
AROUND = 15  # other candidates, which show how near pictures of this sort are
ROWS, BLOCK, PAIRS = 512, 2048, 256  # queries, training pictures and pairs handled together


class Window(NamedTuple):
    """A square of a training picture, and what it is compared with: the whole sample (was it cut
    from here?), its centre (a shift leaves that whole), and whether the mirror image is, too.
    """

    size: int
    top: int
    left: int
    whole: bool = True
    centre: bool = False
    mirror: bool = False


CENTRE = Window(24, 4, 4)


def _places(size: int, steps: int) -> list[tuple[int, int]]:
    line = [round(step * (SIDE - size) / (steps - 1)) for step in range(steps)]
    return [(top, left) for top in line for left in line]


WINDOWS = (
    Window(32, 0, 0, mirror=True),
    *(Window(30, *place, mirror=True) for place in _places(30, 2)),
    *(Window(28, *place, mirror=True) for place in _places(28, 3)),
    *(Window(26, *place) for place in _places(26, 3)),
    *(
        Window(
            24,
            *place,
            place in _places(24, 3),
            True,
            max(abs(place[0] - 4), abs(place[1] - 4)) <= 2,
        )
        for place in _places(24, 5)
    ),
    *(Window(22, *place) for place in _places(22, 4)),
)
# Guesses of a window: its number, and whether the whole sample (0) or its centre (1) was
# compared.
GUESSES = [
    (number, part)
    for number, window in enumerate(WINDOWS)
    for part in (0, 1)
    if (window.whole, window.centre)[part]
]
MARK = 127  # the last bits of a similarity name its guess


class Pictures:
    """training (N, C, H, W) float in the spec's unit, or blocks of it, one after another."""

    name: ClassVar = "pictures"
    kinds: ClassVar = ("exact", "shifted", "flipped", "cropped", "recoloured", "near")
    planted: ClassVar = ("exact", "shifted", "flipped", "cropped", "recoloured")
    farthest: ClassVar = 0.6

    def __init__(self, codec: Codec[Any], training: Tensor | Iterable[Tensor]) -> None:
        self.spec = codec.spec
        self.training = torch.cat(
            [
                working(codec.spec, block)
                for block in ([training] if isinstance(training, Tensor) else training)
            ]
        )

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return is_picture(codec.spec)

    def __len__(self) -> int:
        return len(self.training)

    @torch.inference_mode()
    def match(self, queries: Tensor) -> Matches:
        """queries (M, C, H, W) float in the spec's unit -> the best training picture of each."""
        asked = working(self.spec, queries)
        candidates, guesses, plain = _candidates(asked, self.training, self._axes)
        parts = []
        for at in range(0, len(asked), step := max(1, PAIRS // max(1, candidates.shape[1]))):
            parts.append(
                self._verify(
                    asked[at : at + step],
                    candidates[at : at + step],
                    guesses[at : at + step],
                    plain,
                )
            )
        return Matches.joined(parts)

    @cached_property
    def _axes(self) -> Tensor:
        """(CELLS**2, D): the axes along which layouts of the training pictures vary, those of
        little variance stretched half-way.
        """
        some = torch.linspace(0, len(self.training) - 1, min(len(self.training), BLOCK)).long()
        layouts = _layouts(self.training[some], WINDOWS[::3]).flatten(0, 1)
        values, axes = torch.linalg.eigh(layouts.T @ layouts / len(layouts))
        values, axes = values[-DIMENSIONS:], axes[:, -DIMENSIONS:]
        return axes * values.clamp_min(1e-6 * float(values[-1].clamp_min(1e-12))).pow(-0.25)

    @cached_property
    def _halves(self) -> Tensor:
        """(N, SIDE / 2, SIDE / 2) float16: the training pictures in grey, smoothed."""
        return torch.cat(
            [halved(smooth(grey(rows.float() / 255))).half() for rows in self.training.split(BLOCK)]
        )

    def _verify(self, asked: Tensor, candidates: Tensor, guesses: Tensor, plain: int) -> Matches:
        """asked (Q, C, S, S) uint8; candidates and guesses (Q, K) int64, the first `plain` of the
        samples as they are, the others of their mirror images.
        """
        queries, count = candidates.shape
        owner = torch.arange(queries).repeat_interleave(count)
        mirror = (torch.arange(count) >= plain).long().repeat(queries)
        sample = asked.float() / 255
        seen = sample.flatten(1).std(1) >= FLAT
        both = torch.stack([sample, sample.flip(3)])
        greys = smooth(grey(both.flatten(0, 1)))
        softer = smooth(greys)
        start = STARTS[guesses.flatten()]
        turned = mirror * queries + owner
        soft = _as_soft(halved(greys)[turned], halved(softer)[turned], start)
        start, error = _register(soft, self._halves[candidates.flatten()].float(), start, ROUNDS)
        coarse = error.sqrt().view(queries, count)
        best = coarse.topk(min(REGISTERED, count), largest=False).indices
        chosen = (torch.arange(queries)[:, None] * count + best).flatten()
        sides, owner = mirror[chosen], owner[chosen]
        pictures = self.training[candidates.flatten()[chosen]].float() / 255
        soft = _as_soft(greys[turned[chosen]], softer[turned[chosen]], start[chosen])
        motion, _ = _register(soft, smooth(grey(pictures)), start[chosen], LAST)
        # Where colours are mixed anew, grey misleads the registration; that the picture stayed
        # where it was is always worth a check.
        unmoved = STARTS[:1].expand_as(motion)
        left, still = (
            _unexplained(both[sides, owner], pictures, guess) for guess in (motion, unmoved)
        )
        motion, residual = (
            torch.where((still <= left)[:, None], unmoved, motion),
            torch.minimum(left, still).view(queries, -1),
        )
        residual, winner = residual.min(1)
        pick = torch.arange(queries) * best.shape[1] + winner
        train = candidates.flatten()[chosen[pick]]
        others = (
            torch.where(candidates == train[:, None], torch.inf, coarse).sort(1).values[:, :AROUND]
        )
        around = (
            torch.where(others.isinf(), torch.nan, others)
            .nanmedian(1)
            .values.nan_to_num(1.0)
            .clamp_min(1e-3)
        )
        distance = torch.where(seen, (residual / around).clamp(0, 1), 1.0)
        kinds = _kinds(sample, pictures[pick], sides[pick], motion[pick])
        return Matches(train, distance.double(), residual.double(), kinds)

    def plant(self, items: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        """Shifted by a sixteenth of a side, mirrored, cut to 85% of a side, or brighter by a fifth
        and a tenth of the range.
        """
        low, high = self.spec.limits
        height, width = items.shape[2:]
        match kind:
            case "shifted":
                down, across = max(1, height // 16), max(1, width // 16)
                return F.pad(items, (across, 0, down, 0), mode="replicate")[:, :, :height, :width]
            case "flipped":
                return items.flip(3)
            case "cropped":
                rows, columns = max(1, round(0.85 * height)), max(1, round(0.85 * width))
                top = int(torch.randint(height - rows + 1, (), generator=rng))
                left = int(torch.randint(width - columns + 1, (), generator=rng))
                part = items[:, :, top : top + rows, left : left + columns]
                return F.interpolate(
                    part, size=(height, width), mode="bilinear", align_corners=False
                )
            case "recoloured":
                return ((items - low) * 1.2 + low + 0.1 * (high - low)).clamp(low, high)
        return items.clone()

    @staticmethod
    def as_long(items: Tensor, like: Tensor, codec: Codec[Any]) -> Tensor:
        return items

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {"training": self.training}

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Pictures:
        matcher = cls.__new__(cls)
        matcher.spec, matcher.training = codec.spec, tensors["training"]
        return matcher


def working(spec: Spec, x: Tensor) -> Tensor:
    """(N, C, H, W) in the spec's unit -> (N, C, SIDE, SIDE) uint8; NaN counts as the middle, what
    lies outside the unit is clipped.
    """
    if not isinstance(spec, Dense):
        raise SpecError(say("pictures are dense data"), where=type(spec).__name__)
    low, high = spec.limits
    parts = [torch.empty(0, spec.shape[0], SIDE, SIDE, dtype=torch.uint8)]
    for rows in x.split(BLOCK):
        unit = ((rows.float().nan_to_num((low + high) / 2) - low) / (high - low)).clamp(0, 1)
        if unit.shape[2:] != (SIDE, SIDE):
            unit = F.interpolate(
                unit, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
            )
        parts.append((unit * 255).round().to(torch.uint8))
    return torch.cat(parts)


def grey(x: Tensor) -> Tensor:
    """(N, 1 or 3, S, S) -> (N, S, S): Rec. 601 luma."""
    return (
        x[:, 0]
        if x.shape[1] == 1
        else (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    )


def smooth(x: Tensor) -> Tensor:
    """(N, S, S) -> the same through a binomial filter: a crop that was enlarged is less sharp than
    what it was cut from.
    """
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    wide = F.pad(x[:, None], (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(wide, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))[:, 0]


# Candidates ---------------------------------------------------------------------------------------


def _candidates(asked: Tensor, training: Tensor, axes: Tensor) -> tuple[Tensor, Tensor, int]:
    """(M, K) int64: the training pictures whose layouts are most like the sample's, then those most
    like its mirror image's; the guess that each owes its place to, an index into GUESSES; how many
    are of the former sort.
    """
    sides = [_described(side, [WINDOWS[0], CENTRE], axes) for side in (asked, asked.flip(3))]
    values = [torch.full((len(asked), 0), 0.0)] * 2
    places = [torch.zeros((len(asked), 0), dtype=torch.int64)] * 2
    for first in range(0, len(training), BLOCK):
        block = _described(training[first : first + BLOCK], WINDOWS, axes)
        for mirrored, (side, count) in enumerate(zip(sides, (PLAIN, MIRRORED), strict=True)):
            likest = [
                _likest(side[:, at : at + ROWS], block, count, bool(mirrored))
                for at in range(0, len(asked), ROWS)
            ]
            joined = torch.cat([values[mirrored], torch.cat([part[0] for part in likest])], 1)
            where = torch.cat(
                [places[mirrored], first + torch.cat([part[1] for part in likest])], 1
            )
            kept = joined.topk(min(count, joined.shape[1]), 1)
            values[mirrored], places[mirrored] = kept.values, where.gather(1, kept.indices)
    guesses = torch.cat(values, 1).view(torch.int32) & MARK
    return torch.cat(places, 1), guesses.long(), places[0].shape[1]


def _likest(side: Tensor, block: Tensor, count: int, mirrored: bool) -> tuple[Tensor, Tensor]:
    """side (2, Q, D): whole and centre; block (W, N, D) -> the `count` likest of the block by their
    best guess, which is marked in the value.
    """
    best = torch.full((side.shape[1], block.shape[1]), -2.0)
    room = torch.empty_like(best)
    for guess, (number, part) in enumerate(GUESSES):
        if WINDOWS[number].mirror or not mirrored:
            torch.mm(side[part], block[number].T, out=room)
            room.view(torch.int32).bitwise_and_(~MARK).bitwise_or_(guess)
            torch.maximum(best, room, out=best)
    top = best.topk(min(count, best.shape[1]), 1)
    return top.values, top.indices


def _described(x: Tensor, windows: Sequence[Window], axes: Tensor) -> Tensor:
    """(W, N, D) of length 1, 0 where it is flat: layouts of each window, along the axes."""
    picture = grey(x.float()).flatten(1)
    return F.normalize(
        torch.stack([picture @ (_cells(window) @ axes) for window in windows]), dim=2, eps=1.0
    )


def _layouts(x: Tensor, windows: Sequence[Window]) -> Tensor:
    """(N, C, S, S) uint8 -> (W, N, CELLS**2) float32: grey cells of each window, of mean 0 and
    length 1; 0 where it is flat.
    """
    picture = grey(x.float()).flatten(1)
    return F.normalize(
        torch.stack([picture @ _cells(window) for window in windows]), dim=2, eps=1.0
    )


@lru_cache(maxsize=128)
def _cells(window: Window) -> Tensor:
    """(S * S, CELLS**2): what makes a picture a window's cells, their mean taken off; averaging is
    linear.
    """
    every = torch.eye(SIDE * SIDE).view(-1, SIDE, SIDE)[
        :, window.top : window.top + window.size, window.left : window.left + window.size
    ]
    cells = F.adaptive_avg_pool2d(every, CELLS).flatten(1)
    return cells - cells.mean(1, keepdim=True)


# Registration -------------------------------------------------------------------------------------


def _start(window: Window, part: int) -> list[float]:
    """The motion that a guess stands for: the sample is that window, or its centre is."""
    scale = 1.0 if part else window.size / SIDE
    corner = (
        (window.left - CENTRE.left, window.top - CENTRE.top) if part else (window.left, window.top)
    )
    return [value for place in corner for value in (scale, place + (scale - 1) * SIDE / 2)]


STARTS = torch.tensor([_start(WINDOWS[number], part) for number, part in GUESSES])


def _as_soft(once: Tensor, twice: Tensor, motion: Tensor) -> Tensor:
    """(P, S, S), smoothed once and twice -> smoothed the more, the less of a whole picture it
    stands for: its detail is enlarged, that of the other is not. Variances of smoothing add, and a
    little of it is linear in its variance.
    """
    share = (1 / motion[:, 0::2].mean(1).clamp(SMALLEST, 1).square() - 1).clamp(0, 1)[:, None, None]
    return torch.lerp(once, twice, share)


def halved(x: Tensor) -> Tensor:
    return F.avg_pool2d(x[:, None], 2)[:, 0]


def _grid(motion: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """motion (P, 4): scale and shift of x, of y, in pixels of the whole side from the centre ->
    where the sample's pixels lie in the training picture, for grid_sample; and x and y of each
    (side**2,).
    """
    line = (torch.arange(side) + 0.5) * (SIDE / side) - SIDE / 2
    across, down = (
        motion[:, axis : axis + 1] * line + motion[:, axis + 1 : axis + 2] for axis in (0, 2)
    )
    grid = torch.stack(
        [across[:, None, :].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], 3
    ) / (SIDE / 2)
    return grid, line[None, :].expand(side, -1).flatten(), line[:, None].expand(-1, side).flatten()


def _inside(grid: Tensor) -> Tensor:
    """(P, n) float: 1 where the grid lies within the picture."""
    return (grid.abs() <= 1 - 0.4 / grid.shape[1]).all(3).flatten(1).float()


def _register(sample: Tensor, train: Tensor, motion: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """(P, S, S) each and a first guess (P, 4) -> the motion that explains the sample best, and the
    share of its variance that is left (P,). Two steps back from one that makes it worse; the best
    one counts.
    """
    side = sample.shape[1]
    wide = F.pad(train[:, None], (1, 1, 1, 1), mode="replicate")
    pixel = 2 * SIDE / side
    stack = torch.cat(
        [
            train[:, None],
            (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / pixel,
            (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / pixel,
        ],
        1,
    )
    target = sample.flatten(1)
    best, error, trial = motion, torch.full((len(sample),), torch.inf), motion
    limit = torch.tensor([0.06, 2.0, 0.06, 2.0])
    for turn in range(rounds + 1):
        grid, x, y = _grid(trial, side)
        value, slope_x, slope_y = (
            F.grid_sample(stack, grid, align_corners=False, padding_mode="border")
            .flatten(2)
            .unbind(1)
        )
        mask = _inside(grid)
        gain, rest, left = _fit(target, value, mask)
        better = left < error
        best, error = torch.where(better[:, None], trial, best), torch.where(better, left, error)
        if turn == rounds:
            break
        turned = gain[:, None] * mask
        jacobian = torch.stack(
            [
                slope_x * x * turned,
                slope_x * turned,
                slope_y * y * turned,
                slope_y * turned,
                value * mask,
                mask,
            ],
            2,
        )
        normal = jacobian.transpose(1, 2) @ jacobian
        damping = torch.diag_embed(normal.diagonal(dim1=1, dim2=2) * 1e-3 + 1e-6)
        step = torch.linalg.solve(normal + damping, jacobian.transpose(1, 2) @ rest[:, :, None])[
            :, :4, 0
        ]
        trial = torch.where(better[:, None], trial + step.clamp(-limit, limit), (trial + best) / 2)
        trial[:, 0::2] = trial[:, 0::2].clamp(SMALLEST, 1 / SMALLEST)
    return best, error


def _fit(target: Tensor, value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gain and offset by least squares where mask is 1: gain (P,), residuals (P, n) masked, and
    their share of the variance (P,).
    """
    weight, count = mask, mask.sum(1).clamp_min(1)
    for turn in range(2):
        number = weight.sum(1).clamp_min(1)
        mean_t, mean_v = (target * weight).sum(1) / number, (value * weight).sum(1) / number
        centred_t, centred_v = (
            (target - mean_t[:, None]) * weight,
            (value - mean_v[:, None]) * weight,
        )
        gain = (centred_t * centred_v).sum(1) / centred_v.square().sum(1).clamp_min(1e-6)
        rest = centred_t - gain[:, None] * centred_v
        if turn == 0:
            energy = torch.maximum(
                centred_t.square().sum(1), 0.5 * target.var(1, unbiased=False) * count
            )
            beyond = _cut_off(
                target, mean_t[:, None] + gain[:, None] * (value - mean_v[:, None])
            ) & (mask > 0)
            if not beyond.any():
                break
            weight = mask * ~beyond
    share = rest.square().sum(1) / energy.clamp_min(1e-6)
    return gain, rest, torch.where(count >= 0.5 * mask.shape[1], share, 1.0)


def _cut_off(target: Tensor, fitted: Tensor) -> Tensor:
    """Where the sample is as white (or black) as can be and the fit lies beyond: nothing disagrees
    there, a brighter copy was cut off.
    """
    return ((target >= 0.99) & (fitted >= target)) | ((target <= 0.01) & (fitted <= target))


def _unexplained(sample: Tensor, train: Tensor, motion: Tensor) -> Tensor:
    """(P,) in [0, 1]: what is left of the sample's colours (P, C, S, S) once each is a mixture of
    the registered picture's.
    """
    channels = sample.shape[1]
    soft = smooth(train.flatten(0, 1)).view_as(train)
    once = smooth(sample.flatten(0, 1))
    target = (
        _as_soft(once, smooth(once), motion.repeat_interleave(channels, 0))
        .view_as(sample)
        .flatten(2)
    )
    grid, _, _ = _grid(motion, SIDE)
    value = F.grid_sample(soft, grid, align_corners=False, padding_mode="border").flatten(2)
    mask = _inside(grid)[:, None]
    weight, count = mask, mask.sum(2)[:, 0].clamp_min(1)
    for turn in range(3):
        number = weight.sum(2, keepdim=True).clamp_min(1)
        mean_v, mean_t = (
            (value * weight).sum(2, keepdim=True) / number,
            (target * weight).sum(2, keepdim=True) / number,
        )
        centred_v, centred_t = (value - mean_v) * weight, (target - mean_t) * weight
        normal = centred_v @ centred_v.transpose(1, 2) + 1e-4 * torch.eye(channels)
        mixture = torch.linalg.solve(normal, centred_v @ centred_t.transpose(1, 2)).transpose(1, 2)
        rest = centred_t - mixture @ centred_v
        if turn == 0:
            whole = (
                (target - target.mean(2, keepdim=True)).square().sum((1, 2))
                * count
                / target.shape[2]
            )
            energy = torch.maximum(centred_t.square().sum((1, 2)), 0.5 * whole).clamp_min(1e-6)
        weight = mask * ~_cut_off(target, mean_t + mixture @ (value - mean_v)).any(1, keepdim=True)
    share = (rest.square().sum((1, 2)) / energy).clamp(0, 1).sqrt()
    return torch.where(count >= 0.5 * target.shape[2], share, 1.0)


def _kinds(sample: Tensor, train: Tensor, mirrored: Tensor, motion: Tensor) -> list[str]:
    """How `train` (Q, C, S, S) in [0, 1] was altered, the clearest first. motion (Q, 4): scale and
    shift of x, of y.
    """
    same = (sample - train).abs().mean((1, 2, 3)) <= 1 / 255
    cropped = (motion[:, 0::2] - 1).abs().amax(1) > 0.05
    shifted = motion[:, 1::2].abs().amax(1) > 0.5
    means = (sample.mean((2, 3)) - train.mean((2, 3))).abs().amax(1) > 0.02
    contrasts = (
        sample.flatten(2).std(2).clamp_min(1e-3) / train.flatten(2).std(2).clamp_min(1e-3)
    ).log().abs().amax(1) > math.log(1.1)
    tests = (
        ("exact", same),
        ("flipped", mirrored.bool()),
        ("cropped", cropped),
        ("shifted", shifted),
        ("recoloured", means | contrasts),
    )
    return [
        next((kind for kind, holds in tests if holds[row]), "near") for row in range(len(sample))
    ]
