"""The contract of every family: a module whose forward is its loss, trained in phases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from castalia.config import Config
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.nn.graph import Graph
from castalia.sentences import plural, say
from castalia.spec import Batch, Classes, Condition, Dense, Loss, Spec, Tokens
from castalia.tensor_file import memory


class FamilyConfig(Config):
    """`name` chooses the class, so it is not a field here."""


def make(
    kind: type[Family],
    config: FamilyConfig,
    spec: Spec,
    conditions: dict[str, Condition],
    *,
    copies: int = 1,
) -> Family:
    """The family with fresh weights. copies: tensors as large as the weights that will be held: 4
    in training, with the gradient and two moments.

    Raises RecipeError, before anything is allocated, where these alone would not fit into this
    machine's memory.
    """
    size = copies * _weights_bytes(kind, config, spec, conditions)
    if size > memory():
        raise RecipeError(
            say(
                "the model would need {0:,.0f} GiB of memory, this machine has {1:,.0f}",
                size / 2**30,
                memory() / 2**30,
            ),
            where=say("family '{0}'", kind.name),
            fix=say("smaller family.width, family.depth, codec.length, codec.vocab or codec.size"),
        )
    return kind(config, spec, conditions)


def _weights_bytes(
    kind: type[Family], config: FamilyConfig, spec: Spec, conditions: dict[str, Condition]
) -> int:
    """Of all tensors of the state; 0 for a family that takes them from a file, or cannot be made
    without numbers.
    """
    if kind.from_files:
        return 0
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), _Undrawn():
            return sum(
                tensor.nbytes for tensor in kind(config, spec, conditions).state_dict().values()
            )
    except (NotImplementedError, RuntimeError):
        return 0


_DRAWS = frozenset(
    {
        "uniform_",
        "normal_",
        "trunc_normal_",
        "kaiming_uniform_",
        "kaiming_normal_",
        "xavier_uniform_",
        "bernoulli_",
    }
)


class _Undrawn(TorchFunctionMode):
    """Leaves out what draws initial weights: tensors without numbers need none, and torch imports
    its compiler to pretend (5 s).
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _DRAWS:  # of torch.nn.init, and methods of tensors
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@dataclass(frozen=True)
class Phase:
    """One optimiser's turn. Parameters outside `trains` are frozen meanwhile; buffers may move.

    trains  attribute names of the sub-modules that move.
    every   the phase runs in steps where step % every == 0.
    split   the side of the data that its batches come from; "development" is what
            `data.development` sets apart.
    """

    name: str
    trains: tuple[str, ...]
    every: int = 1
    split: Literal["training", "development"] = "training"


