"""The copy audit on planted copies: how many it finds, how often it is wrong, how long it takes.

    python benchmarks/audit.py --data FOLDER            writes benchmarks/results/audit.json; FOLDER has images/ and text/ (see SETS, CORPORA)
    python benchmarks/audit.py --data FOLDER --quick --out DIR       smoke test: one set, one corpus, few copies

Each data set is cut in three: training items, held-out items that set the threshold, and fresh items that nothing was set on. The fresh items
are the samples of a perfect model; copies of training items are planted among them, altered by code of this file, with strengths that the
package does not know. Found: the audit's distance of a planted copy lies below its threshold. False alarms: that of a fresh item does.
ROUNDS audits of fresh items with 1% of copies, and as many of fresh items alone, give the verdicts.

The constants of the matchers were chosen on TUNED (Fashion-MNIST, tiny Shakespeare), whose rows are marked and do not count.
The time is that of 10,000 samples of 32 x 32 pixels against 50,000 training pictures, with as many held-out ones.
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
from castalia.evaluation.base import wilson
from castalia.governance.audit import items_of
from castalia.governance.calibration import Calibration, crossed, threshold_of, verdict_of
from castalia.governance.copies import matcher_for
from castalia.governance.copies_texts import pieces_of
from machine import HERE, write_result

SETS = {
    "mnist": ("images/mnist", {}),
    "omniglot_small": ("images/omniglot_small", {"size": 32}),
    "blood_cells": ("images/blood_cells", {"size": 32}),
    "faces_congress_gray": ("images/faces_congress_gray/images", {"size": 32}),
    "fashion": ("builtin/fashion", {}),
}
CORPORA = {
    "wikitext2": ("text/wikitext2_valid", {"document": "paragraph"}),
    "tang_poems": ("text/tang_poems_zh/poems.jsonl", {}),
    "shakespeare": ("builtin/shakespeare", {"document": "paragraph"}),
}
TUNED = ("fashion", "shakespeare")
PICTURE_KINDS = ("exact", "brighter", "shifted", "flipped", "cropped")
TEXT_KINDS = ("exact span", "one token in ten")
PLANTED, ROUNDS, MOST = 100, 20, 1000
WINDOW, SPAN = 120, 40  # pieces of a text sample, and of the span that is planted in it


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with images/ and text/")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--only", nargs="*", help="sets and corpora by name; nothing is written")
    options.add_argument("--quick", action="store_true", help="smoke test")
    options.add_argument("--out", type=Path, default=HERE / "results")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    planted, rounds = (10, 2) if given.quick else (PLANTED, ROUNDS)
    chosen = given.only or (["faces_congress_gray", "tang_poems"] if given.quick else [*SETS, *CORPORA])
    rows = []
    for name in chosen:
        rows.append(judged(name, given.data, planted, rounds))
        print(line(rows[-1]), flush=True)
    if given.only:
        return
    timing = timed(*((200, 1000) if given.quick else (10_000, 50_000)))
    print(timing)
    write_result(
        "audit", {"rows": rows, "time": timing, "goals": {"found": 0.95, "false_alarms": 0.01, "seconds": 180}}, seeds=[0], folder=given.out
    )


def judged(name: str, data: Path, planted: int, rounds: int) -> dict[str, Any]:
    """One set or corpus: shares found by kind, false alarms, verdicts."""
    source, config = {**SETS, **CORPORA}[name]
    codec_name = "image" if name in SETS else "text"
    maker: Any = registry.resolve("codec", codec_name)
    codec = maker(maker.Config(**config))
    place = source if source.startswith("builtin/") else str(data / source)
    dataset = prepare(DataConfig(source=place, conditional=False, augment=(), validation=0.35), codec)
    rng = torch.Generator().manual_seed(0)
    apart = items_of(dataset.validation, codec)
    order = torch.randperm(len(apart), generator=rng).tolist()
    held, fresh = order[: len(order) // 2], order[len(order) // 2 :]
    training = items_of(dataset.train, codec)
    if codec_name == "text":
        windows = _windows(codec, [apart[row] for row in fresh])[:MOST]
        held_out = _windows(codec, [apart[row] for row in held])[:MOST]
        hosts = _windows(codec, [apart[row] for row in fresh])
        kinds: tuple[str, ...] = TEXT_KINDS
    else:
        held_out, windows, hosts, kinds = apart[held[:MOST]], apart[fresh[:MOST]], None, PICTURE_KINDS
    matcher = matcher_for(codec)[1](codec, training)
    begun = time.perf_counter()
    distances = matcher.match(held_out).distance
    threshold = threshold_of(distances, matcher.farthest)
    calibration = Calibration(threshold, "held-out items", len(distances), crossed(distances, matcher.farthest), float(distances.min()))
    alone = matcher.match(windows).distance
    seconds = (time.perf_counter() - begun) / (len(held_out) + len(windows))
    copies = {}
    for kind in kinds:
        picks = torch.randperm(len(training), generator=rng)[: min(planted, len(training))].tolist()
        altered = _texts(codec, training, picks, kind, hosts) if hosts is not None else _pictures(training[picks], kind, rng)
        copies[kind] = matcher.match(altered).distance
    every = torch.cat(list(copies.values()))
    verdicts = [_verdict(alone, every, calibration, rng) for _ in range(rounds)]
    hits, false = int((every < threshold).sum()), int((alone < threshold).sum())
    return {
        "name": name,
        "tuned": name in TUNED,
        "training": len(matcher),
        "held_out": len(held_out),
        "fresh": len(windows),
        "threshold": round(threshold, 4),
        "found": _share(hits, len(every)),
        "by_kind": {kind: _share(int((found < threshold).sum()), len(found)) for kind, found in copies.items()},
        "false_alarms": _share(false, len(alone)),
        "reported_false_alarm_rate": round(calibration.false_alarm_rate or 0.0, 4),
        "verdicts_with_1_percent": {told: verdicts.count(told) for told in sorted(set(verdicts))},
        "verdict_without": verdict_of(alone, calibration)[0].replace("cannot tell", "none"),
        "milliseconds_per_sample": round(1000 * seconds, 2),
    }


def _verdict(alone: Tensor, copies: Tensor, calibration: Calibration, rng: torch.Generator) -> str:
    count = max(1, round(0.01 * len(alone)))
    drawn = copies[torch.randperm(len(copies), generator=rng)[:count]]
    mixed = torch.cat([alone[torch.randperm(len(alone), generator=rng)[count:]], drawn])
    return "copies" if verdict_of(mixed, calibration)[0] == "copies" else "none"


def _share(hits: int, n: int) -> dict[str, Any]:
    share = hits / max(1, n)
    return {"value": round(share, 4), "interval": [round(end, 4) for end in wilson(share, max(1, n))], "n": n}


# Planting -------------------------------------------------------------------------------------------------------------


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
            return wide[:, :, reach - down : reach - down + side, reach - across : reach - across + side]
        case "flipped":
            return x.flip(3)
        case "cropped":  # 70% to 95% of a side, anywhere
            size = round(between(0.7, 0.95) * side)
            top, left = whole(0, side - size), whole(0, side - size)
            return F.interpolate(x[:, :, top : top + size, left : left + size], size=(side, side), mode="bicubic", align_corners=False)
    return x.clone()


def _windows(codec: Any, texts: list[str]) -> list[str]:
    """The texts end to end in windows of WINDOW pieces."""
    stream = [piece for text in texts for piece in (*pieces_of(codec, text), "\n")]
    return ["".join(stream[at : at + WINDOW]) for at in range(0, len(stream) - WINDOW + 1, WINDOW)]


def _texts(codec: Any, training: list[str], picks: list[int], kind: str, hosts: list[str]) -> list[str]:
    """Fresh windows in which SPAN pieces were replaced by a span of the training text, word for word or with one in ten changed."""
    rng = random.Random(0)
    pool = [piece for row in picks for piece in pieces_of(codec, training[row])]
    stream = [piece for text in training for piece in pieces_of(codec, text)]
    made = []
    for _ in picks:
        host = pieces_of(codec, rng.choice(hosts))
        start = rng.randrange(len(stream) - SPAN)
        span = stream[start : start + SPAN]
        if kind != "exact span":
            for block in range(0, SPAN, 10):
                span[block + rng.randrange(10)] = rng.choice(pool)
        at = rng.randrange(WINDOW - SPAN)
        made.append("".join([*host[:at], *span, *host[at + SPAN :]]))
    return made


# Time -----------------------------------------------------------------------------------------------------------------


def timed(samples: int, training: int) -> dict[str, Any]:
    """Seconds of an index, of as many held-out pictures as samples, and of the samples: smooth random colour pictures of 32 x 32."""
    codec = registry.resolve("codec", "image")(registry.resolve("codec", "image").Config(size=32, channels=3))
    rng = torch.Generator().manual_seed(0)

    def pictures(count: int) -> Iterator[Tensor]:
        for first in range(0, count, 1000):
            rows = min(1000, count - first)
            coarse = sum(
                F.interpolate(torch.randn(rows, 3, side, side, generator=rng), size=(32, 32), mode="bicubic") for side in (3, 6, 12)
            )
            yield (0.4 * torch.as_tensor(coarse)).clamp(-1, 1)

    train = list(pictures(training))
    held_out, asked = (torch.cat(list(pictures(samples))) for _ in range(2))
    kind = matcher_for(codec)[1]
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
        f"{row['name']:20} found {row['found']['value']:.1%} ({kinds}); false alarms {row['false_alarms']['value']:.2%} of {row['fresh']}, "
        f"reported {row['reported_false_alarm_rate']:.2%}; with 1%: {row['verdicts_with_1_percent']}; without: {row['verdict_without']}; "
        f"{row['milliseconds_per_sample']} ms"
    )


if __name__ == "__main__":
    main()
