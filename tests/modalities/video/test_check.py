"""The check of clips, and the way from a messy folder to clips on pages."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import castalia
from castalia.data import builtin
from castalia.language import Voice
from castalia.modalities.video.clip import Clip
from castalia.modalities.video.codec import VideoCodec
from castalia.modalities.video.files import read_clip, write_clip
from castalia.modalities.video.presenter import ClipPresenter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Emoji, one of them twice, one that stands still, a long one, a picture, a broken one."""
    place = tmp_path / "clips"
    place.mkdir()
    source = sorted(builtin.path("emoji").glob("*.webp"))
    for path in source[:12]:
        shutil.copy(path, place / path.name)
    write_clip(read_clip(source[0]), place / "again.gif", None)
    still = np.full((6, 32, 32, 3), 200, np.uint8)
    still[::2, 0, 0] = 199
    write_clip(Clip(still, 4.0), place / "still.gif", None)
    rng = np.random.default_rng(0)
    write_clip(
        Clip(rng.integers(0, 255, (40, 32, 32, 3), dtype=np.uint8), 8.0), place / "long.mp4", None
    )
    write_clip(read_clip(source[1]), place / "made.webp", {"generator": "castalia 0"})
    PIL.Image.new("RGB", (20, 20)).save(place / "picture.png")
    (place / "broken.mp4").write_bytes(b"\0" * 500)
    return place


def test_a_messy_folder_is_checked(folder: Path) -> None:
    document = castalia.check(folder).document
    codes = {one.code for one in document.findings}
    assert document.codec == "video" and {"still", "rates", "generated"} <= codes
    assert document.duplicates["near"].copies or document.duplicates["content"].copies
    assert any("broken.mp4" in one.file for one in document.unreadable)
    assert any("video/flow" in step.command for step in document.next)


def test_the_whole_way(folder: Path, tmp_path: Path) -> None:
    keys = {
        "data.skip_bad": True,
        "training.steps": 3,
        "training.batch": 4,
        "training.threads": 1,
        "training.sample_every": 0,
        "codec.size": 16,
        "family.width": 8,
        "family.steps": 2,
        "data.validation": 0.3,
    }
    run = castalia.train("video/flow", folder, keys, out=tmp_path / "run")
    left = {one["what"]: one["count"] for one in run.about["data"]["report"]["omitted"]}
    assert left["frames behind the last one that fits"] > 20
    sample = castalia.sample(run, n=2)[0]
    assert isinstance(sample.item, Clip) and sample.item.frames.shape == (8, 16, 16, 3)


def test_clips_move_on_pages() -> None:
    paths = sorted(builtin.path("emoji").glob("*.webp"))[:2]
    items = [read_clip(path) for path in paths]
    shown = str(ClipPresenter(VideoCodec()).items(items, Voice()))
    assert shown.count("data:image/webp;base64,") == 2 and "8 frames, 4 a second" in shown
    one, other = ClipPresenter(VideoCodec()).pair(*items, Voice())
    assert "data:image/png" in str(one) and str(one) != str(other)
    sheet = VideoCodec().preview(items)
    assert sheet.size == (8 * 65 - 1, 2 * 64 + 2)
