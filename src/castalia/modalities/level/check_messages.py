"""Sentences of the findings and facts of a check of levels."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "sizes": Sentence(
        "note",
        "The levels have {count} different sizes ({what}); smaller ones are filled up with a tile "
        "for what is outside.",
    ),
    "unsolved": Sentence(
        "warning",
        "{count} of {total} levels cannot be solved under the rules '{rules}': mend the rules "
        "(codec.rules), or the levels.",
        "{count} of {total} levels cannot be solved under the rules '{rules}': mend the rules "
        "(codec.rules), or the levels.",
    ),
    "no_rules": Sentence(
        "note",
        "No rules are named, so nothing is known of whether levels can be solved: codec.rules.",
    ),
    "wrong_rules": Sentence(
        "warning",
        "No level can be solved under the rules '{rules}': they are those of another game. Name "
        "codec.rules.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "sizes": say_in("check", "sizes"),
    "tiles": say_in("check", "tiles"),
    "solved": say_in("check", "solved"),
    "steps": say_in("check", "steps of solutions"),
}
