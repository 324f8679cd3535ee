"""Feature networks by name: tensors of a spec to the vectors in which comparing scores are
computed.

Modalities bring networks (`Modality.features`); "raw", the numbers themselves, serves vectors,
signals and everything else. The name is part of every score, so that none can be mistaken for
another, or for the published FID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from castalia import modality
from castalia.errors import MissingExtra, RecipeError, SpecError
from castalia.sentences import say
from castalia.spec import Dense, Spec

ROWS = 125  # items per forward pass; fixed, because the last bit depends on it
RAW = "raw"


@dataclass(frozen=True)
class Features:
    """`extract` takes (B, *shape) float in the spec's unit and gives (B, D) float32."""

    name: str
    about: str
    extract: Callable[[Tensor], Tensor]


class FeatureNetwork(Protocol):
    """What `Modality.features` names: a class that is called without arguments.

    default  whether it is used where no network is named and the spec fits.
    about    one line: what it was trained on.
    needs    what it can be given, e.g. "grey or RGB pictures".
    """

    default: bool
    about: str
    needs: str

    def fits(self, spec: Dense) -> bool: ...

    def confirms(self, spec: Dense) -> bool:
        """Whether it is asked as well, for such data, where it is installed and none is named."""
        ...

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        """(B, *shape) float in the spec's unit -> (B, D) float32. Raises MissingExtra where it is
        not installed.
        """
        ...


@runtime_checkable
class ReadsCodec(FeatureNetwork, Protocol):
    """A FeatureNetwork that must know more than the spec: what the numbers of a codec mean. It is
    used where the codec is known, and `fits` alone does not choose it.
    """

    def extractor_of(self, codec: Any) -> Callable[[Tensor], Tensor]:
        """As `extractor`, for data of this fitted codec."""
        ...


def network_names() -> list[str]:
    """Of all networks, those of modalities first. Imports none of them."""
    return [name for one in modality.every().values() for name in one.features] + [RAW]


def features_for(spec: Spec, name: str | None = None, codec: Any = None) -> Features:
    """The network called `name`, or the default of the spec: a modality's that fits it, else raw.
    codec: where it is known, and its modality has networks, these alone are defaults: the numbers
    of a spectrogram have the shape of a picture.

    Raises SpecError for tokens, and for a network that does not fit the spec; RecipeError for an
    unknown name; MissingExtra where the network needs an extra that is not installed.
    """
    if not isinstance(spec, Dense):
        raise SpecError(
            say("features need dense data"),
            where=type(spec).__name__,
            fix=say("use scores for tokens"),
        )
    if name is not None and name not in network_names():
        raise RecipeError(
            say("there is no feature network '{0}'", name),
            where="network",
            fix=say("known: {0}", ", ".join(network_names())),
        )
    owner = None if codec is None else modality.of(codec)
    own = {} if owner is None else owner.features
    networks = {
        known: one
        for known, one in (_networks() if name != RAW else {}).items()
        if known in own or not isinstance(one, ReadsCodec)
    }
    chosen = name or next(
        (
            known
            for known, one in networks.items()
            if (known in own or not own) and one.default and one.fits(spec)
        ),
        RAW,
    )
    if chosen == RAW:
        return Features(RAW, "the numbers themselves", lambda x: x.flatten(1).float())
    network = networks.get(chosen)
    if network is None or not network.fits(spec):
        needs = _networks()[chosen].needs
        raise SpecError(
            say("'{0}' takes {1} only", chosen, needs),
            where=f"shape {spec.shape}, unit {spec.unit}",
            fix=say("use network 'raw'"),
        )
    if isinstance(network, ReadsCodec):
        return Features(chosen, network.about, network.extractor_of(codec))
    return Features(chosen, network.about, network.extractor(spec))


def second_networks(spec: Spec, first: str) -> list[Features]:
    """Networks but `first` that are asked for a second opinion on this kind of data, of those that
    are installed; of its modality where `first` has one.
    """
    found = []
    owner = next((one for one in modality.every().values() if first in one.features), None)
    for name, one in _networks().items():
        if owner is not None and name not in owner.features:
            continue
        if name != first and isinstance(spec, Dense) and one.fits(spec) and one.confirms(spec):
            with suppress(MissingExtra):
                found.append(features_for(spec, name))
    return found


def _networks() -> dict[str, FeatureNetwork]:
    return {
        name: modality.load(target, one.name)()
        for one in modality.every().values()
        for name, target in one.features.items()
    }


@torch.inference_mode()
def extract(features: Features, batches: Iterable[Tensor]) -> Tensor:
    """All rows of all batches through the network, ROWS at a time: (N, D) float32 on the CPU."""
    parts = [features.extract(rows) for batch in batches for rows in batch.cpu().split(ROWS)]
    return torch.cat(parts) if parts else torch.empty(0, 0)
