"""Redraw parts and bars of a score, and bars with faults: of several fillings of a bar the one with
the fewest faults is kept.

A model of notes that was trained on pieces without a fault still makes some: each is a draw among
many that is only a little less likely. A rule that can be counted is cheaper to keep by drawing
again than by training for longer. What faults are is said by the caller
(modalities/music/counterpoint.py for voices); each new draw is the model's own, given all the rest
of the piece, so this is rejection sampling, bar by bar, with an end to its patience. Not here: what
a gap of a score is (infill.py), how gaps are filled (sampling/infill.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from castalia.families.base import Family
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.music.counterpoint import faults
from castalia.modalities.music.score import Score
from castalia.nn.counter_random import counter_seed
from castalia.sampling.infill import fill_gaps

# over the piece: a bar that is mended may spoil the next one, and the second look finds it
PASSES = 2


def refill(
    model: Family,
    codec: MusicCodec,
    item: Score,
    *,
    keep: Sequence[str],
    bars: tuple[int, int] | None,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Score]:
    """`count` versions of a score with parts and bars made anew, given all that stays: what comes
    later, too. keep, bars: see infill.gaps.
    """
    x, kept = codec.gaps(item, keep, bars)
    rows = fill_gaps(model, codec.spec, x, kept, count=count, seed=seed, temperature=temperature)
    return [codec.joined(item, row, kept) for row in rows]


def mended(
    model: Family,
    codec: MusicCodec,
    item: Score,
    faults: Callable[[Score], Sequence[int]],
    *,
    version: int,
    tries: int,
    keep: Sequence[str],
    bars: tuple[int, int] | None,
    seed: int,
    temperature: float = 1.0,
) -> Score:
    """The item, or one with fewer faults: each bar that has some, from the first on, is filled
    `tries` times, and a filling stays if the whole piece has fewer.

    faults: of each bar of an item, how many. keep, bars: as for `refill`; nothing else changes.
    version: which of the versions of one seed it is.
    """
    counts = faults(item)
    for number in range(PASSES):
        before = sum(counts)
        first, last = bars or (1, len(counts))
        for bar in range(first, min(last, len(counts)) + 1):
            if bar > len(counts) or not counts[bar - 1]:
                continue
            once = counter_seed("mend", seed, version, number, bar)
            versions = refill(
                model,
                codec,
                item,
                keep=keep,
                bars=(bar, bar),
                count=tries,
                seed=once,
                temperature=temperature,
            )
            item, counts = min(
                [(item, counts), *((one, faults(one)) for one in versions)],
                key=lambda one: sum(one[1]),
            )
        if sum(counts) in (0, before):
            break
    return item


def infilled(
    model: Family,
    codec: MusicCodec,
    item: Score,
    *,
    keep: Sequence[str],
    bars: tuple[int, int] | None,
    redraw: int,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Score]:
    """`count` versions of a score, as `refill` makes them; of each, bars with faults are drawn anew
    `redraw` times, as `mended` does.
    """
    made = refill(
        model,
        codec,
        item,
        keep=keep,
        bars=bars,
        count=count,
        seed=seed,
        temperature=temperature,
    )
    if not redraw:
        return made
    return [
        mended(
            model,
            codec,
            one,
            faults,
            version=number,
            tries=redraw,
            keep=keep,
            bars=bars,
            seed=seed,
            temperature=temperature,
        )
        for number, one in enumerate(made)
    ]
