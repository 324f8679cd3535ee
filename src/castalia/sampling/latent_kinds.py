"""Kinds of edits in the latent space of a model, and their options: ways between items, variants,
mixtures, other classes, directions, inversion.

What is computed is in latent_edits.py, for any modality. Importing this file does not import torch.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from castalia.abilities import Encodes, Generates
from castalia.errors import RecipeError
from castalia.sampling.edit import MOST, Edit, EditOptions, Examples, Metavar, Versions
from castalia.sentences import N_, say, say_in
from castalia.spec import Dense

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family

_SHARE = r"\d{1,9}(\.\d{0,9})?|\.\d{1,9}"


class LatentEdit(Edit):
    """In the latent space of a model; see latent_edits.py. Where the model makes data of latents
    but does not encode, these are searched for (latent_search.py).
    """

    needs = Generates
    conditioned = True

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        searched = isinstance(model, Generates) and isinstance(codec.spec, Dense)
        return isinstance(model, Encodes) or searched

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Any],
        options: Any,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.sampling.latent_edits import encoded

        self.require_told(model, options)
        rows = self.edited(model, encoded(model, codec, items), cond, options, seed)
        return [codec.decode(row) for row in rows]

    def require_told(self, model: Family, options: Any) -> None:
        """Raises RecipeError where the options leave out what the edit must know."""

    @abstractmethod
    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: Any, seed: int
    ) -> Tensor:
        """(N, *shape) of the items (B, *shape)."""


class Interpolate(LatentEdit):
    """The way from each item to the next; see latent_edits.interpolate."""

    class Options(Versions):
        steps: int = Field(
            8, ge=2, le=MOST, description=str(Versions.model_fields["steps"].description)
        )

    purpose = say("walk from item to item")
    title = say_in("edit", "interpolate")
    least = 2

    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: Options, seed: int
    ) -> Tensor:
        from castalia.sampling.latent_edits import interpolate

        return interpolate(model, x, cond, steps=options.steps)

    def results(self, inputs: int, options: Options) -> int:
        return (inputs - 1) * (options.steps - 1) + 1


class Vary(LatentEdit):
    """Variants of each item; see latent_edits.vary."""

    class Options(Versions):
        strength: float = Field(
            0.5, ge=0, le=1, description=N_("vary: 0 = reconstruction, 1 = unrelated")
        )

    purpose = say("make variants of items")
    title = say_in("edit", "vary")

    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: Options, seed: int
    ) -> Tensor:
        from castalia.sampling.latent_edits import vary

        return vary(model, x, cond, steps=options.steps, seed=seed, strength=options.strength)


class Mix(LatentEdit):
    """One item of several; see latent_edits.mix."""

    class Options(EditOptions):
        shares: Annotated[str | None, Metavar("A,B,...")] = Field(
            None,
            max_length=10_000,
            description=N_("mix: how much of each input, 0.7,0.3; default: of all alike"),
        )

        @field_validator("shares")
        @classmethod
        def _form(cls, shares: str | None) -> str | None:
            if shares is None:
                return None
            parts = [part.strip() for part in shares.split(",")]
            if not all(re.fullmatch(_SHARE, part, re.ASCII) for part in parts):
                raise ValueError(say("shares are numbers of 0 or more, e.g. 0.7,0.3"))
            if not any(map(float, parts)):
                raise ValueError(say("one of the shares is above 0"))
            return ",".join(parts)

    purpose = say("mix items")
    title = say_in("edit", "mix")
    least = 2

    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: Options, seed: int
    ) -> Tensor:
        from castalia.sampling.latent_edits import mix

        shares = None if options.shares is None else [*map(float, options.shares.split(","))]
        return mix(model, x, cond, shares=shares)

    def results(self, inputs: int, options: Options) -> int:
        return 1


class Invert(LatentEdit):
    """What the model makes of each item's latent: what it can show of the item, and what not."""

    purpose = say("show what it makes of items")
    title = say_in("edit", "invert")

    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: EditOptions, seed: int
    ) -> Tensor:
        from castalia.sampling.latent_edits import invert

        return invert(model, x, cond)


class Style(LatentEdit):
    """The same item as another class: its latent under its own class, made to an item of the other
    (Su et al. 2023, arXiv:2203.08382, for paths between noise and data). A run of two folders
    without pairs so translates between them, and a clip has one latent, so its frames change alike.

    Contrastive translation (Park et al. 2020, arXiv:2007.15651) trains a generator and a critic for
    one pair of classes, in one direction, over patches of pictures. Here the user's own model does
    it, for any modality and any pair of its classes. Of 93 held-out sandals and ankle boots of 28
    pixels, after 90 s of training, a classifier put 80% of a flow's results into the other class
    and 99% of a VAE's; they were 13.9 and 18.8 away from their sources, a real item of that class
    22.4, the nearest one 14.1. There is no strength: with the flow followed back to noise for nine
    tenths of the way, 48% came out as the other class, for eight tenths 20%.
    """

    class Options(EditOptions):
        to: Annotated[str | None, Metavar("CLASS")] = Field(
            None, max_length=200, description=N_("style: the class that items become")
        )

    purpose = say("make items over as another class")
    title = say_in("edit", "style")

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        from castalia.sampling.prompts import classes_of

        return super().possible(model, codec) and bool(classes_of(model.conditions))

    def require_told(self, model: Family, options: Options) -> None:
        from castalia.sampling.prompts import classes_of

        names = classes_of(model.conditions)
        if options.to is None and names:
            raise RecipeError(
                say("nothing says which class the items become"),
                where="edit style",
                fix=say("--to CLASS, one of: {0}", ", ".join(names)),
            )

    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: Options, seed: int
    ) -> Tensor:
        from castalia.sampling.latent_edits import style

        return style(model, x, cond, to=options.to or "")


class Direction(LatentEdit):
    """Each item at several places along a direction of the latent space; see latent_edits.along."""

    class Options(Versions):
        along: Annotated[str | None, Metavar("CLASS")] = Field(
            None,
            max_length=200,
            description=N_(
                "direction: towards this class of the run's training data; default: the strongest "
                "direction at each input"
            ),
        )
        number: int = Field(
            1, ge=1, le=32, description=N_("direction: the second strongest is 2, and so on")
        )
        amount: float = Field(
            2.0,
            ge=-100,
            le=100,
            description=N_(
                "direction: how far to either side; 1 is the distance of the class from the "
                "others, without a class a standard deviation of the latent"
            ),
        )

    purpose = say("move items along a direction")
    title = say_in("edit", "direction")
    examples: Examples | None = None

    def studies(self, options: Options) -> str | None:
        return options.along

    def taught(self, examples: Examples) -> Direction:
        edit = type(self)()
        edit.examples = examples
        return edit

    def require_told(self, model: Family, options: Options) -> None:
        if options.along is not None and self.examples is None:
            raise RecipeError(
                say(
                    "the direction of a class is learned from training data, which are not read "
                    "here"
                ),
                where=f"along={options.along[:80]}",
                fix=say("use castalia edit on the machine that has them"),
            )

    def edited(
        self, model: Family, x: Tensor, cond: dict[str, Tensor], options: Options, seed: int
    ) -> Tensor:
        from castalia.sampling.latent_edits import along

        return along(
            model,
            x,
            cond,
            amount=options.amount,
            steps=options.steps,
            number=options.number,
            examples=self.examples,
        )
