"""An edit of the modality's own: low throws are thrown again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from castalia.sampling.edit import Edit, Versions
from castalia.sentences import say


class Rethrow(Edit):
    """Throws below `least` are thrown again until they are not."""

    title = say("thrown again")

    class Options(Versions):
        least: int = Field(3, ge=1, le=6, description="rethrow: the lowest throw that stays")

    def run(
        self, model: Any, codec: Any, items: Sequence[Any], options: Any, seed: int, cond: Any
    ) -> list[Any]:
        rng = random.Random(seed)
        return [
            tuple(pips if pips >= options.least else rng.randint(options.least, 6) for pips in item)
            for item in items
            for _ in range(options.steps)
        ]
