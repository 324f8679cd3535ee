"""Prompts as files: a head in YAML, and a body in Jinja with marks where roles begin.

    ---
    about: answers a question of a customer
    variables:
      question: text
      tone: {type: choice, choices: [plain, formal], default: plain}
    alternatives:
      opening: ["Answer in one sentence.", "Be brief."]
    sampling: {temperature: 0.2, length: 80}
    ---
    [system]
    {{ opening }}
    [user]
    {{ question }}

A file is NAME.prompt.md; one without a head is a body alone. The version of a prompt is the hash of
its head and its body, so a change that means something has another version, and a copy or another
name has the same one. The body is a stranger's program: it runs in the sandbox of
bounded/templates.py, reads no files and has a budget of work. A value cannot begin a turn of
another role: the marks are found in the template before any value is put in.

Not here: how a model is told (models.py), how wordings are searched for (optimise.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from jinja2.environment import Template
from pydantic import Field

from castalia import bounded
from castalia.bounded.templates import LONGEST as LONGEST_BODY
from castalia.bounded.templates import budget, compiled
from castalia.config import Config, hold
from castalia.errors import DataError, RecipeError, meant
from castalia.sentences import say

SUFFIX = ".prompt.md"
ROLES = ("system", "user", "assistant")
LONGEST = 1 << 20  # characters of a value, and of what is rendered
MOST_FILES = 2000
# names that every template has
GIVEN = {"examples", "loop", "caller", "varargs", "kwargs", "range", "dict", "cycler", "joiner"}
GIVEN |= {"namespace", "self"}
TURN = "castalia_turn"  # the name under which a template gets what begins a turn
_HEAD = re.compile(r"\A---[ \t]*\n(.*?)(?:\n)?^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"^[ \t]*\[(system|user|assistant)\][ \t]*$\n?", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")


class Variable(Config):
    """What a prompt asks for. default: where nothing is given; without one it must be."""

    type: Literal["text", "integer", "number", "boolean", "choice", "list"] = "text"
    about: str = ""
    default: Any = None
    choices: tuple[str, ...] = ()


class Sampling(Config):
    """How a model is to answer; what is not given is the model's own. length: most new tokens."""

    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition: float | None = Field(None, gt=0, le=100)
    guidance: float | None = Field(None, ge=0, le=1000)
    steps: int | None = Field(None, ge=1, le=10_000)
    length: int | None = Field(None, ge=1, le=1 << 20)
    stop: tuple[str, ...] = ()

    def over(self, other: Sampling) -> Sampling:
        """These settings, and those of `other` where there is none."""
        return Sampling(**{**other.model_dump(exclude_unset=True), **self.given()})

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class Head(Config):
    """variables: by name; a bare type stands for {type: ...}. alternatives: by name, wordings of
    which one is used, the first unless another is asked for. examples: questions with answers that
    the body may show as `examples`; shots: how many of them. cond: conditions of a run, each a
    template. tests: cases, as in a suite.
    """

    about: str = ""
    variables: dict[str, Variable | str] = Field({})
    alternatives: dict[str, tuple[str, ...]] = Field({})
    examples: tuple[dict[str, Any], ...] = ()
    shots: int | None = Field(None, ge=0)
    cond: dict[str, str] = Field({})
    model: Any = None
    sampling: Sampling = Sampling()
    tests: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Choice:
    """Which wordings, examples and settings of a template are used. wordings: place of the
    alternative by name. shots: places of examples, in the order in which they are shown; None: the
    first ones. body: another body in the place of its own (a rewording); None: its own.
    """

    wordings: Mapping[str, int] = field(default_factory=dict)
    shots: tuple[int, ...] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    body: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON; what is as in the file is left out."""
        return {
            **({"alternatives": dict(self.wordings)} if any(self.wordings.values()) else {}),
            **({} if self.shots is None else {"shots": list(self.shots)}),
            **({"sampling": self.sampling.given()} if self.sampling.given() else {}),
            **({} if self.body is None else {"body": self.body}),
        }


@dataclass(frozen=True)
class Rendered:
    """What a model is told. messages: {"role", "content"}; cond: conditions by name; sampling: as
    asked for.
    """

    messages: tuple[dict[str, str], ...]
    cond: dict[str, str]
    sampling: Sampling

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "messages": list(self.messages),
            "cond": self.cond,
            "sampling": self.sampling.given(),
        }

    @property
    def text(self) -> str:
        """The one text where the user alone speaks, else all turns, as a person reads them."""
        if [one["role"] for one in self.messages] == ["user"]:
            return self.messages[0]["content"]
        return "\n\n".join(f"[{one['role']}]\n{one['content']}" for one in self.messages)


@dataclass(frozen=True)
class Prompt:
    """name: of its file without .prompt.md; path: None of a prompt that is in no file."""

    name: str
    head: Head
    body: str
    path: Path | None = None

    @property
    def version(self) -> str:
        """12 hexadecimal digits of the SHA-256 of what the prompt is."""
        kept = self.head.model_dump(mode="json", exclude_defaults=True)
        whole = json.dumps([kept, self.body], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:12]

    def document(self) -> dict[str, Any]:
        """As JSON, without the body."""
        return {
            "name": self.name,
            "file": None if self.path is None else str(self.path),
            "version": self.version,
            "variables": {
                name: one.model_dump(mode="json", exclude_defaults=True) | {"type": one.type}
                for name, one in self.variables.items()
            },
            "tests": len(self.head.tests),
            "about": self.head.about,
        }

    @property
    def variables(self) -> dict[str, Variable]:
        """Those that the head declares; of a prompt that declares none, those of its body."""
        declared = {
            name: Variable(type=one) if isinstance(one, str) else one  # type: ignore[arg-type]
            for name, one in self.head.variables.items()
        }
        return declared or {name: Variable() for name in sorted(self.names())}

    def names(self) -> set[str]:
        """Names that the body uses and does not set itself."""
        return set(_names(self.body)) - set(self.head.alternatives) - GIVEN

    def render(self, values: Mapping[str, Any], choice: Choice | None = None) -> Rendered:
        """The messages for these values. Raises RecipeError for values that are missing, unknown or
        of another type, and for a template that fails or takes more work than it may.
        """
        choice = choice or Choice()
        known = self._checked(values)
        wordings = {
            name: texts[choice.wordings.get(name, 0)]
            for name, texts in self.head.alternatives.items()
        }
        given = {**known, **wordings, "examples": self.shown(choice)}
        body = self.body if choice.body is None else choice.body
        where = self.name
        size = sum(len(str(one)) for one in given.values())
        with budget(size + len(body)):
            # no value holds what is the hash of all of them
            nonce = hashlib.sha256(repr((body, given)).encode(errors="replace")).hexdigest()
            marked = _MARK.sub(lambda match: f"\n{{{{ {TURN} }}}} {match[1]}\n", body)
            text = filled(marked, {**given, TURN: nonce}, where)
            cond = {name: filled(one, given, where) for name, one in self.head.cond.items()}
        return Rendered(tuple(_turns(text, nonce)), cond, choice.sampling.over(self.head.sampling))

    def shown(self, choice: Choice) -> list[dict[str, Any]]:
        """The examples that the choice shows, in its order."""
        if choice.shots is not None:
            return [self.head.examples[place] for place in choice.shots]
        count = self.head.shots
        return list(self.head.examples if count is None else self.head.examples[:count])

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        variables = self.variables
        for name in values:
            if name not in variables:
                listed = ", ".join(variables) or say("none")
                raise RecipeError(
                    say("the prompt has no variable '{0}'", str(name)[:80]),
                    self.name,
                    say("{0}its variables: {1}", meant(str(name), variables), listed),
                )
        known = {}
        for name, variable in variables.items():
            value = values.get(name, variable.default)
            if value is None:
                raise RecipeError(
                    say("the prompt wants a value for '{0}'", name),
                    self.name,
                    say("--var {0}=VALUE, or `vars` of the case", name),
                )
            known[name] = _typed(name, value, variable, self.name)
        return known


def read(path: Path) -> Prompt:
    """The prompt of a file. Raises DataError, RecipeError naming the file."""
    return parse(bounded.read_text(path, "settings_bytes"), path.name.removesuffix(SUFFIX), path)


def parse(text: str, name: str, path: Path | None = None) -> Prompt:
    """A prompt from the text of its file. Raises RecipeError for what is none."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    match = _HEAD.match(text)
    if match is None and text.startswith("---"):
        raise RecipeError(
            say("the head of the prompt has no end"), name, say("close it with a line of ---")
        )
    fix = say("see docs/prompts.md for what a head holds")
    raw = bounded.parse_yaml(match[1], name, fix, RecipeError) if match else {}
    what = say("the head of the prompt is not right")
    head = hold(Head, raw or {}, what, name, fix, RecipeError)
    prompt = Prompt(name, head, text[match.end() :] if match else text, path)
    verify(prompt)
    return prompt


