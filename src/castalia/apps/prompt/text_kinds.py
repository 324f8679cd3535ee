"""Assertions about texts. Each takes an assertion, whose value is filled, and an answer in its
case; assertions.py has the list of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from castalia import bounded
from castalia.apps.prompt import schema_check, text_measures
from castalia.apps.prompt.assertion import Asked, Assertion, Verdict, whether
from castalia.apps.prompt.time_limit import matches
from castalia.errors import DataError, RecipeError
from castalia.sentences import say
from castalia.text_files.letter_frequencies import LATIN

ALIKE = 0.75  # chrF from which texts are similar, where a suite says nothing else
MOST_JSON = 200  # places of a text where JSON may begin
# kinds that pass whatever the text is, if they look for nothing
SEEKING = frozenset(
    {
        *("contains", "icontains", "starts-with", "regex"),
        *("contains-any", "contains-all", "icontains-any", "icontains-all"),
    }
)
UNITS = ("characters", "words", "sentences")
MEASURES = ("grade", "ease", "sentence")
_JSON = json.JSONDecoder()


def contains(one: Assertion, asked: Asked) -> Verdict:
    """contains, icontains, and each of them with -any and -all, of a list."""
    text = asked.answer.text
    wanted = [str(part) for part in listed(one.value)]
    if one.kind.startswith("i"):
        text, wanted = text.casefold(), [part.casefold() for part in wanted]
    missing = [part for part in wanted if part not in text]
    share = 1.0 - len(missing) / max(1, len(wanted))
    if one.kind.endswith("-any"):
        passed = len(missing) < len(wanted)
        return whether(passed, say("none of these is there: {0}", _short(missing)))
    return Verdict(not missing, share, say("not there: {0}", _short(missing)) if missing else "")


def starts_with(one: Assertion, asked: Asked) -> Verdict:
    return whether(
        asked.answer.text.startswith(str(one.value)),
        say("it begins otherwise: {0}", _short([asked.answer.text[:60]])),
    )


def equals(one: Assertion, asked: Asked) -> Verdict:
    """Texts without white space at their ends; of any other value, JSON that means the same."""
    if isinstance(one.value, dict | list):
        try:
            found = bounded.parse_json(asked.answer.text, "")
        except DataError as failure:
            return whether(False, failure.what)
        wrong = schema_check.problem(found, {"const": one.value})
        return whether(not wrong, say("it is another value"))
    text = asked.answer.text.strip()
    return whether(text == str(one.value).strip(), say("it is: {0}", _short([text])))


def regex(one: Assertion, asked: Asked) -> Verdict:
    return whether(
        matches(str(one.value), asked.answer.text), say("the expression is found nowhere")
    )


def is_json(one: Assertion, asked: Asked) -> Verdict:
    """The whole answer; value: a schema, or none."""
    try:
        found = bounded.parse_json(asked.answer.text.strip(), "")
    except DataError as failure:
        return whether(False, failure.what)
    wrong = "" if one.value is None else schema_check.problem(found, one.value)
    return whether(not wrong, wrong)


def contains_json(one: Assertion, asked: Asked) -> Verdict:
    """An object or a list anywhere in the answer; value: a schema that one of them fits."""
    wrong = say("there is no JSON in it")
    for found in values_in(asked.answer.text):
        wrong = "" if one.value is None else schema_check.problem(found, one.value)
        if not wrong:
            break
    return whether(not wrong, wrong)


def values_in(text: str) -> Iterator[Any]:
    """Objects and lists of JSON that stand in a text, each from where it begins."""
    place, tried = 0, 0
    while tried < MOST_JSON:
        starts = [found for sign in "{[" if (found := text.find(sign, place)) >= 0]
        if not starts:
            return
        place, tried = min(starts), tried + 1
        try:
            _, stop = _JSON.raw_decode(text, place)
            yield bounded.parse_json(text[place:stop], "")
            place = stop
        except (ValueError, RecursionError, DataError):
            place += 1


def length(one: Assertion, asked: Asked) -> Verdict:
    """Of characters, words (each Chinese character is one) or sentences."""
    text, unit = asked.answer.text, one.unit or "characters"
    if unit not in UNITS:
        raise RecipeError(
            say("no length is counted in '{0}'", unit[:40]), one.title, ", ".join(UNITS)
        )
    count = {
        "characters": lambda: len(text.strip()),
        "words": lambda: len(text_measures.words_of(text)),
        "sentences": lambda: text_measures.sentences_of(text),
    }[unit]()
    return _between(one, float(count))


def language(one: Assertion, asked: Asked) -> Verdict:
    """A text that is too short to say passes where its script is the language's."""
    wanted = str(one.value).lower().split("-")[0]
    found = text_measures.language(asked.answer.text)
    if found == text_measures.UNKNOWN:
        script = text_measures.SCRIPTS["latin"].search(asked.answer.text) is not None
        passed = script and wanted in LATIN
        return whether(passed, say("too few letters to say which language it is"))
    return whether(found == wanted, say("its language is '{0}'", found))


