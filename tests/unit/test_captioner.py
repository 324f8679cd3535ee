"""The family `captioner`: its loss in closed form, what it learns, and what is said of items."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from castalia.abilities import Describes, Matches
from castalia.captions import Caption, known_words
from castalia.errors import RecipeError, SpecError
from castalia.evaluation.caption_trials import _found, _overlap
from castalia.families.captioner import Captioner, CaptionerConfig
from castalia.nn.counter_random import generator, generators
from castalia.sampling.descriptions import _allowed, _temperature
from castalia.spec import Batch, Classes, Dense, Words

SPEC = Dense((3, 8, 8), levels=256)
TEXTS = ("a red square", "a blue square", "红方块", "蓝方块")
WORDS = known_words(TEXTS)


def model(**config: Any) -> Captioner:
    torch.manual_seed(0)
    return Captioner(CaptionerConfig(width=8, text_width=32, **config), SPEC, {"caption": WORDS})


def batch(texts: tuple[str, ...], seed: int = 0) -> Batch:
    """Red or blue pictures of noise, as the captions say."""
    x = 0.3 * torch.randn(len(texts), 3, 8, 8, generator=generator("pictures", seed))
    for row, text in enumerate(texts):
        if text:
            x[row, 0 if "red" in text or "红" in text else 2] += 0.6
    ids = torch.tensor([Caption(WORDS).numbers(text) for text in texts])
    return Batch(x.clamp(-1, 1), cond={"caption": ids})


def test_abilities() -> None:
    assert isinstance(model(), Describes) and isinstance(model(), Matches)


def test_captions_are_needed_and_nothing_else() -> None:
    for conditions in ({}, {"label": Classes(("a", "b"))}, {"caption": WORDS, "title": WORDS}):
        with pytest.raises(SpecError, match="captions"):
            Captioner(CaptionerConfig(), SPEC, conditions)
    with pytest.raises(SpecError, match="grid"):
        Captioner(CaptionerConfig(), Dense((5,), layout="vector"), {"caption": WORDS})


def test_the_contrast_is_the_cross_entropy_in_both_directions() -> None:
    family = model().eval()
    given = batch(TEXTS)
    seen = family.item_vectors(given.x)
    said = family.caption_vectors(given.cond["caption"])
    logits = family.sharpness() * seen @ said.T
    right = torch.arange(4)
    entropy = torch.nn.functional.cross_entropy
    expected = (entropy(logits, right) + entropy(logits.T, right)) / 2
    assert float(family(given).parts["contrast"]) == pytest.approx(
        float(expected.detach()), abs=1e-5
    )


def test_equal_captions_share_the_right_answer() -> None:
    """With one caption for all, nothing tells items apart: the contrast is the entropy of a guess
    at least, and not that of a wrong answer.
    """
    family = model().eval()
    ids = batch((TEXTS[0],) * 4).cond["caption"]
    apart = torch.nn.functional.normalize(torch.eye(4, 32), dim=1)
    same = torch.nn.functional.normalize(torch.ones(4, 32), dim=1)
    silent = torch.zeros(4, dtype=torch.bool)
    assert float(family._contrast(same, same, ids, silent).detach()) == pytest.approx(
        math.log(4), abs=1e-5
    )
    assert float(family._contrast(apart, same, ids, silent).detach()) == pytest.approx(
        math.log(4), abs=1e-5
    )


def test_items_without_a_caption_are_passed_over() -> None:
    family = model().eval()
    some = batch((*TEXTS, "", ""))
    few = Batch(some.x[:4], cond={"caption": some.cond["caption"][:4]})
    whole, part = family(some), family(few)
    assert float(whole.total.detach()) == pytest.approx(float(part.total.detach()), abs=1e-5)
    none = family(batch(("", "")))
    assert float(none.total) == 0 and none.total.requires_grad


def test_it_learns_to_describe_and_to_match() -> None:
    family = model(dropout=0.0)
    optimiser = torch.optim.Adam(family.parameters(), 3e-3)
    for step in range(80):
        optimiser.zero_grad()
        family.train()(batch(TEXTS * 4, step)).total.backward()
        optimiser.step()
    new, caption = batch(TEXTS * 8, 1000), Caption(WORDS)
    for language, texts in (("en", TEXTS[:2] * 16), ("zh", TEXTS[2:] * 16)):
        allowed = torch.tensor(caption.usable(language))
        ids = family.describe(new.x, generators(0, 0, 32), 0.0, allowed)
        said = [caption.text(one.tolist()) for one in ids]
        assert sum(one == other for one, other in zip(said, texts, strict=True)) >= 30
    agreement = family.item_vectors(new.x) @ family.caption_vectors(new.cond["caption"][:2]).T
    assert int((agreement.argmax(1) == torch.arange(32) % 2).sum()) >= 30


def test_hidden_words_are_a_matter_of_training() -> None:
    """They come from torch's global generator, and nothing is hidden from a trained model."""
    given = batch(TEXTS)
    losses = {}
    for share in (0.0, 0.9):
        family = model(word_dropout=share, dropout=0.0)
        torch.manual_seed(1)
        trained = float(family.train()(given).parts["words"])
        losses[share] = (trained, float(family.eval()(given).parts["words"]))
    assert losses[0.0][0] == pytest.approx(losses[0.0][1], abs=1e-6)
    assert losses[0.9][1] == losses[0.0][1] != losses[0.9][0]


