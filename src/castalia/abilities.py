"""Abilities of trained models, as protocols (Samples, Encodes, Scores, Decodes ...). Callers ask
for an ability, never for a family.

A family has an ability when it has its methods. `registry.require` turns a missing one into an
AbilityError that names the families which have it. Importing this file does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from castalia.errors import RecipeError
from castalia.sentences import say

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from castalia.spec import Batch, Dense, Tokens, Words


class Bound(NamedTuple):
    """What one option of SampleOptions may be: `least` to `most`, both included unless `above`; or
    None, where that means "the default".

    gap: no value strictly between `least` and this one (a temperature is 0 or large enough to
    divide logits by).
    """

    least: float
    most: float
    meaning: str
    whole: bool = False
    optional: bool = False
    above: bool = False
    gap: float | None = None

    def fits(self, value: Any) -> bool:
        """Whether a value of any type is a number within the bound, or an allowed None."""
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        # an integer may be too large for a float
        number: Any = value if isinstance(value, Integral) else float(value)
        if not (self.least <= number <= self.most) or (self.above and number == self.least):
            return False  # NaN is within nothing
        return self.gap is None or number == self.least or number >= self.gap


LARGEST = 2**31 - 1  # of whole numbers: any counter and any tensor holds it

# The same bounds for the library, recipes, the command line and HTTP requests.
BOUNDS = {
    "temperature": Bound(0, 100, say("0 (the likeliest token), or 0.01 to 100"), gap=0.01),
    "guidance": Bound(0, 1000, say("0 to 1000; 1 is off")),
    "steps": Bound(1, 10_000, say("1 to 10,000, or none"), whole=True, optional=True),
    "repetition": Bound(0.01, 100, say("0.01 to 100; 1 is off")),
    "frequency": Bound(-100, 100, say("-100 to 100; 0 is off")),
    "top_k": Bound(1, LARGEST, say("1 to 2,147,483,647, or none"), whole=True, optional=True),
    "top_p": Bound(0, 1, say("above 0 and at most 1"), above=True),
    "min_p": Bound(0, 1, say("0 to 1")),
    "length": Bound(1, LARGEST, say("1 to 2,147,483,647, or none"), whole=True, optional=True),
}
# strings that end a row, and characters of one: each is looked for behind each token
MOST_STOPS, LONGEST_STOP = 64, 1024
LONGEST_TEXT = 4096  # characters of a text that a model is told


@dataclass(frozen=True)
class SampleOptions:
    """How to sample. A family ignores what has no meaning for it. Raises RecipeError for a value
    outside BOUNDS.

    temperature  scale of the noise (Dense), divisor of the logits (Tokens; 0 = the likeliest
                 token); 1.0 = the model as trained.
    guidance     classifier-free guidance scale (Ho & Salimans 2022); 1.0 = off.
    steps        solver steps of iterative samplers; None = the family's default.
    negative     a text that samples should be unlike, where guidance is above 1 and the model is
                 told texts; "" = none.

    For Tokens, applied in this order (nn/decode.py):
    repetition   divides positive and multiplies negative logits of tokens seen so far (Keskar et
                 al. 2019); 1.0 = off.
    frequency    taken off a logit for each time its token was generated; 0.0 = off.
    top_k        only the k likeliest tokens (Fan et al. 2018); None = all.
    top_p        the smallest set of tokens that holds this much mass (Holtzman et al. 2020); 1.0 =
                 all.
    min_p        only tokens at least this share of the likeliest one's probability (Nguyen et al.
                 2024); 0.0 = all.
    length       most new tokens; None = the spec's length.
    stop         strings that end a row; they are not part of the result.
    """

    temperature: float = 1.0
    guidance: float = 1.0
    steps: int | None = None
    negative: str = ""
    repetition: float = 1.0
    frequency: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    length: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, bound in BOUNDS.items():
            value = getattr(self, name)
            if not bound.fits(value):
                raise RecipeError(
                    say("{0} is out of range", name),
                    where=f"sampling.{name}={str(value)[:80]}",
                    fix=bound.meaning,
                )
        if not isinstance(self.negative, str) or len(self.negative) > LONGEST_TEXT:
            raise RecipeError(
                say("negative is a text"),
                where=f"sampling.negative={str(self.negative)[:80]}",
                fix=say("a text of {0:,} characters at most", LONGEST_TEXT),
            )
        if isinstance(self.stop, str) or not all(
            isinstance(text, str) and len(text) <= LONGEST_STOP for text in self.stop
        ):
            raise RecipeError(
                say("stop is a tuple of strings"),
                where=f"sampling.stop={str(self.stop)[:80]}",
                fix=say("strings of {0:,} characters at most", LONGEST_STOP),
            )
        if len(self.stop) > MOST_STOPS:
            raise RecipeError(
                say("too many strings end a row"),
                where=f"sampling.stop: {len(self.stop)}",
                fix=say("{0} strings at most", MOST_STOPS),
            )


@runtime_checkable
class Samples(Protocol):
    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """One row per generator, (len(rngs), *shape); row i draws its noise from rngs[i] alone."""
        ...


@runtime_checkable
class Encodes(Protocol):
    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> (B, ...) latent; the posterior's mean when `rngs` is None, else one draw
        per row.
        """
        ...

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """Latent -> (B, *shape)."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Makes data of latents (B, *latent_shape), which are standard normal under the prior. Of dense
    data `from_latent` has a gradient in z: a model that does not encode has the latents of given
    data searched for (sampling/latent_search.py).
    """

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Of one item's latent."""
        ...

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """Latent -> (B, *shape)."""
        ...


