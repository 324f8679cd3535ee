"""How much data each recipe needs: two figures, `least` and `wants`, and where they come from. A
guide, not a law.

Measured figures are from benchmarks/minimum_data.py (results/minimum_data.json): the same short
training on more and more items. `least` is the smallest amount from which on the samples (texts:
the bits) are clearly better than naive ones, `wants` the smallest whose distance to real data is at
most a quarter more than the best. A GAN that replays a few pictures passes that test, so its
`least` is the measured `wants`, and what it wants is where its own guard against few pictures
begins to fade. A test compares this table with the results. Below `least` the data are too little,
between the two they are little; that is never an error of format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from castalia.checks.report_schema import Enough
from castalia.data.stream import LEAST_ITEMS
from castalia.families.gan import FEW
from castalia.sentences import say

FEW_IN_A_CLASS = 50  # docs/gan.md: told the class, a GAN of few pictures varies less within it
# Peduzzi et al. 1996 ask for ten events per variable of a regression; a model of the whole
# distribution needs no fewer
ROWS_PER_ENTRY = 10
_MEASURED = "benchmarks/minimum_data.py"


class Need(NamedTuple):
    recipe: str
    least: int
    wants: int
    unit: str
    source: str


_CRITIC = (
    f"{_MEASURED}; from {FEW:,} on the critic of families/gan.py need no longer be kept from "
    "knowing the pictures by heart"
)
_CHORALES = "a rule of thumb, not measured: the built-in chorales have some 65,000 notes"
NEEDS: dict[str, tuple[Need, ...]] = {
    "image": (
        Need("image/vae", 30, 1000, "pictures", _MEASURED),
        Need("image/vaegan", 300, FEW, "pictures", f"as image/gan, whose critic it has: {_CRITIC}"),
        Need("image/gan", 300, FEW, "pictures", _CRITIC),
    ),
    "text": (
        Need("text/ar-small", 160_000, 320_000, "characters", _MEASURED),
        Need(
            "text/ar-mixed",
            20_000,
            80_000,
            "characters",
            f"{_MEASURED}: those of text/ar, whose network it has; its counts need less",
        ),
        Need("text/ar", 20_000, 80_000, "characters", _MEASURED),
    ),
    "music": (
        Need("music/ar", 5_000, 40_000, "notes", _CHORALES),
        Need("music/ar-events", 5_000, 40_000, "notes", _CHORALES),
    ),
}


LIKE = {  # recipes with the network of a measured one, or one that needs as much
    **dict.fromkeys(("image/gan-hinge", "image/gan-relativistic", "image/gan-long"), "image/gan"),
    "image/vae-mlp": "image/vae",
    **dict.fromkeys(("text/ar-infill", "text/seqvae"), "text/ar"),
    **dict.fromkeys(
        ("music/ar-chords", "music/ar-harmonise", "music/gan", "music/seqvae", "music/vae"),
        "music/ar",
    ),
}


def least(recipe: str) -> str:
    """From how much data on a shipped recipe makes sense, in words; "" where it depends on the run
    that it starts from.
    """
    if recipe.startswith("array/"):
        return say("{0} rows a number", ROWS_PER_ENTRY)
    named = LIKE.get(recipe, recipe)
    need = next((need for needs in NEEDS.values() for need in needs if need.recipe == named), None)
    units = (
        {
            "pictures": say("{0:,} pictures", need.least),
            "characters": say("{0:,} characters", need.least),
            "notes": say("{0:,} notes", need.least),
        }
        if need is not None
        else {}
    )
    return "" if need is None else units[need.unit]


def judge(codec: str, have: int, entries: int = 0) -> list[Enough]:
    """have: different pictures or arrays, characters of text, notes of music. entries: numbers in
    one array.
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
        for need in (NEEDS[codec] if codec in NEEDS else _arrays(entries))
    ]


def recipe(codec: str, judged: Sequence[Enough], voiced: bool = True) -> tuple[str, str]:
    """(the recipe to begin with, why). voiced: most scores are in voices that play one note at a
    time (grid.fits).
    """
    enough = {one.family for one in judged if one.verdict == "enough"}
    match codec:
        case "image":
            if "image/gan" in enough:
                return "image/gan", "the sharpest pictures for the time, and enough of them here"
            return (
                "image/vae",
                "it learns most from few pictures, and its scores say whether more would help",
            )
        case "music" if not voiced:
            return "music/ar-events", (
                "most of these scores play chords or drums within a part, of which a grid "
                "would leave notes out"
            )
        case "music":
            return "music/ar", (
                "it reads scores as a grid of parts by steps, and is judged, audited and "
                "edited as music"
            )
        case "text":
            if "text/ar" in enough:
                return "text/ar", "enough for a transformer that castalia export writes out"
            return (
                "text/ar-mixed",
                "the best likelihood on a small corpus: the network mixed with counts",
            )
    return "array/vae", "it scores and encodes; array/gan takes the same data"


def _arrays(entries: int) -> tuple[Need, ...]:
    wants = max(ROWS_PER_ENTRY * entries, 100)
    source = (
        "ten items for each number in one, a rule of thumb (Peduzzi et al. 1996), and at least 100"
    )
    return tuple(
        Need(name, max(LEAST_ITEMS, entries), wants, "rows", source)
        for name in ("array/vae", "array/gan")
    )


def _verdict(have: int, need: Need) -> str:
    return "enough" if have >= need.wants else "little" if have >= need.least else "too little"