def test_text_of_numbers() -> None:
    caption = Caption(known_words(["a red apple", "左边的 3 个 apple's"]))
    for text in ("a red apple", "左边的", "apple's", "边 3 个", ""):
        assert caption.text(caption.numbers(text)) == text


def test_languages_of_captions() -> None:
    words = Words(("red", "3", "红", "球"), 8)
    caption = Caption(words)
    assert caption.usable("en") == [True, True, False, False]
    assert caption.usable("zh") == [False, True, True, True]
    assert caption.language(caption.numbers("红球 3")) == "zh"
    assert caption.language(caption.numbers("red 3")) == "en"
    with pytest.raises(RecipeError, match="no words of this language"):
        _allowed(Caption(Words(("red",), 8)), "zh")
    with pytest.raises(RecipeError, match="English or Chinese"):
        _allowed(caption, "fr")
    assert _allowed(caption, None) is None


@pytest.mark.parametrize(("n", "temperature"), [(0, None), (65, None), (1, -1.0), (1, math.nan)])
def test_options_out_of_range(n: int, temperature: float | None) -> None:
    with pytest.raises(RecipeError):
        _temperature(n, temperature)


def test_several_are_drawn_and_one_is_the_likeliest() -> None:
    assert _temperature(1, None) == 0 and _temperature(4, None) == 1 and _temperature(4, 0.5) == 0.5


def test_what_is_found_among_others() -> None:
    def share(similarity: Tensor, same: Tensor | None = None) -> dict[str, Any]:
        same = torch.eye(len(similarity), dtype=torch.bool) if same is None else same
        return _found("q", "en", similarity, same, 0)

    rows = 200
    assert share(torch.eye(rows))["value"] == 1 and share(-torch.eye(rows))["value"] == 0
    assert share(torch.zeros(rows, rows))["value"] == 0  # ties are lost
    noise = torch.randn(rows, rows, generator=generator("similarity"))
    chance = share(noise)
    assert chance["baseline"] == 0.01 and chance["value"] <= 0.05
    assert chance["low"] <= chance["value"] <= chance["high"]
    # captions that are the same are no candidates: nothing is left to lose against
    assert share(noise, torch.ones(rows, rows, dtype=torch.bool))["value"] == 1


def test_overlap_of_words() -> None:
    assert _overlap([1, 2, 3, 0], [1, 2, 3, 0]) == 1
    assert _overlap([1, 2, 0, 0], [3, 4, 0, 0]) == 0
    assert _overlap([1, 1, 2, 0], [1, 3, 0, 0]) == pytest.approx(2 / 5)
