"""Sentences of the findings and facts of a check of scores."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "silent": Sentence(
        "warning",
        "{count} scores have no note.",
        "{count} score has no note.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "notes": say_in("check", "notes"),
    "notes_of_one": say_in("check", "notes of a piece"),
    "quarters": say_in("check", "length, quarter notes"),
    "parts": say_in("check", "parts"),
    "in_voices": say_in("check", "pieces in voices"),
    "keys": say_in("check", "keys"),
    "metres": say_in("check", "metres"),
    "pitches": say_in("check", "pitches"),
}
