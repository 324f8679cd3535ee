"""The GAN family: objectives against closed forms, networks of every rank, conditions, refresh,
penalties.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from castalia.abilities import SampleOptions, abilities_of
from castalia.errors import RecipeError, SpecError
from castalia.families.gan import (
    Critic,
    Gan,
    GanConfig,
    critic_objective,
    generator_objective,
    moments_apart,
    to_unit,
    with_gradient,
)
from castalia.nn.counter_random import generator, generators
from castalia.nn.gan_networks import Plan, Spectral, fold, spectral, unfold
from castalia.spec import Batch, Classes, Dense, Span, Tokens

PICTURE = Dense((1, 12, 12), levels=256)
LABELS = {"label": Classes(("a", "b", "c"))}


def build(spec: Dense = PICTURE, conditions: dict | None = None, **config: object) -> Gan:
    torch.manual_seed(0)
    return Gan(GanConfig(**{"width": 8, "latent": 6, **config}), spec, conditions or {})


def batch_of(spec: Dense = PICTURE, rows: int = 6, **cond: torch.Tensor) -> Batch:
    return Batch(
        torch.rand(rows, *spec.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1, cond=cond
    )


def test_objectives_at_the_undecided_critic() -> None:
    zeros = torch.zeros(5)
    assert critic_objective("nonsaturating", zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert critic_objective("hinge", zeros, zeros).item() == pytest.approx(2.0)
    assert critic_objective("relativistic", zeros, zeros).item() == pytest.approx(math.log(2))
    assert generator_objective("nonsaturating", None, zeros).item() == pytest.approx(math.log(2))
    assert generator_objective("hinge", None, zeros + 3).item() == pytest.approx(-3.0)
    assert generator_objective("relativistic", zeros, zeros).item() == pytest.approx(math.log(2))


def test_objectives_against_their_formulas() -> None:
    real, fake = torch.randn(50, dtype=torch.float64), torch.randn(50, dtype=torch.float64)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    torch.testing.assert_close(
        critic_objective("nonsaturating", real, fake), -(d_real.log() + (1 - d_fake).log()).mean()
    )
    torch.testing.assert_close(
        generator_objective("nonsaturating", None, fake), -d_fake.log().mean()
    )
    torch.testing.assert_close(
        critic_objective("relativistic", real, fake), -(real - fake).sigmoid().log().mean()
    )
    torch.testing.assert_close(
        generator_objective("relativistic", real, fake), -(fake - real).sigmoid().log().mean()
    )
    assert critic_objective("hinge", real + 10, fake - 10).item() == 0.0


def test_a_soft_margin_lies_between_its_bounds() -> None:
    """Both sides at the critic's zero: the loss is the sum of the two mean margins."""
    torch.manual_seed(0)
    zeros = torch.zeros(20_000)
    assert critic_objective("hinge", zeros, zeros, 0.2).item() == pytest.approx(1.8, abs=0.01)
    certain = critic_objective("hinge", zeros + 1, zeros - 1, 0.2)
    assert certain.item() == 0.0  # no margin exceeds 1
    assert critic_objective("hinge", zeros + 0.8, zeros - 0.8, 0.2).item() > 0


def test_the_relativistic_generator_needs_real_logits() -> None:
    with pytest.raises(SpecError, match="real data"):
        generator_objective("relativistic", None, torch.zeros(2))


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 8, 8), (3, 37, 50), (1, 64, 64), (2, 45), (1, 6, 10, 10), (3, 5, 5)]
)
@pytest.mark.parametrize("body", ["conv", "dcgan", "fastgan", "mlp"])
def test_every_rank_and_side(shape: tuple[int, ...], body: str) -> None:
    gan = build(Dense(shape), body=body, width=4)
    batch = batch_of(gan.spec, rows=3)
    for phase in gan.phases():
        loss = gan(batch, phase.name)
        loss.total.backward()
        assert math.isfinite(loss.total.item())
    x = gan.sample(generators(0, 0, 2), {}, SampleOptions())
    assert x.shape == (2, *shape) and x.dtype == torch.float32 and x.abs().max() <= 1


