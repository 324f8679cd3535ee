"""The VAE's bound, its importance-sampled nats and its knobs, against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.errors import SpecError
from castalia.families.vae import Vae, VaeConfig
from castalia.nn.counter_random import generator, generators
from castalia.spec import Batch, Classes, Condition, Dense, Tokens
from castalia.testing import SPECS, synthetic

VECTOR = Dense((3,), unit="standard", layout="vector")
NOISE = 0.7


class Linear(nn.Module):
    """A network that ignores conditions."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        return x @ self.weight.T + self.bias


def linear_gaussian(
    draws: int, exact_posterior: bool
) -> tuple[Vae, torch.distributions.MultivariateNormal]:
    """A VAE whose decoder is z -> W z + b with noise 0.7, and what it says about data: N(b, W W' +
    0.49).

    W has orthogonal columns, so that the true posterior is diagonal and the encoder can be exactly
    that.
    """
    model = Vae(
        VaeConfig(
            latent=2, likelihood="gaussian", spread="fixed", deviation=NOISE, importance=draws
        ),
        VECTOR,
        {},
    ).eval()
    w = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    b = torch.tensor([0.3, -0.2, 0.1])
    precision = 1 + (w.square().sum(0)) / NOISE**2
    mean_map = (w / NOISE**2 / precision).T
    if exact_posterior:
        # Posterior.of bends the log-variance
        raw = 10 * torch.atanh((4 - precision.log()) / 10) - 4
        model.encoder = Linear(
            torch.cat([mean_map, torch.zeros(2, 3)]), torch.cat([-mean_map @ b, raw])
        )  # type: ignore[assignment]
    else:
        model.encoder = Linear(torch.zeros(4, 3), torch.zeros(4))  # type: ignore[assignment]
    model.decoder = Linear(w, b)  # type: ignore[assignment]
    return model, torch.distributions.MultivariateNormal(b, w @ w.T + NOISE**2 * torch.eye(3))


def test_nats_of_the_true_posterior_need_one_draw() -> None:
    # a bound of one draw varies: which draws must not depend on the tests before
    torch.manual_seed(0)
    model, truth = linear_gaussian(1, exact_posterior=True)
    x = truth.sample((20,))
    assert torch.allclose(model.nats(Batch(x)), -truth.log_prob(x), atol=1e-3)
    assert torch.allclose(model.nelbo(Batch(x)), model.nats(Batch(x)), atol=3.0)


def test_many_draws_tighten_the_bound() -> None:
    """A posterior that ignores the data: one draw is far above the truth on average, 4,000 draws
    are within a tenth.
    """
    torch.manual_seed(0)
    x = linear_gaussian(1, False)[1].sample((16,))
    errors = []
    for draws in (1, 30, 4000):
        model, truth = linear_gaussian(draws, exact_posterior=False)
        errors.append(float((model.nats(Batch(x)) + truth.log_prob(x)).mean()))
    assert errors[0] > 1.0 and errors[0] > errors[1] > errors[2] - 0.05
    assert abs(errors[2]) < 0.1
    assert float((model.nelbo(Batch(x)) + truth.log_prob(x)).mean()) > 1.0


def test_nats_are_the_same_in_small_blocks() -> None:
    """512 decoded rows at a time: 40 rows x 64 draws are several blocks, 4 rows are one."""
    torch.manual_seed(0)
    spec = SPECS["grey picture"]
    model = Vae(VaeConfig(width=8, latent=4, importance=64), spec, {}).eval()
    batch = synthetic(spec, 40)
    whole = model.nats(batch, generators(0, 0, 40))
    part = model.nats(Batch(batch.x[8:12]), generators(0, 8, 4))
    assert torch.allclose(whole[8:12], part, rtol=1e-4)
    report = model.report(batch)
    assert report["latent"] == 4 and report["nats"] < report["nelbo"] + 1e-3


def loss_of(config: dict[str, Any], **state: float) -> tuple[float, dict[str, float]]:
    torch.manual_seed(0)
    model = Vae(VaeConfig(latent=4, **config), VECTOR, {})
    for name, value in state.items():
        setattr(model, name, value)
    torch.manual_seed(1)
    loss = model(Batch(torch.randn(8, 3)))
    return float(loss.total.detach()), {name: float(value) for name, value in loss.parts.items()}