def applied(prompt: Prompt, choice: Choice) -> Prompt:
    """The prompt for which this choice is the first: another file, and another version."""
    head = prompt.head
    alternatives = {
        name: (texts[place], *texts[:place], *texts[place + 1 :])
        for name, texts in head.alternatives.items()
        for place in [choice.wordings.get(name, 0)]
    }
    changed: dict[str, Any] = {
        "alternatives": alternatives,
        "sampling": choice.sampling.over(head.sampling),
    }
    if choice.shots is not None:
        rest = [one for place, one in enumerate(head.examples) if place not in choice.shots]
        changed["examples"] = (*(head.examples[place] for place in choice.shots), *rest)
        changed["shots"] = len(choice.shots)
    body = prompt.body if choice.body is None else choice.body
    return replace(prompt, head=head.model_copy(update=changed), body=body, path=None)


def written(prompt: Prompt) -> str:
    """The text of a prompt's file."""
    import yaml

    kept = prompt.head.model_dump(mode="json", exclude_defaults=True)
    if not kept:
        return prompt.body
    head = yaml.safe_dump(kept, allow_unicode=True, sort_keys=False, width=100)
    return f"---\n{head}---\n{prompt.body}"


def files(sources: Sequence[str | Path]) -> Iterator[Path]:
    """The files of prompts in files and folders, in order of their names. Raises DataError where
    there is none.
    """
    for source in map(Path, sources):
        if source.is_dir():
            found = sorted(source.rglob(f"*{SUFFIX}"))
            if not found:
                raise DataError(
                    say("there is no prompt in this folder"),
                    source,
                    say("prompts are files NAME{0}", SUFFIX),
                )
            if len(found) > MOST_FILES:
                raise DataError(
                    say("there are {0:,} prompts in this folder", len(found)),
                    source,
                    say("{0:,} at most: name folders in it", MOST_FILES),
                )
            yield from found
        else:
            yield source


