"""Metric results with intervals, floors and baselines: the base classes of all metrics.

Intervals are 95% delete-a-group jackknife intervals (Efron & Stein 1981; Shao & Tu 1995, ch. 2):
items are dealt into 20 groups, the statistic is recomputed without each, and the spread of those
values gives a standard error with 19 degrees of freedom. Both sides of a comparison are redrawn,
samples and real data. The bootstrap is not used, because drawing with replacement doubles items,
which inflates a Frechet distance, an unbiased kernel distance and every nearest-neighbour radius.
An interval is about the statistic *at this n*: where the value would lie with other samples and
other real data, not where a biased statistic would end with infinitely many.

Not here: the statistics themselves, one file per kind.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from castalia.evaluation.equivalence import Better, Equivalence, of_sides
from castalia.evaluation.suffix_matches import Matches, matches
from castalia.language import Message, join, say
from castalia.spec import Batch, Spec

if TYPE_CHECKING:
    from castalia.families.base import Family

GROUPS = 20
STUDENT = 2.093  # 97.5% point of Student's t with GROUPS - 1 degrees of freedom
NORMAL = 1.960


@dataclass(frozen=True)
class MetricResult:
    """One number that can be judged. JSON has exactly these keys; null where a key has no meaning.

    name         e.g. "frechet-castalia-net32-v1": the feature network is part of the name.
    value        None when the metric refused; `details["words"]` then has the reason and a remedy.
    low, high    95% interval (see the module's header).
    n            samples of the model that were judged.
    seeds        seeds they were drawn with.
    better       "lower" or "higher"; None for plain facts, and where real data are the measure.
    floor        the same metric between real data and other real data at the same n.
    baselines    {"naive": ..., "memoriser": ...}: values of a per-dimension Gaussian and of
                 replayed training items.
    informative  False when the metric cannot tell real data from the baseline that it should
                 expose, or when the intervals of model, naive and memoriser all meet: then it is no
                 evidence on these data.
    seconds      time to compute it.
    details      words and the numbers behind the value; JSON-ready. "separates": which of the three
                 do not meet; "without": the value without each of the groups of the jackknife, by
                 which two runs are compared (compare.py).
    """

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seeds: tuple[int, ...] | None = None
    better: Better | None = None
    floor: float | None = None
    baselines: dict[str, float | None] | None = None
    informative: bool | None = None
    seconds: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A dict that json.dumps(..., allow_nan=False) takes: numbers that are not finite become
        null.
        """
        return _plain(asdict(self))


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95% interval; `details` are numbers worth keeping beside it; `without`:
    its values without each group.
    """

    value: float
    low: float
    high: float
    details: dict[str, Any] = field(default_factory=dict)
    without: tuple[float, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """Real items and candidates with their classes; features as in the evidence, labels int64 in
    [0, len(names)).

    training, held_out  (features, labels).
    requested           the labels that the samples of "model" were asked for; None for an
                        unconditional model.
    replayed            the labels of "memoriser".
    raw                 the numbers themselves, (N, D) each: "training", "held_out", "model",
                        "naive", "memoriser"; None where they are too many.
    """

    names: tuple[str, ...]
    training: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]
    replayed: Tensor
    requested: Tensor | None = None
    raw: dict[str, Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one evaluation collected, once, for all metrics. Features are float32 (N, D) in one
    named network.

    candidates  features of "model", "floor" (other real items), "naive", "memoriser": equal n each;
                empty when nothing can be compared.
    reference   features of the real items that every candidate is compared with; disjoint from
                "floor" and from what "memoriser" replays.
    batches     held-out batches as the model sees them, for likelihoods.
    timings     (rows, seconds) of each block that was sampled.
    about       words on what was compared with what; goes into every comparing score.
    labelled    classes, where the training items have them.
    items       native items, decoded when asked for: "model", "floor", "memoriser" and "reference"
                as above, "unseen" (what of "reference" is held out) and "training"; empty when
                nothing can be compared.
    naive       what the naive baseline is; for sentences.
    """

    naive: ClassVar[Message]
    model: Family
    spec: Spec
    network: str
    seed: int
    candidates: dict[str, Tensor]
    reference: Tensor
    batches: Sequence[Batch] = ()
    timings: Sequence[tuple[int, float]] = ()
    about: dict[str, Any] = field(default_factory=dict)
    labelled: Labelled | None = None
    items: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DenseEvidence(Evidence):
    """training  features of the training items; held_out  those of the validation items.
    moments   per-dimension mean and standard deviation of the training items.
    softened  features of real items without their details (baselines.py), outside the reference,
              where items have neighbours; for scores of fidelity.
    """

    naive: ClassVar[Message] = say("a per-dimension Gaussian")
    training: Tensor
    held_out: Tensor
    moments: tuple[Tensor, Tensor] | None = None
    softened: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class TokenEvidence(Evidence):
    """Passages are rows of symbols: (n,) int64 numbers, the codec's `pieces` (words, characters)
    where it has some, else its tokens.

    passages   "model", "floor" (real text: the passages of `reference`), "naive", "memoriser": as
               many symbols each.
    unseen     those of "floor" that are held out: what new text shares with the training text.
               Empty without any.
    training   all training documents that were read, as symbols; documents the same as
               tokens (n,) int64.
    owners     (rows,) int64: the held-out document of each row of `batches`; units what each row
               holds of the codec's units (rows,) float64.
    symmetries  codecs.protocols.Symmetric.
    texts      what the judged held-out documents and the training documents are written as, where
               the codec has pieces: for compressors.
    """

    naive: ClassVar[Message] = say("drawing tokens by their frequency")
    passages: dict[str, list[Tensor]]
    unseen: list[Tensor]
    training: list[Tensor]
    documents: list[Tensor]
    owners: Tensor
    units: dict[str, Tensor]
    symmetries: Sequence[Tensor] = ()
    texts: tuple[str, str] | None = None

    @cached_property
    def shared(self) -> dict[str, Matches]:
        """What the passages of each side, and the "unseen" ones, have in common with the training
        text; computed once.
        """
        sides = {**self.passages, "unseen": self.unseen}
        all_matches = matches(
            [passage for passages in sides.values() for passage in passages], self.training
        )
        result, start = {}, 0
        for side, passages in sides.items():
            stop = start + len(passages)
            result[side] = Matches(*(part[start:stop] for part in all_matches))
            start = stop
        return result


class Decoded(Mapping[str, Sequence[Any]]):
    """Native items of each side, decoded when first asked for."""

    def __init__(
        self, decode: Callable[[Tensor], Any], rows: Mapping[str, Callable[[], Iterable[Tensor]]]
    ) -> None:
        self._decode, self._rows = decode, rows
        self._decoded: dict[str, list[Any]] = {}

    def __getitem__(self, side: str) -> list[Any]:
        if side not in self._decoded:
            self._decoded[side] = [self._decode(row) for row in self._rows[side]()]
        return self._decoded[side]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Metric(ABC):
    """One file, one kind of score. `scores` never raises for lack of data: it returns a result
    without a value, and the reason.
    """

    name: ClassVar[str]
    reads: ClassVar[type[Evidence]] = DenseEvidence  # `Evidence`: a metric for both kinds
    # native items that it has a meaning for (`Codec.native`): str, Score; object: any
    judges: ClassVar[type] = object
    # kind of score -> what a perfect model gets in expectation, where that does not depend on n
    ideal: ClassVar[Mapping[str, float]] = {}

    @abstractmethod
    def scores(self, evidence: Any) -> list[MetricResult]:
        """Zero or more scores; empty when the metric has no meaning for this model."""


class Comparison(Metric):
    """A metric that compares two sets of features. Subclasses give `better`, `needs` and `compare`;
    this class asks the same question of the model, of real data and of both baselines, and puts the
    answers into words.
    """

    # score name -> direction; None: real data are the measure
    better: ClassVar[dict[str, Better | None]]

    @abstractmethod
    def needs(self, dimension: int) -> int:
        """Fewest items on each side for features of this dimension."""

    @abstractmethod
    def compare(self, candidate: Tensor, reference: Tensor) -> dict[str, Estimate]:
        """(N, D) against (M, D) float features -> one estimate for each name in `better`."""

    def used(self, n: int, dimension: int) -> int:
        """How many of n samples are used."""
        return n

    def separates(self, name: str, floor: Estimate, naive: Estimate) -> bool:
        """Whether score `name` can tell real data from the naive baseline: the `informative` of the
        score.
        """
        better = self.better[name]
        return apart(floor, naive) if better is None else clearly(better, floor, naive)

    def explain(self, name: str, naive: Estimate) -> str:
        """A sentence on why the naive baseline does better in score `name` than it should, where
        the metric knows; else "".
        """
        return ""

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        if "model" not in evidence.candidates:
            return []
        n, m = len(evidence.candidates["model"]), len(evidence.reference)
        dimension = evidence.reference.shape[1]
        if min(n, m) < self.needs(dimension):
            return [self._refusal(name, evidence, min(n, m), dimension) for name in self.better]
        begun = time.perf_counter()
        results = {
            side: self.compare(features, evidence.reference)
            for side, features in evidence.candidates.items()
        }
        seconds = (time.perf_counter() - begun) / len(self.better)
        return [
            self._score(
                name, {side: result[name] for side, result in results.items()}, evidence, seconds
            )
            for name in self.better
        ]

    def _refusal(self, name: str, evidence: Evidence, got: int, dimension: int) -> MetricResult:
        need = self.needs(dimension)
        words = say(
            "Not computed: it needs at least {0} samples and {0} real items on each side "
            "({1} has {2} features) and {3} could be used. "
            "Ask for n >= {0} and have at least {4} real items ({5} for a small bias), or "
            "read the other scores, which work with fewer.",
            *(need, evidence.network, dimension, got, 2 * need, 10 * need),
        )
        names = {f"{name}-{evidence.network}": self.better[name]}
        return not_computed(names, got, evidence.seed, words, evidence.about)[0]

    def _score(
        self, name: str, sides: dict[str, Estimate], evidence: Evidence, seconds: float
    ) -> MetricResult:
        floor, naive = sides.get("floor"), sides.get("naive")
        better = self.better[name]
        informative = None if floor is None or naive is None else self.separates(name, floor, naive)
        count = self.used(len(evidence.candidates["model"]), evidence.reference.shape[1])
        words = _words(better, sides, informative, count, type(evidence))
        why = self.explain(name, naive) if naive is not None else ""
        words[1:1] = [why] if why else []  # after the sentence on the baseline
        details = {**evidence.about, "words": words}
        return compared(
            f"{name}-{evidence.network}",
            better,
            sides,
            informative,
            count,
            evidence.seed,
            seconds,
            details,
        )


def not_computed(
    names: Mapping[str, Better | None],
    n: int | None,
    seed: int,
    words: Message,
    details: Mapping[str, Any] = MappingProxyType({}),
) -> list[MetricResult]:
    """Scores without a value, and why. names: with the side on which each is better."""
    return [
        MetricResult(name, n=n, seeds=(seed,), better=better, details={**details, "words": [words]})
        for name, better in names.items()
    ]


def compared(
    name: str,
    better: Better | None,
    sides: dict[str, Estimate],
    informative: bool | None,
    n: int,
    seed: int,
    seconds: float,
    details: dict[str, Any],
) -> MetricResult:
    """A score from the estimates of "model" and, where they are known, "floor", "naive" and
    "memoriser". The gate is here: a score that separates none of model, naive and memoriser is not
    informative, and its words say so.
    """
    model, floor = sides["model"], sides.get("floor")
    intervals = {
        side: [estimate.low, estimate.high] for side, estimate in sides.items() if side != "model"
    }
    baselines: dict[str, float | None] = {
        side: sides[side].value for side in ("naive", "memoriser") if side in sides
    }
    separates = separations(sides)
    words = list(details.get("words", []))
    if (
        informative is not False
        and len(separates) == len(SEPARABLE)
        and not any(separates.values())
    ):
        informative = False
        words.insert(0, BLIND)
    return MetricResult(
        name=name,
        value=model.value,
        low=model.low,
        high=model.high,
        n=n,
        seeds=(seed,),
        better=better,
        floor=None if floor is None else floor.value,
        baselines=baselines or None,
        informative=informative,
        seconds=seconds,
        details={
            **model.details,
            **details,
            "words": words,
            "intervals": intervals,
            "separates": separates,
            "without": list(model.without) or None,
        },
    )


SEPARABLE = (("model", "naive"), ("model", "memoriser"), ("naive", "memoriser"))
BLIND = say(
    "This score does not separate the model, the naive baseline and the memoriser on "
    "these data: their intervals all meet, so it says nothing."
)


def separations(sides: Mapping[str, Estimate]) -> dict[str, bool]:
    """Which pairs of model, naive and memoriser have intervals that do not meet, of those that are
    there.
    """
    return {
        f"{one} {other}": apart(sides[one], sides[other])
        for one, other in SEPARABLE
        if one in sides and other in sides
    }


def clearly(better: Better, good: Estimate, bad: Estimate) -> bool:
    """Whether `good` beats `bad` and their intervals do not meet."""
    return good.high < bad.low if better == "lower" else good.low > bad.high


def apart(one: Estimate, other: Estimate) -> bool:
    """Whether the intervals do not meet."""
    return one.high < other.low or other.high < one.low


def _words(
    better: Better | None,
    sides: dict[str, Estimate],
    informative: bool | None,
    n: int,
    kind: type[Evidence],
) -> list[str]:
    """Plain sentences: what this score shows of n samples, and what it cannot show."""
    model, floor, naive, memoriser = (
        sides.get(side) for side in ("model", "floor", "naive", "memoriser")
    )
    words: list[str] = []
    if model is None:
        return words
    if informative is False and floor is not None and naive is not None:
        return [
            say(
                "This score says nothing here: real data get {0} and {1} gets {2}, and "
                "the intervals meet, so these features (or so few "
                "items) cannot tell one from the other.",
                *(show(floor.value), kind.naive, show(naive.value)),
            )
        ]
    if better is None:
        return words if floor is None else [_beside_real(model, floor, naive, n)]
    if naive is not None and not clearly(better, model, naive):
        beaten = clearly(better, naive, model)
        beside_naive = (
            say(
                "The naive baseline, {0}, gets {1}: it is better than the model.",
                kind.naive,
                show(naive.value),
            )
            if beaten
            else say(
                "The naive baseline, {0}, gets {1}: it is not clearly worse than the model.",
                kind.naive,
                show(naive.value),
            )
        )
        words.append(beside_naive)
    if floor is not None:
        if clearly(better, floor, model):
            words.append(say("Real data get {0}: the model is not there yet.", show(floor.value)))
        else:
            words.append(
                join(
                    [
                        say("Real data get {0}.", show(floor.value)),
                        equal_or_not(of_sides(better, model, floor, naive, n)),
                    ]
                )
            )
    if memoriser is not None and not clearly(better, model, memoriser):
        words.append(
            say(
                "Replaying training items gets {0}, no worse than the model: this score "
                "cannot see copying, those of novelty can.",
                show(memoriser.value),
            )
        )
    return words


def equal_or_not(equivalence: Equivalence) -> Message:
    """In a sentence, of a model whose interval meets that of real data: as good as real data, or
    too few samples to tell.
    """
    if equivalence.shown:
        return say("The model is as good by this score, give or take {0}.", show(equivalence.room))
    if equivalence.needed is None:
        return say("It cannot tell whether the model is as good.")
    return say(
        "{0:,} samples are too few to tell whether the model is as good: at least {1:,} "
        "and as many real items are needed.",
        equivalence.n,
        equivalence.needed,
    )


def _beside_real(model: Estimate, floor: Estimate, naive: Estimate | None, n: int) -> Message:
    if not apart(model, floor):
        return join(
            [
                say("Real data get {0}.", show(floor.value)),
                equal_or_not(of_sides(None, model, floor, naive, n)),
            ]
        )
    if model.value < floor.value:
        return say("Real data get {0}: the samples have less of it.", show(floor.value))
    return say("Real data get {0}: the samples have more of it, as noise would.", show(floor.value))


def jackknife(
    value: float, without: Sequence[float], limits: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float]:
    """95% interval from the statistic and its values without each of the groups, cut to `limits`.

    Standard error: sqrt((G - 1) / G * sum (v_g - mean v)^2) (Shao & Tu 1995, eq. 2.2 for groups).
    """
    groups = len(without)
    mean = sum(without) / groups
    error = math.sqrt((groups - 1) / groups * sum((v - mean) ** 2 for v in without))
    return max(limits[0], value - STUDENT * error), min(limits[1], value + STUDENT * error)


def share_estimate(hits: Sequence[float], sizes: Sequence[float], n: int) -> Estimate:
    """A share from hits and sizes of each jackknife group, over n passages. Where hits (or misses)
    fall into less than half of the groups their spread is unreliable, and Wilson's interval for n
    independent ones joins in.
    """
    above, below = sum(hits), sum(sizes)
    value = above / max(1, below)
    without = [(above - hit) / max(1, below - size) for hit, size in zip(hits, sizes, strict=True)]
    low, high = jackknife(value, without, (0.0, 1.0))
    some = min(
        sum(hit > 0 for hit in hits), sum(hit < size for hit, size in zip(hits, sizes, strict=True))
    )
    if some < len(hits) // 2 and n:
        low, high = min(low, wilson(value, n)[0]), max(high, wilson(value, n)[1])
    return Estimate(value, low, high, without=tuple(without))


def estimated(
    value: float,
    without: Sequence[float],
    limits: tuple[float, float] = (-math.inf, math.inf),
    **details: Any,
) -> Estimate:
    """The statistic with its jackknife interval."""
    return Estimate(value, *jackknife(value, without, limits), details, tuple(without))


def group_ids(count: int, seed: int = 0) -> Tensor:
    """(count,) int64: a balanced, shuffled deal of items into GROUPS groups; a function of its
    arguments.
    """
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)) % GROUPS


