"""What a user asks a text to be, as a grammar over any tokenizer.

regex:[A-Z]{3}-\\d+            a regular expression, meant as a full match
json:{"type": "object", ...}  a JSON schema; json:@file.json reads it from a file

Modalities bring kinds of their own (`Modality.constraints`); text has verse:7x4+rhyme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from castalia import bounded, modality
from castalia.constraints import json_schema, regex
from castalia.constraints.automata import NEVER, NOTHING, Automaton, Language, Regular
from castalia.constraints.budget import ANYWHERE, Budget, OverBudget, current_limits
from castalia.constraints.token_grammar import Lifted, Vocabulary
from castalia.errors import RecipeError
from castalia.sentences import say

KINDS = ("regex", "json")
Parser = Callable[[str], Automaton]  # what follows the colon, stripped; raises RecipeError


@cache
def parsers() -> dict[str, str]:
    """The kinds that modalities bring: the word before the colon to "module:function"."""
    return {
        kind: target
        for one in modality.every().values()
        for kind, target in one.constraints.items()
    }


def kinds() -> list[str]:
    """All words that a constraint can begin with."""
    return [*KINDS, *parsers()]


def examples() -> str:
    """How constraints begin, for an error message."""
    own = (f"{kind}:..." for kind in parsers())
    return ", ".join(["regex:...", "json:{...}", "json:@file.json", *own])


def constraint(text: str, budget: Budget | None = None) -> Automaton:
    """The automaton over characters that a text like the ones above describes.

    Raises RecipeError saying what is wrong and where; OverBudget, which is one, where the budget
    (the default limits) does not suffice; and
    Cancelled once `budget.cancel()` was called.
    """
    with budget or Budget(), _placed(text):
        return _automaton(text)


def grammar(text: str, *vocabularies: Vocabulary, budget: Budget | None = None) -> Lifted:
    """The constraint as a `Grammar` over the first of the vocabularies in which it can be met, else
    over the last. Raises as `constraint`.
    """
    with budget or Budget(), _placed(text):
        automaton = _automaton(text)
        fits = (
            vocabulary
            for vocabulary in vocabularies
            if automaton.distance(automaton.start(), vocabulary.price) < NEVER
        )
        return Lifted(automaton, next(fits, vocabularies[-1]))


@contextmanager
def _placed(text: str) -> Iterator[None]:
    """What is over the budget as a whole is so at the whole text."""
    try:
        yield
    except OverBudget as error:
        error.where = _begin(text) if error.where in ("", ANYWHERE) else error.where
        raise


def _automaton(text: str) -> Automaton:
    kind, colon, body = text.partition(":")
    if not colon or kind not in kinds():
        raise RecipeError(
            say("a constraint begins with its kind"),
            where=repr(text[:40]),
            fix=say("one of: {0}", examples()),
        )
    if kind in parsers():
        parser: Parser = modality.load(parsers()[kind], kind)
        return parser(body.strip())
    _bounded(len(body.encode(errors="replace")), f"{kind}:")
    try:
        return Regular(
            _some(regex.language(body) if kind == "regex" else _json(body.strip()), text)
        )
    except RecursionError:
        raise OverBudget(
            say("this constraint is nested too deeply"), "depth", current_limits(), _begin(text)
        ) from None


def _json(body: str) -> Language:
    return json_schema.any_object() if body == "object" else json_schema.language(_schema(body))


def _some(language: Language, text: str) -> Language:
    if language is NOTHING:
        raise RecipeError(
            say("no text meets this constraint"),
            where=_begin(text),
            fix=say("look for empty sets and for parts that exclude each other"),
        )
    return language


def _begin(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."


def _bounded(size: int, where: str) -> None:
    if size > current_limits().bytes:
        raise OverBudget(
            say("this constraint has more than {0:,} bytes", current_limits().bytes),
            "bytes",
            current_limits(),
            where,
        )


def _schema(body: str) -> object:
    where = "json:"
    if body.startswith("@"):
        where = body[1:]
        try:
            body = bounded.read_text(where, "settings_bytes", RecipeError)
        except RecipeError as error:
            raise RecipeError(
                say("the schema cannot be read: {0}", error.what),
                where,
                say("name a file of UTF-8 text: json:@schema.json"),
            ) from error
        _bounded(len(body), where)
    return bounded.parse_json(body, where, 'json:{"type": "integer"}', RecipeError)
