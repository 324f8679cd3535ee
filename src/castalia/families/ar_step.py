"""One step of an `ar` model as a graph for export: tokens and the memory of those before them to
logits and the new memory.

The same graph takes in a prompt (many tokens, no memory) and goes on from it (one token, all
memory). All rows of a call have equally many tokens and equally much memory; token t of a call
stands at position past + t. Parameters are the model's own. Not here: the loop around it
(nn/decode.py), counts, whose tables are searched and not multiplied (nn/kneser_ney.py), and orders
other than from left to right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from castalia.errors import AbilityError
from castalia.families.ar_network import Network
from castalia.nn.graph import ConditionVector, Graph, Port, condition_ports
from castalia.nn.hashed_ngrams import hashed
from castalia.sentences import say
from castalia.spec import Tokens


class Past:
    """What one layer has seen: stands where a LayerCache does, and grows by making new tensors."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.keys, self.values = torch.cat([self.keys, k], 2), torch.cat([self.values, v], 2)
        return self.keys, self.values


class Step(nn.Module):
    """tokens (B, T), past_keys and past_values (B, layers, kv_heads, P, D), with n-grams also
    past_tokens (B, R), then classes (B,) -> logits (B, V) after the last token, and the same memory
    with T more tokens in it.
    """

    def __init__(self, network: Network, begin: int) -> None:
        super().__init__()
        self.network, self.begin = network, begin
        self.condition = ConditionVector(network.told)
        self.recall = max(network.config.ngrams, default=1) - 1
        # queries are turned to the place that they predict
        self.ahead = network.config.order == "any"

    def forward(
        self, tokens: Tensor, past_keys: Tensor, past_values: Tensor, *more: Tensor
    ) -> tuple[Tensor, ...]:
        network, steps, before = self.network, tokens.shape[1], past_keys.shape[3]
        recent, given = more[: self.recall > 0], more[self.recall > 0 :]
        place = torch.arange(steps, device=tokens.device) + before
        rotation = network.rotary(place[None], place[None] + 1 if self.ahead else None)
        hidden = torch.arange(before + steps, device=tokens.device)[None] > place[:, None]
        mask = torch.zeros(hidden.shape, device=tokens.device).masked_fill(hidden, float("-inf"))
        whole = torch.cat([*recent, tokens], 1)
        earlier = [
            whole[:, self.recall - shift : self.recall - shift + steps]
            for shift in range(self.recall + 1)
        ]
        ngrams = hashed(earlier, network.config.ngrams, network.config.ngram_rows)
        h = network.embed(
            tokens, ngrams, self.condition(given, tokens.shape[0]), network.aim(place + 1, place)
        )
        seen = []
        for index, block in enumerate(network.blocks):
            seen.append(Past(past_keys[:, index], past_values[:, index]))
            h = block(h, rotation, mask, seen[-1])
        logits = network.logits(network.norm(h[:, -1]))
        memory = (
            torch.stack([past.keys for past in seen], 1),
            torch.stack([past.values for past in seen], 1),
        )
        return (logits, *memory, *([whole[:, steps:]] if self.recall else []))


def step_graph(network: Network, spec: Tokens) -> Graph:
    """Raises AbilityError for a model with counts."""
    config = network.config
    if config.counts:
        raise AbilityError(
            say("a graph has no place for counts: their tables are searched, not multiplied"),
            where=f"family.counts={config.counts}",
            fix=say("export a run of text/ar or text/ar-small, or --to safetensors"),
        )
    module = Step(network, spec.begin).eval()
    kv_heads, head_width = config.kv_heads or config.heads, config.width // config.heads
    seen = ("rows", config.depth, kv_heads, "past", head_width)
    tokens = Port(
        "tokens",
        ("rows", "tokens"),
        "token",
        f"what follows the memory; a text begins with {spec.begin}",
        spec.vocab,
    )
    memory = [
        Port("past_keys", seen, "memory", "present_keys of the call before; at first past = 0"),
        Port("past_values", seen, "memory", "present_values of the call before"),
    ]
    outputs = {
        "logits": f"(rows, {spec.vocab}) of the token that follows; {spec.begin} never follows",
        "present_keys": "past_keys of the next call",
        "present_values": "past_values of the next call",
    }
    if module.recall:
        about = f"present_tokens of the call before; at first all {spec.begin}"
        memory.append(Port("past_tokens", ("rows", module.recall), "token", about, spec.vocab))
        outputs["present_tokens"] = "past_tokens of the next call"
    axes = {"tokens": (1, spec.length), "past": (0, spec.length - 1)}
    return Graph(
        module,
        (tokens, *memory, *condition_ports(network.told)),
        outputs,
        axes,
        room=spec.length,
    )
