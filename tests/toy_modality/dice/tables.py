"""What a program without Castalia needs: each token is the text of its pips."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from castalia.export.codec_tables import as_json


def tables(codec: Any) -> dict[str, bytes]:
    """Tokens as texts, any of which may follow any other."""
    spec = codec.spec
    described = {
        "kind": "text",
        "length": spec.length,
        "begin": spec.begin,
        "end": spec.end,
        "lead": "",
        "tokens": ["", *(f"{pips} " for pips in range(1, 7)), ""],
    }
    held = io.BytesIO()
    costs = np.ones((1, spec.vocab), np.uint8)
    costs[0, spec.begin] = 255
    np.savez(held, allow_pickle=False, after=np.zeros((1, spec.vocab), np.uint8), costs=costs)
    return {"codec.json": as_json(described, indent=None), "grammar.npz": held.getvalue()}
