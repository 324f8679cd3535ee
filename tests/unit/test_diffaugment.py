"""Alterations before the critic: every rank, reach, what stays, gradients, and when a family uses
them.
"""

from __future__ import annotations

import pytest
import torch

from castalia.families.gan import FEW, MANY, Gan, GanConfig, scarcity
from castalia.nn.diffaugment import Policy, altered, contrasted, holed, shifted, toned
from castalia.spec import Batch, Dense

SHAPES = [(2, 40), (3, 17, 24), (1, 8, 8), (1, 9, 10, 11)]


@pytest.mark.parametrize("policy", ["cutout", "contrast"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_rank_keeps_its_shape_and_passes_gradients(
    shape: tuple[int, ...], policy: Policy
) -> None:
    torch.manual_seed(0)
    x = torch.rand(16, *shape, requires_grad=True)
    y = altered(x, 1.0, policy)
    assert y.shape == x.shape and not torch.equal(y, x)
    y.sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", [toned, shifted, holed, contrasted])
def test_probability_is_per_item_and_nought_is_none(kind: object) -> None:
    torch.manual_seed(0)
    x = torch.rand(400, 2, 16, 16) + 0.5
    assert altered(x, 0.0) is x
    touched = 1 - torch.isclose(kind(x, 0.5), x).flatten(1).all(1).float().mean().item()  # type: ignore[operator]
    expected = 0.5**2 if kind is toned else 0.5
    assert abs(touched - (1 - expected if kind is toned else expected)) < 0.12


def test_a_shift_moves_by_at_most_an_eighth_and_lets_zeros_in() -> None:
    torch.manual_seed(0)
    x = torch.zeros(300, 1, 16, 24)
    x[:, :, 8, 12] = 1
    row, column = (
        shifted(x, 1.0).flatten(1).argmax(1).div(24, rounding_mode="floor"),
        shifted(x, 1.0).flatten(1).argmax(1) % 24,
    )
    assert set(row.tolist()) == {6, 7, 8, 9, 10} and set(column.tolist()) == set(range(9, 16))


def test_tone_keeps_the_pattern_and_a_hole_covers_at_most_a_quarter() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 1, 12, 12)
    a, b = toned(x, 1.0).flatten(1), x.flatten(1)
    for one, other in zip(a, b, strict=True):
        assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.999
    share = (holed(torch.ones(500, 1, 16, 16), 1.0) == 0).float().mean((1, 2, 3))
    assert share.max() <= 0.25 and share.min() > 0


def test_contrast_keeps_the_mean_and_scales_what_is_around_it() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 3, 8, 8)
    y = contrasted(x, 1.0)
    torch.testing.assert_close(y.flatten(1).mean(1), x.flatten(1).mean(1), atol=1e-5, rtol=0)
    factors = y.flatten(1).std(1) / x.flatten(1).std(1)
    assert 0.5 <= factors.min() < 0.6 and 1.4 < factors.max() <= 1.5


def test_the_alterations_follow_the_global_generator() -> None:
    x = torch.rand(4, 3, 16, 16)
    first, again, other = (altered_at(x, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_shift_repeats_edges_where_asked():
    x = torch.arange(48.0).view(1, 1, 6, 8).expand(30, 1, 6, 8).repeat(1, 1, 4, 3)  # 24 x 24
    torch.manual_seed(3)
    zeros = shifted(x + 1, 1.0)
    torch.manual_seed(3)
    edges = shifted(x + 1, 1.0, edges=True)
    inside = zeros != 0
    assert torch.equal(edges[inside], zeros[inside]) and not inside.all()
    assert (edges > 0).all()
    even = torch.full((5, 2, 9, 10, 11), 0.7)
    assert torch.equal(shifted(even, 1.0, edges=True), even)


def altered_at(x: torch.Tensor, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return altered(x, 1.0)


def batches(items: int) -> list[Batch]:
    return [Batch(torch.zeros(min(500, items - first), 1, 8, 8)) for first in range(0, items, 500)]


def test_the_fewer_items_the_more_alterations() -> None:
    chances = [scarcity(items) for items in (300, FEW, 5_000, 10_000, MANY, 60_000)]
    assert (
        chances[:2] == [1.0, 1.0]
        and chances[-2:] == [0.0, 0.0]
        and chances == sorted(chances, reverse=True)
    )


def test_a_family_alters_for_the_critic_only_in_training_and_only_grids() -> None:
    gan = Gan(GanConfig(width=8, latent=4), Dense((1, 8, 8), levels=256), {})
    x = torch.rand(4, 1, 8, 8)
    assert gan._seen(x) is x
    gan.prepare(batches(100))
    assert gan.altered == 0.5 and not torch.equal(gan._seen(x), x)
    assert gan.eval()._seen(x) is x
    fixed = Gan(GanConfig(width=8, latent=4, augment=0.0), Dense((1, 8, 8), levels=256), {})
    fixed.prepare(batches(100))
    assert fixed.altered == 0.0
    vectors = Gan(GanConfig(width=8, latent=4, augment=1.0), Dense((5,), layout="vector"), {})
    assert vectors.altered == 0.0
