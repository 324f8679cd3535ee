"""Conditions of items: the class, the caption, columns of a table and facts that the codec knows.
Captions are `Words`, all else `Classes`, each under its own name.

`data.conditions` names them: `label` is the class (sub-folder, `data.label`, label file), `caption`
the text that belongs to the item, a name of `Codec.fact_names` is a fact of the item, any other
name is a column of the metadata table. Not
here: finding tables (metadata.py), and how models take conditions in (nn/condition_embedding.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from castalia.captions import Caption, Unit, known_words
from castalia.codecs.base import Codec
from castalia.errors import DataError, RecipeError, meant
from castalia.sentences import plural, say
from castalia.spec import Words

LABEL = "label"
CAPTION = "caption"


@dataclass(frozen=True)
class Column:
    """value (N,) int64 into `names`; len(names) where an item has none."""

    value: np.ndarray
    names: tuple[str, ...]

    def __getitem__(self, items: np.ndarray) -> Column:
        return Column(self.value[items], self.names)

    def name(self, item: int) -> str:
        """The value of one item; "" where it has none."""
        return self.names[self.value[item]] if self.value[item] < len(self.names) else ""

    def counts(self) -> dict[str, int]:
        counts = Counter(self.value.tolist())
        return {name: counts.get(number, 0) for number, name in enumerate(self.names)}


@dataclass(frozen=True)
class Told:
    """Captions of N items, K each at most. value (N, K, words.length) int32: numbers of words, 0
    behind the last; an item's own captions come first.
    """

    value: np.ndarray
    words: Words

    @classmethod
    def of(
        cls,
        captions: Sequence[Sequence[str]],
        known: Sequence[bool] | np.ndarray,
        unit: Unit = "word",
    ) -> Told:
        """All captions of each item, in the words or letters of those that are `known`: of training
        items.
        """
        words = known_words(
            (
                text
                for texts, taught in zip(captions, known, strict=True)
                if taught
                for text in texts
            ),
            unit,
        )
        caption = Caption(words)
        most = max([1, *map(len, captions)])
        value = np.zeros((len(captions), most, words.length), dtype=np.int32)
        numbers = {text: caption.numbers(text) for texts in captions for text in texts}
        for place, texts in enumerate(captions):
            # a held-out caption of unknown words alone says nothing
            rows = [numbers[text] for text in texts if any(numbers[text])]
            for column, row in enumerate(rows):
                value[place, column] = row
        return cls(value, words)


def from_table(wanted: Sequence[str], codec: Codec[Any]) -> list[str]:
    """Of the wanted conditions, those that only a metadata table can give."""
    own = (LABEL, CAPTION, *codec.fact_names)
    return [name for name in wanted if name not in own]


def unknown_condition(name: str, codec: Codec[Any], columns: Sequence[str]) -> RecipeError:
    known = [LABEL, CAPTION, *codec.fact_names, *columns]
    more = (
        ""
        if columns
        else say(
            ", and the columns of a metadata table (metadata.csv), of which there is none here"
        )
    )
    return RecipeError(
        say("no item has a '{0}' to tell the model", name),
        "data.conditions",
        say("{0}known: {1}{2}", meant(name, known), ", ".join(known), more),
    )


def column(key: str, values: Sequence[str | None], name: str = "") -> Column:
    """A named column as classes; name: the table's name for it, where a column with too many values
    is an error. One value is none.
    """
    distinct = {value for value in values if value is not None}
    if name and len(distinct) > max(1, len(values) // 2):
        raise DataError(
            say(
                "the column '{0}' has {1} for {2}",
                name,
                plural("{0} different value", "{0} different values", len(distinct)),
                plural("{0} item", "{0} items", len(values)),
            ),
            key,
            say("choose a column with few values, or leave {0} out", key),
        )
    return encoded(values, tuple(sorted(distinct, key=natural_key)))


def with_several_values(name: str, known: Column, notes: list[str]) -> Column:
    """The column if it has two or more values, else a column without names, with a note
    about it.
    """
    if len(known.names) >= 2:
        return known
    what = say("class") if name == LABEL else say("value of '{0}'", name)
    if known.names or name != LABEL:
        only = (
            say("only one {0} ('{1}')", what, known.names[0])
            if known.names
            else say("no item has a {0}", what)
        )
        notes.append(say("{0}, so the model is not told it", only))
    return Column(np.zeros(len(known.value), dtype=np.int64), ())


def encoded(values: Sequence[str | None], names: tuple[str, ...]) -> Column:
    place = {name: number for number, name in enumerate(names)}
    return Column(
        np.array(
            [len(names) if value is None else place[value] for value in values], dtype=np.int64
        ),
        names,
    )


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """ "2" before "10"."""
    return [
        (0, int(part)) if part.isdecimal() else (1, part.casefold())
        for part in re.split(r"(\d+)", name)
        if part
    ] + [(2, name)]


@dataclass(frozen=True)
class Facts:
    """What the codec knows of R cached rows. codes (R, F) int32 into `values[name]`, one column for
    each of its F names; -1: unknown.
    """

    values: dict[str, tuple[str, ...]]
    codes: np.ndarray

    def column(self, name: str, rows: np.ndarray) -> Column:
        """Of the rows (N,), with names in natural_key order."""
        own = self.values[name]
        codes = self.codes[rows, list(self.values).index(name)]
        return column(
            "data.conditions", [None if code < 0 else own[code] for code in codes.tolist()]
        )


class FactCollector:
    """Collects the codec's facts of items, one after another."""

    def __init__(self, codec: Codec[Any]) -> None:
        self._codec = codec
        self._values: dict[str, dict[str, int]] = {name: {} for name in codec.fact_names}
        self._codes: list[list[int]] = []

    def add(self, item: Any) -> None:
        if self._values:
            facts: Mapping[str, str] = self._codec.facts(item)
            self._codes.append(
                [
                    values.setdefault(facts[name], len(values)) if name in facts else -1
                    for name, values in self._values.items()
                ]
            )

    def facts(self) -> Facts:
        values = {name: tuple(values) for name, values in self._values.items()}
        return Facts(
            values, np.array(self._codes, dtype=np.int32).reshape(len(self._codes), len(values))
        )
