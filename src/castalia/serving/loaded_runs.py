"""The table of runs that a server has loaded, by name, and what each can do.

A name that comes in is looked up in this table and never becomes a path. Runs that bring code of
their own are not opened.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from castalia import bounded, modality, registry
from castalia.abilities import (
    Decodes,
    Describes,
    Encodes,
    Generates,
    Infills,
    Matches,
    Predicts,
    SampleOptions,
    Samples,
    Scores,
    undoes,
)
from castalia.captions import Caption
from castalia.codecs.base import Codec
from castalia.codecs.protocols import Chats, Continues, Foretells, Streams, chats
from castalia.data.stream import rows_of
from castalia.errors import AbilityError, DataError, MissingExtra, PluginError, RecipeError
from castalia.families.base import Family
from castalia.governance.policy import Policy
from castalia.governance.release_gate import Gate
from castalia.language import say
from castalia.run import Run
from castalia.sampling.edit import Edit, edit_of, edits_of
from castalia.sampling.generate import caption_name, conditions_of_items, request_of
from castalia.serving.batching import CallLane, DenseLane, TextLane
from castalia.serving.engine import Lane
from castalia.serving.error_bodies import FULL
from castalia.serving.http_errors import Invalid, NotFound
from castalia.serving.packed_linear import pack
from castalia.spec import Classes, Dense, Spec, Tokens, Words

# Feature -> (what a user asks for, the ability that it takes, how a run shows that it has it)
FEATURES: dict[str, tuple[str, type, Callable[[Hosted], bool]]] = {
    "completions": (
        say("continue texts"),
        Decodes,
        lambda one: one.writes and isinstance(one.family, Decodes),
    ),
    "chat": (
        say("hold a conversation"),
        Decodes,
        lambda one: one.writes and isinstance(one.family, Decodes) and chats(one.codec),
    ),
    "images": (
        say("draw pictures"),
        Samples,
        lambda one: one.draws and isinstance(one.family, Samples),
    ),
    "image_edits": (
        say("fill parts of pictures"),
        Infills,
        lambda one: one.draws and isinstance(one.family, Infills) and undoes(one.family, "hole"),
    ),
    "image_variations": (
        say("make variants of pictures"),
        Generates,
        lambda one: one.draws and "vary" in one.edits,
    ),
    "speech": (
        say("say texts aloud"),
        Samples,
        lambda one: one.speaks and isinstance(one.family, Samples),
    ),
    "embeddings": (
        say("turn items into vectors"),
        Encodes,
        lambda one: isinstance(one.family, Encodes | Matches),
    ),
    "describe": (
        say("describe items"),
        Describes,
        lambda one: isinstance(one.family, Describes),
    ),
    "generate": (
        say("make new items"),
        Samples,
        lambda one: isinstance(one.family, Samples | Decodes),
    ),
    "predict": (
        say("predict parts of items"),
        Predicts,
        lambda one: isinstance(one.family, Predicts) and isinstance(one.codec, Foretells),
    ),
    "forecast": (
        say("forecast"),
        Decodes,
        lambda one: isinstance(one.family, Decodes) and isinstance(one.codec, Continues),
    ),
    "score": (say("say how likely items are"), Scores, lambda one: isinstance(one.family, Scores)),
}
EXTRAS = {"effnet": "efficientnet_lite_pytorch", "parquet": "pyarrow", "chinese": "pypinyin"}


class Hosted:
    """One loaded run."""

    def __init__(
        self, name: str, run: Run, *, policy: Policy | None = None, ledger: Path | None = None
    ) -> None:
        if run.about.get("plugins"):
            raise PluginError(
                say("the run '{0}' brings Python code of its own, and a server runs none", run.id),
                where=", ".join(run.about["plugins"]),
                fix=say("serve a run of a built-in family and codec"),
            )
        self.name, self.run = name, run
        self.gate = Gate(run, policy=policy, ledger=ledger, app="server")
        self.family: Family = self.gate.model().requires_grad_(False)
        self.codec: Codec[Any] = run.codec
        self.spec: Spec = run.spec
        self.reads = bounded.current()  # what a file that comes in may be; the server sets its own
        self.created = int((run.folder / "run.json").stat().st_mtime)

    @cached_property
    def media_type(self) -> str:
        return self.media_type_of(self.codec.suffix)

    def media_type_of(self, suffix: str | None) -> str:
        """Of files with another of the codec's endings."""
        suffix = suffix or self.codec.suffix
        described = modality.of(self.codec)
        return (
            (described.media.get(suffix) if described else None)
            or mimetypes.guess_type(f"item{suffix}")[0]
            or "application/octet-stream"
        )

    @property
    def writes(self) -> bool:
        """Whether its items are texts."""
        return isinstance(self.spec, Tokens) and isinstance(self.codec, Streams)

    @property
    def draws(self) -> bool:
        """Whether its items are pictures."""
        return isinstance(self.spec, Dense) and self.media_type.startswith("image/")

    @property
    def speaks(self) -> bool:
        """Whether its items are sounds, and it reads texts letter by letter."""
        kind = self.family.conditions.get(self.caption or "")
        return (
            isinstance(kind, Words)
            and kind.unit == "letter"
            and self.media_type.startswith("audio/")
        )

    @cached_property
    def renders(self) -> bool:
        """Whether conversations pass a template of somebody else's, which may take its time."""
        return isinstance(self.codec, Chats) and self.codec.renders

    @cached_property
    def edits(self) -> dict[str, Edit]:
        """The edits that the run can do, by their kind."""
        known = edits_of(self.codec)
        return {kind: one for kind, one in known.items() if one.possible(self.family, self.codec)}

    @cached_property
    def features(self) -> tuple[str, ...]:
        return (*(name for name, (_, _, has) in FEATURES.items() if has(self)), *self.edits)

    def purpose(self, feature: str) -> str:
        """What a feature of this run is for, after "can"."""
        return FEATURES[feature][0] if feature in FEATURES else self.edits[feature].purpose

    @cached_property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Names of the classes of each condition."""
        return {
            name: kind.names
            for name, kind in self.family.conditions.items()
            if isinstance(kind, Classes)
        }

    @cached_property
    def caption(self) -> str | None:
        """The condition that is a text; None where the run is told none."""
        return caption_name(self.family.conditions)

    def read_of(self, prompt: str) -> str | None:
        """A prompt in the words or letters that the model knows; None where it is told no text."""
        kind = self.family.conditions.get(self.caption or "")
        if not isinstance(kind, Words):
            return None
        between = "" if kind.unit == "letter" else " "
        known = (kind.vocabulary[one - 1] for one in Caption(kind).numbers(prompt) if one)
        return between.join(known).strip()

    @property
    def options(self) -> SampleOptions:
        """Of the run's recipe."""
        return request_of(self.run).options

    def lanes(self) -> dict[str, Lane]:
        """What the engine computes for this run."""
        lanes: dict[str, Lane] = {f"{self.name}/call": CallLane(f"{self.name}/call")}
        if isinstance(self.spec, Tokens) and isinstance(self.family, Decodes):
            pack(self.family)
            lanes[f"{self.name}/write"] = TextLane(f"{self.name}/write", self.family, self.spec)
        elif isinstance(self.spec, Dense) and isinstance(self.family, Samples):
            lanes[f"{self.name}/draw"] = DenseLane(f"{self.name}/draw", self.family)
        return lanes

    def about(self) -> dict[str, Any]:
        """What there is to know before asking for anything."""
        spec = self.spec
        shape: dict[str, Any] = (
            {"context": spec.length, "vocab": spec.vocab}
            if isinstance(spec, Tokens)
            else {"shape": list(spec.shape)}
        )
        return {
            "name": self.name,
            "recipe": self.run.recipe.title,
            "family": self.family.name,
            "codec": self.codec.name,
            "media_type": self.media_type,
            **shape,
            "can": list(self.features),
            "conditions": {name: list(names) for name, names in self.classes.items()},
            "told": [] if self.caption is None else [self.caption],
            "model": self.gate.origin.model,
            "licence": self.gate.origin.licence,
        }

    # Items that come in

    def item(self, content: bytes) -> Any:
        """The one native item that a file's bytes hold. Raises DataError."""
        items = self.items(content, 2)
        if len(items) != 1:
            raise DataError(
                say("one file holds one item here"),
                where=say("{0} found", len(items)),
                fix=say("send them one by one"),
            )
        return items[0]

    def items(self, content: bytes, most: int) -> list[Any]:
        """The first `most` native items that a file's bytes hold. Raises DataError."""
        with TemporaryDirectory() as folder:
            # a name of ours, whatever the client called it
            path = Path(folder) / f"item{self.codec.suffix}"
            path.write_bytes(content)
            try:
                with bounded.using(self.reads):
                    return [
                        item for item, _ in zip(self.codec.read(path), range(most), strict=False)
                    ]
            except OSError as error:
                if error.errno in FULL:
                    raise
                raise DataError(
                    say("the item cannot be read"),
                    fix=say("send a file like those that the run makes ({0})", self.codec.suffix),
                ) from error

    def tensor(self, items: Sequence[Any]) -> Tensor:
        """(B, *shape) as the model sees them."""
        return rows_of(self.spec, [self.codec.encode(item) for item in items])

    def known(self, cond: Mapping[str, str | int], items: Sequence[Any]) -> dict[str, Tensor]:
        """Conditions of items that came in: as given, else what the codec knows of each, else
        "unknown".
        """
        return conditions_of_items(
            self.family.conditions, cond, [self.codec.facts(item) for item in items]
        )


