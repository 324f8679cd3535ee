"""EXPERIMENT.yaml: which cases are drawn, under which conditions, and what is declared of them.

    title: Salt and blood pressure
    run: runs/patients              # or table: patients.csv, on which table/ar is trained
    cases: 200                      # of each arm
    given: {diagnosis: hypertension}
    rules: [18 <= age <= 90, diastolic <= systolic]
    arms:
      control: {}
      low salt: {effects: {systolic: {add: -5, sd: 2}}}
    course: {times: [0, 4, 12], unit: week, columns: {systolic: {sd: 4}}}
    compare: {column: systolic, between: [control, low salt]}

What the run learned decides the cases; `effects` and `course` are the author's word, and are kept
apart from it. Errors name the key and the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from castalia import bounded
from castalia.config import LARGEST_SEED, Config
from castalia.errors import RecipeError, meant
from castalia.sentences import join, row, say

MOST_CASES, MOST_ARMS, MOST_TIMES = 100_000, 20, 100
Path_ = tuple[str | int, ...]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Finite = Annotated[float, Field(ge=-1e12, le=1e12)]
Spread = Annotated[float, Field(ge=0, le=1e12)]


class Effect(Config):
    """What an arm does to a column of numbers: value * multiply + add, plus chance of the standard
    deviation sd, one draw a case. since: the time from which it holds; None: all times but the
    first of a course.
    """

    add: Finite = 0.0
    multiply: Annotated[float, Field(ge=-1e6, le=1e6)] = 1.0
    sd: Spread = 0.0
    since: Finite | None = None


class Arm(Config):
    """A group. given, rules: beside those of the experiment. cases: None: those of the
    experiment.
    """

    given: dict[Name, Any] = Field(default_factory=dict)
    rules: tuple[Name, ...] = ()
    cases: Annotated[int, Field(ge=2, le=MOST_CASES)] | None = None
    effects: dict[Name, Effect] = Field(default_factory=dict)


class Measured(Config):
    """How a column goes on over time: change a unit of time, the same for all; spread: standard
    deviation of that change among cases; sd: of a single measurement around a case's own course.
    """

    change: Finite = 0.0
    spread: Spread = 0.0
    sd: Spread = 0.0


class Course(Config):
    """Repeated measurements. The first time is that at which the model drew the case."""

    times: Annotated[tuple[Finite, ...], Field(min_length=2, max_length=MOST_TIMES)]
    unit: Annotated[str, Field(max_length=40)] = ""
    columns: dict[Name, Measured] = Field(default_factory=dict)

    @field_validator("times")
    @classmethod
    def _rising(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(say("times rise from one to the next"))
        return times


class Compare(Config):
    """The comparison whose power is asked for: a t-test of two arms, at the last time."""

    column: Name
    between: tuple[Name, Name]
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    experiments: Annotated[int, Field(ge=100, le=20_000)] = 1000


class Experiment(Config):
    """See above. settings: overrides of the recipe where a table is trained on."""

    title: Annotated[str, Field(min_length=1, max_length=200)] = "Experiment"
    run: Name | None = None
    table: Name | None = None
    recipe: Name = "table/ar"
    settings: dict[Name, Any] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    cases: Annotated[int, Field(ge=2, le=MOST_CASES)] = 100
    given: dict[Name, Any] = Field(default_factory=dict)
    rules: tuple[Name, ...] = ()
    unseen: bool = False
    arms: Annotated[dict[Name, Arm], Field(min_length=1, max_length=MOST_ARMS)] = Field(
        default_factory=lambda: {"cases": Arm()}
    )
    course: Course | None = None
    compare: Compare | None = None

    @field_validator("arms", mode="before")
    @classmethod
    def _empty_arms(cls, arms: Any) -> Any:
        """`control:` with nothing behind it is an arm without anything of its own."""
        if isinstance(arms, dict):
            return {name: {} if arm is None else arm for name, arm in arms.items()}
        return arms

    @model_validator(mode="after")
    def _whole(self) -> Experiment:
        if self.run is None and self.table is None:
            raise ValueError(say("a run or a table is needed"))
        return self


class Sheet:
    """An experiment with the lines of its keys. where: the name of its file."""

    def __init__(self, experiment: Experiment, lines: dict[Path_, int], where: str) -> None:
        self.experiment, self.lines, self.where = experiment, lines, where

    def place(self, *key: str | int) -> str:
        """ "EXPERIMENT.yaml, line 7: arms.treated"."""
        return _place(self.where, self.lines, key)

    def error(self, what: str, key: Path_, fix: str) -> RecipeError:
        return RecipeError(what, self.place(*key), fix)

    def arm_key(self, arm: str, *key: str | int) -> Path_:
        return ("arms", arm, *key) if ("arms", arm, *key) in self.lines else key

    def given(self, arm: str) -> dict[str, str]:
        """Conditions of an arm, those of its own last."""
        own = self.experiment.arms[arm].given
        return {name: str(value) for name, value in {**self.experiment.given, **own}.items()}

    def rules(self, arm: str) -> list[tuple[str, Path_]]:
        """Texts of rules with where they stand."""
        shared = [(text, ("rules", n)) for n, text in enumerate(self.experiment.rules)]
        own = self.experiment.arms[arm].rules
        return [*shared, *((text, ("arms", arm, "rules", n)) for n, text in enumerate(own))]

    def cases(self, arm: str) -> int:
        return self.experiment.arms[arm].cases or self.experiment.cases


def read(path: Path) -> Sheet:
    """The experiment of a YAML file. Raises RecipeError."""
    return parsed(bounded.read_text(path, "yaml_bytes", RecipeError), path.name)


def parsed(text: str, where: str) -> Sheet:
    """`read` of a text. Raises RecipeError, which names every key that is wrong with its line."""
    raw = bounded.parse_yaml(text, where, say("mend the file"), RecipeError)
    if not isinstance(raw, dict):
        raise RecipeError(
            say("this is no experiment"), where, say("write keys with values, such as run: RUN")
        )
    lines: dict[Path_, int] = {}
    _locate(yaml.compose(text, Loader=yaml.SafeLoader), (), lines)
    # conditions are compared with cells, so `yes` stays the text that it is
    _texts(yaml.compose(text, Loader=yaml.SafeLoader), raw)
    try:
        experiment = Experiment.model_validate(raw)
    except ValidationError as failure:
        raise _problems(failure, lines, where) from failure
    return Sheet(experiment, lines, where)


def _locate(node: Any, key: Path_, lines: dict[Path_, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            lines[(*key, name.value)] = name.start_mark.line + 1
            _locate(value, (*key, name.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[(*key, place)] = value.start_mark.line + 1
            _locate(value, (*key, place), lines)


def _texts(node: Any, raw: Any) -> None:
    """Puts what stands in the file into every `given`."""
    if not isinstance(node, yaml.MappingNode) or not isinstance(raw, dict):
        return
    for name, value in node.value:
        if name.value == "given" and isinstance(value, yaml.MappingNode):
            raw["given"] = {
                one.value: cell.value if isinstance(cell, yaml.ScalarNode) else ""
                for one, cell in value.value
            }
        else:
            _texts(value, raw.get(name.value))


def _place(where: str, lines: dict[Path_, int], key: Path_) -> str:
    known = key
    while known and known not in lines:
        known = known[:-1]
    words = ".".join(map(str, key))
    if not known:
        return f"{where}: {words}" if words else where
    return say("{0}, line {1}: {2}", where, lines[known], words)


def _problems(failure: ValidationError, lines: dict[Path_, int], where: str) -> RecipeError:
    said, fixes = [], []
    for one in failure.errors(include_url=False)[:5]:
        key = tuple(part for part in one["loc"] if part != "function-after")
        place = _place(where, lines, key)
        if one["type"] == "extra_forbidden":
            known = _fields(key[:-1])
            said.append(say("{0}: there is no such key", place))
            fixes.append(say("{0}keys here: {1}", meant(str(key[-1]), known), ", ".join(known)))
        else:
            said.append(say("{0}: {1}", place, _reason(one)))
    return RecipeError(
        say("the experiment cannot be read: {0}", row("; ", said)),
        where,
        join(fixes) if fixes else say("docs/simulate.md has all keys"),
    )


def _reason(one: Mapping[str, Any]) -> str:
    """pydantic's own sentence in small letters; ours as it is."""
    inner = one.get("ctx", {}).get("error")
    if isinstance(inner, ValueError) and inner.args:
        reason: str = inner.args[0]
        return reason
    return str(one["msg"])[:1].lower() + one["msg"][1:]


def _fields(key: Path_) -> list[str]:
    """The keys of the model at a place: classes are followed through mappings."""
    model: Any = Experiment
    for part in key:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = None if field is None else field.annotation
        else:  # inside a mapping or a list
            model = _inner(model)
        if model is None:
            return []
    model = _inner(model) or model
    return list(model.model_fields) if hasattr(model, "model_fields") else []


def _inner(annotation: Any) -> Any:
    """The model that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for one in get_args(annotation):
        found = _inner(one)
        if found is not None:
            return found
    return None