def similar(one: Assertion, asked: Asked) -> Verdict:
    least = ALIKE if one.threshold is None else one.threshold
    score = max(text_measures.chrf(asked.answer.text, str(part)) for part in listed(one.value))
    return Verdict(score >= least, score, say("{0:.2f} alike, {1:g} wanted", score, least))


def readability(one: Assertion, asked: Asked) -> Verdict:
    measure = one.measure or "grade"
    if measure not in MEASURES:
        raise RecipeError(
            say("there is no measure '{0}' of readability", measure[:40]),
            one.title,
            ", ".join(MEASURES),
        )
    value = text_measures.readability(asked.answer.text, measure)
    if value is None:
        words = say("'{0}' is not defined of this text", measure)
        return Verdict(False, 0.0, words, undecided=True)
    return _between(one, value)


def constraint(one: Assertion, asked: Asked) -> Verdict:
    """Any constraint that a model can be made to keep: verse:7x4+rhyme, regex:..., json:..."""
    text = asked.answer.text.strip()
    score = max(map(form(str(one.value)), (text, f"{text}\n")))  # verse ends its lines
    return Verdict(score >= 1.0, score, "" if score >= 1.0 else say("it does not keep the form"))


@lru_cache(64)
def form(text: str) -> Callable[[str], float]:
    """How near texts come to a constraint; 1.0: they keep it. Raises RecipeError."""
    from castalia.constraints.rewards import rule

    return rule(text)


def latency(one: Assertion, asked: Asked) -> Verdict:
    """max: seconds."""
    return _between(one, asked.answer.seconds)


def tokens(one: Assertion, asked: Asked) -> Verdict:
    """max: of what was asked and answered together, as the model counts them."""
    told = (asked.answer.tokens_in, asked.answer.tokens_out)
    if told == (None, None):
        return Verdict(False, 0.0, say("the model does not say how many"), undecided=True)
    return _between(one, float(sum(one or 0 for one in told)))


def cost(one: Assertion, asked: Asked) -> Verdict:
    """max: in the currency in which the model's price is given."""
    price, answer = asked.model.price, asked.answer
    if price is None or (any(price) and (answer.tokens_in is None or answer.tokens_out is None)):
        words = say("neither price nor tokens are known: `price: [IN, OUT]` of the model")
        return Verdict(False, 0.0, words, undecided=True)
    spent = price[0] * (answer.tokens_in or 0) + price[1] * (answer.tokens_out or 0)
    return _between(one, spent / 1e6)


def _between(one: Assertion, value: float) -> Verdict:
    low = one.min is None or value >= one.min
    high = one.max is None or value <= one.max
    return whether(low and high, say("it is {0:.4g}", value))


def listed(value: Any) -> list[Any]:
    """A list as it is, a single value as a list of it; of an empty list one empty text."""
    return (value or [""]) if isinstance(value, list) else [value]


def _short(parts: list[str]) -> str:
    return ", ".join(repr(part if len(part) <= 60 else f"{part[:60]}...") for part in parts[:5])
