"""What the shipped picture networks share: weights of one file that must not change, and pictures
brought to the size that a network looks at.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from castalia.errors import SpecError
from castalia.sentences import say


def load_weights(network: nn.Module, name: str, sha256: str) -> None:
    """Put the weights of `name`.safetensors beside this file into `network`, and freeze it.

    Raises SpecError when the file is not the one that was frozen.
    """
    from safetensors.torch import load

    content = (Path(__file__).parent / f"{name}.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SpecError(
            say("the feature network's file was changed, so scores would not be comparable"),
            where=f"{name}.safetensors",
            fix=say("reinstall castalia"),
        )
    network.load_state_dict({name: tensor.float() for name, tensor in load(content).items()})
    network.eval().requires_grad_(False)


def to_network(x: Tensor, side: int, name: str) -> Tensor:
    """Pictures (B, 1 or 3, H, W) in [-1, 1] -> (B, 3, side, side): clipped, grey replicated,
    resized (antialiased bilinear).

    NaN counts as mid-grey and values outside the range are clipped, as a picture file would store
    them.
    """
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise SpecError(
            say("{0} looks at grey or RGB pictures", name),
            where=f"got shape {tuple(x.shape)}",
            fix=say("use raw features for other data"),
        )
    x = x.float().nan_to_num(0.0).clamp(-1, 1)
    if x.shape[2:] != (side, side):
        x = F.interpolate(
            x, size=(side, side), mode="bilinear", antialias=True, align_corners=False
        )
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
