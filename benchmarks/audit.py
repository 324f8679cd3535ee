"""The copy audit on planted copies: how many it finds, how often it is wrong, how long it takes.

    python benchmarks/audit.py --data FOLDER
        writes benchmarks/results/audit.json; FOLDER has images/ and text/ (see SETS, CORPORA)
    python benchmarks/audit.py --time
        quiet cores; writes benchmarks/results/audit_time.json
    python benchmarks/audit.py --data FOLDER --quick --out DIR
        smoke test: one set, one corpus, few copies

Near duplicates are taken out of the corpora first (poems that stand in two collections). Each data
set is cut in three: training items, held-out items that set the threshold, and fresh items that
nothing was set on. The fresh items are the samples of a perfect model; copies of training items are
planted among them, altered by code of this file, with strengths that the package does not know.
Found: the audit's distance of a planted copy lies below its threshold. False alarms: that of a
fresh item does. Over SPLITS splits; in each, ROUNDS audits of fresh items with 1% of copies, and
one of fresh items alone, give the verdicts.

The constants of the matchers were chosen on TUNED (Fashion-MNIST, tiny Shakespeare), whose rows are
marked and do not count. The time is that of 10,000 samples of 32 x 32 pixels against 50,000
training pictures, with as many held-out ones.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia import registry
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.governance.audit import items_of
from castalia.governance.calibration import threshold_of
from castalia.governance.copy_matchers import matcher_for
from castalia.governance.token_copies import pieces_of
from machine import HERE, write_result
from planting import GOALS, counts, pooled

SETS = {
    "mnist": ("images/mnist", {}),
    "omniglot_small": ("images/omniglot_small", {"size": 32}),
    "blood_cells": ("images/blood_cells", {"size": 32}),
    "faces_congress_gray": ("images/faces_congress_gray/images", {"size": 32}),
    "fashion": ("builtin/fashion", {}),
}
CORPORA = {
    "wikitext2": ("text/wikitext2_valid", {"document": "paragraph"}),
    "state_of_the_union": ("text/state_of_the_union", {"document": "paragraph"}),
    "tang_poems": ("text/tang_poems_zh/poems.jsonl", {}),
    "shakespeare": ("builtin/shakespeare", {"document": "paragraph"}),
}
TUNED = ("fashion", "shakespeare")
PICTURE_KINDS = ("exact", "brighter", "shifted", "flipped", "cropped")
TEXT_KINDS = ("exact", "one token in ten", "exact, 40 pieces", "one token in ten, 40 pieces")
COUNTED = (*PICTURE_KINDS, *TEXT_KINDS[:2])  # the goal speaks of copies, not of quotations
SPLITS, PLANTED, ROUNDS, MOST = 3, 50, 20, 600
# pieces of a text sample, and of a quotation; a copy is as much of a training text as a sample
# holds
WINDOW, SPAN = 120, 40
# share of its 5-grams that a text may have from earlier ones; else it is left out as a near
# duplicate, before the split
REPEATED = 0.3


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="folder with images/ and text/")
    what.add_argument(
        "--time",
        action="store_true",
        help="measure the time alone, on quiet cores; writes audit_time.json",
    )
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--only", nargs="*", help="sets and corpora by name; nothing is written")
    options.add_argument("--quick", action="store_true", help="smoke test")
    options.add_argument("--out", type=Path, default=HERE / "results")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if given.time:
        timing = timed(*((200, 1000) if given.quick else (10_000, 50_000)))
        print(timing)
        write_result("audit_time", {**timing, "goal_seconds": 180}, seeds=[0], folder=given.out)
        return
    planted, rounds, splits = (10, 2, 1) if given.quick else (PLANTED, ROUNDS, SPLITS)
    chosen = given.only or (
        ["faces_congress_gray", "tang_poems"] if given.quick else [*SETS, *CORPORA]
    )
    rows = []
    for name in chosen:
        rows.append(judged(name, given.data, planted, rounds, splits))
        print(line(rows[-1]), flush=True)
    if given.only:
        return
    write_result(
        "audit", {"rows": rows, "goals": GOALS}, seeds=list(range(splits)), folder=given.out
    )


def judged(name: str, data: Path, planted: int, rounds: int, splits: int) -> dict[str, Any]:
    """One set or corpus: shares found by kind, false alarms and verdicts, over all splits."""
    source, config = {**SETS, **CORPORA}[name]
    maker: Any = registry.resolve("codec", "image" if name in SETS else "text")
    codec = maker(maker.Config(**config))
    place = source if source.startswith("builtin/") else str(data / source)
    dataset = prepare(DataConfig(source=place, conditional=False, augment=()), codec)
    sides = items_of(dataset.train, codec), items_of(dataset.validation, codec)
    items = torch.cat(sides) if name in SETS else _distinct(codec, [*sides[0], *sides[1]])
    found = [one_split(codec, items, planted, rounds, seed) for seed in range(splits)]
    return {
        "name": name,
        "tuned": name in TUNED,
        "splits": splits,
        "training": found[0]["training"],
        "held_out": found[0]["held"],
        "fresh": found[0]["fresh"],
        **pooled(found, COUNTED),
        "milliseconds_per_sample": round(sum(row["milliseconds"] for row in found) / splits, 2),
    }


def one_split(codec: Any, items: Any, planted: int, rounds: int, seed: int) -> dict[str, Any]:
    """65% of the items train, half of the others set the threshold, the other half are fresh.
    Counts.
    """
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(items), generator=rng).tolist()
    first, second = round(0.65 * len(order)), round(0.825 * len(order))
    parts = [
        [items[row] for row in part]
        for part in (order[:first], order[first:second], order[second:])
    ]
    hosts = None if isinstance(items, Tensor) else _windows(codec, parts[2])[:MOST]
    training = parts[0] if hosts is not None else torch.stack(parts[0])
    held_out = (
        _windows(codec, parts[1])[:MOST] if hosts is not None else torch.stack(parts[1])[:MOST]
    )
    fresh = hosts if hosts is not None else torch.stack(parts[2])[:MOST]
    matcher = matcher_for(codec)(codec, training)
    begun = time.perf_counter()
    distances = matcher.match(held_out).distance
    alone = matcher.match(fresh).distance
    seconds = (time.perf_counter() - begun) / (len(distances) + len(alone))
    copies = {}
    for kind in TEXT_KINDS if hosts is not None else PICTURE_KINDS:
        picks = torch.randperm(len(training), generator=rng)[: min(planted, len(training))].tolist()
        altered = (
            _texts(codec, training, picks, kind, hosts)
            if hosts is not None
            else _pictures(training[picks], kind, rng)
        )
        copies[kind] = matcher.match(altered).distance
    found = counts(distances, alone, copies, COUNTED, matcher.farthest, rounds, rng)
    return {"training": len(training), **found, "milliseconds": 1000 * seconds}


# Planting -----------------------------------------------------------------------------------------


def _pictures(x: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """(N, C, H, W) in [-1, 1], each altered by a strength of its own, then stored in 8 bits."""
    done = torch.cat([_picture(row[None], kind, rng) for row in x])
    return ((done.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def _picture(x: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    side = x.shape[2]

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=rng))

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=rng))

    match kind:
        case "brighter":  # up to a quarter of the range, contrast up to 1.3, cut off at white
            return (x + 1) * between(1.0, 1.3) - 1 + 2 * between(0.05, 0.25)
        case "shifted":  # up to an eighth of a side each way; what comes in repeats the edge
            reach = side // 8
            down, across = 0, 0
            while not (down or across):
                down, across = whole(-reach, reach), whole(-reach, reach)
            wide = F.pad(x, (reach,) * 4, mode="replicate")
            return wide[
                :, :, reach - down : reach - down + side, reach - across : reach - across + side
            ]
        case "flipped":
            return x.flip(3)
        case "cropped":  # 70% to 95% of a side, anywhere
            size = round(between(0.7, 0.95) * side)
            top, left = whole(0, side - size), whole(0, side - size)
            return F.interpolate(
                x[:, :, top : top + size, left : left + size],
                size=(side, side),
                mode="bicubic",
                align_corners=False,
            )
    return x.clone()


def _windows(codec: Any, texts: list[str]) -> list[str]:
    """The texts end to end in windows of WINDOW pieces."""
    stream = [piece for text in texts for piece in (*pieces_of(codec, text), "\n")]
    return ["".join(stream[at : at + WINDOW]) for at in range(0, len(stream) - WINDOW + 1, WINDOW)]


def _distinct(codec: Any, texts: list[str]) -> list[str]:
    seen: set[tuple[str, ...]] = set()
    kept = []
    for text in texts:
        pieces = [piece.strip() for piece in pieces_of(codec, text)]
        grams = {tuple(pieces[at : at + 5]) for at in range(len(pieces) - 4)}
        if len(grams & seen) <= REPEATED * len(grams):
            kept.append(text)
        seen |= grams
    return kept


def _texts(
    codec: Any, training: list[str], picks: list[int], kind: str, hosts: list[str]
) -> list[str]:
    """Fresh windows in which as many pieces of one training text as it has, at most WINDOW (or
    SPAN), took the place of their own.
    """
    rng = random.Random(0)
    rows = [row for row in (pieces_of(codec, text) for text in training) if len(row) >= SPAN]
    pool = [piece for row in rows[:200] for piece in row]
    made = []
    for _ in picks:
        host, row = pieces_of(codec, rng.choice(hosts)), rng.choice(rows)
        size = SPAN if "40" in kind else min(len(row), WINDOW)
        start = rng.randrange(len(row) - size + 1)
        span = row[start : start + size]
        if kind.startswith("one"):
            for block in range(0, size - size % 10, 10):
                span[block + rng.randrange(10)] = rng.choice(pool)
        at = rng.randrange(WINDOW - size + 1)
        made.append("".join([*host[:at], *span, *host[at + size :]]))
    return made


# Time ---------------------------------------------------------------------------------------------


def timed(samples: int, training: int) -> dict[str, Any]:
    """Seconds of an index, of as many held-out pictures as samples, and of the samples: smooth
    random colour pictures of 32 x 32.
    """
    codec = registry.resolve("codec", "image")(
        registry.resolve("codec", "image").Config(size=32, channels=3)
    )
    rng = torch.Generator().manual_seed(0)

    def pictures(count: int) -> Iterator[Tensor]:
        for first in range(0, count, 1000):
            rows = min(1000, count - first)
            coarse = sum(
                F.interpolate(
                    torch.randn(rows, 3, side, side, generator=rng), size=(32, 32), mode="bicubic"
                )
                for side in (3, 6, 12)
            )
            yield (0.4 * torch.as_tensor(coarse)).clamp(-1, 1)

    train = list(pictures(training))
    held_out, asked = (torch.cat(list(pictures(samples))) for _ in range(2))
    kind = matcher_for(codec)
    begun, spent = time.perf_counter(), time.process_time()
    matcher = kind(codec, train)
    threshold = threshold_of(matcher.match(held_out).distance, kind.farthest)
    copies = int((matcher.match(asked).distance < threshold).sum())
    return {
        "samples": samples,
        "held_out": samples,
        "training": training,
        "pixels": 32,
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
        "threads": torch.get_num_threads(),
        "called_copies": copies,
    }


def line(row: dict[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {found['value']:.0%}" for kind, found in row["by_kind"].items())
    return (
        f"{row['name']:20} found {row['found']['value']:.1%} ({kinds}); false alarms "
        f"{row['false_alarms']['value']:.2%} of {row['false_alarms']['n']}, "
        f"reported {row['reported_false_alarms']['value']:.2%}; says copies: with 1% "
        f"{row['verdict_copies_with_1_percent']['value']:.0%}, "
        f"without {row['verdict_copies_without']} of {row['splits']}; "
        f"{row['milliseconds_per_sample']} ms a sample"
    )


if __name__ == "__main__":
    main()
