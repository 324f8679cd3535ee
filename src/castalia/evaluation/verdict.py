"""The verdict of an evaluation, scores in sentences: chosen here, the modality's own or else one by
the kind of tensor.

A verdict is a function of the scores: [("headline", words), ("fidelity", words), ...]. They are in
dense_verdict.py, token_verdict.py and modalities; what they share is in verdict_sentences.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from castalia import modality
from castalia.codecs.base import Codec
from castalia.evaluation.base import MetricResult
from castalia.evaluation.dense_verdict import verdict_dense
from castalia.evaluation.token_verdict import verdict_tokens
from castalia.spec import Dense, Tokens

Verdict = Callable[[list[MetricResult]], list[tuple[str, str]]]
BY_TENSOR: dict[type, Verdict] = {Dense: verdict_dense, Tokens: verdict_tokens}


def verdict_for(codec: Codec[Any]) -> Verdict:
    """The `verdict` of the codec's modality; of a codec without one, by its spec."""
    own: Verdict | None = modality.part_of(codec, "verdict")
    return own or BY_TENSOR[type(codec.spec)]
