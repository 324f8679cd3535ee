"""The networks for few items: grids, excitation, the redrawing, norms, and what the family makes of
them.
"""

from __future__ import annotations

import pytest
import torch

from castalia.errors import RecipeError
from castalia.families.gan import FEW, Gan, GanConfig, critic_norm_of
from castalia.nn.fastgan import Excitation, FastCritic, FastGenerator, gated
from castalia.nn.gan_networks import CriticNorm, Spectral
from castalia.spec import Batch, Classes, Dense

SPEC = Dense((3, 32, 32))
LABELS = {"label": Classes(("a", "b", "c"))}


def build(conditions: dict | None = None, **config: object) -> Gan:
    torch.manual_seed(0)
    settings = {"body": "fastgan", "objective": "hinge", "width": 4, "latent": 6, **config}
    return Gan(GanConfig(**settings), SPEC, conditions or {})


def pictures(rows: int = 6) -> torch.Tensor:
    return torch.rand(rows, *SPEC.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_an_excitation_scales_channels_by_what_the_coarse_grid_holds() -> None:
    torch.manual_seed(0)
    excitation = Excitation(2, 5, 3, (4, 4))
    fine, coarse = torch.randn(2, 3, 16, 16), torch.randn(2, 5, 8, 8)
    factors = excitation(coarse, fine) / fine
    assert (factors > 0).all() and (factors < 1).all()
    # one factor a channel, another for another coarse grid
    torch.testing.assert_close(factors.flatten(2).std(2), torch.zeros(2, 3), atol=1e-5, rtol=0)
    assert not torch.allclose(factors, excitation(coarse + 1, fine) / fine)


def test_excitations_join_grids_three_halvings_apart() -> None:
    generator = FastGenerator((3, 64, 64), 8, 4)  # grids of 4, 8, 16, 32 and 64
    assert len(generator.ups) == 4 and len(generator.excitations) == 2
    assert [one.squeeze.in_channels for one in generator.excitations] == [32, 32]
    assert [one.expand.out_channels for one in generator.excitations] == [8, 4]


def test_a_critic_judges_patches_and_its_logits_are_local() -> None:
    critic = FastCritic((3, 64, 64), 4, "none").eval()
    x = torch.randn(1, 3, 64, 64)
    changed = x.clone()
    changed[..., 56:, 56:] += 1  # the last corner
    before, after = critic(x).view(5, 5), critic(changed).view(5, 5)
    assert before[0, 0] == after[0, 0] and before[-1, -1] != after[-1, -1]


def test_what_judges_has_spectral_norm_or_batch_norm_and_the_decoder_no_spectral_norm() -> None:
    def roots(norm: CriticNorm) -> set[str]:
        critic = FastCritic((3, 32, 32), 4, norm, context=7)
        names = {name for name, part in critic.named_modules() if isinstance(part, Spectral)}
        return {name.partition(".")[0] for name in names}

    assert roots("none") == {"stem", "downs", "mix", "head", "project"}
    assert roots("batch") == {"stem", "head", "project"}  # batch norm undoes the others


def test_a_gated_linear_unit_is_that_of_torch() -> None:
    x = torch.randn(3, 8, 5, 4).to(memory_format=torch.channels_last)
    torch.testing.assert_close(gated(x), torch.nn.functional.glu(x, 1))
    assert gated(x).is_contiguous(memory_format=torch.channels_last)


def test_pale_and_strong_pictures_look_alike_to_the_critic_and_are_drawn_alike() -> None:
    strong = pictures(40)
    pale = 0.2 * strong + 0.5
    shown, drawn = [], []
    for x in (strong, pale):
        gan = build()
        gan.prepare([Batch(x[:25]), Batch(x[25:])])
        shown.append(gan.eval()._seen(x))
        drawn.append(gan.generator(torch.zeros(1, 6), {}))
    torch.testing.assert_close(*shown, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(shown[0].mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(shown[0].std(), torch.ones(()), atol=1e-3, rtol=0)
    # a generator that knows nothing yet draws the mean of the data
    torch.testing.assert_close(drawn[1].mean((0, 2, 3)), pale.mean((0, 2, 3)), atol=0.05, rtol=0)


def test_a_single_colour_is_no_division_by_zero() -> None:
    gan = build()
    gan.prepare([Batch(torch.full((4, *SPEC.shape), 0.25))])
    assert gan.eval()._seen(torch.full((1, *SPEC.shape), 0.25)).abs().max() < 1e-3


def test_the_decoder_learns_to_redraw_and_only_through_its_grid() -> None:
    torch.manual_seed(0)
    critic = FastCritic((1, 16, 16), 8, "batch").train()
    x = torch.rand(8, 1, 1, 1).expand(8, 1, 16, 16) * 2 - 1  # eight shades
    optimiser = torch.optim.Adam(critic.parameters(), 3e-3)
    errors = []
    for _ in range(60):
        inside: list[torch.Tensor] = []
        critic(x, features=inside)
        error = critic.redrawing_error(inside[-1], x)
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.2 * errors[0]
    swapped = critic.redrawing_error(inside[-1].flip(0), x)  # the grids of other pictures
    assert swapped.item() > 3 * errors[-1]


def test_the_family_adds_the_redrawing_and_can_do_without() -> None:
    batch = Batch(pictures())
    parts = build()(batch, "critic").parts
    assert parts["redrawing"] > 0
    without = build(redrawing=0.0)(batch, "critic").parts
    assert "redrawing" not in without
    weighted = build(redrawing=5.0)
    torch.manual_seed(3)
    loss = weighted(batch, "critic")
    torch.manual_seed(3)
    plain = build(redrawing=0.0)
    torch.manual_seed(3)
    rest = plain(batch, "critic")
    torch.testing.assert_close(
        loss.total, rest.total + 5 * loss.parts["redrawing"], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("objective", ["hinge", "nonsaturating", "relativistic"])
def test_every_objective_moves_both_networks(objective: str) -> None:
    gan = build(LABELS, objective=objective)
    batch = Batch(pictures(), cond={"label": torch.tensor([0, 1, 2, 0, 1, 2])})
    for phase, network in (("critic", gan.critic), ("generator", gan.generator)):
        gan.zero_grad()
        gan(batch, phase).total.backward()
        moved = [p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters()]
        assert sum(moved) > 0.9 * len(moved)
    penalised = objective == "relativistic"
    assert critic_norm_of(gan.config) == ("none" if penalised else "batch")


def test_few_items_are_always_altered_and_gently() -> None:
    gan = build().train()
    gan.prepare([Batch(pictures(FEW // 4))] * 2)
    assert gan.altered == 1.0 and gan.policy == "contrast" and gan.matching == 0.0
    seen = gan._seen(pictures())
    assert not torch.allclose(seen, gan.generator.scaled(pictures()), atol=0.1)
    assert not (seen == 0).any()  # no hole, and no frame where pictures are shifted


def test_only_this_body_redraws() -> None:
    with pytest.raises(RecipeError, match="fastgan"):
        build(body="conv", redrawing=1.0)


def test_how_often_it_alters_is_what_was_asked_for_whatever_the_weights_came_with() -> None:
    """A run that starts from another one takes over its buffers, this one among them."""
    few = [Batch(pictures(FEW // 4))]
    parent = build()
    parent.prepare(few)
    for asked, often in ((0.0, 0.0), (0.25, 0.25), (None, 1.0)):
        gan = build(augment=asked)
        gan.load_state_dict(parent.state_dict())
        gan.prepare(few)
        assert gan.altered == often
