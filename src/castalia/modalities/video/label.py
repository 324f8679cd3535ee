"""Visible labels of clips: words in a corner of their first two seconds."""

from __future__ import annotations

import math
from dataclasses import replace

from castalia.governance.labels.stamp import stamped
from castalia.governance.labels.wording import Language
from castalia.modalities.video.clip import Clip

SECONDS = 2.0  # the least by GB 45438-2025; of a shorter clip, all of it


def labelled(item: Clip, language: Language) -> Clip | None:
    """A clip of the same frames and rate; None where the words have no room."""
    frames = item.frames.copy()
    for number in range(min(len(frames), math.ceil(SECONDS * item.rate))):
        shown = frames[number]
        grey = shown.shape[-1] == 1
        made = stamped(shown[..., 0] if grey else shown, language)
        if made is None:
            return None
        frames[number] = made[..., None] if grey else made
    return replace(item, frames=frames)
