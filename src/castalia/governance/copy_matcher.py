"""The contract of copy matchers, whatever the data.

A matcher is built from all training items and gives for each query the nearest of them, how near,
and how it was altered. A modality may bring its own (`Modality.matcher`); copy_matchers.py chooses.
Not here: how near is a copy (calibration.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from castalia.codecs.base import Codec


NEIGHBOURS = 15  # that a residual is set against


@dataclass(frozen=True)
class Matches:
    """The best training item of each of M queries.

    train     (M,) int64; -1 where nothing is alike at all.
    distance  (M,) float64 in [0, 1]: small is near; what a threshold is compared with.
    residual  (M,) float64: what differs, before it is set against the data: the unexplained share
              of a picture, the edited share of a span.
    kinds     how the training item was altered, one of the matcher's `kinds`.
    evidence  for pages, JSON-ready, one a query; empty where the items themselves are the evidence.
    """

    train: Tensor
    distance: Tensor
    residual: Tensor
    kinds: list[str]
    evidence: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.train)

    @staticmethod
    def joined(parts: Sequence[Matches]) -> Matches:
        if not parts:
            return Matches(
                torch.zeros(0, dtype=torch.int64),
                torch.zeros(0).double(),
                torch.zeros(0).double(),
                [],
            )
        columns = (
            torch.cat([getattr(part, name) for part in parts])
            for name in ("train", "distance", "residual")
        )
        return Matches(
            *columns,
            [kind for part in parts for kind in part.kinds],
            [row for part in parts for row in part.evidence],
        )


def set_against_neighbours(residual: Tensor, same: float) -> tuple[Tensor, Tensor, Tensor]:
    """(M, N) residuals of M queries to N training items -> the nearest item (M,), its distance and
    its residual, float64: the residual over the median of the NEIGHBOURS next, so that what is
    near everything, as silence is, counts as near nothing; the residual itself up to `same`.
    """
    values, places = residual.topk(min(1 + NEIGHBOURS, residual.shape[1]), 1, largest=False)
    nearest, others = values[:, 0], values[:, 1:]
    around = others.median(1).values if others.shape[1] else torch.ones_like(nearest)
    distance = torch.where(nearest <= same, nearest, nearest / around.clamp_min(1e-6))
    return places[:, 0], distance.clamp(0, 1).double(), nearest.double()


class Matcher(Protocol):
    """Items are a tensor (N, *shape) in the spec's unit for dense data, a list of native items
    (texts) for tokens.

    name      by which the index of an audit names it; it may not change.
    kinds     what can be told of a copy; planted  the kinds that `plant` makes.
    farthest  no distance beyond this is a copy, however far held-out items are.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    planted: ClassVar[tuple[str, ...]]
    farthest: ClassVar[float]

    def __init__(self, codec: Codec[Any], training: Any) -> None: ...

    @staticmethod
    def fits(codec: Codec[Any]) -> bool: ...

    def __len__(self) -> int: ...

    def match(self, queries: Any) -> Matches: ...

    def plant(self, items: Any, kind: str, rng: torch.Generator) -> Any:
        """Altered copies of items, to measure whether they would be detected."""
        ...

    @staticmethod
    def as_long(items: Any, like: Any, codec: Codec[Any]) -> Any:
        """Real items made as long as `like`, where length counts."""
        ...

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]: ...

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Matcher: ...