@lru_cache(256)
def _names(body: str) -> frozenset[str]:
    """Names that are used and not set. Nothing of the body is worked out: Jinja's own search folds
    constants, and `10 ** 10 ** 9` is one.
    """
    from jinja2 import Environment, nodes

    tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(body)
    found = list(tree.find_all(nodes.Name))
    own = {one.name for one in found if one.ctx != "load"}
    own |= {one.name for one in tree.find_all(nodes.Macro)}
    return frozenset({one.name for one in found if one.ctx == "load"} - own)


def verify(prompt: Prompt) -> None:
    """What can be wrong with a prompt before it is given any value."""
    head, fix = prompt.head, say("mend the head of the prompt")
    for name in [*head.variables, *head.alternatives]:
        if not _NAME.fullmatch(name) or name in ("examples", TURN):
            raise RecipeError(say("'{0}' is no name of a variable", name[:80]), prompt.name, fix)
    twice = set(head.variables) & set(head.alternatives)
    if twice:
        raise RecipeError(
            say("'{0}' is a variable and has alternatives", min(twice)), prompt.name, fix
        )
    for name, texts in head.alternatives.items():
        if not texts:
            raise RecipeError(say("'{0}' has no wording", name), prompt.name, fix)
    for name, one in head.variables.items():
        kinds = Variable.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
        if isinstance(one, str) and one not in kinds:
            raise RecipeError(
                say("the variable '{0}' has an unknown type '{1}'", name, one[:80]),
                prompt.name,
                say("{0}one of: {1}", meant(one, kinds), ", ".join(kinds)),
            )
        if isinstance(one, Variable) and one.default is not None:
            _typed(name, one.default, one, prompt.name)
    if len(prompt.body) > LONGEST_BODY:
        raise RecipeError(
            say("the prompt is too long: {0:,} characters", len(prompt.body)),
            prompt.name,
            say("{0:,} characters at most", LONGEST_BODY),
        )
    try:
        used = prompt.names()
    except Exception as failure:  # a stranger's program: a number of 5,000 digits, loops 25 deep
        raise _failed(failure, prompt.name) from failure
    if head.variables and (missing := used - set(head.variables)):
        raise RecipeError(
            say("the body uses '{0}', which the head does not declare", min(missing)),
            prompt.name,
            say("{0}add it to `variables`", meant(min(missing), head.variables)),
        )


