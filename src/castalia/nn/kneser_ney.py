"""Interpolated modified Kneser-Ney: an n-gram model over tokens, as a module whose tensors are
buffers.

Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling", section
3.2. With w a token, h the m tokens before it and h' = h without its first token,

    P(w | h) = max(c(h w) - D(c(h w)), 0) / c(h .)
               + (D1 N1(h .) + D2 N2(h .) + D3 N3+(h .)) / c(h .) * P'(w | h')

where N_k(h .) counts the tokens that follow h exactly k times, Y = n1 / (n1 + 2 n2) and D_k = k -
(k + 1) Y n_{k+1} / n_k, n_k being the number of n-grams of this order that occur k times. c is a
count where h is all of the context that there is, and in P' the number of different tokens seen
before h' w. An unseen h passes on to h'. The recursion ends at a uniform distribution over
everything but `begin`, which is never predicted. What stood before a row is unknown, so m tokens of
context are scored by the model of order m + 1, which is this one's first m + 1 orders: one fit
gives every order.

The n-grams are a trie in breadth-first order: a node is an n-gram, its parent the n-gram without
its *last* token. The first `vocab` nodes are the single tokens; the children of a node are
neighbours, sorted by token; so `parent * vocab + token` ascends over all nodes, and one binary
search finds an n-gram. Not here: mixing with a network (the family that does it owns the gate).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from castalia.errors import DataError, SpecError
from castalia.sentences import say

FALLBACK = (0.5, 1.0, 1.5)  # discounts where counts of counts give none (tiny or very regular data)
LEAST = 0.05  # a discount is at least this: every predictable token keeps a probability
STORED = ("token", "count", "left", "right")
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Counts(nn.Module):
    """vocab: tokens are in [0, vocab). order: longest n-gram, the predicted token included (6 looks
    back 5 tokens). begin: see above.

    State dict, of sizes that `fit` decides and `load_state_dict` takes over, int32: token (N,), the
    last token of each node; count (N,), how often it was predicted; left (M,), how many different
    tokens stood before it; right (M,), how many different tokens followed, M being the nodes that
    are no longest n-grams.

    `features` numbers describe a context to a gate, all of order one: the length of the longest
    context seen in training / (order - 1); then for that context and for the next shorter one log(1
    + occurrences) / 8, log(1 + different successors) / 8, the weight that it leaves to shorter
    contexts and the discounted share of its likeliest successor.
    """

    features = 9
    token: Tensor
    count: Tensor
    left: Tensor
    right: Tensor
    _key: Tensor
    _first: Tensor
    _share: Tensor
    _rest: Tensor
    _top: Tensor
    _seen: Tensor
    _total: Tensor
    _base: Tensor
    _root: Tensor

    def __init__(self, vocab: int, order: int, begin: int) -> None:
        super().__init__()
        if order < 1 or not 0 <= begin < vocab:
            raise SpecError(
                say("counts need order >= 1 and begin in [0, vocab)"),
                where=f"vocab={vocab}, order={order}, begin={begin}",
            )
        self.vocab, self.order, self.begin = vocab, order, begin
        nothing = np.zeros(vocab, np.int64)
        self._hold(
            np.arange(vocab),
            nothing,
            nothing[: 0 if order == 1 else vocab],
            nothing[: 0 if order == 1 else vocab],
        )

    def fit(self, documents: Iterable[Tensor]) -> Counts:
        """Count documents (n,) of any integer dtype; the first token of each is context. No context
        crosses a `begin`. Returns itself.

        Raises DataError without a single token to count, or when one is outside [0, vocab).
        """
        rows = [row for document in documents if len(row := np.asarray(document, dtype=np.int64))]
        x = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        start = x == self.begin
        start[np.cumsum([0, *map(len, rows[:-1])], dtype=np.int64)[: len(rows)]] = True
        if start.all():
            raise DataError(
                say("there is no text to count"),
                where="Counts.fit",
                fix=say("give documents with at least one token after the first"),
            )
        if x.min() < 0 or x.max() >= self.vocab:
            raise DataError(
                say("a token is outside the vocabulary"),
                where=f"{x.min()} to {x.max()}, vocab {self.vocab}",
            )
        self._hold(*_count(x, start, self.vocab, self.order))
        return self

    def score(
        self, x: Tensor, segment: Tensor | None = None, order: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Natural log-probabilities (B, T - 1) float32 of x[:, 1:] and features (B, T - 1, F)
        float32 of their contexts.

        x (B, T) int64. A context reaches back to the row's first token, to the last `begin`, or to
        the first token of its segment (B, T). Where x is `begin` nothing is coded: 0.0. order: of
        the smaller model inside this one; None: its own.
        """
        depth = min(order or self.order, self.order) - 1
        start = x == self.begin
        if segment is not None:
            start[:, 1:] |= segment[:, 1:] != segment[:, :-1]
        known = (_run(start)[:, :-1] + 1).clamp_max(depth)  # tokens of context that each target has
        if segment is not None:
            known = known.masked_fill(segment[:, 1:] != segment[:, :-1], 0)
        target, context = x[:, 1:], x[:, :-1]
        p = torch.where(known == 0, self._base[1][target], self._base[0][target])
        seen = _Features(self, known)
        # `context`: the node of the last k tokens, -1 where there is none
        for k in range(1, depth + 1):
            node = self._find(context, target)
            mode, active = (known == k).long(), (known >= k) & (context >= 0)
            share = torch.where(node >= 0, self._share[mode, node], 0.0)
            p = torch.where(active, share + self._rest[mode, context] * p, p)
            seen.add(k, context, mode, active)
            context = torch.cat([torch.full_like(node[:, :1], -1), node[:, :-1]], 1)
        return p.log().masked_fill(target == self.begin, 0.0), seen.result()

    def recall(self, x: Tensor) -> Tensor:
        """(B, T - 1) float32: how often each token followed the longest context that was seen in
        training, as a share; nothing smoothed.
        """
        known = (_run(x == self.begin)[:, :-1] + 1).clamp_max(self.order - 1)
        target, context = x[:, 1:], x[:, :-1]
        share = self.count[target] / self.count[: self.vocab].sum().clamp_min(1)
        for k in range(1, self.order):
            node = self._find(context, target)
            total = torch.where(context >= 0, self._total[context], 0)
            often = torch.where(node >= 0, self.count[node], 0)
            share = torch.where((known >= k) & (total > 0), often / total.clamp_min(1), share)
            context = torch.cat([torch.full_like(node[:, :1], -1), node[:, :-1]], 1)
        return share.float()

    def distribution(self, contexts: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, V) float32 of the next token and features (B, F) float32 after contexts
        (B, S) int64.

        The last token stands at the right, -1 fills up on the left; at most order - 1 tokens are
        used, back to `begin`.
        """
        depth = min(self.order - 1, contexts.shape[1])
        x = contexts[:, contexts.shape[1] - depth :]
        start = (x == self.begin) | (x < 0)
        start[:, 1:] |= x[:, :-1] < 0
        known = (
            torch.where(x[:, -1] < 0, 0, _run(start)[:, -1] + 1) if depth else x.new_zeros(len(x))
        )
        p = self._base[(known == 0).long()]
        seen = _Features(self, known)
        path = x  # the node of the k tokens that end in each place
        for k in range(1, depth + 1):
            context = path[:, -1]
            mode, active = (known == k).long(), (known >= k) & (context >= 0)
            p = torch.where(active, self._rest[mode, context], 1.0)[:, None] * p
            at = active.nonzero()[:, 0]
            first, many = self._first[context[at]], self.right[context[at]].long()
            row = at.repeat_interleave(many)
            child = torch.arange(len(row), device=x.device) + (
                first - many.cumsum(0) + many
            ).repeat_interleave(many)
            p.view(-1).index_add_(
                0, row * self.vocab + self.token[child], self._share[mode[row], child]
            )
            seen.add(k, context, mode, active)
            if k < depth:
                node = self._find(path[:, :-1], x[:, 1:])
                path = torch.cat([torch.full_like(node[:, :1], -1), node], 1)
        return p, seen.result()

    def _find(self, parent: Tensor, token: Tensor) -> Tensor:
        """The node of `token` after the node `parent`; -1 where there is none, or no parent."""
        key = parent * self.vocab + token
        place = torch.searchsorted(self._key, key).clamp_max(len(self._key) - 1)
        return torch.where((parent >= 0) & (token >= 0) & (self._key[place] == key), place, -1)

    def _hold(self, *stored: Array) -> None:
        for name, values in zip(STORED, stored, strict=True):
            self.register_buffer(name, torch.from_numpy(values.astype(np.int32)).to(self._device))
        self._index()

    @property
    def _device(self) -> torch.device:
        return self.token.device if "token" in self._buffers else torch.device("cpu")

    def _index(self) -> None:
        stored = (getattr(self, name).cpu().numpy().astype(np.int64) for name in STORED)
        for name, values in _derived(
            *stored, vocab=self.vocab, order=self.order, begin=self.begin
        ).items():
            self.register_buffer(name, torch.from_numpy(values).to(self._device), persistent=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Counts:
        """Tables are never changed in place, so a copy (an average of weights keeps one) shares
        them.
        """
        twin = Counts(self.vocab, self.order, self.begin).train(self.training)
        twin._buffers.update(self._buffers)
        return twin

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in STORED:
            if prefix + name in state_dict:
                setattr(
                    self, name, torch.empty_like(state_dict[prefix + name], device=self._device)
                )
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._index()


def best_order(
    train: Iterable[Tensor],
    development: Sequence[Tensor],
    orders: Sequence[int],
    vocab: int,
    begin: int,
) -> tuple[Counts, dict[int, float]]:
    """The counts of `train` at the order among `orders` that scores `development` best, and nats
    per token of each order.

    Documents (n,) as in `Counts.fit`. Development documents must not be part of `train`: counts
    know those by heart.
    """
    documents = list(train)
    widest = Counts(vocab, max(orders), begin).fit(documents)
    nats = nats_by_order(widest, development, orders)
    best = min(nats, key=lambda order: (nats[order], order))
    return (widest if best == widest.order else Counts(vocab, best, begin).fit(documents)), nats


def nats_by_order(
    counts: Counts, development: Sequence[Tensor], orders: Sequence[int]
) -> dict[int, float]:
    """Nats per token of documents (n,) under the models of these orders inside `counts`."""
    tokens = max(1, sum(int((document[1:] != counts.begin).sum()) for document in development))
    rows = [document.long()[None] for document in development]
    return {
        order: -sum(float(counts.score(row, order=order)[0].double().sum()) for row in rows)
        / tokens
        for order in orders
    }


class _Features:
    """Collects, from short contexts to long ones, what `Counts.features` lists. known (...) tokens
    of context.
    """

    def __init__(self, counts: Counts, known: Tensor) -> None:
        self._counts = counts
        self._length = torch.zeros_like(known)
        root = counts._root[(known == 0).long()]
        self._pair = torch.stack([root, torch.zeros_like(root)], -2)

    def add(self, k: int, context: Tensor, mode: Tensor, active: Tensor) -> None:
        counts = self._counts
        numbers = torch.cat(
            [
                counts._seen[context],
                counts._rest[mode, context][..., None],
                counts._top[mode, context][..., None],
            ],
            -1,
        )
        active = active & (numbers[..., 0] > 0)
        self._length = torch.where(active, k, self._length)
        self._pair = torch.where(
            active[..., None, None], torch.stack([numbers, self._pair[..., 0, :]], -2), self._pair
        )

    def result(self) -> Tensor:
        length = self._length.float() / max(1, self._counts.order - 1)
        return torch.cat([length[..., None], self._pair.flatten(-2)], -1)


def _run(start: Tensor) -> Tensor:
    """(B, T) bool -> (B, T) int64: how many places ago the last True was, or the row's
    first place.
    """
    place = torch.arange(start.shape[1], device=start.device).expand(start.shape)
    return place - torch.where(start, place, 0).cummax(1).values


def _count(x: Array, start: Array, vocab: int, order: int) -> tuple[Array, Array, Array, Array]:
    """The stored arrays. x (n,) int64 tokens; start (n,) bool, True where no context reaches
    further back.
    """
    place = np.arange(len(x))
    depth = place - np.maximum.accumulate(np.where(start, place, 0))
    # of the k-gram that ends in each place (-1: none), and of its order's first node
    node, offset = x, 0
    token, count, left, children = (
        [np.arange(vocab)],
        [np.bincount(x[~start], minlength=vocab)],
        [],
        [],
    )
    for k in range(2, order + 1):
        at = np.flatnonzero(depth >= k - 1)
        key = node[at - 1] * vocab + x[at]
        by_key = np.argsort(key)
        key, at = key[by_key], at[by_key]
        new = np.flatnonzero(np.diff(key, prepend=-1))
        width = len(token[-1])
        # the k-gram without its first token
        left.append(np.bincount(node[at[new]] - offset, minlength=width))
        children.append(np.bincount(key[new] // vocab - offset, minlength=width))
        token.append(key[new] % vocab)
        count.append(np.diff(new, append=len(key)))
        offset += width
        node = np.full(len(x), -1)
        node[at] = offset + np.repeat(np.arange(len(new)), count[-1])
    none = np.zeros(0, np.int64)
    return (
        np.concatenate(token),
        np.concatenate(count),
        np.concatenate([none, *left]),
        np.concatenate([none, *children]),
    )


def _derived(
    token: Array, count: Array, left: Array, children: Array, *, vocab: int, order: int, begin: int
) -> dict[str, Array]:
    """Shares and weights of both kinds of counting: index 0 by tokens seen before (lower orders), 1
    by occurrences (all the context).

    _key (N,) int64; _first (M,) int64, the first child; _share (2, N) the discounted share of a
    node in its parent; _rest (2, M) what is left to the shorter context; _top (2, M) the largest
    share of a child; _seen (M, 2) logs of occurrences and of successors; _total (M,) occurrences;
    _base (2, vocab) the distribution without context; _root (2, 4) the features of no context.
    """
    inner = len(children)
    first = vocab + np.cumsum(children) - children
    bounds = np.append(first, vocab + children.sum())
    parent = np.concatenate([np.full(vocab, -1), np.repeat(np.arange(inner), children)])
    level, sizes = np.zeros(len(token), np.int8), [vocab]
    edge = 0
    for k in range(1, order):
        sizes.append(int(children[edge : edge + sizes[-1]].sum()))
        edge += sizes[k - 1]
        level[edge : edge + sizes[k]] = k
    share, rest = np.zeros((2, len(token)), np.float32), np.ones((2, inner), np.float32)
    top, base, root = (
        np.zeros((2, inner), np.float32),
        np.zeros((2, vocab), np.float32),
        np.zeros((2, 4), np.float32),
    )
    uniform = np.full(vocab, 1 / max(1, vocab - 1))
    uniform[begin] = 0.0
    for mode, c in enumerate(
        (np.concatenate([left, np.zeros(len(token) - inner, np.int64)]), count)
    ):
        if inner == 0:  # without contexts there is nothing before a token
            c = count
        taken = np.zeros(len(token))
        for k in range(order):
            own = level == k
            taken[own] = discounts(c[own])[np.minimum(c[own], 3)]
        kept = c - taken
        total = _sums(c, bounds)
        seen = total > 0
        rest[mode, seen] = _sums(taken, bounds)[seen] / total[seen]
        share[mode, vocab:] = kept[vocab:] / np.maximum(total, 1)[parent[vocab:]]
        whole = max(1, c[:vocab].sum())
        alone = kept[:vocab] / whole
        weight = taken[:vocab].sum() / whole if c[:vocab].any() else 1.0
        base[mode] = alone + weight * uniform
        full = np.flatnonzero(children)
        if len(full):
            top[mode, full] = np.maximum.reduceat(share[mode], first[full])
        root[mode] = (*_logs(count[:vocab].sum(), (count[:vocab] > 0).sum()), weight, alone.max())
    total = _sums(count, bounds)
    seen_logs = np.stack(_logs(total, children), 1).astype(np.float32)
    key = parent * vocab + token
    return {
        "_key": key,
        "_first": first,
        "_share": share,
        "_rest": rest,
        "_top": top,
        "_seen": seen_logs,
        "_total": total,
        "_base": base,
        "_root": root,
    }


def discounts(counts: Array) -> Array:
    """(4,) float64: what is taken off counts of 0, 1, 2, and 3 or more, from the counts of counts
    of one order.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if not n.all():
        return np.array([0.0, *FALLBACK])
    y = n[0] / (n[0] + 2 * n[1])
    raw = [k - (k + 1) * y * n[k] / n[k - 1] for k in (1, 2, 3)]
    return np.array([0.0, *(min(max(d, LEAST), k) for k, d in enumerate(raw, 1))])


def _sums(values: Array, bounds: Array) -> Array:
    total = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values)])
    result: Array = total[bounds[1:]] - total[bounds[:-1]]
    return result


def _logs(occurrences: Any, successors: Any) -> tuple[Any, Any]:
    return np.log1p(occurrences) / 8, np.log1p(successors) / 8
