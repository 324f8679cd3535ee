"""Codec tables in exports: what a program without Castalia needs beside the weights to turn numbers
into items, as JSON and NumPy arrays. Each modality writes its own (`Modality.tables`).

    codec.json      "kind" names the program's way to make an item: "image" (shape), "array" (shape,
                    mean, deviation, rows) or "text" (what each token writes, length and specials)
    grammar.npz     text: which token may follow, so that characters stay whole
    tokenizer.json  text: a Hugging Face tokenizer, where a prompt cannot be cut by `tokens` alone

The programs that read them are in scripts/.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from castalia import modality
from castalia.codecs.base import Codec
from castalia.errors import AbilityError
from castalia.sentences import say

Tables = Callable[[Any], dict[str, bytes]]  # a fitted codec -> file name -> content


def tables(codec: Codec[Any]) -> dict[str, bytes]:
    """File name -> content. Raises AbilityError for a codec whose items no program here
    can make.
    """
    own: Tables | None = modality.part_of(codec, "tables")
    if own is None:
        raise AbilityError(
            say("no program can make items of '{0}' yet", codec.name),
            where=say("codec '{0}'", codec.name),
            fix="export --to safetensors",
        )
    return own(codec)


def as_json(data: Any, indent: int | None = 2) -> bytes:
    """UTF-8, ending with a newline."""
    return (json.dumps(data, indent=indent, ensure_ascii=False) + "\n").encode()
