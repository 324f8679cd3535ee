"""The copy audit: does the model copy its training data, and can members of the training set be
recognised?

    inspect(run)                      samples of the run
    inspect(run, samples="folder")    files of any program, against the run's training data

Each sample is compared with every training item (copy_matcher.py), the threshold comes from
held-out items (calibration.py), membership inference stands beside it (membership.py). RUN/audit/
has audit.json (its schema is audit.schema.json beside this file), audit.html, and an index that a
release policy asks for the nearest training item of anything new (audit_index.py). Not here: what
is done about copies; that is the policy's business.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.data.file_discovery import list_files
from castalia.data.locate import Given, plain
from castalia.data.stream import Dataset, Side, Split, to_unit
from castalia.data.windows import Windows
from castalia.errors import DataError
from castalia.evaluation.base import wilson
from castalia.evaluation.dense_evidence import batches_of
from castalia.governance.audit_result import Audit
from castalia.governance.calibration import (
    FEW,
    FEWEST,
    Calibration,
    crossed,
    threshold_of,
    verdict_of,
)
from castalia.governance.copy_matcher import Matcher, Matches
from castalia.governance.copy_matchers import matcher_for
from castalia.governance.membership import Membership, membership
from castalia.nn.counter_random import generator
from castalia.progress import stage, tracked
from castalia.run import Run
from castalia.sampling.generate import generate, request_of
from castalia.sentences import Message, plural, say, series
from castalia.spec import Dense, Tokens
from castalia.training.setup import open_data

SCHEMA = 1
MOST_SAMPLES, FEWEST_SAMPLES = 10_000, 100  # drawn where n is not given
DRAWN_TOKENS = 50_000
# held-out items that are checked, if there are so many, however few the samples
LEAST_CHECKED = 1000
PLANTED = 20  # of each kind, to measure what would be detected
SAME = 0.02  # a held-out item at this distance is a training item


def inspect(
    run: Run, *, samples: Given | None = None, n: int | None = None, seed: int = 0, shadows: int = 0
) -> tuple[Audit, Matcher]:
    """What `castalia audit` reports, without writing it; verbs/audit.py writes it."""
    begun = time.perf_counter()
    codec, dataset, model = run.codec, open_data(run), run.model()
    kind = matcher_for(codec)
    notes: list[str] = []
    if samples is None:
        names, items = _drawn(run, model, dataset, n, seed)
    else:
        names, items = given(codec, samples)
    if not names:
        raise DataError(
            say("there are no samples to audit"),
            where=samples or run.folder,
            fix=say("-n 100, or a folder with files"),
        )
    with stage("indexing the training items"):
        matcher = kind(codec, blocks_of(dataset.train, codec))
    with stage("setting the threshold by held-out items"):
        held_out, calibration, fresh = _calibrated(
            kind, codec, dataset, items, matcher, seed, notes
        )
    calibration = _with_power(calibration, matcher, dataset, codec, seed)
    with stage("looking for copies"):
        matches = matcher.match(items)
    verdict, beyond = verdict_of(matches.distance, calibration)
    with stage("asking who was in the data"):
        inference: Membership = membership(
            run,
            model,
            dataset,
            samples=items if samples is None and isinstance(items, Tensor) else None,
            seed=seed,
            shadows=shadows,
        )
    where = dataset.train.where
    hits = torch.nonzero(matches.distance < calibration.threshold)[:, 0]
    hits = hits[matches.distance[hits].argsort(stable=True)].tolist()
    pairs = [_pair(matches, row, names[row], where) for row in hits]
    rate, false = len(pairs) / len(names), calibration.false_alarm_rate
    if calibration.duplicates:
        notes.append(
            say(
                "{0:,} of {1:,} held-out items are training items but for small changes: "
                "duplicates "
                "across the split. They count as false alarms.",
                calibration.duplicates,
                calibration.items,
            )
        )
    if verdict == "cannot tell":
        notes.append(_why(calibration))
    elif verdict == "none" and pairs:
        notes.append(
            say(
                "The pairs below the threshold are no more than new real items give; look at them "
                "all the same."
            )
        )
    document = {
        "schema": SCHEMA,
        "run": run.id,
        "data": run.about["data"]["fingerprint"],
        "model": run.model_hash(),
        "samples": f"seed {seed}" if samples is None else Path(samples).name,
        "matcher": kind.name,
        "verdict": verdict,
        "copies": len(pairs),
        "checked": len(names),
        "rate": rate,
        "interval": list(wilson(rate, len(names))),
        "beyond_chance": beyond / len(names),
        "threshold": calibration.threshold,
        "false_alarm_rate": false,
        "pairs": pairs,
        "calibration": {
            "source": calibration.source,
            "items": calibration.items,
            "false_alarms": calibration.false_alarms,
            "interval": None if calibration.interval is None else list(calibration.interval),
            "nearest": calibration.nearest if calibration.items else None,
            "duplicates": calibration.duplicates,
            "power": calibration.power,
        },
        "training_items": len(matcher),
        "membership": inference.to_json(),
        "notes": notes,
        "seconds": round(time.perf_counter() - begun, 2),
    }
    return Audit(
        document, codec, names, items, dataset.train, held_out, matches, fresh, where
    ), matcher


def _pair(matches: Matches, row: int, name: str, where: Any) -> dict[str, Any]:
    train = int(matches.train[row])
    pair = {
        "sample": name,
        "train": where(train) if train >= 0 else None,
        "kind": matches.kinds[row],
        "distance": round(float(matches.distance[row]), 6),
        "residual": round(float(matches.residual[row]), 6),
    }
    return pair | (matches.evidence[row] if matches.evidence else {})


def _why(calibration: Calibration) -> str:
    if calibration.items < FEWEST:
        return say(
            "There are too few real items to say how near new ones come, so finding nothing "
            "would prove nothing."
        )
    missed = series(
        say("{0} {1:.0%}", Message(kind, kind), share) for kind, share in calibration.power.items()
    )
    return say(
        "New real items are as near to training items as altered copies are: of planted "
        "copies the audit finds {0}.",
        missed,
    )


# Items --------------------------------------------------------------------------------------------


def blocks_of(side: Side, codec: Codec[Any], items: Tensor | None = None) -> Iterator[Any]:
    """Dense: (n, *shape) blocks in the spec's unit. Tokens: native items, one a document."""
    if isinstance(side, Windows):
        wanted = None if items is None else set(items.tolist())
        for number, document in enumerate(side.documents() if len(side) else ()):
            if wanted is None or number in wanted:
                yield codec.decode(document)
    else:
        for batch in batches_of(side, torch.arange(len(side)) if items is None else items):
            yield batch.x