def _typed(name: str, value: Any, variable: Variable, where: str) -> Any:
    kind = variable.type
    made: Any = None
    if kind in ("text", "choice") and not isinstance(value, dict | list | bool):
        made = str(value)
    elif kind == "list" and isinstance(value, list):
        made = value
    elif kind == "boolean" and str(value).lower() in ("true", "false"):
        made = str(value).lower() == "true"
    elif kind in ("integer", "number") and not isinstance(value, bool | dict | list):
        made = _number(str(value), kind)
    if made is None or (kind == "choice" and made not in variable.choices):
        fix = (
            say("one of: {0}", ", ".join(variable.choices))
            if kind == "choice"
            else say("give a value of the type '{0}'", kind)
        )
        raise RecipeError(
            say("the value of '{0}' does not fit: {1}", name, str(value)[:80]), where, fix
        )
    if len(str(made)) > LONGEST:
        raise RecipeError(
            say("the value of '{0}' is too long: {1:,} characters", name, len(str(made))),
            where,
            say("{0:,} characters at most", LONGEST),
        )
    return made


def _number(text: str, kind: str) -> float | int | None:
    if len(text) > 40:
        return None
    try:
        return int(text) if kind == "integer" else float(text)
    except ValueError:
        return None


def filled(source: str, given: Mapping[str, Any], where: str) -> str:
    """A template with its values, within a `budget`. Raises RecipeError naming `where`."""
    try:
        text = _made(source).render(**given)
    except Exception as failure:  # whatever a stranger's program raises is its own fault
        raise _failed(failure, where) from failure
    if len(text) > 2 * LONGEST:
        raise RecipeError(
            say("the prompt is too long: {0:,} characters", len(text)),
            where,
            say("{0:,} characters at most", 2 * LONGEST),
        )
    return text


@lru_cache(256)
def _made(source: str) -> Template:
    return compiled(source, {}, {}, strict=True)


def _failed(failure: Exception, where: str) -> RecipeError:
    line = getattr(failure, "lineno", None)
    return RecipeError(
        say("the template cannot be filled: {0}", failure),
        where if line is None else say("{0}, line {1} of the body", where, line),
        say("mend the template; it is Jinja, in a sandbox"),
    )


def _turns(text: str, nonce: str) -> Iterator[dict[str, str]]:
    """What stands before the first mark is the user's; empty turns are left out."""
    role = "user"
    names = "|".join(ROLES)
    parts = re.split(rf"^{nonce} ({names})\n?", text, flags=re.MULTILINE)
    for place, part in enumerate(parts):
        if place % 2:
            role = part
        elif content := part.strip("\n"):
            yield {"role": role, "content": content.rstrip(" \t")}
