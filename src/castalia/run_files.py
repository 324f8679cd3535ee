"""Schemas of the files of a run, which each file is validated against before it is used.

A run may come from a stranger, or from a disk that lost a block. So whatever the rest of the
package reads from these files is here, with its type and its bounds; other keys are kept and not
read. Codecs hold their own state against schemas of their own (`Codec.restore`). Tensors are in
tensor_file.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from castalia.config import MOST_STEPS, State
from castalia.sentences import say

MOST_PARAMETERS = 10**15
MOST_NUMBERS = 1 << 40  # in one item
MOST_TOKENS = 1 << 26  # of a vocabulary

Word = Annotated[str, StringConstraints(max_length=1000)]
Name = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f\x7f]{1,255}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z:._-]{1,200}$")]
Count = Annotated[int, Field(ge=0, le=MOST_PARAMETERS)]


class Facts(State):
    """Types are exact: "3" and true are no numbers. Other keys are kept."""

    model_config = ConfigDict(extra="allow")


class SpanFacts(Facts):
    model_config = ConfigDict(extra="forbid")

    start: Count
    width: Annotated[int, Field(ge=1, le=MOST_NUMBERS)]
    kind: Literal["real", "onehot"] = "real"


class DenseFacts(Facts):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["dense"]
    shape: Annotated[
        list[Annotated[int, Field(ge=1, le=1 << 31)]], Field(min_length=1, max_length=8)
    ]
    spans: list[SpanFacts] = Field([])
    unit: Literal["signed", "binary", "standard"] = "signed"
    levels: Annotated[int, Field(ge=2, le=1 << 32)] | None = None
    layout: Literal["grid", "set", "vector"] = "grid"

    @model_validator(mode="after")
    def _fits(self) -> DenseFacts:
        size = 1
        for side in self.shape:
            size *= side
        if size > MOST_NUMBERS:
            raise ValueError(say("an item of more than {0:,} numbers", MOST_NUMBERS))
        return self


class TokensFacts(Facts):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["tokens"]
    length: Annotated[int, Field(ge=1, le=1 << 24)]
    vocab: Annotated[int, Field(ge=2, le=MOST_TOKENS)]
    begin: Count
    end: Count | None = None
    period: Annotated[int, Field(ge=1, le=1 << 16)] = 1

    @model_validator(mode="after")
    def _fits(self) -> TokensFacts:
        if self.begin >= self.vocab or (self.end is not None and self.end >= self.vocab):
            raise ValueError(say("begin and end are tokens of the vocabulary"))
        if self.length % self.period:
            raise ValueError(say("a row holds whole steps"))
        return self


class ClassesFacts(Facts):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["classes"]
    names: Annotated[list[str], Field(min_length=1, max_length=1_000_000)]


class WordsFacts(Facts):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["words"]
    vocabulary: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=1000)]],
        Field(min_length=1, max_length=1 << 16),
    ]
    length: Annotated[int, Field(ge=1, le=1 << 12)]
    unit: Literal["word", "letter"] = "word"


SpecFacts = Annotated[DenseFacts | TokensFacts, Field(discriminator="kind")]
ConditionFacts = Annotated[
    DenseFacts | TokensFacts | ClassesFacts | WordsFacts, Field(discriminator="kind")
]


class DuplicateFacts(Facts):
    copies: Count = 0
    examples: list[list[str]] = Field([])


class OmissionFacts(Facts):
    what: str
    count: Count
    example: str | None = None
    remedy: str | None = None


class ReportFacts(Facts):
    """The data report (`data_report.describe`), and what `prepare` adds."""

    source: str = ""
    items: Count | None = None
    distinct: Count
    train: Count
    validation: Count
    tokens: Annotated[list[Count], Field(min_length=2)] | None = None
    duplicates: DuplicateFacts
    ignored: dict[str, Count]
    omitted: list[OmissionFacts] = Field([])
    classes: dict[str, Count] = Field({})
    told: dict[str, dict[str, Count]] = Field({})
    encodings: dict[str, Count] = Field({})
    skipped: list[dict[str, Any]] | None = None
    notes: list[str]


class DataFacts(Facts):
    fingerprint: Hash
    licence: Word | None = None
    report: ReportFacts | None = None


class VersionFacts(Facts):
    castalia: Word
    python: Word
    torch: Word
    cpu: Word
    threads: Annotated[int, Field(ge=1, le=1024)]
    system: Word


class ParentFacts(Facts):
    run: Word
    model: Hash
    data: Hash


class ChainFacts(ParentFacts):
    """The run whose latents or codes the model learns; its weights are in the checkpoints."""

    family: dict[str, Any]
    conditions: dict[Name, ConditionFacts]


class RunFacts(Facts):
    """run.json."""

    format: Annotated[int, Field(ge=1)]
    id: Name
    created: Word = ""
    argv: list[str] = Field([])
    versions: VersionFacts
    spec: SpecFacts
    conditions: dict[Name, ConditionFacts]
    data: DataFacts
    precision: Literal["fp32", "bf16"] = "fp32"
    processes: Annotated[int, Field(ge=1, le=1 << 20)] = 1
    parameters: Count = 0
    recipe: dict[str, Any]
    plugins: dict[str, Hash] = Field({})
    parents: list[ParentFacts] = Field([])
    chain: ChainFacts | None = None


class CheckpointFacts(Facts):
    """state.json of a checkpoint."""

    step: Annotated[int, Field(ge=0, le=MOST_STEPS)]
    best: float | None = None
    waited: Annotated[int, Field(ge=0, le=MOST_STEPS)] = 0
    stopped: bool = False
    seconds: Annotated[float, Field(ge=0, le=1e12)] | None = None


class DecisionFacts(Facts):
    """A line of plan.jsonl: from `step` on the schedule has so many steps."""

    step: Annotated[int, Field(ge=0, le=MOST_STEPS)]
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)]


class MetricFacts(Facts):
    """A line of metrics.jsonl. Losses may be no numbers: that is what a log is for."""

    model_config = ConfigDict(allow_inf_nan=True)
    __pydantic_extra__: dict[str, float | str | None]

    step: Annotated[int, Field(ge=0, le=MOST_STEPS)]
    seconds: Annotated[float, Field(ge=0, le=1e12)] | None = None
    memory_mb: Annotated[float, Field(ge=0, le=1e12)] | None = None


class TuningSideFacts(Facts):
    """One side of eval/tuning.json, before or after; numbers that were not measured are missing or
    null.
    """

    texts: Count | None = None
    pairs: Count | None = None
    met: float | None = None
    reward: float | None = None
    kl: float | None = None
    kl_low: float | None = None
    kl_high: float | None = None
    accuracy: float | None = None
    margin: float | None = None
    nats: float | None = None


class TuningFacts(Facts):
    """eval/tuning.json."""

    kind: Word
    before: TuningSideFacts
    after: TuningSideFacts


class ForgettingSideFacts(Facts):
    source: str = ""
    before: float | None = None
    after: float | None = None
    why: str | None = None


class ForgettingFacts(Facts):
    """eval/forgetting.json."""

    unit: Word
    new: ForgettingSideFacts
    old: ForgettingSideFacts


class ScoreFacts(Facts):
    """A score of eval/scores.json, as far as cards read it."""

    name: Word
    value: float | None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    better: Literal["lower", "higher"] | None = None
    informative: bool | None = None


class ScoresFacts(Facts):
    """eval/scores.json."""

    scores: list[ScoreFacts]
