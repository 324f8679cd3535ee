"""Sentences of the findings and facts of a check of arrays."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "shapes": Sentence(
        "problem",
        "The arrays have {count} different shapes ({what}); a model needs one.",
    ),
    "constant_entries": Sentence(
        "note",
        "{count} of {total} entries never vary.",
        "{count} of {total} entries never varies.",
    ),
    "no_near": Sentence(
        "note",
        "Near duplicates are not looked for in arrays.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "shapes": say_in("check", "shapes"),
    "range": say_in("check", "range"),
}