def test_loss_is_the_weighted_sum_of_its_parts() -> None:
    total, parts = loss_of({})
    assert math.isclose(
        total, parts["reconstruction"] + parts["kl"], rel_tol=1e-5
    ) and math.isclose(total, parts["nelbo"], rel_tol=1e-5)
    heavy, same = loss_of({"beta": 5.0})
    assert same == parts and math.isclose(
        heavy, parts["reconstruction"] + 5 * parts["kl"], rel_tol=1e-5
    )
    early, _ = loss_of({"beta": 5.0}, warmth=0.1)
    assert math.isclose(early, parts["reconstruction"] + 0.5 * parts["kl"], rel_tol=1e-5)
    floored, _ = loss_of({"free_bits": 100.0})
    assert math.isclose(floored, parts["reconstruction"] + 400, rel_tol=1e-5)
    free, _ = loss_of({"free_bits": 1e-9})
    assert math.isclose(free, total, rel_tol=1e-5)


def test_warm_up_is_a_function_of_the_step() -> None:
    model = Vae(VaeConfig(kl_warmup=0.5), VECTOR, {})
    seen = []
    for step in (0, 9, 49, 99, 9):
        model.schedule(step, 100)
        seen.append(model.warmth)
    assert seen == [1 / 50, 0.2, 1.0, 1.0, 0.2]
    off = Vae(VaeConfig(kl_warmup=0.0), VECTOR, {})
    off.schedule(0, 100)
    assert off.warmth == 1.0


def test_a_picture_is_the_mean_and_a_vector_is_a_draw() -> None:
    torch.manual_seed(0)
    picture = Vae(VaeConfig(width=8), SPECS["grey picture"], {}).eval()
    noisy = Vae(VaeConfig(width=8, output="draw"), SPECS["grey picture"], {}).eval()
    noisy.load_state_dict(picture.state_dict())
    calm, cold = SampleOptions(), SampleOptions(temperature=0.0)
    with torch.no_grad():
        clean = picture.sample(generators(0, 0, 4), {}, calm)
        assert not torch.allclose(clean, noisy.sample(generators(0, 0, 4), {}, calm), atol=0.1)
        assert torch.allclose(
            picture.sample(generators(0, 0, 4), {}, cold),
            noisy.sample(generators(0, 0, 4), {}, cold),
            atol=1e-5,
        )
        still = picture.sample(generators(0, 0, 4), {}, cold)
        assert torch.allclose(still, still[:1].expand_as(still), atol=1e-5)
        vector = Vae(VaeConfig(latent=2), VECTOR, {}).eval()
        assert vector.drawn and not picture.drawn


def test_classes_steer_samples() -> None:
    torch.manual_seed(0)
    spec = SPECS["colour picture"]
    model = Vae(VaeConfig(width=8, latent=4), spec, {"label": Classes(("a", "b"))}).eval()
    for name, parameter in model.named_parameters():
        if "modulation" in name:
            nn.init.normal_(parameter, std=0.5)
        if "second" in name:
            nn.init.normal_(parameter, std=0.1)
    rngs = [generators(0, 0, 1)[0] for _ in range(3)]
    with torch.no_grad():
        a, b, none = model.sample(rngs, {"label": torch.tensor([0, 1, 2])}, SampleOptions())
        free = model.sample(generators(0, 0, 1), {}, SampleOptions())[0]
    assert not torch.allclose(a, b, atol=1e-3)
    assert torch.allclose(none, free, atol=1e-5)


LEARNED = {"prior": "flow", "prior_layers": 4, "prior_width": 16}
CLASSES: dict[str, Condition] = {"label": Classes(("a", "b"))}


def twins(spec: Dense, flow_scale: float, **config: Any) -> tuple[Vae, Vae]:
    """A VAE with a standard prior and one with a learned one, otherwise with the same weights."""
    torch.manual_seed(0)
    plain = Vae(VaeConfig(latent=4, width=8, importance=8, **config), spec, CLASSES).eval()
    for number, weight in enumerate(plain.parameters()):
        if weight.ndim > 1:
            noise = torch.randn(weight.shape, generator=generator("weights", number))
            weight.data.copy_(0.2 * noise)  # in the memory layout that it has
    learned = Vae(
        VaeConfig(latent=4, width=8, importance=8, **config, **LEARNED), spec, CLASSES
    ).eval()
    missing, unexpected = learned.load_state_dict(plain.state_dict(), strict=False)
    assert missing and not unexpected and all(name.startswith("prior.") for name in missing)
    assert learned.prior is not None
    if flow_scale:
        for number, weight in enumerate(learned.prior.parameters()):
            weight.data = flow_scale * torch.randn(
                weight.shape, generator=generator("flow", number)
            )
    return plain, learned