class Table:
    """The runs by name."""

    def __init__(self, hosted: Sequence[Hosted]) -> None:
        self.runs = {one.name: one for one in hosted}

    def __getitem__(self, name: str) -> Hosted:
        if name not in self.runs:
            raise NotFound(
                say("there is no run of this name here"),
                where=repr(name[:80]),
                fix=say("one of: {0}", ", ".join(self.runs)),
            )
        return self.runs[name]

    def able(self, name: str, feature: str) -> Hosted:
        """The run, if it can do this. Raises NotFound, or AbilityError that names the runs which
        can.
        """
        purpose, ability, _ = FEATURES[feature]
        return self._able(name, feature, purpose, ability)

    def editing(self, name: str, kind: str) -> tuple[Hosted, Edit]:
        """The run and the edit, if it can do this. Raises as `able`, and RecipeError for a kind
        that items of this run do not have.
        """
        edit = edit_of(kind, self[name].codec)
        return self._able(name, kind, edit.purpose, edit.needs), edit

    def _able(self, name: str, feature: str, purpose: str, ability: type | None) -> Hosted:
        one = self[name]
        if feature in one.features:
            return one
        here = [other.name for other in self.runs.values() if feature in other.features]
        needed = "" if ability is None else ability.__name__.lower()
        families = ", ".join(registry.families_that(needed)) or say("none yet")
        raise AbilityError(
            say("the run '{0}' cannot {1}", name, purpose),
            where=say("family {0}, codec {1}", one.family.name, one.codec.name),
            fix=say("here these can: {0}", ", ".join(here))
            if here
            else say(
                "no run here can; families with the ability '{0}': {1}",
                registry.named_abilities([needed]),
                families,
            ),
        )


