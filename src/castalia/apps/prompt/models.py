"""Models that answer prompts: a run of Castalia, a Castalia server, a language model elsewhere.

    {run: runs/talks}                                   texts, pictures, music: whatever it makes
    {server: http://localhost:8000, model: talks}       castalia serve; api: chat, text or picture
    {llm: http://localhost:11434/v1, model: qwen3:8b}   any OpenAI-compatible address

What a run is told depends on what it is: one tuned on conversations gets the messages, one of texts
goes on with the prompt, one that was trained on captions gets the prompt as its caption, any other
only the conditions of the prompt's head. What leaves a run passes its gate and stands in its
ledger. Answers depend on the prompt, the settings and the seed alone, as far as a model elsewhere
keeps its word.

Not here: keeping answers (answers.py), judging them (assertions.py).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field, model_validator

from castalia import atomic
from castalia.apps.prompt.template import Rendered, Sampling
from castalia.config import Config
from castalia.errors import AbilityError, DataError, RecipeError, Refused
from castalia.outside_model import Declined, OutsideModel, Unreadable, key_from_environment
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.run import Run

Api = Literal["chat", "text", "picture"]
PATIENCE = 120.0
CASE_ONLY = (400, 413, 422)  # statuses that say something about one question, not about the server


class ModelConfig(Config):
    """One of run, server and llm. name: what pages call it. model: of a server or an llm.
    patience: seconds for one answer of another program. price: of a million tokens that are asked,
    and of a million that are answered; None: not known, of a run nothing.
    """

    run: str = ""
    server: str = ""
    llm: str = ""
    model: str = ""
    name: str = ""
    api: Api = "chat"
    sampling: Sampling = Sampling()
    patience: float = Field(PATIENCE, gt=0, le=86_400)
    price: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one(self) -> ModelConfig:
        if sum(map(bool, (self.run, self.server, self.llm))) != 1:
            raise ValueError(say("a model is one of: run, server, llm"))
        if not self.run and not self.model:
            raise ValueError(say("a server has several models: say which, with `model`"))
        return self

    @property
    def title(self) -> str:
        return self.name or self.model or Path(self.run).name


@dataclass(frozen=True)
class Answer:
    """text: what was answered, "" of an item that is no text. file: the name of the item's file, ""
    for a text. problem: why there is no answer, "" where there is one.
    """

    text: str = ""
    file: str = ""
    seconds: float = 0.0
    tokens_in: int | None = None
    tokens_out: int | None = None
    ended: str = ""
    problem: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON; fields at their defaults are left out."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


class Model(Protocol):
    """name: for pages. identity: all that answers depend on beside prompt, settings and seed.
    outside: another program answers, so several questions may wait for it at once. price: see
    ModelConfig.
    """

    name: str
    identity: str
    outside: bool
    sampling: Sampling
    price: tuple[float, float] | None

    def answer(self, asked: Rendered, seed: int, file: Path) -> Answer:
        """file: where an item that is no text goes, without a suffix. Raises CastaliaError where
        the model cannot be asked at all; what is wrong with one question is the answer's problem.
        """
        ...


def model_of(config: ModelConfig, base: Path, *, trust: bool = False) -> Model:
    """The model that a suite names; paths are relative to `base`. Raises RunError, RecipeError."""
    if not config.run:
        return Elsewhere(config)
    from castalia.run import Run

    near = base / config.run
    opened = Run.open(near if near.exists() else config.run, trust_code=trust)
    return RunModel(opened, config)


class Elsewhere:
    """A model behind an HTTP address."""

    outside = True

    def __init__(self, config: ModelConfig) -> None:
        self.name, self.api, self.sampling = config.title, config.api, config.sampling
        self.price = config.price
        address = config.llm or f"{config.server.rstrip('/')}/v1"
        self.client = OutsideModel(
            address, config.model, key_from_environment(), patience=config.patience
        )
        self.identity = f"{self.api} {self.client.address} {self.client.name}"

    def answer(self, asked: Rendered, seed: int, file: Path) -> Answer:
        try:
            return getattr(self, f"_{self.api}")(asked, seed, file)
        except Declined as error:
            if error.status not in CASE_ONLY:
                raise
            return Answer(problem=error.what)

    def _chat(self, asked: Rendered, seed: int, file: Path) -> Answer:
        settings = asked.sampling
        reply = self.client.chat(
            asked.messages,
            temperature=settings.temperature,
            top_p=settings.top_p,
            most_tokens=settings.length,
            seed=seed,
            stop=settings.stop,
            more=_beyond(settings, asked),
        )
        return Answer(
            reply.text,
            seconds=reply.seconds,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            ended=reply.ended,
        )

    def _text(self, asked: Rendered, seed: int, file: Path) -> Answer:
        settings = asked.sampling
        fields = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.length,
            "stop": list(settings.stop) or None,
            **_beyond(settings, asked),
        }
        document = {
            "model": self.client.name,
            "prompt": asked.text,
            "seed": seed,
            **{name: value for name, value in fields.items() if value is not None},
        }
        first = _first(self.client.post("/completions", document), "choices", self.client.address)
        text = first.get("text")
        if not isinstance(text, str):
            raise Unreadable(say("the answer holds no text"), self.client.address)
        return Answer(text, ended=str(first.get("finish_reason") or ""))

    def _picture(self, asked: Rendered, seed: int, file: Path) -> Answer:
        settings = asked.sampling
        fields = {
            "temperature": settings.temperature,
            "guidance": settings.guidance,
            "steps": settings.steps,
            "cond": asked.cond or None,
        }
        document = {
            "model": self.client.name,
            "prompt": asked.text,
            "n": 1,
            "seed": seed,
            "response_format": "b64_json",
            **{name: value for name, value in fields.items() if value is not None},
        }
        made = self.client.post("/images/generations", document)
        first = _first(made, "data", self.client.address)
        try:
            data = base64.b64decode(first.get("b64_json") or "", validate=True)
        except (binascii.Error, TypeError, ValueError):
            data = b""
        if not data.startswith(b"\x89PNG"):
            raise Unreadable(say("the answer holds no picture"), self.client.address)
        path = file.with_name(f"{file.name}.png")
        atomic.write(path, data)
        return Answer(file=path.name)


def _beyond(settings: Sampling, asked: Rendered) -> dict[str, Any]:
    """Fields that OpenAI's API does not have and Castalia's server, and others, do; only those that
    are asked for.
    """
    fields = {
        "top_k": settings.top_k,
        "min_p": settings.min_p,
        "repetition_penalty": settings.repetition,
        "cond": asked.cond or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _first(document: Any, part: str, where: str) -> Mapping[str, Any]:
    found = document.get(part) if isinstance(document, dict) else None
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        raise Unreadable(
            say("the answer holds no `{0}`", part),
            where,
            say("check that the address is that of an OpenAI-compatible server"),
        )
    return found[0]


class RunModel:
    """A run on this machine; its weights are loaded with the first question."""

    outside = False

    def __init__(self, run: Run, config: ModelConfig) -> None:
        from castalia.governance.release_gate import Gate

        self.run, self.name, self.sampling = run, config.title, config.sampling
        self.price = config.price or (0.0, 0.0)
        self.gate = Gate(run, app="prompt")
        self.identity = f"run {self.gate.origin.model}"
        self._family: Any = None

    def answer(self, asked: Rendered, seed: int, file: Path) -> Answer:
        from castalia.sampling.generate import generate

        try:
            request = self.gate.prepare(self._request(asked, seed))
            if self._family is None:
                self._family = self.gate.model()
            sample = next(iter(generate(self.run, request, model=self._family)))
            return self._released(sample, request, file)
        except (DataError, Refused) as error:  # of this question: too long, or forbidden
            return Answer(problem=error.what)

    def _released(self, sample: Any, request: Any, file: Path) -> Answer:
        from castalia.codecs.conversation import Conversation
        from castalia.sampling.generate import prompt_ids

        codec, facts = self.run.codec, self.gate.facts(sample)
        told = {
            "seconds": sample.seconds,
            "tokens_out": sample.facts.get("tokens"),
            "ended": str(sample.facts.get("ended", "")),
        }
        if not isinstance(sample.item, str):
            path = file.with_name(file.name + codec.suffix)
            self.gate.emit(sample.item, path, facts)
            return Answer(file=path.name, **told)
        text = sample.item
        if not isinstance(request.prompt, Conversation):  # what it wrote, without the prompt
            text = codec.decode(sample.x[len(prompt_ids(codec, request.prompt)) :])
        return Answer(self.gate.emit_text(str(text), facts), **told)

    def _request(self, asked: Rendered, seed: int) -> Any:
        from castalia.codecs.conversation import Conversation
        from castalia.codecs.protocols import Streams, chats
        from castalia.sampling.chat import reply_to, talk_of, trimmed
        from castalia.sampling.generate import caption_name, request_of

        codec, run = self.run.codec, self.run
        settings = {**asked.sampling.given()}
        options = replace(request_of(run).options, **settings)
        request = request_of(run, 1, seed, asked.cond, options)
        if chats(codec):
            talk: Conversation = talk_of(list(asked.messages))
            kept = trimmed(codec, talk, options.length)
            if len(kept.messages) < len(talk.messages):
                raise DataError(
                    say("the prompt does not fit the context of the run"),
                    self.name,
                    say("shorten it, or show fewer examples"),
                )
            return reply_to(codec, kept, request)
        roles = [one["role"] for one in asked.messages]
        if roles and roles != ["user"]:
            raise AbilityError(
                say("this run was never tuned on conversations, so it has no roles"),
                self.name,
                say("write the prompt without [system], [user] and [assistant]"),
            )
        text = asked.text
        if isinstance(codec, Streams):
            return replace(request, prompt=text or None)
        caption = caption_name(run.conditions)
        if caption is not None:
            return replace(request, cond={**request.cond, caption: text})
        if text.strip():
            raise RecipeError(
                say("this run is told no texts"),
                self.name,
                say("leave the body empty, and name its conditions in the head: cond"),
            )
        return request


def chosen(runs: Sequence[str], llm: str, model: str) -> list[ModelConfig]:
    """The models that options of the command line name. Raises RecipeError for a name without an
    address.
    """
    if model and not llm:
        raise RecipeError(
            say("--llm and --model belong together"), "--model", "--llm ADDRESS --model NAME"
        )
    paths = [Path(one).resolve() if Path(one).exists() else one for one in runs]
    found = [
        ModelConfig(run=str(path), name=Path(one).name)
        for path, one in zip(paths, runs, strict=True)
    ]
    return found + ([ModelConfig(llm=llm, model=model)] if model else [])
