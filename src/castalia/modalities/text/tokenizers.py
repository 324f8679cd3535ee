"""Tokenizers: bytes, characters, byte-pair encoding, and tokenizers of pretrained models.

Ours share one layout: `begin`, `end`, the marks of fill-in-the-middle, 256 bytes, then characters
of two bytes and more, then merges of whole characters. A byte below 128 is its ASCII character, so
that no text has two spellings there, and bytes above 127 spell only characters that have no token.
Byte-pair encoding (Gage 1994; Sennrich, Haddow and Birch 2016, arXiv:1508.07909) merges characters,
never parts of them: no token ends inside a character unless it is a single byte.

The Rust library `tokenizers` trains and applies merges; it is imported when it is used. Decoding is
joining `token_bytes` (modalities/text/codec.py).
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field, TypeAdapter, field_validator

from castalia import bounded
from castalia.config import State
from castalia.errors import DataError
from castalia.sentences import say

BEGIN, END, MIDDLE = "<|begin|>", "<|end|>", ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_UNICODE = 0x110000
_SAMPLE = 32 << 20  # characters that byte-pair encoding learns from
# merges stay within these: after GPT-2, one digit at a time
_WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"
_BYTE_NAME = re.compile(r"<0x([0-9A-F]{2})>")
_BEGINS = (BEGIN, "<|begin_of_text|>", "<|startoftext|>", "<s>", "<bos>", "[BOS]", "[CLS]")
_ENDS = (END, "<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>", "[EOS]", "[SEP]")


@dataclass(frozen=True)
class Specials:
    """Ids of tokens that are not text."""

    begin: int
    end: int | None
    middle: tuple[int, int, int] | None
    count: int  # how many there are, for the layout of ours

    @classmethod
    def first(cls, close: bool, fill_middle: bool) -> Specials:
        """begin = 0, then `end` and the three marks where they are wanted."""
        numbers = itertools.count(1)
        end = next(numbers) if close else None
        middle = (next(numbers), next(numbers), next(numbers)) if fill_middle else None
        return cls(0, end, middle, next(numbers))

    def names(self) -> list[str]:
        return [
            BEGIN,
            *([END] if self.end is not None else []),
            *(MIDDLE if self.middle is not None else []),
        ]


class Tokenizer(Protocol):
    """specials: their ids. token_bytes: index = id; b"" for specials. lead: what encoding puts
    before a text and decoding takes off.
    """

    specials: Specials
    token_bytes: list[bytes]
    lead: bytes

    def encode(self, text: str) -> np.ndarray:
        """(n,) integers, without begin and end. `text` has no lone surrogates."""
        ...

    def state(self) -> dict[str, Any]:
        """JSON from which `restored` makes it again."""
        ...

    def to_json(self) -> str:
        """As a Hugging Face tokenizer.json."""
        ...


# Bytes and characters -----------------------------------------------------------------------------


@dataclass
class Characters:
    """Every character of `alphabet` is a token; others are spelled in bytes, or refused when
    `spell` is False. No alphabet: bytes alone.

    `alphabet` is sorted; with `spell` its ASCII characters are the byte tokens.
    """

    specials: Specials
    alphabet: str
    spell: bool = True
    lead: bytes = b""

    @cached_property
    def own(self) -> str:
        """The characters that have tokens after the bytes."""
        return (
            "".join(character for character in self.alphabet if ord(character) > 127)
            if self.spell
            else self.alphabet
        )

    @cached_property
    def token_bytes(self) -> list[bytes]:  # type: ignore[override]
        spelled = [bytes([byte]) for byte in range(256)] if self.spell else []
        return (
            [b""] * self.specials.count + spelled + [character.encode() for character in self.own]
        )

    @property
    def silent(self) -> list[int]:
        """Bytes that no training text has: they can be read, but a model has never seen them, so it
        should not write them.
        """
        if not (self.spell and self.alphabet):
            return []
        return [
            byte + self.specials.count
            for byte in range(256)
            if byte > 127 or chr(byte) not in self.alphabet
        ]

    @cached_property
    def _table(self) -> np.ndarray:
        """(0x110000,) int32: code point -> id, -1 where there is none."""
        table = np.full(_UNICODE, -1, dtype=np.int32)
        if self.spell:
            table[:128] = np.arange(128) + self.specials.count
        table[_points(self.own)] = (
            np.arange(len(self.own)) + self.specials.count + (256 if self.spell else 0)
        )
        return table

    def encode(self, text: str) -> np.ndarray:
        first = self.specials.count
        if self.spell and not self.own:
            return np.frombuffer(text.encode(), np.uint8).astype(np.int32) + first
        points = _points(text)
        ids = self._table[points]
        unknown = ids < 0
        if not unknown.any():
            return ids
        strangers = points[unknown]
        if not self.spell:
            stranger = chr(strangers[0])
            raise DataError(
                say(
                    "the character '{0}' (U+{1:04X}) does not occur in the training texts",
                    stranger,
                    ord(stranger),
                ),
                "codec.unknown=error",
                say("leave it out, or train with codec.unknown=bytes"),
            )
        length = np.ones(len(ids), dtype=np.int64)
        length[unknown] = 2 + (strangers >= 0x800).astype(np.int64) + (strangers >= 0x10000)
        spelled = np.repeat(ids, length)
        spelled[np.repeat(unknown, length)] = np.frombuffer(
            strangers.tobytes().decode("utf-32-le").encode(), np.uint8
        ) + np.int32(first)
        return spelled

    def state(self) -> dict[str, Any]:
        return {"kind": "characters", "alphabet": self.alphabet, "spell": self.spell}

    def to_json(self) -> str:
        return _library(self.specials, self.own, [], self.spell, r"[\s\S]").to_str()


def learn_alphabet(texts: Iterable[str]) -> str:
    """The characters that occur, in the order of their code points."""
    seen = np.zeros(_UNICODE, dtype=bool)
    for text in texts:
        seen[_points(text)] = True
    return np.flatnonzero(seen).astype("<u4").tobytes().decode("utf-32-le")


def _points(text: str) -> np.ndarray:
    """(n,) uint32 code points."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


