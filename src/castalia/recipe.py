"""Recipes: YAML plus key=value overrides become one frozen, typed, fully resolved `Recipe`.

    format: 1
    data:     {source: builtin/fashion}
    codec:    {name: image, size: 28}
    family:   {name: gan, width: 64}
    training: {steps: 4000, batch: 64}
    sampling: {n: 64}

The parse has two stages: `name` picks a class, the rest of that section goes to the class's own
`Config`. All errors are collected and raised once. Each part receives only its own config; a fact
is stated once.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError

from castalia import bounded, modality, registry
from castalia.data import locate
from castalia.data.locate import Given
from castalia.data.source import DataConfig
from castalia.errors import CastaliaError, RecipeError, meant
from castalia.escapes import one_line
from castalia.language import recognised
from castalia.recipe_sections import LENGTHS, SampleConfig, TrainConfig
from castalia.sentences import row, say, series

FORMAT = 1
TITLE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
MOST_PARENTS = 8  # recipes between a file and the last that it extends
SECTIONS = ("data", "codec", "family", "training", "sampling")


@dataclass(frozen=True)
class Part:
    """A class chosen by name, and its own config.

    through  of a codec: the run between it and the model, whose latents or codes the model learns
             (`chain: [NAME, RUN]`); "" where a recipe wants one and the user has to name it, None
             where there is none.
    """

    name: str
    config: BaseModel
    through: str | None = None

    def as_dict(self) -> dict[str, Any]:
        chain = {} if self.through is None else {"chain": [self.name, self.through or None]}
        return {"name": self.name, **chain, **self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class Recipe:
    """Fully resolved. `title` is what the run is named after: "image/gan". `start_from`: the run,
    or the model of others, whose weights it begins with.
    """

    title: str
    data: DataConfig
    codec: Part
    family: Part
    training: TrainConfig
    sampling: SampleConfig
    start_from: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, in the order of the YAML file; `from_dict` reads it back."""
        return {
            "format": FORMAT,
            "title": self.title,
            "start_from": self.start_from,
            "data": self.data.model_dump(mode="json"),
            "codec": self.codec.as_dict(),
            "family": self.family.as_dict(),
            "training": self.training.model_dump(mode="json"),
            "sampling": self.sampling.model_dump(mode="json"),
        }

    def settled(self, decisions: Sequence[tuple[int, int]]) -> Recipe:
        """As it trained: the steps that were decided, in place of minutes."""
        if self.training.minutes is None:
            return self
        steps = decisions[-1][1] if decisions else self.training.steps
        length = {
            "minutes": None,
            "steps": steps,
            "plan": tuple(decisions) if len(decisions) > 1 else (),
        }
        return replace(self, training=self.training.model_copy(update=length))

    def to_yaml(self) -> str:
        return yaml.safe_dump(
            self.as_dict(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        )


def load(
    name: str | os.PathLike[str],
    data: Given | None = None,
    overrides: Mapping[str, Any] | Iterable[str] = (),
) -> Recipe:
    """A recipe by shipped name ("image/gan") or YAML path, with the data source and overrides put
    in.

    overrides: {"training.steps": 10} or ["training.steps=10"]; values of the latter are read as
    YAML. Raises RecipeError with every problem found.
    """
    raw = read_yaml(name)
    title = raw.pop("title", None) or _title(str(name))
    if data is not None:
        _section(raw, "data")["source"] = locate.plain(data)
    _apply(raw, pairs(overrides))
    return from_dict({"title": title, **raw}, where=str(name), trust=True)


def from_dict(raw: Mapping[str, Any], *, where: str = "recipe", trust: bool = False) -> Recipe:
    """Resolve plain data. `trust` allows a codec or family that is a Python file."""
    raw = dict(raw)
    problems: list[str] = []
    title = raw.pop("title", "custom")
    if not isinstance(title, str) or not TITLE.fullmatch(title):
        problems.append(
            say("title: expected a short name such as image/vae, got {0}", shown(title))
        )
    version = raw.pop("format", FORMAT)
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise RecipeError(
            say("the recipe has format {0}, this version reads up to {1}", shown(version), FORMAT),
            where=where,
            fix="pip install --upgrade castalia",
        )
    start_from = raw.pop("start_from", None)
    if start_from is not None and not isinstance(start_from, str):
        problems.append(say("start_from: expected the name of a run, got {0}", shown(start_from)))
    problems += [_unknown(key, (*SECTIONS, "start_from")) for key in raw if key not in SECTIONS]
    sections: dict[str, Any] = {}
    for key in SECTIONS:
        section = raw.get(key) or {}
        if not isinstance(section, Mapping):
            problems.append(
                say("{0}: expected a section of key: value lines, got {1}", key, shown(section))
            )
            continue
        sections[key] = dict(section)
    built: dict[str, Any] = {}
    for key, model in (("data", DataConfig), ("training", TrainConfig), ("sampling", SampleConfig)):
        built[key] = _build(model, sections.get(key, {}), key, problems)
    for kind in ("codec", "family"):
        built[kind] = _part(kind, sections.get(kind, {}), problems, trust)
    _refuse(problems, where)
    # a family that begins with a model of others
    given = getattr(built["family"].config, "base", None)
    if built["training"].adapt is not None and start_from is None and given is None:
        raise RecipeError(
            say("only a trained model can be adapted"),
            where="training.adapt",
            fix=say("add start_from=RUN, or the folder of a language model"),
        )
    if built["training"].freeze and start_from is None and given is None:
        raise RecipeError(
            say("only a trained model has parts to freeze"),
            where="training.freeze",
            fix=say("add start_from=RUN, or the folder of a language model"),
        )
    _check_tuning(built["training"], start_from or given)
    return Recipe(title=title, start_from=start_from, **built)


def codec_sections(
    codec: str, data: Given, overrides: Mapping[str, Any] | Iterable[str] = ()
) -> tuple[DataConfig, Part]:
    """The sections `data` and `codec` at their defaults with overrides put in, for a codec that no
    recipe begins with. Raises RecipeError with every problem found.
    """
    raw: dict[str, Any] = {"data": {"source": locate.plain(data)}, "codec": {"name": codec}}
    _apply(raw, pairs(overrides))
    problems: list[str] = []
    built: dict[str, Any] = {
        "data": _build(DataConfig, raw["data"], "data", problems),
        "codec": _part("codec", raw["codec"], problems, False),
    }
    _refuse(problems, codec)
    return built["data"], built["codec"]


def _refuse(problems: Sequence[str], where: str) -> None:
    if problems:
        raise RecipeError(
            say(
                "the recipe has {0}:\n  {1}",
                say("a problem") if len(problems) == 1 else say("{0} problems", len(problems)),
                row("\n  ", problems),
            ),
            where=where,
            fix=say("castalia list recipes; docs/recipes.md explains every key"),
        )


def _check_tuning(training: TrainConfig, begins: str | None) -> None:
    """begins: the run, or the model of others, whose weights the run begins with."""
    where = "training.prefer" if training.prefer is not None else "training.reward"
    if not training.tunes:
        return
    if begins is None:
        raise RecipeError(
            say("preferences and rewards tune a trained model"),
            where=where,
            fix=say("add start_from=RUN"),
        )
    if training.prefer is not None and training.reward is not None:
        raise RecipeError(
            say("a run learns from pairs or from a reward"),
            where="training.prefer and training.reward",
            fix=say("leave one out"),
        )
    if training.early_stop is not None:
        raise RecipeError(
            say("tuning has no early stop"),
            where="training.early_stop",
            fix=say("set training.steps"),
        )
    if training.reward is not None and not training.reward.rules:
        raise RecipeError(
            say("nothing is rewarded"),
            where="training.reward.rules",
            fix=say('for example training.reward.rules=["length:20..60"]'),
        )


def read_yaml(name: str | os.PathLike[str], *, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """The raw mapping of a shipped recipe or a file, with its `extends` parent merged below it."""
    text, where, folder = _find(str(name))
    if len(seen) > MOST_PARENTS:
        raise RecipeError(
            say("more than {0} recipes extend one another", MOST_PARENTS),
            where=where,
            fix=say("write them as fewer"),
        )
    if where in seen:
        raise RecipeError(
            say("recipes extend one another in a circle"),
            where=" -> ".join((*seen, where)),
            fix=say("remove one 'extends'"),
        )
    raw = bounded.parse_yaml(text, where, error=RecipeError) or {}
    if not isinstance(raw, dict):
        raise RecipeError(
            say("a recipe is a mapping of sections"),
            where=where,
            fix=say("see castalia/modalities/image/recipes/vae.yaml"),
        )
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    if not isinstance(parent, str):
        raise RecipeError(
            say("extends: expected the name of a recipe, got {0}", shown(parent)),
            where=where,
            fix=say("for example extends: image/vae"),
        )
    beside = folder / parent if folder else None
    base = read_yaml(
        beside if beside is not None and _is_file(beside) else parent, seen=(*seen, where)
    )
    if isinstance(raw.get("training"), dict):
        _replace_length(base.get("training"), raw["training"])
    _merge(base, raw)
    return base


def minutes_of(name: str) -> float | None:
    """Minutes that a shipped recipe takes at most on any machine, as its file gives them; None of a
    "-long" one, which makes all of its steps.
    """
    minutes = read_yaml(name).get("training", {}).get("minutes")
    return None if minutes is None else float(minutes)


def shipped() -> list[str]:
    """Names of the recipes in the package, e.g. "image/gan"."""
    return sorted(modality.recipes())


def purpose(name: str) -> str:
    """What a shipped recipe is for, in a line: its file begins with "# for: ..."; "" where it does
    not.
    """
    first = _find(name)[0].partition("\n")[0]
    return first.removeprefix("# for: ") if first.startswith("# for: ") else ""


def _find(name: str) -> tuple[str, str, Path | None]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not _is_file(path):
            raise RecipeError(
                say("there is no such recipe file"),
                where=name,
                fix=say("check the path, or use a shipped recipe: castalia list recipes"),
            )
        return bounded.read_text(path, "yaml_bytes", RecipeError), str(path), path.parent
    if name not in modality.recipes():
        raise RecipeError(
            say("there is no recipe called '{0}'", name),
            where="RECIPE",
            fix=say("{0}castalia list recipes", meant(name, shipped())),
        )
    return modality.recipes()[name].read_text(encoding="utf-8"), name, None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # longer than a name can be
        return False


def _title(name: str) -> str:
    return Path(name).stem if name.endswith((".yaml", ".yml")) else name


def pairs(overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    """Overrides as a dict: values of "key=value" texts are read as YAML."""
    if isinstance(overrides, Mapping):
        return dict(overrides)
    values: dict[str, Any] = {}
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise RecipeError(
                say("an override is written key=value"),
                where=one_line(text, 80),
                fix=say("for example training.steps=500"),
            )
        values[key] = bounded.parse_yaml(
            value, one_line(text, 80), say("put quotes around the value"), RecipeError
        )
        if isinstance(values[key], str):
            values[key] = _number(values[key])
    return values


def _number(text: str) -> Any:
    """YAML 1.1 reads 1e-3 as text; people mean a number."""
    try:
        return float(text) if text[:1] in "+-.0123456789" else text
    except ValueError:
        return text


def _apply(raw: dict[str, Any], pairs: Mapping[str, Any]) -> None:
    for kind in ("codec", "family"):
        chosen, written = pairs.get(f"{kind}.name"), raw.get(kind)
        if chosen is not None and (not isinstance(written, dict) or chosen != written.get("name")):
            raw[kind] = {}  # the file's other keys belong to another class
    _replace_length(
        raw.get("training"), {key.removeprefix("training."): value for key, value in pairs.items()}
    )
    for key, value in pairs.items():
        *path, last = key.split(".")
        target = raw
        for part in path:
            target = _section(target, part)
        target[last] = value


def _section(raw: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(raw.get(key), dict):
        raw[key] = {}
    section: dict[str, Any] = raw[key]
    return section


def _replace_length(training: Any, given: Mapping[str, Any]) -> None:
    """Removes the length of a training where `given`, keys of the same section, sets another: steps
    in place of minutes.
    """
    if isinstance(training, dict) and any(given.get(name) is not None for name in LENGTHS):
        for name in LENGTHS:
            training.pop(name, None)


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> None:
    for key, value in top.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            if "name" in value and value["name"] != base[key].get("name"):
                base[key] = value
            else:
                _merge(base[key], value)
        else:
            base[key] = value


def _part(
    kind: Literal["codec", "family"], section: dict[str, Any], problems: list[str], trust: bool
) -> Part | None:
    through = _through(section, problems) if kind == "codec" else None
    name = section.pop("name", None)
    if not isinstance(name, str):
        problems.append(say("{0}.name: missing; one of {1}", kind, ", ".join(registry.names(kind))))
        return None
    try:
        chosen = registry.resolve(kind, name, trust=trust)
    except CastaliaError as error:
        if registry.is_path(name):
            raise
        problems.append(say("{0}.name: {1}; {2}", kind, error.what, error.fix))
        return None
    config = _build(chosen.Config, section, kind, problems)
    return None if config is None else Part(name, config, through)


def part_of(kind: Literal["codec", "family"], section: Mapping[str, Any], where: str) -> Part:
    """One section by itself, of a class that is no file. Raises RecipeError with every problem."""
    problems: list[str] = []
    part = _part(kind, dict(section), problems, False)
    _refuse(problems, where)
    assert part is not None
    return part


def _through(section: dict[str, Any], problems: list[str]) -> str | None:
    """Takes `chain` out of the section: [NAME, RUN], or RUN alone; its codec becomes the name."""
    if "chain" not in section:
        return None
    chain = section.pop("chain")
    name, run = chain if isinstance(chain, list | tuple) and len(chain) == 2 else (None, chain)
    if name is not None and section.setdefault("name", name) != name:
        problems.append(
            say("codec.chain: begins with '{0}', but codec.name is '{1}'", name, section["name"])
        )
    if not isinstance(run, str | None):
        problems.append(
            say("codec.chain: expected the name of a run, or [CODEC, RUN], got {0}", shown(chain))
        )
        return ""
    return run or ""


def _build(
    model: type[BaseModel], section: Mapping[str, Any], key: str, problems: list[str]
) -> Any:
    try:
        return model.model_validate(section)
    except ValidationError as error:
        for problem in error.errors():
            path = [key, *(str(part) for part in problem["loc"])]
            if problem["type"] == "extra_forbidden":
                problems.append(
                    _unknown(
                        ".".join(path),
                        [
                            ".".join([*path[:-1], name])
                            for name in _fields(model, problem["loc"][:-1])
                        ],
                    )
                )
            else:
                problems.append(
                    say(
                        "{0}: {1}, got {2}",
                        one_line(".".join(path), 120),
                        _expected(model, problem),
                        shown(problem["input"]),
                    )
                )
    return None


def _expected(model: type[BaseModel], problem: Any) -> str:
    """What a value should have been: the range of a number, else pydantic's own words."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    limits = _limits(model, problem["loc"])
    if (
        problem["type"]
        not in ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
        or not limits
    ):
        return recognised(message.lower())
    return say("expected a number {0}", series(limits))


def _limits(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """["from 1", "at most 1,000,000"] of the field that `path` leads to; [] where it is
    not known.
    """
    owner: type[BaseModel] | None = model
    for part in path[:-1]:
        owner = _nested(owner, part) if owner is not None else None
    # no path: of several keys together
    field = owner.model_fields.get(str(path[-1])) if owner is not None and path else None
    words = {
        "ge": lambda limit: say("from {0:,}", limit),
        "gt": lambda limit: say("above {0:,}", limit),
        "le": lambda limit: say("at most {0:,}", limit),
        "lt": lambda limit: say("below {0:,}", limit),
    }
    limits = (
        []
        if field is None
        else [
            (name, getattr(one, name))
            for one in field.metadata
            for name in words
            if hasattr(one, name)
        ]
    )
    return [words[name](limit) for name, limit in limits]


def shown(value: Any, most: int = 60) -> str:
    """A value as messages quote it: in one line, cut; of a number of many digits, how many."""
    if isinstance(value, int) and abs(value) >= 10**most:
        return say("a number of about {0:,} digits", int(value.bit_length() * 0.30103) + 1)
    if isinstance(value, dict | list | tuple) and len(value) > 20:
        return (
            say("a mapping of {0:,}", len(value))
            if isinstance(value, dict)
            else say("a list of {0:,}", len(value))
        )
    return one_line(reprlib.repr(value), most)


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Field names of the (nested) model that `path` leads to."""
    for part in path:
        nested = _nested(model, part)
        if nested is None:
            return []
        model = nested
    return list(model.model_fields)


def _nested(model: type[BaseModel], name: int | str) -> type[BaseModel] | None:
    """The model that the value of a field is, if it is one."""
    field = model.model_fields.get(str(name))
    candidates = (
        [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
    )
    return next(
        (kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)),
        None,
    )


def _unknown(key: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    short = [name.rpartition(".")[2] for name in known]
    key = one_line(key, 120)
    fix = say("did you mean '{0}'?", near[0]) if near else say("known: {0}", ", ".join(short))
    return say("{0}: unknown key; {1}", key, fix)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`key: old -> new`, one line per entry in which two `Recipe.as_dict()` differ."""
    mine, theirs = _flatten(old), _flatten(new)
    return [
        f"{key}: {mine.get(key)} -> {theirs.get(key)}"
        for key in {**mine, **theirs}
        if mine.get(key) != theirs.get(key)
    ]


def _flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
