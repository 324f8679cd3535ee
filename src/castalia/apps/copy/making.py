"""`castalia.copy`: texts for each product of a table, product by product, each text checked before
it is given out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import ModuleType

from castalia.apps.copy import chinese, english
from castalia.apps.copy.checking import check, covered
from castalia.apps.copy.claims import claims
from castalia.apps.copy.facts import HAN, PRICED, Fact, Product
from castalia.apps.copy.products import Problem, products
from castalia.errors import DataError, OutsideModelError, RecipeError, meant
from castalia.language import known
from castalia.sentences import say
from castalia.text_files import personal_data

TONES = ("plain", "friendly", "lively", "elegant")
FORMS = ("ad", "description", "headline")
MOST, DRAWS = 50, 8  # texts of a product; draws for one that differs from the others
SHOWN = {"ad": 3, "headline": 2}  # facts, beside the price
# roles by how much a reader asks for them; the others follow
FIRST = ("use", "material", "features", "colour", "style", "flavour", "pattern")
Write = Callable[[Product, Sequence[Fact], str, Random], str]
# wordings of a model, for text number n
Phrase = Callable[[Product, Sequence[Fact], str, int], Sequence[str]]
Weights = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Text:
    """words: of product `name`, line `line` of the table. says, facts: how many of the facts it
    says, of how many. by: "phrases", or the model that worded it.
    """

    name: str
    line: int
    tone: str
    form: str
    words: str
    says: int
    facts: int
    by: str = "phrases"


@dataclass
class Copies:
    """Texts of a table as a stream: each pass over them makes them anew, the same ones. worded,
    refused: what a model said that could go out and that could not, of the last pass.
    """

    source: Path
    tones: tuple[str, ...]
    forms: tuple[str, ...]
    n: int
    language: str
    currency: str
    column: str
    seed: int
    weights: Weights = field(default_factory=dict)
    phrase: Phrase | None = None
    worded: int = 0
    refused: int = 0

    def __iter__(self) -> Iterator[Text | Problem]:
        self.worded = self.refused = 0
        for one in products(self.source, self.currency, self.column):
            if isinstance(one, Problem):
                yield one
                continue
            against = forbidden(one)
            if against is not None:
                yield against
                continue
            seen: set[str] = set()
            for tone in self.tones:
                for form in self.forms:
                    yield from self._texts(one, tone, form, seen)
            if not seen:
                words = self._write(one, self.tones[0], self.forms[0], Random(self.seed))
                why = check(words, one)[0].why
                yield Problem(one.line, one.name, "unproved", why)

    def _write(self, product: Product, tone: str, form: str, rng: Random) -> str:
        write: Write = getattr(_module(self.language), form)
        return write(product, chosen(product, form, rng, self.weights), tone, rng)

    def _texts(self, product: Product, tone: str, form: str, seen: set[str]) -> Iterator[Text]:
        """Up to `n` texts that are not in `seen`; they are put there."""
        write: Write = getattr(_module(self.language), form)
        for number in range(self.n):
            for draw in range(DRAWS):
                rng = Random(f"{self.seed} {product.name} {tone} {form} {number} {draw}")
                facts = chosen(product, form, rng, self.weights)
                words, by = write(product, facts, tone, rng), "phrases"
                if self.phrase is not None:
                    words, by = self._worded(product, facts, tone, number, words)
                if words not in seen and not check(words, product):
                    seen.add(words)
                    every = covered(words, product.facts)
                    yield Text(
                        product.name, product.line, tone, form, words, sum(every), len(every), by
                    )
                    break

    def _worded(
        self, product: Product, facts: Sequence[Fact], tone: str, number: int, words: str
    ) -> tuple[str, str]:
        """A model's words where they say no more and no less than ours, else ours."""
        wordings: Sequence[str] = ()
        try:
            if self.phrase is not None:
                wordings = self.phrase(product, facts, tone, number)
        except OutsideModelError:
            if not self.worded + self.refused:  # an address that does not answer at all
                raise
        for told in wordings:
            if told and not check(told, product) and all(covered(told, facts)):
                self.worded += 1
                return told, "model"
        self.refused += 1
        return words, "phrases"


