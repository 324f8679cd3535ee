"""What an exported program needs to turn tokens into texts (export/codec_tables.py)."""

from __future__ import annotations

import io

import numpy as np

from castalia.export.codec_tables import as_json
from castalia.modalities.text.codec import TextCodec
from castalia.modalities.text.tokenizers import Characters
from castalia.modalities.text.utf8_grammar import Utf8Grammar


def tables(codec: TextCodec) -> dict[str, bytes]:
    """codec.json; grammar.npz where characters can break; tokenizer.json where prompts need it."""
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
