"""Chat with a run: a conversation, cut to the context, as a request for the next reply.

A reply is a sample like any other: a function of the messages, (seed, index) and options. What
leaves is the reply alone; its manifest holds the messages that it answers, so `castalia reproduce`
makes it again. Templates are in modalities/text/chat_template.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.codecs.base import Codec
from castalia.codecs.conversation import Conversation, Message
from castalia.codecs.protocols import chats
from castalia.errors import AbilityError, DataError
from castalia.nn.counter_random import generator
from castalia.nn.decode import complete
from castalia.sampling.generate import Request
from castalia.sentences import plural, say
from castalia.spec import Tokens

# tokens that are kept free for a reply when history is cut, or half of a smaller context
LEAST = 16


def talk_of(messages: Any) -> Conversation:
    """A conversation from one message of the user's (a str), a list of {"role", "content"}, or a
    Conversation. Raises DataError.
    """
    if isinstance(messages, Conversation):
        return messages
    talk = (
        Conversation([Message("user", messages)])
        if isinstance(messages, str)
        else Conversation.of(messages)
    )
    if not talk.messages or talk.messages[-1].role == "assistant":
        raise DataError(
            say("it is the assistant's turn only when somebody else has spoken"),
            "messages",
            say("end with a message of the user"),
        )
    return talk


def chat_spec(codec: Codec[Any]) -> Tokens:
    """The spec of a codec that holds conversations. Raises AbilityError for one that has never seen
    any.
    """
    if not isinstance(codec.spec, Tokens) or not chats(codec):
        raise AbilityError(
            say("this run cannot hold a conversation: it has never seen one"),
            where=say("codec {0}", codec.name),
            fix="castalia train text/chat conversations.jsonl start_from=RUN",
        )
    return codec.spec


def trimmed(codec: Codec[Any], talk: Conversation, reply: int | None = None) -> Conversation:
    """The newest turns that leave room for `reply` tokens (None: LEAST, or half the context). The
    system's messages at the beginning stay; the oldest turns go first, and what remains begins with
    the user. Raises DataError where the last message alone is too long.
    """
    spec = chat_spec(codec)
    room = spec.length + 1 - min(LEAST if reply is None else reply, max(1, spec.length // 2))
    first = next(
        (place for place, turn in enumerate(talk.messages) if turn.role != "system"),
        len(talk.messages),
    )
    system, turns = talk.messages[:first], list(talk.messages[first:])
    while True:
        kept = Conversation([*system, *turns])
        size = len(codec.opening(kept))
        if size <= room:
            return kept
        later = [place for place, turn in enumerate(turns) if place and turn.role == "user"]
        if not later:
            raise DataError(
                say(
                    "the message is too long: with it the conversation has {0}",
                    plural("{0} token", "{0} tokens", size),
                ),
                say("{0} fit the context", room),
                say("say it shorter"),
            )
        turns = turns[later[0] :]


def reply_to(codec: Codec[Any], talk: Conversation, request: Request) -> Request:
    """The request for the next reply, no longer than the context has room for. Raises DataError
    where there is none.
    """
    spec = chat_spec(codec)
    left = spec.length + 1 - len(codec.opening(talk))
    if left < 1:
        raise DataError(
            say(
                "the conversation has {0}, and the context {1}",
                plural("{0} token", "{0} tokens", spec.length + 1 - left),
                spec.length,
            ),
            "messages",
            say("leave the oldest turns out"),
        )
    asked = request.options.length
    return replace(
        request,
        prompt=talk,
        options=replace(request.options, length=left if asked is None else min(asked, left)),
    )


def answered(talk: Conversation, reply: str) -> Conversation:
    return Conversation([*talk.messages, Message("assistant", reply)])


def replies(model: Any, codec: Codec[Any], documents: Iterable[Tensor]) -> list[str]:
    """Encoded conversations up to the assistant's last turn, with the model's reply there; those
    without such a turn are left out.
    """
    asked = []
    for document in documents:
        talk = codec.decode(document)
        if isinstance(talk, Conversation):
            last = max(
                (place for place, turn in enumerate(talk.messages) if turn.role == "assistant"),
                default=len(talk.messages),
            )
            asked.append(Conversation(talk.messages[:last]))
    prompts = [codec.opening(talk).to(model.device) for talk in asked]
    rngs = [generator("sheet", place) for place in range(len(prompts))]
    completions = (
        complete(model, prompts, rngs, SampleOptions(), spec=chat_spec(codec)) if prompts else []
    )
    texts = [codec.decode(torch.tensor(one.tokens, dtype=torch.int64)) for one in completions]
    return [f"{talk}assistant: {reply}" for talk, reply in zip(asked, texts, strict=True)]
