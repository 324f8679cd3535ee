"""Which words put scores into a verdict: by the kind of item, else by the kind of tensor. A new
kind is one file and one line.
"""

from __future__ import annotations

from collections.abc import Callable

from castalia.evaluation.base import MetricResult
from castalia.evaluation.token_verdict import verdict_tokens
from castalia.evaluation.verdict import verdict
from castalia.modalities.music.score import Score as Music
from castalia.modalities.music.verdict import verdict_music
from castalia.spec import Dense, Tokens

Verdict = Callable[[list[MetricResult]], list[tuple[str, str]]]
NATIVE: dict[type, Verdict] = {Music: verdict_music}
TENSOR: dict[type, Verdict] = {Dense: verdict, Tokens: verdict_tokens}


def verdict_for(native: type, tensor: type) -> Verdict:
    """native: `Codec.native`; tensor: Dense or Tokens."""
    return next(
        (words for kind, words in NATIVE.items() if issubclass(native, kind)), TENSOR[tensor]
    )
