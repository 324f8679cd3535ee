"""Vetting: items of codecs that judge them whole are drawn again until one passes, and leave only
where they pass (codecs/protocols.py, Vets).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from castalia.codecs.base import Codec
from castalia.codecs.protocols import vets
from castalia.nn.counter_random import counter_seed
from castalia.spec import Classes, Condition


def tries_of(codec: Codec[Any]) -> int:
    """How often an item is drawn at most."""
    return codec.tries if vets(codec) else 1


def flaw_of(
    codec: Codec[Any],
    conditions: Mapping[str, Condition],
    item: Any,
    cond: Mapping[str, Any],
    constraint: str | None,
) -> str:
    """Why an item may not leave; "" for one that may, and of codecs that do not judge. cond: what
    was asked for, classes by name or number.
    """
    if not vets(codec):
        return ""
    asked = {
        name: _named(conditions.get(name), value)
        for name, value in cond.items()
        if name in codec.fact_names  # type: ignore[attr-defined]
    }
    return codec.flaw(item, asked, constraint)


def until_fit(codec: Codec[Any], make: Callable[..., list[Any]], seed: int) -> list[Any]:
    """What `make(seed=...)` gives, as many items for any seed; those with a flaw come from other
    seeds, as long as the codec's tries last.
    """
    made = make(seed=seed)
    for tried in range(1, tries_of(codec)):
        unfit = [place for place, item in enumerate(made) if flaw_of(codec, {}, item, {}, None)]
        if not unfit:
            break
        others = make(seed=counter_seed("vetting", seed, tried))
        for place in unfit:
            made[place] = others[place]
    return made


def _named(kind: Condition | None, value: Any) -> str:
    """The name of a class that was given by name or by number."""
    names = kind.names if isinstance(kind, Classes) else ()
    text = str(value)
    if text not in names and text.isdigit() and int(text) < len(names):
        return names[int(text)]
    return text
