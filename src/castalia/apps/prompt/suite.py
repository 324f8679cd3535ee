"""A suite: prompts, models and cases, and what is asked of every answer.

    about: answers of the desk
    prompts: [brief.prompt.md, {name: bare, body: "{{ question }}"}]
    models: [{run: runs/talks}, {llm: "http://localhost:11434/v1", model: "qwen3:8b"}]
    defaults:
      assert: [{type: length, max: 200}]
    cases:
      - {vars: {question: When do you open?}, assert: [{type: contains, value: "9"}]}
    repeat: 1          answers of each case, with other seeds
    judge: {llm: ..., model: ...}
    metrics: [{metric: variety, run: runs/talks}]
    optimise: {held_out: 0.5, temperature: [0, 0.5, 1]}

`cases` may name a table (CSV, JSON lines, ...), whose columns are variables. A file NAME.prompt.md
with `tests` and `model` in its head is a suite, too, and so is promptfoo's YAML (promptfoo.py).
Paths are relative to the suite's folder. What is declared and used by nothing is said in `notes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from castalia import bounded
from castalia.apps.prompt import promptfoo, template
from castalia.apps.prompt.assertion import Assertion
from castalia.apps.prompt.assertions import prepare, verify
from castalia.apps.prompt.models import ModelConfig
from castalia.apps.prompt.template import Prompt, Sampling
from castalia.config import LARGEST_SEED, Config, hold
from castalia.errors import DataError, RecipeError
from castalia.sentences import say
from castalia.text_files import tables

MOST_CASES = 20_000
MOST_ANSWERS = 200_000  # of a whole suite
FIX = say("see docs/prompts.md for what a suite holds")


class CaseConfig(Config):
    """threshold: the least mean score that passes, in the place of every assertion passing."""

    vars: dict[str, Any] = Field({})
    name: str = ""
    asserts: tuple[Assertion, ...] = Field((), alias="assert")
    threshold: float | None = Field(None, ge=0, le=1)


class Metric(Config):
    """A registered metric of all answers of a model to a prompt. run: whose data it compares with.
    score: which of its scores; "" all. min, max: what makes it pass; neither: it is only shown.
    """

    metric: str
    run: str = ""
    score: str = ""
    min: float | None = None
    max: float | None = None


class Search(Config):
    """What `optimise` may change beside the alternatives of the prompt. held_out: share of the
    cases that nothing is chosen by. rewrites: rules of rewrites.py; shots: numbers of examples;
    temperature, top_p: values to be tried.
    """

    held_out: float = Field(0.5, gt=0, lt=1)
    rewrites: Literal["all", "none"] = "all"
    shots: tuple[int, ...] = ()
    temperature: tuple[float, ...] = ()
    top_p: tuple[float, ...] = ()


class SuiteConfig(Config):
    about: str = ""
    prompts: tuple[Any, ...] = Field(min_length=1, max_length=200)
    models: tuple[Any, ...] = Field((), max_length=50)
    defaults: CaseConfig = CaseConfig()
    cases: tuple[CaseConfig, ...] | str
    repeat: int = Field(1, ge=1, le=1000)
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    sampling: Sampling = Sampling()
    judge: ModelConfig | None = None
    metrics: tuple[Metric, ...] = ()
    optimise: Search = Search()


@dataclass(frozen=True)
class Case:
    """values: of variables, those that no prompt has included: assertions may use them."""

    name: str
    values: Mapping[str, Any]
    asserts: tuple[Assertion, ...]
    threshold: float | None = None


@dataclass(frozen=True)
class Suite:
    """base: the folder that paths are relative to."""

    name: str
    base: Path
    about: str
    prompts: tuple[Prompt, ...]
    models: tuple[ModelConfig, ...]
    cases: tuple[Case, ...]
    repeat: int = 1
    seed: int = 0
    judge: ModelConfig | None = None
    metrics: tuple[Metric, ...] = ()
    search: Search = field(default_factory=Search)
    notes: tuple[str, ...] = field(default=())

    def values_for(self, prompt: Prompt, case: Case) -> dict[str, Any]:
        """Those of the case's values that the prompt asks for."""
        return {name: case.values[name] for name in prompt.variables if name in case.values}

    def with_models(self, models: Sequence[ModelConfig]) -> Suite:
        """These models in the place of the suite's own, where there are any."""
        return replace(self, models=tuple(models)) if models else self


