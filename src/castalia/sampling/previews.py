"""Previews during training: samples of the same seed each time, so that one sees the same picture
improve.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from castalia import atomic
from castalia.abilities import Decodes, SampleOptions, Samples
from castalia.codecs.protocols import Streams, weighs
from castalia.data.windows import Windows
from castalia.progress import stage
from castalia.sampling.chat import replies
from castalia.sampling.generate import draw, draw_tokens
from castalia.spec import Tokens

if TYPE_CHECKING:
    from castalia.data.stream import Dataset
    from castalia.training.hooks import Progress

SHEET, TEXTS = 64, 4  # dense items, token documents


def sheets(folder: Path, dataset: Dataset) -> Callable[[Progress], None]:
    """A hook that writes `folder`/step-N.png, or .txt where items are texts."""

    def hook(progress: Progress) -> None:
        if progress.event != "sample":
            return
        path = folder / f"step-{progress.step:08d}"
        with stage("drawing a sample sheet"):
            items = items_of_sheet(progress.model, dataset)
        if items and isinstance(dataset.codec, Streams):
            atomic.write(path.with_suffix(".txt"), f"\n{'-' * 40}\n".join(map(str, items)) + "\n")
        elif items:
            with atomic.place(path.with_suffix(".png")) as temporary:
                dataset.codec.preview(items).save(temporary)

    return hook


def items_of_sheet(model: Any, dataset: Dataset) -> list[Any]:
    """Native items of a sheet: replies to held-out conversations, else free samples; none of a
    model that makes nothing.
    """
    codec = dataset.codec
    if isinstance(dataset.spec, Tokens) and isinstance(model, Decodes):
        held_out = (
            dataset.validation.documents()
            if isinstance(dataset.validation, Windows) and weighs(codec)
            else ()
        )
        if texts := replies(model, codec, islice(held_out, TEXTS)):
            return texts
        completions = draw_tokens(model, dataset.spec, 0, 0, TEXTS, {}, SampleOptions())
        return [codec.decode(torch.tensor(one.tokens, dtype=torch.int64)) for one in completions]
    if isinstance(model, Samples):
        return [codec.decode(row) for row in draw(model, 0, 0, SHEET, {}, SampleOptions())]
    return []
