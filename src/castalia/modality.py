"""A modality: one kind of data, described so that the rest of Castalia needs to know nothing of it.

Each modality is one folder with a `MODALITY` in its `__init__.py`: built-in ones in
castalia/modalities/, those of other packages under the entry point group `castalia.modality`.
A descriptor names code as "module:attribute", so that looking at all of them imports none of it.

    modality.get("music").load("codec")     the class of the codec
    modality.part_of(codec, "verdict")      of the modality that a codec belongs to, or None

Protocols of what is loaded: castalia/codecs/base.py (codec), castalia/checks/item_scan.py (check),
castalia/governance/copy_matcher.py (matcher), castalia/pages/presenter.py (presenter),
castalia/governance/watermark/watermark.py (watermark), castalia/sampling/edit.py (edits),
castalia/evaluation/verdict.py (verdict).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from castalia.errors import PluginError
from castalia.language import more_catalogues
from castalia.sentences import say
from castalia.spec import Condition, Words

GROUP = "castalia.modality"


@dataclass(frozen=True)
class Named:
    """Code by name: "module:attribute", and one line about it."""

    target: str
    about: str


@dataclass(frozen=True)
class DataSet:
    """A small real data set in the folder `data` of a modality: one line, licence, attribution."""

    about: str
    licence: str


@dataclass(frozen=True)
class Foreign:
    """Files that people have and that are not read. name: a plural; remedy: what to do."""

    name: str
    endings: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Aloud:
    """What holds of models of such items that read texts letter by letter. consent: why their
    recipes must state one (data.consent). limits: sentences for their cards, sheets and reports.
    """

    consent: str
    limits: tuple[str, ...]


class Descriptor:
    """What modalities and apps (app.py) have in common: a folder, and code by name."""

    name: str
    package: str  # dotted name of the folder

    def load(self, part: str) -> Any:
        """The object that the field `part` names; None where it is empty."""
        target: str = getattr(self, part)
        return load(target, self.name) if target else None

    @property
    def folder(self) -> Traversable:
        """Where its recipes, data, templates and translations are."""
        return resources.files(self.package)


@dataclass(frozen=True)
class Modality(Descriptor):
    """Targets are "module:attribute"; "" where the modality has nothing of its own.

    package     dotted name of its folder, which holds `recipes/*.yaml` and `data/NAME/`.
    items       what its items are called, a plural ("pictures"); item: one of them ("picture").
    codec       the class of the codec, whose `name` is the modality's.
    codecs      further codecs, of items of another form: by name. A recipe chooses one; their
                attribute `modality` names this one.
    check       a Check: what is looked at before training.
    matcher     a Matcher: how copies are found; "": Euclidean distance of dense data, shared spans
                of tokens.
    verdict     scores to sentences; "": by the kind of tensor.
    presenter   a Presenter: how items are shown on pages.
    features    networks in which samples are compared: name to a FeatureNetwork.
    first       the recipe to begin with; base: the one whose data and codec sections `check` uses.
    metrics     metrics of its own, by name.
    titles      of the scores that these give: name to what pages call it.
    edits       Edits by their kind: its own, or in the place of interpolate, vary and infill, which
                any codec has.
    watermark   a MarksItems or a MarksSampling: marks in the content (governance/watermark/).
    label       a function of an item and a language: with its visible label, None without room.
    trials      how its edits are tried on held-out items: `Trials` in evaluation/edit_trials.py.
    constraints kinds of constraints of its own: the word before the colon to its parser.
    tables      what exports need to make items without Castalia: codec to {file name: bytes}.
    limits      sentences for the card of every model of such items: what holds for all of them.
    aloud       what holds of those that read texts letter by letter; None: nothing.
    data        built-in data sets: name to what they are; each a folder `data/NAME`.
    foreign     files of its kind that are not read.
    media       MIME types of endings that the standard library does not know.
    demo        what `castalia demo NAME` does: a function of a folder that gives back the page.
    contract    what tests of its metrics are shown: a MetricContract (testing/metrics.py).
    rank        the smaller, the earlier it is listed and asked.
    """

    name: str
    about: str
    package: str
    items: str
    codec: str
    first: str
    base: str
    item: str = ""
    check: str = ""
    matcher: str = ""
    verdict: str = ""
    presenter: str = ""
    demo: str = ""
    contract: str = ""
    tables: str = ""
    trials: str = ""
    watermark: str = ""
    label: str = ""
    codecs: Mapping[str, Named] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Named] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, Named] = field(default_factory=dict)
    constraints: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    aloud: Aloud | None = None
    data: Mapping[str, DataSet] = field(default_factory=dict)
    foreign: tuple[Foreign, ...] = ()
    media: Mapping[str, str] = field(default_factory=dict)
    rank: int = 100


def load(target: str, owner: str) -> Any:
    """The object called "module:attribute". Raises PluginError where there is none."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            say("'{0}' cannot be loaded: {1}", owner, error),
            where=target,
            fix=say("reinstall the package that provides it"),
        ) from error


def descriptors(package: str, attribute: str, group: str) -> dict[str, Any]:
    """Those called `attribute` in the folders of a package, and those of other packages under an
    entry point group: by name, in the order of their ranks. Raises PluginError for one that cannot
    be loaded.
    """
    from importlib.metadata import entry_points  # takes longer than all of this file

    builtin = importlib.import_module(package)
    targets = [
        f"{package}.{one.name}:{attribute}" for one in pkgutil.iter_modules(builtin.__path__)
    ]
    targets += [point.value for point in entry_points(group=group)]
    found = [load(target, target) for target in targets]
    return {one.name: one for one in sorted(found, key=lambda one: (one.rank, one.name))}


@cache
def every() -> Mapping[str, Modality]:
    """All modalities by name, in their order. Raises PluginError for one that cannot be loaded."""
    return descriptors("castalia.modalities", "MODALITY", GROUP)


def recipes() -> dict[str, Traversable]:
    """The shipped recipes by name ("image/vae"): `recipes/*.yaml` of each modality."""
    return {
        f"{one.name}/{file.name.removesuffix('.yaml')}": file
        for one in every().values()
        if (folder := one.folder / "recipes").is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    }


def names() -> list[str]:
    """Names of all modalities, in their order."""
    return list(every())


def get(name: str) -> Modality | None:
    """The modality called `name`; None where there is none."""
    return every().get(name)


def of(codec: Any) -> Modality | None:
    """The modality of a codec or of its class: the one of its name, else the one that its attribute
    `modality` names; None of a codec that has none.
    """
    return get(codec.name) or get(getattr(codec, "modality", ""))


def caveats(codec: Any, conditions: Mapping[str, Condition]) -> tuple[str, ...]:
    """What is said beside everything that a model of such items makes: `Aloud.limits` of one that
    reads texts letter by letter.
    """
    owner = of(codec)
    reads = any(isinstance(one, Words) and one.unit == "letter" for one in conditions.values())
    return owner.aloud.limits if reads and owner is not None and owner.aloud is not None else ()


def part_of(codec: Any, part: str) -> Any:
    """What the modality of a codec has for `part`; None where there is neither."""
    owner = of(codec)
    return None if owner is None else owner.load(part)


more_catalogues(lambda: [one.folder for one in every().values()])
