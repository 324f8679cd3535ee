"""The attention page: where each token of a text looks, for every layer and head. One HTML file
that opens anywhere, offline.

    write_page(model, run.codec, "To be, or not to be", path, title="...")

The weights lie in the page as 16-bit integers and attention.js draws them. Not here: how they come
about (Attends in abilities.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from castalia import atomic, registry
from castalia.abilities import Attends
from castalia.codecs.base import Codec
from castalia.errors import RecipeError
from castalia.pages import style
from castalia.pages.style import CSS
from castalia.sampling.generate import prompt_ids
from castalia.sentences import plural, say

LONGEST = 256  # tokens; about a hundred are read with ease
SCALE = 65535  # a weight of one
OWN_CSS, SCRIPT = (
    (Path(style.__file__).parent / f"attention.{kind}").read_text(encoding="utf-8")
    for kind in ("css", "js")
)


def write_page(model: object, codec: Codec[Any], text: str, path: Path, *, title: str) -> None:
    """Writes `path` whole or not at all.

    Raises AbilityError for a family without attention, RecipeError for an empty text or one of more
    tokens than a page shows, and
    SpecError for one that is longer than the model's context.
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
    atomic.write(path, page([layer[0] for layer in maps], codec.labels(ids), title=title))


def page(maps: Sequence[Tensor], labels: Sequence[str], *, title: str) -> str:
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
    }
    data["weights"] = base64.b64encode(packed.tobytes()).decode()
    tokens = "".join(_token(place, label) for place, label in enumerate(labels))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Attention · {escape(title)}</title><style>{CSS}{OWN_CSS}</style></head>
<body><main class="attention">
<p class="eyebrow">{escape(title)}</p>
<h1>Where each token looks</h1>
<p class="lead">A token, before the next one is predicted, gathers what it needs from those before it. Each row below is one token; its colours add up to
one and fall on the tokens that it reads. Point at a token or at a cell; choose a layer and a head among the small maps.</p>
<noscript><p class="note">The maps are drawn by a small script inside this page; please allow it to run.</p></noscript>
<div class="tokens" id="tokens">{tokens}</div>
<p class="readout" id="readout" aria-live="polite"></p>
<div class="desk">
<figure class="map"><figcaption id="caption"></figcaption><div class="scroll"><canvas id="map" role="img"></canvas></div></figure>
<aside><div class="heads" id="heads"></div>
<p class="legend"><span>0%</span><i id="ramp"></i><span>100%</span></p></aside>
</div>
<footer><p>Attention says what a head reads, not why the model answers as it does (Jain and Wallace 2019). The first token marks the beginning of
the text; heads with nothing to do rest there.</p></footer>
</main>
<script type="application/json" id="data">{_script_safe(data)}</script>
<script>{SCRIPT}</script>
</body></html>
"""


def _token(place: int, label: str) -> str:
    kind = ' class="special"' if len(label) > 1 and label.startswith("⟨") else ""
    return f'<span{kind} data-token="{place}">{escape(label)}</span>' + "<br>" * label.endswith("↵")


def _script_safe(data: dict[str, Any]) -> str:
    """JSON that can't end the element which holds it."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
