"""Parse constraints as users write them, into grammars over any tokenizer.

regex:[A-Z]{3}-\\d+            a regular expression, meant as a full match
json:{"type": "object", ...}  a JSON schema; json:@file.json reads it from a file

Modalities bring kinds of their own (`Modality.constraints`); text has verse:7x4+rhyme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

from castalia import bounded, modality
from castalia.constraints import json_schema, llguidance_grammar, regex
from castalia.constraints.automata import NEVER, NOTHING, Automaton, Language, Regular
from castalia.constraints.budget import ANYWHERE, Budget, Cancelled, OverBudget, current_limits
from castalia.constraints.llguidance_grammar import Guided
from castalia.constraints.schema_shapes import Unkept
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
    (the default limits) does not suffice; and Cancelled once `budget.cancel()` was called.
    """
    with budget or Budget(), _placed(text):
        return _automaton(text)


def grammar(text: str, *vocabularies: Vocabulary, budget: Budget | None = None) -> Lifted | Guided:
    """The constraint as a `Grammar` over the first of the vocabularies in which it can be met, else
    over the last. Raises as `constraint`.

    Automata serve wherever they can and the vocabulary is small, because they know the distance to
    an end exactly. llguidance serves schemas that no automaton can keep; and in large vocabularies
    every schema, and regular expressions whose automaton is too large to be explored.
    """
    with budget or Budget(), _placed(text):
        if text.startswith("json:"):
            return _schema_grammar(text, vocabularies)
        made = lifted(text, vocabularies)
        large = not made.exact and llguidance_grammar.serves(made.vocabulary)
        if large and isinstance(made.automaton, Regular):
            with suppress(Unkept, OverBudget):
                return llguidance_grammar.of_language(made.automaton.language, made.vocabulary)
        return made


def lifted(text: str, vocabularies: Sequence[Vocabulary]) -> Lifted:
    """The automaton as a grammar over the first of the vocabularies that will do. Raises as
    `constraint`.
    """
    automaton = _automaton(text)
    fits = (
        vocabulary
        for vocabulary in vocabularies
        if automaton.distance(automaton.start(), vocabulary.price) < NEVER
    )
    return Lifted(automaton, next(fits, vocabularies[-1]))


def _schema_grammar(text: str, vocabularies: Sequence[Vocabulary]) -> Lifted | Guided:
    """The better of the two engines; the other one where that cannot keep the schema. What neither
    can is described by ours, which names the place.
    """
    installed = llguidance_grammar.library() is not None
    guided_first = llguidance_grammar.serves(vocabularies[-1])
    if guided_first:
        with suppress(Unkept, OverBudget):
            return _guided(text, vocabularies)
    try:
        return lifted(text, vocabularies)
    except (OverBudget, Cancelled):
        raise
    except RecipeError as error:
        if installed and not guided_first:
            with suppress(Unkept):
                return _guided(text, vocabularies)
        if not installed:
            error.fix = say(
                "{0}; or install what keeps more of JSON Schema: {1}",
                error.fix,
                llguidance_grammar.INSTALL,
            )
        raise


def _guided(text: str, vocabularies: Sequence[Vocabulary]) -> Guided:
    body = text.removeprefix("json:").strip()
    _bounded(len(body.encode(errors="replace")), "json:")
    schema = {"type": "object"} if body == "object" else _schema(body)
    for vocabulary in vocabularies:
        grammar = llguidance_grammar.of_schema(schema, vocabulary)
        if grammar.distance(grammar.start()) < NEVER:
            return grammar
    raise Unkept(
        say("no end of this constraint was reached"),
        where=_begin(text),
        fix=say("let it be met by a shorter text, without values that need themselves"),
    )


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
