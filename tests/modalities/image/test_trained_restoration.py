"""Edits by a run that has learned one of them: what it was trained to see is what an edit leaves,
and other edits are not offered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from castalia.abilities import Damage
from castalia.errors import AbilityError
from castalia.families.restorer import Restorer, RestorerConfig, block_means, grey
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.image.restoration import LIGHTNESS, colourised, infilled, upscaled
from castalia.modalities.image.trials import trials
from castalia.nn.counter_random import generator
from castalia.sampling.edit import edits_of

SIDE = 16
EDITS: dict[Damage, set[str]] = {
    "noise": {"denoise"},
    "coarse": {"upscale"},
    "grey": {"colourise"},
    "hole": {"infill", "outpaint"},
}


def codec(channels: int = 3) -> ImageCodec:
    return ImageCodec(ImageCodec.Config(size=SIDE, channels=channels))  # type: ignore[arg-type]


def restorer(*damages: Damage) -> Restorer:
    torch.manual_seed(0)
    config = RestorerConfig(damages=damages, grey=LIGHTNESS, width=8)
    return Restorer(config, codec().spec, {}).eval()


def picture(key: str = "picture", side: int = SIDE) -> PIL.Image.Image:
    noise = torch.randn(1, 3, 4, 4, generator=generator(key))
    smooth = torch.nn.functional.interpolate(noise, (side, side), mode="bicubic")[0]
    levels = ((smooth.clamp(-2, 2) / 2 + 1) * 127.5).byte().permute(1, 2, 0).numpy()
    return PIL.Image.fromarray(np.ascontiguousarray(levels))


def unit(item: PIL.Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(item).copy()).permute(2, 0, 1)[None] / 127.5 - 1


class Watched(Restorer):
    """Remembers what it was shown."""

    def _found(self, damaged: Any, cond: dict[str, Any]) -> tuple[Tensor, Tensor]:
        self.seen = damaged
        return super()._found(damaged, cond)


def watched(damage: Damage) -> Watched:
    model = restorer(damage)
    model.__class__ = Watched
    return model  # type: ignore[return-value]


@pytest.mark.parametrize("factor", [2, 4])
def test_a_small_picture_looks_as_in_training(factor: int) -> None:
    model, small = watched("coarse"), picture(side=SIDE // factor)
    (made,) = upscaled(model, codec(), [small], {}, factor=factor, detail=0.3, seed=0)
    truth = unit(small).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    torch.testing.assert_close(model.seen.left, truth)
    torch.testing.assert_close(block_means(model.seen.left, factor), truth, atol=1e-6, rtol=0)
    assert made.size == (SIDE, SIDE) and not model.seen.free.any()


def test_a_grey_picture_looks_as_in_training() -> None:
    model, item = watched("grey"), picture()
    light = grey(unit(item), model._shares())
    given = PIL.Image.fromarray(((light[0, 0] + 1) * 127.5).round().byte().numpy())
    colourised(model, codec(), [given], {}, detail=0.3, seed=0)
    torch.testing.assert_close(model.seen.left, light, atol=1 / 127.5, rtol=0)
    # the same in every channel, to what floats hold
    torch.testing.assert_close(model.seen.left, grey(model.seen.left, model._shares()))


def test_a_hole_looks_as_in_training() -> None:
    model, item = watched("hole"), picture()
    infilled(model, codec(), [item], {}, mask="4,6,5,3", count=1, seed=0)
    hole = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.bool)
    hole[..., 6:9, 4:9] = True
    assert torch.equal(model.seen.free, hole)
    torch.testing.assert_close(model.seen.left, torch.where(hole, 0.0, unit(item)))


@pytest.mark.parametrize("damage", EDITS)
def test_only_what_was_learned_is_offered(damage: Damage) -> None:
    model, items = restorer(damage), [picture(str(number)) for number in range(4)]
    offered = {kind for kind, one in edits_of(codec()).items() if one.possible(model, codec())}
    assert offered == EDITS[damage]
    tried = {trial.task.partition(",")[0] for trial in trials(model, codec(), items, {}, 0)}
    assert tried == EDITS[damage] - {"outpaint"}
    for kind, edit in edits_of(codec()).items():
        if kind in offered or not edit.damages:  # what needs a latent is another matter
            continue
        given: dict[str, Any] = {"mask": "1,1,4,4"} if kind == "infill" else {}
        with pytest.raises(AbilityError, match="has not learned") as caught:
            edit.run(model, codec(), items[:1], edit.Options(**given), 0, {})
        assert f"[{damage}]" in str(caught.value) and "flow" in caught.value.fix


def test_several_damages_are_several_edits() -> None:
    model = restorer("noise", "coarse")
    offered = {kind for kind, one in edits_of(codec()).items() if one.possible(model, codec())}
    assert offered == {"denoise", "upscale"}
