"""Specs, batches and losses: what data are once they are tensors (Dense, Tokens, Classes, Batch).

Whatever the modality, a codec turns files into a `Dense` array or a sequence of `Tokens`; a family
is written against one of the two. Importing this file does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from castalia.errors import SpecError
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Span:
    """`width` neighbouring entries of a vector that belong together: a real column or a one-hot
    category.
    """

    start: int
    width: int
    kind: Literal["real", "onehot"] = "real"


@dataclass(frozen=True)
class Dense:
    """Continuous data: float32 tensors (B, *shape).

    shape   (C, H, W) pictures, (C, T) signals, (C, T, H, W) video, (3, N) point sets, (D,) vectors.
    unit    the range a model sees: "signed" [-1, 1], "binary" [0, 1], "standard" zero mean and unit
            variance.
    levels  how many equally spaced values the data can take (256 for 8-bit pictures); None if truly
            continuous.
    layout  "grid": neighbours along the trailing axes are related; "set": order is meaningless;
            "vector": no axes.
    """

    shape: tuple[int, ...]
    spans: tuple[Span, ...] = ()
    unit: Literal["signed", "binary", "standard"] = "signed"
    levels: int | None = None
    layout: Literal["grid", "set", "vector"] = "grid"

    @property
    def size(self) -> int:
        """Numbers in one item: the product of `shape`."""
        total = 1
        for side in self.shape:
            total *= side
        return total

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value of the unit; infinite for "standard"."""
        return {
            "signed": (-1.0, 1.0),
            "binary": (0.0, 1.0),
            "standard": (float("-inf"), float("inf")),
        }[self.unit]


class Grammar(Protocol):
    """Which tokens may follow: UTF-8, music, JSON, verse forms. States are hashable and immutable.

    Optional, for grammars that are a part of the model and not only of decoding: along(x) -> (B, T
    - 1, V) bool, the tokens that may stand at
    x[:, 1:] of rows as `Tokens` describes them, given those before. Training and likelihoods then
    renormalise, so what is forced costs nothing.
    slots (S, V) bool, where what may stand at a place depends on its slot alone (S is the spec's
    period): then models of any order are masked, too, and rows are drawn together
    (nn/fixed_rows.py).
    And inside() -> the state of a row that begins inside a document, where it is not `start()`.
    """

    def start(self) -> Any: ...

    def allowed(self, state: Any) -> Tensor:
        """(V,) bool: the tokens that may come next."""
        ...

    def advance(self, state: Any, token: int) -> Any: ...


@dataclass(frozen=True)
class Tokens:
    """Discrete sequences: int64 tensors (B, T) in [0, vocab) with 2 <= T <= length + 1.

    x[:, 0] is context, never coded: `begin`, or the token before the window where a long document
    is cut. Every later token is coded (predicted, counted in `nats`) unless it is `begin`, which
    starts another packed document and fills up short rows.

    length   most tokens that are coded in one row: the context of a transformer.
    end      closes a document; None for streams that only break off.
    grammar  what may follow, where the codec knows; its tokens exclude `begin`.
    period   tokens of one step, where a document is a row of steps of equally many (voices,
             channels): token x[:, t] is slot (t - 1) % period of step (t - 1) // period. `length`
             is a multiple, documents and windows begin at slot 0, and `end` takes the place of a
             step. 1: no steps.
    """

    length: int
    vocab: int
    begin: int
    end: int | None = None
    grammar: Grammar | None = field(default=None, compare=False, repr=False)
    period: int = 1

    def __post_init__(self) -> None:
        if self.period < 1 or self.length % self.period:
            raise SpecError(
                say("a row holds whole steps"),
                where=say(
                    "length {0}, {1} a step",
                    self.length,
                    plural("{0} token", "{0} tokens", self.period),
                ),
            )


Spec: TypeAlias = Dense | Tokens


@dataclass(frozen=True)
class Classes:
    """A condition that is one of several named classes; tensors int64 (B,) in [0, len(names)].
    len(names) = dropped.
    """

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Words:
    """A condition that is a short text, as the words or letters that a model knows (captions.py);
    tensors int64 (B, length) of numbers into `vocabulary` from 1 on, 0 behind the last. All 0 =
    dropped.
    """

    vocabulary: tuple[str, ...] = field(repr=False)
    length: int
    unit: Literal["word", "letter"] = "word"

    def __len__(self) -> int:
        return len(self.vocabulary)


