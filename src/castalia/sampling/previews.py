"""Previews during training: samples of the same seed each time, so that one sees the same picture
improve, and as many real items to stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia import atomic, bounded
from castalia.abilities import Compresses, Decodes, Demonstrates, SampleOptions, Samples
from castalia.codecs.protocols import Streams, weighs
from castalia.data.windows import Windows
from castalia.errors import RunError
from castalia.nn.counter_random import generator
from castalia.sampling.chat import replies
from castalia.sampling.generate import draw, draw_tokens
from castalia.spec import Batch, Classes, Tokens

if TYPE_CHECKING:
    from castalia.data.stream import Dataset, Split

SHEET, TEXTS = 64, 4  # dense items, token documents
MENDED = 12  # items that are shown damaged, mended and as they were: 6 columns, 6 rows
# other real items that a sheet is compared with: at most; up to so many, training items fill up
REFERENCE, ENOUGH = 512, 128
RULE = f"\n{'-' * 40}\n"  # between the texts of a sheet


@dataclass(frozen=True)
class Sheet:
    """Native items; of dense data also x (n, *shape), as models see them."""

    items: list[Any]
    x: Tensor | None = None


@dataclass(frozen=True)
class Real(Sheet):
    """Real items: those that are shown, held-out ones first.

    cond    the conditions that they have.
    others  (m, *shape) further ones to compare with, of dense data: held-out ones too, and training
            items only where these are few; None where there are none.
    """

    cond: Mapping[str, Tensor] = field(default_factory=dict)
    others: Tensor | None = None


def drawn(model: Any, dataset: Dataset, cond: Mapping[str, Tensor] | None = None) -> Sheet:
    """Samples: replies to held-out conversations, else free samples; of a model that only
    compresses data, what is left of real items; of one that only mends them, real items damaged,
    mended and as they were; none of a model that makes nothing.

    cond: of dense data, what the samples are told, one by one, as far as the model knows it.
    """
    codec = dataset.codec
    if isinstance(dataset.spec, Tokens) and isinstance(model, Decodes):
        if texts := replies(model, codec, islice(_conversations(dataset), TEXTS)):
            return Sheet(texts)
        completions = draw_tokens(model, dataset.spec, 0, 0, TEXTS, {}, SampleOptions())
        return Sheet(
            [codec.decode(torch.tensor(one.tokens, dtype=torch.int64)) for one in completions]
        )
    if isinstance(model, Samples):
        told = {name: cond[name] for name in model.conditions if name in (cond or {})}
        count = min([SHEET, *(len(value) for value in told.values())])
        x = draw(model, 0, 0, count, told, SampleOptions())
        return Sheet([codec.decode(row) for row in x], x)
    if isinstance(model, Compresses) and (shown := real(dataset).x) is not None:
        with torch.inference_mode():
            x = model.expand(model.compress(shown.to(model.device))).float().cpu()
        return Sheet([codec.decode(row) for row in x], x)
    if isinstance(model, Demonstrates):
        shown = real(dataset)
        if shown.x is not None:
            x = shown.x[:: max(1, len(shown.x) // MENDED)][:MENDED]  # of all classes
            rows = torch.stack([*_mended(model, x), x], 1).flatten(0, 1)
            return Sheet([codec.decode(row) for row in rows])
    return Sheet([])


@torch.inference_mode()
def _mended(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """x (n, *shape) damaged, the same each time, and mended; the model is told nothing else."""
    damaged, mended = model.demonstrate(x.to(model.device), generator("sheet", "damage"), {})
    return damaged.float().cpu(), mended.float().cpu()


def real(dataset: Dataset) -> Real:
    """As many real items as a sheet has samples, the same ones each time, class by class. Of
    tokens, as much of each as a sample can be.
    """
    codec, held_out, training = dataset.codec, dataset.validation, dataset.train
    if isinstance(held_out, Windows):
        every, most = chain(held_out.documents(), training.documents()), held_out.spec.length + 1
        documents = list(islice(_conversations(dataset), TEXTS)) or [
            one[:most] for one in islice(every, TEXTS)
        ]
        return Real([codec.decode(one) for one in documents])
    new, old = (
        torch.randperm(len(side), generator=generator("sheet", "real"))
        for side in (held_out, training)
    )
    fill = SHEET - len(new[:SHEET])
    others = new[SHEET:][:REFERENCE]
    more = old[fill:][: max(0, ENOUGH - len(others))]
    shown = _whole(held_out.mixed(new[:SHEET], training, old[:fill]))
    x, cond = shown.x, shown.cond
    classes = [name for name, kind in dataset.conditions.items() if isinstance(kind, Classes)]
    if len(classes) == 1:
        order = cond[classes[0]].argsort(stable=True)
        x, cond = x[order], {name: value[order] for name, value in cond.items()}
    return Real(
        [codec.decode(row) for row in x],
        x,
        cond,
        _whole(held_out.mixed(others, training, more)).x if len(others) + len(more) else None,
    )


def _whole(side: Split) -> Batch:
    """All items of a side."""
    return side.take(range(len(side)))


def write(path: Path, items: list[Any], codec: Any) -> Path:
    """A sheet as `path`.png, or .txt where items are texts; gives back the file."""
    if isinstance(codec, Streams):
        file = path.with_suffix(".txt")
        atomic.write(file, RULE.join(map(str, items)) + "\n")
    else:
        file = path.with_suffix(".png")
        with atomic.place(file) as temporary:
            codec.preview(items).save(temporary)
    return file


def files(folder: Path) -> dict[int, Path]:
    """The sheets in a run's folder `samples`: step to file, in the order of the steps."""
    found = {
        int(path.stem.removeprefix("step-")): path
        for path in folder.glob("step-*")
        if path.suffix in (".png", ".txt") and path.stem.removeprefix("step-").isdecimal()
    }
    return dict(sorted(found.items()))


def texts_of(file: Path) -> list[str]:
    """The texts of a sheet of texts."""
    return bounded.read_text(file, "document_bytes", RunError).removesuffix("\n").split(RULE)


def _conversations(dataset: Dataset) -> Any:
    """Held-out conversations (n,) int64; none of data that are something else."""
    side = dataset.validation
    return side.documents() if isinstance(side, Windows) and weighs(dataset.codec) else iter(())
