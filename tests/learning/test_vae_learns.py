"""On real 8x8 digits: a VAE explains held-out pictures better than independent pixels; a VAE-GAN
keeps its latents unless the divergence dominates.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.special import expit

import castalia
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare
from castalia.families.base import Family
from castalia.families.vae import Vae, VaeConfig
from castalia.families.vaegan import VaeGan, VaeGanConfig
from castalia.modalities.image.codec import ImageCodec
from castalia.recipe_sections import TrainConfig
from castalia.spec import Batch
from castalia.training.device import Solo
from castalia.training.loop import Trainer


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    home: Path = tmp_path_factory.mktemp("home")
    return prepare(
        DataConfig(source="builtin/digits", conditional=False),
        ImageCodec(ImageCodec.Config(size=8)),
        home=home,
    )  # type: ignore[arg-type]


def trained(family: Family, data: Dataset, steps: int, rate: float) -> Family:
    config = TrainConfig.model_validate(
        {
            "steps": steps,
            "batch": 64,
            "ema": 0.98,
            "optimiser": {"rate": rate},
            "schedule": {"name": "linear"},
        }
    )
    trainer = Trainer(family, config, data.train, Solo(), "fp32")
    for _ in range(steps):
        trainer.train_step()
    return trainer.averaged()


def held_out(data: Dataset) -> Batch:
    return data.validation.take(range(min(150, len(data.validation))))


def test_vae_beats_independent_pixels(digits: Dataset) -> None:
    """Baseline: a Gaussian per pixel, fitted to the training pictures, its mass over each level's
    bin; exact nats.
    """
    torch.manual_seed(0)
    model = trained(
        Vae(VaeConfig(width=16, latent=16, importance=16), digits.spec, {}), digits, 200, 3e-3
    )
    batch = held_out(digits)
    x = digits.train.take(range(len(digits.train))).x.flatten(1)
    step = 2 / 255
    normal = scipy.stats.norm(x.mean(0).numpy(), x.std(0).numpy() + step)
    pixels = batch.x.flatten(1).numpy()
    upper = np.where(pixels > 1 - step / 2, np.inf, pixels + step / 2)
    lower = np.where(pixels < -1 + step / 2, -np.inf, pixels - step / 2)
    baseline = -np.log(np.maximum(normal.cdf(upper) - normal.cdf(lower), 1e-12)).sum(1)
    gain = baseline - model.nats(batch).numpy()  # type: ignore[attr-defined]
    error = gain.std() / len(gain) ** 0.5
    assert gain.mean() > 3 * error and gain.mean() > 5, (gain.mean(), baseline.mean())


@pytest.mark.parametrize(("beta", "collapses"), [(None, False), (3000.0, True)])
def test_posterior_collapse_is_a_matter_of_beta(
    digits: Dataset, beta: float | None, collapses: bool
) -> None:
    torch.manual_seed(0)
    config = (
        VaeGanConfig(width=16, latent=8)
        if beta is None
        else VaeGanConfig(width=16, latent=8, beta=beta)
    )
    report = trained(VaeGan(config, digits.spec, {}), digits, 200, 2e-3).report(held_out(digits))  # type: ignore[attr-defined]
    if collapses:
        assert report["active_units"] == 0
    else:
        assert report["active_units"] >= 4 and report["squared_error"] < 0.25


def test_the_shipped_recipe_keeps_its_latents_on_pictures_in_colour(tmp_path: Path) -> None:
    """64 x 64 pixels in colour have fifty thousand nats; without group norm and clipped gradients
    their first steps switched every latent off.

    Baseline: the best that a model without latents can do, the mean picture with one logistic scale
    for all.
    """
    noise, (down, right) = np.random.default_rng(0), np.mgrid[:64, :64]
    pictures = np.empty((256, 64, 64, 3), np.uint8)
    for place in range(256):
        (row, column), radius = noise.uniform(16, 48, 2), noise.uniform(8, 18)
        inside = (down - row) ** 2 + (right - column) ** 2 < radius**2
        clean = np.where(inside[..., None], (120, 70, 140), (190, 182, 190))
        pictures[place] = (clean + noise.normal(0, 4, clean.shape)).clip(0, 255)
    np.save(tmp_path / "pictures.npy", pictures)
    overrides = {
        "training.steps": 100,
        "training.batch": 32,
        "training.sample_every": 0,
        "codec.name": "image",
    }
    run = castalia.train("image/vae", tmp_path / "pictures.npy", overrides, out=tmp_path / "run")
    reached = run.metrics()[-1]
    apart = pictures - pictures.mean(0)
    scales = np.geomspace(2, 64, 26)
    baseline = min(
        -np.log(np.maximum(expit((apart + 0.5) / scale) - expit((apart - 0.5) / scale), 1e-12))
        .sum((1, 2, 3))
        .mean()
        for scale in scales
    )
    assert reached["main/kl"] > 10, reached
    assert reached["main/nelbo"] < baseline, (reached, baseline)
