"""Words in the lower right corner of pixels.

en.png and zh.png hold the words as a mask, drawn once in Noto Sans CJK (SIL Open Font License), so
that a label has the same pixels on every system, whichever fonts it has.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image

from castalia import bounded
from castalia.governance.labels.wording import Language

SHARE = 0.06  # of the shorter side; GB 45438-2025 asks for 5%, without the mask's soft edges
LEAST = 9  # pixels of height below which nobody reads them
MOST_WIDTH = 0.9  # of the picture's


def stamped(pixels: np.ndarray, language: Language) -> np.ndarray | None:
    """(H, W) or (H, W, C) uint8 with white words on a darker ground; None where they have no
    room.
    """
    height, width = pixels.shape[:2]
    mask = _mask(language)
    tall = max(LEAST, round(SHARE * min(height, width)) + 1)
    wide = round(mask.width * tall / mask.height)
    edge = max(1, tall // 5)
    if wide + 2 * edge > MOST_WIDTH * width or tall + 2 * edge > height / 2:
        return None
    words = np.asarray(mask.resize((wide, tall), PIL.Image.Resampling.LANCZOS), float) / 255
    box = np.pad(words, edge)
    box = box if pixels.ndim == 2 else box[..., None]
    made = pixels.copy()
    corner = made[-box.shape[0] :, -box.shape[1] :]
    ground = corner * 0.35
    corner[:] = np.round(ground + box * (255 - ground)).astype(np.uint8)
    return made


@cache
def _mask(language: Language) -> PIL.Image.Image:
    data = bounded.read_bytes(Path(__file__).with_name(f"{language}.png"), "settings_bytes")
    return PIL.Image.open(io.BytesIO(data)).convert("L")
