"""Preference pairs (a prompt, a chosen and a rejected text) as batches that are functions of
counters.

A table (.jsonl, .csv, .tsv, .parquet) has the columns prompt, chosen and rejected, or only the last
two. Its preferred texts, prompt and chosen, are the documents of the run
(codec.field="{prompt}{chosen}"), so held-out data, scores and audits are of them; a pair lies on
the side of the split where its preferred text lies (data/split.py). Not here: what is learned from
pairs (training/objective.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.data import split
from castalia.data.file_discovery import list_files
from castalia.data.shuffle import Epochs
from castalia.data.source import DIGEST_BYTES, DataConfig
from castalia.errors import DataError, SpecError
from castalia.sentences import say
from castalia.spec import Batch, Tokens
from castalia.text_files import documents

COLUMNS = ("prompt", "chosen", "rejected")


class Pair(NamedTuple):
    """Tokens (n,) int64 of two texts that begin alike, from `begin` on; the first `shared` tokens
    are the prompt's.
    """

    chosen: Tensor
    rejected: Tensor
    shared: int


class Pairs:
    """One side of the pairs."""

    def __init__(self, spec: Tokens, pairs: Sequence[Pair]) -> None:
        self.spec = spec
        self._pairs = list(pairs)
        self._epochs = Epochs(len(self._pairs), "pairs")

    def __len__(self) -> int:
        return len(self._pairs)

    def batch(self, counter: int, size: int, seed: int) -> Batch:
        """Micro-batch number `counter` of `size` pairs out of an endless stream of shuffled epochs,
        as `take` gives them.
        """
        return self.take(self._epochs.draw(counter * size, size, seed).tolist())

    def take(self, indices: Sequence[int]) -> Batch:
        """x (2 n, T): the preferred texts, then the others in the same order; weight is 1 on what
        follows the prompt, else 0.
        """
        pairs = [self._pairs[index] for index in indices]
        texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        shared = torch.tensor([pair.shared for pair in pairs] * 2)
        x = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=self.spec.begin)
        weight = (torch.arange(x.shape[1]) >= shared[:, None]) & (x != self.spec.begin)
        return Batch(x, weight=weight.float())


class Sides(NamedTuple):
    """Both sides, and a hash of everything that was read."""

    train: Pairs
    validation: Pairs
    fingerprint: str


def read_pairs(config: DataConfig, codec: Codec[Any]) -> Sides:
    """The pairs of a source. Raises DataError naming the file and the row where a column is missing
    or a pair is no pair.
    """
    spec = codec.spec
    if not isinstance(spec, Tokens):
        raise SpecError(
            say("pairs are pairs of texts"),
            where=say("codec '{0}' gives {1}", codec.name, type(spec).__name__),
        )
    pairs: list[Pair] = []
    digests, everything = bytearray(), hashlib.sha256()
    encoding = getattr(codec.config, "encoding", None)
    listing = list_files(config.source, codec, config.skip_bad, config.follow_links)
    for path in listing.files:
        if not documents.is_table(path.name):
            raise DataError(
                say("pairs stand in tables"),
                path.name,
                say("use .jsonl, .csv, .tsv or .parquet with the columns prompt, chosen, rejected"),
            )
        for number, row in documents.rows(path, encoding)[1]:
            prompt, chosen, rejected = _texts(row, f"{path.name}, row {number}")
            pairs.append(pair(codec, prompt, chosen, rejected))
            digests += hashlib.sha256((prompt + chosen).encode()).digest()[:DIGEST_BYTES]
            everything.update("\0".join((prompt, chosen, rejected, "")).encode())
    digest = np.frombuffer(bytes(digests), np.uint8).reshape(-1, DIGEST_BYTES)
    held_out = split.validates(digest, np.full(len(pairs), -1), [], config.validation)
    train = [one for one, held in zip(pairs, held_out, strict=True) if not held]
    if not train:
        raise DataError(
            say("there are no pairs to learn from"),
            config.named,
            say("add rows, or lower data.validation"),
        )
    validation = [one for one, held in zip(pairs, held_out, strict=True) if held]
    return Sides(Pairs(spec, train), Pairs(spec, validation), everything.hexdigest())


def pair(codec: Codec[Any], prompt: str, chosen: str, rejected: str) -> Pair:
    """Both texts are encoded whole, so that they have the tokens that a text has; where they begin
    to differ from the prompt's tokens is found afterwards. A prompt too long for the context loses
    its beginning, an answer its end.
    """
    first, second = (codec.encode(prompt + answer).long() for answer in (chosen, rejected))
    lead = codec.encode(prompt).long()
    shared = max(1, min(_alike(lead, first), _alike(lead, second)))
    room, answer = codec.spec.length + 1, max(len(first), len(second)) - shared  # type: ignore[union-attr]
    dropped = max(0, shared - max(1, room - answer))
    return Pair(first[dropped:][:room], second[dropped:][:room], shared - dropped)


def _alike(one: Tensor, other: Tensor) -> int:
    """How many tokens two texts begin with in common."""
    size = min(len(one), len(other))
    differ = (one[:size] != other[:size]).nonzero()
    return int(differ[0]) if len(differ) else size


def _texts(row: dict[str, Any], where: str) -> tuple[str, str, str]:
    """prompt, chosen, rejected, with LF."""
    values = [row.get(name, "" if name == "prompt" else None) for name in COLUMNS]
    for name, value in zip(COLUMNS, values, strict=True):
        if not isinstance(value, str) and not (name == "prompt" and value is None):
            have = ", ".join(row)
            raise DataError(
                say("the row has no text called '{0}'", name),
                where,
                say("columns: {0}; pairs need prompt, chosen and rejected", have),
            )
    prompt, chosen, rejected = ((value or "").replace("\r\n", "\n") for value in values)
    if chosen == rejected:
        raise DataError(
            say("chosen and rejected are the same text"),
            where,
            say("a pair prefers one of two different texts; leave the row out"),
        )
    return prompt, chosen, rejected