def test_the_plan_of_the_textbook_and_of_odd_sides() -> None:
    plan = Plan.of((28, 28), patch=1, smallest=4)
    assert plan.base == (4, 4) and plan.padded == (32, 32) and len(plan.strides) == 3
    odd = Plan.of((37, 50), patch=2, smallest=8)
    assert all(full >= side for full, side in zip(odd.padded, odd.sides, strict=True))
    x = torch.randn(2, 3, 37, 50)
    assert odd.pad(x).shape[2:] == odd.padded and torch.equal(odd.crop(odd.pad(x)), x)
    long = Plan.of((4, 64), patch=2, smallest=8)
    assert long.strides == ((1, 2), (1, 2)) and long.padded == (4, 64)


@pytest.mark.parametrize("patch", [(2,), (2, 2), (2, 1, 4)])
def test_unfold_is_the_inverse_of_fold(patch: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, *(4 * step for step in patch))
    folded = fold(x, patch)
    assert folded.shape == (2, 3 * math.prod(patch), *(4 for _ in patch))
    assert torch.equal(unfold(folded, patch), x)


def test_fold_of_a_picture_is_torchs_pixel_unshuffle() -> None:
    x = torch.randn(2, 3, 8, 6)
    assert torch.equal(fold(x, (2, 2)), nn.functional.pixel_unshuffle(x, 2))


def test_spectral_norm_is_one_by_svd() -> None:
    layer = nn.Conv2d(5, 7, 3)
    with torch.no_grad():
        layer.weight.mul_(9)
    spectral(layer)
    layer.train()
    for _ in range(30):
        layer(torch.zeros(1, 5, 3, 3))
    assert torch.linalg.svdvals(layer.weight.flatten(1))[0].item() == pytest.approx(1.0, abs=1e-3)


def test_spectral_norm_is_still_in_evaluation_mode_and_gives_gradients() -> None:
    layer = nn.Linear(4, 3)
    spectral(layer)
    layer.eval()
    before = [module.u.clone() for module in layer.modules() if isinstance(module, Spectral)]
    layer(torch.randn(2, 4)).sum().backward()
    after = [module.u for module in layer.modules() if isinstance(module, Spectral)]
    assert len(after) == 1 and torch.equal(before[0], after[0])
    assert layer.parametrizations.weight.original.grad.abs().sum() > 0


def test_phases_move_their_own_network_only() -> None:
    gan = build(conditions=LABELS)
    batch = batch_of(label=torch.tensor([0, 1, 2, 3, 0, 1]))
    gan(batch, "critic").total.backward()
    assert all(parameter.grad is None for parameter in gan.generator.parameters())
    assert any(parameter.grad is not None for parameter in gan.critic.parameters())
    gan.zero_grad()
    gan.critic.requires_grad_(False)
    gan(batch, "generator").total.backward()
    assert any(parameter.grad is not None for parameter in gan.generator.parameters())


@pytest.mark.parametrize("objective", ["nonsaturating", "hinge", "relativistic"])
def test_part_names_are_stable(objective: str) -> None:
    gan = build(objective=objective)
    names = {"loss", "real", "fake"} | ({"r1", "r2"} if objective == "relativistic" else set())
    assert set(gan(batch_of(), "critic").parts) == names
    assert set(gan(batch_of(), "generator").parts) == {"loss", "apart"}
    assert set(build(objective=objective, matching=0.0)(batch_of(), "generator").parts) == {"loss"}
    assert build(Dense((4,), layout="vector")).matching == 0


def test_the_penalty_of_a_linear_critic_is_its_squared_weight() -> None:
    gan = build(Dense((4,), layout="vector"), objective="relativistic", depth=1)
    critic: Critic = gan.critic
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0])
    critic.body = LinearCritic(weight)
    _, slope = with_gradient(critic, torch.randn(7, 4), {})
    assert slope.item() == pytest.approx(weight.square().sum().item())


class LinearCritic(nn.Module):
    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor, vector: torch.Tensor | None = None) -> torch.Tensor:
        return x @ self.weight


def test_the_penalty_is_float32_under_autocast() -> None:
    gan = build(objective="relativistic")
    x = batch_of().x
    _, exact = with_gradient(gan.critic, x, {})
    with torch.autocast("cpu", torch.bfloat16):
        logits, inside = with_gradient(gan.critic, x.bfloat16().float(), {})
    _, rounded = with_gradient(gan.critic, x.bfloat16().float(), {})
    assert inside.dtype == logits.dtype == torch.float32
    assert inside.item() == rounded.item() != 0
    assert inside.item() == pytest.approx(exact.item(), rel=0.05)


