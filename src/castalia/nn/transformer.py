"""A decoder-only transformer, trained in parallel and decoded token by token.

Pre-normalised blocks with RMSNorm (Zhang & Sennrich 2019), rotary positions (Su et al. 2021,
arXiv:2104.09864), normalised queries and keys, grouped queries (Ainslie et al. 2023) and SwiGLU
(Shazeer 2020): the layout of Qwen3 (arXiv:2505.09388), so that weights can be exported to it; or
with squared ReLU (So et al. 2021), which is faster a step. Output projections begin at zero.

Queries may be rotated to another position than their token's: that of the token to be predicted. It
is all that a model of any order needs (families/ar.py). Not here: embeddings, losses, sampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation: TypeAlias = Literal["swiglu", "relu2"]
AttentionKind: TypeAlias = Literal["auto", "plain", "fused"]
EPS = 1e-6
# rows times heads up to which, for one query each on a CPU, one fused call takes less time than the
# plain products
FEW = 16


class Attention(nn.Module):
    """Causal self-attention with normalised queries and keys. `qkv` holds the three projections one
    after another.
    """

    def __init__(
        self, width: int, heads: int, kv_heads: int, head_width: int, kind: AttentionKind
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width, self.kind = heads, kv_heads, head_width, kind
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * head_width, bias=False)
        self.q_norm = nn.Parameter(torch.ones(head_width))
        self.k_norm = nn.Parameter(torch.ones(head_width))
        self.out = nn.Linear(heads * head_width, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, x: Tensor, rotation: Rotation, mask: Tensor | None, cache: LayerCache | None = None
    ) -> Tensor:
        """x (B, T, width). mask: additive (T, S) or (B, 1, T, S); None with T = 1 and rows of equal
        length. `cache` takes in the new keys.
        """
        q, k, v = self._project(x, rotation, cache)
        y = attend(q, k, v, mask, self.kind)
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return out

    def step(
        self, x: Tensor, rotation: Rotation, mask: Tensor | None, cache: LayerCache, gain: Gain
    ) -> Tensor:
        """`forward` for one token a row, x (B, width), with `gain` of queries and keys together;
        see Block.step.
        """
        rows, looking = len(x), self.heads + self.kv_heads
        qkv = self.qkv.forward(x).view(rows, -1, 1, self.head_width)
        qk = rotate(normalised(qkv[:, :looking], gain), *rotation.keys)
        k, v = cache.extend(qk[:, self.heads :], qkv[:, looking:])
        # Queries that share a head of keys stand where other tokens would: so nothing is repeated,
        # and no mask tells them apart.
        q = qk[:, : self.heads].view(rows, self.kv_heads, -1, self.head_width)
        if mask is None and (rows * self.kv_heads <= FEW or q.device.type != "cpu"):
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            scores = (q * self.head_width**-0.5) @ k.transpose(2, 3)
            y = (scores if mask is None else scores + mask).softmax(-1) @ v
        out: Tensor = self.out.forward(y.view(rows, -1))
        return out

    def gain(self) -> Gain:
        """Of queries and keys together, (heads + kv_heads, 1, D)."""
        return Gain.of(
            torch.cat(
                [self.q_norm.expand(self.heads, 1, -1), self.k_norm.expand(self.kv_heads, 1, -1)]
            )
        )

    def weights(self, x: Tensor, rotation: Rotation, mask: Tensor) -> Tensor:
        """(B, heads, T, T) float32: where each token looks."""
        q, k, _ = self._project(x, rotation, None)
        return (q.float() @ k.float().transpose(-2, -1) * self.head_width**-0.5 + mask).softmax(-1)

    def _project(
        self, x: Tensor, rotation: Rotation, cache: LayerCache | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values (B, heads, T or S, D); `cache` takes in the new keys
        and gives all.
        """
        qkv = self.qkv(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        q = rotate(
            F.rms_norm(q, (self.head_width,), self.q_norm.to(q.dtype), EPS), *rotation.queries
        )
        k = rotate(F.rms_norm(k, (self.head_width,), self.k_norm.to(k.dtype), EPS), *rotation.keys)
        if cache is not None:
            k, v = cache.extend(k, v)
        if self.kv_heads != self.heads:
            k, v = (part.repeat_interleave(self.heads // self.kv_heads, dim=1) for part in (k, v))
        return q, k, v


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, kind: AttentionKind = "auto"
) -> Tensor:
    """softmax(q k' / sqrt(D) + mask) v for q (B, H, T, D), k and v (B, H, S, D) of one dtype.

    "plain" writes the scores out; "fused" is torch's kernel. "auto" takes the plain one on a CPU,
    where a training step in bf16 takes 1.4 to 1.6 times as long with the fused one and in float32
    the two are within a tenth (benchmarks/attention.py); the fused one elsewhere.
    """
    if kind == "fused" or (kind == "auto" and q.device.type != "cpu"):
        return F.scaled_dot_product_attention(q, k, v, None if mask is None else mask.to(q.dtype))
    rows, heads, steps, width = q.shape
    flat_q, flat_k, flat_v = (
        q.reshape(rows * heads, steps, width),
        k.reshape(rows * heads, -1, width),
        v.reshape(rows * heads, -1, width),
    )
    scale = width**-0.5
    if mask is None:
        scores = torch.bmm(flat_q * scale, flat_k.transpose(1, 2))
    elif mask.ndim == 2:
        scores = torch.baddbmm(mask.to(q.dtype), flat_q, flat_k.transpose(1, 2), alpha=scale)
    else:
        whole = (
            mask.to(q.dtype)
            .expand(rows, heads, steps, mask.shape[-1])
            .reshape(rows * heads, steps, -1)
        )
        scores = torch.baddbmm(whole, flat_q, flat_k.transpose(1, 2), alpha=scale)
    return torch.bmm(scores.softmax(-1).to(flat_v.dtype), flat_v).view(rows, heads, steps, width)


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate x) * up x), `into` holds gate and up; or squared ReLU: down(relu(into
    x)^2).
    """

    def __init__(self, width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.into = nn.Linear(width, hidden * (2 if activation == "swiglu" else 1), bias=False)
        self.out = nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.activated(self.into(x)))
        return out

    def activated(self, h: Tensor) -> Tensor:
        if self.activation == "swiglu":
            gate, up = h.chunk(2, dim=-1)
            return F.silu(gate) * up
        return F.relu(h).square()


class Block(nn.Module):
    """x + attention(norm x), then x + feed-forward(norm x).

    dropout falls on the two branches, not on the attention weights: drawing those masks took a
    third of a step on a CPU.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_width: int,
        hidden: int,
        activation: Activation = "swiglu",
        dropout: float = 0.0,
        attention: AttentionKind = "auto",
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.attention_norm = nn.RMSNorm(width, eps=EPS)
        self.attention = Attention(width, heads, kv_heads, head_width, attention)
        self.feed_forward_norm = nn.RMSNorm(width, eps=EPS)
        self.feed_forward = FeedForward(width, hidden, activation)

    def forward(
        self, x: Tensor, rotation: Rotation, mask: Tensor | None, cache: LayerCache | None = None
    ) -> Tensor:
        """x (B, T, width) float32: the residual stream keeps full precision under autocast."""
        x = x + self._drop(self.attention(self.attention_norm(x), rotation, mask, cache))
        return x + self._drop(self.feed_forward(self.feed_forward_norm(x)))

    def step(self, x: Tensor, rotation: Rotation, mask: Tensor | None, cache: LayerCache) -> Tensor:
        """`forward` for one token a row, x (B, width), read and predicted in order, without
        gradients and dropout.

        For a few rows the time goes into calls and not into arithmetic, so there are as few calls
        as can be. Hooks of inner modules do not run.
        """
        if cache.gains is None:
            cache.gains = (
                Gain.of(self.attention_norm.weight),
                self.attention.gain(),
                Gain.of(self.feed_forward_norm.weight),
            )
        before, looking, between = cache.gains
        x = x + self.attention.step(normalised(x, before), rotation, mask, cache, looking)
        part = self.feed_forward
        return x + part.out.forward(part.activated(part.into.forward(normalised(x, between))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.dropout and self.training else x


class Gain(NamedTuple):
    """An RMSNorm's weight as `normalised` takes it: sqrt(D) * weight, and sqrt(D * eps)."""

    scale: Tensor
    floor: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> Gain:
        width = weight.shape[-1]
        return cls(
            weight.detach() * math.sqrt(width),
            torch.tensor(math.sqrt(width * EPS), device=weight.device),
        )


def normalised(x: Tensor, gain: Gain) -> Tensor:
    """RMSNorm over the last axis in three quick operations, x / hypot(|x|, sqrt(D eps)) * sqrt(D) *
    weight. In x's dtype; no gradients.
    """
    length = torch.linalg.vector_norm(x, 2, -1, True, dtype=torch.float32).hypot_(gain.floor)
    return x.div(length).mul_(gain.scale).to(x.dtype)


# Positions ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rotation:
    """(cosine, signed sine) for queries and for keys, each (T, D) or (B, 1, T, D)."""

    queries: tuple[Tensor, Tensor]
    keys: tuple[Tensor, Tensor]


class Rotary(nn.Module):
    """Tables of rotary positions 0 .. length: pairs (d, d + D/2) turn by position * theta^(-2d/D).

    Where steps have `period` tokens, three quarters of the pairs turn by the step and a quarter by
    the slot within it, (position - 1) divided with remainder: two tokens are near if they are in
    near steps, and a voice finds itself in the step before.
    """

    def __init__(self, head_width: int, length: int, theta: float, period: int = 1) -> None:
        super().__init__()
        place = torch.arange(length + 1, dtype=torch.float64)[:, None]
        if period == 1:
            angles = place * _rates(head_width // 2, theta)
        else:
            slots = max(1, head_width // 8)
            step, slot = (place - 1).div(period, rounding_mode="floor"), (place - 1) % period
            angles = torch.cat(
                [step * _rates(head_width // 2 - slots, theta), slot * _rates(slots, theta)], 1
            )
        cosine, sine = angles.cos(), angles.sin()
        self.register_buffer("cosine", torch.cat([cosine, cosine], 1).float(), persistent=False)
        self.register_buffer("sine", torch.cat([-sine, sine], 1).float(), persistent=False)

    def forward(self, keys: Tensor | slice, queries: Tensor | slice | None = None) -> Rotation:
        """Positions of keys, and of queries where they differ: a slice of all rows' positions, or
        (B, T) int64.
        """
        own = self._at(keys)
        return Rotation(own if queries is None else self._at(queries), own)

    def _at(self, positions: Tensor | slice) -> tuple[Tensor, Tensor]:
        cosine, sine = self.get_buffer("cosine")[positions], self.get_buffer("sine")[positions]
        return (cosine, sine) if isinstance(positions, slice) else (cosine[:, None], sine[:, None])


def _rates(pairs: int, theta: float) -> Tensor:
    return theta ** (-torch.arange(pairs, dtype=torch.float64) / pairs)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """x (B, H, T, D) turned; `sine` carries the sign of the half-swapped part. In x's dtype."""
    if x.dtype != cosine.dtype:
        cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, -1), sine)


def causal_mask(queries: int, keys: int, device: torch.device) -> Tensor:
    """(queries, keys) float32: 0 where a key may be seen, -inf after it. The last query sees all
    keys.
    """
    blocked = torch.ones(queries, keys, dtype=torch.bool, device=device).triu(keys - queries + 1)
    return torch.zeros(queries, keys, device=device).masked_fill_(blocked, float("-inf"))


def within(segment: Tensor) -> Tensor:
    """(B, 1, T, T) bool from document numbers (B, T): whether a token sees another, one of its own
    document and none after it.
    """
    same = segment[:, None, :, None] == segment[:, None, None, :]
    return (
        same
        & torch.ones(
            segment.shape[1], segment.shape[1], dtype=torch.bool, device=segment.device
        ).tril()
    )


def segment_mask(segment: Tensor) -> Tensor:
    """(B, 1, T, T) float32 from document numbers (B, T): causal, and within one document."""
    allowed = within(segment)
    return torch.zeros(allowed.shape, device=segment.device).masked_fill_(~allowed, float("-inf"))


# Memory -------------------------------------------------------------------------------------------


@dataclass
class LayerCache:
    """Keys and values of one layer, (B, H, capacity, D). `state` knows where new ones go; `gains`
    is what Block.step works out once.

    owner: the Memory, weakly: a circle of references would keep hundreds of megabytes until Python
    looks for circles, which it does by number of objects and not by their size. rooms: what both
    are the first rows of; there may be more.
    """

    keys: Tensor
    values: Tensor
    owner: ReferenceType[Memory]
    rooms: tuple[Tensor, Tensor]
    gains: tuple[Gain, Gain, Gain] | None = None

    @property
    def state(self) -> Memory:
        memory = self.owner()
        assert memory is not None, "a layer's cache is used through its Memory"
        return memory

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write k, v (B, H, T, D) behind what each row has; all keys and values up to the longest
        row.
        """
        state, steps = self.state, k.shape[2]
        if state.equal is not None:
            stop = state.equal + steps
            self.keys[:, :, state.equal : stop] = k
            self.values[:, :, state.equal : stop] = v
        else:  # rows of unequal length: one new token each
            rows = torch.arange(len(k), device=k.device)
            self.keys[rows, :, state.lengths] = k[:, :, 0].to(self.keys.dtype)
            self.values[rows, :, state.lengths] = v[:, :, 0].to(self.values.dtype)
            stop = state.longest + steps
        return self.keys[:, :, :stop], self.values[:, :, :stop]


@dataclass
class Memory:
    """What a transformer remembers of B rows: a DecodeState (abilities.py).

    lengths (B,) int64. equal: their common value, else None; longest: the largest. recent (B, R)
    int64: the last tokens of each row, -1 before its beginning. condition (B, width): what the
    rows' conditions add to each token. Computed once: gain, of the last norm; single, see
    nn/incremental_step.py.
    """

    layers: list[LayerCache]
    lengths: Tensor
    recent: Tensor
    condition: Tensor | None = None
    gain: Gain | None = None
    single: Callable[[Tensor], Tensor] | None = None
    longest: int = field(init=False)
    equal: int | None = field(init=False)

    def __post_init__(self) -> None:
        self._measure()

    @classmethod
    def empty(
        cls,
        layers: int,
        rows: int,
        kv_heads: int,
        capacity: int,
        head_width: int,
        like: Tensor,
        recent: int,
    ) -> Memory:
        memory = cls(
            [],
            torch.zeros(rows, dtype=torch.int64, device=like.device),
            torch.full((rows, recent), -1, dtype=torch.int64, device=like.device),
        )
        shape = (rows, kv_heads, capacity, head_width)
        memory.layers = [
            LayerCache(*rooms, ref(memory), rooms)
            for rooms in ((like.new_zeros(shape), like.new_zeros(shape)) for _ in range(layers))
        ]
        return memory

    def _measure(self) -> None:
        """`longest` and `equal` are kept beside `lengths`, for asking a tensor costs a wait."""
        longest, least = (
            (int(self.lengths.max()), int(self.lengths.min())) if len(self.lengths) else (0, 0)
        )
        self.longest, self.equal = longest, longest if longest == least else None

    def places(self, ahead: int = 0) -> slice | Tensor:
        """Where the next token of each row stands (or `ahead` of it), as `Rotary` takes it."""
        if self.equal is None:
            return self.lengths[:, None] + ahead
        return slice(self.equal + ahead, self.equal + ahead + 1)

    def mask(self) -> Tensor | None:
        """Additive (B, 1, 1, longest + 1) for the next token of each row; None when all rows see
        all.
        """
        if self.equal is not None:
            return None
        places = torch.arange(self.longest + 1, device=self.lengths.device)
        hidden = places[None] > self.lengths[:, None]
        return torch.zeros(hidden.shape, device=self.lengths.device).masked_fill_(
            hidden, float("-inf")
        )[:, None, None]

    def grow(self, steps: Tensor | int) -> None:
        """Every row has taken in `steps` more tokens."""
        self.lengths = self.lengths + steps
        if isinstance(steps, int):  # rows that differ go on differing
            self.longest += steps
            self.equal = None if self.equal is None else self.longest
        else:
            self._measure()

    def remember(self, tokens: Tensor) -> None:
        """tokens (B,): the newest token of each row."""
        if self.recent.shape[1]:
            self.recent = torch.cat([self.recent[:, 1:], tokens[:, None]], 1)

    @torch.inference_mode()
    def take(self, rows: Tensor) -> Memory:
        """In place where only rows from the end move to the front, as when a few leave a batch: the
        others' keys are not copied.
        """
        order = rows.tolist()
        lengths, recent, condition = (
            self.lengths[rows],
            self.recent[rows],
            None if self.condition is None else self.condition[rows],
        )
        if not all(source == place or source >= len(order) for place, source in enumerate(order)):
            return self._with(
                [(layer.keys[rows], layer.values[rows]) for layer in self.layers],
                lengths,
                recent,
                condition,
            )
        for layer in self.layers:
            for room in (layer.keys, layer.values):
                for place, source in enumerate(order):
                    if place != source:
                        room[place, :, : self.longest] = room[source, :, : self.longest]
        return self._with([layer.rooms for layer in self.layers], lengths, recent, condition)

    @torch.inference_mode()
    def join(self, other: Memory) -> Memory:
        """In place where there is room for the other's rows; else with room for as many again, so
        that not every row that joins moves all.
        """
        mine, all_rows = len(self.lengths), len(self.lengths) + len(other.lengths)
        layers = []
        for layer, theirs in zip(self.layers, other.layers, strict=True):
            rooms = []
            for room, added in zip(layer.rooms, (theirs.keys, theirs.values), strict=True):
                if len(room) < all_rows:
                    # zeros: what is masked must still be a number
                    larger = room.new_zeros(max(all_rows, 2 * mine), *room.shape[1:])
                    larger[:mine, :, : self.longest] = room[:mine, :, : self.longest]
                    room = larger
                room[mine:all_rows, :, : other.longest] = added[:, :, : other.longest]
                rooms.append(room)
            layers.append((rooms[0], rooms[1]))
        condition = (
            None
            if self.condition is None or other.condition is None
            else torch.cat([self.condition, other.condition])
        )
        return self._with(
            layers,
            torch.cat([self.lengths, other.lengths]),
            torch.cat([self.recent, other.recent]),
            condition,
        )

    def _with(
        self,
        rooms: list[tuple[Tensor, Tensor]],
        lengths: Tensor,
        recent: Tensor,
        condition: Tensor | None,
    ) -> Memory:
        memory = Memory([], lengths, recent, condition)
        memory.layers = [
            LayerCache(keys[: len(lengths)], values[: len(lengths)], ref(memory), (keys, values))
            for keys, values in rooms
        ]
        return memory
