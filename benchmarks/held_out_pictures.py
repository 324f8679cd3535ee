"""What benchmarks of few pictures share: which pictures are held out, and how samples compare with
them.

Scores are in castalia-net64-v1: kernel distance to the held-out pictures with its 95% interval,
precision and recall beside as many of them. `copies` is the share of samples that lie nearer to a
training picture than all but a twentieth of the held-out ones do. `floor` is the kernel distance of
the real pictures that could be trained on, `replay` that of as many training pictures as there are
samples, drawn with replacement: what a model gets that only repeats them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import castalia
from castalia.data.stream import to_unit
from castalia.errors import CastaliaError
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.kernel_distance import KernelDistance
from castalia.evaluation.nearest_neighbours import nearest
from castalia.evaluation.precision_recall import manifold_scores
from castalia.nn.counter_random import generator
from castalia.run import Run
from castalia.sampling.generate import Sample

JUDGE = "castalia-net64-v1"


def mixed(count: int, *counters: int | str) -> list[int]:
    """0 to count - 1 in an order that is a function of the counters."""
    order: list[int] = torch.randperm(count, generator=generator(*counters)).tolist()
    return order


def encoded(run: Run, paths: Sequence[Path]) -> Tensor:
    """(N, C, H, W) in the unit of the run's spec: all pictures of the files."""
    codec = run.codec
    rows = [codec.encode(item) for path in paths for item in codec.read(path)]
    return to_unit(run.spec, torch.stack(rows))


def pixels(run: Run, samples: Sequence[Sample]) -> Tensor:
    """(N, C, H, W) in the unit of the run's spec."""
    return to_unit(run.spec, torch.stack([run.codec.encode(one.item) for one in samples]))


def judged(run: Run, taught: Tensor, pool: Tensor, held: Tensor, samples: int) -> dict[str, Any]:
    """Scores of `samples` pictures that a run draws. taught: what it was trained on; pool: what it
    could have been trained on; held: pictures that no training sees; each (N, C, H, W).
    """
    features = features_for(run.spec, JUDGE)
    drawn = extract(features, [pixels(run, castalia.sample(run, n=samples, seed=1))])
    of_taught, of_pool, of_held = (extract(features, [one]) for one in (taught, pool, held))
    again = torch.randint(len(taught), (samples,), generator=generator("replay", 0))
    distance, replay, floor = (
        KernelDistance().compare(one, of_held)["kernel"]
        for one in (drawn, of_taught[again], of_pool)
    )
    count = min(samples, len(held))
    manifold = manifold_scores(drawn[:count], of_held[:count])
    near = [nearest(side, of_taught)[0][:, 0] for side in (drawn, of_held)]
    return {
        "kernel": round(distance.value, 4),
        "interval": [round(distance.low, 4), round(distance.high, 4)],
        "replay": round(replay.value, 4),
        "floor": round(floor.value, 4),
        "precision": round(manifold["precision"], 3),
        "recall": round(manifold["recall"], 3),
        "copies": round((near[0] < near[1].quantile(0.05)).double().mean().item(), 3),
    }


def kept(folder: Path, train: Callable[[Path], Run]) -> Run:
    """The finished run in `folder`; trained there where there is none."""
    try:
        run = Run.open(folder)
        if run.finished:
            return run
    except CastaliaError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return train(folder)
