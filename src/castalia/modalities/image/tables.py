"""What an exported program needs to turn numbers into pictures (export/codec_tables.py)."""

from __future__ import annotations

from castalia.export.codec_tables import as_json
from castalia.modalities.image.codec import ImageCodec


def tables(codec: ImageCodec) -> dict[str, bytes]:
    """codec.json: the shape."""
    return {"codec.json": as_json({"kind": "image", "shape": list(codec.spec.shape)})}
