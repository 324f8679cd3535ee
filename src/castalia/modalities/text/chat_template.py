"""Chat templates: a conversation as tokens, with loss weights on the assistant's words.

`Roles`, for tokenizers of our own: begin, then for each turn a token of its role and the words;
`end` closes what the assistant says. A role token is an id that no text encodes to, so nobody can
write a turn that is not theirs, and words are tokenised turn by turn.

`Jinja`, for tokenizers of others: the template that came with the model, rendered in a sandbox
(bounded/templates.py), as `transformers` does. Where the assistant speaks is found by rendering the
conversation again with marks in place of the words, so any template will do that writes what it is
given (white space at its ends aside); one that changes words is read turn by turn, from prefix to
prefix. Words are tokenised so that "<|im_end|>" in them is ten characters and no token.

Both give what the assistant says, and what ends it, the weight 1, and everything else 0.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from castalia.codecs.conversation import ROLES, Conversation, Message
from castalia.errors import DataError, MissingExtra
from castalia.sentences import say

# names of the role tokens where a format wants names
TOKENS = tuple(f"<|{role}|>" for role in ROLES)


class Coded(NamedTuple):
    """ids (n,) int32 behind `begin`; weight (n,) uint8, 1 on what the assistant says and on what
    ends it.
    """

    ids: np.ndarray
    weight: np.ndarray


class Template(Protocol):
    """How a run writes conversations."""

    @property
    def end(self) -> int | None:
        """The token that ends the assistant's turn; None where there is none. It is the `end` of
        the codec's spec.
        """
        ...

    def code(self, messages: Sequence[Message], *, reply: bool = False) -> Coded:
        """A conversation as tokens. reply: it ends open, where the assistant is to speak; weights
        are then 0. Raises DataError.
        """
        ...


def coded(parts: Sequence[tuple[np.ndarray, bool]]) -> Coded:
    ids = [np.asarray(part, dtype=np.int32) for part, _ in parts]
    weight = [
        np.full(len(part), learned, dtype=np.uint8)
        for part, (_, learned) in zip(ids, parts, strict=True)
    ]
    return Coded(
        np.concatenate([np.zeros(0, np.int32), *ids]),
        np.concatenate([np.zeros(0, np.uint8), *weight]),
    )


# Ours ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Roles:
    """first: id of the token of ROLES[0]; the others follow. words: text to ids."""

    first: int
    end: int
    words: Callable[[str], np.ndarray]

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(self.first + place for place in range(len(ROLES)))

    def code(self, messages: Sequence[Message], *, reply: bool = False) -> Coded:
        parts: list[tuple[np.ndarray, bool]] = []
        for turn in messages:
            speaks = turn.role == "assistant"
            learned = speaks and turn.weight > 0 and not reply
            parts += [
                (np.array([self.first + ROLES.index(turn.role)]), False),
                (self.words(turn.content), learned),
            ]
            parts += [(np.array([self.end]), learned)] if speaks else []
        return coded(
            [*parts, (np.array([self.first + ROLES.index("assistant")]), False)] if reply else parts
        )

    def read(self, ids: Sequence[int], text: Callable[[Sequence[int]], str]) -> Conversation | None:
        """The conversation that tokens hold, whatever they are; None where nobody speaks. text: ids
        to text.
        """
        places = [place for place, token in enumerate(ids) if token in self.tokens]
        if not places:
            return None
        stops = [*places[1:], len(ids)]
        turns = []
        for place, stop in zip(places, stops, strict=True):
            words = list(ids[place + 1 : stop])
            turns.append(
                Message(
                    ROLES[ids[place] - self.first],
                    text(words[: words.index(self.end)] if self.end in words else words),
                )
            )
        return Conversation(turns)

    def jinja(self) -> str:
        """The same as a Jinja template for `transformers`; bos_token is `begin`."""
        end = "<|end|>"
        marks = "".join(
            f"{{%- if m['role'] == '{role}' %}}{{{{ '{name}' }}}}{{%- endif %}}"
            for role, name in zip(ROLES, TOKENS, strict=True)
        )
        words = (
            f"{{{{ m['content'] }}}}{{%- if m['role'] == 'assistant' %}}{{{{ '{end}' }}}}{{%- "
            f"endif %}}"
        )
        return (
            f"{{{{- bos_token }}}}{{%- for m in messages %}}{marks}{words}{{%- endfor %}}{{%- "
            f"if add_generation_prompt %}}{{{{ '{TOKENS[2]}' }}}}{{%- endif %}}"
        )


def _budget(characters: int) -> AbstractContextManager[None]:
    """See bounded/templates.py. Raises MissingExtra."""
    try:
        from castalia.bounded.templates import budget
    except ImportError as error:
        raise MissingExtra("jinja2", "llm", "chat template") from error
    return budget(characters)


# A model's own ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Jinja:
    """source: the template. words: text to ids, names of special tokens read as words. marked: text
    to ids and where in the text each begins, names read as tokens. specials: id -> name. begin: id
    that rows begin with, taken off where the template writes it. named: bos_token and whatever else
    templates ask for.
    """

    source: str
    words: Callable[[str], np.ndarray]
    marked: Callable[[str], tuple[np.ndarray, np.ndarray]]
    specials: dict[int, str]
    begin: int
    named: dict[str, str]

    @cached_property
    def end(self) -> int | None:  # type: ignore[override]
        """The special token that the template writes behind an answer."""
        probe = self.code([Message("user", "a"), Message("assistant", "b")])
        learned = [
            int(token) for token, weight in zip(probe.ids, probe.weight, strict=True) if weight
        ]
        return next((token for token in learned if token in self.specials), None)

    def code(self, messages: Sequence[Message], *, reply: bool = False) -> Coded:
        # for all that has to be rendered
        with _budget(len(self.source) + sum(len(turn.content) for turn in messages)):
            whole = self.render(messages, reply)
            spans = self._spans(messages, whole, reply)
        spoken = [
            span
            for turn, span in zip(messages, spans, strict=True)
            if turn.role == "assistant" and turn.weight > 0 and not reply
        ]
        forged = any(name in turn.content for turn in messages for name in self.specials.values())
        ids, starts = self._apart(whole, spans) if forged else self.marked(whole)
        weight = np.zeros(len(ids), dtype=np.uint8)
        for start, stop in spoken:
            inside = (starts >= start) & (starts < stop)
            behind = np.flatnonzero(starts >= stop)
            close = next((place for place in behind if int(ids[place]) in self.specials), None)
            if close is not None:  # what ends the turn is learned, too
                inside[behind[0] : close + 1] = True
            weight[inside] = 1
        first = int(len(ids) > 0 and ids[0] == self.begin)
        return Coded(ids[first:].astype(np.int32), weight[first:])

    def _apart(self, whole: str, spans: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        """`marked` for words that hold the names of special tokens: these are only names."""
        ids, starts, after = [], [], 0
        for start, stop in [*spans, (len(whole), len(whole))]:
            written, places = self.marked(whole[after:start])
            words = self.words(whole[start:stop])
            ids += [written, words]
            starts += [places + after, np.full(len(words), start)]
            after = stop
        return np.concatenate(ids), np.concatenate(starts)

    def render(self, messages: Sequence[Message], reply: bool) -> str:
        """Raises DataError with the template's own words where it refuses (roles that do not
        alternate, a system message ...).
        """
        characters = len(self.source) + sum(len(turn.content) for turn in messages)
        try:
            with _budget(characters):
                return str(
                    self._compiled.render(
                        messages=[
                            {"role": turn.role, "content": turn.content} for turn in messages
                        ],
                        add_generation_prompt=reply,
                        tools=None,
                        documents=None,
                        **self.named,
                    )
                )
        except MissingExtra:
            raise
        except Exception as error:  # a template may raise whatever Python can
            what = str(error)[:500]
            raise DataError(
                say("the model's chat template refuses: {0}", what),
                "chat template",
                say("change the conversation's turns"),
            ) from error

    @cached_property
    def _compiled(self) -> Any:
        from jinja2.exceptions import TemplateError

        from castalia.bounded.templates import compiled

        def refuse(message: str) -> None:
            raise TemplateError(message)

        filters = {
            "tojson": lambda value, indent=None: json.dumps(
                value, ensure_ascii=False, indent=indent
            )
        }
        names = {  # the same conversation is the same tokens, on any day
            "raise_exception": refuse,
            "strftime_now": lambda form: datetime.date(2024, 1, 1).strftime(form),
        }
        return compiled(
            re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", self.source), filters, names
        )

    def _spans(self, messages: Sequence[Message], whole: str, reply: bool) -> list[tuple[int, int]]:
        """Where in `whole` each turn's words stand."""
        marks = [f"\ue000{place}\ue001" for place in range(len(messages))]
        hidden = self.render(
            [turn._replace(content=mark) for turn, mark in zip(messages, marks, strict=True)], reply
        )
        spans: list[tuple[int, int]] = []
        done = at = 0
        for turn, mark in zip(messages, marks, strict=True):
            place = hidden.find(mark, at)
            if place < 0 or whole[done : done + place - at] != hidden[at:place]:
                return self._grown(messages, whole)
            start = done + place - at
            words = next(
                (
                    words
                    for words in (turn.content, turn.content.strip())
                    if whole.startswith(words, start)
                    and self._fits(whole, start + len(words), hidden, place + len(mark), marks)
                ),
                None,
            )
            if words is None:
                return self._grown(messages, whole)
            done, at = start + len(words), place + len(mark)
            spans.append((start, done))
        return spans if whole[done:] == hidden[at:] else self._grown(messages, whole)

    @staticmethod
    def _fits(whole: str, done: int, hidden: str, at: int, marks: Sequence[str]) -> bool:
        """Whether the template goes on in `whole` as it does in `hidden`, up to the next mark."""
        stops = [place for mark in marks if (place := hidden.find(mark, at)) >= 0]
        return whole.startswith(hidden[at : min(stops, default=len(hidden))], done)

    def _grown(self, messages: Sequence[Message], whole: str) -> list[tuple[int, int]]:
        """The same where a template changes words: an answer is what rendering it adds to the
        question with an open end.
        """
        spans = []
        for place, turn in enumerate(messages):
            if turn.role != "assistant":
                spans.append((spans[-1][1] if spans else 0,) * 2)
                continue
            before, after = (
                self.render(messages[:place], True),
                self.render(messages[: place + 1], False),
            )
            if not (after.startswith(before) and whole.startswith(after.rstrip())):
                raise DataError(
                    say("the model's chat template does not show what the assistant says"),
                    "chat template",
                    say("give it another one"),
                )
            stop = len(after.rstrip())
            ends = [name for name in self.specials.values() if after.rstrip().endswith(name)]
            spans.append((len(before), stop - max(map(len, ends), default=0)))
        return spans
