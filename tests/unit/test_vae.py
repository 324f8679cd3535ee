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
from castalia.nn.counter_random import generators
from castalia.spec import Batch, Classes, Dense, Tokens
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
