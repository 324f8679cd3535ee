"""The text codec: plain and Markdown files, source code and tables (JSONL, CSV, TSV, Parquet), in
any language.

An item is a `str`: what `read` gives is a `Document`, a str that knows how its file was encoded.
Encodings are found in text_files/encodings.py, documents in text_files/documents.py, tokens in
modalities/text/tokenizers.py; modalities/text/utf8_grammar.py keeps what is sampled well-formed.

`decode(encode(text)) == text` for any text with the tokenizers of our own. Two things are changed
on the way: CRLF becomes LF when a file is read, and a lone surrogate (half a character, which no
file can hold) is refused. The manifest of a written text `a.txt` is `a.json` beside it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field, field_validator
from torch import Tensor

from castalia import atomic
from castalia.codecs import conversation
from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.codecs.conversation import ROLES, Conversation
from castalia.constraints import parse
from castalia.constraints.budget import Budget
from castalia.constraints.token_grammar import Vocabulary
from castalia.errors import DataError, SpecError
from castalia.modalities.text import chat_template as chat
from castalia.modalities.text import python_units
from castalia.modalities.text.chat_template import Coded, Jinja, Roles, Template
from castalia.modalities.text.drawing import text_page
from castalia.modalities.text.fill_middle import rearranged
from castalia.modalities.text.tokenizers import (
    Characters,
    Foreign,
    Specials,
    Tokenizer,
    learn_alphabet,
    learn_merges,
    load_foreign,
    restored,
)
from castalia.modalities.text.utf8_grammar import Utf8Grammar
from castalia.sentences import say
from castalia.spec import Grammar, Tokens
from castalia.text_files import documents, encodings
from castalia.text_files.documents import Document

_LARGEST_UINT16 = 1 << 16
# items that are checked for conversations, where nothing else is learned from them
BEGINNING = 256
_VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})
# written without spaces, a character is a piece
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE = re.compile(rf"\s*(?:[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s])(?:\s+\Z)?|\A\s+\Z")


class TextConfig(CodecConfig):
    """Settings of `TextCodec`.

    tokenizer    "char": a token for each character of the training texts. "byte": UTF-8. "bpe":
                 byte-pair encoding, learned. Else the path of a Hugging Face tokenizer.json.
    vocab        size of the learned byte-pair vocabulary; smaller when the texts do not give so
                 many merges.
    length       context: most tokens that are coded in one row.
    document     "auto": a file up to 16 KiB is a document, a larger one is cut into some 32 pieces
                 of 1 to 16 KiB, or more of 16 KiB, at blank lines (else line ends). "file": whole
                 whatever its size. "paragraph": between blank lines. "line": each line; both also
                 within a row of a table. "unit": each function and class of a file of Python.
    field        for tables: the column that holds the text, or a template such as
                 "{title}\\n{lines}". None: the column text, content or lines, else the only one
                 with text.
    unknown      char: characters that the training texts do not have are spelled in "bytes", or are
                 an "error".
    close        documents end with a token of their own. False: streams that only break off.
    encoding     of the files, by Python's name. None: found by itself.
    parses       "python": what is no Python (ast.parse) does not leave, and is drawn again up to
                 `tries` times. "": texts are not judged.
    fill_middle  adds three tokens that mark prefix, suffix and middle.
    chat         tables of conversations (codecs/conversation.py) are learned with a token for each
                 role, the assistant's words alone. None: where a table looks like one. true: the
                 tokens are there whatever the data are. false: rows are texts. Then `field` is a
                 column of turns, or "{question} => {answer}".
    """

    tokenizer: str = "char"
    vocab: int = Field(default=4096, ge=300, le=1 << 20)
    length: int = Field(default=256, ge=1, le=1 << 20)
    document: Literal["auto", "file", "paragraph", "line", "unit"] = "auto"
    field: str | None = None
    unknown: Literal["bytes", "error"] = "bytes"
    close: bool = True
    encoding: str | None = None
    parses: Literal["", "python"] = ""
    tries: int = Field(default=64, ge=1, le=100_000)
    fill_middle: bool = False
    chat: bool | None = None

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and not encodings.is_known(name):
            raise ValueError(
                say(
                    "'{0}' is not an encoding; for example utf-8, utf-16, gb18030, big5, "
                    "shift_jis, latin-1",
                    name,
                )
            )
        return name

    @field_validator("field")
    @classmethod
    def _line_ends(cls, template: str | None) -> str | None:
        # as a command line hands it over
        return None if template is None else template.replace("\\n", "\n")


class TextCodec(Codec[str]):
    """Texts to token ids (n,), uint16 up to 65,536 of them, else int32; spec Tokens(length, vocab,
    begin, end, grammar).
    """

    name = "text"
    native = str
    extensions: ClassVar[tuple[str, ...]] = documents.EXTENSIONS
    few: ClassVar[str] = say("codec.document=paragraph or line makes more of one file")
    adjustable: ClassVar[frozenset[str]] = frozenset(
        {"document", "field", "encoding", "length", "chat"}
    )
    sidecar: ClassVar[str] = ".json"
    Config = TextConfig

    def __init__(self, config: TextConfig | None = None) -> None:
        super().__init__(config or TextConfig())
        self._tokenizer: Tokenizer | None = None
        self._spec: Tokens | None = None
        self._talks = False
        self._template: Template | None = None
        if self.config.tokenizer == "byte":
            self._adopt(Characters(self._specials, ""))

    # Files to items -------------------------------------------------------------------------------

    @staticmethod
    def typed(text: str) -> str:
        """A text stands for itself."""
        return text

    @classmethod
    def claims(cls, name: str) -> bool:
        return documents.claims(name)

    @classmethod
    def weight(cls, path: Path) -> int:
        return max(1, path.stat().st_size // documents.PIECE)

    def is_container(self, path: Path) -> bool:
        """Always: what is hashed are texts, so the same text in two encodings is one item."""
        return True

    def contents(self, path: Path) -> Iterator[bytes]:
        talks = self._conversations(path)
        return self._contents(path)[1] if talks is None else (one.canonical() for one in talks[1])

    def read(self, path: Path) -> Iterator[Document]:
        talks = self._conversations(path)
        if talks is not None:
            label, conversations = talks
            yield from (Conversation(one.messages, label) for one in conversations)
            return
        label, parts = self._contents(path)
        for part in parts:
            yield Document(part.decode(), label)

    def _contents(self, path: Path) -> tuple[str, Iterator[bytes]]:
        document = self.config.document
        if document != "unit":
            return documents.contents(path, document, self.config.field, self.config.encoding)
        label, whole = documents.contents(path, "file", self.config.field, self.config.encoding)
        return label, (
            unit.encode() for text in whole for unit in python_units.units(text.decode(), path.name)
        )

    def _conversations(self, path: Path) -> tuple[str, Iterator[Conversation]] | None:
        return conversation.contents(
            path, self.config.field, self.config.encoding, self.config.chat
        )

    def describe(self, item: str) -> str:
        """The encoding of the file, e.g. "GB18030"."""
        return item.encoding if isinstance(item, Document) else ""

    # Items to tensors -----------------------------------------------------------------------------

    def fit(self, items: Iterable[str]) -> None:
        """Learns the alphabet (char) or the merges (bpe), or loads the tokenizer.json. Raises
        DataError when there is no text.
        """
        seen = _Watch(items)
        items = map(_spoken, seen)
        match self.config.tokenizer:
            case "byte":
                made: Tokenizer = Characters(self._specials, "")
                empty = False
                any(not one for one in islice(items, BEGINNING))  # checks for conversations
            case "char":
                alphabet = learn_alphabet(map(_whole, items))
                made = Characters(self._specials, alphabet, self.config.unknown == "bytes")
                empty = not alphabet
            case "bpe":
                made = learn_merges(map(_whole, items), self.config.vocab, self._specials)
                empty = not seen.writes
            case path:
                made, empty = load_foreign(path, self.config.close, self.config.fill_middle), False
                any(not one for one in islice(items, BEGINNING))
        if empty:
            raise DataError(
                say("there is no text to learn the vocabulary from"),
                "codec.tokenizer",
                say("add texts, or use codec.tokenizer=byte"),
            )
        self._talks = bool(self.config.chat) or (self.config.chat is None and seen.speaks)
        self._adopt(made)

    def extend(self, items: Iterable[str]) -> None:
        """Where the items are conversations and the run has not seen any: adds the tokens of the
        roles behind all others, or takes the tokenizer's own template.
        """
        speaks = self.config.chat or (
            self.config.chat is None
            and any(isinstance(item, Conversation) for item in islice(items, BEGINNING))
        )
        if speaks and not self.chats:
            self._talks = True
            self._adopt(self.tokenizer)

    def _adopt(self, tokenizer: Tokenizer) -> None:
        specials, self._tokenizer, self._template = tokenizer.specials, tokenizer, None
        if self._talks and isinstance(tokenizer, Foreign) and tokenizer.template is not None:
            named, begin = tokenizer.named, specials.begin
            own = Jinja(
                tokenizer.template,
                self._words,
                tokenizer.encode_marked,
                named,
                begin,
                tokenizer.names,
            )
            if own.end is not None:  # what ends an answer ends a text
                specials = tokenizer.specials = replace(specials, end=own.end)
            self._template = own
        elif self._talks:
            if specials.end is None:
                raise SpecError(
                    say("what the assistant says has an end, and this codec has no token for it"),
                    "codec.close=false",
                    say("leave it out"),
                )
            self._template = Roles(len(tokenizer.token_bytes), specials.end, self._words)
        self._silent = frozenset(getattr(tokenizer, "silent", ()))
        self._vocabularies: tuple[Vocabulary, ...] = ()
        self._token_bytes = tokenizer.token_bytes + [b""] * (
            len(ROLES) if isinstance(self._template, Roles) else 0
        )
        grammar = Utf8Grammar(self._token_bytes, specials.end, sorted(self._silent))
        self._spec = Tokens(
            self.config.length, len(self._token_bytes), specials.begin, specials.end, grammar
        )

    def _words(self, text: str) -> np.ndarray:
        return self.tokenizer.encode(_whole(text))

    @property
    def _specials(self) -> Specials:
        return Specials.first(self.config.close, self.config.fill_middle)

    @property
    def tokenizer(self) -> Tokenizer:
        """Raises SpecError before `fit`."""
        if self._tokenizer is None:
            raise _unfitted()
        return self._tokenizer

    @property
    def spec(self) -> Tokens:
        if self._spec is None:
            raise _unfitted()
        return self._spec

    @property
    def token_bytes(self) -> list[bytes]:
        """What each token writes, index = id; b"" for `begin`, `end` and other specials."""
        if self._tokenizer is None:
            raise _unfitted()
        return self._token_bytes

    @property
    def silent(self) -> list[int]:
        """Tokens that training never showed."""
        return sorted(self._silent)

    # Conversations

    @property
    def chats(self) -> bool:
        """Whether the run can hold a conversation."""
        return self._template is not None

    @property
    def template(self) -> Template | None:
        """How conversations are written; None where the run has never seen one."""
        return self._template

    @property
    def renders(self) -> bool:
        """Whether conversations pass the template of a language model of others."""
        return isinstance(self._template, Jinja)

    @property
    def weighs(self) -> bool:
        return self.chats

    def weigh(self, item: str) -> Tensor | None:
        """Of a conversation, 1 on what the assistant says and on what ends it; of any other text, 1
        everywhere.
        """
        if isinstance(item, Conversation):
            return torch.from_numpy(
                np.concatenate([np.zeros(1, np.uint8), self._coded(item).weight])
            )
        return torch.ones(len(self.encode(item)), dtype=torch.uint8)

    def opening(self, prompt: str) -> Tensor:
        """Of a conversation: up to where the assistant is to speak."""
        if isinstance(prompt, Conversation):
            return torch.from_numpy(self._row(self._coded(prompt, reply=True).ids)).long()
        return super().opening(prompt)

    def _coded(self, item: Conversation, *, reply: bool = False) -> Coded:
        if self.template is None:
            raise DataError(
                say("this run has never seen a conversation"),
                "codec.chat",
                say("train with text/chat, start_from=RUN, on conversations"),
            )
        return self.template.code(item.messages, reply=reply)

    def _row(self, ids: np.ndarray, *, end: int | None = None) -> np.ndarray:
        row = np.empty(
            len(ids) + (1 if end is None else 2),
            dtype=np.uint16 if self.spec.vocab <= _LARGEST_UINT16 else np.int32,
        )
        row[0], row[1 : 1 + len(ids)] = self.spec.begin, ids
        if end is not None:
            row[-1] = end
        return row

    @property
    def chat_template(self) -> str | None:
        """As Jinja: the one by which a language model of others was taught to talk, or the same as
        the role tokens; None where there is none.
        """
        return (
            self._template.jinja()
            if isinstance(self._template, Roles)
            else getattr(self.tokenizer, "template", None)
        )

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        return {"fill_middle": self._rearranged} if self.config.fill_middle else {}

    def _rearranged(self, x: Tensor, rng: torch.Generator) -> Tensor:
        if self.middle is None:
            raise SpecError(
                say("this tokenizer has no marks for the middle"),
                "codec.fill_middle",
                say("use a tokenizer of ours, or leave it out"),
            )
        return rearranged(x, rng, begin=self.spec.begin, end=self.spec.end, marks=self.middle)

    @property
    def default_augmentations(self) -> tuple[str, ...]:
        return ("fill_middle",) if self.config.fill_middle else ()

    @property
    def middle(self) -> tuple[int, int, int] | None:
        """Ids of the marks (prefix, suffix, middle); None without config.fill_middle."""
        return self.tokenizer.specials.middle

    def encode(self, item: str) -> Tensor:
        """(n,): `begin`, the text, and `end` when documents close. A conversation as the template
        writes it.

        Raises DataError for a lone surrogate, for a conversation where there is no template, and
        see config.unknown.
        """
        if isinstance(item, Conversation):
            return torch.from_numpy(self._row(self._coded(item).ids))
        return torch.from_numpy(self._row(self.tokenizer.encode(_whole(item)), end=self.spec.end))

    def decode(self, x: Tensor) -> str:
        """(n,) ids to text. Specials write nothing, bytes that are not UTF-8 become U+FFFD, half a
        character at the end is dropped.
        """
        given = x.detach().cpu().flatten()
        ids: list[int] = (
            (torch.nan_to_num(given, -1) if given.is_floating_point() else given).long().tolist()
        )
        if isinstance(self.template, Roles):
            conversation = self.template.read(ids, lambda words: Streamer(self).extend(list(words)))
            if conversation is not None:
                return conversation
        return Streamer(self).extend(ids)

    # What may leave -------------------------------------------------------------------------------

    @property
    def vets(self) -> bool:
        """codecs.protocols.Vets."""
        return bool(self.config.parses)

    @property
    def tries(self) -> int:
        return int(self.config.tries)

    def flaw(self, item: str, asked: Mapping[str, str], constraint: str | None) -> str:
        """Why a text is no Python."""
        return python_units.flaw(item)

    def mended(self, item: str) -> str:
        """Code is not mended: what it should say nobody knows."""
        return item

    def proof(self, item: str) -> dict[str, Any]:
        return {"parses": self.config.parses}

    # Items to files -------------------------------------------------------------------------------

    def write(self, item: str, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """UTF-8 with LF; the manifest in a JSON file of the same name beside it."""
        if manifest is not None:
            atomic.write_json(path.with_suffix(self.sidecar), manifest)
        path.write_bytes(item.encode(errors="replace"))

    @property
    def suffix(self) -> str:
        return ".txt"

    def preview(self, items: list[str]) -> PIL.Image.Image:
        """The beginnings of the texts on one page; see modalities/text/drawing.py for characters
        without a font.
        """
        return text_page(items)

    def units(self, item: str) -> dict[str, int]:
        """Of a conversation, of what is learned: likelihoods count nothing else."""
        if isinstance(item, Conversation):
            item = "".join(
                turn.content for turn in item.messages if turn.role == "assistant" and turn.weight
            )
        return {"byte": len(item.encode(errors="replace")), "character": len(item)}

    def constrain(self, constraint: str, budget: Budget | None = None) -> Grammar:
        """See constraints/parse.py: "regex:...", "json:...", "verse:7x4+rhyme". Bytes that the
        model never saw are used only where the constraint cannot be met without them.
        """
        if not self._vocabularies:
            seen = [
                b"" if token in self._silent else raw for token, raw in enumerate(self.token_bytes)
            ]
            choices = (seen, self.token_bytes) if self._silent else (self.token_bytes,)
            self._vocabularies = tuple(Vocabulary(tokens, self.spec.end) for tokens in choices)
        return parse.grammar(constraint, *self._vocabularies, budget=budget)

    def labels(self, ids: Tensor) -> list[str]:
        """What each token (n,) writes, with blanks that can be seen: ␣ ↵ ⇥. Parts of characters are
        ⟨E5⟩, specials ⟨begin⟩.
        """
        return [
            _label(self.token_bytes[number]) or self._special(number) for number in ids.tolist()
        ]

    def _special(self, number: int) -> str:
        named = {self.spec.begin: "⟨begin⟩", self.spec.end: "⟨end⟩"}
        if isinstance(self.template, Roles):
            named |= {
                token: f"⟨{role}⟩" for token, role in zip(self.template.tokens, ROLES, strict=True)
            }
        return named.get(number, "⟨mark⟩")

    def streamer(self) -> Streamer:
        return Streamer(self)

    def stopper(self, stop: Sequence[str]) -> Callable[[list[int]], int | None]:
        """Keeps the tokens before the one in which a stop string begins; a token that holds both
        text and the beginning is cut off.
        """
        wanted = [text.encode() for text in stop if text]
        longest = max(map(len, wanted), default=0)
        token_bytes = self.token_bytes

        def stopped(tokens: list[int]) -> int | None:
            tail, first = b"", len(tokens)
            while first > 0 and len(tail) < longest + len(token_bytes[tokens[-1]]):
                first -= 1
                tail = token_bytes[tokens[first]] + tail
            places = [place for text in wanted if (place := tail.find(text)) >= 0]
            if not places:
                return None
            while first < len(tokens) and min(places) >= len(token_bytes[tokens[first]]):
                places = [place - len(token_bytes[tokens[first]]) for place in places]
                first += 1
            return first

        return stopped

    def pieces(self, item: str) -> list[str]:
        """Words, single Chinese or Japanese characters, single signs; each with the white space
        before it.
        """
        return _PIECE.findall(item)

    def to_json(self) -> str:
        """The tokenizer as a Hugging Face tokenizer.json, with the same ids."""
        written = self.tokenizer.to_json()
        if not isinstance(self.template, Roles):
            return written
        import tokenizers

        made = tokenizers.Tokenizer.from_str(written)
        made.add_special_tokens(
            [tokenizers.AddedToken(name, special=True, normalized=False) for name in chat.TOKENS]
        )
        return str(made.to_str())

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {**self.tokenizer.state(), **({"talks": True} if self._talks else {})}, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        tokenizer = restored(state, self.config.close, self.config.fill_middle)
        self._talks = bool(state.get("talks"))
        self._adopt(tokenizer)
        return self


class Streamer:
    """Tokens to text as they come, whole characters only. All pieces together are `codec.decode` of
    all tokens.
    """

    def __init__(self, codec: TextCodec) -> None:
        self._bytes, self._end = codec.token_bytes, codec.spec.end
        self._lead = codec.tokenizer.lead  # what still has to be taken off
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False

    def push(self, token: int) -> str:
        """The characters that this token completes; "" while one is open, and after `end`."""
        return self.extend([token])

    def extend(self, tokens: list[int]) -> str:
        """`push` of several."""
        if self._end is not None and self._end in tokens:
            tokens, ends = tokens[: tokens.index(self._end)], True
        else:
            ends = False
        known = len(self._bytes)
        raw = (
            b""
            if self._ended
            else b"".join([self._bytes[token] for token in tokens if 0 <= token < known])
        )
        self._ended = self._ended or ends
        if raw and self._lead:
            raw, self._lead = raw.removeprefix(self._lead), b""
        return self._decoder.decode(raw)

    def finish(self) -> str:
        """Ends the text: half a character is dropped, so this is always ""."""
        self._decoder.reset()
        self._ended = True
        return ""


class _Watch:
    """Items as they pass; whether one of them was a conversation, and whether one had a
    character.
    """

    def __init__(self, items: Iterable[str]) -> None:
        self._items, self.speaks, self.writes = items, False, False

    def __iter__(self) -> Iterator[str]:
        for item in self._items:
            self.speaks = self.speaks or isinstance(item, Conversation)
            self.writes = self.writes or bool(item)
            yield item


def _spoken(item: str) -> str:
    """The words of a conversation, without the roles."""
    return (
        "\n".join(turn.content for turn in item.messages)
        if isinstance(item, Conversation)
        else item
    )


def _unfitted() -> SpecError:
    return SpecError(
        say("the text codec does not know its vocabulary yet"),
        "codec.tokenizer",
        say("call fit(items) first"),
    )


def _label(written: bytes) -> str:
    try:
        text = written.decode()
    except UnicodeDecodeError:
        return f"⟨{written.hex(' ').upper()}⟩"
    return "".join(
        character if character.isprintable() else f"U+{ord(character):04X}"
        for character in text.translate(_VISIBLE)
    )


def _whole(text: str) -> str:
    """The text itself. Raises DataError for a lone surrogate, naming it and its place."""
    try:
        text.encode("utf-16-le")
    except UnicodeEncodeError as error:
        raise DataError(
            say(
                "the text holds half a character: the lone surrogate U+{0:04X}",
                ord(text[error.start]),
            ),
            say("character {0}", error.start),
            say("mend the text; no file can hold it"),
        ) from error
    return text
