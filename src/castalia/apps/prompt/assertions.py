"""What is asked of an answer: an assertion of a suite, checked to a verdict.

    - {type: contains, value: "{{ expected }}"}     values are templates over the case's variables
    - {type: not-regex, value: "\\bmaybe\\b"}        `not-` before any type turns it round
    - {type: similar, value: a calm sea, threshold: 0.5, weight: 2}

KINDS is the list of all types, with the fields that each takes. Texts are judged in text_kinds.py,
pictures and pieces in item_kinds.py, by a language model in judge_model.py,
and by a Python function of the user's own here, under --trust-code alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from castalia import registry
from castalia.apps.prompt import item_kinds, judge_model, text_kinds
from castalia.apps.prompt.assertion import NOT, Asked, Assertion, Verdict
from castalia.apps.prompt.template import filled
from castalia.apps.prompt.time_limit import matches
from castalia.bounded.templates import budget
from castalia.errors import PluginError, RecipeError, meant
from castalia.sentences import say


@dataclass(frozen=True)
class Kind:
    """check: of an assertion whose value is filled, and of an answer. needs: fields that must be
    given, and takes: those that may be.
    """

    check: Callable[[Assertion, Asked], Verdict]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


def verify(one: Assertion, where: str, *, trust: bool = False, judged: bool = True) -> None:
    """Raises RecipeError for an assertion that cannot be checked. judged: whether the suite names a
    judge.
    """
    if one.kind not in KINDS:
        refused = REFUSED.get(one.kind)
        raise RecipeError(
            refused or say("there is no assertion of the type '{0}'", one.type[:60]),
            where,
            say("{0}one of: {1}", meant(one.kind, KINDS), ", ".join(KINDS)),
        )
    kind = KINDS[one.kind]
    given = one.model_dump(exclude_unset=True)
    for name in kind.needs:
        if given.get(name) is None:
            raise RecipeError(
                say("an assertion '{0}' wants `{1}`", one.type, name), where, say("add it")
            )
    for name in given:
        if name not in {"type", "name", "weight", *kind.needs, *kind.takes}:
            takes = ", ".join([*kind.needs, *kind.takes]) or say("none")
            raise RecipeError(
                say("an assertion '{0}' takes no `{1}`", one.type, name),
                where,
                say("its fields: {0}", takes),
            )
    if "min" in kind.takes and "value" not in kind.needs and one.min is None and one.max is None:
        raise RecipeError(
            say("an assertion '{0}' wants `min` or `max`", one.type), where, say("add one")
        )
    if one.kind == "python":
        _trusted(one, where, trust)
    if one.kind == "judge" and not judged:
        raise RecipeError(
            say("an assertion '{0}' wants a model that judges", one.type),
            where,
            say("name it in the suite: judge: {{llm: ADDRESS, model: NAME}}"),
        )


def prepare(one: Assertion, values: Mapping[str, Any], where: str) -> None:
    """Raises RecipeError for what is wrong with an assertion in this case, before a model is asked:
    a template, an expression, a form; or nothing to look for.
    """
    made = with_values(one, values)
    if made.kind in text_kinds.SEEKING and not all(map(str, text_kinds.listed(made.value))):
        raise RecipeError(
            say("an assertion '{0}' with nothing to look for always passes", one.type),
            where,
            say("say what is looked for"),
        )
    try:
        if made.kind == "regex":
            matches(str(made.value), "")
        elif made.kind == "constraint":
            text_kinds.form(str(made.value))
    except RecipeError as error:
        raise RecipeError(error.what, say("{0}: {1}", where, error.where), error.fix) from error


def check(one: Assertion, asked: Asked) -> Verdict:
    """The verdict on an answer. An answer that there is not passes nothing."""
    if asked.answer.problem:
        return Verdict(False, 0.0, asked.answer.problem)
    verdict = KINDS[one.kind].check(with_values(one, asked.values), asked)
    if one.type.startswith(NOT) and not verdict.undecided:
        return replace(verdict, passed=not verdict.passed, score=1.0 - verdict.score)
    return verdict


def with_values(one: Assertion, values: Mapping[str, Any]) -> Assertion:
    """The assertion with templates in its value, and in texts of lists, filled."""
    return one.model_copy(update={"value": _with_values(one.value, values, one.title)})


def _with_values(value: Any, values: Mapping[str, Any], where: str) -> Any:
    if isinstance(value, str) and "{{" in value:
        with budget(len(value) + sum(len(str(one)) for one in values.values())):
            return filled(value, values, where)
    if isinstance(value, list):
        return [_with_values(one, values, where) for one in value]
    return value


# The user's own functions ------------------------------------------------------------------------


def _trusted(one: Assertion, where: str, trust: bool) -> None:
    value = str(one.value)
    if not registry.is_path(value) or ":" not in value:
        raise RecipeError(
            say("Python code stands in a file, not in a suite"),
            where,
            say("write `value: checks.py:FUNCTION`"),
        )
    if not trust:
        raise PluginError(
            say("this suite would execute Python code of its own"),
            value,
            say("read that file, then add --trust-code"),
        )


def _python(one: Assertion, asked: Asked) -> Verdict:
    """function(text, context) -> bool, score or {"pass", "score", "reason"}; context: vars, file,
    question.
    """
    tools = asked.tools
    name, _, attribute = str(one.value).rpartition(":")
    path = f"{tools.base / name}:{attribute}"
    if path not in tools.opened:
        tools.opened[path] = registry.resolve("metric", path, trust=tools.trust)
    file = item_kinds.path_of(asked.answer, tools.answers)
    context = {
        "vars": dict(asked.values),
        "file": None if file is None else str(file),
        "question": asked.question,
    }
    try:
        found = tools.opened[path](asked.answer.text, context)
    except Exception as failure:  # whatever a stranger's function raises is its own fault
        words = say("the function failed: {0}: {1}", type(failure).__name__, failure)
        return Verdict(False, 0.0, words, undecided=True)
    told = found if isinstance(found, dict) else {}
    value = told.get("score", told.get("pass", 0.0)) if told else found
    if not isinstance(value, bool | int | float) or value != value:
        words = say("the function gave no verdict but {0}", type(found).__name__)
        return Verdict(False, 0.0, words, undecided=True)
    score = min(1.0, max(0.0, float(value)))
    least = 0.5 if one.threshold is None else one.threshold
    passed = bool(told.get("pass", float(value) >= least))
    return Verdict(passed, score, str(told.get("reason", ""))[:500])


_VALUE = ("value",)
KINDS: dict[str, Kind] = {
    "contains": Kind(text_kinds.contains, _VALUE),
    "icontains": Kind(text_kinds.contains, _VALUE),
    "contains-any": Kind(text_kinds.contains, _VALUE),
    "contains-all": Kind(text_kinds.contains, _VALUE),
    "icontains-any": Kind(text_kinds.contains, _VALUE),
    "icontains-all": Kind(text_kinds.contains, _VALUE),
    "starts-with": Kind(text_kinds.starts_with, _VALUE),
    "equals": Kind(text_kinds.equals, _VALUE),
    "regex": Kind(text_kinds.regex, _VALUE),
    "is-json": Kind(text_kinds.is_json, (), _VALUE),
    "contains-json": Kind(text_kinds.contains_json, (), _VALUE),
    "length": Kind(text_kinds.length, (), ("min", "max", "unit")),
    "language": Kind(text_kinds.language, _VALUE),
    "similar": Kind(text_kinds.similar, _VALUE, ("threshold",)),
    "readability": Kind(text_kinds.readability, (), ("min", "max", "measure")),
    "constraint": Kind(text_kinds.constraint, _VALUE),
    "latency": Kind(text_kinds.latency, ("max",)),
    "tokens": Kind(text_kinds.tokens, ("max",)),
    "cost": Kind(text_kinds.cost, ("max",)),
    "class": Kind(item_kinds.class_of, _VALUE, ("run",)),
    "fact": Kind(item_kinds.fact, ("value", "measure"), ("run",)),
    "judge": Kind(judge_model.judged, _VALUE, ("threshold",)),
    "python": Kind(_python, _VALUE, ("threshold",)),
}
REFUSED = {
    "javascript": say("JavaScript is not executed here: no assertion may bring a program along"),
}
