"""The attention page: the attention of every layer and head over a text, as one offline HTML file.

    write_page(model, run.codec, "To be, or not to be", path, title="...")

The page holds the weights as 16-bit integers, and attention.js draws them. Not here: how they come
about (Attends in abilities.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from castalia import atomic, registry
from castalia.abilities import Attends
from castalia.codecs.base import Codec
from castalia.errors import RecipeError
from castalia.language import Voice
from castalia.pages.html import Html
from castalia.pages.render import render
from castalia.sampling.generate import prompt_ids
from castalia.sentences import plural, say

LONGEST = 256  # tokens; about a hundred are read with ease
SCALE = 65535  # a weight of one
# What attention.js writes. {1}, {2}: filled in there.
WORDS = {
    "looks": say("token {{1}}, {{2}}, attends"),
    "weight": say("{{1}} to {{2}}"),
    "itself": say("(itself)"),
    "before": say("{{1}} before it"),
    "between": say(", "),
    "layer": say("Layer {{1}}"),
    "head": say("head {{1}}"),
    "mean": say("mean"),
    "mean of heads": say("mean of its heads"),
    "axes": say("Rows attend to columns."),
    "map": say("Attention of {{1}} tokens to one another: {{2}}"),
}


def write_page(
    model: object, codec: Codec[Any], text: str, path: Path, *, title: str, language: str = "en"
) -> None:
    """Writes `path` whole or not at all.

    Raises AbilityError for a family without attention, RecipeError for an empty text or one of more
    tokens than a page shows, and SpecError for one that is longer than the model's context.
    """
    attends = registry.require(model, Attends, say("show where it looks"))  # type: ignore[type-abstract]
    if not text:
        raise RecipeError(
            say("there is no text to look at"),
            where="--attention",
            fix=say("give a sentence or two"),
        )
    ids = prompt_ids(codec, text)
    if len(ids) > LONGEST:
        raise RecipeError(
            say("the text is too long for a page"),
            where=say(
                "--attention: {0}, at most {1}",
                plural("{0} token", "{0} tokens", len(ids)),
                LONGEST,
            ),
            fix=say("give a shorter passage"),
        )
    maps = attends.attention(ids[None])
    atomic.write(
        path, page([layer[0] for layer in maps], codec.labels(ids), title=title, language=language)
    )


def page(maps: Sequence[Tensor], labels: Sequence[str], *, title: str, language: str = "en") -> str:
    """The HTML document. maps: for each layer (heads, T, T); labels: T words, one a token."""
    rows, columns = torch.tril_indices(len(labels), len(labels))
    packed = np.stack(
        [layer[:, rows, columns].mul(SCALE).round().cpu().numpy().astype("<u2") for layer in maps]
    )
    data = {
        "labels": list(labels),
        "layers": packed.shape[0],
        "heads": packed.shape[1],
        "scale": SCALE,
        "words": Voice(language).plain(WORDS),
        "weights": base64.b64encode(packed.tobytes()).decode(),
    }
    tokens = [
        {
            "label": label,
            "special": len(label) > 1 and label.startswith("⟨"),
            "ends_line": label.endswith("↵"),
        }
        for label in labels
    ]
    return render("attention.html.j2", language, title=title, tokens=tokens, data=_json(data))


def _json(data: dict[str, Any]) -> Html:
    """JSON that cannot end the element that holds it."""
    return Html(json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"))
