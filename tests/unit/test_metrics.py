"""The statistics behind the scores, against closed forms and independent implementations on the
same features.
"""

import math
from functools import partial

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from castalia import registry
from castalia.errors import RecipeError, SpecError
from castalia.evaluation import baselines, features
from castalia.evaluation.base import (
    GROUPS,
    MetricResult,
    group_ids,
    jackknife,
    mean_interval,
    show,
    wilson,
)
from castalia.evaluation.frechet_distance import (
    FrechetDistance,
    _without_groups,
    distance,
    frechet,
    moments,
)
from castalia.evaluation.kernel_distance import KernelDistance, _Sums, _unbiased, kernel_distance
from castalia.evaluation.likelihood import gaussian_nats
from castalia.evaluation.nearest_neighbours import nearest
from castalia.evaluation.novelty import copies
from castalia.evaluation.precision_recall import Manifold, manifold_scores, manifold_table
from castalia.evaluation.two_sample import TwoSample
from castalia.evaluation.vendi_score import Vendi
from castalia.modalities.image.metrics import net32, net64
from castalia.spec import Dense, Tokens
from castalia.testing.metrics import check_metric


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


class Flat(nn.Module):
    """A feature extractor for the oracles: the picture's numbers are its features."""

    num_features = 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).float()


def as_pictures(x: torch.Tensor) -> torch.Tensor:
    return x.view(-1, 3, 2, 2)


# Frechet


def test_frechet_of_known_gaussians():
    """Diagonal Gaussians: |m1 - m2|^2 + sum (s1 - s2)^2."""
    m1, m2 = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0, 5.0])
    s1, s2 = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([2.0, 2.0, 0.0])
    expected = 1 + 4 + 1 + 0 + 0.25
    assert distance(m1, s1.square().diag(), m2, s2.square().diag()) == pytest.approx(
        expected, rel=1e-12
    )


def test_frechet_does_not_depend_on_the_basis_and_works_for_singular_covariances():
    x, y = normal(300, 6, 0) * torch.tensor([3, 2, 1, 1, 0.1, 0.0]), normal(300, 6, 1) + 0.5
    basis = torch.linalg.qr(normal(6, 6, 2).double()).Q
    assert frechet(x.double() @ basis, y.double() @ basis) == pytest.approx(frechet(x, y), rel=1e-7)
    assert frechet(x, x) == pytest.approx(0.0, abs=1e-6)
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-9)


def test_frechet_matches_torchmetrics():
    real, fake = normal(500, 12, 0), normal(400, 12, 1) * 1.3 + 0.2
    oracle = FrechetInceptionDistance(
        feature=Flat(), input_img_size=(3, 2, 2), normalize=True
    ).set_dtype(torch.float64)
    oracle.update(as_pictures(real), real=True)
    oracle.update(as_pictures(fake), real=False)
    assert frechet(fake, real) == pytest.approx(oracle.compute().item(), rel=1e-4)


def test_moments_without_a_group_are_the_moments_of_the_rest():
    x = normal(203, 5, 0) * 3 + 100
    ids = group_ids(203)
    for group, (mean, covariance) in enumerate(_without_groups(x)):
        expected_mean, expected_covariance = moments(x[ids != group])
        torch.testing.assert_close(mean, expected_mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(covariance, expected_covariance, rtol=1e-9, atol=1e-9)


def test_frechet_is_biased_in_n_and_the_extrapolation_takes_most_of_it_away():
    estimate = FrechetDistance().compare(normal(600, 16, 0), normal(600, 16, 1))["frechet"]
    assert estimate.value > 0.1
    assert estimate.details["without_bias"] < estimate.value / 3


# kernel


def test_kernel_distance_matches_torchmetrics():
    real, fake = normal(60, 12, 0), normal(60, 12, 1) * 1.2 + 0.3
    oracle = KernelInceptionDistance(feature=Flat(), subsets=1, subset_size=60, normalize=True)
    oracle.update(as_pictures(real), real=True)
    oracle.update(as_pictures(fake), real=False)
    assert kernel_distance(fake, real) == pytest.approx(oracle.compute()[0].item(), rel=1e-4)


def test_kernel_distance_without_a_group_is_that_of_the_rest():
    x, y = normal(70, 3, 0), normal(90, 3, 1) + 0.5
    sums = _Sums(x, y)
    expected = kernel_distance(x[group_ids(70) != 4], y[group_ids(90) != 4])
    assert _unbiased(sums, 4) == pytest.approx(expected, rel=1e-10)


def test_kernel_distance_of_known_points_and_gaussians():
    """Two points: k(a, a) + k(b, b) - 2 k(a, b). N(1, 4) and N(0, 1): moments of the cubic kernel 1
    + 3 xy + 3 x^2 y^2 + x^3 y^3.
    """
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, -1.0]])
    expected = (5 / 2 + 1) ** 3 + (1 / 2 + 1) ** 3 - 2 * (-2 / 2 + 1) ** 3
    assert kernel_distance(a.repeat(9, 1), b.repeat(7, 1)) == pytest.approx(expected, rel=1e-9)
    one, other = (1.0, 5.0, 13.0), (0.0, 1.0, 0.0)  # E x, E x^2, E x^3

    def mean_kernel(p, q):
        return 1 + 3 * p[0] * q[0] + 3 * p[1] * q[1] + p[2] * q[2]

    truth = mean_kernel(one, one) + mean_kernel(other, other) - 2 * mean_kernel(one, other)
    values = torch.tensor(
        [
            kernel_distance(2 * normal(80, 1, 2 * seed) + 1, normal(80, 1, 2 * seed + 1))
            for seed in range(300)
        ]
    )
    _, low, high = mean_interval(values)
    assert low <= truth <= high


