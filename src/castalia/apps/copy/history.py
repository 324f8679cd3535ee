"""What a customer has bought, as weights of facts: which a text to this customer names first.

Nothing of the customer stands in the text; another choice of the same facts is all that changes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from castalia.apps.copy.facts import Product
from castalia.apps.copy.products import products
from castalia.errors import DataError, RecipeError
from castalia.sentences import say
from castalia.text_files import columns


def weights_of(
    history: Path, customer: str, table: Path, name: str = ""
) -> dict[tuple[str, str], float]:
    """(label, value) -> the share of the customer's purchases that have it. history: a table whose
    first column is the customer and whose second is the name of a product of `table`. Raises
    DataError for a customer who bought nothing of it.
    """
    if not customer:
        raise RecipeError(
            say("texts to a customer need the customer"), "--for", say("--for CUSTOMER")
        )
    source = columns.read(history)
    if len(source.columns) < 2:
        raise DataError(
            say("a history has two columns: customer and product"), history.name, "customer,product"
        )
    who, what = list(source.columns)[:2]
    bought = Counter(
        item
        for one, item in zip(source.cells(who), source.cells(what), strict=True)
        if one == customer and item
    )
    counts: Counter[tuple[str, str]] = Counter()
    known = 0
    for one in products(table, "EUR", name):
        if isinstance(one, Product) and one.name in bought:
            known += bought[one.name]
            for fact in one.facts:
                for value in fact.values:
                    counts[fact.label, value] += bought[one.name]
    if not known:
        raise DataError(
            say("nothing of the table is among what this customer bought"),
            history.name,
            say("give the names of products as the table has them"),
        )
    return {pair: count / known for pair, count in counts.items()}
