"""Schemas of the recipe's sections `training` and `sampling`: keys, defaults and ranges."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from castalia.abilities import BOUNDS, LONGEST_TEXT
from castalia.config import LARGEST_SEED, MOST_ROWS, MOST_STEPS, WIDEST, Config
from castalia.sentences import say

STEPS = 1000  # of a recipe that gives no length
FEWEST_STEPS = 30  # that `epochs` leaves: fewer teach nothing, however few the data
MOST_MINUTES = 60.0 * 24 * 365
# of the training section: setting one of them replaces all
LENGTHS = ("steps", "minutes", "plan")


class OptimiserConfig(Config):
    """adamw: Loshchilov & Hutter 2019. muon: Muon for hidden matrices (Jordan et al. 2024), AdamW
    for everything else.
    """

    name: Literal["adamw", "muon"] = "adamw"
    rate: float = Field(1e-3, gt=0, description="AdamW's learning rate")
    muon_rate: float = Field(0.02, gt=0, description="Muon's learning rate, for hidden matrices")
    embedding_rate: float | None = Field(
        None, gt=0, description="AdamW's rate for embedding tables; null: `rate`"
    )
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.9,
        0.99,
    )
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    rates: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="phase name -> rate, where one phase needs another"
    )


class ScheduleConfig(Config):
    """The factor on the learning rate: linear warm-up, then constant, linear, cosine or
    warm-up-stable-decay ("wsd").
    """

    name: Literal["constant", "linear", "cosine", "wsd"] = "constant"
    warmup: int = Field(0, ge=0, le=MOST_STEPS, description="steps of linear warm-up")
    decay: float = Field(
        0.5,
        ge=0,
        le=1,
        description="wsd: the last fraction of the run in which the rate falls to `floor`",
    )
    floor: float = Field(0.0, ge=0, le=1, description="the factor at the end")


class EarlyStopConfig(Config):
    """Stop when a loss part, measured on the validation split, has not fallen for `patience`
    checks.
    """

    part: str = Field(description="name of a loss part, e.g. nelbo")
    every: int = Field(200, gt=0, le=MOST_STEPS, description="steps between checks")
    patience: int = Field(5, gt=0, le=MOST_STEPS)


class AdaptConfig(Config):
    """Fine-tuning of a part (with start_from): pairs of low rank in every linear layer, all else
    frozen (Hu et al. 2021).
    """

    lora: int = Field(8, ge=1, le=WIDEST, description="rank of the pairs")
    alpha: float = Field(16.0, gt=0, description="the pairs count alpha / rank")


class PreferConfig(Config):
    """Learning from pairs of texts, one preferred to the other (with start_from): DPO (Rafailov et
    al. 2023). See training/objective.py.
    """

    beta: float = Field(
        0.1,
        gt=0,
        description="how strongly a log-ratio counts: small is a long leash to the run that was "
        "started "
        "from",
    )
    smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="share of pairs that are taken to be the wrong way round"
    )
    anchor: float = Field(
        0.0,
        ge=0,
        description="weight of the chosen text's nats per token, so that it does not become "
        "unlikely itself",
    )


class RewardConfig(Config):
    """Learning from what a machine can check in the model's own samples (with start_from): a policy
    gradient whose leash is the KL divergence from the run that was started from. A step samples
    `training.batch` texts. See training/objective.py.
    """

    rules: tuple[str, ...] = Field((), description="length:20..60, regex:..., json:..., verse:7x4")
    join: Literal["best", "mean"] = Field(
        "best", description="best: one of the rules is enough; mean: all count alike"
    )
    partial: float = Field(
        0.0, ge=0, lt=1, description="what coming near counts, where fulfilling counts 1"
    )
    kl: float = Field(
        0.1, ge=0, description="reward that one nat of KL costs, per text; 0: no leash"
    )
    length: int | None = Field(
        None,
        ge=1,
        le=MOST_ROWS,
        description="most new tokens of a sample; one that goes on is worth nothing. null: the "
        "codec's length",
    )
    prompt: int = Field(
        0,
        ge=0,
        le=MOST_ROWS,
        description="tokens of a document that samples begin with; what follows is judged. 0: the "
        "whole text",
    )
    group: int | None = Field(
        None,
        ge=2,
        le=MOST_ROWS,
        description="samples of one prompt, which are compared with one another; null: the batch, "
        "or 8 with prompts",
    )
    data: float = Field(
        0.0,
        ge=0,
        description="weight of the ordinary loss on the data (Ouyang et al. 2022); 0: it is only "
        "reported",
    )
    data_rows: int = Field(8, ge=1, le=MOST_ROWS, description="rows of the data in a step")


class TrainConfig(Config):
    """The training loop. `batch` is per process and micro-step: a step sees batch * accumulate *
    processes items.
    """

    steps: int | None = Field(
        None,
        ge=1,
        le=MOST_STEPS,
        description="1000 where minutes say nothing, either; with minutes: at most so many",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        le=MOST_MINUTES,
        description="time for all that follows the preparation of the data; how many steps that "
        "are is planned",
    )
    epochs: int | None = Field(
        None,
        ge=1,
        le=MOST_STEPS,
        description="at most so many passes over the training items: fewer steps where they would "
        "be more, but never fewer than 30",
    )
    plan: tuple[
        tuple[
            Annotated[int, Field(ge=0, le=MOST_STEPS)], Annotated[int, Field(ge=1, le=MOST_STEPS)]
        ],
        ...,
    ] = Field(
        (),
        description="(step, steps): from that step on the schedule had so many steps; written by "
        "runs with minutes",
    )
    batch: int = Field(64, ge=1, le=MOST_ROWS)
    accumulate: int = Field(1, ge=1, le=MOST_ROWS)
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    clip: float | None = Field(None, gt=0, description="largest norm of a phase's gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged weights; 0 = off")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads; None = all cores. Another count changes the last bit",
    )
    save_every: int = Field(1000, ge=1, le=MOST_STEPS)
    keep: int = Field(
        2, ge=1, le=MOST_STEPS, description="checkpoints kept; the last step is always saved"
    )
    log_every: int = Field(20, ge=1, le=MOST_STEPS)
    sample_every: int | None = Field(
        None,
        ge=0,
        le=MOST_STEPS,
        description="steps between sample sheets; 0 = none; null: `sample_seconds` decides",
    )
    sample_seconds: float = Field(
        30.0,
        gt=0,
        description="seconds between sample sheets where sample_every is null; more where they "
        "would take over 3% of the time, and in long trainings",
    )
    tracker: Literal["none", "tensorboard", "mlflow", "wandb"] = Field(
        "none", description="where scalars and sheets go, beside metrics.jsonl"
    )
    early_stop: EarlyStopConfig | None = None
    adapt: AdaptConfig | None = None
    freeze: tuple[str, ...] = Field(
        (),
        description="with start_from: names of parts, or patterns of them, that stay as they are; "
        "see training/frozen_parts.py",
    )
    prefer: PreferConfig | None = None
    reward: RewardConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _some_length(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("steps") is None and given.get("minutes") is None:
            return {**given, "steps": STEPS}
        return given

    @model_validator(mode="after")
    def _one_length(self) -> TrainConfig:
        steps = [step for step, _ in self.plan]
        if self.plan and (
            self.minutes is not None
            or steps[0] != 0
            or steps != sorted(set(steps))
            or self.plan[-1][1] != self.steps
        ):
            raise ValueError(
                say(
                    "plan begins with step 0, rises, and ends with training.steps; it stands "
                    "without minutes"
                )
            )
        return self

    @model_serializer(mode="wrap")
    def _as_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """`epochs` and `freeze` are written only where they are set, so that recipes without them
        stay the same as before they existed.
        """
        data: dict[str, Any] = dump(self)
        return {
            key: value for key, value in data.items() if key not in ("epochs", "freeze") or value
        }

    def for_items(self, count: int) -> TrainConfig:
        """With no more steps than `epochs` passes over the training items are, or FEWEST_STEPS.
        count: rows of a batch in which all of them stand once.
        """
        if self.epochs is None:
            return self
        passes = -(-self.epochs * max(1, count) // (self.batch * self.accumulate))
        most = max(FEWEST_STEPS, passes)
        if self.steps is not None and self.steps <= most:
            return self
        return self.model_copy(update={"steps": most})

    @property
    def sheets(self) -> bool:
        """Whether sheets of samples are made."""
        return self.sample_every != 0

    @property
    def tunes(self) -> bool:
        """Whether the run learns from preferences or rewards in place of its family's own loss."""
        return self.prefer is not None or self.reward is not None


