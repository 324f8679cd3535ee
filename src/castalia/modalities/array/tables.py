"""What an exported program needs to turn numbers into arrays (export/codec_tables.py)."""

from __future__ import annotations

from castalia.export.codec_tables import as_json
from castalia.modalities.array.codec import ArrayCodec


def tables(codec: ArrayCodec) -> dict[str, bytes]:
    """codec.json: shape, mean and deviation of each number, and whether a file holds many items."""
    described = {
        "kind": "array",
        "shape": list(codec.spec.shape),
        **{name: tensor.tolist() for name, tensor in codec.state()[1].items()},
        "rows": codec.config.rows,
    }
    return {"codec.json": as_json(described, indent=None)}
