"""Tokens per second out of a small transformer, beside nanoGPT's `generate` and that of transformers: one thread, float32.

    python benchmarks/text_sampling.py --peer FOLDER     # FOLDER: a checkout of github.com/karpathy/nanoGPT; about 4 minutes

4 layers of 4 heads, 128 wide, 65 characters, 256 new tokens after one, drawn at temperature 1, at batch 1 and 32. transformers gets *our* weights
as its own Qwen3 and must give our logits before anything is timed; nanoGPT, another architecture, has as many parameters and its own
context of 64. All in one process, in turn, in CPU seconds; what is compared are the ratios of each round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.families.ar import Ar, ArConfig
from castalia.nn.decode import complete
from castalia.spec import Batch, Tokens
from machine import interleaved, spread, write_result

VOCAB, WIDTH, DEPTH, HEADS, NEW = 65, 128, 4, 4, 256
GOALS = {1: {"nanogpt": 15.0, "transformers": 5.0}, 32: {"nanogpt": 30.0, "transformers": 2.0}}
Generate = Callable[[int, int], None]  # (rows, new tokens)


def ours() -> Ar:
    torch.manual_seed(0)
    model = Ar(ArConfig(width=WIDTH, depth=DEPTH, heads=HEADS), Tokens(NEW, VOCAB, begin=0), {}).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.05)
    return model


def as_qwen3(model: Ar) -> Any:
    """transformers' own model with the same weights. Raises ValueError when its logits are others."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS, num_key_value_heads=HEADS,
        head_dim=WIDTH // HEADS, intermediate_size=model.network.blocks[0].feed_forward.out.in_features, max_position_embeddings=NEW,
        rope_theta=model.config.theta, rms_norm_eps=1e-6, tie_word_embeddings=True, bos_token_id=0, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    weights = {"model.embed_tokens.weight": model.network.embedding.weight, "model.norm.weight": model.network.norm.weight}
    for index, block in enumerate(model.network.blocks):
        attention, part = block.attention, block.feed_forward
        q, k, v = attention.qkv.weight.chunk(3)
        gate, up = part.into.weight.chunk(2)
        own = {
            "self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v, "self_attn.o_proj": attention.out.weight,
            "self_attn.q_norm": attention.q_norm, "self_attn.k_norm": attention.k_norm, "mlp.gate_proj": gate, "mlp.up_proj": up,
            "mlp.down_proj": part.out.weight, "input_layernorm": block.attention_norm.weight,
            "post_attention_layernorm": block.feed_forward_norm.weight,
        }  # fmt: skip
        weights |= {f"model.layers.{index}.{name}.weight": value for name, value in own.items()}
    peer = Qwen3ForCausalLM(config).eval()
    peer.load_state_dict({name: value.detach() for name, value in weights.items()}, strict=False)
    x = torch.randint(1, VOCAB, (2, 65))
    with torch.no_grad():
        found = peer(x[:, :-1]).logits.log_softmax(-1).gather(2, x[:, 1:, None])[..., 0]
        if float((found + model.token_nats(Batch(x))).abs().max()) > 1e-4:
            raise ValueError("transformers' logits are not ours")
    return peer


def contestants(folder: str) -> dict[str, Generate]:
    model = ours()
    qwen3 = as_qwen3(model)
    sys.path.insert(0, folder)
    from model import GPT, GPTConfig  # type: ignore[import-not-found] - nanoGPT's file

    gpt = GPT(GPTConfig(block_size=64, vocab_size=VOCAB, n_layer=DEPTH, n_head=HEADS, n_embd=WIDTH, dropout=0.0, bias=False)).eval()

    def castalia(rows: int, new: int) -> None:
        prompts, rngs = [torch.tensor([0])] * rows, [torch.Generator().manual_seed(row) for row in range(rows)]
        found = complete(model, prompts, rngs, SampleOptions(length=new), spec=model.spec)
        _whole([len(one.tokens) for one in found], new)

    def transformers(rows: int, new: int) -> None:
        start = torch.zeros(rows, 1, dtype=torch.int64)
        more = {"do_sample": True, "top_k": 0, "max_new_tokens": new, "attention_mask": torch.ones_like(start)}
        _whole([out.shape[-1] - 1 for out in qwen3.generate(start, **more)], new)

    def nanogpt(rows: int, new: int) -> None:
        out: Tensor = gpt.generate(torch.zeros(rows, 1, dtype=torch.int64), new)
        _whole([out.shape[1] - 1], new)

    return {"castalia": castalia, "transformers": transformers, "nanogpt": nanogpt}


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="folder of nanoGPT's code")
    parser.add_argument("--rounds", type=int, nargs=2, default=[7, 3], help="at batch 1, and at batch 32")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found, results = contestants(options.peer), {}
    for (rows, goals), rounds in zip(GOALS.items(), options.rounds, strict=True):
        speeds = interleaved(rounds, warm_up=0, **{name: speed(generate, rows) for name, generate in found.items()})
        times = {peer: spread([ours / theirs for ours, theirs in zip(speeds["castalia"], speeds[peer], strict=True)], 2) for peer in goals}
        results[str(rows)] = {
            "tokens_per_second": {name: spread(values, 0) for name, values in speeds.items()},
            "times": times,
            "goals": goals,
            "reached": all(times[peer]["median"] >= goal for peer, goal in goals.items()),
        }
        print(rows, {name: round(statistics.median(values)) for name, values in speeds.items()}, times, file=sys.stderr)
    if not options.dry:
        write_result("text_sampling", {"new_tokens": NEW, "threads": 1, "batch": results})


if __name__ == "__main__":
    main()
