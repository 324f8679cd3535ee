"""A GAN in seconds: on eight Gaussians it finds every mode, on real 8x8 digits it beats independent
pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.evaluation.frechet_distance import frechet
from castalia.families.gan import Gan, GanConfig
from castalia.modalities.image.codec import ImageCodec
from castalia.nn.counter_random import generators
from castalia.recipe_sections import TrainConfig
from castalia.spec import Batch, Dense
from castalia.training.device import Solo
from castalia.training.loop import Trainer

ANGLES = torch.arange(8) * torch.pi / 4
CENTRES = 2**0.5 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)  # unit deviation along both axes


class Ring:
    """Endless batches of eight Gaussians on a circle, deviation 0.1; a function of the counter, as
    a Split is.
    """

    def __len__(self) -> int:
        return 100_000

    def batch(self, counter: int, size: int, seed: int, augment: bool = False) -> Batch:
        random = torch.Generator().manual_seed(counter)
        which = torch.randint(0, 8, (size,), generator=random)
        return Batch(CENTRES[which] + 0.1 * torch.randn(size, 2, generator=random))


def train(
    family: Gan, data: object, steps: int, batch: int, rate: float, betas: tuple[float, float]
) -> Gan:
    config = TrainConfig.model_validate(
        {
            "steps": steps,
            "batch": batch,
            "ema": 0.98,
            "optimiser": {"rate": rate, "betas": betas},
            "schedule": {"name": "wsd"},
        }
    )
    trainer = Trainer(family, config, data, Solo(), "fp32")  # type: ignore[arg-type]
    for _ in range(steps):
        trainer.train_step()
    return trainer.averaged()  # type: ignore[return-value]


def modes_found(x: Tensor) -> int:
    """Modes with at least a quarter of their share of the samples within three deviations."""
    distance, mode = torch.cdist(x, CENTRES).min(1)
    return int((torch.bincount(mode[distance < 0.3], minlength=8) >= len(x) / 32).sum())


def test_every_mode_of_a_ring_is_found() -> None:
    torch.manual_seed(0)
    config = GanConfig(objective="relativistic", penalty=0.05, width=64, depth=2, latent=2)
    model = train(
        Gan(config, Dense((2,), unit="standard", layout="vector"), {}),
        Ring(),
        700,
        128,
        2e-3,
        (0.0, 0.99),
    )
    x = model.sample(generators(0, 0, 1000), {}, SampleOptions())
    # the naive generator: one Gaussian with the data's moments
    assert modes_found(torch.randn(1000, 2)) < 8
    assert modes_found(x) == 8


def test_digits_beat_independent_pixels(tmp_path: Path) -> None:
    """Frechet distance of the 64 pixels; the baseline draws each pixel from its own real values,
    shuffled between pictures.
    """
    data = prepare(
        DataConfig(source="builtin/digits", conditional=False),
        ImageCodec(ImageCodec.Config(size=8)),
        home=tmp_path,
    )  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = train(
        Gan(GanConfig(width=32, latent=16), data.spec, {}), data.train, 500, 64, 2e-3, (0.5, 0.99)
    )
    real = data.train.take(range(1000)).x.flatten(1)
    naive = torch.stack([column[torch.randperm(len(real))] for column in real.T], 1)
    made = model.sample(generators(0, 0, 1000), {}, SampleOptions()).flatten(1)
    # about 2 and 7; two halves of the data: 0.4
    distance, baseline = frechet(made, real), frechet(naive, real)
    assert made.abs().max() <= 1
    assert distance < 0.6 * baseline, (distance, baseline)
