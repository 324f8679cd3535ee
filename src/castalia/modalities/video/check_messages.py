"""Sentences of the findings and facts of a check of clips."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "still": Sentence(
        "warning",
        "Nothing moves in {count} clips.",
        "Nothing moves in {count} clip.",
    ),
    "blank_frames": Sentence(
        "warning",
        "{count} clips have frames of a single colour among others.",
        "{count} clip has frames of a single colour among others.",
    ),
    "short": Sentence(
        "note",
        "{count} clips are shorter than training would take them ({frames} frames at {rate} a "
        "second); their last frame is held.",
        "{count} clip is shorter than training would take it ({frames} frames at {rate} a second); "
        "its last frame is held.",
    ),
    "rates": Sentence(
        "note",
        "The clips have different rates ({what}); training takes frames at one.",
        "The clips have different rates ({what}); training takes frames at one.",
    ),
    "generated": Sentence(
        "warning",
        "{count} clips carry Castalia's manifest: they were made by a model and are not real data.",
        "{count} clip carries Castalia's manifest: it was made by a model and is not real data.",
    ),
}
LABELS = {
    "sizes": say_in("check", "sizes"),
    "seconds": say_in("check", "seconds"),
    "frames": say_in("check", "frames"),
    "rates": say_in("check", "frames a second"),
    "stored": say_in("check", "stored as"),
    "trained": say_in("check", "trained at"),
}
