"""Look at data before anything is trained on them: what is there, what is wrong, what stands twice,
whether it is enough, what to do next.

    checked = check("photos/", against=["test/"])
    checked.document.verdict, checked.document.to_json(), checked.manifest

Every file is listed (data/inventory.py), read as training would read it (data/source.py, the codec)
and looked at once (looks.py and its leaves), in bounded memory. Twins are found in parts.py, the
words are in words.py, the page in page.py. Nothing is changed, nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from castalia import notebook, registry
from castalia.checks.duplicates import EXAMPLES, Pool, Twins
from castalia.checks.item_scan import Look
from castalia.checks.report_builder import Draft, short_name
from castalia.checks.report_schema import Document
from castalia.codecs.base import Codec
from castalia.data import inventory, item_reader, manifest
from castalia.data.locate import Given, plain
from castalia.data.source import Source, open_source
from castalia.errors import DataError, RecipeError
from castalia.modalities.array.check import ArrayLook
from castalia.modalities.image import near_duplicates as lookalikes
from castalia.modalities.image.check import PictureLook
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.music import check as scores
from castalia.modalities.text import near_duplicates as shingles
from castalia.modalities.text.check import RecordLook, TextLook
from castalia.progress import stage
from castalia.recipe import Recipe, load, pairs
from castalia.sentences import say

BASE = {
    "image": "image/vae",
    "array": "array/vae",
    "text": "text/ar-small",
    "music": "music/ar",
}  # whose data and codec sections stand for the modality
NEAR = {
    "image": lookalikes.NEAR,
    "text": 1 - shingles.SIMILAR,
    "array": None,
    "music": 1 - scores.SIMILAR,
}


@dataclass
class Shown:
    """Items side by side for the page: why ("bytes", "content", "near", "leak"), their names, the
    native items, how far apart.
    """

    why: str
    names: list[str]
    items: list[Any]
    distance: float | None


@dataclass
class Checked:
    """document: what `--json` prints. manifest: of the files. shown: evidence, where it was asked
    for. keep: files that are readable and no copies.
    """

    document: Document
    manifest: dict[str, Any]
    shown: list[Shown] = field(default_factory=list)
    keep: list[Path] = field(default_factory=list)

    def _repr_html_(self) -> str:
        from castalia.checks.check_page import page  # most calls show none

        return notebook.page(page(self))


def check(
    data: Given,
    *,
    codec: str = "auto",
    against: Sequence[Given] = (),
    overrides: Mapping[str, Any] | Iterable[str] = (),
    compare: str | os.PathLike[str] | None = None,
    evidence: bool = False,
) -> Checked:
    """Looks at `data`: a folder, a file, a list, a table or a built-in set.

    codec      "image", "text", "array", "music", or "auto": the one that reads most of the items.
    against    other data; which share of each is in `data`, too, is told as leakage.
    overrides  data.* and codec.*, as for training, so that the same is read.
    compare    a manifest of an earlier check.
    evidence   keep some twins to be shown.
    Raises DataError when data, `against` or `compare` do not exist, RecipeError for keys that no
    codec has. Whatever is wrong *with* the data is said in
    the document.
    """
    source = plain(data)
    given = _wanted(overrides)
    found = inventory.take(source, bool(given.get("data.follow_links", False)))
    older = None if compare is None else manifest.load(Path(compare))
    name = codec if codec != "auto" else found.codec()
    if name is not None and name not in BASE:
        raise RecipeError(
            say("check knows no codec '{0}'", name),
            where="--codec",
            fix=say("one of: {0}, auto", ", ".join(BASE)),
        )
    draft = Draft(source, found, name)
    if name is None or not found.of(name, "beside" if not found.of(*inventory.READ) else name):
        draft.nothing()
        return Checked(*draft.finish(older))
    plan = load(BASE[name], source, {**given, "data.skip_bad": True})
    skip_bad = bool(given.get("data.skip_bad", False))
    plan = draft.tables(plan)
    try:
        sources = [open_source(plan.data, _codec(plan))]
    except DataError as error:
        draft.find("stops", what=f"{error.what}{f' ({error.where})' if error.where else ''}")
        return Checked(*draft.finish(older))
    labels = [short_name(source)]
    for other in [plain(path) for path in against]:
        bare = plan.data.model_copy(
            update={
                "source": other,
                "label": None,
                "caption": None,
                "group": None,
                "conditions": None,
            }
        )
        sources.append(open_source(bare, _codec(plan)))
        labels.append(
            short_name(other)
            if short_name(other) not in labels
            else f"{short_name(other)} ({len(labels) + 1})"
        )
    pool = Pool(sources, labels, np.cumsum([0, *map(len, sources)]).tolist())
    looks: dict[str, type[Look]] = {
        "image": PictureLook,
        "text": RecordLook if draft.records else TextLook,
        "array": ArrayLook,
        "music": scores.ScoreLook,
    }
    look = looks[name](len(pool), len(sources[0]))
    if isinstance(look, scores.ScoreLook):
        look.forms = scores.forms(_codec(plan).config, "codec.form" in given)
    lost = _look_at_all(pool, look, _reader(plan))
    draft.omitted(sources[0].omitted)
    draft.read(pool, look, lost, skip_bad)
    chosen = np.flatnonzero(look.readable)
    alone = (
        chosen[np.unique(look.content[chosen], axis=0, return_index=True)[1]]
        if len(chosen)
        else chosen
    )
    digest = np.concatenate([one.digest for one in sources])
    with stage("looking for copies"):
        twins = Twins(digest, look.content, look.readable, look.near(np.sort(alone)), pool.where)
    own = np.arange(len(sources[0]))
    draft.twice(twins, own, pool, None if draft.records else NEAR[name])
    draft.seen(plan, look, own, sources[0])
    if name == "text":
        spoken = {key: value for key, value in given.items() if key.startswith("codec.")}
        draft.answers(look, load("text/chat", source, spoken).codec.config)
    draft.advise(given, look, own)
    shown = _evidence(draft, twins, pool, own, _reader(plan)) if evidence else []
    return Checked(*draft.finish(older), shown, _keep(sources[0], twins, own))


def _wanted(overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    found = pairs(overrides)
    for key in found:
        if not key.startswith(("data.", "codec.")):
            raise RecipeError(
                say("check reads data only, so it takes data.* and codec.* alone"),
                where=key,
                fix=say("leave it for castalia train"),
            )
    return found


def _codec(plan: Recipe) -> Codec[Any]:
    made: Codec[Any] = registry.resolve("codec", plan.codec.name)(plan.codec.config)
    return made


def _reader(plan: Recipe) -> Codec[Any]:
    made = _codec(plan)
    return PictureLook.reader(made.config) if isinstance(made, ImageCodec) else made


def _look_at_all(pool: Pool, look: Look, reader: Codec[Any]) -> list[tuple[int, DataError]]:
    """Adds every item that can be read; (number, error) of the others."""
    lost = []
    with stage("looking at every item", len(pool), "items") as work:
        for source, start in zip(pool.sources, pool.starts, strict=False):
            for item, found in item_reader.numbered(source, np.arange(len(source)), reader):
                number = start + item
                if isinstance(found, DataError):
                    lost.append((number, found))
                else:
                    look.add(number, found, source.files[source.file[item]], pool.where(number))
                    source.omitted.extend(
                        one if one.example else one._replace(example=source.where(item))
                        for one in reader.omitted(found)
                    )
                work.at(number + 1)
    return lost


def _evidence(
    draft: Draft, twins: Twins, pool: Pool, own: np.ndarray, reader: Codec[Any]
) -> list[Shown]:
    """A few twins of each kind with the items themselves, each file read once."""
    wanted: list[tuple[str, list[int], float | None]] = []
    mine = own[twins.readable[own]]
    inside = np.isin(twins.pairs, mine).all(1)
    # the least alike first: those one wants to see
    order = np.argsort(-twins.distance[inside], kind="stable")
    for place in order[:: max(1, len(order) // EXAMPLES)][:EXAMPLES].tolist():
        pair = twins.pairs[inside][place].tolist()
        wanted.append(("near", pair, float(twins.distance[inside][place])))
    numbers: dict[str, int] = {}
    leaks = draft.values["leakage"]
    if any(leak.examples for leak in leaks) or any(
        copies.examples for copies in draft.values["duplicates"].values()
    ):
        numbers = {pool.where(number): number for number in range(len(pool))}
    for leak in leaks:
        wanted += [("leak", [numbers[name] for name in pair], None) for pair in leak.examples[:4]]
    for way in ("content", "bytes"):
        wanted += [
            (way, [numbers[name] for name in group[:2]], None)
            for group in draft.values["duplicates"][way].examples[:4]
        ]
    items = _items(pool, sorted({number for _, group, _ in wanted for number in group}), reader)
    return [
        Shown(
            why,
            [pool.where(number) for number in group],
            [items[number] for number in group],
            distance,
        )
        for why, group, distance in wanted
        if all(number in items for number in group)
    ]


def _items(pool: Pool, numbers: list[int], reader: Codec[Any]) -> dict[int, Any]:
    found = {}
    for source, start, stop in zip(pool.sources, pool.starts, pool.starts[1:], strict=False):
        inside = np.array(
            [number - start for number in numbers if start <= number < stop], np.int64
        )
        for item, value in item_reader.numbered(source, inside, reader):
            if not isinstance(value, DataError):
                found[start + item] = value
    return found


def _keep(source: Source, twins: Twins, own: np.ndarray) -> list[Path]:
    """Files of one item each that can be read, and of copies, exact or near, only the first; empty
    where files hold several items.
    """
    if any(count > 1 for count in source.count):
        return []
    mine = own[twins.readable[own]]
    alone = np.sort(mine[np.unique(twins.content[mine], return_index=True)[1]])
    dropped = {item for crowd in twins.crowds(alone) for item in crowd[1:]}
    return [source.files[source.file[item]] for item in alone.tolist() if item not in dropped]
