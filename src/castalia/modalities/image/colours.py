"""Convert any picture to 8-bit grey or sRGB: transparency on white, colour profiles applied, 16-bit
and floating-point pixels scaled.

What a decoder leaves undone is done here: PNG's single transparent value of 2-, 4- and 16-bit
pictures (PNG 3rd edition, 11.3.2.1), pixels of TIFF that are no numbers, profiles of cameras and
phones (Display P3, Adobe RGB) and of printing (CMYK), CIE L*a*b*.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
import PIL.Image

_SCALED = {"L;2": 85, "L;4": 17}  # what a decoder multiplies the values of few bits by


def flattened(item: PIL.Image.Image, channels: int) -> PIL.Image.Image:
    """Any picture as mode "L" (channels 1) or "RGB" (3): 8 bits, transparency laid on white.

    16-bit grey is divided by 257; 32-bit integers count as 16-bit; floating point counts as [0, 1]
    when its finite pixels fit in there, else as [0, 255]; infinity is white, minus infinity and NaN
    are black.
    """
    mode = "L" if channels == 1 else "RGB"
    if item.mode.startswith("I;16") or item.mode == "I":
        deep = np.asarray(item).astype(np.float64)
        clear = item.info.get("transparency")
        if isinstance(clear, int):
            deep[deep == clear] = 65535
        item = PIL.Image.fromarray(np.clip(np.rint(deep / 257), 0, 255).astype(np.uint8))
    elif item.mode == "F":
        deep = np.asarray(item, dtype=np.float64)
        finite = deep[np.isfinite(deep)]
        scale = 255 if finite.size and finite.min() >= 0 and finite.max() <= 1 else 1
        deep = np.nan_to_num(deep * scale, nan=0.0, posinf=255.0, neginf=0.0)
        item = PIL.Image.fromarray(np.clip(np.rint(deep), 0, 255).astype(np.uint8))
    elif item.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in item.info:
        profile = item.info.get("icc_profile")
        top = item.convert("RGBA")
        ground = PIL.Image.new("RGBA", item.size, "white")
        item = PIL.Image.alpha_composite(ground, top).convert("RGB")
        item.info = {"icc_profile": profile} if profile else {}
    item = _managed(item)
    if item.mode == mode:
        return item
    return (
        item.convert("RGB").convert(mode)
        if item.mode not in ("1", "L", "RGB", "RGBA")
        else item.convert(mode)
    )


def infinite(item: PIL.Image.Image) -> int:
    """Pixels that are no finite numbers."""
    return int((~np.isfinite(np.asarray(item))).sum()) if item.mode == "F" else 0


def transparency(info: dict[Any, Any], stored: str) -> dict[str, Any]:
    """The transparent value of a PNG in the units of the decoded pixels, where it is in others.
    stored: how a pixel lies in the file ("L;4", "RGB;16B"). Of 16-bit colours the decoder keeps the
    upper byte, which is then what is compared.
    """
    value = info.get("transparency")
    if isinstance(value, int) and stored in _SCALED:
        return {"transparency": value * _SCALED[stored]}
    return (
        {"transparency": tuple(part >> 8 for part in value)}
        if isinstance(value, tuple) and stored == "RGB;16B"
        else {}
    )


def _managed(item: PIL.Image.Image) -> PIL.Image.Image:
    """In sRGB, where a profile says that it is in something else; as it is where the profile cannot
    be used.
    """
    profile = item.info.get("icc_profile") or b""
    if item.mode == "P" and profile:
        item = item.convert("RGB")
    if item.mode != "LAB" and (not profile or item.mode not in ("RGB", "CMYK")):
        return item
    transform = _transform(bytes(profile), item.mode)
    return item if transform is None else transform.apply(item)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    """From a profile to sRGB; None for sRGB itself, and for profiles that are damaged or of other
    colours than the picture's.
    """
    from PIL import ImageCms

    try:
        source = (
            ImageCms.createProfile("LAB")
            if mode == "LAB"
            else ImageCms.getOpenProfile(io.BytesIO(profile))
        )
        if mode != "LAB" and (
            "srgb" in ImageCms.getProfileDescription(source).lower()
            or source.profile.xcolor_space.strip() != mode  # type: ignore[union-attr]
        ):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