def wilson(share: float, n: int) -> tuple[float, float]:
    """95% Wilson score interval of a share of n independent items: valid also where all or none of
    them count.
    """
    z2 = NORMAL**2
    centre, half = (
        (share + z2 / (2 * n)),
        NORMAL * math.sqrt(max(share * (1 - share), 0.0) / n + z2 / (4 * n * n)),
    )
    low, high = (centre - half) / (1 + z2 / n), (centre + half) / (1 + z2 / n)
    return max(0.0, min(share, low)), min(1.0, max(share, high))  # rounding may cross the share


def means_without(values: Tensor) -> tuple[float, ...]:
    """Means of values (N,) without each of the GROUPS; empty for fewer than GROUPS values."""
    if len(values) < GROUPS:
        return ()
    values, ids = values.double(), group_ids(len(values))
    sums = torch.zeros(GROUPS, dtype=torch.float64).index_add_(0, ids, values)
    return tuple(((values.sum() - sums) / (len(values) - ids.bincount(minlength=GROUPS))).tolist())


def mean_interval(values: Tensor) -> tuple[float, float, float]:
    """(mean, low, high) of independent values (N,), by the central limit theorem; a single value
    has no spread: (mean, -inf, inf).
    """
    values = values.double()
    mean = values.mean().item()
    half = NORMAL * values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return mean, mean - half, mean + half


def show(value: float | None) -> str:
    """A number for people: three significant digits, thousands separated."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if abs(value) >= 1e-4 else f"{value:.1e}"


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(key): _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case Tensor():
            return _plain(value.tolist())
        case _:
            return value
