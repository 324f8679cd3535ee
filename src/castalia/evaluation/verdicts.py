"""Which words put scores into a verdict: by the kind of item, else by the kind of tensor. A new kind is one file and one line."""

from __future__ import annotations

from collections.abc import Callable

from castalia.codecs.score import Score as Music
from castalia.evaluation.base import Score
from castalia.evaluation.verdict import verdict
from castalia.evaluation.verdict_music import verdict_music
from castalia.evaluation.verdict_tokens import verdict_tokens
from castalia.spec import Dense, Tokens

Verdict = Callable[[list[Score]], list[tuple[str, str]]]
NATIVE: dict[type, Verdict] = {Music: verdict_music}
TENSOR: dict[type, Verdict] = {Dense: verdict, Tokens: verdict_tokens}


def verdict_for(native: type, tensor: type) -> Verdict:
    """native: `Codec.native`; tensor: Dense or Tokens."""
    return next((words for kind, words in NATIVE.items() if issubclass(native, kind)), TENSOR[tensor])
