"""`castalia.describe`: captions of items. `castalia.find`: the items that a text describes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from castalia.data.file_discovery import given_files
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.descriptions import Said, agreements, captions_of
from castalia.sentences import say


@dataclass(frozen=True)
class Description:
    """What was said of one item, the best first. source: the file that it came from."""

    source: str
    captions: tuple[Said, ...]


@dataclass(frozen=True)
class Found:
    """An item, and how well the text agrees with it, -1 to 1. source: the file that it came from;
    place: which of its items.
    """

    source: str
    place: int
    agreement: float


def describe(
    run: str | os.PathLike[str] | Run,
    inputs: Sequence[str | os.PathLike[str]],
    *,
    n: int = 1,
    language: str | None = None,
    temperature: float | None = None,
    seed: int = 0,
    model: Family | None = None,
    progress: bool | None = None,
) -> list[Description]:
    """Captions of every item in the inputs, from a run of a family that describes; options as for
    `captions_of` (sampling/descriptions.py).

    >>> castalia.describe(run, ["cat.png"], language="en")[0].captions[0].text
    'grinning cat'
    """
    run = run if isinstance(run, Run) else Run.open(run)
    family = run.model() if model is None else model
    sources, items = _items(run, inputs)
    with shown(progress):
        said = captions_of(
            family,
            run.codec,
            items,
            n=n,
            language=language,
            temperature=temperature,
            seed=seed,
        )
    return [Description(source, tuple(one)) for source, one in zip(sources, said, strict=True)]


def find(
    run: str | os.PathLike[str] | Run,
    text: str,
    inputs: Sequence[str | os.PathLike[str]],
    *,
    top: int = 10,
    model: Family | None = None,
    progress: bool | None = None,
) -> list[Found]:
    """The `top` items of the inputs that agree best with a text, the best first. Raises RecipeError
    where the model knows none of its words, AbilityError for a run that does not match.

    >>> castalia.find(run, "red apple", ["pictures/"], top=3)[0].source
    'pictures/1f34e.png'
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if top < 1:
        raise RecipeError(say("at least one item is looked for"), where=f"top={top}")
    family = run.model() if model is None else model
    sources, items = _items(run, inputs)
    with shown(progress):
        scores = agreements(family, run.codec, items, text)
    order = scores.argsort(descending=True, stable=True)[:top].tolist()
    return [
        Found(sources[row], sources[:row].count(sources[row]), float(scores[row])) for row in order
    ]


def _items(run: Run, inputs: Sequence[str | os.PathLike[str]]) -> tuple[list[str], list[Any]]:
    """Every item of the inputs (files, folders, patterns), and the file that it came from."""
    files = given_files([os.fspath(one) for one in inputs], run.codec)
    pairs = [(one, item) for one in files for item in run.codec.given(one)]
    return [source for source, _ in pairs], [item for _, item in pairs]
