"""Pairs of texts: read from tables, tokens that begin alike, and the side of the split that their
preferred texts lie on.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from castalia.data.preference_pairs import Pair, Pairs, pair, read_pairs
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.errors import DataError
from castalia.modalities.text.codec import TextCodec, TextConfig

TEXTS = ["hello, 世界 0123456789", "good night"]


def codec(length: int = 32) -> TextCodec:
    made = TextCodec(TextConfig(length=length, field="{prompt}{chosen}"))
    made.fit([*TEXTS, "abcdefghijklmnopqrstuvwxyz 问答好坏一二三 \n:"])
    return made


def table(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def test_both_texts_are_whole_and_the_prompt_weighs_nothing() -> None:
    own = codec()
    batch = Pairs(own.spec, [pair(own, "问: ", "好", "坏 一"), pair(own, "", "abc", "abd")]).take(
        [0, 1]
    )
    assert [own.decode(row) for row in batch.x] == ["问: 好", "abc", "问: 坏 一", "abd"]
    assert batch.weight is not None
    answers = [
        "".join(own.decode(token[None]) for token in row[mask > 0])
        for row, mask in zip(batch.x, batch.weight, strict=True)
    ]
    # `begin` weighs nothing, `end` (which writes nothing) does
    assert answers == ["好", "abc", "坏 一", "abd"]
    assert batch.weight.sum(1).tolist() == [2, 4, 4, 4]


def test_what_is_too_long_loses_the_prompts_beginning_and_the_answers_end() -> None:
    own = codec(length=8)
    found = pair(own, "abcdefghij", "kl", "mn")
    assert (
        own.decode(found.chosen) == "efghijkl"
        and own.decode(found.rejected) == "efghijmn"
        and found.shared == 6
    )
    found = pair(own, "abc", "d" * 20, "e")
    assert len(found.chosen) == 9 and found.shared == 1 and own.decode(found.rejected) == "ce"


def test_batches_are_functions_of_counters_and_an_epoch_has_every_pair_once() -> None:
    own = codec()
    side = Pairs(
        own.spec,
        [Pair(torch.tensor([0, number]), torch.tensor([0, 9]), 1) for number in range(2, 9)],
    )
    first = [side.batch(counter, 3, 5).x[:3, 1].tolist() for counter in range(7)]
    assert first == [side.batch(counter, 3, 5).x[:3, 1].tolist() for counter in range(7)]
    stream = [number for part in first for number in part]
    assert (
        sorted(stream[:7]) == sorted(stream[7:14]) == sorted(stream[14:]) == list(range(2, 9))
        and stream[:7] != stream[7:14]
    )


def test_a_pair_lies_where_its_preferred_text_lies(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{number}: ", "chosen": f"good {number}", "rejected": f"bad {number}"}
        for number in range(40)
    ]
    config, own = DataConfig(source=str(table(tmp_path, rows)), validation=0.3), codec()
    sides, texts = read_pairs(config, own), prepare(config, own, home=tmp_path / "home", fit=False)
    held_out = {own.decode(document) for document in texts.validation.documents()}  # type: ignore[union-attr]
    batch = sides.validation.take(range(len(sides.validation)))
    assert {own.decode(row) for row in batch.x[: len(sides.validation)]} == held_out and len(
        held_out
    ) > 5
    assert len(sides.train) + len(sides.validation) == 40
    changed = [*rows[:-1], {**rows[-1], "rejected": "worse"}]
    assert (
        read_pairs(DataConfig(source=str(table(tmp_path, changed))), own).fingerprint
        != sides.fingerprint
    )


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"prompt": "a", "chosen": "b"}, "no text called 'rejected'"),
        ({"chosen": "b", "rejected": "b"}, "the same text"),
        ({"chosen": 3, "rejected": "b"}, "no text called 'chosen'"),
    ],
)
def test_what_is_no_pair_is_named_with_its_row(
    tmp_path: Path, row: dict[str, object], what: str
) -> None:
    path = table(tmp_path, [{"chosen": "a", "rejected": "b"}, row])
    with pytest.raises(DataError, match=what) as caught:
        read_pairs(DataConfig(source=str(path)), codec())
    assert caught.value.where == "pairs.jsonl, row 2"


def test_texts_are_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match="pairs stand in tables"):
        read_pairs(DataConfig(source=str(tmp_path / "a.txt")), codec())