# Byte-pair encoding -------------------------------------------------------------------------------


@dataclass
class Merges:
    """Byte-pair encoding over whole characters; what has no token is spelled in bytes."""

    specials: Specials
    alphabet: str  # characters of two bytes and more, sorted
    merges: list[tuple[str, str]]
    lead: bytes = b""

    @cached_property
    def token_bytes(self) -> list[bytes]:  # type: ignore[override]
        whole = [*self.alphabet, *(left + right for left, right in self.merges)]
        return (
            [b""] * self.specials.count
            + [bytes([byte]) for byte in range(256)]
            + [token.encode() for token in whole]
        )

    @cached_property
    def _library(self) -> Any:
        return _library(self.specials, self.alphabet, self.merges, True, _WORDS)

    def encode(self, text: str) -> np.ndarray:
        return np.array(
            self._library.encode_batch_fast([text], add_special_tokens=False)[0].ids, dtype=np.int32
        )

    def state(self) -> dict[str, Any]:
        return {
            "kind": "merges",
            "alphabet": self.alphabet,
            "merges": [list(pair) for pair in self.merges],
        }

    def to_json(self) -> str:
        return str(self._library.to_str())


def learn_merges(texts: Iterable[str], size: int, specials: Specials) -> Merges:
    """A vocabulary of at most `size` tokens, from the first 32 million characters; the same texts
    give the same vocabulary.

    Characters of several bytes compete for at most three quarters of the free places by the bytes
    that a token of their own saves.
    """
    import tokenizers

    free = size - specials.count - 256
    sample = []
    left = _SAMPLE
    for text in texts:
        sample.append(text[:left])
        left -= len(text)
        if left <= 0:
            break
    counts: Counter[str] = Counter()
    for text in sample:
        counts.update(text)
    saved = {
        character: count * (len(character.encode()) - 1)
        for character, count in counts.items()
        if ord(character) > 127 and count > 1
    }
    kept = sorted(saved, key=lambda character: (-saved[character], character))[
        : max(0, free * 3 // 4)
    ]
    letters = [*map(chr, range(128)), *sorted(kept)]
    learner = tokenizers.Tokenizer(tokenizers.models.BPE())
    learner.pre_tokenizer = isolated(_WORDS)
    # rare characters are left out of the alphabet by its limit
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=len(letters) + free - len(kept),
        min_frequency=2,
        show_progress=False,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
    )
    learner.train_from_iterator(sample, trainer)
    taken = {*specials.names(), *letters}
    merges: list[tuple[str, str]] = []
    for pair in json.loads(learner.to_str())["model"]["merges"]:
        one, other = pair
        # Names that mean something else must not arise, nor what is built on them; nor a token that
        # two merges would make.
        if (
            one in taken
            and other in taken
            and one + other not in taken
            and not _BYTE_NAME.fullmatch(one + other)
        ):
            merges.append((one, other))
            taken.add(one + other)
    return Merges(specials, "".join(sorted(kept)), merges)