Condition: TypeAlias = Classes | Words | Tokens | Dense


class Ragged(NamedTuple):
    """Sequences of unequal length: ids (B, S) int64 and mask (B, S) bool, True where an
    id is real.
    """

    ids: Tensor
    mask: Tensor


class Batch(NamedTuple):
    """What a family is trained on.

    x        (B, *shape) float32 for Dense, (B, T) int64 for Tokens.
    mask     (B, T) bool, True where a token is coded; False in column 0 and at `begin`. None: all
             but column 0.
    weight   (B, T) float32 loss weights of the tokens, 0 or 1 as codecs give them (Codec.weigh);
             None for ones. What weighs nothing is context: losses and likelihoods leave it out.
    segment  (B, T) int64 document numbers within a row: packed documents never attend to one
             another; None: one a row.
    cond     condition name -> Tensor (B, ...) or Ragged.
    """

    x: Tensor
    mask: Tensor | None = None
    weight: Tensor | None = None
    segment: Tensor | None = None
    cond: dict[str, Any] = {}  # noqa: RUF012 - never mutated; a fresh batch carries its own

    def weights(self, begin: int) -> Tensor:
        """(B, T - 1) float32: what each of x[:, 1:] weighs in a loss over Tokens; 0 where nothing
        is coded.
        """
        weight: Tensor = (self.x != begin).float()
        for given in (self.mask, self.weight):
            weight = weight if given is None else weight * given
        return weight[:, 1:]

    def rows(self, part: slice) -> Batch:
        """Some of the rows."""
        return self._mapped(lambda tensor: tensor[part])

    def to(self, device: Any) -> Batch:
        """The same on another device."""
        return self._mapped(lambda tensor: tensor.to(device))

    def _mapped(self, change: Callable[[Any], Any]) -> Batch:
        mask, weight, segment = (
            None if value is None else change(value)
            for value in (self.mask, self.weight, self.segment)
        )
        return Batch(
            change(self.x),
            mask,
            weight,
            segment,
            {name: change(value) for name, value in self.cond.items()},
        )

    def counted(self, begin: int) -> Tensor:
        """(B,) how many tokens of each row of Tokens a likelihood counts: coded, and not of weight
        0.
        """
        coded = self.x[:, 1:] != begin
        counted: Tensor = (coded if self.weight is None else coded & (self.weight[:, 1:] > 0)).sum(
            1
        )
        return counted


class Loss(NamedTuple):
    """total: scalar with gradient. parts: detached scalars with stable names, for logs and early
    stopping.
    """

    total: Tensor
    parts: dict[str, Tensor]


def spec_to_json(spec: Spec | Condition) -> dict[str, Any]:
    """A plain dict that `spec_from_json` reads back. A grammar is code, so its owner (the codec)
    restores it.
    """
    if isinstance(spec, Tokens):
        fields = {
            "kind": "tokens",
            "length": spec.length,
            "vocab": spec.vocab,
            "begin": spec.begin,
            "end": spec.end,
        }
        return fields if spec.period == 1 else fields | {"period": spec.period}
    fields = {"kind": type(spec).__name__.lower(), **asdict(spec)}
    if isinstance(spec, Words) and spec.unit == "word":  # as runs had it before there were letters
        del fields["unit"]
    return fields


def spec_from_json(data: dict[str, Any]) -> Any:
    fields = {key: value for key, value in data.items() if key != "kind"}
    match data.get("kind"):
        case "dense":
            spans = tuple(Span(**span) for span in fields.pop("spans", ()))
            return Dense(**{**fields, "shape": tuple(fields["shape"]), "spans": spans})
        case "tokens":
            return Tokens(**fields)
        case "classes":
            return Classes(tuple(fields["names"]))
        case "words":
            return Words(tuple(fields["vocabulary"]), fields["length"], fields.get("unit", "word"))
    raise SpecError(
        say("unknown kind of spec"),
        where=data.get("kind"),
        fix=say("use 'dense', 'tokens', 'classes' or 'words'"),
    )
