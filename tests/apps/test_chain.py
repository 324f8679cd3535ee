"""A run over what another run makes of the data: trained, resumed, sampled, reproduced, judged."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import torch

import castalia
from castalia.abilities import Compresses, Encodes, Quantises, Samples
from castalia.errors import AbilityError, RecipeError, RunError
from castalia.families.chained import Chained
from castalia.governance.card import render
from castalia.run import Run
from castalia.sampling.edit import edits_of
from castalia.training.hooks import Progress
from castalia.training.loop import Interrupted

SHORT = {
    "training.steps": 6,
    "training.batch": 8,
    "training.threads": 1,
    "training.save_every": 2,
    "training.sample_every": 0,
    "data.limit": 60,
    "sampling.n": 4,
}
CODER = SHORT | {"family.width": 8}
SMALL = {
    "image/ar-codes": {"family.width": 32, "family.depth": 1, "family.heads": 2},
    "image/flow-latent": {"family.width": 8, "family.steps": 2},
}


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return castalia.train(
        "image/codes", "builtin/digits", CODER, out=tmp_path_factory.mktemp("coder") / "run"
    )


@pytest.fixture(scope="module", params=["image/ar-codes", "image/flow-latent"])
def chained(
    request: pytest.FixtureRequest, coder: Run, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    more = {"codec.chain": ["image", str(coder.folder)], **SMALL[request.param]}
    return castalia.train(
        request.param, "builtin/digits", SHORT | more, out=tmp_path_factory.mktemp("chain") / "run"
    )


def test_a_coder_shows_what_is_left_of_real_items(coder: Run) -> None:
    model = coder.model()
    assert isinstance(model, Compresses) and isinstance(model, Quantises)
    assert not isinstance(model, Samples)
    x = torch.rand(3, *model.spec.shape) * 2 - 1
    tokens = model.to_tokens(x)
    assert tokens.shape == (3, model.tokens_spec.length + 1)
    assert (tokens[:, 0] == model.tokens_spec.begin).all()
    assert torch.allclose(model.from_tokens(tokens), model.expand(model.compress(x)), atol=1e-5)
    with pytest.raises(AbilityError):
        castalia.sample(coder, n=1)


def test_the_pair_is_one_model_of_the_data(chained: Run, coder: Run) -> None:
    model = chained.model()
    assert isinstance(model, Chained) and model.spec == coder.spec
    assert isinstance(model, Encodes) == (chained.recipe.family.name == "flow")
    own, copy = coder.model().state_dict(), model.coder.state_dict()
    assert all(torch.equal(own[name], copy[name]) for name in own)
    assert chained.about["chain"]["model"] == coder.model_hash()
    assert not any(parameter.requires_grad for parameter in model.coder.parameters())


def test_it_needs_the_first_run_no_longer(chained: Run, tmp_path: Path) -> None:
    moved = Run.open(shutil.copytree(chained.folder, tmp_path / "moved"))
    one, other = (castalia.sample(run, n=3, seed=1) for run in (chained, moved))
    assert all(torch.equal(a.x, b.x) for a, b in zip(one, other, strict=True))
    assert len({sample.item.tobytes() for sample in one}) == 3


def test_it_resumes_bit_exactly(chained: Run, coder: Run, tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        if now.event == "save" and now.step == 2:
            raise Interrupted(signal.SIGTERM, now.step)

    more = {"codec.chain": str(coder.folder), **SMALL[chained.recipe.title]}
    with pytest.raises(Interrupted):
        castalia.train(
            chained.recipe.title, "builtin/digits", SHORT | more, out=tmp_path / "run", hooks=[stop]
        )
    resumed = castalia.resume(tmp_path / "run")
    a, b = resumed.model("model").state_dict(), chained.model("model").state_dict()
    assert all(torch.equal(a[name], b[name]) for name in b)


def test_latents_of_a_chain_interpolate(chained: Run, tmp_path: Path) -> None:
    able = {
        kind
        for kind, edit in edits_of(chained.codec).items()
        if edit.possible(chained.model(), chained.codec)
    }
    latent = {"interpolate", "vary", "mix", "style", "direction", "invert"}
    assert able == (latent if chained.recipe.family.name == "flow" else set())


def test_the_card_names_the_chain(chained: Run, coder: Run) -> None:
    card = render(chained)
    assert coder.id in card and coder.model_hash() in card


def test_a_chain_without_a_run_says_what_to_train_first() -> None:
    with pytest.raises(RecipeError, match="what another run makes") as caught:
        castalia.train("image/ar-codes", "builtin/digits", SHORT)
    assert "image/codes" in caught.value.fix


def test_a_chain_with_a_missing_run_is_an_error() -> None:
    with pytest.raises(RunError, match="no run called"):
        castalia.train("image/ar-codes", "builtin/digits", SHORT | {"codec.chain": "nowhere"})


def test_other_settings_of_the_codec_are_refused(coder: Run) -> None:
    more = {"codec.chain": str(coder.folder), "codec.size": 16}
    with pytest.raises(RecipeError, match="another codec"):
        castalia.train("image/flow-latent", "builtin/digits", SHORT | more)
    with pytest.raises(RecipeError, match="begins with 'text'"):
        castalia.train(
            "image/flow-latent",
            "builtin/digits",
            SHORT | {"codec.chain": ["text", str(coder.folder)]},
        )


def test_a_run_without_codes_cannot_be_in_a_chain_of_tokens(tmp_path: Path) -> None:
    vae = castalia.train(
        "image/vae", "builtin/digits", SHORT | {"family.width": 8}, out=tmp_path / "vae"
    )
    with pytest.raises(AbilityError, match="makes no codes"):
        castalia.train("image/ar-codes", "builtin/digits", SHORT | {"codec.chain": str(vae.folder)})
    over = castalia.train(
        "image/flow-latent",
        "builtin/digits",
        SHORT
        | {
            "codec.chain": str(vae.folder),
            "family.body": "mlp",
            "family.width": 16,
            "family.steps": 2,
        },
        out=tmp_path / "over",
    )
    assert len(castalia.sample(over, n=2)) == 2
