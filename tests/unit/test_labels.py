"""Labels that people see or hear: as large as the rules ask, where they ask, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest

from castalia.governance.labels.stamp import stamped
from castalia.governance.labels.wording import WORDS, line
from castalia.governance.policy import Policy
from castalia.governance.release_gate import Screen
from castalia.modalities.audio import label as audible
from castalia.modalities.audio.sound import Sound
from castalia.modalities.image import label as visible
from castalia.modalities.video import label as moving
from castalia.modalities.video.clip import Clip

LABELS = Policy.model_validate({"labels": {"language": "zh"}})


def changed(before: np.ndarray, after: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.nonzero(before != after)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def test_the_words_hold_what_the_rules_ask_for():
    assert "AI" in WORDS["zh"] and "生成" in WORDS["zh"]
    assert line("zh").endswith("\n") and line("en").startswith("[AI")


@pytest.mark.parametrize("shape", [(64, 64), (512, 512), (200, 900)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_words_stand_in_a_corner_and_are_high_enough(shape: tuple[int, int], language: Any):
    plain = np.full(shape, 128, np.uint8)
    made = stamped(plain, language)
    if made is None:
        assert language == "en" and shape == (64, 64)  # longer words need more room
        return
    rows, columns = changed(plain, made)
    assert (rows.stop, columns.stop) == shape
    bright = np.nonzero((made > 150).any(1))[0]  # the words alone, without their ground
    assert bright.max() - bright.min() + 1 >= 0.05 * min(shape)
    assert made.max() > 230 and made[rows, columns].min() < 60  # readable on any picture
    assert rows.start > shape[0] / 2


def test_pictures_without_room_stay_as_they_are_or_say_so():
    assert visible.labelled(PIL.Image.new("L", (28, 28)), "zh") is None
    made = visible.labelled(PIL.Image.new("RGB", (96, 96), "red"), "zh")
    assert made is not None and (made.size, made.mode) == ((96, 96), "RGB")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_two_seconds_of_a_clip_are_labelled(channels: int):
    clip = Clip(np.zeros((12, 64, 64, channels), np.uint8), 4.0)
    made = moving.labelled(clip, "zh")
    assert made is not None
    assert made.frames.shape == clip.frames.shape
    assert [bool(frame.any()) for frame in made.frames] == [True] * 8 + [False] * 4


def test_a_sound_begins_with_short_long_short_short():
    plain = Sound(np.full(8000, 0.5, np.float32), 8000)
    made = audible.labelled(plain, "zh")
    assert np.array_equal(made.samples[-8000:], plain.samples)
    notice = made.samples[:-8000]
    loud = np.abs(notice).reshape(-1, 80).max(1) > 0.01  # hundredths of a second
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    tones = (edges[1::2] - edges[::2]).tolist()
    assert [round(tone / 8) for tone in tones] == [1, 3, 1, 1]
    assert 0.1 < np.abs(notice).max() < 0.2


def test_a_streamed_text_begins_with_its_label_once():
    screen = Screen(LABELS)
    pieces = [screen.push(""), screen.push("从前"), screen.push("有"), screen.finish()]
    assert "".join(pieces) == line("zh") + "从前有"
    assert pieces[0] == ""
    plain = Screen(LABELS, plain=True)
    assert plain.push("{") + plain.finish() == "{"
    assert Screen(Policy()).push("a") == "a"