@runtime_checkable
class Compresses(Protocol):
    """Makes smaller arrays of data, which other models may be trained on."""

    latent_spec: Dense

    def compress(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, *latent_spec.shape)."""
        ...

    def expand(self, z: Tensor) -> Tensor:
        """(B, *latent_spec.shape) -> (B, *shape)."""
        ...


@runtime_checkable
class Quantises(Protocol):
    """Makes codes of data: tokens, as many of each item."""

    tokens_spec: Tokens

    def to_tokens(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, tokens_spec.length + 1) int64, `begin` first."""
        ...

    def from_tokens(self, tokens: Tensor) -> Tensor:
        """(B, tokens_spec.length + 1) int64 -> (B, *shape)."""
        ...


@runtime_checkable
class Scores(Protocol):
    """A family whose `nats` takes many passes through its network says how many: `passes`."""

    exact: bool  # False: `nats` is an upper bound

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) negative log-likelihood of each item in nats, of the data as stored (levels
        counted).
        """
        ...


@runtime_checkable
class Infills(Protocol):
    def infill(
        self,
        x: Tensor,
        keep: Tensor,
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        """Fill x where `keep` is False; kept entries come back bit-identical. temperature: divisor
        of the logits; 0: the likeliest each time. Models of tokens take `barred` (V,) bool, too:
        tokens that are not drawn.
        """
        ...


@runtime_checkable
class Predicts(Protocol):
    def predict(self, x: Tensor, place: int, cond: dict[str, Any]) -> Tensor:
        """(B, V) float32 log-probabilities of the token at `place` of rows x (B, T), given all
        others of the row.
        """
        ...


# noise: added; coarse: means of blocks are left; grey: a mean of all channels; hole: a part is gone
Damage = Literal["noise", "coarse", "grey", "hole"]


def undoes(model: object, *damages: Damage) -> bool:
    """Whether a model that restores or infills undoes damage of one of these kinds. One that has
    learned a few kinds alone says which, `damages`; any other undoes whatever there is. Without
    kinds: damage that has no name here, which only the latter undo.
    """
    learned = getattr(model, "damages", None)
    return learned is None or not set(damages).isdisjoint(learned)


@runtime_checkable
class Restores(Protocol):
    """Finds dense data behind what is left of them; of some kinds of damage alone where it says so
    (`undoes`).
    """

    def restore(
        self,
        consistent: Callable[[Tensor], Tensor],
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        """(len(rngs), *shape): draws that agree with what is known. consistent: puts what is known
        into any data (B, *shape) in the spec's unit; the result has passed it.
        """
        ...

    def denoise(self, x: Tensor, deviation: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *shape): the expected data of x = data + noise of this deviation (B,), in the spec's
        unit.
        """
        ...