@pytest.mark.parametrize("spec", [VECTOR, SPECS["grey picture"]], ids=["vector", "picture"])
def test_a_flow_that_is_the_identity_is_the_standard_prior(spec: Dense) -> None:
    """Bound, its parts, likelihoods, samples and latents, to the bit."""
    plain, learned = twins(spec, 0.0)
    batch = synthetic(spec, 6)._replace(cond={"label": torch.arange(6) % 2})
    losses = []
    for model in (plain, learned):
        torch.manual_seed(1)
        losses.append(model(batch))
    assert torch.equal(losses[0].total, losses[1].total)
    assert losses[0].parts == losses[1].parts
    for ask in (
        lambda model: model.nats(batch),
        lambda model: model.nelbo(batch),
        lambda model: model.sample(generators(0, 0, 5), {}, SampleOptions()),
        lambda model: model.to_latent(batch.x, batch.cond, generators(0, 0, 6)),
        lambda model: model.from_latent(torch.ones(2, 4), {}),
    ):
        with torch.no_grad():
            assert torch.equal(ask(plain), ask(learned))
    assert plain.report(batch) == learned.report(batch)


def shifted(draws: int) -> tuple[Vae, torch.distributions.MultivariateNormal]:
    """`linear_gaussian` with the prior N((3, -1), diag(0.5, 2)^2) as a flow, the exact posterior,
    and what it says about data.
    """
    mean, deviation = torch.tensor([3.0, -1.0]), torch.tensor([0.5, 2.0])
    model = Vae(
        VaeConfig(
            latent=2,
            likelihood="gaussian",
            spread="fixed",
            deviation=NOISE,
            importance=draws,
            prior="flow",
            prior_layers=2,
        ),
        VECTOR,
        {},
    ).eval()
    assert model.prior is not None
    for layer in model.prior.couplings():
        # every layer moves its half: z to (z - mean) / deviation
        raw = 2 * torch.atanh(-deviation.log() / 2)
        layer.network.out.bias.data = torch.cat([raw, -mean / deviation])
    w = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    b = torch.tensor([0.3, -0.2, 0.1])
    precision = deviation**-2 + w.square().sum(0) / NOISE**2
    mean_map = (w / NOISE**2 / precision).T
    start = mean / deviation**2 / precision - mean_map @ b
    raw = 10 * torch.atanh((4 - precision.log()) / 10) - 4
    model.encoder = Linear(torch.cat([mean_map, torch.zeros(2, 3)]), torch.cat([start, raw]))  # type: ignore[assignment]
    model.decoder = Linear(w, b)  # type: ignore[assignment]
    covariance = w @ torch.diag(deviation**2) @ w.T + NOISE**2 * torch.eye(3)
    return model, torch.distributions.MultivariateNormal(w @ mean + b, covariance)


def test_samples_come_from_the_learned_prior_and_not_from_its_mirror() -> None:
    """Moments of 20,000 draws; the flow the other way round would be far off in all of them."""
    model, truth = shifted(1)
    with torch.no_grad():
        x = model.sample(generators(0, 0, 20_000), {}, SampleOptions())
        still = model.sample(generators(0, 0, 1), {}, SampleOptions(temperature=0.0))
    torch.testing.assert_close(x.mean(0), truth.mean, atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), truth.covariance_matrix, atol=0.3, rtol=0.05)
    torch.testing.assert_close(still[0], truth.mean, atol=1e-4, rtol=0)


def test_nats_and_the_bound_with_a_learned_prior_are_exact_where_the_posterior_is() -> None:
    torch.manual_seed(0)
    model, truth = shifted(1)
    x = truth.sample((50,))
    exact = -truth.log_prob(x)
    torch.testing.assert_close(model.nats(Batch(x)), exact, atol=1e-3, rtol=0)
    model, _ = shifted(4000)
    torch.testing.assert_close(model.nelbo(Batch(x)), exact, atol=0.15, rtol=0)
    report = model.report(Batch(x))
    assert abs(report["nelbo"] - float(exact.mean())) < 0.05 and report["active_units"] == 2
    repeated = Batch(x.repeat(400, 1))
    parts = model(repeated).parts
    assert abs(float(parts["nelbo"]) - float(exact.mean())) < 0.05
    assert abs(float(parts["kl"]) - report["kl"]) < 0.05