def test_the_penalty_has_a_gradient_and_can_be_had_without_one() -> None:
    gan = build(objective="relativistic")
    gan(batch_of(), "critic").total.backward()
    assert gan.critic.body.stem.weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert gan(batch_of(), "critic").parts["r1"] > 0


def test_a_penalty_does_not_go_with_batch_norm() -> None:
    with pytest.raises(RecipeError, match="mixes items"):
        build(penalty=1.0)


def test_one_item_and_unknown_phases_are_refused() -> None:
    gan = build()
    with pytest.raises(SpecError, match="two items"):
        gan(batch_of(rows=1), "critic")
    with pytest.raises(SpecError, match="no phase"):
        gan(batch_of(), "main")
    with pytest.raises(SpecError, match="classes and vectors"):
        build(conditions={"caption": Tokens(8, 256, 0)})


@pytest.mark.parametrize("critic_condition", ["projection", "concat"])
@pytest.mark.parametrize("generator_condition", ["norm", "concat"])
@pytest.mark.parametrize("spec", [PICTURE, Dense((5,), unit="standard", layout="vector")])
def test_conditions_reach_both_networks(
    critic_condition: str, generator_condition: str, spec: Dense
) -> None:
    gan = build(
        spec, LABELS, critic_condition=critic_condition, generator_condition=generator_condition
    )
    for module in gan.modules():  # modulation starts as the identity: give it something to say
        for parameter in module.parameters(recurse=False):
            if not parameter.any():
                nn.init.normal_(parameter, 0, 0.1)
    gan.eval()
    rngs = lambda: generators(0, 0, 2)  # noqa: E731
    a, b = (
        gan.sample(rngs(), {"label": torch.full((2,), which)}, SampleOptions()) for which in (0, 2)
    )
    assert not torch.allclose(a, b)
    x = torch.cat([a, a])
    logits = gan.critic(x, {"label": torch.tensor([0, 0, 2, 2])})
    assert not torch.allclose(logits[:2], logits[2:])


def test_a_class_nobody_asks_for_is_drawn_as_often_as_it_was_seen() -> None:
    gan = build(conditions=LABELS)
    for _ in range(3):
        gan(batch_of(label=torch.tensor([0, 0, 0, 0, 0, 2])), "critic")
    assert gan.seen_label.tolist() == [15, 0, 3, 0]
    drawn = gan._complete({}, generators(0, 0, 600))["label"]
    assert not (drawn == 1).any() and 0.1 < (drawn == 2).float().mean() < 0.24
    kept = gan._complete({"label": torch.tensor([1, 3])}, generators(0, 0, 2))["label"]
    assert kept[0] == 1 and kept[1] != 3


def test_each_row_follows_its_generator_alone() -> None:
    gan = build(conditions=LABELS).eval()
    many = gan.sample(generators(0, 0, 5), {}, SampleOptions())
    one = gan.sample(generators(0, 3, 1), {}, SampleOptions())
    torch.testing.assert_close(many[3:4], one, atol=1e-5, rtol=1e-5)
    still = gan.sample(
        generators(0, 0, 2), {"label": torch.tensor([1, 1])}, SampleOptions(temperature=0.0)
    )
    torch.testing.assert_close(still[0], still[1])


def test_sampling_uses_running_statistics_whatever_the_mode() -> None:
    gan = build().train()
    before = copy.deepcopy(gan.state_dict())
    trained = gan.sample(generators(0, 0, 3), {}, SampleOptions())
    assert gan.generator.training
    assert torch.equal(trained, gan.eval().sample(generators(0, 0, 3), {}, SampleOptions()))
    assert all(torch.equal(before[name], value) for name, value in gan.state_dict().items())