class SampleConfig(Config):
    """Defaults of `castalia sample`. Part of a result's identity: `batch` rows are computed
    together. Tokens only, from repetition on: see abilities.SampleOptions.
    """

    n: int = Field(64, ge=1, le=MOST_STEPS)
    batch: int = Field(64, ge=1, le=MOST_ROWS)
    temperature: float = Field(1.0, ge=0)
    guidance: float = Field(1.0, ge=0)
    steps: int | None = Field(None, ge=1, le=MOST_ROWS)
    negative: str = Field(
        "", max_length=LONGEST_TEXT, description="a text that guided samples should be unlike"
    )
    repetition: float = Field(1.0, gt=0)
    frequency: float = Field(0.0, ge=0)
    top_k: int | None = Field(None, ge=1, le=2**31 - 1)
    top_p: float = Field(1.0, gt=0, le=1)
    min_p: float = Field(0.0, ge=0, le=1)
    length: int | None = Field(
        None, ge=1, le=MOST_ROWS, description="most new tokens; null: the codec's length"
    )
    stop: tuple[str, ...] = Field((), description="strings that end a text")

    @field_validator(*BOUNDS)
    @classmethod
    def _within(cls, value: Any, info: ValidationInfo) -> Any:
        bound = BOUNDS[info.field_name or ""]
        if not bound.fits(value):
            raise ValueError(say("must be {0}", bound.meaning))
        return value
