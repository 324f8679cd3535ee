"""On pictures whose attribute is known: a direction learned from labels moves it where a random one
does not, and another class has its value while the rest of the picture stays.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

import castalia
from castalia.families.base import Family
from castalia.sampling.edit import Examples
from castalia.sampling.latent_edits import along, style
from castalia.training.setup import open_data
from castalia.verbs.edit import examples

SIDE = 12
BORDER = 0.65  # of a spot's brightness, from 0.3 to 1, between the classes


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> castalia.Run:
    """A VAE of spots of any brightness and place; the class says which half of the brightness."""
    folder = tmp_path_factory.mktemp("spots")
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:SIDE, :SIDE]
    for number in range(600):
        bright, (x, y) = rng.uniform(0.3, 1), rng.uniform(3, 8, 2)
        far = (across - x) ** 2 + (down - y) ** 2
        level = np.round(255 * bright * np.exp(-far / 8)).astype(np.uint8)
        place = folder / "data" / ("bright" if bright > BORDER else "dim")
        place.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(level).save(place / f"{number}.png")
    settings = {
        "family.body": "mlp",
        "family.width": 64,
        "family.latent": 8,
        "family.prior": "standard",
        "family.overlap": False,
        "family.patch": 1,
        "training.steps": 500,
        "training.sample_every": 0,
        "training.threads": 1,
    }
    return castalia.train("image/vae", folder / "data", settings, out=folder / "run")


def brightness(x: Tensor) -> Tensor:
    """(..., 1, SIDE, SIDE) signed -> (...): the largest value, 0 to 1."""
    return (x.flatten(-3).amax(-1) + 1) / 2


def centre(x: Tensor) -> Tensor:
    """(..., 1, SIDE, SIDE) signed -> (..., 2): where the spot is."""
    mass = (x.squeeze(-3) + 1).clamp_min(0)
    axis = torch.arange(float(SIDE))
    return torch.stack(
        [(mass.sum(side) * axis).sum(-1) / mass.sum((-1, -2)) for side in (-1, -2)], -1
    )


def held_out(run: castalia.Run) -> tuple[Family, Tensor, dict[str, Tensor]]:
    batch = open_data(run).validation.take(range(40))
    return run.model(), batch.x, batch.cond


def test_a_learned_direction_moves_its_attribute(spots: castalia.Run) -> None:
    model, x, cond = held_out(spots)
    seen = examples(spots, "bright")
    assert brightness(seen.inside).min() > brightness(seen.outside).mean()
    how = {"amount": 1.0, "steps": 5, "number": 1}

    def strip(inside: Tensor, outside: Tensor) -> Tensor:
        found = along(model, x, cond, examples=Examples(inside, outside), **how)
        return found.unflatten(0, (len(x), 5))

    learned = strip(seen.inside, seen.outside)
    rises = (brightness(learned).diff(dim=1) > 0).all(1)
    assert rises.float().mean() > 0.8
    # baseline: the same items, whichever class they are said to have
    both = torch.cat([seen.inside, seen.outside])
    mixed = both[torch.randperm(len(both), generator=torch.Generator().manual_seed(0))]
    random = strip(*mixed.chunk(2))
    far = lambda rows: float((brightness(rows)[:, -1] - brightness(rows)[:, 0]).mean())  # noqa: E731
    assert far(learned) > 0.3 and abs(far(random)) < 0.3 * far(learned)


def test_another_class_keeps_the_rest(spots: castalia.Run) -> None:
    model, x, cond = held_out(spots)
    names = spots.conditions["label"].names  # type: ignore[union-attr]
    for to in ("bright", "dim"):
        source = cond["label"] != names.index(to)
        made = style(model, x[source], {"label": cond["label"][source]}, to=to)
        # a dim spot that is bright for its class becomes a bright one that is
        risen = (brightness(made) - brightness(x[source])) * (1 if to == "bright" else -1)
        assert risen.mean() > 0.2 and (risen > 0).float().mean() > 0.9
        # baseline: pictures of the other class, as they come
        others = x[~source]
        count = min(len(others), len(made))
        off = (centre(made) - centre(x[source])).norm(dim=-1).mean()
        chance = (centre(others[:count]) - centre(x[source][:count])).norm(dim=-1).mean()
        assert off < 0.4 * chance