def items_of(side: Side, codec: Codec[Any], items: Tensor | None = None) -> Any:
    """A tensor of dense items, a list of native ones. items: which, in ascending order."""
    blocks = list(blocks_of(side, codec, items))
    if isinstance(side, Windows):
        return blocks
    return torch.cat(blocks) if blocks else torch.empty(0, *getattr(codec.spec, "shape", ()))


def count_of(side: Side) -> int:
    if isinstance(side, Split):
        return len(side)
    return int(side.document_of(range(len(side)))[-1]) + 1 if len(side) else 0


def given(codec: Codec[Any], source: Given) -> tuple[list[str], Any]:
    """Names and items of the files of any program, read as the run's codec reads its own. Raises
    DataError naming one that cannot be.
    """
    listing = list_files(plain(source), codec, False)
    names: list[str] = []
    items: list[Any] = []
    for path, name in zip(listing.files, listing.names, strict=True):
        try:
            read = list(codec.read(path))
            items += (
                [codec.encode(item) for item in read] if isinstance(codec.spec, Dense) else read
            )
        except DataError as error:
            raise DataError(error.what, name, say("remove the file, or copy it again")) from error
        names += (
            [name]
            if len(read) == 1
            else [say("{0}, item {1}", name, place) for place in range(len(read))]
        )
    if isinstance(codec.spec, Dense):
        return names, to_unit(codec.spec, torch.stack(items)) if items else torch.empty(
            0, *codec.spec.shape
        )
    return names, [str(item) if isinstance(item, str) else item for item in items]


