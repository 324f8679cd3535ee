"""Gather the evidence of one evaluation of dense data: samples, real items, baselines, and which of
them are compared.

The reference are held-out items; when they are too few, training items join them (a model that
memorised those is flattered, so the report gives their number). "floor" are real items outside the
reference, and "memoriser" replays training items outside the reference, so neither owns the
answers. All candidates have the same n.

Conditions of conditional models are those of randomly chosen training items: samples then have the
data's own mixture of classes, as an evenly drawn set would not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia.abilities import SampleOptions, Samples
from castalia.errors import SpecError
from castalia.evaluation.base import Decoded, DenseEvidence, Labelled
from castalia.evaluation.baselines import Moments, memoriser, naive, softened
from castalia.evaluation.features import ROWS, Features, extract, features_for
from castalia.language import Message, say
from castalia.nn.counter_random import generator, generators
from castalia.progress import tracked
from castalia.registry import require
from castalia.spec import Batch, Classes, Condition, Dense

if TYPE_CHECKING:
    from castalia.data.stream import Dataset, Split
    from castalia.families.base import Family

DEFAULT_N = 2000
MOST_TRAINING = 50_000  # training items that are used; more would only make it slow
KEPT = 256  # samples and features' items kept as tensors, for the page
TAUGHT = 4000  # labelled training items that classifiers may learn from
MOST_DECODED = 4000  # training items that are decoded, for metrics that use native items
# numbers of one side that are kept as they are, for classifiers on raw numbers
MOST_RAW = 8_000_000


@dataclass(frozen=True)
class Gathered:
    """`evidence` for the metrics; the rest for the page.

    samples (at most KEPT, *shape). real: "floor" and "reference", as many of each, as items.
    visited: index into dataset.train of each training feature.
    """

    evidence: DenseEvidence
    samples: Tensor
    real: dict[str, Tensor]
    visited: Tensor
    notes: list[str]


def gather(
    model: Family,
    dataset: Dataset,
    *,
    n: int | None,
    seed: int,
    batch: int,
    against: Tensor | None,
    network: str | None,
) -> Gathered:
    """Draws samples, reads the data once, computes features. n None: as many as the real data
    allow, at most DEFAULT_N.
    """
    spec = dataset.spec
    if not isinstance(spec, Dense):
        raise SpecError(
            say("this evidence needs dense data"),
            where=type(spec).__name__,
            fix=say("tokens have evaluation/token_evidence.py"),
        )
    features = features_for(spec, network, dataset.codec)
    visited = torch.randperm(len(dataset.train), generator=generator("evaluate", seed, "train"))[
        :MOST_TRAINING
    ]
    moments = Moments()
    label, labels = class_condition(dataset.conditions), []
    training = extract(features, _watched(dataset.train, visited, moments, label, labels))
    held_order = torch.randperm(
        len(dataset.validation), generator=generator("evaluate", seed, "validation")
    )[:MOST_TRAINING]
    held_out = extract(features, (x.x for x in batches_of(dataset.validation, held_order)))
    held_out = held_out if len(held_out) else training[:0]
    notes: list[str] = []
    if len(visited) < len(dataset.train):
        notes.append(
            say(
                "{0:,} of {1:,} training items, chosen at random, were looked at.",
                len(visited),
                len(dataset.train),
            )
        )
    other = None if against is None else extract(features, against.split(ROWS))
    sides = choose_sides(training, held_out, other, n or DEFAULT_N, seed)
    # the same choice of items: places among the training items, then the held-out ones
    places = choose_sides(
        torch.arange(len(visited)),
        torch.arange(len(held_order)) + len(visited),
        None if against is None else torch.arange(len(against)),
        n or DEFAULT_N,
        seed,
    )
    count = sides.n
    if n is not None and count < n:
        notes.append(
            say(
                "n was reduced from {0:,} to {1:,}: there are not enough real items to compare "
                "more samples with.",
                n,
                count,
            )
        )
    keep_all = label in model.conditions and max(count, TAUGHT) * spec.size <= MOST_RAW
    drawn, sample_features, requested, timings = _sample(
        model, dataset, spec, features, max(count, 1), seed, batch, label, keep_all
    )
    candidates, labelled = {}, None
    if count:
        noise = [
            naive(moments.result(), spec, seed, first, min(ROWS, count - first))
            for first in range(0, count, ROWS)
        ]
        candidates = {
            "model": sample_features,
            "floor": sides.floor,
            "naive": extract(features, noise),
            "memoriser": sides.replayed,
        }
        if label is not None and against is None:
            labelled = _labelled(
                dataset,
                label,
                torch.cat(labels),
                training,
                held_out,
                visited,
                held_order,
                places.replayed,
                requested,
            )
            if keep_all and len(held_order):
                replayed = dataset.train.take(visited[places.replayed]).x
                labelled = replace(
                    labelled,
                    raw=_raw(dataset, visited, held_order, drawn, torch.cat(noise), replayed),
                )
    else:
        notes.append(say("There are too few real items to compare anything with."))
    taken = partial(_taken, dataset, visited, held_order)
    real: dict[str, Tensor] = {}
    if count:
        floor, reference = (rows[:count][:KEPT] for rows in (places.floor, places.reference))
        real = {
            "floor": taken(floor),
            "reference": taken(reference) if against is None else against[reference],
        }
    held = list(batches_of(dataset.validation, held_order[: n or DEFAULT_N], model.device))
    evidence = DenseEvidence(
        model=model,
        spec=spec,
        network=features.name,
        seed=seed,
        candidates=candidates,
        reference=sides.reference,
        batches=held,
        timings=timings,
        about={"reference": sides.words},
        training=training,
        held_out=held_out,
        moments=moments.result(),
        softened=_softened(spec, features, real["floor"]) if count else None,
        labelled=labelled,
        items=_items(dataset, visited, taken, against, drawn, places, min(count, len(drawn)))
        if count
        else {},
    )
    return Gathered(evidence, drawn[:KEPT], real, visited, notes)


def _softened(spec: Dense, features: Features, rows: Tensor) -> Tensor | None:
    """Features of rows (N, *shape) without their details."""
    soft = softened(rows, spec)
    return None if soft is None else extract(features, [soft])


def _taken(dataset: Dataset, visited: Tensor, held_order: Tensor, places: Tensor) -> Tensor:
    """The items at `places`, as tensors, the training items first."""
    mine = places < len(visited)
    parts = []
    if mine.any():
        parts.append(dataset.train.take(visited[places[mine]]).x)
    if not mine.all():
        parts.append(dataset.validation.take(held_order[places[~mine] - len(visited)]).x)
    return torch.cat(parts)


def class_condition(conditions: Mapping[str, Condition]) -> str | None:
    """The name of the first condition that is one of several classes."""
    return next(
        (name for name, kind in conditions.items() if isinstance(kind, Classes) and len(kind) > 1),
        None,
    )


def _labelled(
    dataset: Dataset,
    label: str,
    labels: Tensor,
    training: Tensor,
    held_out: Tensor,
    visited: Tensor,
    held_order: Tensor,
    replayed: Tensor,
    requested: Tensor | None,
) -> Labelled:
    kind = dataset.conditions[label]
    tested = [batch.cond[label] for batch in batches_of(dataset.validation, held_order)]
    return Labelled(
        names=kind.names if isinstance(kind, Classes) else (),
        training=(training[:TAUGHT], labels[:TAUGHT]),
        held_out=(held_out, torch.cat(tested) if tested else labels[:0]),
        replayed=labels[replayed],
        requested=requested,
    )


def _items(
    dataset: Dataset,
    visited: Tensor,
    taken: Callable[[Tensor], Tensor],
    against: Tensor | None,
    drawn: Tensor,
    places: Sides,
    count: int,
) -> Decoded:
    """`count` native items of each side, the same ones as the features are of."""

    def of(rows: Tensor, given: Tensor | None = None) -> Callable[[], Iterator[Tensor]]:
        def read() -> Iterator[Tensor]:
            for place in rows[:count]:  # one by one: items may be large
                yield given[place] if given is not None else taken(place[None])[0]

        return read

    rows = {
        "floor": of(places.floor),
        "memoriser": of(places.replayed),
        "reference": of(places.reference, against),
    }
    rows |= {
        "unseen": of(places.reference[places.reference >= len(visited)])
        if against is None
        else rows["reference"]
    }
    training_items = visited[:MOST_DECODED]
    rows |= {
        "training": lambda: iter(dataset.train.take(training_items).x),
        "model": lambda: iter(drawn[:count]),
    }
    return Decoded(lambda row: dataset.codec.decode(row), rows)


def _raw(
    dataset: Dataset,
    visited: Tensor,
    held_order: Tensor,
    samples: Tensor,
    noise: Tensor,
    replayed: Tensor,
) -> dict[str, Tensor]:
    """The arrays of Labelled.raw, in the order of its labels."""
    sides = {
        "training": dataset.train.take(visited[:TAUGHT]).x,
        "held_out": dataset.validation.take(held_order).x,
    }
    return {
        side: x.flatten(1)
        for side, x in {**sides, "model": samples, "naive": noise, "memoriser": replayed}.items()
    }


@dataclass(frozen=True)
class Sides:
    """Rows of what `choose_sides` was given: the reference, real items outside it, replayed
    training items; n each.
    """

    reference: Tensor
    floor: Tensor
    replayed: Tensor
    n: int
    words: Message


ITEMS = say("items")


def choose_sides(
    training: Tensor,
    held_out: Tensor,
    against: Tensor | None,
    n: int,
    seed: int,
    things: Message = ITEMS,
) -> Sides:
    """things: what the rows are called in the words."""
    if against is not None:
        count = min(n, len(against), len(training))
        order = torch.randperm(len(against), generator=generator("evaluate", seed, "against"))
        words = say(
            "{0:,} of {1:,} given {2}; the floor are {0:,} training {2} against them",
            count,
            len(against),
            things,
        )
        return Sides(
            against[order[:count]],
            training[:count],
            training[memoriser(len(training), count, seed)],
            count,
            words,
        )
    count = min(n, (len(held_out) + len(training)) // 2)
    joined = max(0, count - len(held_out))  # training items that fill the reference up
    reference = torch.cat([held_out[:count], training[:joined]])
    spare = held_out[count:]
    enough = len(spare) >= count
    floor = spare[:count] if enough else training[joined : joined + count]
    replayed = (
        training[joined:][memoriser(max(1, len(training) - joined), count, seed)]
        if len(training) > joined
        else training[:0]
    )
    used = min(count, len(held_out))
    first = (
        say(
            "{0:,} held-out {3} and {1:,} training {3}, because there are only {2:,} "
            "held-out ones (a model that memorised them is flattered)",
            *(used, joined, len(held_out), things),
        )
        if joined
        else say("{0:,} held-out {1}", used, things)
    )
    words = (
        say("{0}; the floor are {1:,} other held-out {2} outside it", first, count, things)
        if enough
        else say("{0}; the floor are {1:,} training {2} outside it", first, count, things)
    )
    return Sides(reference, floor, replayed, count, words)


@torch.inference_mode()
def _sample(
    model: Family,
    dataset: Dataset,
    spec: Dense,
    features: Features,
    n: int,
    seed: int,
    batch: int,
    label: str | None,
    keep_all: bool,
) -> tuple[Tensor, Tensor, Tensor | None, list[tuple[int, float]]]:
    """(samples, the first KEPT at least; features of all n; the classes they were asked for;
    timings).
    """
    sampler = require(model, Samples, say("be judged by its samples"))
    items = torch.randint(
        0, max(1, len(dataset.train)), (n,), generator=generator("evaluate", seed, "conditions")
    )
    kept, vectors, classes, timings = [], [], [], []
    for first in tracked(range(0, n, batch), "drawing samples", -(-n // batch), "batches"):
        rows = min(batch, n - first)
        cond = conditions_of(model, dataset.train, items[first : first + rows])
        begun = time.perf_counter()
        x = sampler.sample(generators(seed, first, rows), cond, SampleOptions()).float().cpu()
        timings.append((rows, time.perf_counter() - begun))
        if tuple(x.shape) != (rows, *spec.shape):
            raise SpecError(
                say("the sampler gave another shape than its spec"),
                where=say("{0} against {1}", tuple(x.shape), (rows, *spec.shape)),
            )
        if keep_all or first < KEPT:
            kept.append(x.clone())
        if label in cond:
            classes.append(cond[label].cpu())
        vectors.append(extract(features, [x]))
    return torch.cat(kept), torch.cat(vectors), torch.cat(classes) if classes else None, timings


def conditions_of(model: Family, split: Split, indices: Tensor) -> dict[str, Any]:
    """The model's conditions of the items at `indices`: only those it knows; {} for an
    unconditional model.
    """
    if not model.conditions or not len(split):
        return {}
    cond = _to(split.take(indices), model.device).cond
    return {name: cond[name] for name in model.conditions if name in cond}


def _watched(
    split: Split, indices: Tensor, moments: Moments, label: str | None, labels: list[Tensor]
) -> Iterator[Tensor]:
    for batch in batches_of(split, indices):
        moments.add(batch.x)
        if label is not None:
            labels.append(batch.cond[label])
        yield batch.x


def batches_of(
    split: Split, indices: Tensor, device: torch.device | None = None
) -> Iterator[Batch]:
    for part in indices.split(ROWS):
        if len(part):
            batch = split.take(part)
            yield batch if device is None else _to(batch, device)


def _to(batch: Batch, device: torch.device) -> Batch:
    x, mask, weight, segment = (None if part is None else part.to(device) for part in batch[:4])
    return Batch(
        x,
        mask,
        weight,
        segment,
        {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in batch.cond.items()
        },
    )