def test_kernel_distance_is_unbiased():
    values = torch.tensor(
        [
            kernel_distance(normal(40, 4, 2 * seed), normal(40, 4, 2 * seed + 1))
            for seed in range(200)
        ]
    )
    mean, low, high = mean_interval(values)
    assert low <= 0 <= high, (mean, low, high)
    assert (values < 0).any()


# nearest neighbours and manifolds


def test_nearest_matches_scikit_learn():
    queries, items = normal(37, 5, 0), normal(120, 5, 1)
    distances, indices = nearest(queries, items, 4)
    expected = (
        NearestNeighbors(n_neighbors=4, algorithm="brute")
        .fit(items.double().numpy())
        .kneighbors(queries.double().numpy())
    )
    np.testing.assert_array_equal(indices.numpy(), expected[1])
    np.testing.assert_allclose(distances.numpy(), expected[0], rtol=1e-6)


def test_nearest_finds_a_copy_at_distance_zero_far_from_the_origin(monkeypatch):
    monkeypatch.setattr("castalia.evaluation.nearest_neighbours.BLOCK", 300)  # several blocks
    items = normal(100, 8, 0) + 1000
    distances, indices = nearest(items[20:50], items)
    assert distances.max() == 0
    torch.testing.assert_close(indices[:, 0], torch.arange(20, 50))
    others, _ = nearest(items, items, exclude_self=True)
    assert others.min() > 0


def test_nearest_refuses_more_neighbours_than_items():
    with pytest.raises(SpecError, match="cannot find 5 neighbours among 4"):
        nearest(normal(2, 3, 0), normal(5, 3, 1), 5, exclude_self=True)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_manifold_matches_prdc(k):
    real, fake = normal(150, 6, 0), normal(120, 6, 1) * 0.9 + 0.4
    expected = compute_prdc(
        real_features=real.double().numpy(), fake_features=fake.double().numpy(), nearest_k=k
    )
    assert manifold_scores(fake, real, k) == pytest.approx(expected)


def test_manifold_without_a_group_is_that_of_the_rest(monkeypatch):
    monkeypatch.setattr("castalia.evaluation.nearest_neighbours.BLOCK", 2000)
    real, fake = normal(90, 3, 0), normal(110, 3, 1) + 0.3
    table, _ = manifold_table(fake, real, 4)
    for group in (0, 7, GROUPS - 1):
        expected = compute_prdc(
            real_features=real[group_ids(90, 1) != group].double().numpy(),
            fake_features=fake[group_ids(110, 0) != group].double().numpy(),
            nearest_k=4,
        )
        assert table[1 + group].tolist() == pytest.approx(
            [expected[name] for name in Manifold.better]
        )


def test_one_unusual_item_that_spoils_precision_is_named():
    """Samples far away, all within reach of one outlier: precision 1, and the reason in words."""
    outlier = torch.full((1, 4), 60.0)
    real, other = torch.cat([normal(300, 4, 0), outlier]), torch.cat([normal(300, 4, 1), outlier])
    naive = 0.1 * normal(301, 4, 2) + 30
    metric = Manifold()
    found = metric.compare(naive, real)["precision"]
    assert found.value == 1.0 and found.details["in_fullest_ball"] == 1.0
    assert found.details["without_fullest_ball"] == 0.0
    assert "a single unusual real item" in metric.explain("precision", found)
    floor = metric.compare(other, real)["precision"]
    assert metric.explain("precision", floor) == ""
    assert floor.details["without_fullest_ball"] == pytest.approx(floor.value, abs=0.02)
    assert metric.separates("precision", floor, found) and not metric.separates(
        "precision", floor, floor
    )


