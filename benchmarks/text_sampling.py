"""Tokens per second out of a small transformer, beside nanoGPT's `generate` and that of
transformers: one thread, float32.

    python benchmarks/text_sampling.py --peer FOLDER
        # FOLDER: a checkout of github.com/karpathy/nanoGPT; about 4 minutes

4 layers of 4 heads, 128 wide, 65 characters, 256 new tokens after one, drawn at temperature 1, at
batch 1 and 32. transformers gets *our* weights through the export and must give our probabilities
before anything is timed; nanoGPT, another architecture, has as many parameters. The goals are
against models that see all 256 tokens, as ours does; "nanogpt_64" looks back 64 characters only, as
its README's CPU command trains it, so it has less to do, and stands beside. All in one process, in
turn, in CPU seconds; what is compared are the ratios of each round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.export import qwen3
from castalia.families.ar import Ar, ArConfig
from castalia.nn.decode import complete
from castalia.spec import Batch, Tokens
from machine import interleaved, spread, write_result

VOCAB, WIDTH, DEPTH, HEADS, NEW = 65, 128, 4, 4, 256
GOALS = {1: {"nanogpt": 15.0, "transformers": 5.0}, 32: {"nanogpt": 30.0, "transformers": 2.0}}
Generate = Callable[[int, int], None]  # (rows, new tokens)


def ours() -> Ar:
    torch.manual_seed(0)
    model = Ar(
        ArConfig(width=WIDTH, depth=DEPTH, heads=HEADS), Tokens(NEW, VOCAB, begin=0), {}
    ).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.05)
    return model


def as_qwen3(model: Ar) -> Any:
    """transformers' own model, as our export gives it. Raises ValueError when its probabilities are
    others.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    peer = Qwen3ForCausalLM(Qwen3Config(**{**qwen3.config(model), "pad_token_id": 0})).eval()
    peer.load_state_dict(qwen3.weights(model), strict=False)
    x = torch.randint(1, VOCAB, (2, NEW + 1))
    with torch.no_grad():
        logits = peer(x[:, :-1]).logits
        # never predicted, so our likelihoods leave it out
        logits[..., model.spec.begin] = float("-inf")
        found = logits.log_softmax(-1).gather(2, x[:, 1:, None])[..., 0]
        if float((found + model.token_nats(Batch(x))).abs().max()) > 1e-4:
            raise ValueError("transformers' probabilities are not ours")
    return peer


def contestants(folder: str) -> dict[str, Generate]:
    model = ours()
    exported = as_qwen3(model)
    sys.path.insert(0, folder)
    from model import GPT, GPTConfig  # type: ignore[import-not-found] - nanoGPT's file

    size = {
        "vocab_size": VOCAB,
        "n_layer": DEPTH,
        "n_head": HEADS,
        "n_embd": WIDTH,
        "dropout": 0.0,
        "bias": False,
    }
    seeing = {context: GPT(GPTConfig(block_size=context, **size)).eval() for context in (NEW, 64)}

    def castalia(rows: int, new: int) -> None:
        prompts, rngs = (
            [torch.tensor([0])] * rows,
            [torch.Generator().manual_seed(row) for row in range(rows)],
        )
        found = complete(model, prompts, rngs, SampleOptions(length=new), spec=model.spec)
        _whole([len(one.tokens) for one in found], new)

    def transformers(rows: int, new: int) -> None:
        start = torch.zeros(rows, 1, dtype=torch.int64)
        more = {
            "do_sample": True,
            "top_k": 0,
            "max_new_tokens": new,
            "attention_mask": torch.ones_like(start),
        }
        _whole([out.shape[-1] - 1 for out in exported.generate(start, **more)], new)

    def nanogpt(context: int, rows: int, new: int) -> None:
        out: Tensor = seeing[context].generate(torch.zeros(rows, 1, dtype=torch.int64), new)
        _whole([out.shape[1] - 1], new)

    return {
        "castalia": castalia,
        "transformers": transformers,
        "nanogpt": partial(nanogpt, NEW),
        "nanogpt_64": partial(nanogpt, 64),
    }


def _whole(lengths: Sequence[int], new: int) -> None:
    if set(lengths) != {new}:
        raise ValueError(f"{set(lengths)} new tokens instead of {new}")


def speed(generate: Generate, rows: int) -> Callable[[], float]:
    def once() -> float:
        begun = time.process_time()
        generate(rows, NEW)
        return rows * NEW / (time.process_time() - begun)

    generate(rows, 8)  # lazy kernels
    return once


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="folder of nanoGPT's code")
    parser.add_argument(
        "--rounds", type=int, nargs=2, default=[7, 2], help="at batch 1, and at batch 32"
    )
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found, results = contestants(options.peer), {}
    for (rows, goals), rounds in zip(GOALS.items(), options.rounds, strict=True):
        speeds = interleaved(
            rounds, warm_up=0, **{name: speed(generate, rows) for name, generate in found.items()}
        )
        own = speeds.pop("castalia")
        times = {
            peer: spread([ours / peers for ours, peers in zip(own, theirs, strict=True)], 2)
            for peer, theirs in speeds.items()
        }
        speeds["castalia"] = own
        results[str(rows)] = {
            "tokens_per_second": {name: spread(values, 0) for name, values in speeds.items()},
            "times": times,
            "goals": goals,
            "reached": all(times[peer]["median"] >= goal for peer, goal in goals.items()),
        }
        print(
            rows,
            {name: round(statistics.median(values)) for name, values in speeds.items()},
            times,
            file=sys.stderr,
        )
    if not options.dry:
        write_result("text_sampling", {"new_tokens": NEW, "threads": 1, "batch": results})


if __name__ == "__main__":
    main()
