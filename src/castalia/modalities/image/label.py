"""Visible labels of pictures: words in a corner."""

from __future__ import annotations

import numpy as np
import PIL.Image

from castalia.governance.labels.stamp import stamped
from castalia.governance.labels.wording import Language
from castalia.modalities.image.colours import flattened


def labelled(item: PIL.Image.Image, language: Language) -> PIL.Image.Image | None:
    """A picture of mode "L" or "RGB" and the same size; None where the words have no room."""
    plain = item if item.mode in ("L", "RGB") else flattened(item, 3)
    made = stamped(np.asarray(plain), language)
    return None if made is None else PIL.Image.fromarray(made)
