"""The distance of a sheet of samples to real data, while a model trains: rough, because a sheet has
few samples, and cheap.

Of dense data it is the kernel distance, which is unbiased in the number of samples, in the feature
network that the evaluation takes by default, to real items that are not on the sheet. Of tokens it
is the loss on held-out rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from castalia.evaluation.base import show
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.kernel_distance import KernelDistance
from castalia.evaluation.score_names import called
from castalia.sentences import Message, say
from castalia.spec import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.data.stream import Dataset
    from castalia.sampling.previews import Real

LOSSES = {
    "nats-per-token": say("Held-out loss in nats per token"),
    "nats-per-item": say("Held-out loss in nats per item"),
}
NORMAL = 1.960  # standard errors of a 95% interval


@dataclass(frozen=True)
class Distance:
    """value with its 95% interval.

    name  as a score of the evaluation has it ("kernel-castalia-net32-v1"), or one of LOSSES.
    real  the same of as many real items; None where there is no such thing.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    real: float | None = None

    def row(self) -> dict[str, Any]:
        """As a line of metrics.jsonl holds it."""
        return {
            "distance": self.value,
            "distance_low": self.low,
            "distance_high": self.high,
            "distance_real": self.real,
            "distance_name": self.name,
        }

    @classmethod
    def of(cls, row: dict[str, Any]) -> Distance | None:
        """From such a line; None where it has none."""
        name, value = row.get("distance_name"), row.get("distance")
        if not isinstance(name, str) or not isinstance(value, int | float):
            return None
        return cls(name, value, *(_number(row.get(f"distance_{key}")) for key in ENDS))

    def words(self) -> Message:
        """ "Kernel distance so far 0.12 (0.10 – 0.15), real data 0.001"."""
        shown = say("{0} so far {1}", title(self.name), show(self.value))
        if self.low is not None and self.high is not None:
            shown = say("{0} ({1} – {2})", shown, show(self.low), show(self.high))
        return shown if self.real is None else say("{0}, real data {1}", shown, show(self.real))


ENDS = ("low", "high", "real")


def title(name: str) -> str:
    """What the distance is called."""
    return LOSSES.get(name) or called(name).title


class SheetDistance:
    """Measures sheets of one training, each against the same real items."""

    def __init__(self, dataset: Dataset, real: Real) -> None:
        self.loss = "nats-per-token" if isinstance(dataset.spec, Tokens) else "nats-per-item"
        self.score, self.real, self.reference = KernelDistance(), None, None
        if real.x is None or real.others is None:
            return
        self.network = features_for(dataset.spec, codec=dataset.codec)
        reference = extract(self.network, [real.others])
        if min(len(reference), len(real.x)) >= self.score.needs(reference.shape[1]):
            self.reference = reference
            self.real = self._compared(real.x).value

    def of(self, x: Tensor | None, loss: float | None, error: float | None) -> Distance | None:
        """Of samples x (n, *shape), where data are dense and enough; else by the held-out loss and
        its standard error. None where there is neither.
        """
        if x is not None and self.reference is not None and len(x) >= self.score.needs(0):
            found = self._compared(x)
            name = f"{self.score.name}-{self.network.name}"
            return Distance(name, found.value, found.low, found.high, self.real)
        if loss is None:
            return None
        ends = () if error is None else (loss - NORMAL * error, loss + NORMAL * error)
        return Distance(self.loss, loss, *ends)

    def _compared(self, x: Tensor) -> Any:
        return self.score.compare(extract(self.network, [x]), self.reference)["kernel"]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
