"""Trials of edits: the measures against a library, the simple methods against closed forms."""

from __future__ import annotations

import PIL.Image
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from castalia.evaluation.edit_trials import Trial, rows_of
from castalia.evaluation.similarity import psnr, ssim
from castalia.modalities.image import simple_edits


def pictures(count: int = 4, side: int = 32, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=rng)
    return torch.nn.functional.interpolate(coarse, side, mode="bicubic").clamp(0, 1)


def test_ssim_is_the_librarys() -> None:
    x = pictures()
    y = (x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    for a, b, value in zip(x, y, ssim(x, y), strict=True):
        # the library mirrors the border; ours takes whole windows alone
        _, whole = structural_similarity_index_measure(
            b[None], a[None], data_range=1.0, sigma=1.5, return_full_image=True
        )
        assert float(value) == pytest.approx(float(whole[..., 5:-5, 5:-5].mean()), abs=1e-4)
    assert torch.allclose(ssim(x, x), torch.ones(4, dtype=torch.float64))
    assert (ssim(x, 1 - x) < 0.6).all()


def test_psnr_by_hand() -> None:
    x = torch.zeros(1, 1, 4, 4)
    assert float(psnr(x, x + 0.1)) == pytest.approx(20, abs=1e-4)
    assert float(psnr(x, x)) == pytest.approx(100)


def test_ssim_of_pictures_smaller_than_the_window() -> None:
    x = pictures(side=8)
    assert torch.allclose(ssim(x, x), torch.ones(4, dtype=torch.float64))


def test_non_local_means_takes_noise_away_and_keeps_edges() -> None:
    x = torch.zeros(1, 32, 32)
    x[:, :, 16:] = 1
    noisy = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    clean = simple_edits.non_local_means(noisy, 0.1)
    assert float(psnr(clean[None], x[None])) > float(psnr(noisy[None], x[None])) + 6
    assert clean[0, :, 14].mean() < 0.1 and clean[0, :, 17].mean() > 0.9
    assert simple_edits.non_local_means(noisy, 0) is noisy


def test_biharmonic_filling_continues_a_plane() -> None:
    y, x = torch.meshgrid(torch.linspace(0.2, 0.8, 20), torch.linspace(0.1, 0.6, 20), indexing="ij")
    plane = torch.stack([0.5 * x + 0.3 * y, y])
    keep = torch.ones(20, 20, dtype=torch.bool)
    keep[6:13, 5:14] = False
    filled = simple_edits.biharmonic(plane * keep, keep)
    assert torch.allclose(filled, plane, atol=1e-4)
    assert torch.equal(filled[:, keep], (plane * keep)[:, keep])
    assert simple_edits.biharmonic(plane, torch.ones(20, 20, dtype=torch.bool)) is plane


def test_enlarging_is_pillows() -> None:
    x = 0.3 + 0.4 * pictures(1, 8)[0]  # Pillow cuts 8 bits between its two passes
    large = simple_edits.resized(x, 2, PIL.Image.Resampling.BICUBIC)
    picture = PIL.Image.fromarray((x * 255).round().byte().permute(1, 2, 0).contiguous().numpy())
    wanted = torch.tensor(list(picture.resize((16, 16), PIL.Image.Resampling.BICUBIC).tobytes()))
    assert torch.allclose(large.permute(1, 2, 0).flatten() * 255, wanted.float(), atol=1.6)


def test_mean_colours_keep_the_lightness() -> None:
    weights = torch.tensor([0.299, 0.587, 0.114])
    grey = torch.full((1, 4, 4), 0.5)
    made = simple_edits.mean_colours(grey, torch.tensor([0.6, 0.5, 0.4]), weights)
    assert torch.allclose((made * weights.view(3, 1, 1)).sum(0), grey[0], atol=1e-6)
    assert made[0, 0, 0] > made[2, 0, 0]


def test_gains_are_of_differences_item_by_item() -> None:
    base = torch.tensor([10.0, 20.0, 30.0, 40.0])
    rows = rows_of(
        [
            Trial("denoise", "this run", True, {"PSNR": base + 1}),
            Trial("denoise", "as it is", False, {"PSNR": base - 5}),
            Trial("denoise", "means", False, {"PSNR": base}),
        ]
    )
    mine = next(row for row in rows if row["run"])
    assert mine["best"] == "means"
    assert mine["gain"] == mine["gain_low"] == mine["gain_high"] == pytest.approx(1)
    assert mine["low"] < mine["value"] < mine["high"]
