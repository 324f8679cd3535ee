"""Flow matching where all is known: of Gaussian data the velocity, the samples, the likelihood and
the average velocity have closed forms, which take the place of the network.
"""

from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.families.flow import Flow, FlowConfig, paired
from castalia.nn.counter_random import generator, generators
from castalia.nn.unet import Attention, UNet
from castalia.spec import Batch, Classes, Dense, Ragged, Tokens

PLANE = Dense((2,), unit="standard", layout="vector")
COVARIANCE = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
WIDE = 1.7


def normal(*shape: int, key: str = "x") -> torch.Tensor:
    return torch.randn(shape, generator=generator("flow", key))


def flow(spec: Dense = PLANE, conditions=None, **config) -> Flow:
    torch.manual_seed(0)
    return Flow(FlowConfig(width=8, **config), spec, conditions or {}).eval()


def correlated(x, time, span, context):
    """E[data - noise | x_t] of data with COVARIANCE."""
    t = time.view(-1, 1, 1)
    covariance = t**2 * COVARIANCE + (1 - t) ** 2 * torch.eye(2)
    slope = (t * COVARIANCE - (1 - t) * torch.eye(2)) @ torch.linalg.inv(covariance)
    return (slope @ x[..., None])[..., 0]


def deviation(time: torch.Tensor) -> torch.Tensor:
    return ((time * WIDE) ** 2 + (1 - time) ** 2).sqrt()


def average(x, time, span, context):
    """The average velocity of data with deviation WIDE: paths scale with the deviation; with a span
    of 0 the velocity itself.
    """
    there = (deviation(time + span) / deviation(time) - 1) / span.clamp_min(1e-6)
    here = (time * WIDE**2 - (1 - time)) / deviation(time) ** 2
    return torch.where(span > 1e-4, there, here)[:, None] * x


class Known(torch.nn.Module):
    """A closed form where the network was."""

    def __init__(self, model: Flow, form) -> None:
        super().__init__()
        self.embedding, self.form = model.velocity.embedding, form
        self.anchor = torch.nn.Parameter(torch.zeros(()))  # a family's device is its parameters'

    def forward(self, x, time, span, context):
        return self.form(x, time, span, context)


def known(form, **config) -> Flow:
    model = flow(**config)
    model.velocity = Known(model, form)
    return model


@pytest.mark.parametrize(("solver", "steps"), [("euler", 200), ("heun", 20), ("adaptive", None)])
def test_samples_have_the_data_s_covariance(solver, steps):
    x = known(correlated, solver=solver).sample(
        generators(0, 0, 4000), {}, SampleOptions(steps=steps)
    )
    torch.testing.assert_close(torch.cov(x.T), COVARIANCE, atol=0.06, rtol=0)


def test_likelihood_of_known_data():
    model = known(correlated, likelihood_steps=100)
    x = normal(50, 2)
    wanted = -torch.distributions.MultivariateNormal(torch.zeros(2), COVARIANCE).log_prob(x)
    torch.testing.assert_close(model.nats(Batch(x)), wanted, atol=0.01, rtol=0.001)
    with torch.inference_mode():  # as metrics call it
        torch.testing.assert_close(model.nats(Batch(x)), wanted, atol=0.01, rtol=0.001)


