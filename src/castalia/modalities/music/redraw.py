"""Bars with faults made anew: of several fillings of a bar the one with the fewest faults stays.

A model of notes that was trained on pieces without a fault still makes some: each is a draw among
many that is only a little less likely. A rule that can be counted is cheaper to keep by drawing
again than by training for longer. What faults are is said by the caller
(modalities/music/counterpoint.py for voices); each new draw is the model's own, given all the rest
of the piece, so this is rejection sampling, bar by bar, with an end to its patience. Not here: how
a bar is filled (edit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from castalia.codecs.base import Codec
from castalia.families.base import Family
from castalia.nn.counter_random import counter_seed
from castalia.sampling.edit import fill, refill

# over the piece: a bar that is mended may spoil the next one, and the second look finds it
PASSES = 2


def mended(
    model: Family,
    codec: Codec[Any],
    item: Any,
    faults: Callable[[Any], Sequence[int]],
    *,
    version: int,
    tries: int,
    keep: Sequence[str],
    bars: tuple[int, int] | None,
    seed: int,
    temperature: float = 1.0,
) -> Any:
    """The item, or one with fewer faults: each bar that has some, from the first on, is filled
    `tries` times, and a filling stays if the whole piece has fewer.

    faults: of each bar of an item, how many. keep, bars: as for `refill`; nothing else changes.
    version: which of the versions of one seed it is.
    """
    found = faults(item)
    for number in range(PASSES):
        before = sum(found)
        first, last = bars or (1, len(found))
        for bar in range(first, min(last, len(found)) + 1):
            if bar > len(found) or not found[bar - 1]:
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
            item, found = min(
                [(item, found), *((one, faults(one)) for one in versions)],
                key=lambda one: sum(one[1]),
            )
        if sum(found) in (0, before):
            break
    return item


def infilled(
    model: Family,
    codec: Codec[Any],
    given: Sequence[Any],
    count: int,
    seed: int,
    *,
    keep: Sequence[str] = (),
    bars: tuple[int, int] | None = None,
    temperature: float = 1.0,
    redraw: int = 0,
    faults: Callable[[Any], Sequence[int]] | None = None,
) -> list[Any]:
    """`count` fillings of each text (`fill`) or score (`refill`); with `redraw` > 0, bars with
    `faults` are drawn anew so often.
    """
    if not keep and bars is None and not redraw and all(isinstance(item, str) for item in given):
        return [
            filled
            for text in given
            for filled in fill(model, codec, text, count=count, seed=seed, temperature=temperature)
        ]
    found = list[Any]()
    for item in given:
        versions = refill(
            model,
            codec,
            item,
            keep=keep,
            bars=bars,
            count=count,
            seed=seed,
            temperature=temperature,
        )
        for number, one in enumerate(versions):
            if redraw and faults is not None:
                one = mended(
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
            found.append(one)
    return found