def copy(
    table: str | os.PathLike[str],
    *,
    tone: str | Sequence[str] = "plain",
    form: str | Sequence[str] = "ad",
    n: int = 3,
    language: str | None = None,
    currency: str = "",
    name: str = "",
    weights: Weights | None = None,
    phrase: Phrase | None = None,
    seed: int = 0,
) -> Copies:
    """Advertisements for the products of a table. The result is a stream of texts, and of problems
    with rows, which are named and left out. Raises DataError for a table that cannot be used.

    tone        plain, friendly, lively, elegant; one or several.
    form        ad (a few facts), description (all of them), headline.
    n           texts of each product, tone and form; fewer where no more differ. 1 to 50.
    language    "en" or "zh"; None: that of the table's first names.
    currency    of prices that have none, e.g. "EUR". name: the column of names.
    weights     how much (label, value) counts where facts are chosen: history.py.
    phrase      a model's wording (phrasing.py); it is kept only where it is proved.

    >>> for one in castalia.copy("products.csv", tone="friendly"): print(one)
    """
    tones = (tone,) if isinstance(tone, str) else tuple(tone)
    forms = (form,) if isinstance(form, str) else tuple(form)
    for given, every, option in ((tones, TONES, "tone"), (forms, FORMS, "form")):
        for one in given:
            if one not in every:
                raise RecipeError(
                    say("'{0}' is not known", one[:40]),
                    option,
                    say("{0}one of: {1}", meant(one[:40], every), ", ".join(every)),
                )
    if not 1 <= n <= MOST or not tones or not forms:
        raise RecipeError(
            say("the number of texts is out of range"), f"n={n}", say("{0:,} to {1:,}", 1, MOST)
        )
    source = Path(table)
    spoken = known(language) if language else _language(source, currency, name)
    return Copies(source, tones, forms, n, spoken, currency, name, seed, weights or {}, phrase)


def chosen(product: Product, form: str, rng: Random, weights: Weights) -> list[Fact]:
    """The facts of a text: all for a description, else a few that are drawn, those first that
    readers ask for and that count by `weights`, and the price.
    """
    if form == "description":
        return list(product.facts)
    rest = [
        one
        for one in product.facts
        if one.role not in ("kind", "brand", *PRICED) and one.said is not False
    ]

    def rank(one: Fact) -> float:
        liked = max((weights.get((one.label, value), 0.0) for value in one.values), default=0.0)
        asked = 0.5 if one.role in FIRST else 0.0
        return -(4 * liked + asked + rng.random())

    picked = sorted(rest, key=rank)[: SHOWN[form]]
    return picked + [one for one in product.facts if one.role in PRICED]


def forbidden(product: Product) -> Problem | None:
    """What its facts themselves must not say."""
    for phrase in product.phrases:
        for claim in claims(phrase):
            what = say("'{0}' is forbidden by the rule {1}", claim.words, claim.rule.id)
            return Problem(product.line, product.name, claim.rule.id, what)
        for one in personal_data.find(phrase):
            what = say("'{0}' is personal data", personal_data.shown(phrase, one))
            return Problem(product.line, product.name, "personal", what)
    return None


def _module(language: str) -> ModuleType:
    return chinese if language == "zh" else english


def _language(source: Path, currency: str, name: str) -> str:
    """Of the first twenty products, the one that most of their facts are written in."""
    han = latin = rows = 0
    for one in products(source, currency, name):
        rows += 1
        if isinstance(one, Product):
            told = " ".join((one.name, *(value for fact in one.facts for value in fact.values)))
            han += len(HAN.findall(told))
            latin += sum(letter.isascii() and letter.isalpha() for letter in told) // 3
        if rows == 20:
            break
    if not rows:
        raise DataError(say("the table is empty"), source.name, say("give it a header and rows"))
    return "zh" if han > latin else "en"
