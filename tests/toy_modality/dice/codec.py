"""Series of throws to tokens: 0 begins, 1 to 6 are pips, 7 ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from torch import Tensor

from castalia import bounded
from castalia.codecs.base import Codec, CodecConfig
from castalia.errors import DataError
from castalia.sentences import say
from castalia.spec import Tokens

Throws = tuple[int, ...]
BEGIN, END = 0, 7


class DiceConfig(CodecConfig):
    """length: throws that a model sees at once."""

    length: int = 24


class DiceCodec(Codec[Throws]):
    """One series a line: "3 1 6"."""

    name, native, Config = "dice", tuple, DiceConfig
    extensions, suffix, sidecar = (".dice",), ".dice", ".json"

    def __init__(self, config: DiceConfig | None = None) -> None:
        super().__init__(config or DiceConfig())

    def read(self, path: Path) -> Iterator[Throws]:
        for number, line in enumerate(self._lines(path), 1):
            if not re.fullmatch(r"[1-6]( [1-6])*", line):
                raise DataError(
                    say("this is no series of throws"), f"{path}, line {number}", "3 1 6"
                )
            yield tuple(map(int, line.split()))

    def _lines(self, path: Path) -> list[str]:
        return bounded.read_text(path).splitlines()

    def is_container(self, path: Path) -> bool:
        return True

    def contents(self, path: Path) -> Iterator[bytes]:
        return (line.encode() for line in self._lines(path))

    def fit(self, items: Iterable[Throws]) -> None:
        return

    @property
    def spec(self) -> Tokens:
        return Tokens(self.config.length, 8, BEGIN, END)

    def encode(self, item: Throws) -> Tensor:
        return torch.tensor([BEGIN, *item, END], dtype=torch.int32)

    def decode(self, x: Tensor) -> Throws:
        ids = x.tolist()
        ids = ids[: ids.index(END)] if END in ids else ids
        return tuple(one for one in ids if one != BEGIN) or (1,)

    def write(self, item: Throws, path: Path, manifest: dict[str, Any] | None = None) -> None:
        path.write_text(" ".join(map(str, item)) + "\n")
        if manifest is not None:
            path.with_suffix(".json").write_text(json.dumps(manifest))

    def preview(self, items: list[Throws]) -> PIL.Image.Image:
        """One row of grey squares for each series."""
        sheet = PIL.Image.new("L", (8 * self.config.length, 8 * len(items)))
        for row, item in enumerate(items):
            for place, pips in enumerate(item[: self.config.length]):
                box = (8 * place, 8 * row, 8 * place + 7, 8 * row + 7)
                sheet.paste(40 * pips, box)
        return sheet

    def units(self, item: Throws) -> dict[str, int]:
        return {"throw": len(item)}
