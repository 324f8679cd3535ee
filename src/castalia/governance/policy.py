"""Content policies: what must not come in or go out, in a YAML file that its keeper can read.

    format: 1
    producer: {name: "Example Ltd", code: ""}     # goes into every label of what is made
    licence: CC-BY-4.0                            # of the model, goes into every manifest
    blocked:
      - id: clients
        terms: [Project Heron, 苍鹭计划]            # how they are compared: blocked_terms.py
        file: clients.txt                         # more terms, one a line, beside the policy
        applies: both                             # input (prompts, edited texts), output, or both
        message: {en: "names of clients stay inside", zh: "客户名称不得外传"}
    options:
      - {id: calm, option: temperature, most: 1.2}
      - {id: forms, option: constraint, only: ["verse:7x4", "verse:5x4"]}
    watermark: {quality: 40}                      # marks in the content; docs/watermark.md
    credentials: true                             # signed claims in files; docs/provenance.md
    labels: {language: zh}                        # that people see or hear; docs/provenance.md
    similarity: {id: no-copies, most: 0.95}
        # to the training data; needs the run's audit index

Every rule has an id, which errors and the ledger name, and a message in both languages.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from castalia import bounded
from castalia.abilities import SampleOptions
from castalia.config import Config
from castalia.errors import RecipeError, Refused
from castalia.governance.blocked_terms import Terms
from castalia.governance.labels.wording import Language
from castalia.language import recognised, translate
from castalia.sampling.edit import option_names
from castalia.sentences import row, say

Side = Literal["input", "output"]


def known_options() -> tuple[str, ...]:
    """What can be bounded: how samples are drawn, what a request says beside, and the options of
    edits.
    """
    own = (option.name for option in fields(SampleOptions))
    beside = ("n", "seed", "batch", "constraint", "edit")
    return tuple(dict.fromkeys((*own, *beside, *option_names())))


class Message(Config):
    en: str = ""
    zh: str = ""


class Rule(Config):
    """Base class of rules. The message is for the user who is refused; the default names the kind
    of rule.
    """

    id: str = Field(pattern=r"^[\w.-]{1,64}$")
    message: Message = Message()

    def refused(self, words: str) -> Refused:
        """The error for breaking this rule, in both languages of its message; `words` where the
        rule has none.
        """
        what = " · ".join(
            getattr(self.message, language) or translate(words, language)
            for language in ("en", "zh")
        )
        return Refused(
            what,
            where=say("rule {0}", self.id),
            fix=say("ask for something else, or talk to whoever keeps the policy"),
        )


class Blocked(Rule):
    """Terms that must not occur."""

    terms: tuple[str, ...] = Field(min_length=1)
    applies: Literal["input", "output", "both"] = "both"


class Bound(Rule):
    """What an option may be. `only`: one of these; null stands for "not given"."""

    option: str = Field(
        description="one of known_options(), or cond.NAME for a condition of the run"
    )
    most: float | None = None
    least: float | None = None
    only: tuple[str | int | float | None, ...] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.most is None and self.least is None and self.only is None:
            raise ValueError(say("give most, least or only"))
        known = known_options()
        if self.option not in known and not self.option.startswith("cond."):
            near = difflib.get_close_matches(self.option, known, n=1)
            raise ValueError(
                say(
                    "there is no option '{0}'; {1}",
                    self.option,
                    say("did you mean '{0}'?", near[0]) if near else say("see docs/provenance.md"),
                )
            )
        return self

    def broken(self, value: Any) -> bool:
        if self.only is not None and not any(
            value is one is None or (None not in (value, one) and str(value) == str(one))
            for one in self.only
        ):
            return True
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return not (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )


class Similarity(Rule):
    """The largest similarity to a training item that may leave, from 0 to 1."""

    most: float = Field(ge=0, le=1)


class Producer(Config):
    """Who answers for what is made; goes into labels. `code` takes the place of the name where an
    authority has given one.
    """

    name: str = ""
    code: str = ""


class Watermarks(Config):
    """Marks in the content of what leaves. quality: the peak signal to noise that the mark of a
    picture keeps, in dB; that of a sound lies so much less 20 dB below it. Lower ones are found in
    smaller pictures and shorter sounds.
    """

    quality: float = Field(40.0, ge=30, le=60)


class Labels(Config):
    """Labels that people see or hear (governance/labels/)."""

    language: Language = "zh"


class Policy(Config):
    """What may leave. `Policy()` allows everything."""

    format: Literal[1] = 1
    name: str = ""
    producer: Producer = Producer()
    licence: str | None = None
    blocked: tuple[Blocked, ...] = ()
    options: tuple[Bound, ...] = ()
    similarity: Similarity | None = None
    watermark: Watermarks | None = None
    credentials: bool = False
    labels: Labels | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Policy:
        """Raises RecipeError, naming every problem, for a file that is missing or is no policy:
        never a policy that does less than is written.
        """
        place = Path(path)
        try:
            text = bounded.read_text(place, "yaml_bytes", RecipeError)
        except RecipeError as error:
            raise RecipeError(
                say("the policy cannot be read: {0}", error.what),
                where=place,
                fix=say("check the path; a policy is a UTF-8 YAML file"),
            ) from error
        raw = bounded.parse_yaml(text, place, say("mend the file"), RecipeError)
        if not isinstance(raw, dict):
            raise RecipeError(
                say("a policy is a mapping of sections"),
                where=place,
                fix=say("docs/provenance.md shows one"),
            )
        blocks = raw.get("blocked")
        for rule in blocks if isinstance(blocks, list) else ():
            if isinstance(rule, dict) and "file" in rule:
                given = rule.get("terms") or []
                rule["terms"] = [
                    *(given if isinstance(given, list) else [given]),
                    *_lines(place.parent / str(rule.pop("file"))),
                ]
        try:
            policy = cls.model_validate(
                {key: value for key, value in raw.items() if value is not None}
            )
        except ValidationError as error:
            problems = [
                say(
                    "{0}: {1}",
                    ".".join(map(str, problem["loc"])),
                    recognised(problem["msg"].lower()),
                )
                for problem in error.errors()
            ]
            raise RecipeError(
                say("the policy has problems:\n  {0}", row("\n  ", problems)),
                where=place,
                fix=say("docs/provenance.md shows one"),
            ) from error
        _ = policy._input, policy._output  # a term that cannot be compared raises now
        return policy

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [
            rule.id
            for rule in (
                *self.blocked,
                *self.options,
                *([self.similarity] if self.similarity else []),
            )
        ]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(say("two rules have the id {0}", twice[0]))
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the policy's content; ledgers name it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @cached_property
    def _input(self) -> Terms:
        return Terms(
            (rule, term) for rule in self.blocked if rule.applies != "output" for term in rule.terms
        )

    @cached_property
    def _output(self) -> Terms:
        return Terms(
            (rule, term) for rule in self.blocked if rule.applies != "input" for term in rule.terms
        )

    def terms(self, side: Side) -> Terms:
        return self._input if side == "input" else self._output

    def text(self, text: str, side: Side) -> Refused | None:
        """Why this text may not pass, or None."""
        terms = self.terms(side)
        rule = terms.find(text) if terms else None
        return None if rule is None else blocked(rule)

    def given(self, options: Mapping[str, Any]) -> Refused | None:
        """Why these options may not be used, or None. An option that is not among them is not
        bounded.
        """
        for rule in self.options:
            if rule.option in options and rule.broken(options[rule.option]):
                value = options[rule.option]
                return rule.refused(say("the option {0} may not be {1!r}", rule.option, value))
        return None


def blocked(rule: Blocked) -> Refused:
    return rule.refused(say("this text has a term that is not allowed"))


def _lines(path: Path) -> list[str]:
    try:
        lines = bounded.read_text(path, "json_bytes", RecipeError).splitlines()
    except RecipeError as error:
        raise RecipeError(
            say("a list of terms cannot be read"),
            where=path,
            fix=say("it is a UTF-8 file beside the policy, one term a line"),
        ) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
