"""Kinds of edits of given items, and their options.

An edit's `Options` is the one place where its options are named: `castalia edit` makes its flags of
them, the server the fields of /api/edit, and manifests have them as keys, from which `castalia
reproduce` makes the item again.

Edits of any codec are in latent_kinds.py and below; a modality adds its own, or puts one in the
place of these, in the field `edits` of its descriptor (castalia/modality.py). Importing this file
does not import torch.
"""

from __future__ import annotations

import base64
import mimetypes
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from castalia import bounded, modality
from castalia.abilities import BOUNDS, Damage, Infills, undoes
from castalia.config import Config
from castalia.errors import DataError, PluginError, RecipeError, meant
from castalia.language import recognised
from castalia.sentences import N_, say, say_in, series
from castalia.spec import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family

MOST = 1 << 16  # items that come out of one, or between two
# what manifests, the command line and forms have beside an edit's options
RESERVED = frozenset(
    (  # noqa: SIM905 - as a list it would fill a page
        "schema generator synthetic run model step weights data recipe producer licence time "
        "versions seed index rows row cond options edit inputs labels content AIGC seal kind text "
        "ending out formats policy ledger json lang trust_code progress "
    ).split()
)


class Metavar(NamedTuple):
    """What stands for the value of an option in help, as metadata of its field: A-B."""

    name: str


class Served(NamedTuple):
    """What a server lets its clients ask for at most, as metadata of a field, where its own bound
    leaves more to those who wait for their own machine.
    """

    most: float


class FromFile(NamedTuple):
    """An option whose text stands for a file's content, a data URL (RFC 2397), as metadata of its
    field: on the command line and in Python it may name a file of at most this many bytes, which a
    server's clients cannot.
    """

    most: int


class EditOptions(Config):
    """The options of an edit: a field each, with its description, bounds and default. Fields have
    to be numbers, texts or tuples of texts, or be made of a text by a validator.
    """

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        taken = sorted(RESERVED & set(cls.model_fields))
        if taken:
            raise PluginError(
                say("an option of an edit cannot be called '{0}'", taken[0]), where=cls.__qualname__
            )


class Versions(EditOptions):
    """Of an edit that makes several items of one."""

    steps: int = Field(
        8,
        ge=1,
        le=MOST,
        description=N_("items per pair (interpolate) or per input (vary, infill, direction)"),
    )


class Examples(NamedTuple):
    """Training items of a run as the model takes them in, (N, *shape): of one class, and of all
    others.
    """

    inside: Tensor
    outside: Tensor


class Edit(ABC):
    """One kind of edit.

    Options      what may be asked for.
    needs        the ability of a family without which there is no such edit; None: none.
    damages      the damage that it undoes, for models which have learned some kinds only; (): such
                 models cannot.
    purpose      what it is for, after "the run cannot".
    title        what sheets of its results are called; "": as its kind.
    least        how many inputs it takes at least.
    conditioned  whether `run` needs the conditions of the items.
    """

    Options: ClassVar[type[EditOptions]] = EditOptions
    needs: ClassVar[type | None] = None
    damages: ClassVar[tuple[Damage, ...]] = ()
    purpose: ClassVar[str] = say("edit items")
    title: ClassVar[str] = ""
    least: ClassVar[int] = 1
    conditioned: ClassVar[bool] = False

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        """Whether this model can edit items of this codec so."""
        if self.needs is None:
            return True
        return isinstance(model, self.needs) and undoes(model, *self.damages)

    def studies(self, options: Any) -> str | None:
        """The class of which `run` has to see training items, by `taught`; None: of none."""
        return None

    def taught(self, examples: Examples) -> Edit:
        """This edit, with what it `studies`."""
        return self

    def memory(self, codec: Codec[Any], items: Sequence[Any], options: Any) -> int:
        """Bytes that `run` takes at most beside the model, where items may be large; else 0."""
        return 0

    @abstractmethod
    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Any],
        options: Any,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        """Native items made of K given ones; the same for the same seed. cond: condition -> (K,
        ...) where the edit is `conditioned`, else empty. Raises AbilityError, SpecError,
        RecipeError.
        """

    def results(self, inputs: int, options: Any) -> int:
        """How many items come out of so many."""
        return inputs * getattr(options, "steps", 1)

    def work(self, codec: Codec[Any], items: Sequence[Any], options: Any) -> int:
        """Tokens that are computed, for a server's limits; 0 where items are no tokens."""
        spec = codec.spec
        return self.results(len(items), options) * spec.length if isinstance(spec, Tokens) else 0


FillTemperature = Annotated[
    float,
    Field(
        ge=BOUNDS["temperature"].least,
        le=BOUNDS["temperature"].most,
        description=N_("infill: below 1 safer, above 1 wilder; 0: the likeliest each time"),
    ),
]


class Tempered(EditOptions):
    """Of an edit that has the option `temperature`, a FillTemperature."""

    @field_validator("temperature", check_fields=False)
    @classmethod
    def _fits(cls, value: float) -> float:
        if not BOUNDS["temperature"].fits(value):
            raise ValueError(say("{0} is out of range", "temperature"))
        return value


class FillGaps(Edit):
    """Parts of items made anew, as often as asked for; what a modality of dense data builds on."""

    class Options(Versions, Tempered):
        temperature: FillTemperature = 1.0

    needs = Infills
    damages = ("hole",)
    purpose = say("fill gaps")
    title = say_in("edit", "infill")
    conditioned = True


