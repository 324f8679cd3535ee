"""Networks by rank, conditions, averages, latent Gaussians and output distributions, against closed
forms.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from castalia.errors import SpecError
from castalia.nn.backbones import body_kind, decoder_for, encoder_for
from castalia.nn.condition_embedding import ConditionEmbedding, hide_classes
from castalia.nn.conv import ConvDecoder, ConvEncoder, resolutions
from castalia.nn.counter_random import generators
from castalia.nn.ema import Ema
from castalia.nn.gaussian_latent import Posterior, active_units, free_bits, log_prior
from castalia.nn.likelihoods import (
    Bernoulli,
    Columns,
    Gaussian,
    Likelihood,
    Logistic,
    expectation,
    likelihood_for,
    log_normaliser,
)
from castalia.nn.mlp import Mlp, sinusoids
from castalia.spec import Classes, Dense, Ragged, Span, Tokens

SHAPES = [
    (1, 28, 28),
    (3, 64, 64),
    (1, 105, 105),
    (1, 8, 8),
    (3, 50, 37),
    (2, 3, 40),
    (1, 1, 5),
    (2, 100),
    (1, 7),
    (1, 6, 9, 13),
]


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_lengths_come_back(shape: tuple[int, ...], patch: int) -> None:
    encoder, decoder = (
        ConvEncoder(shape, width=8, patch=patch),
        ConvDecoder(shape, 5, width=8, patch=patch),
    )
    x = torch.randn(2, *shape)
    h = encoder(x)
    assert tuple(h.shape[1:]) == encoder.grid == decoder.grid
    assert decoder(h).shape == (2, 5, *shape[1:])


@pytest.mark.parametrize("patch", [1, 2, 3, 8])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_lengths_come_back_from_overlapping_patches(shape: tuple[int, ...], patch: int) -> None:
    decoder = ConvDecoder(shape, 5, width=8, patch=patch, context=4, overlap=True)
    assert decoder.grid == ConvEncoder(shape, width=8, patch=patch).grid
    h = torch.randn(2, *decoder.grid)
    assert decoder(h, torch.randn(2, 4)).shape == (2, 5, *shape[1:])


def test_overlapping_patches_have_smaller_seams() -> None:
    """A patch that fades towards its border, alone: a kernel that is a tent gives a plane, which
    no kernel of patches that are decoded apart can do.
    """
    decoder = ConvDecoder((1, 64, 64), 1, width=1, depth=0, levels=0, patch=4, overlap=True)
    tent = 1 - (torch.arange(8) - 3.5).abs() / 4
    decoder.head[0].weight.data = (tent[:, None] * tent)[None, None]
    decoder.head[0].bias.data.zero_()
    ramp = torch.arange(16.0).expand(1, 1, 16, 16) + 5  # silu is the identity there, nearly
    with torch.no_grad():
        x = decoder(ramp)[0, 0, 4:-4, 4:-4]
    steps = x.diff(dim=1)
    assert float((steps - 0.25).abs().max()) < 0.01, "a ramp by equal steps, within and between"


def test_resolutions_halve_rounding_up() -> None:
    assert resolutions((28, 28)) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert resolutions((64, 5), smallest=4) == [(64, 5), (32, 5), (16, 5), (8, 5), (4, 5)]
    assert resolutions((28, 28), patch=4, levels=1) == [(7, 7), (4, 4)]
    assert resolutions((105,), levels=0) == [(105,)]


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
@pytest.mark.parametrize("depth", [0, 2])
def test_every_parameter_of_a_body_gets_a_gradient(norm: str, depth: int) -> None:
    spec = Dense((3, 12, 20))
    encoder = encoder_for(spec, 6, norm=norm, depth=depth, width=8, context=4)  # type: ignore[arg-type]
    decoder = decoder_for(spec, 6, 3, norm=norm, depth=depth, width=8, context=4)  # type: ignore[arg-type]
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        # zero-initialised layers would hide what lies behind them
        torch.nn.init.normal_(parameter, std=0.1)
    decoder(
        encoder(torch.randn(4, *spec.shape), torch.randn(4, 4)), torch.randn(4, 4)
    ).square().sum().backward()
    assert all(
        parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        for parameter in encoder.parameters()
        if parameter.ndim > 1
    )
    assert all(parameter.grad is not None for parameter in decoder.parameters())


def test_body_follows_the_spec() -> None:
    assert body_kind(Dense((1, 28, 28)), "auto") == "conv"
    assert body_kind(Dense((2, 40)), "auto") == "conv"
    assert body_kind(Dense((5,), layout="vector"), "auto") == "mlp"
    assert body_kind(Dense((3, 100), layout="set"), "auto") == "mlp"
    with pytest.raises(SpecError):
        body_kind(Dense((5,), layout="vector"), "conv")
    with pytest.raises(SpecError):
        encoder_for(Dense((5,), layout="vector"), 4, layout="grid")


def test_grid_latent_keeps_the_axes() -> None:
    spec = Dense((3, 40, 24))
    encoder, decoder = (
        encoder_for(spec, 8, layout="grid", levels=2, width=8),
        decoder_for(spec, 4, 3, layout="grid", levels=2, width=8),
    )
    assert encoder(torch.randn(2, *spec.shape)).shape == (2, 8, 10, 6)
    assert decoder(torch.randn(2, 4, 10, 6)).shape == (2, *spec.shape)


def test_modulation_starts_as_the_identity() -> None:
    torch.manual_seed(0)
    net = Mlp(6, 2, width=16, depth=2, context=4)
    x, vector = torch.randn(3, 6), torch.randn(3, 4)
    assert torch.equal(net(x, vector), net(x))
    torch.nn.init.normal_(net.modulations[0].project.weight)  # type: ignore[index,union-attr]
    assert not torch.equal(net(x, vector), net(x))


def test_sinusoids_are_sines_and_cosines() -> None:
    table = sinusoids(torch.arange(3), 8)
    assert torch.allclose(table[:, :4].square() + table[:, 4:].square(), torch.ones(3, 4))
    assert torch.allclose(table[2, 0], torch.tensor(2.0).sin())


def test_embedding_drops_and_masks() -> None:
    torch.manual_seed(0)
    conditions = {
        "label": Classes(("a", "b")),
        "words": Tokens(5, 7, 0),
        "size": Dense((3,), layout="vector"),
        "map": Dense((1, 4, 4)),
    }
    embed = ConditionEmbedding(conditions, 6, drop=0.5)
    cond = {
        "label": torch.tensor([0, 1]),
        "words": Ragged(
            torch.ones(2, 4, dtype=torch.int64),
            torch.tensor([[True] * 4, [True] * 2 + [False] * 2]),
        ),
        "size": torch.ones(2, 3),
        "map": torch.ones(2, 1, 4, 4),
    }
    told = embed.eval()(cond, 2)
    assert (
        told.vector.shape == (2, 6)
        and told.sequence.shape == (2, 4, 6)
        and told.mask.sum() == 6
        and told.grid.shape == (2, 1, 4, 4)
    )
    assert torch.equal(told.vector, embed(cond, 2).vector)
    untold = embed({}, 2)
    dropped = embed({"label": torch.tensor([2, 2])}, 2)
    assert (
        torch.equal(untold.vector, dropped.vector)
        and untold.sequence is None
        and not untold.grid.any()
    )
    embed.train()
    kept = torch.stack([embed(cond, 2).grid[:, 0, 0, 0] for _ in range(400)]).mean()
    assert 0.4 < float(kept) < 0.6
    assert ConditionEmbedding({}, 6)({}, 2).vector is None


def test_embedding_refuses_what_does_not_fit() -> None:
    embed = ConditionEmbedding({"label": Classes(("a", "b"))}, 6)
    for bad in (torch.tensor([3, 0]), torch.tensor([-1, 0]), torch.tensor([0, 1, 1])):
        with pytest.raises(SpecError):
            embed({"label": bad}, 2)


def test_hidden_classes_are_the_index_after_the_last() -> None:
    torch.manual_seed(0)
    conditions = {"label": Classes(("a", "b"))}
    hidden = hide_classes({"label": torch.zeros(2000, dtype=torch.int64)}, conditions, 0.25)[
        "label"
    ]
    assert set(hidden.tolist()) == {0, 2} and 0.2 < float((hidden == 2).float().mean()) < 0.3


def test_ema_is_the_weighted_sum_of_the_past() -> None:
    model = torch.nn.BatchNorm1d(1)
    ema = Ema(model, decay=0.5)
    expected = 1.0
    for step in range(20, 24):  # past the warm-up: (1 + 20) / (10 + 20) > 0.5
        with torch.no_grad():
            model.weight.fill_(float(step))
        model(torch.randn(4, 1))
        ema.update(step)
        expected = 0.5 * expected + 0.5 * step
    assert math.isclose(float(ema.model.weight.detach()), expected, rel_tol=1e-6)
    assert (
        torch.equal(ema.model.running_mean, model.running_mean)
        and int(ema.model.num_batches_tracked) == 4
    )
    other = Ema(model, 0.5)
    other.load_state_dict(ema.state_dict())
    assert torch.equal(other.model.weight, ema.model.weight) and not ema.model.training


def test_ema_warm_up_forgets_the_start() -> None:
    model = torch.nn.Linear(1, 1)
    ema = Ema(model, decay=0.999)
    torch.nn.init.constant_(model.weight, 3.0)  # where training has gone since
    for step in range(50):
        ema.update(step)
    # the weight of the start is the product of (1 + s) / (10 + s): about 1e-6, and .95 without
    # warm-up
    assert torch.allclose(ema.model.weight, model.weight, atol=1e-4)


def test_divergence_is_torchs() -> None:
    torch.manual_seed(0)
    posterior = Posterior.of(torch.randn(5, 8))
    normal = torch.distributions.Normal(posterior.mean, (0.5 * posterior.log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros(5, 4), torch.ones(5, 4))
    assert torch.allclose(
        posterior.divergence(), torch.distributions.kl_divergence(normal, prior), atol=1e-5
    )
    z = posterior.draw(torch.randn(5, 4))
    assert torch.allclose(posterior.log_density(z), normal.log_prob(z), atol=1e-5)
    assert torch.allclose(log_prior(z), prior.log_prob(z), atol=1e-5)
    wild = Posterior.of(torch.full((1, 4), 1e4)).log_variance
    assert bool((wild <= 6).all()) and bool(
        (Posterior.of(torch.full((1, 4), -1e4)).log_variance >= -14.0001).all()
    )


def test_free_bits_floor_the_batch_mean_per_unit() -> None:
    divergence = torch.tensor([[0.0, 3.0], [0.2, 5.0]])
    assert math.isclose(float(free_bits(divergence, 0.5)), 0.5 + 4.0)
    assert math.isclose(float(free_bits(divergence[..., None], 0.0)), 0.1 + 4.0, rel_tol=1e-6)


def test_active_units_vary_over_data() -> None:
    means = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 0.05, 0.2]
    )
    assert active_units(means) == 2


def all_levels(spec: Dense) -> Tensor:
    low, high = spec.limits
    return torch.linspace(low, high, spec.levels or 0).view(-1, 1)


@pytest.mark.parametrize("unit", ["signed", "binary"])
@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("name", ["logistic", "gaussian", "bernoulli"])
def test_mass_over_all_levels_is_one(name: str, levels: int, unit: str) -> None:
    """What `nats` counts is a probability of stored values: over all of them it sums to one, for
    any parameter.
    """
    spec = Dense((1,), unit=unit, levels=levels, layout="vector")  # type: ignore[arg-type]
    for deviation in (0.02, 0.3, 2.0):
        head = likelihood_for(spec, name, spread="fixed", deviation=deviation)  # type: ignore[arg-type]
        x = all_levels(spec)
        for value in (-3.0, -0.7, 0.0, 0.31, 1.5):
            mass = torch.exp(-head.nats(torch.full_like(x, value), x))
            assert math.isclose(float(mass.sum()), 1.0, abs_tol=2e-3), (deviation, value)


def test_gaussian_mass_is_scipys() -> None:
    spec = Dense((1,), levels=256, layout="vector")
    head = Gaussian(spec, "fixed", 0.05)
    x = all_levels(spec)
    bins = 2 / 255
    raw = torch.full_like(x, 0.6).logit()  # squashed into the limits: 2 * 0.6 - 1
    found = -head.nats(raw, x).double()
    normal = scipy.stats.norm(0.2, 0.05)
    for index in (90, 140, 153, 160, 200):
        centre = float(x[index])
        tail = normal.cdf if centre < 0.2 else lambda edge: -normal.sf(edge)
        expected = math.log(tail(centre + bins / 2) - tail(centre - bins / 2))
        assert math.isclose(float(found[index]), expected, rel_tol=2e-3, abs_tol=2e-3)
    # what is trained is the density times the bin width, which agrees where the bin is narrow
    assert torch.allclose(head.loss(raw, x)[140:160].double(), -found[140:160], atol=5e-3)


def test_logistic_mass_is_scipys() -> None:
    spec = Dense((1,), levels=256, layout="vector")
    head = Logistic(spec, "fixed", 0.05)
    x = all_levels(spec)
    found = torch.exp(-head.nats(torch.full_like(x, 0.2), x)).double().numpy()
    edges = np.concatenate([[-np.inf], (np.arange(255) + 0.5) * 2 / 255 - 1, [np.inf]])
    expected = np.diff(scipy.stats.logistic(0.2, 0.05).cdf(edges))
    assert np.allclose(found, expected, atol=1e-6)


def test_densities_without_levels_are_torchs() -> None:
    torch.manual_seed(0)
    x, parameters = torch.randn(6, 3), torch.randn(6, 3)
    spec = Dense((3,), unit="standard", layout="vector")
    normal = torch.distributions.Normal(parameters, 0.5)
    assert torch.allclose(
        Gaussian(spec, "shared", 0.5).nats(parameters, x), -normal.log_prob(x).sum(1), atol=1e-4
    )
    logistic = scipy.stats.logistic(parameters.numpy(), 0.5).logpdf(x.numpy()).sum(1)
    assert np.allclose(
        Logistic(spec, "channel", 0.5).nats(parameters, x).detach().numpy(), -logistic, atol=1e-4
    )


def test_bernoulli_is_binary_cross_entropy_for_two_levels() -> None:
    spec = Dense((4,), unit="signed", levels=2, layout="vector")
    torch.manual_seed(0)
    logits, bits = torch.randn(5, 4), torch.randint(0, 2, (5, 4)).float()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, bits, reduction="none"
    ).sum(1)
    assert torch.allclose(Bernoulli(spec).nats(logits, 2 * bits - 1), expected, atol=1e-5)


@pytest.mark.parametrize("levels", [2, 3, 17, 256, None])
def test_normaliser_and_expectation_by_summation(levels: int | None) -> None:
    logit = torch.tensor([-60.0, -3.0, -0.1, 0.0, 1e-3, 0.5, 4.0, 80.0], dtype=torch.float64)
    if levels is None:
        grid = torch.linspace(0, 1, 200_001, dtype=torch.float64)
        terms = logit[:, None] * grid
        expected = torch.log(torch.trapezoid(terms.exp(), grid))
        mean = torch.trapezoid(terms.exp() * grid, grid) / torch.trapezoid(terms.exp(), grid)
    else:
        grid = torch.linspace(0, 1, levels, dtype=torch.float64)
        terms = logit[:, None] * grid
        expected = terms.logsumexp(1)
        mean = (terms.softmax(1) * grid).sum(1)
    assert torch.allclose(
        log_normaliser(logit.float(), levels).double(), expected, rtol=1e-5, atol=2e-4
    )
    assert torch.allclose(expectation(logit.float(), levels).double(), mean, atol=1e-5)
    inner = torch.tensor([-3.0, -0.3, 0.4, 4.0], requires_grad=True)
    log_normaliser(inner, levels).sum().backward()
    assert torch.allclose(inner.grad, expectation(inner.detach(), levels), atol=2e-3)  # type: ignore[arg-type]


HEADS: list[tuple[str, Likelihood]] = [
    ("gaussian", Gaussian(Dense((1,), layout="vector", unit="standard"), "fixed", 0.3)),
    ("logistic", Logistic(Dense((1,), layout="vector", unit="standard"), "fixed", 0.2)),
    ("bernoulli grey", Bernoulli(Dense((1,), layout="vector", unit="binary", levels=7))),
    ("bernoulli two", Bernoulli(Dense((1,), layout="vector", unit="binary", levels=2))),
    ("bernoulli continuous", Bernoulli(Dense((1,), layout="vector", unit="signed"))),
]


@pytest.mark.parametrize(("name", "head"), HEADS, ids=[name for name, _ in HEADS])
def test_draws_follow_the_distribution(name: str, head: Likelihood) -> None:
    """Mean nats of draws is the entropy: what is drawn is what is scored. And their
    mean is `mean`.
    """
    rows = 4000
    for value in (-1.2, 0.4, 2.5):
        parameters = torch.full((rows, 1), value)
        x = head.draw(parameters, generators(0, 0, rows))
        assert abs(float(x.mean() - head.mean(parameters)[0, 0])) < 0.03
        assert torch.equal(head.draw(parameters[:3], generators(0, 5, 3)), x[5:8])
        if name == "bernoulli grey":
            support = torch.linspace(0, 1, 7)[:, None]
            mass = torch.exp(-head.nats(torch.full((7, 1), value), support))
            counts = torch.stack([((x - level).abs() < 1e-4).float().mean() for level in support])
            assert torch.allclose(counts, mass, atol=0.03)
        if name == "gaussian":
            assert abs(float(x.std()) - 0.3) < 0.01
        if name == "logistic":
            assert abs(float(x.std()) - 0.2 * math.pi / math.sqrt(3)) < 0.015


def test_columns_score_categories_and_draw_one_of_each() -> None:
    spec = Dense((5,), spans=(Span(0, 2), Span(2, 3, "onehot")), unit="standard", layout="vector")
    head = likelihood_for(spec, deviation=0.5)
    assert isinstance(head, Columns)
    parameters = torch.tensor([[1.0, -1.0, 0.0, 1.0, 2.0]])
    x = torch.tensor([[1.2, -1.0, 0.0, 0.0, 1.0]])
    normal = torch.distributions.Normal(parameters[:, :2], 0.5).log_prob(x[:, :2]).sum(1)
    assert torch.allclose(
        head.nats(parameters, x), -(normal + parameters[:, 2:].log_softmax(1)[:, 2]), atol=1e-5
    )
    drawn = head.draw(parameters.repeat(3000, 1), generators(1, 0, 3000))
    assert bool((drawn[:, 2:].sum(1) == 1).all())
    assert torch.allclose(drawn[:, 2:].mean(0), parameters[0, 2:].softmax(0), atol=0.03)
    assert torch.equal(head.mean(parameters)[0, 2:], torch.tensor([0.0, 0.0, 1.0]))
    with pytest.raises(SpecError):
        likelihood_for(spec, "bernoulli")


@pytest.mark.parametrize("spread", ["shared", "channel", "element", "fixed"])
def test_spread_has_its_scales(spread: str) -> None:
    spec = Dense((3, 4, 5), levels=256)
    for head in (
        likelihood_for(spec, "gaussian", spread=spread, deviation=0.3),
        likelihood_for(spec, "logistic", spread=spread, deviation=0.3),
    ):  # type: ignore[arg-type]
        parameters = torch.zeros(2, head.outputs, 4, 5)
        location, log_scale = head.split(parameters)  # type: ignore[attr-defined]
        assert location.shape == (2, 3, 4, 5) and math.isclose(
            float(log_scale.detach().flatten()[0]), math.log(0.3), rel_tol=1e-5
        )
        assert (
            sum(parameter.numel() for parameter in head.parameters())
            == {"shared": 1, "channel": 3, "element": 0, "fixed": 0}[spread]
        )
        assert (
            head.mean(parameters).shape
            == head.draw(parameters, generators(0, 0, 2)).shape
            == (2, 3, 4, 5)
        )


@pytest.mark.parametrize("spread", ["shared", "channel", "element", "fixed"])
def test_gaussian_loss_is_the_density_times_the_bin(spread: str) -> None:
    torch.manual_seed(0)
    head = Gaussian(Dense((3, 4, 5), levels=256), spread, 0.3)  # type: ignore[arg-type]
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, parameters = torch.rand(6, 3, 4, 5), torch.randn(6, head.outputs, 4, 5)
    location, log_scale = head.split(parameters)
    normal = torch.distributions.Normal(location, log_scale.exp().expand_as(location))
    expected = -(normal.log_prob(x) + math.log(2 / 255)).flatten(1).sum(1)
    assert torch.allclose(head.loss(parameters, x), expected, rtol=1e-4)


def test_auto_follows_levels_and_unit() -> None:
    assert isinstance(likelihood_for(Dense((1, 4, 4), levels=256)), Logistic)
    assert isinstance(likelihood_for(Dense((1, 4, 4), levels=2, unit="binary")), Bernoulli)
    assert isinstance(likelihood_for(Dense((4,), unit="standard", layout="vector")), Gaussian)
    with pytest.raises(SpecError):
        likelihood_for(Dense((4,), unit="standard", layout="vector"), "bernoulli")


def test_logistic_is_finite_far_out() -> None:
    head = Logistic(Dense((1,), levels=256, layout="vector"), "fixed", 1e-3)
    parameters = torch.tensor([[50.0], [-50.0]], requires_grad=True)
    nats = head.nats(parameters, torch.tensor([[0.0], [0.5]]))
    nats.sum().backward()
    assert bool(torch.isfinite(nats).all()) and bool(torch.isfinite(parameters.grad).all())  # type: ignore[arg-type]
