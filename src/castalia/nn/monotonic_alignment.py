"""Where each letter of a text lies along the last axis of the data: learned, not told.

Monotonic alignment search as in Glow-TTS (Kim et al. 2020, arXiv:2005.11129): every letter says
what the data are on average where it stands; of all ways to lay the letters side by side, in order
and without gaps, a dynamic programme finds the one whose averages are nearest to the data. From
these lengths a second head learns how long each letter will be, for texts without data. The
averages, laid out, are told to the model of the data as one more of its channels, as in Grad-TTS
(Popov et al. 2021, arXiv:2105.06337).

Of few texts a search without a prior settles on any way at all: half of the letters got one place
each. So letters are expected to take equal shares, as in Badlani et al. 2021 (arXiv:2108.10447),
from the first place to where the data stop to change.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.nn.conv import Block
from castalia.spec import Dense

BLOCKS = 1  # of two convolutions over three letters each: a letter knows two on either side.
# With four, half as many syllables that were never heard were recognised, and as many learned ones.
SHARPEST = 0.01  # variance of a number around its letter's average, at least; of all data it is 1
EVEN = 0.15  # deviation of a letter's place from an equal share, in parts of all places
SHORTEST = 0.05  # places that a letter takes at least, when its length is foretold


class Reading(NamedTuple):
    """What a text says of the data. grid (B, *shape): the averages of its letters, laid out; 0
    without a text. lengths (B, S): places that each letter takes. losses: with data, "letters", the
    squared error of the averages per number, and "lengths", that of log lengths.
    """

    grid: Tensor
    lengths: Tensor
    losses: dict[str, Tensor]


class Reader(nn.Module):
    """Texts (B, S) int64, 0 for no letter, to a `Reading` of data of this spec, whose last axis is
    the one along which they are read.
    """

    def __init__(self, letters: int, width: int, spec: Dense) -> None:
        super().__init__()
        self.shape = spec.shape
        self.embedding = nn.Embedding(letters + 1, width)
        self.blocks = nn.ModuleList(Block(1, width) for _ in range(BLOCKS))
        self.average = nn.Conv1d(width, math.prod(spec.shape[:-1]), 1)
        self.lasting = Block(1, width)
        self.length = nn.Conv1d(width, 1, 1)

    def forward(self, ids: Tensor, data: Tensor | None = None) -> Reading:
        """data (B, *shape) float32: letters are laid where they fit it best, and losses come along;
        None: by the lengths that are foretold. The last letter lasts to the end.
        """
        there = ids > 0
        h = self.embedding(ids).transpose(1, 2) * there[:, None]
        for block in self.blocks:
            h = block(h) * there[:, None]
        average = self.average(h) * there[:, None]  # (B, numbers of a place, S)
        # what is learned of lengths does not move the letters
        foretold = self.length(self.lasting(h.detach()))[:, 0]
        losses: dict[str, Tensor] = {}
        if data is None:
            lengths = (foretold.exp() * there).clamp_min(SHORTEST)
        else:
            flat = data.flatten(1, -2).float()
            lengths = aligned(average.detach().float(), flat, there)
            laid = average.float() @ laid_out(lengths, there, flat.shape[-1])
            told = there.any(1).float()
            error = (laid - flat).square().mean((1, 2))
            losses["letters"] = (error * told).sum() / told.sum().clamp_min(1)
            inner = there & F.pad(there[:, 1:], (0, 1))  # the last one's length is what is left
            missed = (foretold.float() - lengths.clamp_min(1).log()).square() * inner
            losses["lengths"] = missed.sum() / inner.sum().clamp_min(1)
        weights = laid_out(lengths, there, self.shape[-1])
        grid = (average.float() @ weights).unflatten(1, self.shape[:-1])
        return Reading(grid, lengths, losses)


@torch.no_grad()
def aligned(average: Tensor, data: Tensor, there: Tensor) -> Tensor:
    """average (B, F, S), data (B, F, T), there (B, S) -> the likeliest lengths (B, S).

    What is at a place is normal around its letter's average, with the variance that the nearest
    letters leave: while the averages are all alike equal shares decide, later the data.
    """
    away = squares(average, data)
    nearest = away.masked_fill(~there[..., None], torch.inf).amin(1)  # (B, T)
    variance = (nearest.mean(1) / data.shape[1]).clamp(SHARPEST, 1.0)[:, None, None]
    return best_lengths(-0.5 * away / variance - unevenness(there, data), there.sum(1))


def squares(average: Tensor, data: Tensor) -> Tensor:
    """(B, F, S) and (B, F, T) -> (B, S, T): squared distances."""
    return torch.cdist(average.transpose(1, 2), data.transpose(1, 2)).square()


@torch.no_grad()
def unevenness(there: Tensor, data: Tensor) -> Tensor:
    """there (B, S), data (B, F, T) -> (B, S, T): what a letter's distance from where it would be if
    all were equally long costs, in the numbers of a place; nothing behind the last place at which
    the data change.
    """
    places = torch.arange(data.shape[-1], device=data.device)
    changes = (data - data[..., -1:]).abs().amax(1) > 1e-6
    ends = ((places + 1) * changes).amax(1).clamp_min(1)[:, None, None]
    letters = torch.arange(there.shape[1], device=data.device)[:, None] + 0.5
    away = letters / there.sum(1).clamp_min(1)[:, None, None] - (places + 0.5) / ends
    return 0.5 * data.shape[1] * (away / EVEN).square() * (places < ends)


@torch.no_grad()
def best_lengths(score: Tensor, letters: Tensor) -> Tensor:
    """score (B, S, T), letters (B,) int64 <= T -> (B, S) float32, how many places each letter takes
    so that the sum of scores is largest: in order, each at least one, all T together. Rows without
    letters get zeros.
    """
    rows, most, places = score.shape
    steps = score.permute(2, 0, 1)  # (T, B, S)
    best = torch.full_like(steps[0], -torch.inf)
    best[:, 0] = steps[0, :, 0]
    moved = torch.zeros(places, rows, most, dtype=torch.bool, device=score.device)
    for place in range(1, places):
        before = F.pad(best[:, :-1], (1, 0), value=-torch.inf)
        moved[place] = before > best
        best = torch.maximum(before, best) + steps[place]
    lengths = torch.zeros(rows, most, device=score.device)
    letter = (letters - 1).clamp_min(0)[:, None]
    one = torch.ones(rows, 1, device=score.device)
    for place in reversed(range(places)):
        lengths.scatter_add_(1, letter, one)
        letter = letter - moved[place].gather(1, letter).long()
    return lengths * (letters > 0)[:, None]


def laid_out(lengths: Tensor, there: Tensor, places: int) -> Tensor:
    """Lengths (B, S) of the letters that are `there` (B, S) -> (B, S, T): the share that each has
    in every place, laid side by side from the beginning. The last of a row lasts to the end.
    """
    lengths = lengths * there
    last = there & ~F.pad(there[:, 1:], (0, 1))
    ends = lengths.cumsum(1)
    starts = ends - lengths
    ends = torch.where(last, ends.clamp_min(places), ends)
    place = torch.arange(places, device=lengths.device)
    covered = torch.minimum(ends[..., None], place + 1) - torch.maximum(starts[..., None], place)
    return covered.clamp(0, 1) * there[..., None]
