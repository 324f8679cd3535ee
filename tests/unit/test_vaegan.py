"""The mixed objective of the VAE-GAN, term by term."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.errors import SpecError
from castalia.families.vaegan import VaeGan, VaeGanConfig
from castalia.nn.counter_random import generators
from castalia.spec import Batch, Classes
from castalia.testing import SPECS, synthetic

SPEC = SPECS["grey picture"]


def build(**config: Any) -> VaeGan:
    torch.manual_seed(0)
    return VaeGan(VaeGanConfig(width=8, latent=4, **config), SPEC, {})


def value(model: VaeGan, phase: str) -> tuple[float, dict[str, float]]:
    torch.manual_seed(1)
    loss = model.eval()(synthetic(SPEC, 8), phase)
    return float(loss.total.detach()), {name: float(part) for name, part in loss.parts.items()}


def test_objective_is_the_stated_sum() -> None:
    """L = alpha L_G + (1 - alpha) L_D + beta L_KL + gamma L_RE; the two turns add up to it."""
    alpha, beta, gamma = 0.3, 2.0, 5.0
    model = build(alpha=alpha, beta=beta, gamma=gamma)
    turn, parts = value(model, "autoencoder")
    assert math.isclose(
        turn,
        alpha * parts["generator"]
        + beta * parts["kl"] / SPEC.size
        + gamma * parts["reconstruction"],
        rel_tol=1e-5,
    )
    critic, judged = value(model, "critic")
    assert math.isclose(critic, (1 - alpha) * judged["critic"], rel_tol=1e-5)


class Constant(nn.Module):
    """A critic that answers `logit` whatever it sees, with the data as its activations."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, x: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return torch.full((len(x),), self.logit), x


@pytest.mark.parametrize("logit", [-2.0, 0.0, 3.0])
def test_adversarial_terms_of_a_constant_critic(logit: float) -> None:
    model = build()
    model.critic = Constant(logit)  # type: ignore[assignment]
    d = 1 / (1 + math.exp(-logit))
    assert math.isclose(value(model, "autoencoder")[1]["generator"], -math.log(d), rel_tol=1e-4)
    assert math.isclose(
        value(model, "critic")[1]["critic"], -math.log(d) - math.log(1 - d), rel_tol=1e-4
    )


def test_similarity_chooses_what_is_compared() -> None:
    parts = {}
    for similarity in ("data", "features", "both"):
        model = build(similarity=similarity)
        model.critic = Constant(0.0)  # type: ignore[assignment]  # its activation is the data itself
        parts[similarity] = value(model, "autoencoder")[1]["reconstruction"]
    assert math.isclose(parts["data"], parts["features"], rel_tol=1e-5)
    assert math.isclose(parts["both"], 2 * parts["data"], rel_tol=1e-5)
    assert value(build(similarity="features"), "autoencoder")[1]["reconstruction"] != parts["data"]


def test_critic_judges_each_kind_by_itself() -> None:
    """Batch statistics over a mixture would give the answer away: judging data never depends on
    what was decoded.
    """
    model = build().train()
    x, other = synthetic(SPEC, 6).x, torch.randn(6, *SPEC.shape)
    alone, features = model.critic(x, {})
    mixed = model._judge(x, other, -other, {})
    assert torch.equal(alone, mixed[0]) and torch.equal(features, mixed[2])
    assert mixed[1].shape == (12,) and features.ndim == 2


def test_refresh_gives_the_decoder_statistics_of_its_weights() -> None:
    model = build()
    for module in model.decoder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.fill_(7.0)  # type: ignore[union-attr]
    model.refresh(generators(0, 0, 1))
    first = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        calm = model.eval().sample(generators(1, 0, 256), {}, SampleOptions())
        lively = model.train()._decode(torch.randn(256, 4), None)
    assert (
        abs(float(calm.mean() - lively.mean())) < 0.02
        and abs(float(calm.std() - lively.std())) < 0.02
    )
    model.refresh(generators(0, 0, 1))
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())


def test_one_row_cannot_be_trained_on() -> None:
    with pytest.raises(SpecError):
        build().train()(synthetic(SPEC, 1), "critic")


def test_critic_judges_by_class() -> None:
    torch.manual_seed(0)
    model = VaeGan(VaeGanConfig(width=8, latent=4), SPEC, {"label": Classes(("a", "b"))}).eval()
    x = synthetic(SPEC, 4).x
    torch.nn.init.normal_(model.critic.head.project.weight)  # type: ignore[union-attr]  # zero at the start
    first, second = (model.critic(x, {"label": torch.full((4,), label)})[0] for label in (0, 1))
    assert not torch.allclose(first, second)


def test_report_counts_active_units() -> None:
    model = build()
    report = model.report(Batch(synthetic(SPEC, 16).x))
    assert (
        report["latent"] == 4 and 0 <= report["active_units"] <= 4 and report["squared_error"] > 0
    )
    with torch.no_grad():
        for parameter in model.encoder.out.parameters():  # type: ignore[union-attr]
            parameter.zero_()
    assert model.report(Batch(synthetic(SPEC, 16).x))["active_units"] == 0


def test_weights_have_limits() -> None:
    for bad in (
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"beta": -1.0},
        {"gamma": -1.0},
        {"similarity": "pixels"},
    ):
        with pytest.raises(ValidationError):
            VaeGanConfig.model_validate(bad)
