"""Vectors and arrays of numbers."""

from castalia.modality import Modality

_HERE = "castalia.modalities.array"

MODALITY = Modality(
    name="array",
    about="vectors and arrays: .npy, .npz",
    package=_HERE,
    items="arrays",
    codec=f"{_HERE}.codec:ArrayCodec",
    first="array/vae",
    base="array/vae",
    check=f"{_HERE}.check:ArrayLook",
    tables=f"{_HERE}.tables:tables",
    rank=20,
)
