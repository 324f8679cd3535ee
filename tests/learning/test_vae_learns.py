"""On real 8x8 digits: a VAE explains held-out pictures better than independent pixels; a VAE-GAN keeps its latents
unless the divergence dominates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from castalia.codecs.image import ImageCodec
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare
from castalia.families.base import Family
from castalia.families.vae import Vae, VaeConfig
from castalia.families.vaegan import VaeGan, VaeGanConfig
from castalia.recipe import TrainConfig
from castalia.spec import Batch
from castalia.training.device import Solo
from castalia.training.loop import Trainer


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    home: Path = tmp_path_factory.mktemp("home")
    return prepare(DataConfig(source="builtin/digits", conditional=False), ImageCodec(ImageCodec.Config(size=8)), home=home)  # type: ignore[arg-type]


def trained(family: Family, data: Dataset, steps: int, rate: float) -> Family:
    config = TrainConfig.model_validate(
        {"steps": steps, "batch": 64, "ema": 0.98, "optimiser": {"rate": rate}, "schedule": {"name": "linear"}}
    )
    trainer = Trainer(family, config, data.train, Solo(), "fp32")
    for _ in range(steps):
        trainer.train_step()
    return trainer.averaged()


def held_out(data: Dataset) -> Batch:
    return data.validation.take(range(min(150, len(data.validation))))


def test_vae_beats_independent_pixels(digits: Dataset) -> None:
    """Baseline: a Gaussian per pixel, fitted to the training pictures, its mass over each level's bin; exact nats."""
    torch.manual_seed(0)
    model = trained(Vae(VaeConfig(width=16, latent=16, importance=16), digits.spec, {}), digits, 200, 3e-3)
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
def test_posterior_collapse_is_a_matter_of_beta(digits: Dataset, beta: float | None, collapses: bool) -> None:
    torch.manual_seed(0)
    config = VaeGanConfig(width=16, latent=8) if beta is None else VaeGanConfig(width=16, latent=8, beta=beta)
    report = trained(VaeGan(config, digits.spec, {}), digits, 200, 2e-3).report(held_out(digits))  # type: ignore[attr-defined]
    if collapses:
        assert report["active_units"] == 0
    else:
        assert report["active_units"] >= 4 and report["squared_error"] < 0.25
