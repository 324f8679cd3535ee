"""How much data each recipe needs: two figures, `least` and `wants`, and where they come from. The
figures of a modality are in its `check.py`.

Measured figures are from benchmarks/minimum_data.py (results/minimum_data.json): the same short
training on more and more items. `least` is the smallest amount from which on the samples (texts:
the bits) are clearly better than naive ones, `wants` the smallest whose distance to real data is at
most a quarter more than the best. A GAN or a flow that replays a few pictures passes that test, so
its `least` is the measured `wants`; what a GAN wants is where its own guard against few pictures
begins to fade, what a flow wants is what a VAE does. A test compares the figures with the results.
Below `least` the data are too little, between the two they are little; that is never an error of
format.
"""

from __future__ import annotations

from typing import Any, Literal

from castalia.checks.item_scan import Need, of
from castalia.checks.report_schema import Enough


def least(recipe: str) -> str:
    """From how much data on a shipped recipe makes sense, in words; "" where it depends on the run
    that it starts from, or is not known.
    """
    return of(recipe.partition("/")[0]).least(recipe)


def judge(codec: str, have: int, **facts: Any) -> list[Enough]:
    """Whether the data are enough for each recipe of a codec.

    have: how much there is, in the unit of the codec's check. facts: what a look at the data gave,
    for those needs that depend on it.
    """
    return [
        Enough(
            family=need.recipe,
            verdict=_verdict(have, need),
            have=have,
            least=need.least,
            wants=need.wants,
            unit=need.unit,
            source=need.source,
        )
        for need in of(codec).needs(facts)
    ]


def _verdict(have: int, need: Need) -> Literal["enough", "little", "too little"]:
    return "enough" if have >= need.wants else "little" if have >= need.least else "too little"