class Family(nn.Module, ABC):
    """A subclass is final: VAE-GAN contains a VAE's parts, it does not inherit from Vae.

    `forward` *is* the loss, because DDP, FSDP and compile intercept only forward. All randomness in
    it comes from torch's global generator, which the training loop seeds from counters before each
    call.
    """

    name: ClassVar[str]
    accepts: ClassVar[tuple[type, ...]]  # of Dense, Tokens
    Config: ClassVar[type[FamilyConfig]]
    # its weights are read when it is made, so their size cannot be known before
    from_files: ClassVar[bool] = False

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Names in `state_dict` of what has a row for each token: a run that starts from another's
        with fewer tokens adds rows to these.
        """
        return ()

    def __init__(self, config: Any, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__()
        if not isinstance(spec, self.accepts):
            kinds = " or ".join(kind.__name__ for kind in self.accepts)
            raise SpecError(
                say("'{0}' needs {1} data", self.name, kinds),
                where=say("codec gives {0}", type(spec).__name__),
                fix=say("choose another family, or put a trained codec in between"),
            )
        self.config = config
        self.spec = spec
        self.conditions = conditions

    @abstractmethod
    def phases(self) -> Sequence[Phase]: ...

    @abstractmethod
    def forward(self, batch: Batch, phase: str = "main") -> Loss: ...

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Optional pass over training data before step 1 (counts, codebooks); for Tokens, each
        batch is one whole document, x (1, n). Default: nothing.
        """

    def schedule(self, step: int, steps: int) -> None:
        """Called before each step with progress, for annealing (KL warm-up). A function of its
        arguments only.
        """

    def refresh(self, rngs: Sequence[torch.Generator]) -> None:
        """Recompute buffers that follow from the weights (batch-norm statistics). Called on the EMA
        copy before saving.
        """

    @classmethod
    def for_new_tokens(cls, config: Any) -> Any:
        """Settings of a run that starts from a model of `config` and adds tokens: parts that belong
        to the old vocabulary are left out. Default: the same settings.
        """
        return config

    def graphs(self) -> dict[str, Graph]:
        """What export writes, by name; noise is an *input*. See nn/graph.py. Raises AbilityError
        where there is nothing to write.

        sample   noise and conditions to data. Fed with what `sample` draws from each row's
                 generator, input by input, it gives what `sample` gives. Of an iterative sampler:
                 all its steps, one behind the other.
        encode   data and conditions to latent; decode: latent and conditions to data, where that is
                 not `sample`.
        step     tokens and the memory of those before them to logits and the new memory.
        """
        raise AbilityError(
            say("a '{0}' model has no graph to export", self.name),
            where="Family.graphs",
            fix=say("use a run of another family, e.g. gan"),
        )

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def check(self, batch: Batch) -> None:
        """Family in: shapes are checked by hand at this border."""
        x, spec, different = batch.x, self.spec, say("the batch has another shape than the model")
        if isinstance(spec, Dense):
            if tuple(x.shape[1:]) != spec.shape:
                raise SpecError(
                    different, where=say("{0} against {1}", tuple(x.shape[1:]), spec.shape)
                )
        elif x.ndim != 2 or not 2 <= x.shape[1] <= spec.length + 1:
            raise SpecError(
                different,
                where=say("{0} against (rows, 2 to {1})", tuple(x.shape), spec.length + 1),
            )
        elif x.dtype != torch.int64 or int(x.min()) < 0 or int(x.max()) >= spec.vocab:
            raise SpecError(
                say("tokens must be int64 below the vocabulary's size"),
                where=say("{0}, {1} of {2}", x.dtype, int(x.max()), spec.vocab),
            )

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """In evaluation mode, and then as it was."""
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)


def class_count(conditions: dict[str, Condition]) -> int:
    """Number of classes over all class conditions; 0 when unconditional."""
    return sum(
        len(condition) for condition in conditions.values() if isinstance(condition, Classes)
    )


def grows(old: Spec, new: Spec) -> bool:
    """Whether `new` has tokens that `old` does not have."""
    return isinstance(old, Tokens) and isinstance(new, Tokens) and new.vocab > old.vocab


def with_new_tokens(
    family: Family, old: Spec, weights: dict[str, Tensor], where: str
) -> dict[str, Tensor]:
    """Weights of a model of `old` tokens for `family`, which may know more: rows for these begin
    near the mean of the others (Hewitt 2021, nlp.stanford.edu/~johnhew/vocab-expansion.html), plus
    the new row's own numbers at a tenth of their spread. Raises SpecError for models that cannot
    learn new tokens.
    """
    new = family.spec
    if not grows(old, new):
        return weights
    assert isinstance(old, Tokens)
    assert isinstance(new, Tokens)
    if not family.vocabulary:
        raise SpecError(
            say(
                "a '{0}' model cannot learn new tokens: its layout belongs to one vocabulary",
                family.name,
            ),
            where=say(
                "{0}: {1}, {2} wanted",
                where,
                plural("{0} token", "{0} tokens", old.vocab),
                new.vocab,
            ),
            fix=say(
                "start from an 'ar' or 'pretrained' run, or from one that was trained with "
                "codec.chat=true"
            ),
        )
    mine = family.state_dict()
    grown = {name: value for name, value in weights.items() if name in mine}
    for name in family.vocabulary:
        rows, own = weights[name], mine[name][old.vocab :]
        grown[name] = torch.cat([rows, rows.mean(0) + own * (0.1 * rows.std() / own.std())])
    return grown
