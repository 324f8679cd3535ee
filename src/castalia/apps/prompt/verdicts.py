"""What an assertion says of an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """score: in [0, 1]; words: why, for people. undecided: nothing could be said, so it does not
    pass, whichever way it was asked.
    """

    passed: bool
    score: float
    words: str = ""
    undecided: bool = False


def whether(passed: bool, words: str = "") -> Verdict:
    """A verdict without degrees; words: why it does not pass."""
    return Verdict(passed, float(passed), "" if passed else words)
