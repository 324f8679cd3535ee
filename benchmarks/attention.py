"""Attention on a CPU: plain products against torch's fused kernel, in a whole training step of a
small transformer.

    python benchmarks/attention.py
        # under a minute; writes benchmarks/results/attention.json

4 layers of 192 in 6 heads, as in `text/ar`: forward, loss and backward of 16 rows, in float32 and
under bf16 autocast, for two lengths. The kinds take turns, and CPU seconds are compared.
nn/transformer.py takes what is faster ("auto").
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from castalia.families.ar import Ar, ArConfig
from castalia.nn.transformer import AttentionKind
from castalia.spec import Batch, Tokens
from machine import interleaved, spread, write_result

LENGTHS, ROWS, VOCAB = (64, 256), 16, 66
KINDS: tuple[AttentionKind, ...] = ("plain", "fused")


def training_step(
    kind: AttentionKind, precision: str, length: int, repeats: int
) -> Callable[[], float]:
    """A function that gives the CPU milliseconds of one step."""
    torch.manual_seed(0)
    model = Ar(
        ArConfig(width=192, depth=4, heads=6, attention=kind), Tokens(length, VOCAB, begin=0), {}
    )
    batch = Batch(torch.randint(1, VOCAB, (ROWS, length + 1)))

    def once() -> float:
        begun = time.process_time()
        for _ in range(repeats):
            with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext():
                loss = model(batch)
            loss.total.backward()
            model.zero_grad(set_to_none=True)
        return (time.process_time() - begun) / repeats * 1000

    return once


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for length in LENGTHS:
        for precision in ("fp32", "bf16"):
            found = interleaved(
                options.rounds,
                **{kind: training_step(kind, precision, length, 512 // length) for kind in KINDS},
            )
            ratio = spread(
                [
                    fused / plain
                    for fused, plain in zip(found["fused"], found["plain"], strict=True)
                ],
                2,
            )
            milliseconds = {kind: spread(values, 1) for kind, values in found.items()}
            rows.append(
                {
                    "length": length,
                    "precision": precision,
                    "cpu_milliseconds": milliseconds,
                    "fused_over_plain": ratio,
                }
            )
    if options.dry:
        print(*rows, sep="\n")
    else:
        write_result("attention", {"rows_per_step": ROWS, "steps": rows})


if __name__ == "__main__":
    main()