def load(path: Path, *, trust: bool = False, llm: str = "", replaced: bool = False) -> Suite:
    """A suite, a prompt with tests, or promptfoo's YAML. llm: the address for providers of
    promptfoo that name none; replaced: they are not asked. Raises RecipeError, DataError.
    """
    if path.name.endswith(template.SUFFIX):
        return _checked(_of_prompt(template.read(path)), trust)
    text = bounded.read_text(path, "yaml_bytes", RecipeError)
    raw = bounded.parse_yaml(text, path.name, FIX, RecipeError)
    if not isinstance(raw, dict):
        raise RecipeError(say("a suite is a mapping of names to values"), path.name, FIX)
    notes: list[str] = []
    if promptfoo.recognised(raw):
        raw, notes = promptfoo.converted(raw, path.parent, llm, replaced)
    elif llm:
        raise RecipeError(
            say("--llm and --model belong together"), "--llm", "--llm ADDRESS --model NAME"
        )
    return _checked(_of(raw, path.name.partition(".")[0], path.parent, notes), trust)


def _of(raw: Mapping[str, Any], name: str, base: Path, notes: Sequence[str]) -> Suite:
    what = say("the suite is not right")
    config = hold(SuiteConfig, raw, what, name, FIX, RecipeError)
    prompts = [one for entry in config.prompts for one in _prompts(entry, base)]
    if config.sampling.given():
        prompts = [_sampled(one, config.sampling) for one in prompts]
    models = tuple(_model(entry, name) for entry in config.models)
    if not models:
        models = tuple(
            dict.fromkeys(_model(one.head.model, one.name) for one in prompts if one.head.model)
        )
    return Suite(
        name=name,
        base=base,
        about=config.about,
        prompts=tuple(prompts),
        models=models,
        cases=tuple(_cases(config, base)),
        repeat=config.repeat,
        seed=config.seed,
        judge=config.judge,
        metrics=config.metrics,
        search=config.optimise,
        notes=tuple(notes),
    )


def _of_prompt(prompt: Prompt) -> Suite:
    """The suite in the head of one prompt."""
    if not prompt.head.tests:
        raise RecipeError(
            say("this prompt has no tests"),
            prompt.name,
            say("add `tests` to its head, or name a suite"),
        )
    what = say("the tests of the prompt are not right")
    raw = {"prompts": [prompt.name], "cases": list(prompt.head.tests)}
    config = hold(SuiteConfig, raw, what, prompt.name, FIX, RecipeError)
    base = Path() if prompt.path is None else prompt.path.parent
    models = () if prompt.head.model is None else (_model(prompt.head.model, prompt.name),)
    about = prompt.head.about
    return Suite(prompt.name, base, about, (prompt,), models, tuple(_cases(config, base)))


def _prompts(entry: Any, base: Path) -> Iterator[Prompt]:
    if isinstance(entry, str):
        for path in template.files([base / entry]):
            yield template.read(path)
        return
    if not isinstance(entry, dict) or not isinstance(entry.get("body"), str):
        raise RecipeError(
            say("a prompt of a suite is a file, or has a name and a body"), str(entry)[:80], FIX
        )
    head = {key: value for key, value in entry.items() if key not in ("name", "body")}
    name = str(entry.get("name") or entry["body"][:30])
    what = say("the prompt of the suite is not right")
    made = Prompt(name, hold(template.Head, head, what, name, FIX, RecipeError), entry["body"])
    template.verify(made)
    yield made