@runtime_checkable
class Describes(Protocol):
    """Says in words what data show. words: those that it knows (captions.py)."""

    words: Words

    def describe(
        self,
        x: Tensor,
        rngs: Sequence[torch.Generator],
        temperature: float = 0.0,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """(B, *shape) -> (B, words.length) int64 numbers of words, 0 behind a caption's end.
        temperature: divisor of the logits; 0: the likeliest word each time. allowed (V,) bool:
        words that may be used; None: all.
        """
        ...


@runtime_checkable
class Matches(Protocol):
    """Places data and captions in one space, where those that belong together are near."""

    words: Words

    def item_vectors(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, D) float32 of length 1."""
        ...

    def caption_vectors(self, ids: Tensor) -> Tensor:
        """(B, words.length) int64 -> (B, D) float32 of length 1; the product with an item's vector
        says how well they agree, -1 to 1.
        """
        ...


@runtime_checkable
class Demonstrates(Protocol):
    """Damages data as it has learned to undo it, and mends them: what is shown while it trains. Not
    an ability that anybody is offered.
    """

    def demonstrate(
        self, x: Tensor, rng: torch.Generator, cond: dict[str, Any]
    ) -> tuple[Tensor, Tensor]:
        """(B, *shape) damaged, and mended; a function of x, `rng` and cond."""
        ...


class DecodeState(Protocol):
    """What a model remembers of B rows while it decodes. `step`, `take` and `join` may change it in
    place; use only the newest one.
    """

    @property
    def lengths(self) -> Tensor:
        """(B,) int64: tokens that each row has taken in so far."""
        ...

    def take(self, rows: Tensor) -> DecodeState:
        """The rows with these indices (n,) int64, in this order."""
        ...

    def join(self, other: DecodeState) -> DecodeState:
        """The rows of both, one after the other. Where this raises, both are as they were."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """Token by token. The context is the spec's `length`: a row of that many tokens must be
    prefilled anew to go on.

    A model whose rows draw something before their first token (a latent) has `drawn(rng) -> dict`,
    tensors (1, ...) that `prefill` finds in `cond` each time, unless the caller gave them.
    """

    def prefill(
        self, ids: Tensor, mask: Tensor, cond: dict[str, Any]
    ) -> tuple[Tensor, DecodeState]:
        """Take in prompts: ids (B, S) int64 beginning with `begin`, mask (B, S) bool, True on a
        row's own tokens, which come first (rows are filled up on the right). Returns logits (B, V)
        float32 of each row's next token, and the state.
        """
        ...

    def step(self, tokens: Tensor, state: DecodeState) -> tuple[Tensor, DecodeState]:
        """Take in one token a row (B,) int64; logits (B, V) float32 of the next."""
        ...


@runtime_checkable
class Attends(Protocol):
    """Reads sequences by attention, from left to right."""

    def attention(self, x: Tensor) -> list[Tensor]:
        """x (B, T) int64 -> for each layer (B, heads, T, T) float32: row t is a distribution over
        the columns 0 .. t that it looks at.
        """
        ...


@runtime_checkable
class Tunes(Protocol):
    """Can be tuned by preferences and rewards for whole sequences (training/objective.py). Needs
    `Decodes`, too.
    """

    def token_loss(self, batch: Batch) -> Tensor:
        """(B, T - 1) float32 nats of x[:, 1:], coded or not, from left to right, with gradient for
        what the first phase trains.
        """
        ...


ABILITIES: dict[str, type] = {
    "samples": Samples,
    "encodes": Encodes,
    "generates": Generates,
    "compresses": Compresses,
    "quantises": Quantises,
    "scores": Scores,
    "infills": Infills,
    "predicts": Predicts,
    "restores": Restores,
    "describes": Describes,
    "matches": Matches,
    "decodes": Decodes,
    "attends": Attends,
    "tunes": Tunes,
}


def abilities_of(model: object) -> tuple[str, ...]:
    """Names of the abilities that `model` has, in the order of `ABILITIES`."""
    return tuple(name for name, protocol in ABILITIES.items() if isinstance(model, protocol))