def open_runs(
    names: Sequence[str], *, policy: Policy | None = None, ledger: Path | None = None
) -> Table:
    """Load the runs called [NAME=]RUN. Raises the errors of Run.open, and RecipeError for two of
    the same name.
    """
    hosted: dict[str, Hosted] = {}
    for given in names:
        alias, sign, place = given.partition("=")
        run = Run.open(place if sign else given)
        name = alias if sign else run.id
        if (
            not name
            or name in hosted
            or any(not character.isprintable() or character == "/" for character in name)
        ):
            what = (
                say("two runs would have the same name")
                if name in hosted
                else say("this cannot be the name of a run")
            )
            raise RecipeError(
                what,
                where=repr(name),
                fix=say("give it one: castalia serve NAME={0}", place if sign else given),
            )
        try:
            hosted[name] = Hosted(name, run, policy=policy, ledger=ledger)
        except ModuleNotFoundError as error:
            extra = next((extra for extra, module in EXTRAS.items() if module == error.name), None)
            if extra is None:
                raise
            raise MissingExtra(str(error.name), extra, where=f"run {name}") from error
    return Table(list(hosted.values()))


def from_base64(text: str, param: str) -> bytes:
    """The bytes of a data URI, or of plain base64. Raises Invalid."""
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise Invalid(say("a data URI must be in base64"), param, "data:image/png;base64,...")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            say("this is not base64"),
            param,
            say("send the bytes of a file as base64 or as a data URI"),
        ) from error
