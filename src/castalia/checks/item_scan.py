"""The protocol of checks that a modality provides: `Check`, and `Look`, which reads each item once.

A modality names its Check in its descriptor (castalia/modality.py); `of` finds it for the name of
a codec. Every method has a default: a modality without a Check of its own, or a codec without a
modality, still has its items counted, and equal ones reported. The codec may be one of another
package that says which modality it belongs to, so its config may lack what the modality's own has.

    check = of("image")("image", given)
    plan, findings = check.prepare(plan, files)         what is to be read, and how
    look = check.begin(count, own, codec)
    look.add(number, item, path, where)                 for every item
    look.near(chosen), look.facts(items)
    check.findings(scan), check.personal(scan)          what is wrong
    check.needs(facts), check.advice(scan, judged)      whether it is enough, what to do next
    check.rows(facts, voice)                            facts for people
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from castalia import registry
from castalia.checks import messages
from castalia.checks.duplicates import EXAMPLES
from castalia.checks.messages import Sentence
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding, Personal, Table
from castalia.codecs.base import Codec
from castalia.data.inventory import Inventory
from castalia.data.source import DIGEST_BYTES, DataConfig, Source
from castalia.language import Voice, recognised
from castalia.omissions import Omission
from castalia.recipe import Part, Recipe
from castalia.sentences import Message, plural, say, series

QUANTILES = {"least": 0.0, "tenth": 0.1, "median": 0.5, "nine_tenths": 0.9, "most": 1.0}


class Need(NamedTuple):
    """How much data a recipe needs, in `unit`: below `least` it is too little, from `wants` on
    enough. source: where the two figures come from, a sentence.
    """

    recipe: str
    least: int
    wants: int
    unit: str
    source: str


class Advice(NamedTuple):
    """The recipe to begin with, why (a sentence), and options of its command: key to value as it is
    typed.
    """

    recipe: str
    why: str
    options: Mapping[str, str] = {}


@dataclass(frozen=True)
class Plan:
    """What is read and how: the sections `data` and `codec` of a recipe."""

    data: DataConfig
    codec: Part

    def make_codec(self) -> Codec[Any]:
        made: Codec[Any] = registry.resolve("codec", self.codec.name)(self.codec.config)
        return made


class Look(ABC):
    """content (N, 16) uint8: hash of the content of an item, whatever its file format; readable
    (N,) bool: whether it was added.

    The first `own` of the N items are the data; the others are what they are compared with.
    """

    def __init__(self, count: int, own: int) -> None:
        self._own = own
        self.content = np.zeros((count, DIGEST_BYTES), np.uint8)
        self.readable = np.zeros(count, bool)

    @abstractmethod
    def add(self, number: int, item: Any, path: Path, where: str) -> None:
        """Item `number`, from the file `path`, called `where` in messages."""

    def near(self, chosen: np.ndarray) -> Near:
        """Pairs of `chosen` (n,) item numbers, all different in content, that are nearly the same.
        Default: none are looked for.
        """
        return Near(np.zeros((0, 2), np.int64), np.zeros(0))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        """JSON about the items `own` (n,). Default: nothing beside their number."""
        return {}

    def settle(self, number: int, digest: bytes) -> None:
        self.content[number] = np.frombuffer(digest[:DIGEST_BYTES], np.uint8)
        self.readable[number] = True


class ItemLook(Look):
    """Items of any kind: which are equal."""

    def add(self, number: int, item: Any, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(_content(item, where)).digest())


@dataclass
class Scan:
    """The data after each item was looked at once.

    plan      how they were read.
    source    their files.
    look      what was seen.
    items     (n,) int64, the numbers of those that could be read.
    facts     JSON; `Check.findings` may add to it.
    distinct  how many have different contents.
    near      how many of these are near copies of others.
    classes   items of each class.
    codes     of the findings so far.
    """

    plan: Plan
    source: Source
    look: Any
    items: np.ndarray
    facts: dict[str, Any]
    distinct: int
    near: int
    classes: dict[str, int]
    codes: set[str]

    @property
    def alone(self) -> np.ndarray:
        """(distinct,) int64: one item of each content."""
        return self.items[np.unique(self.look.content[self.items], axis=0, return_index=True)[1]]


class Check:
    """How the data of a modality are checked. One object for each check; `self.tables` are the
    tables among the data, `near` the distance up to which two items are nearly the same.

    unit         what `needs` counts, an English plural.
    lists_items  whether manifests list the items of files that hold a single one, too.
    sentences    findings of its own, by code.
    nouns        names that findings count: how many to what they are called.
    measured     what recipes need; like: recipes that need as much as one of these.
    """

    look: ClassVar[type[Look]] = ItemLook
    near: float | None = None
    unit: ClassVar[str] = "items"
    lists_items: ClassVar[bool] = False
    sentences: ClassVar[Mapping[str, Sentence]] = {}
    nouns: ClassVar[Mapping[str, Callable[[int], str]]] = {}
    measured: ClassVar[tuple[Need, ...]] = ()
    like: ClassVar[Mapping[str, str]] = {}

    def __init__(self, codec: str, given: Mapping[str, Any]) -> None:
        """codec: its name. given: the settings that were asked for, by key."""
        self.codec, self.given = codec, given
        self.tables: list[Table] = []

    def prepare(self, plan: Plan, files: Inventory) -> tuple[Plan, list[Finding]]:
        """Before anything is read: the plan as it is carried out, and what the files show."""
        return plan, []

    def reader(self, codec: Codec[Any]) -> Codec[Any]:
        """The codec that items are read with: one that skips what the look does not need."""
        return codec

    def begin(self, count: int, own: int, codec: Codec[Any]) -> Look:
        """A look at `count` items, the first `own` of them the data."""
        return self.look(count, own)

    def findings(self, scan: Scan) -> Iterator[Finding]:
        """What is wrong or good to know beside what every check finds."""
        yield from ()

    def personal(self, scan: Scan) -> dict[str, Personal]:
        """Likely personal data by kind; the kinds are among `nouns`."""
        return {}

    def amount(self, scan: Scan) -> int:
        """How much there is, in `unit`, copies not counted."""
        return scan.distinct - scan.near

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        """The training to begin with; None where there is none or it would stop."""
        recipe = registry.first_recipe(self.codec)
        if not recipe or scan.codes & {"identical", "few"}:
            return None
        return Advice(recipe, say("the recipe to begin with for data that this codec reads"))

    @classmethod
    def cautions(cls, plan: Recipe, report: Mapping[str, Any]) -> Iterator[str]:
        """What is against training a recipe on data with this report (data/data_report.py), beside
        their amount: sentences. Default: nothing is known.
        """
        yield from ()

    @classmethod
    def needs(cls, facts: Mapping[str, Any]) -> tuple[Need, ...]:
        """What recipes need of data with these facts. Default: what was measured."""
        return cls.measured

    @classmethod
    def least(cls, recipe: str) -> str:
        """From how much data on a recipe makes sense, in words; "" where nothing is known."""
        named = cls.like.get(recipe, recipe)
        need = next((need for need in cls.measured if need.recipe == named), None)
        return "" if need is None else cls.counted(need.least)

    @classmethod
    def counted(cls, count: int) -> Message:
        """So many of `unit`: "1,204 pictures"."""
        return plural("{0:,} item", "{0:,} items", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        """(name, value) of the facts of a look, for people, in the language of `voice`."""
        return []

    @classmethod
    def finding(cls, code: str, examples: Sequence[str] = (), **values: Any) -> Finding:
        """One of `sentences`, or of those that every check has (checks/messages.py)."""
        sentence = cls.sentences.get(code) or messages.FINDINGS[code]
        return Finding(
            code=code,
            level=sentence.level,
            words=messages.filled(sentence, "en", values, [cls]),
            values=values,
            examples=list(examples)[:EXAMPLES],
        )

    @classmethod
    def left_out(cls, omissions: Iterable[Omission]) -> Iterator[Finding]:
        """Findings of what is left out, each with what to do about it."""
        for one in omissions:
            yield cls.finding(
                "omitted",
                [one.example] if one.example else [],
                count=one.count,
                what=one.what,
                remedy=one.remedy,
            )


def of(codec: str | None) -> type[Check]:
    """The Check of the modality that the codec of this name belongs to, else the one for items of
    any kind.
    """
    owner = registry.modality_of(codec)
    loaded: type[Check] | None = owner.load("check") if owner else None
    return loaded or Check


def spread(values: np.ndarray) -> dict[str, float] | None:
    """Five quantiles of (n,) numbers; None when there are none."""
    if not len(values):
        return None
    quantiles = np.quantile(values, list(QUANTILES.values()), method="nearest")
    return {name: value.item() for name, value in zip(QUANTILES, quantiles, strict=True)}


def five(spread: Mapping[str, float] | None, voice: Voice) -> str:
    """What `spread` gave, for `rows`: "3 · 4 · 7 · 12 · 20  (least · 10% ...)"."""
    numbers = "" if spread is None else " · ".join(f"{value:,}" for value in spread.values())
    return f"{numbers}  ({messages.label('five', voice.language)})"


def counts(numbers: Mapping[str, int], voice: Voice) -> str:
    """ "PNG RGB (74), JPEG RGB (28)"."""
    named = [(recognised(name), count) for name, count in list(numbers.items())[:8]]
    return voice(series(say("{0} ({1:,})", name, count) for name, count in named))


def _content(item: Any, where: str) -> bytes:
    """Bytes that two items have in common only where they are equal: of values, arrays, collections
    and dataclasses. An item of another class equals none, `where` being its own.
    """
    match item:
        case str() | bytes() | int() | float() | complex() | None:
            parts = [repr(item).encode()]
        case dict():
            parts = [_content(part, where) for pair in item.items() for part in pair]
        case list() | tuple():
            parts = [_content(part, where) for part in item]
        case set() | frozenset():
            parts = sorted(_content(part, where) for part in item)
        case _ if is_dataclass(item) and not isinstance(item, type):
            parts = [_content(getattr(item, one.name), where) for one in fields(item)]
        case _:
            array = np.asarray(item)
            parts = (
                [where.encode()]
                if array.dtype == object
                else [f"{array.dtype} {array.shape}".encode(), array.tobytes()]
            )
    head = f"{type(item).__qualname__} {[len(part) for part in parts]} "
    return head.encode() + b"".join(parts)
