"""Edits of clips, the simple methods beside them, copies and features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import castalia
from castalia.errors import RecipeError
from castalia.modalities.video import simple_repairs
from castalia.modalities.video.clip import Clip
from castalia.modalities.video.codec import VideoCodec, VideoConfig
from castalia.modalities.video.copies import Clips
from castalia.modalities.video.files import read_clip, write_clip
from castalia.modalities.video.metrics.features import HandmadeFeatures, features
from castalia.run import Run
from castalia.spec import Dense

SHORT = {
    "training.steps": 2,
    "training.batch": 4,
    "training.threads": 1,
    "training.sample_every": 0,
    "codec.size": 16,
    "codec.frames": 6,
    "family.width": 8,
    "family.steps": 2,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return castalia.train(
        "video/flow", "builtin/emoji", SHORT, out=tmp_path_factory.mktemp("clips") / "run"
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("clip") / "clip.webp"
    write_clip(Clip(rng.integers(0, 255, (6, 16, 16, 3), dtype=np.uint8), 4.0), path, None)
    return path


def test_what_is_known_stays_bit_by_bit(run: Run, clip: Path) -> None:
    given = run.codec.decode(run.codec.encode(read_clip(clip)).float() / 127.5 - 1).frames
    (gone,) = castalia.edit(run, "predict", [clip], given=2)
    assert np.array_equal(gone.frames[:2], given[:2])
    assert not np.array_equal(gone.frames[2:], given[2:])
    one, other = castalia.edit(run, "infill", [clip], missing="3-4", steps=2)
    assert np.array_equal(one.frames[[0, 1, 4, 5]], given[[0, 1, 4, 5]])
    assert not np.array_equal(one.frames[2:4], other.frames[2:4])
    (hole,) = castalia.edit(run, "infill", [clip], mask="4,4,8,8", steps=1)
    assert np.array_equal(hole.frames[:, :4], given[:, :4])
    assert not np.array_equal(hole.frames[:, 4:12, 4:12], given[:, 4:12, 4:12])
    (both,) = castalia.edit(run, "infill", [clip], missing="2", mask="0,0,4,16", steps=1)
    changed = (both.frames != given).any(3)
    assert changed[1, :, :4].any() and not changed[1, :, 4:].any() and not changed[2:].any()


def test_a_slower_clip_keeps_its_frames(run: Run, clip: Path) -> None:
    given = run.codec.decode(run.codec.encode(read_clip(clip)).float() / 127.5 - 1).frames
    (slow,) = castalia.edit(run, "slow", [clip])
    assert len(slow.frames) == 11 and slow.rate == 2 * run.codec.rate
    assert np.array_equal(slow.frames[::2], given)


def test_options_that_make_no_sense(run: Run, clip: Path) -> None:
    for kind, options, words in (
        ("predict", {"given": 6}, "nothing is left"),
        ("infill", {}, "nothing says"),
        ("infill", {"missing": "1-6"}, "covers all"),
        ("infill", {"missing": "9"}, "empty"),
        ("infill", {"missing": "a-b"}, "frames are numbers"),
        ("infill", {"mask": "1,2,3"}, "X,Y,W,H"),
    ):
        with pytest.raises(RecipeError, match=words):
            castalia.edit(run, kind, [clip], **options)


def test_trials_of_clips(run: Run) -> None:
    rows = castalia.evaluate_edits(run)["rows"]
    assert {row["method"] for row in rows} >= {"this run", "last frame held", "motion continued"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


# Simple methods -----------------------------------------------------------------------------------


def walking(frames: int = 8, side: int = 24, step: int = 1) -> torch.Tensor:
    """(1, T, H, W): a soft blob that walks to the right."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    blobs = [
        torch.exp(-((x - 8 - step * number) ** 2 + (y - 12) ** 2) / 18.0)
        for number in range(frames)
    ]
    return torch.stack(blobs)[None]


def test_optical_flow_finds_a_shift() -> None:
    clip = walking(2)
    motion = simple_repairs.optical_flow(clip[:, 0][None], clip[:, 1][None])
    weight = clip[0, 0]
    assert float((motion[0, 0] * weight).sum() / weight.sum()) == pytest.approx(1, abs=0.2)
    assert abs(float((motion[0, 1] * weight).sum() / weight.sum())) < 0.1


def test_motion_continued_beats_the_last_frame_held_where_things_move() -> None:
    clip = walking(8)
    error = [
        float((method(clip, 5) - clip).square().mean())
        for method in (simple_repairs.continued, simple_repairs.held)
    ]
    assert error[0] < 0.5 * error[1]
    assert torch.equal(simple_repairs.continued(clip, 1), simple_repairs.held(clip, 1))
    assert torch.equal(simple_repairs.held(clip, 5)[:, :5], clip[:, :5])


def test_mixed_frames_lie_between() -> None:
    clip = torch.linspace(0, 1, 6).view(1, 6, 1, 1).expand(1, 6, 2, 2).clone()
    known = torch.tensor([True, True, False, False, True, True])
    assert torch.allclose(
        simple_repairs.mixed(clip * known.view(1, -1, 1, 1), known), clip, atol=1e-6
    )


def test_a_hole_gets_the_colour_around_it() -> None:
    clip = torch.full((3, 4, 10, 10), 0.25)
    keep = torch.ones(10, 10, dtype=torch.bool)
    keep[3:6, 3:6] = False
    filled = simple_repairs.around_hole(clip * keep, keep)
    assert torch.allclose(filled, clip)


# Copies and features ------------------------------------------------------------------------------


def clips(count: int, seed: int, shape: tuple[int, ...] = (3, 8, 16, 16)) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, shape[0], 6, 5, 5, generator=rng) * 2 - 1
    return F.interpolate(coarse, shape[1:], mode="trilinear", align_corners=False)


def test_altered_copies_are_found() -> None:
    training, new = clips(120, 0), clips(40, 1)
    codec = VideoCodec(VideoConfig(size=16, frames=8, rate=8.0, channels=3))
    matcher = Clips(codec, training)
    alarms = matcher.match(new).distance
    for kind in Clips.planted:
        planted = matcher.plant(training[:30], kind, torch.Generator().manual_seed(2))
        found = matcher.match(planted)
        right = found.train == torch.arange(30)
        assert right.float().mean() >= 0.95, kind
        assert float(found.distance.quantile(0.95)) < float(alarms.quantile(0.02)), kind
        if kind != "shifted":
            assert sum(one == kind for one in found.kinds) >= 27, (kind, found.kinds)
    again = Clips.restore(codec, *matcher.state())
    assert torch.equal(again.match(new).distance, alarms)


def test_features_see_what_moves_and_which_way() -> None:
    right = walking(8).expand(3, -1, -1, -1)[None]
    left, still = right.flip(2), right[:, :, :1].expand_as(right)
    there, back, none = (features(one) for one in (right, left, still))
    assert there.shape == (1, 32 * 3 + 96)
    assert float((there - back).norm()) > 0.05 and float((there - none).norm()) > 0.05
    assert HandmadeFeatures().fits(Dense((3, 8, 16, 16), levels=256))
    assert not HandmadeFeatures().fits(Dense((3, 16, 16), levels=256))
    extract = HandmadeFeatures().extractor(Dense((3, 8, 24, 24), levels=256))
    assert torch.allclose(extract(2 * right - 1), there, atol=1e-5)
    assert torch.isfinite(extract(torch.full((1, 3, 8, 24, 24), float("nan")))).all()
