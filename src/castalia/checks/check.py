"""Check data before training: what is there, what is wrong, what is duplicated, whether it is
enough, what to do next.

    checked = check("photos/", against=["test/"])
    checked.document.verdict, checked.document.to_json(), checked.manifest

Every file is listed (data/inventory.py), read as training would read it (data/source.py, the codec)
and looked at once, in bounded memory. What depends on the modality is in its Check (item_scan.py).
duplicates.py searches for copies; report_builder.py collects the findings, whose sentences are in
messages.py; check_page.py writes the page. No file of the data is changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from castalia import modality, registry
from castalia.checks.check_page import page
from castalia.checks.check_result import CheckResult, Shown
from castalia.checks.duplicates import EXAMPLES, Pool, Twins
from castalia.checks.item_scan import Look, Plan, of
from castalia.checks.report_builder import Draft, short_name
from castalia.codecs.base import Codec
from castalia.data import inventory, item_reader, manifest
from castalia.data.locate import Given, plain
from castalia.data.source import Source, open_source
from castalia.errors import DataError, RecipeError
from castalia.pages import notebook
from castalia.progress import stage
from castalia.recipe import codec_sections, load, pairs
from castalia.sentences import say


@dataclass
class Checked(CheckResult):
    """What `check` gives back; a notebook shows its page."""

    def _repr_html_(self) -> str:
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
    """Checks `data`: a folder, a file, a list, a table or a built-in set.

    codec      its name, or "auto": the one that reads most of the items, or another one of its
               modality that the settings are for.
    against    other data; the share of each that is in `data`, too, is reported as leakage.
    overrides  data.* and codec.*, as for training, so that the same is read.
    compare    a manifest of an earlier check.
    evidence   keep some twins to be shown.
    Raises DataError when data, `against` or `compare` do not exist, RecipeError for keys that no
    codec has. Whatever is wrong with the data themselves is in the document.
    """
    source = plain(data)
    given = _wanted(overrides)
    listed = inventory.take(source, bool(given.get("data.follow_links", False)))
    older = None if compare is None else manifest.load(Path(compare))
    name = codec if codec != "auto" else _with_settings(listed.codec(), given)
    if name is not None and name not in listed.codecs:
        raise RecipeError(
            say("check knows no codec '{0}'", name),
            where="--codec",
            fix=say("one of: {0}, auto", ", ".join(listed.codecs)),
        )
    if name is not None and name != listed.codec():
        listed.read_by(name)
    checking = of(name)(name or "", given)
    draft = Draft(source, listed, checking)
    if name is None or not listed.of(name if listed.read() else inventory.BESIDE):
        draft.nothing()
        return Checked(*draft.finish(older))
    plan, early = checking.prepare(_plan(name, source, {**given, "data.skip_bad": True}), listed)
    draft.findings += early
    skip_bad = bool(given.get("data.skip_bad", False))
    used = plan.make_codec()
    try:
        sources = [open_source(plan.data, used)]
    except DataError as error:
        what = say("{0} ({1})", error.what, error.where) if error.where else error.what
        draft.find("stops", what=what)
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
        sources.append(open_source(bare, used))
        labels.append(
            short_name(other)
            if short_name(other) not in labels
            else f"{short_name(other)} ({len(labels) + 1})"
        )
    pool = Pool(sources, labels, np.cumsum([0, *map(len, sources)]).tolist())
    look, reader = checking.begin(len(pool), len(sources[0]), used), checking.reader(used)
    lost = _look_at_all(pool, look, reader)
    draft.omitted(sources[0].omitted)
    draft.read(pool, lost, skip_bad)
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
    draft.twice(twins, own, pool, checking.near)
    draft.seen(plan, look, own, sources[0])
    shown = _evidence(draft, twins, pool, own, reader) if evidence else []
    return Checked(*draft.finish(older), shown, _keep(sources[0], twins, own), reader)


def _wanted(overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    options = pairs(overrides)
    for key in options:
        if not key.startswith(("data.", "codec.")):
            raise RecipeError(
                say("check reads data only, so it takes data.* and codec.* alone"),
                where=key,
                fix=say("leave it for castalia train"),
            )
    return options


def _with_settings(codec: str | None, settings: Mapping[str, Any]) -> str | None:
    """The codec of a modality that knows all settings: its first one, else a further one."""
    owner = registry.modality_of(codec)
    wanted = {key.split(".")[1] for key in settings if key.startswith("codec.")}
    for name in (codec, *(owner.codecs if owner is not None else ())):
        if name is not None and wanted <= set(registry.resolve("codec", name).Config.model_fields):
            return name
    return codec


def _plan(codec: str, source: Given, settings: Mapping[str, Any]) -> Plan:
    """The sections of the recipe that a modality names for this; without one, the defaults."""
    described = modality.get(codec)
    if described is None or not described.base:
        return Plan(*codec_sections(codec, source, settings))
    recipe = load(described.base, source, settings)
    return Plan(recipe.data, recipe.codec)


def _look_at_all(pool: Pool, look: Look, reader: Codec[Any]) -> list[tuple[int, DataError]]:
    """Adds every item that can be read; (number, error) of the others."""
    lost = []
    with stage("looking at every item", len(pool), "items") as work:
        for source, start in zip(pool.sources, pool.starts, strict=False):
            for item, content in item_reader.numbered(source, np.arange(len(source)), reader):
                number = start + item
                if isinstance(content, DataError):
                    lost.append((number, content))
                else:
                    look.add(number, content, source.files[source.file[item]], pool.where(number))
                    source.omitted.extend(
                        one if one.example else one._replace(example=source.where(item))
                        for one in reader.omitted(content)
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
    items = {}
    for source, start, stop in zip(pool.sources, pool.starts, pool.starts[1:], strict=False):
        inside = np.array(
            [number - start for number in numbers if start <= number < stop], np.int64
        )
        for item, value in item_reader.numbered(source, inside, reader):
            if not isinstance(value, DataError):
                items[start + item] = value
    return items


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