def _drawn(
    run: Run, model: Any, dataset: Dataset, n: int | None, seed: int
) -> tuple[list[str], Any]:
    """The samples that `castalia sample RUN --seed S` draws."""
    if n is None:
        held_out = count_of(dataset.validation)
        most = (
            max(FEWEST_SAMPLES, DRAWN_TOKENS // dataset.spec.length)
            if isinstance(dataset.spec, Tokens)
            else MOST_SAMPLES
        )
        n = most if isinstance(dataset.spec, Tokens) else min(most, max(FEWEST_SAMPLES, held_out))
    samples = list(
        generate(
            run, replace(request_of(run, n, seed), batch=run.recipe.sampling.batch), model=model
        )
    )
    names = [f"{sample.index:05d}" for sample in samples]
    if isinstance(dataset.spec, Dense):
        return names, torch.stack([sample.x for sample in samples])
    return names, [sample.item for sample in samples]


# Calibration --------------------------------------------------------------------------------------


def _calibrated(
    kind: type[Matcher],
    codec: Codec[Any],
    dataset: Dataset,
    items: Any,
    matcher: Matcher,
    seed: int,
    notes: list[str],
) -> tuple[Any, Calibration, Matches]:
    """The real items that set the threshold, the threshold, and their matches."""
    count = count_of(dataset.validation)
    order = (
        torch.randperm(count, generator=generator("audit", seed, "held-out"))[
            : max(LEAST_CHECKED, len(items))
        ]
        .sort()
        .values
    )
    fresh = kind.as_long(items_of(dataset.validation, codec, order), items, codec)[
        : max(LEAST_CHECKED, len(items))
    ]
    source = "held-out items"
    if len(fresh) < FEW:
        total = count_of(dataset.train)
        apart = min(total // 2, max(FEW, total // 10))
        order = torch.randperm(total, generator=generator("audit", seed, "apart"))
        set_apart = kind.as_long(
            items_of(dataset.train, codec, order[:apart].sort().values), items, codec
        )[:LEAST_CHECKED]
        few = plural(
            "There is only {0} held-out item to set the threshold by (fewer than {1}); ",
            "There are only {0} held-out items to set the threshold by (fewer than {1}); ",
            len(fresh),
            FEW,
        )
        if len(set_apart) < FEWEST:
            notes.append(
                say(
                    "{0}there are too few training items as well, so a fixed threshold "
                    "stands in and nothing is known of false alarms.",
                    few,
                )
            )
            return (
                fresh,
                Calibration(kind.farthest / 2, "a fixed threshold", 0, 0, 0.0),
                matcher.match(fresh),
            )
        notes.append(
            say(
                "{0}{1} training items were set apart instead and compared with the other "
                "training items.",
                few,
                len(set_apart),
            )
        )
        fresh, source = set_apart, "training items set apart"
        against = kind(codec, blocks_of(dataset.train, codec, order[apart:].sort().values))
    else:
        against = matcher
    matches = against.match(fresh)
    distance = matches.distance
    calibration = Calibration(
        threshold_of(distance, kind.farthest),
        source,
        len(fresh),
        crossed(distance, kind.farthest),
        float(distance.min()),
        int((distance < SAME).sum()),
    )
    return fresh, calibration, matches


def _with_power(
    calibration: Calibration, matcher: Matcher, dataset: Dataset, codec: Codec[Any], seed: int
) -> Calibration:
    """Plants altered copies of training items and measures how many are detected."""
    rng = generator("audit", seed, "planted")
    power = {}
    for kind in tracked(matcher.planted, "planting altered copies", len(matcher.planted), "kinds"):
        chosen = torch.randperm(len(matcher), generator=rng)[:PLANTED].sort().values
        matches = matcher.match(matcher.plant(items_of(dataset.train, codec, chosen), kind, rng))
        power[kind] = (
            (matches.distance < calibration.threshold).double().mean().item()
            if len(matches)
            else 0.0
        )
    return replace(calibration, power=power)