def test_latents_of_a_learned_prior_are_its_noise() -> None:
    """Standard normal over the model's own data, and the way back is the decoder's mean."""
    model, truth = shifted(1)
    torch.manual_seed(0)
    x = truth.sample((4000,))
    with torch.no_grad():
        u = model.to_latent(x, {}, generators(0, 0, 4000))
        middle = model.to_latent(x, {})
        back, wanted = model.from_latent(middle, {}), model.decoder(model._posterior(x, {}).mean)
    torch.testing.assert_close(u.mean(0), torch.zeros(2), atol=0.06, rtol=0)
    torch.testing.assert_close(torch.cov(u.T), torch.eye(2), atol=0.08, rtol=0)
    torch.testing.assert_close(back, wanted, atol=1e-4, rtol=1e-4)


def test_a_learned_prior_is_told_the_class() -> None:
    _, learned = twins(VECTOR, 0.5, output="mean")
    label = torch.tensor([0, 1])
    assert learned.prior is not None
    with torch.no_grad():
        u = torch.ones(2, 4)
        first, second = learned.prior.inverse(u, learned._vector({"label": label}, 2, u.device))
        gains = learned._gain(u, learned._vector({"label": label}, 2, u.device))
    assert not torch.allclose(first, second, atol=1e-2)
    assert abs(float(gains[0] - gains[1])) > 1e-2


def test_free_bits_of_a_learned_prior_are_of_all_units_together() -> None:
    def total(floor: float) -> tuple[float, dict[str, Tensor]]:
        _, learned = twins(VECTOR, 0.3, free_bits=floor)
        torch.manual_seed(1)
        loss = learned(Batch(torch.randn(8, 3)))
        return float(loss.total.detach()), loss.parts

    found, parts = total(100.0)
    assert math.isclose(found, float(parts["reconstruction"]) + 400, rel_tol=1e-5)
    found, parts = total(1e-9)
    assert math.isclose(found, float(parts["nelbo"]), rel_tol=1e-5)


def test_the_flow_stays_exact_under_autocast() -> None:
    _, learned = twins(SPECS["grey picture"], 0.4)
    batch = synthetic(SPECS["grey picture"], 64)
    found = {}
    for name, enabled in (("bf16", True), ("fp32", False)):
        torch.manual_seed(1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled), torch.no_grad():
            z = torch.randn(64, 4)
            found[name] = learned._gain(z, learned._vector({}, 64, z.device))
            assert bool(torch.isfinite(learned(batch).total))
    torch.testing.assert_close(found["bf16"], found["fp32"], atol=1e-4, rtol=1e-3)


def test_grid_latent_is_smaller_data() -> None:
    spec = Dense((3, 24, 40), levels=256)
    model = Vae(VaeConfig(width=8, latent=2, layout="grid", levels=2), spec, {}).eval()
    assert model.latent_shape == (2, 6, 10)
    x = synthetic(spec, 2).x
    with torch.no_grad():
        z = model.to_latent(x, {})
        assert z.shape == (2, 2, 6, 10) and model.from_latent(z, {}).shape == x.shape
        assert model.sample(generators(0, 0, 2), {}, SampleOptions()).shape == x.shape
        assert bool(torch.isfinite(model.nats(Batch(x))).all())


def test_refusals() -> None:
    with pytest.raises(SpecError):
        Vae(VaeConfig(), Tokens(8, 10, 0), {})
    with pytest.raises(SpecError):
        Vae(VaeConfig(layout="grid"), VECTOR, {})
    with pytest.raises(SpecError, match="learned prior needs a latent vector"):
        Vae(VaeConfig(layout="grid", prior="flow"), SPECS["grey picture"], {})
    with pytest.raises(SpecError):
        Vae(VaeConfig(), VECTOR, {}).to_latent(torch.zeros(2, 4), {})
    for bad in (
        {"latent": 0},
        {"beta": -1.0},
        {"kl_warmup": 2.0},
        {"likelihood": "poisson"},
        {"widht": 3},
    ):
        with pytest.raises(ValidationError):
            VaeConfig.model_validate(bad)
