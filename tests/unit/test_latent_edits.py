"""Edits in latent spaces against closed forms: a linear model, whose latents, Jacobian and class
means are known, and a generator without an encoder, whose latents are searched for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from castalia.abilities import Encodes, Generates
from castalia.errors import AbilityError, RecipeError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.sampling import latent_search
from castalia.sampling.edit import Examples, edit_of, options_of
from castalia.sampling.latent_edits import (
    along,
    interpolate,
    invert,
    mix,
    slerp,
    spherical_mean,
    style,
    vary,
)
from castalia.sampling.latent_search import distance, latents
from castalia.sampling.prompts import class_named
from castalia.spec import Batch, Classes, Dense, Loss, Tokens

SPEC = Dense((6,), unit="standard", layout="vector")
LABEL = {"label": Classes(("cold", "warm"))}
SIZE = 3  # of the linear model's latent


class Linear(Family):
    """x = A z + A c of the class, which is 0 where it is hidden. A (6, 3) has the singular values
    3, 2, 1.
    """

    name = "linear"
    accepts = (Dense,)
    Config = FamilyConfig
    latent_shape = (SIZE,)

    def __init__(self, conditions: dict[str, Any] | None = None, spec: Dense = SPEC) -> None:
        super().__init__(FamilyConfig(), spec, LABEL if conditions is None else conditions)
        rng = torch.Generator().manual_seed(0)
        left, _ = torch.linalg.qr(torch.randn(6, SIZE, generator=rng))
        self.right, _ = torch.linalg.qr(torch.randn(SIZE, SIZE, generator=rng))
        self.map = nn.Parameter(left @ torch.diag(torch.tensor([3.0, 2.0, 1.0])) @ self.right.T)
        self.centres = torch.cat([torch.randn(2, SIZE, generator=rng), torch.zeros(1, SIZE)])

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ()),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        raise NotImplementedError

    def centre(self, cond: dict[str, Tensor], rows: int) -> Tensor:
        return self.centres[cond.get("label", torch.full((rows,), 2))]

    def to_latent(self, x: Tensor, cond: dict[str, Tensor], rngs: Any = None) -> Tensor:
        return x @ torch.linalg.pinv(self.map).T - self.centre(cond, len(x))

    def from_latent(self, z: Tensor, cond: dict[str, Tensor]) -> Tensor:
        return (z + self.centre(cond, len(z))) @ self.map.T


class Spots(Family):
    """A generator without an encoder: a spot whose place and brightness the latent says; a "wide"
    one is an ellipse that lies, a "tall" one stands.
    """

    name = "spots"
    accepts = (Dense,)
    Config = FamilyConfig
    latent_shape = (3,)

    def __init__(self) -> None:
        conditions = {"label": Classes(("wide", "tall"))}
        super().__init__(FamilyConfig(), Dense((1, 12, 12), unit="binary"), conditions)
        self.weight = nn.Parameter(torch.ones(()))

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ()),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        raise NotImplementedError

    def from_latent(self, z: Tensor, cond: dict[str, Tensor]) -> Tensor:
        axis = torch.arange(12.0)
        across, down = ((6 + 2 * z[:, place, None]) - axis for place in (0, 1))
        tall = cond["label"][:, None] == 1
        across = across / torch.where(tall, 1.2, 3.0)
        down = down / torch.where(tall, 3.0, 1.2)
        far = down[:, :, None].square() + across[:, None, :].square()
        bright = torch.sigmoid(z[:, 2])[:, None, None]
        return self.weight * (bright * torch.exp(-far / 2))[:, None]


def items(model: Linear, count: int, label: int | None = None, seed: int = 1) -> Tensor:
    z = torch.randn(count, SIZE, generator=torch.Generator().manual_seed(seed))
    cond = {} if label is None else {"label": torch.full((count,), label)}
    return model.from_latent(z, cond).detach()


# Means on the sphere ------------------------------------------------------------------------------


def test_a_mean_of_two_is_the_great_circle() -> None:
    a, b = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    b = b * a.norm() / b.norm()
    for share in (0.0, 0.3, 0.5, 1.0):
        found = spherical_mean(torch.stack([a, b]), torch.tensor([1 - share, share]))
        assert torch.allclose(found, slerp(a, b, share), atol=1e-5)


def test_a_mean_of_three_axes_lies_between_them_at_their_length() -> None:
    found = spherical_mean(2 * torch.eye(3), torch.tensor([5.0, 5.0, 5.0]))
    assert torch.allclose(found, torch.full((3,), 2 / math.sqrt(3)), atol=1e-6)
    found = spherical_mean(
        torch.diag(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([0.5, 0.25, 0.25])
    )
    assert math.isclose(float(found.norm()), 0.5 + 0.5 + 0.75, rel_tol=1e-6)


def test_squared_angles_are_least_at_the_mean() -> None:
    rng = torch.Generator().manual_seed(3)
    points = torch.nn.functional.normalize(torch.randn(5, 8, generator=rng).double() + 1, dim=1)
    weights = torch.rand(5, generator=rng).double()
    mean = spherical_mean(points, weights)
    far = lambda x: float(  # noqa: E731
        weights @ torch.arccos((points @ (x / x.norm())).clamp(-1, 1)).square()
    )
    for _ in range(20):
        assert far(mean) < far(mean + 0.01 * torch.randn(8, generator=rng).double())


def test_opposite_directions_have_the_plain_mean() -> None:
    point = torch.tensor([1.0, -2.0, 0.5])
    found = spherical_mean(torch.stack([point, -point]), torch.ones(2))
    assert torch.allclose(found, torch.zeros(3), atol=1e-6)


# Edits --------------------------------------------------------------------------------------------


def test_mix_has_the_shares_and_the_class_of_the_largest() -> None:
    model = Linear()
    cold, warm = items(model, 1, 0), items(model, 1, 1, seed=2)
    x, cond = torch.cat([cold, warm]), {"label": torch.tensor([0, 1])}
    z = model.to_latent(x, cond).detach()
    for shares, chosen in (([0.75, 0.25], 0), ([1.0, 3.0], 1), (None, 0)):
        weights = torch.tensor(shares or [1.0, 1.0])
        told = {"label": torch.tensor([chosen])}
        expected = model.from_latent(spherical_mean(z, weights)[None], told)
        assert torch.allclose(mix(model, x, cond, shares=shares), expected, atol=1e-5)
    assert torch.allclose(mix(model, x, cond, shares=[0, 1]), warm, atol=1e-4)
    with pytest.raises(RecipeError, match="3 shares for 2 inputs"):
        mix(model, x, cond, shares=[1, 1, 1])
    with pytest.raises(RecipeError, match="at least two inputs"):
        mix(model, x[:1], {"label": torch.tensor([0])}, shares=None)


def test_shares_are_numbers_above_nothing() -> None:
    edit = edit_of("mix", _Codec())  # type: ignore[arg-type]
    assert options_of("mix", edit, {"shares": " 0.7, .3 "}).shares == "0.7,.3"  # type: ignore[attr-defined]
    for text in ("", "1,", "-1,2", "nan,1", "1e3,1", "a,b", "0,0", "0.7;0.3", "٣,1"):
        with pytest.raises(RecipeError, match="option shares"):
            options_of("mix", edit, {"shares": text})


def test_invert_is_what_the_model_can_show() -> None:
    model = Linear()
    x = items(model, 4, 0)
    off = torch.linalg.svd(model.map.detach()).U[:, 5]  # a direction that no latent reaches
    found = invert(model, x + 2 * off, {"label": torch.zeros(4, dtype=torch.int64)})
    assert torch.allclose(found, x, atol=1e-4)


def test_style_changes_the_class_and_keeps_the_rest() -> None:
    model = Linear()
    x, cond = items(model, 4, 0), {"label": torch.zeros(4, dtype=torch.int64)}
    moved = (model.centres[1] - model.centres[0]) @ model.map.detach().T
    assert torch.allclose(style(model, x, cond, to="warm"), x + moved, atol=1e-4)
    assert torch.allclose(style(model, x, cond, to="cold"), x, atol=1e-4)


def test_style_says_what_it_lacks() -> None:
    model = Linear()
    x, cond = items(model, 2, 0), {"label": torch.tensor([0, 2])}
    with pytest.raises(RecipeError, match="class of input 2 is not known"):
        style(model, x, cond, to="warm")
    with pytest.raises(RecipeError, match="no class 'warn'") as caught:
        style(model, x, cond, to="warn")
    assert "did you mean 'warm'" in caught.value.fix and "cold, warm" in caught.value.fix
    with pytest.raises(RecipeError, match="there are no classes"):
        style(Linear({}), x, {}, to="warm")
    edit = edit_of("style", _Codec())  # type: ignore[arg-type]
    assert edit.possible(model, _Codec()) and not edit.possible(Linear({}), _Codec())  # type: ignore[arg-type]


def test_a_class_is_looked_for_in_all_conditions() -> None:
    conditions = {"label": Classes(("a", "b")), "key": Classes(("b", "minor"))}
    assert class_named(conditions, "minor", "here") == ("key", 1)
    assert class_named(conditions, "b", "here") == ("label", 1)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_strongest_directions_are_the_singular_vectors(number: int) -> None:
    model = Linear()
    x, cond = items(model, 2, 0), {"label": torch.zeros(2, dtype=torch.int64)}
    found = along(model, x, cond, amount=1.0, steps=1, number=number, examples=None)
    axis = model.right[:, number - 1]
    change = model.map.detach() @ axis
    change = change * change.sum().sign()  # values grow on the whole
    assert torch.allclose(found - x, change.expand(2, 6), atol=1e-3)


def test_a_direction_is_a_strip_from_side_to_side() -> None:
    model = Linear()
    x, cond = items(model, 2, 0), {"label": torch.zeros(2, dtype=torch.int64)}
    found = along(model, x, cond, amount=2.0, steps=5, number=1, examples=None).unflatten(0, (2, 5))
    assert torch.allclose(found[:, 2], x, atol=1e-4)
    steps = found[:, 1:] - found[:, :-1]
    assert torch.allclose(steps, steps[:1, :1].expand_as(steps), atol=1e-3)
    back = along(model, x, cond, amount=-2.0, steps=5, number=1, examples=None).unflatten(0, (2, 5))
    assert torch.allclose(back.flip(1), found, atol=1e-4)
    with pytest.raises(RecipeError, match="has 3 directions"):
        along(model, x, cond, amount=1.0, steps=1, number=4, examples=None)


def test_the_direction_of_a_class_is_that_of_its_mean() -> None:
    """Told nothing, the model has the class in the latent: the item moves by the difference of the
    means, whatever class it is said to be.
    """
    model = Linear()
    examples = Examples(items(model, 90, 1, seed=5), items(model, 70, 0, seed=6))
    x, cond = items(model, 2, 0), {"label": torch.zeros(2, dtype=torch.int64)}
    found = along(model, x, cond, amount=0.5, steps=1, number=1, examples=examples)
    moved = 0.5 * (examples.inside.mean(0) - examples.outside.mean(0))
    assert torch.allclose(found - x, moved.expand(2, 6), atol=1e-4)


def test_the_direction_of_a_class_is_not_learned_where_there_are_no_data() -> None:
    edit = edit_of("direction", _Codec())  # type: ignore[arg-type]
    options = options_of("direction", edit, {"along": "warm"})
    assert edit.studies(options) == "warm"
    assert edit.studies(options_of("direction", edit, {})) is None
    with pytest.raises(RecipeError, match="training data"):
        edit.run(Linear(), _Codec(), [], options, 0, {})  # type: ignore[arg-type]


class Rounded(Linear):
    def from_latent(self, z: Tensor, cond: dict[str, Tensor]) -> Tensor:
        return super().from_latent(z, cond).detach().round()


def test_without_derivatives_there_is_no_strongest_direction() -> None:
    model = Rounded()
    x, cond = items(model, 1, 0), {"label": torch.tensor([0])}
    with pytest.raises(AbilityError, match="no derivative"):
        along(model, x, cond, amount=1.0, steps=1, number=1, examples=None)


# Searched latents ---------------------------------------------------------------------------------


def test_distances_are_added_up_over_scales() -> None:
    spec = Dense((1, 16, 16), unit="signed")
    x = torch.zeros(2, 1, 16, 16)
    flat = torch.full_like(x, 0.5)
    assert torch.allclose(distance(flat, x, spec), torch.full((2,), 3 * 0.25))  # 16, 8 and 4 a side
    assert torch.allclose(distance(flat, x, Dense((1, 16, 16), unit="binary")), torch.tensor(3.0))
    chess = (torch.arange(16)[:, None] + torch.arange(16)) % 2 - 0.5
    # neighbours cancel out
    assert torch.allclose(distance(chess.expand_as(x), x, spec), torch.full((2,), 0.25))
    vector = Dense((256,), unit="signed", layout="vector")
    assert torch.allclose(distance(flat.flatten(1), x.flatten(1), vector), torch.full((2,), 0.25))
    clip = Dense((1, 2, 16, 16), unit="signed")  # time is too short to be halved
    whole = torch.full((1, 1, 2, 16, 16), 0.5)
    assert torch.allclose(distance(whole, 0 * whole, clip), torch.tensor(0.75))


def test_a_search_finds_the_latent_and_the_class() -> None:
    model = Spots().eval()
    assert isinstance(model, Generates) and not isinstance(model, Encodes)
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(2)).clamp(-1.5, 1.5)
    told = {"label": torch.tensor([0, 1, 0, 1, 1])}
    x = model.from_latent(z, told).detach()
    unknown = {"label": torch.full((5,), 2)}
    with torch.inference_mode():
        found = latents(model, x, unknown, "vary")
        known = latents(model, x, told, "vary")
        part = latents(model, x[3:], {"label": unknown["label"][3:]}, "vary")
    assert torch.equal(found.cond["label"], told["label"])
    # the price of a large latent pulls a little to the middle
    assert (found.z - z).abs().max() < 0.25 and (known.z - z).abs().max() < 0.25
    assert torch.equal(part.z, found.z[3:])  # whatever else is looked for
    assert model.weight.grad is None
    # what an edit needs
    assert (invert(model, x, unknown) - x).abs().max() < 0.05
    assert vary(model, x, told, steps=2, seed=0, strength=0.5).shape == (10, 1, 12, 12)
    assert interpolate(model, x, told, steps=3).shape == (9, 1, 12, 12)
    tall = style(model, x[:1], {"label": torch.tensor([0])}, to="tall")
    expected = model.from_latent(z[:1], {"label": torch.tensor([1])})
    assert (tall - expected).abs().max() < 0.1


def test_the_price_of_a_large_latent_keeps_it_near_the_prior(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An item brighter than any: without the price the latent runs away."""
    model = Spots().eval()
    told = {"label": torch.tensor([0])}
    x = 1.05 * model.from_latent(torch.tensor([[0.0, 0.0, 12.0]]), told).detach()
    near = latents(model, x, told, "vary").z[0, 2]
    monkeypatch.setattr(latent_search, "PRIOR", 0.0)
    far = latents(model, x, told, "vary").z[0, 2]
    assert 1 < near < far - 1


def test_classes_of_training_data_need_an_encoder() -> None:
    model = Spots().eval()
    x, cond = torch.zeros(1, 1, 12, 12), {"label": torch.tensor([0])}
    with pytest.raises(AbilityError, match="learn a direction from a class"):
        along(model, x, cond, amount=1.0, steps=1, number=1, examples=Examples(x, x))


def test_edits_of_latents_need_latents() -> None:
    class Blind(Linear):
        from_latent = None  # type: ignore[assignment]
        to_latent = None  # type: ignore[assignment]

    edit = edit_of("invert", _Codec())  # type: ignore[arg-type]
    assert edit.possible(Linear(), _Codec()) and edit.possible(Spots(), _Codec())  # type: ignore[arg-type]
    assert not edit.possible(Blind(), _Codec())  # type: ignore[arg-type]
    assert not edit.possible(Spots(), _Codec(Tokens(8, 9, 0)))  # type: ignore[arg-type]
    with pytest.raises(AbilityError, match="cannot show what it makes of items"):
        invert(Blind(), torch.zeros(1, 6), {})


class _Codec:
    """Only what the lookup of edits asks a codec for."""

    name = "array"

    def __init__(self, spec: Dense | Tokens = SPEC) -> None:
        self.spec = spec
