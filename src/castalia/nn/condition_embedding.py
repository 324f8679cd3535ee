"""Embed the conditions of a batch (classes, vectors, sequences, grids) as one `Context`.

A vector modulates, a sequence is attended to, a grid is concatenated on channels. A text may be
laid out along the data's last axis, which makes it a grid (nn/monotonic_alignment.py). Conditions
are dropped with probability p in training, which is what classifier-free guidance needs (Ho &
Salimans 2022, arXiv:2207.12598); a condition that a batch does not mention counts as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from castalia.errors import SpecError
from castalia.nn.mlp import sinusoids
from castalia.nn.monotonic_alignment import Reader
from castalia.nn.solvers import along
from castalia.nn.text_encoder import TextEncoder
from castalia.sentences import say
from castalia.spec import Classes, Condition, Dense, Ragged, Tokens, Words

_TAKEN = frozenset(dir(nn.ModuleDict()))


class Context(NamedTuple):
    """vector (B, D) or None; sequence (B, S, D) with mask (B, S) bool, or None; grid (B, C, ...) or
    None. losses: of what lays texts out, by name, where the data were there to learn it from.
    """

    vector: Tensor | None = None
    sequence: Tensor | None = None
    mask: Tensor | None = None
    grid: Tensor | None = None
    losses: Mapping[str, Tensor] = MappingProxyType({})

    def rows(self, part: slice) -> Context:
        """Of some of the rows, without losses."""
        return Context(*(None if one is None else one[part] for one in self[:4]))


class ConditionEmbedding(nn.Module):
    """All conditions of a family as one Context.

    conditions  name -> Classes (summed into the vector), Dense vector (projected, summed into the
                vector), Words (encoded; each into the sequence, their whole summed into the
                vector), Tokens (embedded, concatenated into the sequence) or Dense grid
                (concatenated into the grid).
    width       D. `vector_width` is D when there is a vector to give, else 0: pass it to networks
                as `context`.
    drop        probability, per row and condition, of hiding a condition while `self.training`;
                drawn from torch's global generator, which the training loop seeds from counters.
    along       the data's spec, where Words are laid out along its last axis: they then go into the
                grid, with the data's channels, and nowhere else.
    """

    def __init__(
        self,
        conditions: dict[str, Condition],
        width: int,
        drop: float = 0.1,
        along: Dense | None = None,
    ) -> None:
        super().__init__()
        self.conditions = dict(conditions)
        self.width = width
        self.drop = drop
        self.along = along
        self.tables = nn.ModuleDict()
        for name, condition in conditions.items():
            match condition:
                case Classes(names=names):
                    # the last row means "dropped"
                    self.tables[slot(name)] = nn.Embedding(len(names) + 1, width)
                case Words(vocabulary=vocabulary) if along is not None:
                    self.tables[slot(name)] = Reader(len(vocabulary), width, along)
                case Words(vocabulary=vocabulary):
                    self.tables[slot(name)] = TextEncoder(len(vocabulary), width)
                case Tokens(vocab=vocab):
                    self.tables[slot(name)] = nn.Embedding(vocab, width)
                case Dense() if is_vector(condition):
                    self.tables[slot(name)] = nn.Linear(condition.size, width)
                case Dense():
                    pass  # a grid is used as it is
        vectors = [
            c
            for c in conditions.values()
            if isinstance(c, Classes)
            or (isinstance(c, Words) and along is None)
            or (isinstance(c, Dense) and is_vector(c))
        ]
        self.vector_width = width if vectors else 0

    def forward(
        self,
        cond: dict[str, Any],
        rows: int,
        device: torch.device | str = "cpu",
        data: Tensor | None = None,
    ) -> Context:
        """`rows` is the batch size, needed when `cond` is empty; data (B, *shape) are what texts
        are laid along, where that is learned. Wrong row counts or class ids raise SpecError.
        """
        vectors: list[Tensor] = []
        sequences: list[tuple[Tensor, Tensor]] = []
        grids: list[Tensor] = []
        losses: dict[str, Tensor] = {}
        for name, condition in self.conditions.items():
            value = cond.get(name)
            kept = (
                self._kept(rows, device)
                if value is not None
                else torch.zeros(rows, dtype=torch.bool, device=device)
            )
            self._check(name, condition, value, rows)
            match condition:
                case Classes(names=names):
                    dropped = torch.full((rows,), len(names), dtype=torch.int64, device=device)
                    ids = dropped if value is None else torch.where(kept, value.to(device), dropped)
                    vectors.append(self.tables[slot(name)](ids))
                case Words(length=length) if self.along is not None:
                    none = torch.zeros(rows, length, dtype=torch.int64, device=device)
                    ids = none if value is None else value.to(device)
                    reading = self.tables[slot(name)](ids, data)
                    grids.append(along(kept, reading.grid) * reading.grid)
                    losses |= reading.losses
                case Words(length=length):
                    none = torch.zeros(rows, length, dtype=torch.int64, device=device)
                    ids = none if value is None else value.to(device) * kept[:, None]
                    sequence, mask, whole = self.tables[slot(name)](ids)
                    sequences.append((sequence, mask))
                    vectors.append(whole)
                case Tokens():
                    if value is not None:
                        ragged = (
                            value
                            if isinstance(value, Ragged)
                            else Ragged(value, torch.ones_like(value, dtype=torch.bool))
                        )
                        sequences.append(
                            (
                                self._sequence(name, ragged.ids.to(device)),
                                ragged.mask.to(device) & kept[:, None],
                            )
                        )
                case Dense() if is_vector(condition):
                    flat = (
                        torch.zeros(rows, condition.size, device=device)
                        if value is None
                        else value.to(device).flatten(1)
                    )
                    vectors.append(self.tables[slot(name)](flat) * kept[:, None])
                case Dense():
                    grid = (
                        torch.zeros(rows, *condition.shape, device=device)
                        if value is None
                        else value.to(device)
                    )
                    grids.append(along(kept, grid) * grid)
        return Context(
            vector=torch.stack(vectors).sum(0) if vectors else None,
            sequence=torch.cat([sequence for sequence, _ in sequences], 1) if sequences else None,
            mask=torch.cat([mask for _, mask in sequences], 1) if sequences else None,
            grid=torch.cat(grids, 1) if grids else None,
            losses=losses,
        )

    def _kept(self, rows: int, device: torch.device | str) -> Tensor:
        if not self.training or self.drop == 0:
            return torch.ones(rows, dtype=torch.bool, device=device)
        return torch.rand(rows, device=device) >= self.drop

    def _sequence(self, name: str, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.tables[slot(name)](ids) + sinusoids(places, self.width)

    def _check(self, name: str, condition: Condition, value: Any, rows: int) -> None:
        if value is None:
            return
        tensor: Tensor = value.ids if isinstance(value, Ragged) else value
        if tensor.shape[0] != rows:
            raise SpecError(
                say("a condition has another number of rows than the batch"),
                where=say("cond['{0}']: {1} against {2}", name, tensor.shape[0], rows),
            )
        if torch.compiler.is_exporting():  # traced tensors have no values to check
            return
        if isinstance(condition, Classes) and (
            tensor.dim() != 1 or bool(((tensor < 0) | (tensor > len(condition))).any())
        ):
            raise SpecError(
                say("a class id is out of range"),
                where=f"cond['{name}']",
                fix=say("give int64 (B,) in [0, {0}]; {0} means no class", len(condition)),
            )
        if isinstance(condition, Words) and (
            tensor.dim() != 2
            or tensor.shape[1] != condition.length
            or bool(((tensor < 0) | (tensor > len(condition))).any())
        ):
            raise SpecError(
                say("a word's number is out of range"),
                where=f"cond['{name}']",
                fix=say(
                    "give int64 (B, {0}) in [0, {1}]; 0 means no word",
                    condition.length,
                    len(condition),
                ),
            )
        if isinstance(condition, Dense) and tuple(tensor.shape[1:]) != condition.shape:
            raise SpecError(
                say("a condition has another shape than announced"),
                where=say(
                    "cond['{0}']: {1} against {2}", name, tuple(tensor.shape[1:]), condition.shape
                ),
            )


def slot(name: str) -> str:
    """A condition's name as the name of a module or a buffer: itself, unless torch has no room for
    it ("type", "size of shoe").
    """
    return name if name.isidentifier() and name not in _TAKEN else "told_" + name.encode().hex()


def is_vector(condition: Dense) -> bool:
    """Whether a dense condition has no axes to line up with the data."""
    return condition.layout == "vector" or len(condition.shape) == 1


def hide_classes(
    cond: dict[str, Any], conditions: dict[str, Condition], probability: float
) -> dict[str, Any]:
    """`cond` with classes and texts replaced by "dropped" at random, for families whose networks
    must see the same choice.

    Draws from torch's global generator, which the training loop seeds from counters. Other
    conditions pass.
    """
    hidden = dict(cond)
    for name, condition in conditions.items():
        if isinstance(condition, Classes) and name in cond and probability > 0:
            ids = cond[name]
            hidden[name] = torch.where(
                torch.rand(ids.shape, device=ids.device) < probability,
                torch.full_like(ids, len(condition)),
                ids,
            )
        elif isinstance(condition, Words) and name in cond and probability > 0:
            ids = cond[name]
            hidden[name] = ids * (torch.rand(len(ids), 1, device=ids.device) >= probability)
    return hidden
