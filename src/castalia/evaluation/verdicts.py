"""Choose the function that turns scores into a verdict: the modality's own, else one by the kind of
tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from castalia import modality
from castalia.codecs.base import Codec
from castalia.evaluation.base import MetricResult
from castalia.evaluation.token_verdict import verdict_tokens
from castalia.evaluation.verdict import verdict
from castalia.spec import Dense, Tokens

Verdict = Callable[[list[MetricResult]], list[tuple[str, str]]]
BY_TENSOR: dict[type, Verdict] = {Dense: verdict, Tokens: verdict_tokens}


def verdict_for(codec: Codec[Any]) -> Verdict:
    """The `verdict` of the codec's modality; of a codec without one, by its spec."""
    own: Verdict | None = modality.part_of(codec, "verdict")
    return own or BY_TENSOR[type(codec.spec)]