def test_likelihood_counts_levels_and_the_scale():
    """Data of one value: levels of width w cost -log(w density), whatever units the network has."""
    spec = Dense((1, 6, 6), levels=256)
    model = flow(spec, likelihood_steps=60)
    model.scale.spread.fill_(0.25)

    def form(x, time, span, context):  # of standard normal data, in units of the deviation
        t = time.view(-1, 1, 1, 1)
        return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x

    model.velocity = Known(model, form)
    x = ((0.25 * normal(8, 1, 6, 6)).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1
    wanted = -torch.distributions.Normal(0.0, 0.25).log_prob(x).flatten(1).sum(1)
    wanted = wanted - 36 * math.log(2 / 255)
    torch.testing.assert_close(model.nats(Batch(x)), wanted, atol=0.6, rtol=0.002)


def test_there_and_back():
    model = known(correlated, steps=50)
    x = normal(20, 2)
    noise = model.to_latent(x, {})
    torch.testing.assert_close(model.from_latent(noise, {}), x, atol=1e-3, rtol=1e-3)
    whitened = torch.linalg.solve(torch.linalg.cholesky(COVARIANCE), x.T).T
    torch.testing.assert_close(
        noise.square().sum(1), whitened.square().sum(1), atol=0.05, rtol=0.02
    )


def test_average_velocities_obey_their_equation_and_arrive_in_one_step():
    model = known(average, objective="average")
    x, start, end = normal(64, 2), torch.rand(64) * 0.5, torch.rand(64) * 0.4 + 0.6
    here = average(x, start, torch.zeros(64), None)
    context = model.velocity.embedding({}, 64)
    assert model._average_error(x, start, end, here, context) < 1e-3
    assert model._average_error(x, start, end, here + 0.5, context) > 0.1
    one = model.sample(generators(0, 0, 2000), {}, SampleOptions(steps=1))
    many = model.sample(generators(0, 0, 2000), {}, SampleOptions(steps=16))
    torch.testing.assert_close(one, many, atol=1e-3, rtol=1e-3)
    assert abs(float(one.std()) - WIDE) < 0.05


def test_infilling_knows_what_is_given():
    model = known(correlated, steps=30)
    x = torch.tensor([1.0, 0.0]).expand(1500, 2)
    keep = torch.tensor([True, False])
    filled = model.infill(x, keep, generators(0, 0, 1500), {})
    assert torch.equal(filled[:, 0], x[:, 0])
    assert abs(float(filled[:, 1].mean()) - 0.9) < 0.08
    assert abs(float(filled[:, 1].std()) - (1 - 0.9**2) ** 0.5) < 0.12


def test_pairs_are_near_within_classes():
    data, noise = normal(40, 3), normal(40, 3, key="noise")
    cost = torch.cdist(data, noise).square()
    chosen = paired(noise, data, {})
    best = cost[linear_sum_assignment(cost)].sum()
    assert sorted(chosen.tolist()) == list(range(40))
    assert cost[range(40), chosen].sum() < 1.1 * best < 0.5 * cost.diagonal().sum()
    classes = torch.arange(40) % 3
    apart = paired(noise, data, {"label": classes})
    assert torch.equal(classes[apart], classes) and sorted(apart.tolist()) == list(range(40))
    with pytest.raises(RecipeError, match="within classes only"):
        flow(pairing="optimal", conditions={"size": PLANE})


def test_guidance_goes_on_beyond_what_the_condition_says():
    def told(x, time, span, context):
        return context.vector[:, :2]

    model = flow(conditions={"label": Classes(("a", "b"))}, condition_width=4)
    model.velocity = Known(model, told)
    cond = {"label": torch.tensor([0, 1, 0])}
    drawn = {
        scale: model.sample(generators(0, 0, 3), cond, SampleOptions(guidance=scale))
        for scale in (0.0, 1.0, 3.0)
    }
    torch.testing.assert_close(drawn[3.0] - drawn[0.0], 3 * (drawn[1.0] - drawn[0.0]))


def test_conditions_of_every_kind_reach_the_network():
    picture = Dense((3, 16, 16), levels=256)
    conditions = {
        "label": Classes(("a", "b")),
        "place": Dense((2,), unit="standard", layout="vector"),
        "caption": Tokens(length=8, vocab=20, begin=0),
        "sketch": Dense((1, 16, 16)),
    }
    model = flow(picture, conditions)
    for number, weight in enumerate(model.parameters()):
        if weight.ndim > 1:
            scale = weight[0].numel() ** -0.5
            weight.data = scale * torch.randn(weight.shape, generator=generator("w", number))
    cond = {
        "label": torch.tensor([0, 0]),
        "place": torch.zeros(2, 2),
        "caption": Ragged(torch.tensor([[3, 4, 5], [3, 4, 5]]), torch.ones(2, 3).bool()),
        "sketch": torch.zeros(2, 1, 16, 16),
    }
    others = {
        "label": torch.tensor([1, 1]),
        "place": torch.ones(2, 2),
        "caption": Ragged(torch.tensor([[3, 9, 5], [3, 9, 5]]), torch.ones(2, 3).bool()),
        "sketch": torch.ones(2, 1, 16, 16),
    }
    options = SampleOptions(steps=2)
    plain = model.sample(generators(0, 0, 2), cond, options)
    for name, other in others.items():
        changed = model.sample(generators(0, 0, 2), {**cond, name: other}, options)
        assert (changed - plain).abs().max() > 1e-4, name
    # what a mask hides is not read
    longer = Ragged(
        torch.tensor([[3, 4, 5, 7], [3, 4, 5, 8]]), torch.tensor([[1, 1, 1, 0]] * 2).bool()
    )
    hidden = model.sample(generators(0, 0, 2), {**cond, "caption": longer}, options)
    torch.testing.assert_close(hidden, plain, atol=1e-5, rtol=1e-4)
    with pytest.raises(AbilityError, match="can be exported"):
        model.graphs()


def test_what_cannot_be_told_is_named():
    with pytest.raises(SpecError, match="needs the sides of the data"):
        flow(Dense((3, 16, 16)), {"sketch": Dense((1, 8, 8))})
    with pytest.raises(SpecError, match="this network can be told classes, texts and vectors only"):
        flow(PLANE, {"caption": Tokens(length=8, vocab=20, begin=0)})


def test_a_class_nobody_asks_for_is_drawn_as_often_as_seen():
    def told(x, time, span, context):
        return 1000.0 * context.vector[:, :1].expand_as(x)

    model = flow(conditions={"label": Classes(("a", "b"))})
    labels = torch.tensor([0] * 9 + [1])
    model.prepare([Batch(normal(10, 2), cond={"label": labels})])
    model.velocity = Known(model, told)
    x = model.sample(generators(0, 0, 400), {}, SampleOptions(steps=1))
    of_one = model.sample(generators(0, 0, 1), {"label": torch.tensor([1])}, SampleOptions(steps=1))
    share = float(((x[:, 0] - of_one[0, 0]).abs() < 50).float().mean())
    assert 0.05 < share < 0.15


@pytest.mark.parametrize("shape", [(1, 50), (3, 28, 37), (2, 9, 10, 11)])
@pytest.mark.parametrize("patch", [1, 2])
def test_unet_of_any_sides(shape, patch):
    torch.manual_seed(0)
    network = UNet(shape, 2, width=8, patch=patch, context=4)
    x, vector = normal(2, *shape), normal(2, 4, key="vector")
    assert network(x, vector).shape == (2, 2, *shape[1:])
    assert not network(x, vector).any()  # it begins at zero


def test_attention_begins_as_the_identity_and_reads_words():
    torch.manual_seed(0)
    attention = Attention(64, words=5)
    x, words = normal(2, 64, 3, 4), normal(2, 6, 5, key="words")
    torch.testing.assert_close(
        attention(x, words),
        x + attention.inner_out.bias.view(1, -1, 1, 1) + attention.words_out.bias.view(1, -1, 1, 1),
    )
    torch.nn.init.normal_(attention.words_out.weight)
    nobody = attention(x, words, torch.zeros(2, 6).bool())
    torch.testing.assert_close(nobody, attention(x), atol=1e-5, rtol=1e-5)
    assert (attention(x, words) - nobody).abs().max() > 1e-3