def _library(
    specials: Specials,
    alphabet: Iterable[str],
    merges: Sequence[tuple[str, str]],
    spell: bool,
    words: str,
) -> Any:
    """The same tokenizer as an object of the library `tokenizers`, with the same ids."""
    import tokenizers

    spelled = (
        [chr(byte) if byte < 128 else f"<0x{byte:02X}>" for byte in range(256)] if spell else []
    )
    names = [*specials.names(), *spelled, *alphabet, *(left + right for left, right in merges)]
    model = tokenizers.models.BPE(
        {name: number for number, name in enumerate(names)}, list(merges), byte_fallback=spell
    )
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = isolated(words)
    made.decoder = tokenizers.decoders.Sequence(
        [tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    )
    made.add_special_tokens(
        [tokenizers.AddedToken(name, special=True, normalized=False) for name in specials.names()]
    )
    made.encode_special_tokens = True  # a text that contains "<|end|>" contains seven characters
    return made


def isolated(words: str) -> Any:
    """What cuts a text into the parts that a regular expression finds, and what lies between them:
    merges stay within each.
    """
    import tokenizers

    return tokenizers.pre_tokenizers.Split(tokenizers.Regex(words), "isolated")


# Tokenizers of others -----------------------------------------------------------------------------


@dataclass
class Foreign:
    """Any Hugging Face tokenizer.json, with its own ids; `begin` and what else it lacks come after
    them.

    Round trips are as exact as its normaliser leaves them: a byte-level one without normaliser
    loses nothing.
    """

    source: str  # the JSON
    close: bool
    fill_middle: bool
    template: str | None = None  # the model's chat template, Jinja
    lead: bytes = field(init=False, default=b"")
    specials: Specials = field(init=False)
    token_bytes: list[bytes] = field(init=False)
    _marking: Any = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        import tokenizers

        described = bounded.parse_json(
            self.source, "tokenizer.json", say("take the file of a Hugging Face model")
        )
        self._library = tokenizers.Tokenizer.from_str(self.source)
        self._library.no_truncation()
        self._library.no_padding()
        self._library.encode_special_tokens = True
        added = self._library.get_added_tokens_decoder()
        named = {token.content: number for number, token in added.items() if token.special}
        vocab = self._library.get_vocab(with_added_tokens=True)
        numbers = itertools.count(max(vocab.values(), default=-1) + 1)
        end = next((named[name] for name in _ENDS if name in named), None) if self.close else None
        begin = next((named[name] for name in _BEGINS if name in named), None)
        begin = next(numbers) if begin is None else begin
        if self.close and end is None:
            end = next(numbers)
        middle = None
        if self.fill_middle:
            given = [named.get(name) for name in MIDDLE]
            one, two, three = [next(numbers) if number is None else number for number in given]
            middle = (one, two, three)
        self.specials = Specials(begin, end, middle, 0)
        spelling = _spelling(described)
        self.token_bytes = [b""] * next(numbers)
        for name, number in vocab.items():
            if number not in named.values():
                self.token_bytes[number] = name.encode() if number in added else spelling(name)
        ids = self._library.encode("a", add_special_tokens=False).ids
        if b"".join(self.token_bytes[number] for number in ids) == b" a":
            self.lead = b" "

    def encode(self, text: str) -> np.ndarray:
        return np.array(
            self._library.encode_batch_fast([text], add_special_tokens=False)[0].ids, dtype=np.int32
        )

    def encode_marked(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """(ids, where in `text` each begins), names of special tokens read as these tokens: for
        what a template writes.
        """
        import tokenizers

        if self._marking is None:
            self._marking = tokenizers.Tokenizer.from_str(self.source)
            self._marking.no_truncation()
            self._marking.no_padding()
        encoded = self._marking.encode(text, add_special_tokens=False)
        return np.array(encoded.ids, dtype=np.int32), np.array(
            [start for start, _ in encoded.offsets], dtype=np.int64
        )

    @property
    def named(self) -> dict[int, str]:
        """Special tokens by id."""
        return {
            number: token.content
            for number, token in self._library.get_added_tokens_decoder().items()
            if token.special
        }

    @property
    def names(self) -> dict[str, str]:
        """What templates call `begin` and `end`."""
        names = {
            "bos_token": self.named.get(self.specials.begin),
            "eos_token": self.named.get(self.specials.end or -1),
        }
        return {name: value for name, value in names.items() if value is not None}

    def state(self) -> dict[str, Any]:
        return {"kind": "foreign", "source": self.source, "chat_template": self.template}

    def to_json(self) -> str:
        import tokenizers

        made = tokenizers.Tokenizer.from_str(self.source)
        known = made.get_vocab_size(with_added_tokens=True)
        names = {
            self.specials.begin: BEGIN,
            self.specials.end: END,
            **dict(zip(self.specials.middle or (), MIDDLE, strict=False)),
        }
        missing = [
            names[number]
            for number in sorted(
                number for number in names if number is not None and number >= known
            )
        ]
        made.add_special_tokens(
            [tokenizers.AddedToken(name, special=True, normalized=False) for name in missing]
        )
        return str(made.to_str())


def load_foreign(path: str, close: bool, fill_middle: bool) -> Foreign:
    """A tokenizer.json from disk. Raises DataError when it is not one."""
    place = Path(path).expanduser()
    place = place / "tokenizer.json" if place.is_dir() else place
    if not place.is_file():
        raise DataError(
            say("there is no tokenizer '{0}'", path),
            "codec.tokenizer",
            say("use char, byte, bpe, or the path of a tokenizer.json"),
        )
    return foreign(
        bounded.read_text(place, "json_bytes"),
        close,
        fill_middle,
        _chat_template(place.parent),
        place.name,
    )


class CharactersState(State):
    kind: Literal["characters"]
    alphabet: Annotated[str, Field(max_length=_UNICODE)]
    spell: bool
    talks: bool = False

    @field_validator("alphabet")
    @classmethod
    def _sorted(cls, alphabet: str) -> str:
        if any(one >= other for one, other in itertools.pairwise(alphabet)):
            raise ValueError(say("an alphabet is sorted, each character once"))
        return alphabet


class MergesState(State):
    kind: Literal["merges"]
    alphabet: Annotated[str, Field(max_length=_UNICODE)]
    merges: Annotated[
        list[
            Annotated[
                list[Annotated[str, Field(min_length=1, max_length=1000)]],
                Field(min_length=2, max_length=2),
            ]
        ],
        Field(max_length=1 << 20),
    ]
    talks: bool = False


class ForeignState(State):
    kind: Literal["foreign"]
    source: str
    chat_template: str | None = None
    talks: bool = False


TokenizerState = Annotated[
    CharactersState | MergesState | ForeignState, Field(discriminator="kind")
]


def restored(state: dict[str, Any], close: bool, fill_middle: bool) -> Tokenizer:
    """The tokenizer that `state` came from."""
    specials = Specials.first(close, fill_middle)
    match TypeAdapter(TokenizerState).validate_python(state):
        case CharactersState() as known:
            return Characters(specials, known.alphabet, known.spell)
        case MergesState() as known:
            made = Merges(specials, known.alphabet, [(left, right) for left, right in known.merges])
            names = [name for name in made.token_bytes if name]
            if len(set(names)) != len(names):
                raise DataError(
                    say("two tokens are one text"),
                    "codec.json",
                    say("restore the file as it was trained"),
                )
            return made
        case ForeignState() as known:
            return foreign(known.source, close, fill_middle, known.chat_template, "codec.json")


def foreign(
    source: str, close: bool, fill_middle: bool, template: str | None, where: str
) -> Foreign:
    """The tokenizer of a tokenizer.json's text. Raises DataError naming `where` when it
    is not one.
    """
    described = bounded.parse_json(source, where, say("take the file of a Hugging Face model"))
    if not isinstance(described, dict) or not isinstance(described.get("model"), dict):
        raise DataError(
            say("the file is not a tokenizer.json"),
            where,
            say("take the file of a Hugging Face model"),
        )
    try:
        return Foreign(source, close, fill_middle, template)
    # the library raises bare Exception for whatever it does not understand
    except Exception as error:
        raise DataError(
            say("the file is not a tokenizer.json: {0}", error),
            where,
            say("take the file of a Hugging Face model"),
        ) from error


def _chat_template(folder: Path) -> str | None:
    """Of a model's folder: a file of its own, or an entry of tokenizer_config.json."""
    alone, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if alone.is_file():
        return bounded.read_text(alone, "settings_bytes")
    described = (
        bounded.parse_json(bounded.read_bytes(settings, "json_bytes"), settings.name)
        if settings.is_file()
        else None
    )
    template = described.get("chat_template") if isinstance(described, dict) else None
    if isinstance(template, list):  # several by name
        template = next(
            (
                one.get("template")
                for one in template
                if isinstance(one, dict) and one.get("name") == "default"
            ),
            None,
        )
    return template if isinstance(template, str) else None


def _spelling(described: dict[str, Any]) -> Callable[[str], bytes]:
    """The text bytes of a token as vocabularies write them: GPT-2's alphabet of bytes,
    SentencePiece's "▁" and <0xNN>, WordPiece's ##.
    """
    model = described["model"]
    around = json.dumps(
        [described.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")],
        ensure_ascii=False,
    )
    if "ByteLevel" in json.dumps(described.get("decoder")):
        table = _byte_alphabet()
        return lambda name: (
            bytes(table[letter] for letter in name)
            if all(letter in table for letter in name)
            else name.encode()
        )
    if model.get("type") == "WordPiece":
        prefix = str(model.get("continuing_subword_prefix", "##"))
        return lambda name: (
            name.removeprefix(prefix).encode() if name.startswith(prefix) else f" {name}".encode()
        )

    def plain(name: str) -> bytes:
        byte = _BYTE_NAME.fullmatch(name) if model.get("byte_fallback") else None
        return (
            bytes([int(byte[1], 16)])
            if byte
            else (name.replace("▁", " ") if "▁" in around else name).encode()
        )

    return plain


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins: a byte that is visible in Latin-1 stands for itself, the others
    for U+0100 and up.
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {
        chr(256 + place): byte for place, byte in enumerate(hidden)
    }
