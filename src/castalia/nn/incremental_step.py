"""One decoding step of a transformer: many rows by torch, one row on a CPU by NumPy.

One row is what a chat waits for. The matrices of a small model take a few microseconds each, and a
call of torch about one besides; NumPy's takes half of that (benchmarks/text_sampling.py). The
mathematics is Block.step's, and so is the memory: weights, keys and values are torch's own, seen
through NumPy, so nothing is copied, and the row may go on in a batch at any time. Not here:
embeddings and logits, which are the family's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias
from weakref import ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from castalia.nn.transformer import EPS, Block, Gain, LayerCache, Memory, Rotary, normalised

Array: TypeAlias = NDArray[np.float32]


def advance(
    x: Tensor, blocks: Iterable[Block], norm: Tensor, rotary: Rotary, memory: Memory
) -> Tensor:
    """Embeddings (B, width) float32 of the next tokens become what follows the last norm, whose
    weight is `norm`. No gradients, no dropout.

    `memory` takes in their keys and values; Memory.grow is the caller's.
    """
    if memory.single is None and Single.fits(blocks, memory):
        memory.single = Single(blocks, norm, rotary, memory)
    if memory.single is not None:
        return memory.single(x)
    rotation, mask = rotary(memory.places()), memory.mask()
    for block, layer in zip(blocks, memory.layers, strict=True):
        x = block.step(x, rotation, mask, layer)
    if memory.gain is None:
        memory.gain = Gain.of(norm)
    return normalised(x, memory.gain)


class Single:
    """The blocks of a transformer and the norm behind them, bound to the `memory` of one row."""

    def __init__(
        self, blocks: Iterable[Block], norm: Tensor, rotary: Rotary, memory: Memory
    ) -> None:
        self.layers = [
            _Layer(block, cache) for block, cache in zip(blocks, memory.layers, strict=True)
        ]
        self.norm = _seen(norm)
        cosine, sine = rotary.get_buffer("cosine"), rotary.get_buffer("sine")
        self.cosine, self.sine = _seen(cosine), _seen(sine).reshape(len(sine), 2, -1)
        self.memory = ref(memory)  # which holds this

    @staticmethod
    def fits(blocks: Iterable[Block], memory: Memory) -> bool:
        """Whether there is one row, in float32 on a CPU, and nothing in the layers that is not
        theirs (nn/lora.py).
        """
        if len(memory.lengths) != 1 or memory.lengths.device.type != "cpu":
            return False
        modules = (
            module
            for block in blocks
            for module in block.modules()
            if isinstance(module, nn.Linear)
        )
        return all(
            type(module) is nn.Linear and module.weight.dtype == torch.float32 for module in modules
        )

    def __call__(self, x: Tensor) -> Tensor:
        """x (1, width) float32, the embedding of the next token, becomes what follows the last
        norm, (1, width).
        """
        memory = self.memory()
        assert memory is not None, "the memory calls this"
        place = memory.longest
        cosine, sine = self.cosine[place], self.sine[place]
        h = x[0].numpy().copy()
        with np.errstate(all="ignore"):  # exp may overflow to infinity, as torch's does
            for layer in self.layers:
                layer.add(h, cosine, sine, place)
            return torch.from_numpy(_normalised(h, self.norm))[None]


class _Layer:
    def __init__(self, block: Block, cache: LayerCache) -> None:
        attention, part = block.attention, block.feed_forward
        self.heads, self.kv_heads, self.head_width = (
            attention.heads,
            attention.kv_heads,
            attention.head_width,
        )
        self.before, self.between = (
            _seen(block.attention_norm.weight),
            _seen(block.feed_forward_norm.weight),
        )
        self.qkv, self.out = _seen(attention.qkv.weight), _seen(attention.out.weight)
        self.gain = _seen(attention.gain().scale)[:, 0]
        self.gain[: self.heads] *= self.head_width**-0.5  # of the scores
        self.into, self.down = _seen(part.into.weight), _seen(part.out.weight)
        self.gated = part.activation == "swiglu"
        self.keys, self.values = _seen(cache.keys)[0], _seen(cache.values)[0]

    def add(self, x: Array, cosine: Array, sine: Array, place: int) -> None:
        """Block.step in place, for x (width,); cosine (D,) and sine (2, D / 2) of the token's
        place.
        """
        looking = self.heads + self.kv_heads
        qkv = self.qkv.dot(_normalised(x, self.before)).reshape(-1, self.head_width)
        qk = qkv[:looking]
        length = np.vecdot(qk, qk)
        length += self.head_width * EPS
        qk = qk * self.gain
        qk /= np.sqrt(length, length)[:, None]
        turned = qk * cosine
        turned.reshape(looking, 2, -1)[...] += qk.reshape(looking, 2, -1)[:, ::-1] * sine
        self.keys[:, place], self.values[:, place] = turned[self.heads :], qkv[looking:]
        k, v = self.keys[:, : place + 1], self.values[:, : place + 1]
        q = turned[: self.heads].reshape(self.kv_heads, -1, self.head_width)
        weights = np.matmul(q, k.transpose(0, 2, 1))
        weights -= np.maximum.reduce(weights, -1, keepdims=True)
        np.exp(weights, weights)
        weights /= np.add.reduce(weights, -1, keepdims=True)
        x += self.out.dot(np.matmul(weights, v).reshape(-1))
        h = self.into.dot(_normalised(x, self.between))
        x += self.down.dot(_gated(h) if self.gated else np.maximum(h, 0, out=h) * h)


def _gated(h: Array) -> Array:
    """silu of the first half times the second."""
    gate, up = h[: len(h) // 2], h[len(h) // 2 :]
    below = np.exp(-gate)
    below += 1
    gate /= below
    gate *= up
    return gate


def _normalised(x: Array, gain: Array) -> Array:
    """RMSNorm of x (D,)."""
    out: Array = x * gain
    out *= 1 / math.sqrt(float(x.dot(x)) / len(x) + EPS)
    return out


def _seen(tensor: Tensor) -> Array:
    return tensor.detach().numpy()
