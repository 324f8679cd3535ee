"""Read conversations from rows of tables: the columns that hold turns, and their roles.

Read are, by their columns: lists of turns (`messages` with role and content; `conversations` with
from and value, as ShareGPT has it; `turns`, `dialogue` ...; bare strings take turns, the user
first), and pairs of columns (prompt + completion, instruction (+ input) + output, question + answer
...), with earlier turns in `history`. A cell may hold its list as JSON, as CSV files must. Who may
speak: system, user, assistant, under the names that data give them. Tools do not: a turn that calls
one, or is one, is refused by row and turn.

How a conversation becomes tokens is in modalities/text/chat_template.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from castalia import bounded
from castalia.errors import DataError
from castalia.language import say
from castalia.omissions import Omissions, collected, omit
from castalia.text_files import documents
from castalia.text_files.documents import Document

LISTS = ("messages", "conversations", "conversation", "turns", "dialogue", "dialog", "对话")
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
    ("query", "response"),
    ("input", "output"),
    ("问题", "回答"),
    ("问题", "答案"),
    ("问", "答"),
    ("指令", "输出"),
)
# columns that go on with the first of a pair, behind a blank line
MORE = {"instruction": ("input",), "指令": ("输入",)}
ARROW = "=>"  # codec.field="PROMPT => ANSWER": both are templates
ROLES = ("system", "user", "assistant")
_NAMES = {
    "system": ("system", "developer", "系统"),
    "user": ("user", "human", "usr", "prompter", "customer", "用户"),
    "assistant": ("assistant", "gpt", "bot", "chatgpt", "model", "sys", "agent", "助手"),
}
_ROLE_OF = {name: role for role, names in _NAMES.items() for name in names}
# columns with the turns before a pair: a list of [question, answer], or of turns
HISTORY = ("history", "历史")
_CALLS = ("tool_calls", "function_call", "tool_call_id")  # what a turn has that calls a tool
_WHO, _WHAT = ("role", "from", "speaker"), ("content", "value", "text")


class Message(NamedTuple):
    """One turn. weight: whether the assistant's words are learned from; those of others
    never are.
    """

    role: str
    content: str
    weight: float = 1.0


class Conversation(Document):
    """A native item: a text, "user: ..." and "assistant: ..." line by line, that knows its
    messages.
    """

    __slots__ = ("messages",)
    messages: tuple[Message, ...]

    def __new__(cls, messages: Iterable[Message], encoding: str = "") -> Conversation:
        turns = tuple(messages)
        made = super().__new__(
            cls, "".join(f"{turn.role}: {turn.content}\n" for turn in turns), encoding
        )
        made.messages = turns
        return made

    @classmethod
    def of(cls, messages: Any, where: str = "messages") -> Conversation:
        """From what JSON holds: a list of {"role", "content"}. Raises DataError saying what is
        wrong with it, and where.
        """
        return cls(_turns(messages, where))

    def plain(self) -> list[dict[str, str]]:
        """The messages as JSON."""
        return [{"role": turn.role, "content": turn.content} for turn in self.messages]

    def canonical(self) -> bytes:
        """What is hashed of it."""
        return json.dumps(self.messages, ensure_ascii=False).encode()


def contents(
    path: Path, field: str | None, encoding: str | None, chat: bool | None
) -> tuple[str, Iterator[Conversation]] | None:
    """(encoding and columns, the conversations of a table), decided by its first row; None for what
    is to be read as texts.

    field  a column of turns, or "PROMPT => ANSWER", two templates. chat True: it must be
           conversations; None: where it looks like them.
    Raises DataError naming file and row, and what `documents.rows` raises.
    """
    if chat is False or not documents.is_table(path.name):
        return None
    label, rows = documents.rows(path, encoding)
    with collected() as before:  # a table of texts is read again from its beginning
        first = next(rows, None)
    if first is None:
        return None
    everything = _counted(before, chain([first], rows))
    if field is not None and ARROW in field:
        one, other = (
            documents.template(part.strip(), first[1], path) for part in field.split(ARROW, 1)
        )
        pairs = (
            of_pair(
                documents.filled(one, row),
                documents.filled(other, row),
                f"{path.name}, row {number}",
            )
            for number, row in everything
        )
        return say("{0}, conversations in {1}", label, field), (
            pair for pair in pairs if pair is not None
        )
    columns = (
        recognised(first[1])
        if field is None
        else field
        if isinstance(_unpacked(first[1].get(field)), list)
        else None
    )
    if columns is None or (field is not None and not _has_turns(_unpacked(first[1][field]))):
        if chat and field is None and documents.text_column(first[1]) is None:
            raise DataError(
                say("no column of the table is a conversation: {0}", ", ".join(first[1])),
                path.name,
                say(
                    "name a column of turns with codec.field, or two templates: "
                    "codec.field='\"{{question}} => {{answer}}\"'"
                ),
            )
        return None
    made = (of_row(row, columns, f"{path.name}, row {number}") for number, row in everything)
    return say("{0}, conversations in {1}", label, columns), (
        one for one in made if one is not None
    )


def _counted(
    before: Omissions, rows: Iterable[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows; what was left out before the first of them is counted now."""
    for one in before.listed():
        omit(one.what, one.count, example=one.example, remedy=one.remedy)
    yield from rows


def _has_turns(turns: list[Any]) -> bool:
    """Whether a named column holds turns, not lines of a text."""
    return bool(turns) and isinstance(turns[0], Mapping) and any(who in turns[0] for who in _WHO)