class Infill(FillGaps):
    """The gaps of texts filled, [[12]] or [[]]; see infill.fill."""

    conditioned = False

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        from castalia.codecs.protocols import Streams, middle_of

        return isinstance(codec, Streams) and (middle_of(codec) is not None or fills(model))

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Any],
        options: FillGaps.Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.sampling.infill import fill
        from castalia.sampling.vetting import until_fit

        how: dict[str, Any] = {"count": options.steps, "temperature": options.temperature}
        made: list[str] = []
        for text in items:
            made += until_fit(codec, partial(fill, model, codec, text, **how), seed)
        return made

    def work(self, codec: Codec[Any], items: Sequence[Any], options: FillGaps.Options) -> int:
        return options.steps * sum(len(codec.encode(item)) for item in items)


def fills(model: Family) -> bool:
    """Whether a model of tokens fills gaps from both sides."""
    # the one option on which a family's ability hangs
    return isinstance(model, Infills) and getattr(model.config, "order", "any") == "any"


# Which edits there are ----------------------------------------------------------------------------


# as in a modality's descriptor: these build on this file
GENERAL: Mapping[str, str] = {
    "interpolate": "castalia.sampling.latent_kinds:Interpolate",
    "vary": "castalia.sampling.latent_kinds:Vary",
    "mix": "castalia.sampling.latent_kinds:Mix",
    "style": "castalia.sampling.latent_kinds:Style",
    "direction": "castalia.sampling.latent_kinds:Direction",
    "invert": "castalia.sampling.latent_kinds:Invert",
    "infill": "castalia.sampling.edit:Infill",
}


def edits_of(codec: Codec[Any] | type[Codec[Any]]) -> dict[str, Edit]:
    """The edits of items of this codec by their kind: those of its modality, and those of any."""
    own = modality.of(codec)
    return {kind: make() for kind, make in (_general() | _own(own)).items()}


def edit_of(kind: str, codec: Codec[Any]) -> Edit:
    """Raises RecipeError where items of this codec have no such edit."""
    known = edits_of(codec)
    if kind not in known:
        raise RecipeError(
            say("there is no edit called '{0}'", kind[:40]),
            where="edit",
            fix=say("{0}one of: {1}", meant(kind[:40], known), ", ".join(known)),
        )
    return known[kind]


def every() -> Iterator[tuple[str, type[Edit]]]:
    """(kind, edit): those of any codec, then those of each modality."""
    yield from _general().items()
    for one in modality.every().values():
        yield from _own(one).items()


def kinds() -> list[str]:
    """The kinds of edits that some codec has."""
    return list(dict.fromkeys(kind for kind, _ in every()))


def option_names() -> list[str]:
    """The options that some edit has."""
    return list(dict.fromkeys(name for _, edit in every() for name in edit.Options.model_fields))


def _general() -> dict[str, type[Edit]]:
    return {kind: modality.load(target, kind) for kind, target in GENERAL.items()}


def _own(one: modality.Modality | None) -> dict[str, type[Edit]]:
    entries = {} if one is None else one.edits
    return {kind: modality.load(entry.target, kind) for kind, entry in entries.items()}


def several(field: FieldInfo) -> bool:
    """Whether an option may be given several times: a tuple of texts."""
    return field.annotation == tuple[str, ...]


# Options and manifests ----------------------------------------------------------------------------


def options_of(kind: str, edit: Edit, given: Mapping[str, Any]) -> EditOptions:
    """The options of an edit, checked. Raises RecipeError for one that it does not have, and for a
    value out of its bounds.
    """
    fields = edit.Options.model_fields
    other = [name for name in given if name not in fields]
    if other:
        raise RecipeError(
            say("the edit '{0}' has no option '{1}'", kind, other[0]),
            where=f"edit {kind}",
            fix=say("leave it out; the options are {0}", series(fields)),
        )
    try:
        return edit.Options(**given)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name, why = str(problem["loc"][0]), problem["msg"].removeprefix("Value error, ")
        raise RecipeError(
            say("the option {0} of the edit '{1}': {2}", name, kind, recognised(why)),
            where=f"{name}={str(given.get(name))[:40]}",
            fix=recognised(fields[name].description or ""),
        ) from error


def with_files(edit: Edit, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` options, names of files replaced by what the files hold where an option may be one.
    Raises DataError for a file that is too large or cannot be read.
    """
    from castalia.codecs.base import is_file

    full = dict(given)
    for name, field in edit.Options.model_fields.items():
        most = next((one.most for one in field.metadata if isinstance(one, FromFile)), None)
        value = full.get(name)
        if most is None or not isinstance(value, str | os.PathLike):
            continue
        if is_file(value):
            full[name] = _data_url(Path(value), most)
    return full


def _data_url(path: Path, most: int) -> str:
    with bounded.open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise DataError(say("the file is too large"), path.name, say("{0:,} bytes at most", most))
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def facts_of(
    kind: str, options: EditOptions, seed: int, cond: Mapping[str, str | int]
) -> dict[str, Any]:
    """The part of a manifest that says how an edit was made; `options_in` reads it back."""
    return {"edit": kind, "seed": seed, **options.model_dump(mode="json"), "cond": dict(cond)}


def options_in(manifest: Mapping[str, Any], options: type[EditOptions]) -> dict[str, Any]:
    """The options that a manifest names. One that the edit does not have did nothing when it was
    written; one that is missing was left at its default.
    """
    return {name: manifest[name] for name in options.model_fields if name in manifest}
