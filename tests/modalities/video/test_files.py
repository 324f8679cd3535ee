"""Clips from files of many forms, at even times; what is written is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from castalia import bounded
from castalia.errors import DataError, MissingExtra
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.video import files
from castalia.modalities.video.clip import Clip, at_even_times, resampled
from castalia.modalities.video.codec import VideoCodec, VideoConfig


def moving(count: int = 8, side: int = 24, rate: float = 10.0) -> Clip:
    """A square that walks to the right."""
    frames = np.full((count, side, side, 3), 230, np.uint8)
    for number in range(count):
        frames[number, 4:10, number : number + 6] = (200, 30, 60)
    return Clip(frames, rate)


def saved(path: Path, clip: Clip, durations: list[int]) -> Path:
    pictures = [PIL.Image.fromarray(frame) for frame in clip.frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return path


@pytest.mark.parametrize("ending", [".webp", ".gif", ".mp4"])
def test_what_is_written_is_read_back(tmp_path: Path, ending: str) -> None:
    clip, manifest = moving(), {"generator": "castalia 0", "note": "走"}
    path = tmp_path / f"a{ending}"
    files.write_clip(clip, path, manifest)
    back = files.read_clip(path)
    assert back.frames.shape == clip.frames.shape and back.rate == pytest.approx(10, abs=0.1)
    error = np.abs(back.frames.astype(int) - clip.frames.astype(int)).mean()
    assert error == 0 if ending == ".webp" else error < 4
    assert files.read_manifest(path) == manifest
    other = tmp_path / f"b{ending}"
    files.write_clip(clip, other, {**manifest, "note": "other"})
    assert files.content(path) == files.content(other)
    again = tmp_path / f"c{ending}"
    files.write_clip(clip, again, manifest)
    assert again.read_bytes() == path.read_bytes()


def test_the_bytes_of_a_clip_do_not_depend_on_what_memory_held(tmp_path: Path) -> None:
    """Reading in between leaves other bytes behind the ends of lines, which x264 looks at."""
    path, written = tmp_path / "a.mp4", set()
    for _ in range(100):
        files.write_clip(moving(), path, None)
        written.add(path.read_bytes())
        files.read_clip(path)
    assert len(written) == 1


def test_odd_sides_and_grey_frames(tmp_path: Path) -> None:
    clip = Clip(moving(4, 23).frames[:, :, :, :1], 12.5)
    for ending in (".webp", ".gif", ".mp4"):
        path = tmp_path / f"a{ending}"
        files.write_clip(clip, path, None)
        back = files.read_clip(path)
        assert len(back.frames) == 4 and abs(back.frames.shape[1] - 23) <= 1
        assert files.read_manifest(path) is None


def test_frames_of_different_times_are_read_at_even_ones(tmp_path: Path) -> None:
    """The last frame is shown three times as long, as six frames and one held stand for eight."""
    path = saved(tmp_path / "a.gif", moving(6), [100, 100, 100, 100, 100, 300])
    clip = files.read_clip(path)
    assert len(clip.frames) == 8 and clip.rate == 10 and clip.varied
    assert np.array_equal(clip.frames[5], clip.frames[7])
    assert not files.read_clip(saved(tmp_path / "b.gif", moving(6), [100] * 6)).varied


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        ([0.1] * 5, 10),
        ([0.1, 0.3, 0.2], 10),
        ([0.03, 0.04, 0.03, 0.03], 30.8),
        ([0.1, 0.25, 0.1], 10),
    ],
)
def test_common_rate(seconds: list[float], rate: float) -> None:
    assert files.common_rate(seconds) == pytest.approx(rate, rel=0.02)


def test_at_even_times() -> None:
    frames = [np.full((1, 1, 3), number, np.uint8) for number in range(3)]
    timed = list(zip([0.0, 0.2, 0.25], frames, strict=True))
    shown = [int(one[0, 0, 0]) for one in at_even_times(timed, 0.45, 10)]
    assert shown == [0, 0, 1, 2, 2]
    assert resampled(10, 30, 4, 10) == [0, 3, 6, 9]
    assert resampled(3, 10, 5, 10) == [0, 1, 2, 2, 2]


def test_animated_png_and_transparency(tmp_path: Path) -> None:
    pictures = []
    for number in range(3):
        picture = PIL.Image.new("RGBA", (12, 12), (0, 0, 0, 0))
        picture.paste((255, 0, 0, 255), (number, 0, number + 4, 4))
        pictures.append(picture)
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:], duration=50)
    clip = files.read_clip(tmp_path / "a.png")
    assert clip.frames.shape == (3, 12, 12, 3) and clip.rate == 20
    assert tuple(clip.frames[0, 11, 11]) == (255, 255, 255)
    assert tuple(clip.frames[2, 1, 3]) == (255, 0, 0)


def test_long_and_large_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_FRAMES", 5)
    monkeypatch.setattr(files, "LARGEST", 10)
    for name, more in (("a.gif", 3), ("a.mp4", 3)):
        if name.endswith("gif"):
            saved(tmp_path / name, moving(8), [100] * 8)
        else:
            files.write_clip(moving(8), tmp_path / name, None)
        clip = files.read_clip(tmp_path / name)
        assert clip.frames.shape == (5, 10, 10, 3) and clip.more == more
    with bounded.using(bounded.ReadLimits(pixels=100)), pytest.raises(DataError, match="too large"):
        files.read_clip(tmp_path / "a.mp4")
    with bounded.using(bounded.ReadLimits(file_bytes=10)), pytest.raises(DataError, match="large"):
        files.read_clip(tmp_path / "a.gif")


def test_bad_files_are_named(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "one.gif")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_bytes(b"no video at all" * 20)
    files.write_clip(moving(), tmp_path / "whole.mp4", None)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:300])
    saved(tmp_path / "whole.gif", moving(), [100] * 8)
    (tmp_path / "cut.gif").write_bytes((tmp_path / "whole.gif").read_bytes()[:30])
    for name, words in (
        ("one.gif", "two frames or more"),
        ("empty.mp4", "empty"),
        ("text.mp4", "cannot be decoded"),
        ("cut.mp4", "decoded"),
        ("cut.gif", "decoded"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            files.read_clip(tmp_path / name)
        assert name in str(caught.value)


def test_a_file_of_sound_alone(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(DataError, match="no video stream"):
        files.read_clip(tmp_path / "a.mp4")


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    files.write_clip(moving(), tmp_path / "a.mp4", None)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"castalia\[video\]"):
        files.read_clip(tmp_path / "a.mp4")
    saved(tmp_path / "a.gif", moving(), [100] * 8)
    assert len(files.read_clip(tmp_path / "a.gif").frames) == 8


def test_animated_files_are_clips_and_others_pictures(tmp_path: Path) -> None:
    saved(tmp_path / "a.gif", moving(), [100] * 8)
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "b.gif")
    assert VideoCodec.prefers(tmp_path / "a.gif") and not VideoCodec.prefers(tmp_path / "b.gif")
    assert ImageCodec.claims("b.gif")


def test_what_the_codec_takes_and_leaves(tmp_path: Path) -> None:
    codec = VideoCodec(VideoConfig(frames=4, rate=5.0, size=(8, 12)))
    codec.fit([moving(16, 24, 10.0)])
    x = codec.encode(moving(16, 24, 10.0))
    assert x.shape == (3, 4, 8, 12)
    left = {str(one.what): one.count for one in codec.omitted(moving(16, 24, 10.0))}
    assert left == {"frames behind the last one that fits": 9}
    assert not list(codec.omitted(moving(8, 24, 10.0)))
    small = VideoCodec()
    small.fit([moving(5, 24, 10.0), moving(9, 24, 10.0), moving(30, 24, 10.0)])
    assert small.spec.shape == (3, 9, 24, 24) and small.rate == 10
    grey = VideoCodec()
    grey.fit([Clip(np.repeat(moving().frames[..., :1], 3, 3), 10.0)] * 2)
    assert grey.spec.shape[0] == 1
