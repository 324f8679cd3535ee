"""Orders in which an any-order model learns to predict tokens, and grammar masks for the gaps it
fills.

Training sees the orders that filling gaps asks for: what is given first, from left to right, then
the gaps, from left to right. What is given is drawn: stretches of tokens; where tokens come in
steps of several slots (`Tokens.period`), whole steps and whole slots too, so that every choice of
voices has been met as a question. Not here: the network and its likelihood (families/ar.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from castalia.nn.grammar_masks import Masks

EDGE = 0.15  # of all places, those where another stretch begins


def training_order(x: Tensor, segment: Tensor | None, begin: int, period: int = 1) -> Tensor:
    """Orders for rows x (B, T): (B, T - 1), the positions 1 .. T - 1 as they are predicted, from
    torch's global generator.

    A third from left to right, a third with stretches hidden, a third at random; in steps of
    `period` slots instead of the last one half of all with slots hidden and a quarter of each of
    the others. Documents of a row come one after another, each from its `begin`, as if it stood
    alone.
    """
    rows, steps = len(x), x.shape[1] - 1
    place = torch.arange(1, steps + 1, device=x.device, dtype=torch.float64).expand(rows, -1)
    hidden = _stretches(rows, steps, 1, x.device)
    if period == 1:
        kind = torch.rand(rows, 1, device=x.device) * 3
        scattered = torch.rand(rows, steps, device=x.device) * steps
        key = torch.where(kind < 1, place, torch.where(kind < 2, place + hidden * steps, scattered))
    else:
        kind = torch.rand(rows, 1, device=x.device) * 4
        whole = _stretches(rows, steps, period, x.device)
        hidden = torch.where(torch.rand(rows, 1, device=x.device) < 0.5, hidden, whole)
        hidden = torch.where(
            kind < 2, hidden, _slots(rows, steps, period, x.device) & (whole | (kind < 3.5))
        )
        key = torch.where(kind < 1, place, place + hidden * steps)
    begins = x[:, 1:] == begin
    document = begins.cumsum(1) if segment is None else segment[:, 1:]
    return (document * (3 * steps) + key.masked_fill(begins, -1)).argsort(1) + 1


def _stretches(rows: int, steps: int, period: int, device: torch.device) -> Tensor:
    """(rows, steps) bool: stretches of whole steps, hidden with a chance that each row draws."""
    share, units = torch.rand(rows, 1, device=device), -(-steps // period)
    edge = torch.rand(rows, units, device=device) < EDGE
    stretch = edge.cumsum(1) + torch.arange(rows, device=device)[:, None] * (units + 1)
    hidden = torch.rand(rows * (units + 1), device=device)[stretch] < share
    return hidden.repeat_interleave(period, 1)[:, :steps]


def _slots(rows: int, steps: int, period: int, device: torch.device) -> Tensor:
    """(rows, steps) bool: one slot or more of every step, but not all, the same ones throughout a
    row; as often few as many.
    """
    rank = torch.rand(rows, period, device=device).argsort(1)
    many = torch.randint(1, period, (rows, 1), device=device)
    return (rank < many).repeat(1, -(-steps // period))[:, :steps]


class Gaps:
    """What may stand in the gaps of one row, by a grammar that starts with the row and must be able
    to end where each gap does.
    """

    def __init__(self, masks: Masks, keep: list[bool], cut: bool) -> None:
        """cut: the row begins inside a document; a grammar may know a state for that,
        `inside()`.
        """
        self._masks, self._keep = masks, keep
        self._taken, self._state = (
            0,
            getattr(masks.grammar, "inside" if cut else "start", masks.grammar.start)(),
        )

    def barrier(self, row: Tensor, at: int) -> Tensor:
        """(V,) to be added to the logits of the token at `at`. Places ascend from call to call;
        kept ones are passed over.
        """
        if self._keep[at]:
            return self._masks.barrier
        grammar = self._masks.grammar
        for token in row[self._taken + 1 : at].tolist():
            self._state = (
                grammar.advance(self._state, token)
                if bool(grammar.allowed(self._state)[token])
                else grammar.start()
            )
        self._taken = at - 1
        length = next(
            (steps for steps, kept in enumerate(self._keep[at:]) if kept), len(self._keep) - at
        )
        mask = self._masks.row(self._state, length)
        return self._masks.barrier if mask is None else mask