def recognised(row: Mapping[str, Any]) -> str | None:
    """Which columns of a row make it a conversation: the name of a list, or "PROMPT + ANSWER"; None
    where nothing does.
    """
    for name in LISTS:
        if name in row and isinstance(_unpacked(row[name]), list):
            return name
    for one, other in PAIRS:
        if (
            one in row
            and other in row
            and "text" not in row
            and all(isinstance(row[name], str | list | None) for name in (one, other))
        ):
            return f"{one} + {other}"
    return None


def of_row(row: Mapping[str, Any], columns: str, where: str) -> Conversation | None:
    """The conversation in `columns` of a row, as `recognised` named them, or a column of turns;
    None for an empty one.

    Raises DataError for turns that cannot be read and for conversations in which the assistant says
    nothing.
    """
    if " + " in columns and columns not in row:
        one, other = columns.split(" + ")
        turns = _pair(
            row.get(one), row.get(other), [row.get(name) for name in MORE.get(one, ())], where
        )
        earlier = next((row[name] for name in HISTORY if row.get(name)), None)
        turns = (
            [*_earlier(_unpacked(earlier), where), *turns]
            if earlier is not None and turns
            else turns
        )
    else:
        if columns not in row:
            raise DataError(
                say("the row has no column '{0}'", columns),
                where,
                say("columns: {0}", ", ".join(row)),
            )
        turns = _turns(_unpacked(row[columns]), where) if row[columns] not in (None, "") else []
    system = row.get("system")
    if isinstance(system, str) and system.strip() and turns and turns[0].role != "system":
        turns = [Message("system", system), *turns]
    return checked(turns, where)


def checked(turns: Sequence[Message], where: str) -> Conversation | None:
    """None for turns without words, which are counted as left out. Raises DataError where there is
    nothing to learn from.
    """
    if not any(turn.content.strip() for turn in turns):
        omit(
            say("conversations without words"),
            example=where,
            remedy=say("fill them in, or leave them out; nothing is learned from them"),
        )
        return None
    if not any(turn.role == "assistant" for turn in turns):
        raise DataError(
            say("the assistant says nothing in this conversation"),
            where,
            say("leave the row out, or name the column with codec.field"),
        )
    return Conversation(turns)


def of_pair(prompt: str, answer: str, where: str) -> Conversation | None:
    return checked([Message("user", prompt), Message("assistant", answer)], where)


def _pair(prompt: Any, answer: Any, more: Sequence[Any], where: str) -> list[Message]:
    prompt, answer = _unpacked(prompt), _unpacked(answer)
    if isinstance(prompt, list) and isinstance(answer, list):
        return [*_turns(prompt, where), *_turns(answer, where)]
    words = "\n\n".join(
        str(part) for part in (prompt, *more) if isinstance(part, str) and part.strip()
    )
    return [Message("user", _clean(words)), Message("assistant", _clean(_words(answer, where)))]


def _earlier(history: Any, where: str) -> list[Message]:
    """The turns of a column of history: [[question, answer], ...], or turns as anywhere."""
    if (
        isinstance(history, list)
        and history
        and all(isinstance(pair, list) and len(pair) == 2 for pair in history)
    ):
        return [
            turn for pair in history for turn in _pair(pair[0], pair[1], (), f"{where}, history")
        ]
    return _turns(history, f"{where}, history")


def _turns(messages: Any, where: str) -> list[Message]:
    if not isinstance(messages, list | tuple):
        raise DataError(
            say("the turns of a conversation are a list"),
            where,
            say('write {{"messages": [{{"role": "user", "content": "..."}}, ...]}}'),
        )
    names = {
        turn.get(who)
        for turn in messages
        if isinstance(turn, Mapping)
        for who in _WHO
        if isinstance(turn.get(who), str)
    }
    turns = []
    for number, turn in enumerate(messages, 1):
        place = f"{where}, turn {number}"
        if isinstance(turn, str):
            turns.append(Message("assistant" if len(turns) % 2 else "user", _clean(turn)))
            continue
        if not isinstance(turn, Mapping):
            raise DataError(
                say("a turn is an object with role and content"),
                place,
                '{"role": "user", "content": "..."}',
            )
        if any(turn.get(name) for name in _CALLS):
            raise DataError(
                say("the turn calls a tool, and calls of tools are not learned"),
                place,
                say("leave the conversation out, or write the call as text"),
            )
        role = next((turn[who] for who in _WHO if who in turn), None)
        if not isinstance(role, str) or role.lower() not in _ROLE_OF:
            raise DataError(
                say("nobody here is called {0!r}", role),
                place,
                say("roles are {0}; tools have no turn", ", ".join(ROLES)),
            )
        meant = "system" if role == "sys" and "user" in names else _ROLE_OF[role.lower()]
        content = next((turn[what] for what in _WHAT if turn.get(what) is not None), None)
        weight = turn.get("weight", 1)
        if weight not in (0, 1):
            raise DataError(
                say("weight is 0 or 1, not {0!r}", weight),
                place,
                say("0 leaves an answer out of what is learned"),
            )
        turns.append(Message(meant, _clean(_words(content, place)), float(weight)))
    return turns


def _words(content: Any, where: str) -> str:
    """A content as text; OpenAI's list of parts joined."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list) and all(
        isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content
    ):
        return "".join(part["text"] for part in content)
    raise DataError(
        say("a turn holds text and nothing else"),
        where,
        say("leave pictures and calls of tools out"),
    )


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n")


def _unpacked(cell: Any) -> Any:
    """A cell that holds a list as JSON, unpacked."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            return bounded.parse_json(cell)
        except DataError:
            return cell
    return cell
