"""Options as words on the command line and in forms, read."""

from __future__ import annotations

import re

from castalia.errors import RecipeError
from castalia.sentences import say


def steps_of(words: str) -> tuple[int, int]:
    """ "2" or "1-3". Raises RecipeError."""
    match = re.fullmatch(r"(\d{1,2})(?:[-–](\d{1,2}))?", words.strip())
    if match is None:
        raise RecipeError(say("steps are a number, or from few to many"), words[:40], "--steps 1-3")
    return int(match[1]), int(match[2] or match[1])


def band_of(words: str | None) -> tuple[float, float] | None:
    """ "4-6" or "5.5-7". Raises RecipeError."""
    if not words:
        return None
    match = re.fullmatch(r"(\d{1,2}(?:\.\d+)?)[-–](\d{1,2}(?:\.\d+)?)", words.strip())
    if match is None:
        raise RecipeError(say("a band is two school years"), words[:40], "--band 4-6")
    return float(match[1]), float(match[2])


def signs_of(words: str) -> str:
    """Operations typed as + - * /, and blanks between them."""
    return "".join(words.split()).translate(str.maketrans("-–*x/:", "−−××÷÷"))
