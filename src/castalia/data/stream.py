"""From files to batches: split, fit the codec, encode once into a cache, serve batches that are
functions of counters.

    dataset = prepare(DataConfig(source="photos/"), ImageCodec())
    batch = dataset.train.batch(counter=0, size=64, seed=0, augment=True)

Batch number `counter` is a slice of an endless stream of epochs, each a permutation drawn from
(seed, epoch), so nothing has to be saved to resume. Reading is in data/item_reader.py, files on
disk in data/cache.py, the data report in data/data_report.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from castalia import user_dirs
from castalia.codecs.base import Augmentation, Codec
from castalia.codecs.protocols import weighs
from castalia.data import answer_lengths, cache, split
from castalia.data.cache import Cache, Documents, Rows, list_caches, remove_cache
from castalia.data.conditions import CAPTION, LABEL, Column, Told, with_several_values
from castalia.data.data_report import describe, fingerprint
from castalia.data.item_reader import fair_order, read_items, readable
from castalia.data.shuffle import Epochs, nothing_there
from castalia.data.source import DataConfig, Source, open_source
from castalia.data.windows import Windows
from castalia.errors import DataError, RecipeError, SpecError, meant
from castalia.nn.counter_random import generator
from castalia.progress import tracked
from castalia.sentences import plural, say
from castalia.spec import Batch, Classes, Condition, Dense, Spec, Tokens

__all__ = [
    "LEAST_ITEMS",
    "Dataset",
    "Side",
    "Split",
    "list_caches",
    "prepare",
    "remove_cache",
    "to_unit",
]

LEAST_ITEMS = 8  # different items that training asks for


def to_unit(spec: Spec, stored: Tensor) -> Tensor:
    """Storage dtype -> what models see: float32 in `spec.unit` for Dense, int64 for Tokens. Same
    shape; a new tensor for integers.

    With L levels, 0 .. L - 1: "signed" x / ((L - 1) / 2) - 1, "binary" x / (L - 1). Floating point
    passes.
    """
    if isinstance(spec, Tokens):
        return stored.long()
    if stored.is_floating_point() or spec.levels is None:
        return stored.float()
    top = spec.levels - 1
    return (
        stored.float().div_(top / 2).sub_(1) if spec.unit == "signed" else stored.float().div_(top)
    )


def rows_of(spec: Spec, encoded: Sequence[Tensor]) -> Tensor:
    """What a codec encoded, one tensor an item, as a batch (B, ...) for a model; tokens are filled
    up with `begin` to the longest.

    Raises SpecError for a text longer than the context.
    """
    if isinstance(spec, Dense):
        return to_unit(spec, torch.stack(list(encoded)))
    longest = max(len(one) for one in encoded)
    if longest > spec.length + 1:
        raise SpecError(
            say("the item is longer than the context"),
            where=say(
                "{0} against {1}", plural("{0} token", "{0} tokens", longest - 1), spec.length
            ),
            fix=say("give a shorter one"),
        )
    return torch.nn.utils.rnn.pad_sequence(
        [to_unit(spec, one) for one in encoded], batch_first=True, padding_value=spec.begin
    )


class Split:
    """One side of the data. All methods are pure functions of their arguments; item order is by
    content, not by file name.
    """

    def __init__(
        self,
        spec: Spec,
        rows: Rows,
        index: Tensor,
        cond: dict[str, Tensor],
        captions: list[str | None] | None = None,
        augmentations: Sequence[tuple[str, Augmentation]] = (),
    ) -> None:
        """rows: the cache. index (n,) int64: the row of each item. cond: name -> (n,) classes, or
        (n, K, words) captions of which `batch` draws one and `take` has the first. captions: one
        per item.
        """
        self.spec = spec
        self.captions = captions
        self._rows = rows
        self._index = index
        self._cond = cond
        self._augmentations = tuple(augmentations)
        self._epochs = Epochs(len(index))
        # how to name an item in a message or on a page
        self.where: Callable[[int], str] = _numbered

    def __len__(self) -> int:
        return len(self._index)

    @property
    def rows_a_pass(self) -> int:
        """Rows of `batch` in which every item stands once."""
        return len(self)

    def batch(self, counter: int, size: int, seed: int, augment: bool = False) -> Batch:
        """Micro-batch number `counter` (from 0) of `size` items. `augment` applies the chosen
        augmentations, seeded by (seed, counter).
        """
        chosen = self._epochs.draw(counter * size, size, seed)
        stored = self.stored(chosen)
        if augment:
            for name, function in self._augmentations:
                stored = function(stored, generator("augment", name, seed, counter))
        return self._batch(stored, chosen, generator("caption", seed, counter))

    def take(self, indices: Tensor | Sequence[int]) -> Batch:
        """The items at `indices` in [0, len), without augmentation."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return self._batch(self.stored(chosen), chosen)

    def captions_of(self, name: str, indices: Tensor | Sequence[int]) -> Tensor:
        """(B, K, words) int64: all captions of the items at `indices` under the condition `name`,
        zeros where an item has fewer than K.
        """
        return self._cond[name][torch.as_tensor(indices, dtype=torch.int64)].long()

    def mixed(self, mine: Tensor, other: Split, theirs: Tensor) -> Split:
        """A side of the items `mine` of this one and `theirs` of another side of the same data
        (indices, int64), augmented as this one.
        """
        cond = {
            name: torch.cat([values[mine], other._cond[name][theirs]])
            for name, values in self._cond.items()
        }
        return Split(
            self.spec,
            self._rows,
            torch.cat([self._index[mine], other._index[theirs]]),
            cond,
            None,
            self._augmentations,
        )

    def once(self, size: int, seed: int) -> Iterator[Batch]:
        """Batches of about one epoch, without augmentation."""
        for counter in range(max(1, len(self) // size)):
            yield self.batch(counter, size, seed)

    def stored(self, indices: Tensor | Sequence[int]) -> Tensor:
        """The items at `indices` in the storage dtype, (n, ...)."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        if len(self) == 0:
            raise nothing_there()
        return self._rows.take(self._index[chosen])

    def _batch(self, stored: Tensor, chosen: Tensor, rng: torch.Generator | None = None) -> Batch:
        cond = {name: values[chosen] for name, values in self._cond.items()}
        return Batch(
            to_unit(self.spec, stored),
            cond={
                name: value if value.ndim == 1 else _one_caption(value, rng)
                for name, value in cond.items()
            },
        )


def _one_caption(captions: Tensor, rng: torch.Generator | None) -> Tensor:
    """(B, K, words) -> (B, words) int64: one of each item's own captions, which come first; without
    a generator the first.
    """
    rows = torch.arange(len(captions))
    if rng is None:
        return captions[:, 0].long()
    own = captions.any(-1).sum(1).clamp_min(1)
    chosen = (torch.rand(len(captions), generator=rng) * own).long()
    return captions[rows, chosen].long()


Side: TypeAlias = Split | Windows


class Dataset:
    """Encoded data, split: rows of Dense data, windows of Tokens. `report` is JSON: counts,
    duplicates, ignored endings, skipped files, classes, encodings, notes.
    """

    def __init__(
        self,
        codec: Codec[Any],
        conditions: dict[str, Condition],
        fingerprint: str,
        report: dict[str, Any],
        licence: str | None,
        train: Side,
        validation: Side,
        development: Side,
    ) -> None:
        self.codec = codec
        self.conditions = conditions
        self.fingerprint = fingerprint
        self.report = report
        self.licence = licence
        self.train = train
        self.validation = validation
        self.development = development

    @property
    def spec(self) -> Spec:
        return self.codec.spec

    def split(self, name: str) -> Side:
        """ "train", "validation" or "development"."""
        sides = {
            "train": self.train,
            "validation": self.validation,
            "development": self.development,
        }
        if name not in sides:
            raise DataError(
                say("there is no split called '{0}'", name),
                "split",
                say("use one of: {0}", ", ".join(sides)),
            )
        return sides[name]


def prepare(
    config: DataConfig,
    codec: Codec[Any],
    *,
    home: Path | None = None,
    fit: bool = True,
    extend: bool = False,
) -> Dataset:
    """Opens the source, splits it, fits the codec on the training side, encodes what is not cached
    yet.

    home      where caches live; None: $CASTALIA_HOME or ~/.cache/castalia.
    fit       False: the codec was restored from a run and stays as it is; then a few items are
              enough.
    extend    it was restored for a run that starts from another, and may learn what these data ask
              for beside (Codec.extend).

    Files are read once for their hash and, when there is no cache yet, once more to be decoded.
    Raises DataError for data that cannot be read (naming the file), too few items, or items that
    are all identical; RecipeError for an unknown augmentation.
    """
    augmentations = _augmentations(config, codec)
    source = open_source(config, codec)
    root = user_dirs.home(home)
    chosen = np.arange(len(source))
    if config.limit is not None:
        chosen = np.flatnonzero(split.limited(source.digest, config.limit))
    content = split.ranks(source.digest[chosen])
    _enough(content, config, source, codec, fit)
    held_out = split.validates(
        source.digest[chosen], source.group[chosen], source.groups, config.validation
    )
    if fit:
        training = fair_order(source, chosen[~held_out])
        key = cache.key(codec, source.digest[training], fitted=False)
        items = tracked(
            readable(source, training, codec, config.skip_bad),
            "learning what the data hold",
            len(training),
            "items",
        )
        cache.fitted(root, key, codec, lambda: codec.fit(items))
    elif extend:
        codec.extend(
            readable(source, fair_order(source, chosen[~held_out]), codec, config.skip_bad)
        )
    # one of each, file after file
    wanted = np.sort(chosen[np.unique(content, return_index=True)[1]])
    key = cache.key(codec, source.digest[wanted], fitted=True)
    encoded = cache.load(
        root, key, codec, lambda: read_items(source, wanted, codec), len(wanted), config
    )
    return _assemble(config, codec, source, chosen, held_out, encoded, augmentations, fit)


def _assemble(
    config: DataConfig,
    codec: Codec[Any],
    source: Source,
    chosen: np.ndarray,
    held_out: np.ndarray,
    encoded: Cache,
    augmentations: list[tuple[str, Augmentation]],
    fit: bool,
) -> Dataset:
    """Joins items and cache rows: drops unreadable items, keeps equal rows on one side, orders by
    content, describes it all.
    """
    both = split.ranks(np.concatenate([encoded.digest, source.digest[chosen]]))
    cached, content = both[: len(encoded.digest)], both[len(encoded.digest) :]
    first = np.full(int(both.max()) + 1, -1, dtype=np.int64)  # content -> its first row
    first[cached[::-1]] = np.arange(len(cached))[::-1]
    # content -> how many rows; 0 if it cannot be read
    rows_of = np.bincount(cached, minlength=len(first))
    readable_items = rows_of[content] > 0
    skipped = [*source.skipped]
    for item in chosen[~readable_items]:
        why = encoded.bad.get(source.digest[item].tobytes().hex(), say("it cannot be read"))
        if not config.skip_bad:
            raise DataError(
                why, source.where(item), say("remove the file, or set data.skip_bad=true")
            )
        skipped.append({"file": source.where(item), "why": why})
    kept = np.flatnonzero(readable_items)
    kept = kept[np.lexsort((*source.order(chosen[kept]), content[kept]))]
    _enough(content[kept], config, source, codec, fit)
    repeats = rows_of[content[kept]]
    entry = np.repeat(kept, repeats)  # one entry per row from here on
    within = np.arange(len(entry)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    row = first[content[entry]] + within
    twin = split.ranks(encoded.stored)[row]
    if fit and len(np.unique(twin)) == 1:
        raise _identical(len(entry), config)
    validation, dropped = _apart(
        held_out[entry],
        twin,
        source.digest[chosen[entry]],
        0 if source.groups else config.validation,
    )
    source.omitted.extend(encoded.omitted.listed())
    report = describe(source, chosen[kept], content[kept])
    if CAPTION in config.condition_names and isinstance(codec.spec, Tokens):
        raise RecipeError(
            say("a model of texts or notes cannot be told captions"),
            "data.conditions",
            say("leave caption out, or set data.conditional=false"),
        )
    learned = ~validation & ~dropped
    columns = _conditions_of(config, source, chosen[entry], encoded, row, report, learned)
    apart = split.validates(
        source.digest[chosen],
        source.group[chosen],
        source.groups,
        config.validation + config.development,
    )
    development = _beside(
        apart[entry] & ~validation,
        ~validation & ~dropped,
        twin,
        source,
        chosen[entry],
        config.development,
    )
    sides: list[Side] = []
    for mask, functions in (
        (~validation & ~development, augmentations),
        (validation, []),
        (development, []),
    ):
        mask = mask & ~dropped
        cond = {name: torch.from_numpy(known.value[mask]) for name, known in columns.items()}
        index = torch.from_numpy(row[mask])
        if isinstance(encoded.rows, Documents) and isinstance(codec.spec, Tokens):
            sides.append(
                Windows(
                    codec.spec, encoded.rows, index, cond, functions, config.segments, config.pack
                )
            )
        elif not isinstance(encoded.rows, Documents):
            captions = (
                None
                if source.captions is None
                else [next(iter(source.captions[item]), None) for item in chosen[entry[mask]]]
            )
            sides.append(Split(codec.spec, encoded.rows, index, cond, captions, functions))
        sides[-1].where = partial(_where, source, chosen[entry[mask]])
    weighted = [side for side in sides if isinstance(side, Windows)]
    if fit and weighs(codec) and isinstance(codec.spec, Tokens) and weighted:
        source.omitted.extend(answer_lengths.beyond(weighted, codec.spec.length, config.source))
        report["omitted"] = source.omitted.plain()
    if dropped.any():
        report["notes"].append(
            plural(
                "{0:,} item equals one of the other side once encoded and was left out",
                "{0:,} items equal one of the other side once encoded and were left out",
                int(dropped.sum()),
            )
        )
    report |= {
        "train": len(sides[0]),
        "validation": len(sides[1]),
        "development": len(sides[2]),
        "equal_once_encoded": int(dropped.sum()),
        "skipped": skipped,
        "encodings": encoded.encodings,
        "augmentations": [name for name, _ in augmentations],
        "shape": list(codec.spec.shape) if isinstance(codec.spec, Dense) else [codec.spec.length],
        "tokens": [side.tokens for side in sides if isinstance(side, Windows)] or None,
    }
    conditions: dict[str, Condition] = {
        name: known.words if isinstance(known, Told) else Classes(known.names)
        for name, known in columns.items()
    }
    identity = fingerprint(source, chosen[kept], captions=CAPTION in columns)
    return Dataset(codec, conditions, identity, report, source.licence, *sides)


def _conditions_of(
    config: DataConfig,
    source: Source,
    items: np.ndarray,
    encoded: Cache,
    row: np.ndarray,
    report: dict[str, Any],
    learned: np.ndarray,
) -> dict[str, Column | Told]:
    """The conditions of each entry (its item, its cached row), by name; without those that have
    only one value. Counts of all but classes and captions go into the report. learned (N,) bool:
    the entries whose captions decide which words the model knows.
    """
    columns: dict[str, Column] = {}
    for name in config.condition_names:
        if name == LABEL:
            columns[name] = Column(source.label, source.classes)[items]
        elif name in encoded.facts.values:
            columns[name] = with_several_values(
                name, encoded.facts.column(name, row), report["notes"]
            )
        elif name in source.columns:
            columns[name] = source.columns[name][items]
    columns = {name: known for name, known in columns.items() if known.names}
    if any(name != LABEL for name in columns):
        report["told"] = {name: known.counts() for name, known in columns.items() if name != LABEL}
    if CAPTION not in config.condition_names:
        return {**columns}
    captions = source.captions or [()] * len(source)
    told = Told.of([captions[item] for item in items], learned, config.caption_unit)
    if not told.words.vocabulary:
        raise DataError(
            say("no training item has a caption with a word in it"),
            config.named,
            say("write NAME.txt beside NAME.png, or set data.caption to a column of a table"),
        )
    silent = int((~told.value.any((1, 2))).sum())
    if silent:
        report["notes"].append(
            plural("{0} item has no caption", "{0} items have no caption", silent)
        )
    report["words"] = len(told.words)
    return {**columns, CAPTION: told}


def _numbered(number: int) -> str:
    return say("item {0}", number)


def _where(source: Source, items: np.ndarray, index: int) -> str:
    return source.where(int(items[index]))


def _apart(
    validation: np.ndarray, twin: np.ndarray, digest: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """(validation side, left out), both (N,) bool, so that no encoded row is on both sides.

    The same picture in two file formats has two content hashes and may fall on both sides. One of
    the twins decides, and those on the other side are left out: none is moved, so that a new file
    never moves an old one. The lowest second half of the hash (N, 16) decides, for the first half
    is the position in the split. If validation is empty now, the first entry and its twins go
    there.
    """
    order = np.lexsort((np.ascontiguousarray(digest[:, 8:]).view(">u8").ravel(), twin))
    _, first, group = np.unique(twin[order], return_index=True, return_inverse=True)
    decides = np.empty_like(validation)
    decides[order] = validation[order[first]][group]
    dropped = validation != decides
    if share > 0 and not (validation & ~dropped).any() and len(first) > 1:
        validation = twin == twin[0]
        dropped &= ~validation
    return validation, dropped


def _beside(
    development: np.ndarray,
    training: np.ndarray,
    twin: np.ndarray,
    source: Source,
    item: np.ndarray,
    share: float,
) -> np.ndarray:
    """The development side (N,) bool: with all twins of its items; where there are no groups, not
    empty while two training items differ.
    """
    if share == 0:
        return np.zeros_like(development)
    if (
        not source.groups
        and not (development & training).any()
        and len(np.unique(twin[training])) > 1
    ):
        position = np.ascontiguousarray(source.digest[item, :8]).view(">u8").ravel().astype(float)
        position[~training] = np.inf
        development = twin == twin[position.argmin()]
    return np.isin(twin, twin[development & training]) & training


def _enough(
    content: np.ndarray, config: DataConfig, source: Source, codec: Codec[Any], fit: bool
) -> None:
    """Raises DataError where there are too few items, with the reason that fits."""
    distinct = len(np.unique(content))
    if fit and len(content) > 1 and distinct == 1:
        raise _identical(len(content), config)
    if distinct >= (LEAST_ITEMS if fit else 1):
        return
    if config.limit is not None and len(source) > len(content):
        raise DataError(
            say("data.limit={0} leaves too few items", config.limit),
            config.named,
            say("raise it to {0} or more", LEAST_ITEMS),
        )
    copies = say(" ({0} with copies)", len(content)) if len(content) > distinct else ""
    fix = say(
        "add data: {0} different items are the least, some hundreds give results worth "
        "looking at{1}",
        LEAST_ITEMS,
        say("; {0}", codec.few) if codec.few else "",
    )
    raise DataError(say("too few items to learn from: {0}{1}", distinct, copies), config.named, fix)


def _identical(count: int, config: DataConfig) -> DataError:
    return DataError(
        say("all {0} items are identical", count),
        config.named,
        say("a model needs different items to learn from"),
    )


def _augmentations(config: DataConfig, codec: Codec[Any]) -> list[tuple[str, Augmentation]]:
    """By name, those of the recipe, else the codec's own. One that changes a fact that is a
    condition is refused, or left out of the codec's own.
    """
    known = codec.augmentations
    changed = {
        name: [fact for fact in facts if fact in config.condition_names]
        for name, facts in codec.disturbs.items()
    }
    names = config.augment
    if names is None:
        names = tuple(name for name in codec.default_augmentations if not changed.get(name))
    for name in names:
        if changed.get(name):
            raise RecipeError(
                say(
                    "the augmentation '{0}' changes what the model is told: {1}",
                    name,
                    ", ".join(changed[name]),
                ),
                "data.augment, data.conditions",
                say(
                    "leave '{0}' out of data.augment, or {1} out of data.conditions",
                    name,
                    changed[name][0],
                ),
            )
        if name not in known:
            fix = say("{0}known: {1}", meant(name, known), ", ".join(known) or "none")
            raise RecipeError(
                say("the codec '{0}' has no augmentation '{1}'", codec.name, name),
                "data.augment",
                fix,
            )
    return [(name, known[name]) for name in names]
