"""The network of a family that changes dense data step by step or at once: a U-Net, an MLP, or
a network over sets, that is told times and conditions.

Times are sines (Vaswani et al. 2017), vectors modulate every block, sequences are attended to at
the coarsest level, grids are further channels. Networks are in nn/unet.py, nn/mlp.py and
nn/set_network.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from castalia.errors import SpecError
from castalia.nn.backbones import body_kind
from castalia.nn.condition_embedding import ConditionEmbedding, Context, is_vector
from castalia.nn.conv import Norm
from castalia.nn.mlp import Mlp, sinusoids
from castalia.nn.set_network import SetNetwork
from castalia.nn.unet import UNet
from castalia.sentences import say
from castalia.spec import Condition, Dense, Tokens, Words

RATE = 32.0  # of the fastest sine of a time, in radians per unit
SINES = 64


class ConditionalNetwork(nn.Module):
    """x (B, inputs, *sides), as many times (B,) in [0, 1] as it was made for, and conditions ->
    (B, *spec.shape), float32.

    inputs           channels of x; None: those of the data.
    body             auto: unet for grids, set for sets, mlp for vectors. All but a U-Net take the
                     data's channels alone, and no conditions that are sequences or grids
                     (SpecError).
    condition_width  numbers of the vector that stands for times and conditions.
    condition_drop   see ConditionEmbedding.
    alignment        monotonic: texts are laid out along the data's last axis, in further channels.
    """

    def __init__(
        self,
        spec: Dense,
        conditions: dict[str, Condition],
        *,
        times: int,
        inputs: int | None = None,
        body: Literal["auto", "mlp", "unet", "set"] = "auto",
        width: int,
        depth: int,
        patch: int = 1,
        levels: int | None = None,
        norm: Norm = "none",
        condition_width: int,
        condition_drop: float,
        alignment: Literal["attention", "monotonic"] = "attention",
    ) -> None:
        super().__init__()
        context = condition_width
        texts = [one for one in conditions.values() if isinstance(one, Words)]
        aligned = bool(texts) and alignment == "monotonic"
        self.embedding = ConditionEmbedding(
            conditions, context, condition_drop, spec if aligned else None
        )
        self.time = nn.Sequential(
            nn.Linear(times * SINES, context), nn.SiLU(), nn.Linear(context, context)
        )
        grids = [
            one for one in conditions.values() if isinstance(one, Dense) and not is_vector(one)
        ]
        words = any(
            isinstance(one, Tokens) or (isinstance(one, Words) and not aligned)
            for one in conditions.values()
        )
        if body == "auto":
            grid = body_kind(spec, "auto") == "conv"
            body = "set" if is_set(spec) else "unet" if grid else "mlp"
        if body == "set" and not is_set(spec):
            raise SpecError(
                say("a network over sets needs a set of members"),
                where=say("shape {0}, layout {1}", spec.shape, spec.layout),
                fix="family.body=auto",
            )
        if aligned:
            _can_be_read(body, spec, texts)
        for name, one in conditions.items():
            grid = isinstance(one, Dense) and not is_vector(one)
            if body != "unet" and (grid or isinstance(one, Tokens)):
                raise SpecError(
                    say("this network can be told classes, texts and vectors only"),
                    where=say("condition '{0}'", name),
                    fix="family.body=unet",
                )
            if grid and one.shape[1:] != spec.shape[1:]:  # type: ignore[union-attr]
                raise SpecError(
                    say("a condition that is an array needs the sides of the data"),
                    where=say("condition '{0}': {1} against {2}", name, one.shape, spec.shape),  # type: ignore[union-attr]
                )
        if body == "mlp":
            self.body: nn.Module = Mlp(
                spec.size, spec.size, width=width, depth=depth, context=context
            )
        elif body == "set":
            self.body = SetNetwork(
                spec.shape[0], spec.shape[0], width=width, depth=depth, context=context
            )
        else:
            channels = spec.shape[0] if inputs is None else inputs
            channels += spec.shape[0] * len(texts) * aligned
            self.body = UNet(
                (channels + sum(one.shape[0] for one in grids), *spec.shape[1:]),
                spec.shape[0],
                width=width,
                depth=depth,
                patch=patch,
                levels=levels,
                context=context,
                words=context if words else 0,
                norm=norm,
            )

    def forward(self, x: Tensor, times: Sequence[Tensor], context: Context) -> Tensor:
        # not the dtype of autocast: times near 1 would fall together
        vector = self.time(torch.cat([waves(time) for time in times], -1))
        if context.vector is not None:
            vector = vector + context.vector
        if isinstance(self.body, Mlp):
            return self.body(x, vector).unflatten(1, x.shape[1:]).float()
        if isinstance(self.body, SetNetwork):
            return self.body(x, vector).float()
        if context.grid is not None:
            x = torch.cat([x, context.grid.to(x)], 1)
        made: Tensor = self.body(x, vector, context.sequence, context.mask).float()
        return made


def _can_be_read(kind: str, spec: Dense, texts: list[Words]) -> None:
    """Raises SpecError for data along which no text can be laid."""
    if kind != "unet":
        raise SpecError(
            say("a text is read along an axis of a grid, and this network has none"),
            where="family.alignment=monotonic",
            fix="family.body=unet",
        )
    if any(text.unit != "letter" for text in texts):
        raise SpecError(
            say("only a text in letters is read along an axis"),
            where="family.alignment=monotonic",
            fix="data.caption_unit=letter",
        )
    longest = max(text.length for text in texts)
    if longest > spec.shape[-1]:
        raise SpecError(
            say("the longest text has more letters than the data have places"),
            where=say("{0} letters, {1} places", longest, spec.shape[-1]),
            fix=say("shorter texts, longer items, or family.alignment=attention"),
        )


def is_set(spec: Dense) -> bool:
    """Members along the last axis, in no order."""
    return spec.layout == "set" and len(spec.shape) == 2


def waves(time: Tensor) -> Tensor:
    """(B,) in [0, 1] -> (B, SINES) sines and cosines, from `RATE` down to RATE / 1000."""
    return sinusoids(RATE * time, SINES, longest=1000.0)
