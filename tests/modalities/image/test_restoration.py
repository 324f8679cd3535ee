"""Edits of pictures: what is known comes back, tiles leave no seams, masks are checked."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from tests.untrained import untrained

import castalia
from castalia.errors import AbilityError, DataError, RecipeError, SpecError
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.image.restoration import (
    LIGHTNESS,
    by_tiles,
    colourised,
    denoised,
    estimated_noise,
    infilled,
    made_anew,
    outpainted,
    upscaled,
)
from castalia.nn.counter_random import generator
from castalia.sampling.edit import edit_of, options_of, with_files


class Model:
    """Draws noise and makes it consistent; takes noise away by the mean of neighbours."""

    device = torch.device("cpu")

    def infill(self, x, keep, rngs, cond, temperature=1.0):
        return torch.where(keep, x, self._noise(x.shape[1:], rngs))

    def restore(self, consistent, rngs, cond, temperature=1.0):
        return consistent(self._noise(self.shape, rngs))

    def denoise(self, x, deviation, cond):
        self.deviation = float(deviation[0])
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def _noise(self, shape, rngs):
        return torch.stack([torch.rand(shape, generator=rng) - 0.5 for rng in rngs])

    shape = (3, 16, 16)


@pytest.mark.parametrize(("size", "by"), [((16, 16), 5), ((9, 30), 3), ((40, 24), 20), ((3, 3), 1)])
def test_a_picture_goes_on_beyond_its_edges(size: tuple[int, int], by: int) -> None:
    """The middle comes back, every other pixel was drawn once, beside some that were known."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    seen: list[float] = []

    class Watched(Model):
        def infill(self, x, keep, rngs, cond, temperature=1.0):
            seen.append(float(keep.float().mean()))
            return super().infill(x, keep, rngs, cond, temperature)

    (wide,) = outpainted(Watched(), codec(), [PIL.Image.fromarray(pixels)], {}, by=by, seed=0)
    made = np.asarray(wide)
    assert wide.size == (size[0] + 2 * by, size[1] + 2 * by)
    assert np.array_equal(made[by:-by, by:-by], pixels)
    assert min(seen) > 0
    edge = np.concatenate([made[:by].ravel(), made[-by:].ravel()])
    assert not (edge == 128).mean() > 0.1  # what was never drawn would be mid-grey
    (again,) = outpainted(Model(), codec(), [PIL.Image.fromarray(pixels)], {}, by=by, seed=0)
    assert again.tobytes() == wide.tobytes()


def codec(channels: int = 3, side: int = 16) -> ImageCodec:
    return ImageCodec(ImageCodec.Config(size=side, channels=channels))  # type: ignore[arg-type]


def picture(width: int = 16, height: int = 16, key: str = "picture") -> PIL.Image.Image:
    """Smooth, in colour."""
    noise = torch.randn(1, 3, 4, 4, generator=generator(key))
    smooth = torch.nn.functional.interpolate(noise, (height, width), mode="bicubic")
    levels = ((smooth[0].clamp(-2, 2) / 2 + 1) * 127.5).byte().permute(1, 2, 0).numpy()
    return PIL.Image.fromarray(np.ascontiguousarray(levels))


def pixels(item: PIL.Image.Image) -> np.ndarray:
    return np.asarray(item, dtype=int)


def url(item: PIL.Image.Image) -> str:
    file = io.BytesIO()
    item.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_outside_the_mask_every_pixel_stays():
    items = [picture(), picture(key="other")]
    made = infilled(Model(), codec(), items, {}, mask="4,6,5,3", count=3, seed=1)
    assert len(made) == 6
    kept = np.ones((16, 16), dtype=bool)
    kept[6:9, 4:9] = False
    for number, one in enumerate(made):
        given = pixels(items[number // 3])
        assert (pixels(one)[kept] == given[kept]).all()
        assert (pixels(one)[~kept] != given[~kept]).any()
    assert (pixels(made[0]) != pixels(made[1])).any()
    again = infilled(Model(), codec(), items[:1], {}, mask="4,6,5,3", count=2, seed=1)
    assert (pixels(again[1]) == pixels(made[1])).all()


def test_three_ways_to_name_a_part():
    item, marked = picture(), PIL.Image.new("L", (16, 16))
    marked.paste(255, (2, 3, 7, 9))
    clear = item.convert("RGBA")
    clear.paste((0, 0, 0, 0), (2, 3, 7, 9))
    hole = PIL.Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    hole.paste((0, 0, 0, 0), (2, 3, 7, 9))
    ways = [
        made_anew(codec(), item, "2,3,5,6"),
        made_anew(codec(), item, url(marked)),
        made_anew(codec(), item, url(hole)),
        made_anew(codec(), clear, None),
    ]
    assert int(ways[0].sum()) == 30
    for way in ways[1:]:
        assert torch.equal(way, ways[0])
    # of a picture that is made smaller, the part moves along
    large = made_anew(codec(), picture(32, 32), "4,6,10,12")
    assert torch.equal(large, ways[0])


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (None, "nothing says which part"),
        ("90,90,2,2", "the mask is empty"),
        ("0,0,16,16", "the mask covers all"),
        (url(PIL.Image.new("L", (8, 8), 255)), "another size than the picture"),
    ],
)
def test_masks_that_make_no_sense(mask, match):
    with pytest.raises(RecipeError, match=match):
        made_anew(codec(), picture(), mask)


