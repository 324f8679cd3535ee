"""Copy in English from facts: phrases for each role, put together to sentences.

Every word here either has no content of its own or says only what its role says; the checker takes
them for granted (vocabulary.py), so a phrase that praised a product would be an invented fact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from castalia.apps.copy.ending import ending
from castalia.apps.copy.facts import PRICED, Fact, Product
from castalia.apps.copy.roles import plain

OPENERS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "friendly": ("Meet {name}.", "Say hello to {name}.", "Have you met {name} yet?"),
    "lively": ("Here comes {name}!", "Look who is here: {name}!", "Ready? Here is {name}!"),
    "elegant": (
        "Introducing {name}.",
        "Allow us to present {name}.",
        "May we introduce {name}?",
    ),
}
CLOSERS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "friendly": (
        "Have a look and see what you think.",
        "Take your time and have a look.",
        "Come and have a look.",
    ),
    "lively": ("Come and see!", "Go on, have a look!", "Put it on your list!"),
    "elegant": (
        "We invite you to discover it.",
        "Take a closer look, at your leisure.",
        "The rest is for you to discover.",
    ),
}
PRICES: dict[str, tuple[str, ...]] = {
    "plain": ("It costs {v}.", "The price is {v}."),
    "friendly": ("It is yours for {v}.", "It costs {v}."),
    "lively": ("And the price? {v}!", "Yours for {v}!"),
    "elegant": ("It is offered at {v}.", "The price is {v}."),
}
OFFER = "On offer it costs {v}; the price is {w}."
# what is said of "it"; {v}: the values as a list, {a}: with "a" or "an" before
CLAUSES: dict[str, tuple[str, ...]] = {
    "material": ("is made of {v}",),
    "colour": ("comes in {v}",),
    "style": ("has {a} look", "keeps to {a} style"),
    "pattern": ("has {a} pattern",),
    "size": ("comes in size {v}",),
    "dimensions": ("measures {v}",),
    "weight": ("weighs {v}",),
    "capacity": ("holds {v}",),
    "power": ("has a power of {v}",),
    "battery": ("has a battery life of {v}",),
    "origin": ("comes from {v}",),
    "use": ("is meant for {v}", "is there for {v}"),
    "flavour": ("has {a} flavour",),
    "warranty": ("has a warranty of {v}",),
    "food": ("serves {v} food",),
    "area": ("is in the {v} area",),
    "near": ("is near {v}",),
    "rating": ("has a customer rating of {v}",),
}
GRADE, DETAIL = "{v} customer rating", "{label}: {v}"
SIZES = "comes in the sizes {v}"
YES = "is {v}"
IS_A, IS_BY, COMES_BY = "{name} is {kind}", " by {brand}", "{name} is by {brand}."
DETAILS = ("The details: {v}.", "In detail: {v}.")
HEADLINES = ("{name}: {values}", "{name} – {values}", "{name} in short: {values}")
# a value that stands alone, where it is more than itself
BARE: dict[str, tuple[str, ...]] = {
    "use": ("for {v}",),
    "origin": ("from {v}",),
    "near": ("near {v}",),
    "size": ("size {v}",),
    "rating": ("customer rating {v}",),
    "food": ("{v} food",),
    "flavour": ("{v} flavour",),
    "warranty": ("warranty of {v}",),
}
_ADJECTIVE = re.compile(
    r"(?:proof|able|ible|free|friendly|less|resistant|washable|vegan|organic|safe|ed|light|compatible)$"
)


def description(product: Product, facts: Sequence[Fact], tone: str, rng: Random) -> str:
    """All of the facts, in three kinds of sentences: what it is, what is said of it, details."""
    identity = _identity(product, "it" if OPENERS[tone] else _the(product))
    told = [identity] if identity else []
    clauses, details = _clauses(facts, rng)
    told += _sentences(clauses, product, rng, named=bool(told or OPENERS[tone]))
    if details:
        told.append(rng.choice(DETAILS).format(v="; ".join(details)))
    return _framed(product, told, facts, tone, rng)


def ad(product: Product, facts: Sequence[Fact], tone: str, rng: Random) -> str:
    """A few facts, between an opener and a closer; sometimes as bare values."""
    bare = [one for one in facts if one.role not in PRICED and one.said is not False]
    shown = [_capital(_alone(one)) for one in bare if one.said is None]
    if len(shown) >= 2 and rng.random() < 0.4:
        told = [f"{'. '.join(shown)}."]
        left = [one for one in bare if one.said is not None]
        clauses, details = _clauses(left, rng)
    else:
        clauses, details = _clauses(bare, rng)
        told = []
    named = bool(told) or bool(OPENERS[tone])
    told += _sentences(clauses, product, rng, named=named)
    if details:
        told.append(rng.choice(DETAILS).format(v="; ".join(details)))
    return _framed(product, told, facts, tone, rng)


def headline(product: Product, facts: Sequence[Fact], tone: str, rng: Random) -> str:
    """One line: the name and two or three values."""
    values = ", ".join(
        plain(one.label) if one.said else _alone(one) for one in facts if one.said is not False
    )
    return _capital(rng.choice(HEADLINES).format(name=product.name, values=values))


def _framed(
    product: Product, told: list[str], facts: Sequence[Fact], tone: str, rng: Random
) -> str:
    name = _the(product)
    if OPENERS[tone]:
        told.insert(0, rng.choice(OPENERS[tone]).format(name=name))
    elif not told or not any(product.name in one for one in told):
        told.insert(0, f"{_capital(product.name)}.")
    told += ending(facts, OFFER, PRICES[tone], CLOSERS[tone], rng)
    return " ".join(told)


def _identity(product: Product, name: str) -> str:
    """What it is, and by whom; "" where the name says so, or nothing does."""
    kind, brand = product.value("kind"), product.value("brand")
    if not kind or kind.casefold() in product.name.casefold():
        if brand and brand.casefold() not in product.name.casefold():
            return _capital(COMES_BY.format(name=name, brand=brand))
        return ""
    words = IS_A.format(name=name, kind=_a(kind))
    if brand and brand.casefold() not in product.name.casefold():
        words += IS_BY.format(brand=brand)
    return _capital(f"{words}.")


def _clauses(facts: Sequence[Fact], rng: Random) -> tuple[list[str], list[str]]:
    """(what can be said of "it", what is said as "label: value")."""
    clauses, details = [], []
    for one in facts:
        if one.role in ("kind", "brand", *PRICED):
            continue
        if one.said is not None:
            if one.said and _ADJECTIVE.search(one.label.casefold()):
                clauses.append(YES.format(v=plain(one.label)))
            else:
                details.append(f"{plain(one.label)}: {'yes' if one.said else 'no'}")
        elif one.role == "features":
            details.append(", ".join(one.values))
        elif one.role == "rating" and not one.values[0][:1].isdigit():
            clauses.append(f"has {_a(GRADE.format(v=_values(one)))}")
        elif one.role == "size" and len(one.values) > 1:
            clauses.append(SIZES.format(v=_values(one)))
        elif one.role in CLAUSES and not (len(one.values) > 1 and one.role in ("style", "pattern")):
            form = rng.choice(CLAUSES[one.role])
            clauses.append(form.format(v=_values(one), a=_a(_values(one))))
        else:
            details.append(DETAIL.format(label=plain(one.label), v=_values(one)))
    return clauses, details


def _sentences(clauses: list[str], product: Product, rng: Random, *, named: bool) -> list[str]:
    """Clauses in twos, a list in one of them alone."""
    groups: list[list[str]] = []
    for one in clauses:
        crowded = " and " in one or ", " in one
        if groups and len(groups[-1]) == 1 and not crowded and " and " not in groups[-1][0]:
            groups[-1].append(one)
        else:
            groups.append([one])
    told = []
    for place, group in enumerate(groups):
        subject = "it" if named or place else _the(product)
        kind = product.value("kind")
        if place % 2 == 1 and kind and rng.random() < 0.5:
            subject = f"the {kind}"
        told.append(_capital(f"{subject} {' and '.join(group)}."))
    return told


def _values(fact: Fact) -> str:
    *first, last = fact.values
    return f"{', '.join(first)} and {last}" if first else last


def _alone(fact: Fact) -> str:
    if fact.role == "rating" and not fact.values[0][:1].isdigit():
        return GRADE.format(v=_values(fact))
    form = BARE.get(fact.role, ("{v}",))[0] if fact.role else DETAIL
    return form.format(v=_values(fact), label=plain(fact.label))


def _the(product: Product) -> str:
    """The name, with an article where it ends with what the product is."""
    kind = product.value("kind").casefold()
    name = product.name
    if kind and kind in name.casefold() and not name.casefold().startswith("the "):
        return f"the {name}"
    return name


def _a(words: str) -> str:
    """With "a" or "an" by the first letter; "hour" and "uni..." are told apart."""
    vowel = re.match(r"[aeio]|u(?!ni|se|su)|hour|honest", words.casefold())
    return f"{'an' if vowel else 'a'} {words}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