def _sampled(prompt: Prompt, sampling: Sampling) -> Prompt:
    head = prompt.head.model_copy(update={"sampling": prompt.head.sampling.over(sampling)})
    return replace(prompt, head=head)


def _model(entry: Any, where: str) -> ModelConfig:
    raw = {"run": entry} if isinstance(entry, str) else entry
    what = say("a model of the suite is not right")
    return hold(ModelConfig, raw, what, where, FIX, RecipeError)


def _cases(config: SuiteConfig, base: Path) -> Iterator[Case]:
    """With the defaults under them; those of a table have its columns as variables."""
    given: Iterator[CaseConfig] | tuple[CaseConfig, ...]
    if isinstance(config.cases, str):
        rows = tables.rows(base / config.cases)[1]
        given = (
            CaseConfig(vars={key: value for key, value in row.items() if value is not None})
            for _, row in rows
        )
    else:
        given = config.cases
    for number, one in enumerate(given, 1):
        for value in (*one.vars.values(), *(made.value for made in one.asserts)):
            if isinstance(value, bool):
                raise RecipeError(
                    say("a value is read as true or false"),
                    say("case {0}", number),
                    say("put yes, no, on, off, true and false in quotes"),
                )
        if number > MOST_CASES:
            raise DataError(
                say("the suite has too many cases"),
                str(config.cases)[:80],
                say("{0:,} at most", MOST_CASES),
            )
        values = {**config.defaults.vars, **one.vars}
        threshold = config.defaults.threshold if one.threshold is None else one.threshold
        asserts = (*config.defaults.asserts, *one.asserts)
        yield Case(one.name or _named(number, one.vars), values, asserts, threshold)


def _named(number: int, values: Mapping[str, Any]) -> str:
    first = next((str(value) for value in values.values()), "")
    return f"{number}: {' '.join(first.split())[:60]}" if first else str(number)


def _checked(suite: Suite, trust: bool) -> Suite:
    """Everything that can be wrong before a model is asked; notes on what nothing uses."""
    if not suite.cases:
        raise DataError(say("the suite has no cases"), suite.name, FIX)
    for what, names in (
        (say("prompts"), [one.name for one in suite.prompts]),
        (say("models"), [one.title for one in suite.models]),
    ):
        if len(set(names)) < len(names):
            twice = max(names, key=names.count)
            raise RecipeError(
                say("two {0} are called '{1}'", what, twice), suite.name, say("give them a `name`")
            )
    answers = len(suite.prompts) * max(1, len(suite.models)) * len(suite.cases) * suite.repeat
    if answers > MOST_ANSWERS:
        raise RecipeError(
            say("the suite asks for {0:,} answers", answers),
            suite.name,
            say("{0:,} at most: leave prompts, models or cases out", MOST_ANSWERS),
        )
    bare = 0
    for case in suite.cases:
        where = say("{0}, case {1}", suite.name, case.name)
        bare += not case.asserts
        for one in case.asserts:
            verify(one, where, trust=trust, judged=suite.judge is not None)
            prepare(one, case.values, where)
        for prompt in suite.prompts:
            prompt.render(suite.values_for(prompt, case))
    notes = list(suite.notes)
    if bare:
        notes.append(say("{0} of {1} cases assert nothing, so they pass", bare, len(suite.cases)))
    notes += [
        say("'{0}' of the cases is used by no prompt and no assertion", name)
        for name in _unused(suite)
    ]
    return replace(suite, notes=tuple(notes))


def _unused(suite: Suite) -> list[str]:
    named = {name for case in suite.cases for name in case.values}
    used = {name for prompt in suite.prompts for name in prompt.variables}
    texts = " ".join({str(one.value) for case in suite.cases for one in case.asserts})
    python = any(one.kind == "python" for case in suite.cases for one in case.asserts)
    return sorted(name for name in named - used if name not in texts and not python)
