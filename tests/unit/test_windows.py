"""Windows of token documents: every token once an epoch, a new cut each epoch, all of it functions
of counters.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.texts import corpus
from torch import Tensor

from castalia.data import cache
from castalia.data.cache import Documents
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.data.windows import Windows
from castalia.errors import DataError
from castalia.modalities.text.codec import TextCodec
from castalia.spec import Tokens

BEGIN, END = 0, 1


def documents(
    folder: Path, lengths: list[int], dtype: str = "<u2"
) -> tuple[Documents, list[np.ndarray]]:
    """Documents of `begin`, numbers that occur once in the corpus, and `end`: so a token says where
    it is from.
    """
    rows, number = [], 2
    for length in lengths:
        rows.append(np.array([BEGIN, *range(number, number + length), END], dtype=dtype))
        number += length
    np.concatenate(rows).tofile(folder / "rows.bin")
    return Documents(
        folder / "rows.bin", np.dtype(dtype), np.array([len(row) for row in rows])
    ), rows


def windows(
    folder: Path,
    lengths: list[int],
    length: int = 8,
    segments: bool = True,
    cond: dict[str, Tensor] | None = None,
) -> tuple[Windows, list[np.ndarray]]:
    found, rows = documents(folder, lengths)
    spec = Tokens(length, sum(lengths) + 2, BEGIN, END)
    return Windows(spec, found, torch.arange(len(rows)), cond or {}, segments=segments), rows


def epoch_of(side: Windows, number: int, seed: int = 0) -> Tensor:
    """All windows of an epoch, asked for one by one."""
    width = min(side.spec.length, max(1, side.tokens - 1))
    count = max(1, side.tokens // width)
    return torch.cat([side.batch(number * count + index, 1, seed).x for index in range(count)])


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12), length=st.integers(1, 20))
def test_an_epoch_codes_every_token_once(
    lengths: list[int], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    side, rows = windows(tmp_path_factory.mktemp("windows"), lengths, length)
    whole = Counter(int(token) for row in rows for token in row)
    for number in (0, 3):
        x = epoch_of(side, number)
        coded = Counter(x[:, 1:].flatten().tolist())
        assert all(coded[token] <= whole[token] for token in coded)
        # what is left over is shorter than a window
        assert side.tokens - sum(coded.values()) < x.shape[1]
        follows = {(int(a), int(b)) for row in rows for a, b in itertools.pairwise(row)}
        # neighbours in a window are neighbours in a document, or the edge between two
        for row in x.tolist():
            assert all(
                pair in follows or pair == (END, BEGIN) for pair in itertools.pairwise(row)
            ), row


def test_epochs_are_cut_and_ordered_anew(tmp_path: Path) -> None:
    side, _ = windows(tmp_path, [20, 31, 17, 40], 8)
    epochs = [epoch_of(side, number) for number in range(4)]
    assert len({tuple(sorted(x[:, 0].tolist())) for x in epochs}) == 4  # phases
    assert not torch.equal(epochs[0], epoch_of(side, 0, seed=1))
    assert torch.equal(epochs[2], epoch_of(side, 2))


def test_batches_are_functions_of_their_counter(tmp_path: Path) -> None:
    """Whatever was asked before, however the stream is cut into batches, across epochs."""
    side, _ = windows(tmp_path, [20, 31, 17], 8)
    fresh, _ = windows(tmp_path, [20, 31, 17], 8)
    straight = torch.cat([side.batch(counter, 1, 5).x for counter in range(60)])
    assert torch.equal(
        torch.cat([fresh.batch(counter, 6, 5).x for counter in (9, 2, 0, 7)]),
        straight.view(10, 6, 9)[[9, 2, 0, 7]].flatten(0, 1),
    )
    assert torch.equal(fresh.batch(0, 60, 5).x, straight)


@pytest.mark.parametrize("lengths", [[0], [1], [3], [0, 0], [1, 0]])
def test_corpora_smaller_than_a_window(lengths: list[int], tmp_path: Path) -> None:
    side, rows = windows(tmp_path, lengths, 8)
    x = side.batch(0, 5, 0).x
    assert x.shape == (5, min(8, side.tokens - 1) + 1)
    assert set(x.flatten().tolist()) <= set(np.concatenate(rows).tolist())
    assert side.take(range(len(side))).x.shape[0] == len(rows)


def test_segments_are_the_documents(tmp_path: Path) -> None:
    side, _ = windows(tmp_path, [3] * 20, 16)
    batch = side.batch(0, 8, 0)
    begins = (batch.x == BEGIN).long()
    begins[:, 0] = 0
    assert batch.segment is not None and torch.equal(batch.segment, begins.cumsum(1))
    stream, _ = windows(tmp_path, [3] * 20, 16, segments=False)
    assert stream.batch(0, 8, 0).segment is None and torch.equal(stream.batch(0, 8, 0).x, batch.x)
    one, _ = windows(tmp_path, [500], 16)
    # nothing is packed: no mask to pay for
    assert any(one.batch(counter, 1, 0).segment is None for counter in range(5))


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=10), length=st.integers(1, 20))
def test_take_covers_each_document_once(
    lengths: list[int], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    side, rows = windows(tmp_path_factory.mktemp("take"), lengths, length)
    batch = side.take(range(len(side)))
    owner = side.document_of(range(len(side)))
    for number, row in enumerate(rows):
        pieces = batch.x[owner == number]
        assert pieces[0, 0] == BEGIN
        coded = [token for piece in pieces.tolist() for token in piece[1:] if token != BEGIN]
        assert coded == row[1:].tolist()
        for earlier, later in itertools.pairwise(pieces):
            assert later[0] == earlier[length]  # the token before it, as context
    assert batch.x.shape[1] <= length + 1
    assert [document.tolist() for document in side.documents()] == [row.tolist() for row in rows]
    assert [part.x[0].tolist() for part in side.once(4, 0)] == [row.tolist() for row in rows]


def test_rows_with_conditions_are_pieces_of_one_document(tmp_path: Path) -> None:
    label = torch.tensor([2, 0, 1])
    side, rows = windows(tmp_path, [20, 31, 5], 8, cond={"label": label})
    seen: Counter[tuple[int, ...]] = Counter()
    for counter in range(len(side)):  # one epoch
        batch = side.batch(counter, 1, 0)
        tokens = [token for token in batch.x[0].tolist() if token > END]
        owner = next(number for number, row in enumerate(rows) if tokens[0] in row)
        assert all(token in rows[owner] for token in tokens) and batch.cond["label"].tolist() == [
            int(label[owner])
        ]
        seen[tuple(tokens)] += 1
    assert len(seen) == len(side) and set(seen.values()) == {1}
    assert torch.equal(
        side.batch(0, 2 * len(side), 0).x[: len(side)].sort(0).values,
        side.batch(0, len(side), 0).x.sort(0).values,
    )


def test_memory_mapped_documents_are_the_resident_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [20, 31, 17, 5, 400]
    resident, _ = windows(tmp_path, lengths)
    monkeypatch.setattr(cache, "RESIDENT_BYTES", 10)
    monkeypatch.setattr(cache, "_MAPPED_BYTES", 1000)  # given back again and again
    mapped, _ = windows(tmp_path, lengths)
    assert mapped._documents.resident is None
    for counter in range(30):
        assert torch.equal(mapped.batch(counter, 4, 0).x, resident.batch(counter, 4, 0).x)
    assert torch.equal(mapped.take(range(len(mapped))).x, resident.take(range(len(resident))).x)
    assert all(
        torch.equal(one, other)
        for one, other in zip(mapped.documents(), resident.documents(), strict=True)
    )


def test_an_empty_side_says_so(tmp_path: Path) -> None:
    found, _ = documents(tmp_path, [3])
    side = Windows(Tokens(8, 9, BEGIN, END), found, torch.zeros(0, dtype=torch.int64), {})
    assert len(side) == 0
    for ask in (lambda: side.batch(0, 2, 0), lambda: side.take([0])):
        with pytest.raises(DataError, match="empty"):
            ask()


# Sides and caches of a folder of texts ------------------------------------------------------------


def texts_of(side: Any) -> list[str]:
    return ["".join(map(chr, document.tolist())) for document in side.documents()]


@pytest.mark.parametrize("share", [1e-6, 0.3])
def test_the_development_side_holds_what_training_never_sees(share: float, tmp_path: Path) -> None:
    """And never nothing, where a family asks for it: a gate would have nothing to learn from."""
    data = prepare(
        DataConfig(source=str(corpus(tmp_path / "texts", files=12)), development=share),
        TextCodec(),
        home=tmp_path / "home",
    )
    sides = [set(texts_of(data.split(name))) for name in ("train", "validation", "development")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 12 and all(sides)
    without = prepare(
        DataConfig(source=str(tmp_path / "texts")), TextCodec(), home=tmp_path / "home"
    )
    assert len(without.development) == 0 and set(texts_of(without.validation)) == sides[1]


def test_a_damaged_cache_of_documents_is_built_anew(tmp_path: Path) -> None:
    config = DataConfig(source=str(corpus(tmp_path / "texts", files=12)))
    before = texts_of(prepare(config, TextCodec(), home=tmp_path / "home").train)
    rows = next((tmp_path / "home").glob("cache/*/rows.bin"))
    damaged = bytearray(rows.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    rows.write_bytes(damaged)
    assert texts_of(prepare(config, TextCodec(), home=tmp_path / "home").train) == before


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    length=st.integers(1, 6),
    period=st.integers(2, 4),
)
def test_steps_stay_whole(
    lengths: list[int], length: int, period: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every coded token stands in the column of its slot, and is coded once an epoch but for what a
    window leaves out.
    """
    found, rows = documents(tmp_path_factory.mktemp("windows"), lengths)
    spec = Tokens(length * period, sum(lengths) + 2, BEGIN, END, period=period)
    side = Windows(spec, found, torch.arange(len(rows)), {})
    slot = {
        int(token): (place - 1) % period
        for row in rows
        for place, token in enumerate(row)
        if token > END
    }
    room = sum(-(-len(row) // period) * period for row in rows)
    width = side.batch(0, 1, 0).x.shape[1] - 1
    assert width % period == 0
    x = torch.cat([side.batch(index, 1, 0).x for index in range(max(1, room // width))])
    for row in x[:, 1:].tolist():
        assert all(slot[token] == place % period for place, token in enumerate(row) if token > END)
    coded = Counter(token for token in x[:, 1:].flatten().tolist() if token > END)
    assert max(room, width) - width < x[:, 1:].numel() <= max(room, width)
    assert all(count == 1 for count in coded.values()) or room < width
    assert side.tokens == sum(map(len, rows))