def test_copied_items_are_inside_even_when_a_radius_is_zero():
    real = normal(30, 4, 0).repeat(4, 1)  # every radius is 0 for k = 3
    assert manifold_scores(real[:40], real, 3)["precision"] == 1.0


def test_copies_counts_near_items_only():
    training = normal(200, 4, 0)
    items = torch.cat([training[:30], normal(10, 4, 1) + 50])
    assert copies(items, training, 0.01) == pytest.approx(0.75)


# intervals


@pytest.mark.parametrize(
    "metric",
    [FrechetDistance(), KernelDistance(), Manifold(k=3), TwoSample(), Vendi()],
    ids=lambda metric: metric.name,
)
def test_intervals_cover_the_expected_value_at_this_n(metric):
    """About 95% of intervals hold the mean of the statistic over many draws of both sides; at least
    85% of 60 must.
    """
    results = [
        metric.compare(normal(150, 4, 2 * seed) * 1.2 + 0.3, normal(150, 4, 2 * seed + 1))
        for seed in range(60)
    ]
    for name in metric.better:
        expected = sum(result[name].value for result in results) / len(results)
        covered = sum(result[name].low <= expected <= result[name].high for result in results)
        assert covered >= 51, (name, covered)


def test_jackknife_of_a_mean_is_its_standard_error():
    x = normal(2000, 1, 0).double().flatten()
    low, high = jackknife(
        x.mean().item(), [x[group_ids(2000) != group].mean().item() for group in range(GROUPS)]
    )
    assert (high - low) / 2 == pytest.approx(2.093 / math.sqrt(2000), rel=0.35)


def test_wilson_is_open_at_the_ends():
    assert wilson(1.0, 100) == pytest.approx((0.9630, 1.0), abs=1e-3)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=1e-3)
    assert wilson(1.0, 300)[1] == 1.0 and wilson(0.0, 300)[0] == 0.0  # whatever is rounded


def test_show_keeps_three_digits():
    assert [
        show(value) for value in (0.0, 1234.5, 15.55, 0.01234, -0.5, 3.0, 1e-7, None, float("nan"))
    ] == [
        "0",
        "1,234",
        "15.6",
        "0.0123",
        "-0.500",
        "3",
        "1.0e-07",
        "–",
        "–",
    ]


# the contract


@pytest.mark.parametrize("name", sorted(registry.known("metric")))
def test_contract(name):
    check_metric(registry.resolve("metric", name))


def test_the_contract_notices_a_metric_that_sees_nothing():
    class Blind(Manifold):
        def compare(self, candidate, reference):
            return {
                name: type(estimate)(0.5, 0.4, 0.6)
                for name, estimate in super().compare(candidate, reference).items()
            }

    with pytest.raises(AssertionError, match="manifold: equal sets are equal"):
        check_metric(Blind)


# likelihood and baselines


def test_gaussian_bits_sum_to_one_over_the_levels_and_stay_finite():
    spec = Dense((1,), levels=256)
    levels = (torch.arange(256.0) / 127.5 - 1)[:, None]
    for mean, deviation in [(0.1, 0.3), (-1.0, 0.01), (0.9, 1e-9)]:
        nats = gaussian_nats(levels, torch.tensor([mean]), torch.tensor([deviation]), spec)
        assert torch.isfinite(nats).all()
        assert (-nats).exp().sum().item() == pytest.approx(1.0, abs=1e-6)


def test_gaussian_density_of_continuous_data():
    spec = Dense((3,), unit="standard", layout="vector")
    x = normal(5, 3, 0)
    expected = -torch.distributions.Normal(1.0, 2.0).log_prob(x.double()).sum(1)
    torch.testing.assert_close(
        gaussian_nats(x, torch.ones(3), torch.full((3,), 2.0), spec), expected
    )


def test_running_moments_and_the_naive_baseline():
    x = normal(1000, 3, 0) * torch.tensor([1.0, 0.1, 0.0]) + torch.tensor([0.0, 50.0, 1.0])
    running = baselines.Moments()
    for part in x.split(170):
        running.add(part)
    mean, deviation = running.result()
    torch.testing.assert_close(mean, x.double().mean(0))
    torch.testing.assert_close(deviation, x.double().std(0, correction=0), rtol=1e-6, atol=1e-9)
    spec = Dense((3,), unit="standard", layout="vector")
    drawn = baselines.naive((mean, deviation), spec, 0, 0, 400)
    torch.testing.assert_close(drawn.mean(0), x.mean(0), atol=0.2, rtol=0.01)
    torch.testing.assert_close(drawn[100:103], baselines.naive((mean, deviation), spec, 0, 100, 3))


# feature networks


