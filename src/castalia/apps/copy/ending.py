"""How an advertisement ends, in any language: the price, and what invites."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from castalia.apps.copy.facts import Fact


def ending(
    facts: Sequence[Fact], offer: str, prices: Sequence[str], closers: Sequence[str], rng: Random
) -> list[str]:
    """The last sentences. offer: of a product whose price has fallen, with {v} and {w}; prices: of
    any other, with {v}; closers: may be empty.
    """
    price = next((one for one in facts if one.role == "price"), None)
    sale = next((one for one in facts if one.role == "sale"), None)
    told = []
    if price is not None and sale is not None:
        told.append(offer.format(v=sale.values[0], w=price.values[0]))
    elif shown := price or sale:
        told.append(rng.choice(prices).format(v=shown.values[0]))
    if closers:
        told.append(rng.choice(closers))
    return told
