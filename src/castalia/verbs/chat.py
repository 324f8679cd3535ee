"""`castalia.chat`: a run's reply to a conversation. `ChatSession` is one that goes on and whose
replies pass the gate, as in the terminal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from castalia import atomic, bounded
from castalia.abilities import SampleOptions
from castalia.codecs.conversation import Conversation, Message
from castalia.errors import DataError, Refused
from castalia.families.base import Family
from castalia.governance.labels.wording import line
from castalia.governance.release_gate import Gate, request_facts
from castalia.run import Run
from castalia.sampling.chat import chat_spec, reply_to, talk_of, trimmed
from castalia.sampling.generate import Request, Sample, generate, request_of, stream
from castalia.sentences import say


def chat(
    run: str | os.PathLike[str] | Run,
    messages: Any,
    *,
    seed: int = 0,
    options: SampleOptions | None = None,
    constraint: str | None = None,
    model: Family | None = None,
) -> Sample:
    """The reply to a conversation, a str (of the user) or a list of {"role", "content"}; `item` is
    its text. The oldest turns are left out where they do not fit the context. Raises AbilityError
    for a run that was never tuned on conversations.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    request = replace(request_of(run, 1, seed, None, options), constraint=constraint)
    talk = trimmed(run.codec, talk_of(messages), request.options.length)
    return next(iter(generate(run, reply_to(run.codec, talk, request), model=model)))


@dataclass
class ChatSession:
    """A conversation that goes on, under a gate: what was said so far, and the next reply. It keeps
    the manifests of the replies. Raises AbilityError for a run that was never tuned on
    conversations.
    """

    gate: Gate
    model: Family
    request: Request
    messages: list[Message] = field(default_factory=list)
    manifests: list[dict[str, Any]] = field(default_factory=list)
    dropped: int = 0  # messages that did not fit the context of the last reply

    def __post_init__(self) -> None:
        chat_spec(self.gate.codec)

    def tell(self, system: str) -> None:
        """Replaces the system's message. Raises Refused."""
        self.gate.prepare_text(system)
        self.messages = [
            Message("system", system),
            *(turn for turn in self.messages if turn.role != "system"),
        ]

    def reset(self) -> None:
        self.messages, self.manifests = (
            [turn for turn in self.messages if turn.role == "system"],
            [],
        )

    def asked(self, words: str) -> Request:
        """The request for a reply to `words`, which are not part of the conversation yet. Raises
        Refused, DataError.
        """
        if not words.strip():
            raise DataError(say("there is nothing to reply to"), "message", say("say something"))
        whole = Conversation([*self.messages, Message("user", words)])
        kept = trimmed(self.gate.codec, whole, self.request.options.length)
        self.dropped = len(whole.messages) - len(kept.messages)
        request = replace(self.request, first=self.request.first + len(self.manifests))
        return self.gate.prepare(reply_to(self.gate.codec, kept, request))

    def reply(self, words: str) -> Iterator[str]:
        """The reply as it comes, under the policy. What was said is remembered, also of a reply
        that is stopped (closing the iterator).
        """
        request = self.asked(words)
        if self.gate.policy.similarity is not None:  # checked on whole replies
            yield self.whole(words, request)
            return
        screen = self.gate.screen(plain=request.constraint is not None)
        reply_text, refused = "", False
        try:
            for piece in stream(self.gate.run, request, model=self.model):
                let = screen.push(piece)
                reply_text += let
                yield let
            rest = screen.finish()
            reply_text += rest
            yield rest
        except Refused:
            refused = True
            raise
        finally:
            facts = self.gate.facts_of(**request_facts(request))
            self.gate.close(screen, facts)
            if not refused:
                # the model goes on with what it said itself
                self._remember(words, reply_text.removeprefix(screen.label), facts)

    def whole(self, words: str, request: Request) -> str:
        """The same in one piece."""
        sample = next(iter(generate(self.gate.run, request, model=self.model)))
        facts = self.gate.facts(sample)
        self.gate.emit_bytes(sample.item, facts)
        self._remember(words, sample.item, facts)
        return self._label(request) + str(sample.item)

    def _label(self, request: Request) -> str:
        labels = self.gate.policy.labels
        return "" if labels is None or request.constraint is not None else line(labels.language)

    def conversation(self) -> Conversation:
        return Conversation(self.messages)

    def save(self, path: Path) -> None:
        """As a row of conversations that can be trained on, with the manifests of the replies; or
        as a text.
        """
        talk = self.conversation()
        try:
            if path.suffix == ".jsonl":
                before = bounded.read_text(path, "json_bytes") if path.exists() else ""
                row = {"messages": talk.plain(), "castalia": self.manifests}
                atomic.write(path, before + json.dumps(row, ensure_ascii=False) + "\n")
            elif path.exists():
                raise DataError(
                    say("there is already a file of this name"),
                    path,
                    say("another name, or .jsonl, which takes more"),
                )
            else:
                atomic.write(path, str(talk))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                say("the file cannot be written: {0}", error), path, say("another place")
            ) from error

    def _remember(self, words: str, reply: str, facts: dict[str, Any]) -> None:
        self.messages += [Message("user", words), Message("assistant", reply)]
        self.manifests.append(facts)
