"""Clips on pages: each moves; what a page prints is its first frame."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from castalia.language import Voice
from castalia.modalities.video.clip import Clip
from castalia.modalities.video.codec import strip
from castalia.modalities.video.files import write_clip
from castalia.pages import html
from castalia.pages.html import Html

LARGEST, MOST_FRAMES = 96, 32  # pixels of the longer side, and frames, of a clip on a page


class ClipPresenter:
    """Animated WebP inside the page, no script and no other file."""

    def __init__(self, codec: Any) -> None:
        self.codec = codec

    def items(self, items: Sequence[Clip], voice: Voice) -> Html:
        return html.block("grid", [self.item(item, voice) for item in items])

    def item(self, item: Clip, voice: Voice) -> Html:
        return moving(item, voice)

    def pair(self, one: Clip, other: Clip, voice: Voice) -> tuple[Html, Html]:
        """Frame by frame, so that they can be compared."""
        return html.drawing(strip(one)), html.drawing(strip(other))

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        """Nothing: the clips themselves are the evidence."""
        return Html()


def moving(clip: Clip, voice: Voice) -> Html:
    """An <img> that moves; small clips enlarged without smoothing."""
    shown = clip
    if max(clip.size) > LARGEST or len(clip.frames) > MOST_FRAMES:
        shown = _reduced(clip)
    file = io.BytesIO()
    _write(shown, file)
    name = "small" if max(shown.size) <= html.ENLARGED else ""
    words = voice.say("{0} frames, {1:g} a second", len(clip.frames), clip.rate)
    return Html('<img class="{}" alt="{}" src="data:image/webp;base64,{}">').format(
        name, words, base64.b64encode(file.getvalue()).decode()
    )


def _reduced(clip: Clip) -> Clip:
    frames = []
    for frame in clip.frames[:MOST_FRAMES]:
        picture = PIL.Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame).convert(
            "RGB"
        )
        picture.thumbnail((LARGEST, LARGEST), PIL.Image.Resampling.BOX)
        frames.append(np.asarray(picture))
    return Clip(np.stack(frames), clip.rate)


def _write(clip: Clip, file: io.BytesIO) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.webp"
        write_clip(clip, path, None)
        file.write(path.read_bytes())