def test_refresh_is_a_function_of_weights_and_noise() -> None:
    gan = build(conditions=LABELS)
    other = copy.deepcopy(gan)
    for _ in range(3):  # moves the buffers only
        other(batch_of(label=torch.tensor([0, 1, 2, 0, 1, 2])), "generator")
    for model in (gan, other):
        model.refresh(generators(7, 0, 3))
    assert all(
        torch.equal(value, other.generator.state_dict()[name])
        for name, value in gan.generator.state_dict().items()
    )
    assert gan.generator.training and gan.generator.body.grid_norm.norm.momentum == 0.1


def test_refresh_finds_the_statistics_of_a_linear_layer() -> None:
    gan = build(Dense((3,), layout="vector"), width=5, depth=1)
    gan.refresh(generators(7, 0, 1))
    layer, norm = gan.generator.body.layers[0], gan.generator.body.norms[0].norm
    torch.testing.assert_close(norm.running_mean, layer.bias.detach(), atol=0.05, rtol=0)
    torch.testing.assert_close(
        norm.running_var, layer.weight.detach().square().sum(1), atol=0, rtol=0.1
    )


def test_moments_of_equal_data_are_not_apart_and_of_moved_data_are_by_the_formula() -> None:
    x = torch.randn(500, 3, 4, dtype=torch.float64).float()
    assert moments_apart([(x, x)]).item() == 0.0
    moved = moments_apart([(x + 2 * x.std(0), x), (x, x)]).item()
    # two deviations, halved by the pair that agrees
    assert moved == pytest.approx(0.5 * 4 / 1.05, rel=0.01)
    wider = moments_apart([(x.mean(0) + 3 * (x - x.mean(0)), x)]).item()
    assert wider == pytest.approx(4 / 1.05, rel=0.01)


def test_matching_shows_the_generator_what_batch_norm_hides_from_the_critic() -> None:
    """A pattern that all generated items share leaves a critic with batch norm after its first
    layer unmoved.
    """
    gan = build()
    real, shared = batch_of().x, torch.zeros(1, 1, 12, 12)
    shared[..., ::2, ::2] = 1.0
    plain, patterned = (moments_apart([(fake, real)]).item() for fake in (real, real + shared))
    assert patterned > plain + 0.1
    parts = gan(batch_of(), "generator").parts
    assert set(parts) == {"loss", "apart"} and parts["apart"] > 0
    gan(batch_of(), "generator").total.backward()
    assert gan.generator.body.head.weight.grad.abs().sum() > 0


def test_the_projection_begins_almost_silent() -> None:
    gan = build(conditions=LABELS).eval()
    x = batch_of().x
    first, second = (gan.critic(x, {"label": torch.full((6,), label)}) for label in (0, 1))
    assert 0 < (first - second).abs().max() < 0.05
    # spectral norm divides by what is almost nothing
    hinge = build(conditions=LABELS, objective="hinge")
    assert hinge(batch_of(label=torch.zeros(6, dtype=torch.int64)), "critic").total.isfinite()


def test_units_and_spans() -> None:
    raw = torch.randn(4, 5) * 3
    assert to_unit(raw, Dense((5,), unit="binary")).min() >= 0
    assert torch.equal(to_unit(raw, Dense((5,), unit="standard")), raw)
    mixed = to_unit(
        raw, Dense((5,), unit="standard", layout="vector", spans=(Span(0, 2), Span(2, 3, "onehot")))
    )
    assert torch.equal(mixed[:, :2], raw[:, :2])
    torch.testing.assert_close(mixed[:, 2:].sum(1), torch.ones(4))


def test_the_textbook_body_has_the_textbooks_size() -> None:
    gan = build(Dense((1, 32, 32)), body="dcgan", width=64, latent=100)
    critic = sum(parameter.numel() for parameter in gan.critic.parameters())
    generator = sum(parameter.numel() for parameter in gan.generator.parameters())
    assert 1_060_000 < generator < 1_080_000 and 655_000 < critic < 665_000


def test_abilities_and_graph() -> None:
    gan = build(conditions=LABELS).eval()
    assert abilities_of(gan) == ("samples", "generates")
    graph = gan.graphs()["sample"]
    assert [(port.name, port.shape, port.labels) for port in graph.inputs] == [
        ("noise", ("rows", gan.config.latent), ()),
        ("label", ("rows",), LABELS["label"].names),
    ]
    assert graph.module(*graph.draw({"rows": 2}, generator("graph")))[0].shape == (
        2,
        *PICTURE.shape,
    )
