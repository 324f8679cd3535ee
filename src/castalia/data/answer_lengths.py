"""Report answers of conversations that do not fit the context: they are learned without their
question, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from castalia.data.windows import Windows
from castalia.errors import DataError
from castalia.language import say
from castalia.omissions import Omission


def beyond(sides: Sequence[Windows], context: int, source: str) -> list[Omission]:
    """Answers in documents with loss weights that lie beyond a context of so many tokens.

    Raises DataError where no document of the first side, the training side, has anything to learn
    within it.
    """
    pairs = [side.answered() for side in sides]
    first, lengths = (np.concatenate([pair[part] for pair in pairs]) for part in (0, 1))
    training = pairs[0][0]
    if len(training) and not ((training > 0) & (training <= context + 1)).any():
        if not training.any():
            raise DataError(
                say("no answer is learned: all have the weight 0 or are empty"),
                source,
                say("give some answers the weight 1"),
            )
        raise DataError(
            say(
                "no answer fits the context of {0:,} tokens: the nearest begins behind {1:,}",
                context,
                int(training[training > 0].min()) - 1,
            ),
            source,
            say("codec.length={0} or more, or shorter questions", _round(int(np.median(lengths)))),
        )
    omissions = []
    late, cut = int((first > context + 1).sum()), int((lengths > context + 1).sum())
    remedy = say("codec.length={0} holds all of them", _round(int(lengths.max(initial=1))))
    if late:
        omissions.append(
            Omission(
                say(
                    "conversations whose first answer lies beyond the context of {0:,} tokens",
                    context,
                ),
                late,
                "",
                remedy,
            )
        )
    if cut > late:
        omissions.append(
            Omission(
                say("conversations cut where the context of {0:,} tokens ends", context),
                cut - late,
                "",
                remedy,
            )
        )
    return omissions


def _round(length: int) -> int:
    """The next power of two."""
    return 1 << max(0, length - 2).bit_length()
