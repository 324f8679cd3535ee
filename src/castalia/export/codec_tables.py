"""What a program without Castalia needs beside the weights to turn numbers into items: the codec's
tables, as JSON and NumPy arrays.

    codec.json      kind "image" (shape), "array" (shape, mean, deviation, rows) or "text" (what
                    each token writes, its length and specials)
    grammar.npz     text: which token may follow, so that characters stay whole
                    (modalities/text/utf8_grammar.py)
    tokenizer.json  text whose tokens are merges, or a tokenizer of others: for prompts; a Hugging
                    Face tokenizer

The programs that read them are in scripts/.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from castalia.codecs.base import Codec
from castalia.errors import AbilityError
from castalia.modalities.array.codec import ArrayCodec
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.text.codec import TextCodec
from castalia.modalities.text.tokenizers import Characters
from castalia.modalities.text.utf8_grammar import Utf8Grammar
from castalia.sentences import say


def tables(codec: Codec[Any]) -> dict[str, bytes]:
    """File name -> content. Raises AbilityError for a codec whose items no program here
    can make.
    """
    match codec:
        case ImageCodec():
            return {"codec.json": as_json({"kind": "image", "shape": list(codec.spec.shape)})}
        case ArrayCodec():
            numbers = {name: tensor.tolist() for name, tensor in codec.state()[1].items()}
            shape = list(codec.spec.shape)
            return {
                "codec.json": as_json(
                    {"kind": "array", "shape": shape, **numbers, "rows": codec.config.rows},
                    indent=None,
                )
            }
        case TextCodec():
            return _text(codec)
    raise AbilityError(
        say("no program can make items of '{0}' yet", codec.name),
        where=say("codec '{0}'", codec.name),
        fix="export --to safetensors",
    )


def _text(codec: TextCodec) -> dict[str, bytes]:
    spec, tokenizer = codec.spec, codec.tokenizer
    described = {
        "kind": "text",
        "length": spec.length,
        "begin": spec.begin,
        "end": spec.end,
        "lead": tokenizer.lead.decode(),
        "tokens": [_written(raw) for raw in codec.token_bytes],
    }
    files = {"codec.json": as_json(described, indent=None)}
    if isinstance(spec.grammar, Utf8Grammar):
        after, costs = spec.grammar.tables()
        held = io.BytesIO()
        np.savez(held, allow_pickle=False, after=after, costs=costs)
        files["grammar.npz"] = held.getvalue()
    if not isinstance(tokenizer, Characters):
        files["tokenizer.json"] = codec.to_json().encode()
    return files


def _written(raw: bytes) -> str | list[int]:
    """What a token writes: text, or the bytes of a broken character."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return list(raw)


def as_json(data: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(data, indent=indent, ensure_ascii=False) + "\n").encode()