def test_a_mask_is_a_rectangle_or_a_file(tmp_path):
    edit = edit_of("infill", codec())
    with pytest.raises(RecipeError, match="X,Y,W,H in pixels, or a picture"):
        options_of("infill", edit, {"mask": "/etc/passwd"})
    with pytest.raises(DataError, match="the mask is not a picture"):
        made_anew(codec(), picture(), "data:image/png;base64," + "QUJD" * 10)
    path = tmp_path / "mask.png"
    marked = PIL.Image.new("L", (16, 16))
    marked.paste(255, (0, 0, 4, 4))
    marked.save(path)
    given = options_of("infill", edit, with_files(edit, {"mask": str(path)}))
    assert int(made_anew(codec(), picture(), given.mask).sum()) == 16
    path.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(DataError, match="too large"):
        with_files(edit, {"mask": str(path)})


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (20, 13), (40, 9)])
@pytest.mark.parametrize("factor", [2, 4])
def test_squares_of_an_enlarged_picture_have_the_mean_that_was_given(size, factor):
    item = picture(*size)
    (large,) = upscaled(Model(), codec(), [item], {}, factor=factor, detail=1.0, seed=0)
    assert large.size == (factor * size[0], factor * size[1])
    means = pixels(large).reshape(size[1], factor, size[0], factor, 3).mean((1, 3))
    assert np.abs(means - pixels(item)).max() < 0.6  # of rounding


def test_an_enlarged_picture_has_an_end():
    with pytest.raises(RecipeError, match="would have 256 million pixels"):
        blank = PIL.Image.new("L", (4000, 4000))
        upscaled(Model(), codec(), [blank], {}, factor=4, detail=1.0, seed=0)


def test_squares_that_do_not_fit_into_the_runs_pictures():
    with pytest.raises(SpecError, match="squares of 4 pixels"):
        upscaled(Model(), codec(side=18), [picture()], {}, factor=4, detail=1.0, seed=0)


def test_tiles_leave_no_seam():
    whole = torch.rand(3, 45, 70, generator=generator("whole"))
    torch.testing.assert_close(by_tiles(lambda x, first: x, whole, (16, 16)), whole)
    twice = by_tiles(
        lambda x, first: torch.nn.functional.interpolate(x, scale_factor=2), whole, (16, 16), 2
    )
    torch.testing.assert_close(twice, whole.repeat_interleave(2, 1).repeat_interleave(2, 2))
    # a tile that is lighter than the next one fades into it
    seen = []

    def lighter(x, first):
        seen.append(len(x))
        return x + torch.arange(len(x), dtype=torch.float32).view(-1, 1, 1, 1) % 2

    steps = by_tiles(lighter, torch.zeros(1, 16, 64), (16, 16)).diff(dim=2).abs()
    assert steps.max() < 0.3 and sum(seen) == 7


def test_noise_is_estimated_and_told():
    clean = torch.nn.functional.interpolate(
        torch.randn(1, 3, 6, 6, generator=generator("clean")), (64, 64), mode="bicubic"
    )[0]
    noisy = clean + 0.2 * torch.randn(clean.shape, generator=generator("noise"))
    assert estimated_noise(clean) < 0.03
    assert abs(estimated_noise(noisy) - 0.2) < 0.03
    assert estimated_noise(torch.zeros(1, 1, 1)) == 0
    model = Model()
    (made,) = denoised(model, codec(), [picture(30, 20)], {}, noise=51)
    assert made.size == (30, 20) and abs(model.deviation - 0.4) < 1e-6


def test_a_coloured_picture_is_as_light_as_it_was():
    grey = picture().convert("L").point(lambda level: 64 + level // 2)
    made = colourised(Model(), codec(), [grey, grey], {}, detail=1.0, seed=0)
    for one in made:
        light = (pixels(one) * np.array(LIGHTNESS)).sum(2)
        assert np.abs(light - pixels(grey)).max() < 1
        assert pixels(one).std(2).mean() > 5
    with pytest.raises(SpecError, match="draws in grey"):
        colourised(Model(), codec(1), [grey], {}, detail=1.0, seed=0)


def test_a_model_that_cannot_is_named():
    class Other:
        name = "other"
        device = torch.device("cpu")

    with pytest.raises(AbilityError, match="cannot"):
        denoised(Other(), codec(), [picture()], {}, noise=None)


def test_what_a_large_edit_takes_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And an edit that this machine has no memory for is refused before it begins."""
    small = [PIL.Image.new("RGB", (8, 8), (200, 30, number)) for number in range(4)]
    run = untrained(tmp_path / "run", "image/flow", small, "family.width=8", "family.steps=2")
    large = tmp_path / "large.png"
    PIL.Image.new("RGB", (800, 700)).save(large)
    (done,) = castalia.edit(run, "denoise", [large], noise=10, progress=True)
    assert done.size == (800, 700)
    assert "about 26.3 MB of memory" in capsys.readouterr().err
    monkeypatch.setattr("castalia.verbs.edit.memory", lambda: 10**6)
    with pytest.raises(RecipeError, match=r"this machine has 1\.0 MB"):
        castalia.edit(run, "denoise", [large], noise=10)
