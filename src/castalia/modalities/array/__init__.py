"""Vectors and arrays of numbers."""

from castalia.modality import Modality
from castalia.sentences import say

_HERE = "castalia.modalities.array"

MODALITY = Modality(
    name="array",
    about="vectors and arrays: .npy, .npz",
    package=_HERE,
    item="array",
    items=say("arrays"),
    codec=f"{_HERE}.codec:ArrayCodec",
    first="array/vae",
    base="array/vae",
    check=f"{_HERE}.check:ArrayCheck",
    tables=f"{_HERE}.tables:tables",
    presenter=f"{_HERE}.presenter:ArrayPresenter",
    rank=20,
)
