"""The restorer where all is known: of Gaussian data the best answer has a closed form; what is
known of an item comes back exactly; what a run has not learned, it refuses.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from castalia.abilities import Damage, undoes
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.families.restorer import (
    Damaged,
    Restorer,
    RestorerConfig,
    block_means,
    boxes,
    enlarged,
    grey,
    untold,
)
from castalia.nn.counter_random import generator, generators
from castalia.spec import Batch, Classes, Dense

LINE = Dense((1, 8), unit="standard")
PICTURE = Dense((3, 12, 16), levels=256)
APART = (torch.arange(8)[:, None] - torch.arange(8)[None, :]).abs() / 2.0
COVARIANCE = (1 + APART) * (-APART).exp()  # smooth lines (Matern 3/2)


def normal(*shape: int, key: str = "x") -> Tensor:
    return torch.randn(shape, generator=generator("restorer", key))


def lines(rows: int, key: str = "x") -> Tensor:
    """(rows, 1, 8) standard normal, neighbours correlated."""
    return normal(rows, 1, 8, key=key) @ torch.linalg.cholesky(COVARIANCE).T


def restorer(spec: Dense = LINE, *damages: Damage, conditions=None, **config) -> Restorer:
    torch.manual_seed(0)
    config = {"width": 16, "damages": damages or ("noise",), **config}
    return Restorer(RestorerConfig(**config), spec, conditions or {})


def shaken(model: Restorer) -> Restorer:
    """With weights of any size: a fresh network adds nothing."""
    for number, weight in enumerate(model.parameters()):
        if weight.ndim > 1:
            scale = weight[0].numel() ** -0.5
            weight.data = scale * normal(*weight.shape, key=f"w{number}")
    return model.eval()


def learned(model: Restorer, steps: int) -> Restorer:
    model.prepare([Batch(lines(2000, "data"))])
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        torch.manual_seed(step)
        loss = model(Batch(lines(128, f"step {step}")))
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        decay.step()
    return model.eval()


def answer(known: Tensor, seen: Tensor, noise: float = 0.0) -> tuple[Tensor, float]:
    """The mean of lines given `known` (n, 8) @ line + noise, and its mean squared error."""
    joint = known @ COVARIANCE @ known.T + noise**2 * torch.eye(len(known))
    gain = COVARIANCE @ known.T @ torch.linalg.inv(joint)
    return seen @ gain.T, float((COVARIANCE - gain @ known @ COVARIANCE).diagonal().mean())


def test_it_learns_the_mean_behind_noise():
    model = learned(restorer(noise=(0.3, 1.2), levels=1), 100)
    x = lines(1000, "new")
    noisy = x + 0.6 * normal(1000, 1, 8, key="noise")
    found = model.denoise(noisy, torch.full((1000,), 0.6), {})
    best, error = answer(torch.eye(8), noisy, 0.6)
    alone = float((noisy / 1.36 - x).square().mean())  # number by number
    assert error < float((found - x).square().mean()) < 1.15 * error < 0.65 * alone
    assert float((found - best).square().mean()) < 0.15 * error


def test_it_learns_the_mean_behind_blocks():
    model = learned(restorer(LINE, "coarse", levels=1), 100)
    x = lines(1000, "new")
    for factor in (2, 4):
        left = block_means(x, factor)
        found = model.restore(agreeing(x, factor), generators(0, 0, 1000), {})
        pool = torch.eye(8 // factor).repeat_interleave(factor, 1) / factor
        best, error = answer(pool, left[..., ::factor])
        guess = guessed(model, left)
        far, near = (float((one - best).square().mean()) for one in (guess, found))
        assert near < 0.06 * error and near < 0.6 * far


def guessed(model: Restorer, left: Tensor) -> Tensor:
    """What the network begins with, of data that are not noisy."""
    none = torch.full((len(left),), -1.0)
    return model._guess(Damaged(left, torch.zeros_like(left, dtype=torch.bool), none))[0]


def agreeing(x: Tensor, factor: int):
    """As an edit puts the means of blocks into data."""
    return lambda data: data - block_means(data, factor) + block_means(x, factor)


def test_of_data_without_correlations_the_first_guess_is_the_answer():
    model, x = restorer(), 2 * normal(4000, 1, 8)
    model.prepare([Batch(x)])
    assert float(model.scale.spread) == pytest.approx(2, rel=0.02)
    assert float(model.grain) == pytest.approx(1, rel=0.02)
    noisy = x + normal(4000, 1, 8, key="noise")
    found = model.denoise(noisy, torch.ones(4000), {})
    torch.testing.assert_close(found, 0.8 * noisy, atol=0.03, rtol=0.02)


def test_what_the_network_adds_is_of_one_size():
    """Whatever the damage, and however pale the data: the loss of a fresh network is about 1."""
    places = torch.arange(16) * torch.pi / 8
    waves = torch.sin(places + 6 * torch.rand(400, 3, 1, 1, generator=generator("phase")))
    for scale in (0.02, 0.5):
        x = scale * waves.expand(-1, -1, 12, -1)
        for damage in ("coarse", "grey", "hole"):
            model = restorer(PICTURE, damage, width=4)
            model.prepare([Batch(x[:200]), Batch(x[200:])])
            torch.manual_seed(0)
            error = float(model(Batch(x)).parts["error"])
            counted = 1.0
            if damage == "hole":
                torch.manual_seed(0)
                counted = float(model.damaged(x).free.float().mean())
            assert error / counted == pytest.approx(1, rel=0.15), (damage, scale)
            looks = {"coarse": [False, False, True, True], "grey": [True, False, False, False]}
            measured = (model.missing < 1).tolist()
            assert measured == looks.get(damage, [False] * 4), (damage, model.missing)


def test_what_neighbours_tell_is_left_out():
    sums, count = untold(lines(4000))
    near, far = COVARIANCE[0, 1:3].tolist()  # of x - (left + right) / 2
    assert float(sums / count) == pytest.approx((1.5 - 2 * near + far / 2) / 1.5, rel=0.05)
    sums, count = untold(torch.linspace(0, 1, 5).expand(2, 3, 4, 5))
    assert float(sums) < 1e-9 and int(count) == 2 * 3 * (2 * 5 + 4 * 3)
    assert int(untold(torch.zeros(2, 1, 2))[1]) == 0


@pytest.mark.parametrize("damage", ["coarse", "grey", "hole"])
def test_what_is_known_comes_back_and_rows_are_alone(damage: Damage):
    model = shaken(restorer(PICTURE, damage, width=8))
    x = normal(5, 3, 12, 16).clamp(-1, 1)
    shares = torch.tensor([0.2, 0.5, 0.3])
    keep = torch.rand(5, 1, 12, 16, generator=generator("keep")) < 0.5
    ways = {
        "coarse": agreeing(x, 4),
        "grey": lambda data: data - grey(data, shares) + grey(x, shares),
        "hole": lambda data: torch.where(keep, x, data),
    }
    consistent = ways[damage]
    found = model.restore(consistent, generators(0, 0, 5), {})
    torch.testing.assert_close(consistent(found), found, atol=1e-6, rtol=0)
    assert (found - consistent(torch.zeros_like(x))).abs().max() > 0.01
    again = model.restore(consistent, generators(1, 0, 5), {}, 0.0)
    assert torch.equal(found, again)  # there is nothing to draw
    for row in range(5):
        alone = model.restore(
            lambda data, row=row: consistent(data.expand(5, -1, -1, -1))[row : row + 1],
            generators(0, 0, 1),
            {},
        )
        torch.testing.assert_close(alone, found[row : row + 1], atol=1e-4, rtol=0)
    if damage == "hole":
        filled = model.infill(x, keep, generators(0, 0, 5), {})
        assert torch.equal(filled, found)
        assert torch.equal(filled[keep.expand_as(x)], x[keep.expand_as(x)])


def test_a_hole_is_seen_whatever_its_colour():
    """Black, white or grey around it, the network is told which numbers are missing."""
    model = shaken(restorer(PICTURE, "hole", width=8))
    x, keep = torch.zeros(1, 3, 12, 16), torch.ones(1, 1, 12, 16, dtype=torch.bool)
    keep[..., 3:6, 4:8] = False
    filled = model.infill(x, keep, generators(0, 0, 1), {})
    other = model.infill(x, keep.roll(4, -1), generators(0, 0, 1), {})
    assert not torch.allclose(filled, other, atol=1e-3)


@pytest.mark.parametrize("sides", [(8,), (12, 16), (4, 8, 12)])
@pytest.mark.parametrize("factor", [2, 4])
def test_blocks_become_a_smooth_surface_of_the_same_means(sides, factor):
    model = restorer(Dense((2, *sides)), "coarse", width=4)
    x = block_means(normal(3, 2, *sides), factor)
    smooth = guessed(model, x)
    torch.testing.assert_close(block_means(smooth, factor), x, atol=0.03, rtol=0)
    assert (smooth - x).abs().max() > 0.05
    noise = normal(3, 2, *sides, key="noise")
    mixed = guessed(model, torch.cat([x, noise]))
    torch.testing.assert_close(mixed[:3], smooth)
    assert torch.equal(mixed[3:], noise)
    flat = torch.full((1, 2, *sides), 0.3)
    torch.testing.assert_close(guessed(model, flat), flat)


def test_a_line_stays_straight_when_enlarged():
    line = torch.linspace(-1, 1, 16).expand(1, 1, 8, 16)
    large = enlarged(line[..., 1:14:2] * 0.5 + line[..., 0:13:2] * 0.5, 2)
    torch.testing.assert_close(large[:, :, :8, 4:-4], line[..., 4:10])


def test_data_without_noise_are_left_alone_even_if_they_look_like_blocks():
    model = shaken(restorer(PICTURE, "noise", "coarse", width=8))
    x = block_means(normal(2, 3, 12, 16).clamp(-1, 1), 4)
    torch.testing.assert_close(model.denoise(x, torch.zeros(2), {}), x, atol=1e-5, rtol=0)


def test_holes_are_boxes_of_all_sizes():
    torch.manual_seed(0)
    for sides in ((20,), (12, 16), (4, 6, 5)):
        made = boxes(400, sides)
        assert made.shape == (400, *sides) and made.flatten(1).any(1).all()
        share = made.flatten(1).float().mean(1)
        assert share.min() < 0.1 and share.max() > 0.7 and 0.1 < share.mean() < 0.6
        for one in made[:20]:
            places = one.nonzero()
            extent = places.max(0).values - places.min(0).values + 1
            assert int(extent.prod()) == len(places)  # no number of the box is missing


def test_the_loss_of_a_hole_is_what_is_inside():
    model = restorer(PICTURE, "hole", width=8)
    x = torch.full((4, 3, 12, 16), 0.5)
    torch.manual_seed(0)
    damaged = model.damaged(x)
    torch.manual_seed(0)
    error = float(model.train()(Batch(x)).parts["error"])
    # a fresh network puts the mean of the data, here 0, into holes
    assert error == pytest.approx(0.25 * float(damaged.free.float().mean()), rel=1e-5)


def test_damage_is_a_function_of_the_generator_and_of_each_kind():
    model = restorer(PICTURE, "noise", "coarse", "grey", "hole", grey=(1, 0, 0))
    x = normal(64, 3, 12, 16, key="pictures").clamp(-1, 1)
    one, two = (model.damaged(x, generator("damage")) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    noisy, holes = one.deviation >= 0, one.free.flatten(1).any(1)
    grey_rows = (one.left == x[:, :1]).flatten(1).all(1)
    blocks = (one.left - block_means(x, 2)).abs().flatten(1).amax(1) < 1e-6
    blocks |= (one.left - block_means(x, 4)).abs().flatten(1).amax(1) < 1e-6
    kinds = torch.stack([noisy, holes, grey_rows, blocks])
    assert (kinds.sum(0) == 1).all() and (kinds.sum(1) > 4).all()
    assert not one.left[one.free].any() and one.left.abs().max() <= 1
    damaged, mended = model.demonstrate(x, generator("damage"), {})
    assert torch.equal(damaged, one.left)
    kept = holes[:, None, None, None] & ~one.free
    assert torch.equal(mended[kept], x[kept])


def test_what_it_has_not_learned_it_refuses():
    x = torch.zeros(1, 3, 12, 16)
    keep = torch.ones(1, 1, 12, 16, dtype=torch.bool)
    noise, blocks = restorer(PICTURE, "noise"), restorer(PICTURE, "coarse")
    with pytest.raises(AbilityError, match="has not learned to restore") as caught:
        noise.restore(lambda data: data, generators(0, 0, 1), {})
    assert "[noise]" in str(caught.value) and "flow" in caught.value.fix
    with pytest.raises(AbilityError, match="has not learned to denoise"):
        blocks.denoise(x, torch.ones(1), {})
    with pytest.raises(AbilityError, match="has not learned to infill"):
        blocks.infill(x, keep, generators(0, 0, 1), {})
    assert undoes(blocks, "coarse", "noise") and not undoes(blocks, "noise")
    assert not undoes(blocks) and undoes(object()) and undoes(object(), "grey")


def test_data_that_cannot_be_damaged_so_are_refused():
    with pytest.raises(SpecError, match="needs data on a grid"):
        restorer(Dense((5,), unit="standard", layout="vector"))
    with pytest.raises(RecipeError, match="cannot be cut into blocks"):
        restorer(Dense((1, 8, 9)), "coarse")
    with pytest.raises(RecipeError, match="have no colours"):
        restorer(Dense((1, 8, 8)), "grey")
    with pytest.raises(RecipeError, match="2 numbers, the data 3 channels"):
        restorer(PICTURE, "grey", grey=(0.5, 0.5))
    for wrong in ({"noise": (0.5, 0.2)}, {"noise": (0.0, 1.0)}, {"grey": (0.0, 0.0)}):
        with pytest.raises(ValueError, match=r"noise|count"):
            RestorerConfig(**wrong)


def test_conditions_reach_the_network():
    model = shaken(restorer(PICTURE, "grey", conditions={"label": Classes(("a", "b"))}))
    light = torch.rand(2, 1, 12, 16, generator=generator("light")) - 0.5
    consistent = lambda data: light + data - grey(data, torch.ones(3) / 3)  # noqa: E731
    one, other = (
        model.restore(consistent, generators(0, 0, 2), {"label": torch.tensor([label] * 2)})
        for label in (0, 1)
    )
    assert (one - other).abs().max() > 1e-3
