"""Optional protocols of codecs, beside the contract of all (base.py); callers check for them by
`isinstance`.

    Streams      items are texts, which can be written token by token and end at a string
    Constrains   what a user asks of an item, as a grammar
    Vets         items are judged whole before they leave, and drawn again where they do not pass
    Weighs       some tokens count in training and others do not
    CutsPieces   items are cut into what people compare them by
    FillsMiddle  marks stand around a gap of free length
    Chats        items are conversations
    Symmetric    items have other writings that are as likely
    WritesBytes  each token writes certain bytes
    Tokenizes    its tokenizer as a file of another program
    Collects     many items are written as one file
    TakesGiven   parts of an item can be given by name
    Foretells    a named part of an item can be predicted from the others
    RatesParts   parts of an item are rated, each given what comes before it
    BeginsAnew   a passage from the middle of a document means nothing without its beginning
    Continues    items go on beyond their end, and how likely each course is can be said

    if isinstance(codec, Streams): ...
    parts = need(codec, Constrains, say("the codec '{0}' knows no constraints", codec.name))

Members are looked up when asked, so ask once the codec is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

from torch import Tensor

from castalia.constraints.budget import Budget
from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.spec import Grammar

T = TypeVar("T")


class Streamer(Protocol):
    """Whole characters only: bytes of an unfinished one wait."""

    def push(self, token: int) -> str: ...

    def finish(self) -> str: ...


@runtime_checkable
class Streams(Protocol):
    def streamer(self) -> Streamer:
        """Tokens to text as they come."""
        ...

    def stopper(self, stop: Sequence[str]) -> Callable[[list[int]], int | None]:
        """A function of a row's new tokens: how many to keep once one of the strings has appeared,
        else None.
        """
        ...


@runtime_checkable
class Constrains(Protocol):
    def constrain(self, constraint: str, budget: Budget | None = None) -> Grammar | None:
        """What must hold for generated tokens, from the user's words; None where only whole items
        show it, which the codec then vets. Raises RecipeError for words that mean nothing.
        """
        ...


@runtime_checkable
class Vets(Protocol):
    @property
    def vets(self) -> bool:
        """Whether items are judged; then all that is here holds."""
        ...

    @property
    def tries(self) -> int:
        """How often an item is drawn at most until one passes."""
        ...

    def flaw(self, item: Any, asked: Mapping[str, str], constraint: str | None) -> str:
        """Why an item may not leave, a sentence; "" for one that may. asked: facts that were asked
        for, by name (`Codec.facts`). The same for the same item, on any machine: samples are made
        again by it.
        """
        ...

    def mended(self, item: Any) -> Any:
        """An item like one that has a flaw and may have none, where that is cheap; else the item
        itself. The same for the same item.
        """
        ...

    def proof(self, item: Any) -> dict[str, Any]:
        """What manifests say of an item that passed, JSON: how it can be checked."""
        ...


@runtime_checkable
class Weighs(Protocol):
    @property
    def weighs(self) -> bool:
        """Whether items come with loss weights: of a conversation, only what the assistant says is
        learned.
        """
        ...

    def weigh(self, item: Any) -> Tensor | None:
        """Loss weights (n,) uint8, 0 or 1, of the tokens of `encode(item)`; None where
        all count.
        """
        ...


@runtime_checkable
class CutsPieces(Protocol):
    def pieces(self, item: Any) -> list[str]:
        """The item cut into words or characters; joined they are the item. Scores of repetition and
        copying count these, so that they do not depend on a tokenizer.
        """
        ...


@runtime_checkable
class FillsMiddle(Protocol):
    @property
    def middle(self) -> tuple[int, int, int] | None:
        """Token ids of the marks prefix, suffix, middle; None where this codec was made without."""
        ...


@runtime_checkable
class Chats(Protocol):
    @property
    def chats(self) -> bool:
        """Whether it knows how conversations are written."""
        ...

    @property
    def chat_template(self) -> str | None:
        """The same as a Jinja template; None where there is none."""
        ...

    @property
    def renders(self) -> bool:
        """Whether conversations pass a template of somebody else's, which may take its time."""
        ...


@runtime_checkable
class Symmetric(Protocol):
    def symmetries(self) -> list[Tensor]:
        """Ways to write an item otherwise that leave it as likely: for each (V,) int64, the image
        of every token, -1 where it has none; the identity is one. Scores may average over them.
        """
        ...


@runtime_checkable
class WritesBytes(Protocol):
    @property
    def token_bytes(self) -> list[bytes]:
        """What each token writes, index = id; b"" for `begin`, `end` and other specials."""
        ...


@runtime_checkable
class Tokenizes(Protocol):
    def to_json(self) -> str:
        """The tokenizer as a Hugging Face tokenizer.json, with the same ids."""
        ...

    @property
    def silent(self) -> Sequence[int]:
        """Tokens that training never showed."""
        ...


