"""lint: a prompt in, findings out."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from castalia.apps.prompt.lint import clear, concise, diverse, relevant, specific
from castalia.apps.prompt.lint.finding import RULES, Finding, Lines
from castalia.apps.prompt.lint.reading import Reading, read
from castalia.apps.prompt.lint.words import english_order
from castalia.apps.prompt.template import parse
from castalia.apps.prompt.text_measures import language
from castalia.errors import RecipeError, meant
from castalia.sentences import say

_FINDERS = {
    "clear": clear.find,
    "specific": specific.find,
    "concise": concise.find,
    "relevant": relevant.find,
    "diverse": diverse.find,
}
_COMMENT = re.compile(
    r"(?:\{#-?|<!--)\s*lint:\s*(?P<what>off|on)(?P<rules>[\w ,]*?)\s*(?:-?#\}|-->)"
)
_HEAD = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_SAMPLE = 20_000  # characters by which the language is known
JUDGED = ("en", "zh")


def lint(
    text: str,
    *,
    select: Collection[str] = RULES,
    ignore: Collection[str] = (),
    template: bool | None = None,
) -> list[Finding]:
    """Findings in order of their places; none for a text that is neither English nor Chinese.

    select, ignore: names of rules. template: whether the text is a *.prompt.md, with a head in
    YAML; None: if it begins with a head that declares variables. Line ends are LF. Raises
    RecipeError for an unknown rule or a template that cannot be parsed.
    """
    chosen = [one for one in _known(select) if one not in _known(ignore)]
    if not judged(text):
        return []
    reading = _read(text, template)
    off = _switched_off(text)
    lines = Lines(text)
    found = [
        one
        for rule in chosen
        for one in _FINDERS[rule](reading)
        if not any(start <= one.start < end for start, end in off[rule])
    ]
    return [
        _placed(one, lines) for one in sorted(found, key=lambda one: (one.start, one.end, one.rule))
    ]


def judged(text: str) -> bool:
    """Whether the text is English or Chinese, as far as can be told. A few words may be taken for
    another language, so an English order is English.
    """
    sample = text[:_SAMPLE]
    found = language(sample)
    plain = all(letter.isascii() for letter in sample if letter.isalpha())
    return found in JUDGED or (plain and (found == "unknown" or english_order(sample)))


def _known(rules: Collection[str]) -> list[str]:
    for one in rules:
        if one not in RULES:
            raise RecipeError(
                say("there is no rule '{0}'", str(one)[:80]),
                "--select, --ignore",
                say("{0}one of: {1}", meant(str(one), RULES), ", ".join(RULES)),
            )
    return list(rules)


def _read(text: str, template: bool | None) -> Reading:
    match = _HEAD.match(text)
    prompt = None
    if template or (template is None and match and re.search(r"^variables:", match[0], re.M)):
        try:
            prompt = parse(text, "prompt")
        except RecipeError:
            if template:
                raise  # else it may be another program's
    if prompt is None:
        return read(text, match.end() if match else 0)
    body = len(text) - len(prompt.body)
    reading = read(text, body)
    used = prompt.names()
    for name in sorted({*prompt.head.variables, *prompt.head.alternatives}):
        if name not in used and name not in _names_of(prompt.body):
            reading.unused.append((*_declared(text[:body], name), name))
    return reading


def _names_of(body: str) -> set[str]:
    return {
        name
        for part in re.findall(r"\{[{%](.*?)[%}]\}", body, re.DOTALL)
        for name in re.findall(r"[A-Za-z_]\w*", part)
    }


def _declared(head: str, name: str) -> tuple[int, int]:
    """Where a variable stands in the head, with what is indented below it."""
    match = re.search(
        rf"^([ \t]+){re.escape(name)}[ \t]*:[^\n]*\n(?:\1[ \t]+[^\n]*\n)*", head, re.M
    )
    return match.span() if match else (0, 0)


def _switched_off(text: str) -> dict[str, list[tuple[int, int]]]:
    """rule -> spans without findings, from comments such as {# lint: off specific #}."""
    spans: dict[str, list[tuple[int, int]]] = {rule: [] for rule in RULES}
    since: dict[str, int] = {}
    for match in _COMMENT.finditer(text):
        for rule in _known(re.findall(r"\w+", match["rules"])) or RULES:
            if match["what"] == "off":
                since.setdefault(rule, match.start())
            elif rule in since:
                spans[rule].append((since.pop(rule), match.end()))
    for rule, start in since.items():
        spans[rule].append((start, len(text) + 1))
    return spans


def _placed(one: Finding, lines: Lines) -> Finding:
    line, column = lines.at(one.start)
    end_line, end_column = lines.at(one.end)
    return replace(one, line=line, column=column, end_line=end_line, end_column=end_column)
