"""Pad rows of unequal lengths, and select and join the conditions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.spec import Ragged


def padded(sequences: Sequence[Tensor], filler: int) -> tuple[Tensor, Tensor]:
    """(B, S) ids filled up on the right, and (B, S) bool, True on a row's own."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    ids = torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True, padding_value=filler)
    return ids, torch.arange(ids.shape[1]) < lengths[:, None]


def select(value: Tensor | Ragged, rows: list[int]) -> Tensor | Ragged:
    """A condition of these rows, in this order."""
    return Ragged(value.ids[rows], value.mask[rows]) if isinstance(value, Ragged) else value[rows]


def joined(values: Sequence[Any]) -> Tensor | Ragged:
    """Conditions of single rows as one of all rows."""
    if not isinstance(values[0], Ragged):
        return torch.cat(list(values))
    widest = max(value.ids.shape[1] for value in values)
    pad = torch.nn.functional.pad
    return Ragged(
        *(
            torch.cat([pad(value[part], (0, widest - value.ids.shape[1])) for value in values])
            for part in (0, 1)
        )
    )