@runtime_checkable
class Collects(Protocol):
    def collected(self, items: Sequence[Any]) -> Any:
        """Several items as what `Codec.write` writes as one file: the rows of a table."""
        ...

    def members(self, item: Any) -> Sequence[Any]:
        """The items that a collection was made of; of a single one, that one."""
        ...


@runtime_checkable
class TakesGiven(Protocol):
    def partial(self, given: Mapping[str, str]) -> tuple[Tensor, Tensor]:
        """(x (T,) int64 from `begin` on, keep (T,) bool): an item of which the named parts are
        known. Raises RecipeError for a name or a value that it does not have.
        """
        ...

    def with_given(self, item: Any, given: Mapping[str, str]) -> Any:
        """An item that was drawn so, with the parts exactly as they were given."""
        ...


class Question(NamedTuple):
    """Rows x (B, T) int64 from `begin` on; keep (B, T) bool, False where nothing is known of a
    part; place: of the tokens that are asked for.
    """

    x: Tensor
    keep: Tensor
    place: int


@runtime_checkable
class Foretells(Protocol):
    def question(self, items: Sequence[Any], name: str) -> Question:
        """Asks for the part `name` of the items, whatever they have there. Raises RecipeError for a
        part that there is not, or that cannot be predicted.
        """
        ...

    def answer(
        self, items: Sequence[Any], name: str, probabilities: Tensor
    ) -> tuple[list[Any], dict[str, float]]:
        """The items with what was predicted beside them, from probabilities (B, V) of the tokens at
        the place; and scores over those items of which the part is known.
        """
        ...

    def rated(self, items: Sequence[Any], nats: Tensor) -> list[Any]:
        """The items with how unlikely each is beside them: nats (B,)."""
        ...


@runtime_checkable
class RatesParts(Protocol):
    def parts_to_rate(self, items: Sequence[Any]) -> list[tuple[Any, Tensor, int]]:
        """(part, row (n,) int64, how many tokens at its end are the part's; those before them are
        its context, the first not coded) of each part of the items that is rated by itself.
        """
        ...


@runtime_checkable
class BeginsAnew(Protocol):
    def passages(self, document: Tensor, length: int) -> list[Tensor]:
        """Stretches of a document (n,), at most `length` tokens each, as documents of their own,
        without `begin`: what is compared with samples.
        """
        ...


# (prompts (n,) int64 each, steps, count, tokens that never come) -> (N, count, steps) int64
Draw = Callable[[Sequence[Tensor], int, int, Sequence[int]], Tensor]


@runtime_checkable
class Continues(Protocol):
    def histories(self, path: Path) -> Sequence[Any]:
        """What a file holds to be continued, whole. Raises DataError where there is nothing."""
        ...

    def continued(
        self,
        items: Sequence[Any],
        horizon: int,
        draw: Draw,
        *,
        paths: int,
        levels: Sequence[float],
        seed: int,
        members: Sequence[str] = (),
    ) -> Continuation:
        """`horizon` steps beyond the end of each history, as quantiles at the levels and as paths;
        `draw` continues rows of tokens. members: what is joined, where there are several; none:
        all. Raises RecipeError for a horizon or a member that cannot be.
        """
        ...


class Continuation(Protocol):
    def parts(self) -> Mapping[str, Any]:
        """Names of files, with their endings, to what `Codec.write` writes there."""
        ...

    def facts(self) -> dict[str, Any]:
        """What manifests say of it: JSON."""
        ...

    def summary(self) -> Sequence[str]:
        """Sentences about it for the terminal."""
        ...


def members_of(codec: object, item: Any) -> Sequence[Any]:
    """The items that one file holds, where a codec writes several in one."""
    return codec.members(item) if isinstance(codec, Collects) else [item]


def weighs(codec: object) -> bool:
    """Whether items of this codec come with loss weights."""
    return isinstance(codec, Weighs) and codec.weighs


def vets(codec: object) -> TypeGuard[Vets]:
    """Whether items of this codec are judged before they leave."""
    return isinstance(codec, Vets) and codec.vets


def chats(codec: object) -> bool:
    """Whether this codec knows how conversations are written."""
    return isinstance(codec, Chats) and codec.chats


def middle_of(codec: object) -> tuple[int, int, int] | None:
    """The marks around a gap of free length, where this codec has them."""
    return codec.middle if isinstance(codec, FillsMiddle) else None


def need(codec: object, protocol: type[T], what: str, *, where: str = "", fix: str = "") -> T:
    """`codec` itself if it has the protocol. Raises RecipeError(what, where, fix) otherwise."""
    if isinstance(codec, protocol):
        return codec
    raise RecipeError(what, where=where, fix=fix)


def constrains(codec: Any, constraint: str) -> Constrains:
    """`codec`, if it knows constraints. Raises RecipeError otherwise."""
    return need(
        codec,
        Constrains,
        say("the codec '{0}' knows no constraints", codec.name),
        where=constraint,
        fix=say("leave the constraint out"),
    )