def test_the_shipped_network_is_the_frozen_one(monkeypatch):
    features_ = features.features_for(Dense((1, 28, 28), levels=256))
    assert features_.name == "castalia-net32-v1"
    x = normal(9, 784, 0).view(9, 1, 28, 28) * 0.3
    vectors = features.extract(features_, [x])
    assert vectors.shape == (9, net32.DIMENSION)
    torch.testing.assert_close(vectors, features.extract(features_, [x.expand(-1, 3, -1, -1)]))
    net32.net32.cache_clear()
    monkeypatch.setattr(net32, "SHA256", "0" * 64)
    with pytest.raises(SpecError, match="was changed"):
        net32.net32()


@pytest.mark.parametrize(("side", "dimension"), [(48, 160), (64, 160), (100, 192), (128, 192)])
def test_larger_pictures_have_a_network_of_their_own(side, dimension, monkeypatch):
    """From 96 pixels on their quarters are looked at as well."""
    spec = Dense((1, side, side), levels=256)
    chosen = features.features_for(spec)
    assert chosen.name == net64.NAME
    x = (normal(6, side * side, 0) * 0.3).view(6, 1, side, side)
    vectors = features.extract(chosen, [x])
    assert vectors.shape == (6, dimension)
    torch.testing.assert_close(vectors, features.extract(chosen, [x.expand(-1, 3, -1, -1)]))
    # a blur of a pixel moves the quality, of a large picture what its quarters say most
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    moved = (features.extract(chosen, [blurred]) - vectors)[:, net64.CONTENT :]
    assert moved.norm(dim=1).min() > 5
    net64.net64.cache_clear()
    monkeypatch.setattr(net64, "SHA256", "0" * 64)
    with pytest.raises(SpecError, match="was changed"):
        features.extract(features.features_for(spec), [x])


@pytest.mark.parametrize("shape", [(3, 40, 20), (3, 70, 50)])
def test_any_values_and_units_go_through_the_network(shape):
    signed, binary = (
        features.features_for(Dense(shape, unit=unit)) for unit in ("signed", "binary")
    )
    x = normal(4, shape[0] * shape[1] * shape[2], 0).view(4, *shape)
    assert torch.isfinite(features.extract(signed, [x * float("inf")])).all()
    torch.testing.assert_close(
        features.extract(binary, [x.clamp(-1, 1) / 2 + 0.5]),
        features.extract(signed, [x]),
        atol=1e-4,
        rtol=1e-4,
    )


def test_networks_are_chosen_by_spec_and_misuse_is_named():
    assert features.features_for(Dense((2,), unit="standard", layout="vector")).name == "raw"
    assert features.features_for(Dense((2, 64))).name == "raw"
    with pytest.raises(SpecError, match="takes grey or RGB pictures only"):
        features.features_for(Dense((2,), layout="vector"), "castalia-net32-v1")
    with pytest.raises(SpecError, match="of 48 pixels a side or more"):
        features.features_for(Dense((3, 32, 32)), net64.NAME)
    with pytest.raises(RecipeError, match="no feature network 'inception'"):
        features.features_for(Dense((3, 32, 32)), "inception")
    with pytest.raises(SpecError, match="dense data"):
        features.features_for(Tokens(8, 8, 0))


def test_scores_json_has_every_key_and_no_nan():
    document = MetricResult(
        "x", value=float("nan"), details={"a": (1.0, float("inf")), "b": torch.tensor([1.0])}
    ).to_json()
    assert list(document) == [
        "name",
        "value",
        "low",
        "high",
        "n",
        "seeds",
        "better",
        "floor",
        "baselines",
        "informative",
        "seconds",
        "details",
    ]
    assert document["value"] is None and document["details"] == {"a": [1.0, None], "b": [1.0]}


def test_frechet_grows_with_the_damage_that_the_network_sees():
    """Real pictures (built in) under growing noise, blur and loss of classes."""
    pictures, labels = _digits()
    look = partial(features.extract, features.features_for(Dense((1, 8, 8), levels=256)))
    real, rest, rest_labels = look([pictures[:600]]), pictures[600:1200], labels[600:1200]
    noise = torch.randn(rest.shape, generator=torch.Generator().manual_seed(0))
    soft = nn.functional.avg_pool2d(rest, 3, 1, 1)
    floor = frechet(look([rest]), real)
    for damaged in (
        [rest + power * noise for power in (0.2, 0.5, 1.0)],
        [rest + power * (soft - rest) for power in (0.3, 0.6, 1.0)],
        [rest[rest_labels < classes] for classes in (8, 6, 4)],
    ):
        values = [floor, *(frechet(look([x]), real) for x in damaged)]
        assert values == sorted(values), values


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(data.images).float()[order, None] / 8 - 1, torch.from_numpy(
        data.target
    )[order]
