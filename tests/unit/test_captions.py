"""Words of captions in several scripts, and what a model knows of them."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch

from castalia.captions import (
    LONGEST,
    MOST_WORDS,
    Caption,
    known_words,
    letters_in,
    words_in,
)
from castalia.data.conditions import Told
from castalia.errors import MissingExtra, RecipeError
from castalia.nn.condition_embedding import ConditionEmbedding, hide_classes
from castalia.spec import Words, spec_from_json, spec_to_json


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A RED apple's, 2 small-leaves!", ["a", "red", "apple's", "2", "small", "leaves"]),
        ("左边的大红圆", ["左", "边", "的", "大", "红", "圆"]),
        ("红apple 3个", ["红", "apple", "3", "个"]),
        ("caf\u0065\u0301 CAFÉ", ["café", "café"]),
        ("ｒｅｄ", ["red"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("'quoted' o'clock rock'", ["quoted", "o'clock", "rock"]),
        ("… — !?", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_a_model_knows_the_words_of_its_captions() -> None:
    words = known_words(["a red apple", "a green pear", "红苹果"])
    assert words.vocabulary[0] == "a" and words.length == 8
    caption = Caption(words)
    numbers = caption.numbers("A Red   PEAR")
    assert [words.vocabulary[one - 1] for one in numbers if one] == ["a", "red", "pear"]
    assert len(numbers) == words.length
    assert caption.unknown("a blue apple, blue") == ["blue"]
    assert caption.numbers("blue") == [0] * 8


def test_a_prompt_of_unknown_words_alone_is_an_error() -> None:
    caption = Caption(known_words(["a red apple"]))
    with pytest.raises(RecipeError, match="knows none of these words"):
        caption.asked("caption", "Ωμέγα")
    assert not any(caption.asked("caption", ""))
    assert not any(caption.asked("caption", "?!"))


def test_the_vocabulary_and_captions_are_bounded() -> None:
    words = known_words([" ".join(f"w{chr(97 + n % 26)}{'x' * (n // 26)}" for n in range(9000))])
    assert len(words) == MOST_WORDS and words.length == LONGEST
    assert len(Caption(words).numbers("wa " * 500)) == LONGEST


def test_words_survive_run_json() -> None:
    words = known_words(["一只猫", "a cat"])
    assert spec_from_json(spec_to_json(words)) == words


def test_captions_of_items_know_training_words_alone() -> None:
    told = Told.of(
        [("a cat", "猫"), (), ("a zebra",), ("zebra",)], np.array([True, True, False, False])
    )
    assert set(told.words.vocabulary) == {"a", "cat", "猫"}
    assert told.value.shape == (4, 2, 8)
    assert told.value[0].any(1).all() and not told.value[1].any()
    assert told.value[2, 0].tolist()[:2] == [1, 0]  # "a", and nothing for the zebra
    assert not told.value[3].any()


def embedding(drop: float = 0.0) -> tuple[Words, ConditionEmbedding]:
    words = known_words(["a red apple", "a green pear"])
    torch.manual_seed(0)
    return words, ConditionEmbedding({"caption": words}, 32, drop)


def test_texts_become_a_vector_and_a_sequence() -> None:
    words, told = embedding()
    ids = torch.tensor([Caption(words).numbers(text) for text in ("a red apple", "", "pear")])
    context = told.eval()({"caption": ids}, 3)
    assert context.vector is not None and context.vector.shape == (3, 32)
    assert context.sequence is not None and context.sequence.shape == (3, 8, 32)
    assert context.mask is not None and context.mask.sum(1).tolist() == [3, 0, 1]
    nothing = told({}, 3)
    assert nothing.vector is not None and torch.equal(nothing.vector, torch.zeros(3, 32))
    assert torch.equal(context.vector[1], torch.zeros(32))


def test_a_row_does_not_depend_on_the_others_or_on_filling() -> None:
    words, told = embedding()
    told.eval()
    ids = torch.tensor([Caption(words).numbers(text) for text in ("a red apple", "pear")])
    both, alone = told({"caption": ids}, 2), told({"caption": ids[:1]}, 1)
    assert both.vector is not None and alone.vector is not None
    assert torch.allclose(both.vector[:1], alone.vector, atol=1e-6)


def test_the_order_of_words_matters() -> None:
    words, told = embedding()
    told.eval()
    ids = torch.tensor([Caption(words).numbers(text) for text in ("red apple", "apple red")])
    vector = told({"caption": ids}, 2).vector
    assert vector is not None and not torch.allclose(vector[0], vector[1], atol=1e-4)


def test_texts_are_dropped_in_training() -> None:
    words, told = embedding(drop=0.5)
    ids = torch.tensor([Caption(words).numbers("a red apple")] * 200)
    torch.manual_seed(1)
    mask = told.train()({"caption": ids}, 200).mask
    assert mask is not None and 60 < int(mask.any(1).sum()) < 140
    torch.manual_seed(1)
    hidden = hide_classes({"caption": ids}, {"caption": words}, 0.5)["caption"]
    assert 60 < int(hidden.any(1).sum()) < 140
    assert torch.equal(hidden[hidden.any(1)], ids[hidden.any(1)])


def test_numbers_out_of_range_are_refused() -> None:
    words, told = embedding()
    for ids in (torch.full((1, 8), len(words) + 1), torch.zeros(1, 3, dtype=torch.int64)):
        with pytest.raises(Exception, match="word's number is out of range"):
            told({"caption": ids}, 1)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Hello,  you!", " hello,you "),
        ("it's o'clock", " it's o'clock "),
        ("'quoted' call-forward", " quoted call forward "),
        ("no. -- 5 wait ...", " no,5 wait "),
        ("CAF\u0065\u0301", " café "),
        ("ma1 ma5", " ma1 ma5 "),
        ("… — !?", ""),
        ("", ""),
    ],
)
def test_letters_of_a_text_that_is_said(text: str, letters: str) -> None:
    assert "".join(letters_in(text)) == letters


def test_chinese_characters_are_said_in_pinyin(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pypinyin")
    syllables = {"妈": "ma1", "吗": "ma5"}

    def lazy_pinyin(text: str, **options: object) -> list[str]:
        return [syllables.get(one, one) for one in text]

    module.__dict__.update(Style=types.SimpleNamespace(TONE3=8), lazy_pinyin=lazy_pinyin)
    monkeypatch.setitem(sys.modules, "pypinyin", module)
    assert "".join(letters_in("妈, 吗?")) == " ma1,ma5 "
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    assert "".join(letters_in("ma1")) == " ma1 "  # without characters nothing is missing
    with pytest.raises(MissingExtra, match="pypinyin"):
        letters_in("妈")


def test_letters_that_are_known() -> None:
    words = known_words(["Hello, you.", "hell"], "letter")
    assert set(words.vocabulary) == {*" helo,yu"} and words.length == 11 * 5 // 4
    caption = Caption(words)
    assert caption.text(caption.numbers("Yell,  ho!")) == " yell,ho "
    assert caption.unknown("hex, box") == ["x", "b"]
    assert not any(caption.numbers("xxx bbb")) and not any(caption.numbers(""))
    with pytest.raises(RecipeError, match="none of these letters"):
        caption.asked("caption", "xxx")
    with pytest.raises(RecipeError, match="19 letters and pauses; this model says 13 at most"):
        caption.asked("caption", "hello hello hello")
    assert spec_from_json(spec_to_json(words)) == words
    assert "unit" not in spec_to_json(known_words(["hello"]))
