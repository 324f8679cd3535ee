"""Texts from anywhere, checked against a table of products.

A table of texts has the columns product and text; a file of text has paragraphs, each with the name
of one product in it. A text that cannot be told to belong to one product is not checked, and said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from castalia.apps.copy.checking import Finding, check, covered, words_of
from castalia.apps.copy.facts import Product, folded
from castalia.apps.copy.products import Problem, products
from castalia.apps.copy.roles import role_of
from castalia.language import Voice
from castalia.sentences import Message, say
from castalia.text_files import columns, documents, encodings

MOST_PRODUCTS = 100_000  # that are held for the check
TEXTS = ("text", "copy", "ad", "文案", "文本", "广告")


@dataclass(frozen=True)
class Checked:
    """place: in the file of texts. product: "" where it is not known. missing: labels of facts that
    the text does not say. unknown: why it was not checked, "" where it was.
    """

    place: Message
    words: str
    product: str = ""
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Report:
    every: tuple[Checked, ...]
    left_out: tuple[Problem, ...] = field(default=())

    @property
    def wrong(self) -> list[Checked]:
        return [one for one in self.every if one.findings]

    @property
    def unknown(self) -> list[Checked]:
        return [one for one in self.every if one.unknown]

    @property
    def rules(self) -> Counter[str]:
        """How many texts break each rule."""
        return Counter(
            rule
            for one in self.every
            for rule in {finding.source or finding.rule for finding in one.findings}
        )

    def document(self, voice: Voice) -> dict[str, Any]:
        return {
            "texts": len(self.every),
            "proved": len(self.every) - len(self.wrong) - len(self.unknown),
            "rules": dict(self.rules),
            "wrong": [
                {
                    "place": voice(one.place),
                    "product": one.product,
                    "text": one.words,
                    "findings": [
                        {
                            "rule": finding.source or finding.rule,
                            "words": finding.words,
                            "why": voice(finding.why),
                        }
                        for finding in one.findings
                    ],
                }
                for one in self.wrong
            ],
            "missing": {voice(one.place): list(one.missing) for one in self.every if one.missing},
            "unknown": [
                {"place": voice(one.place), "why": voice(one.unknown)} for one in self.unknown
            ],
        }


def checked(texts: Path, table: Path, currency: str = "", name: str = "") -> Report:
    """Every text of a file. currency, name: of the table, as for `castalia.copy`. Raises DataError
    for files that cannot be used.
    """
    known: dict[str, Product] = {}
    left_out: list[Problem] = []
    for one in products(table, currency, name):
        if isinstance(one, Product) and len(known) < MOST_PRODUCTS:
            known[folded(one.name)] = one
        elif isinstance(one, Problem):
            left_out.append(one)
    told = _Table(known)
    rows = _rows(texts) if documents.is_table(texts.name) else _paragraphs(texts)
    return Report(tuple(told.checked(*row) for row in rows), tuple(left_out))


class _Table:
    """The products, and the words of all of them."""

    def __init__(self, known: dict[str, Product]) -> None:
        self.known = known
        self.words = set[str]().union(*map(words_of, known.values()))
        self.longest = sorted(known, key=len, reverse=True)

    def checked(self, place: Message, name: str, words: str) -> Checked:
        """One text. name: of its product; "" where the text has to say it."""
        product = self.known.get(folded(name)) if name else self._named(words)
        if product is None:
            why = (
                say("the table has no usable product '{0}'", name[:60])
                if name
                else say("it does not name exactly one product of the table")
            )
            return Checked(place, words, name, unknown=why)
        own = words_of(product)
        others = self.words - own
        findings = check(words, product, others)
        missing = [
            fact.label
            for fact, said in zip(product.facts, covered(words, product.facts), strict=True)
            if not said
        ]
        return Checked(place, words, product.name, tuple(findings), tuple(missing))

    def _named(self, words: str) -> Product | None:
        rest, found = folded(words), list[str]()
        for name in self.longest:
            if name in rest:
                found.append(name)
                rest = rest.replace(name, " ")
        return self.known[found[0]] if len(found) == 1 else None


def _rows(texts: Path) -> Iterator[tuple[Message, str, str]]:
    table = columns.read(texts)
    names = {name.casefold(): name for name in table.columns}
    text = next((names[one] for one in TEXTS if one in names), "")
    product = next((name for name in table.columns if role_of(name) == "name"), "")
    for column, wanted in ((text, "text"), (product, "product")):
        if not column:
            raise columns.missing(wanted, list(table.columns), texts.name)
    for row, (name, words) in enumerate(zip(table.cells(product), table.cells(text), strict=True)):
        yield say("line {0}", table.lines[row]), name, words


def _paragraphs(texts: Path) -> Iterator[tuple[Message, str, str]]:
    whole = "".join(encodings.blocks(texts, encodings.detect(texts)))
    for number, words in enumerate(re.split(r"\n\s*\n|\n(?=\S)", whole.strip()), 1):
        if words.strip():
            yield say("paragraph {0}", number), "", " ".join(words.split())
