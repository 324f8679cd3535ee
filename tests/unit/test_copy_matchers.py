"""Matchers: planted copies of every kind are found, the fast search agrees with brute force, new
real items are left alone.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from castalia import registry
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.governance.audit import items_of
from castalia.governance.copy_matchers import matcher_called, matcher_for, matchers_for
from castalia.governance.dense_copies import Numbers
from castalia.governance.local_alignment import _run
from castalia.governance.token_copies import PRICES, Passages
from castalia.modalities.image import copies as pictures
from castalia.modalities.image.copies import Pictures
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.spec import Dense


class Made:
    native = object

    """As much of a codec as dense matchers ask for."""

    def __init__(self, *shape: int, unit: str = "signed", layout: str = "grid") -> None:
        self.spec = Dense(shape, unit=unit, levels=256, layout=layout)
        self.name = "made"


def smooth_pictures(count: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    parts = [
        F.interpolate(
            torch.randn(count, channels, side, side, generator=rng), size=(32, 32), mode="bicubic"
        )
        for side in (3, 6, 12)
    ]
    return (0.4 * sum(parts)).clamp(-1, 1)


@pytest.fixture(scope="module")
def clothes() -> tuple[Pictures, torch.Tensor, torch.Tensor]:
    """(matcher of some 500 real pictures, those, 100 others)."""
    codec = registry.resolve("codec", "image")()
    dataset = prepare(
        DataConfig(
            source="builtin/fashion", limit=600, augment=(), conditional=False, validation=1 / 6
        ),
        codec,
    )
    training = items_of(dataset.train, codec)
    return Pictures(codec, training), training, items_of(dataset.validation, codec)


@pytest.fixture(scope="module")
def nearest_others(clothes) -> float:
    """The distance below which 1% of new real pictures lie."""
    matcher, _, others = clothes
    return matcher.match(others).distance.quantile(0.01).item()


@pytest.mark.parametrize("kind", Pictures.planted)
def test_planted_pictures_are_found_and_named(clothes, nearest_others: float, kind: str):
    matcher, training, _ = clothes
    threshold = nearest_others
    chosen = torch.arange(0, 480, 20)
    planted = matcher.plant(training[chosen], kind, torch.Generator().manual_seed(0))
    found = matcher.match(planted)
    right = found.train == chosen
    assert right.double().mean() >= 0.95
    assert (found.distance < threshold).double().mean() >= 0.9
    named = [name for name, good in zip(found.kinds, right.tolist(), strict=True) if good]
    # a plain picture that was shifted may as well have been cropped
    assert named.count(kind) >= 0.65 * len(named)


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_may_be_mixed_and_brightened_in_any_way(channels: int):
    training = smooth_pictures(60, channels)
    turned = training[:10].flip(1) * 0.5 - 0.1 if channels == 3 else training[:10] * 0.5 - 0.1
    found = Pictures(Made(channels, 32, 32), training).match(turned)
    assert found.train.tolist() == list(range(10))
    assert found.residual.max() < 0.02
    assert set(found.kinds) == {"recoloured"}


def test_an_exact_copy_has_distance_zero_and_a_flat_picture_is_never_one():
    training = torch.cat([smooth_pictures(20), torch.full((1, 3, 32, 32), 0.3)])
    found = Pictures(Made(3, 32, 32), training).match(
        torch.cat([training[3:4], training[20:], torch.full((1, 3, 32, 32), float("nan"))])
    )
    assert found.kinds[0] == "exact" and found.distance[0] < 1e-3
    assert found.distance[1:].tolist() == [1.0, 1.0]


def test_candidates_agree_with_brute_force(monkeypatch: pytest.MonkeyPatch):
    """In blocks, by marked values: the same pictures and guesses as one similarity at a time."""
    matcher = Pictures(Made(1, 32, 32), smooth_pictures(70, 1))
    asked = pictures.working(matcher.spec, smooth_pictures(9, 1, seed=1))
    for name, value in (("PLAIN", 7), ("MIRRORED", 3), ("BLOCK", 16), ("ROWS", 4)):
        monkeypatch.setattr(pictures, name, value)
    axes = matcher._axes
    found, guesses, plain = pictures._candidates(asked, matcher.training, axes)
    assert found.shape == (9, 10) and plain == 7
    trained = pictures._described(matcher.training, pictures.WINDOWS, axes)
    for mirrored, count, columns in ((False, 7, slice(0, 7)), (True, 3, slice(7, 10))):
        sides = pictures._described(
            asked.flip(3) if mirrored else asked, [pictures.WINDOWS[0], pictures.CENTRE], axes
        )
        for query in range(9):
            scores = torch.full((len(pictures.GUESSES), 70), -2.0)
            for guess, (window, part) in enumerate(pictures.GUESSES):
                if pictures.WINDOWS[window].mirror or not mirrored:
                    scores[guess] = (trained[window] * sides[part, query]).sum(1)
            best, _which = scores.max(0)
            expected = best.topk(count)
            torch.testing.assert_close(
                best[found[query, columns]], expected.values, atol=1e-4, rtol=0
            )
            for place, guess in zip(
                found[query, columns].tolist(), guesses[query, columns].tolist(), strict=True
            ):
                assert scores[guess, place] > best[place] - 1e-4


def test_registration_recovers_a_known_motion():
    """A crop by a known window: scale and shift to a tenth of a pixel."""
    training = smooth_pictures(8, 1, seed=3)
    grey = pictures.grey((training + 1) / 2)
    motion = torch.tensor([[0.8, 2.0, 0.8, -1.5]]).expand(8, -1)
    grid, _, _ = pictures._grid(motion, 32)
    cut = F.grid_sample(grey[:, None], grid, align_corners=False, mode="bicubic")[:, 0]
    found, error = pictures._register(
        cut, grey, torch.tensor([[0.85, 1.0, 0.85, -0.5]]).expand(8, -1), 8
    )
    torch.testing.assert_close(found, motion, atol=0.1, rtol=0)
    assert error.max() < 0.01


def test_numbers_by_brute_force():
    rng = torch.Generator().manual_seed(0)
    training, asked = (
        torch.randn(80, 5, generator=rng) * 3 + 1,
        torch.randn(20, 5, generator=rng) * 3 + 1,
    )
    asked[0] = training[7]
    found = Numbers(Made(5, unit="standard", layout="vector"), training).match(asked)
    scale = training.std(0, unbiased=False)
    distances = (((asked[:, None] - training) / scale).square().mean(2)).sqrt().double()
    assert found.train.tolist() == distances.argmin(1).tolist()
    ordered = distances.sort(1).values
    expected = ordered[:, 0] / ordered[:, 1:16].median(1).values
    torch.testing.assert_close(found.distance[1:], expected[1:].clamp(0, 1), atol=1e-5, rtol=1e-5)
    assert found.kinds[0] == "exact" and found.distance[0] < 1e-6


# Texts --------------------------------------------------------------------------------------------


def byte_codec() -> TextCodec:
    return TextCodec(TextConfig(tokenizer="byte"))


def words(count: int, seed: int, vocabulary: int = 400) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f" w{number}" for number in rng.zipf(1.3, count) % vocabulary]


CHINESE = "春眠不覺曉處處聞啼鳥夜來風雨聲花落知多少白日依山盡黃河入海流欲窮千里目更上一層樓床前明月光疑是地上霜舉頭望明月低頭思故鄉"  # noqa: E501


@pytest.mark.parametrize("edits", [0, 1, 4])
def test_a_planted_span_is_found_with_its_changes(edits: int):
    training = ["".join(words(600, seed)) for seed in range(6)]
    matcher = Passages(byte_codec(), training)
    span = words(600, 3)[200:240]
    for change in range(edits):
        span[5 + 10 * change] = " changed"
    found = matcher.match(["".join([*words(40, 90), *span, *words(40, 91)])])
    assert found.train.tolist() == [3]
    assert found.kinds == ["exact" if edits == 0 else "edited"]
    assert 34 <= found.evidence[0]["length"] <= 48 and found.evidence[0]["edits"] in (
        edits - 1,
        edits,
        edits + 1,
    )
    assert "".join(span[6:14]) in found.evidence[0]["sample_text"][1]


def test_an_added_and_a_missing_word_are_one_change_each():
    source = words(300, 1)
    matcher = Passages(byte_codec(), ["".join(source)])
    changed = [*source[100:115], " added", *source[115:130], *source[131:150]]
    span = matcher.index.best(matcher.numbered(list(changed)))
    assert span is not None and span.edits == 2
    assert (span.first, span.last, span.start, span.stop) == (100, 150, 0, 50)


def test_chinese_is_compared_by_characters():
    matcher = Passages(byte_codec(), [CHINESE[:30], CHINESE[30:]])
    found = matcher.match(["我說" + CHINESE[34:48] + "也"])
    assert found.train.tolist() == [1] and found.evidence[0]["length"] == 14
    assert found.evidence[0]["train_text"][1] == CHINESE[34:48]


def test_case_does_not_hide_a_copy_and_nothing_alike_is_far():
    matcher = Passages(byte_codec(), ["It was the best of times, it was the worst of times.", ""])
    found = matcher.match(["IT WAS THE BEST OF TIMES, IT WAS", "nothing of the kind here", ""])
    assert found.kinds[0] == "exact" and found.train.tolist() == [0, -1, -1]
    assert found.distance.tolist()[1:] == [1.0, 1.0]


def test_the_longest_exact_span_agrees_with_brute_force():
    """With changes forbidden by their price, the best span is the costliest common substring."""
    training = ["".join(words(150, seed, 12)) for seed in range(3)]
    matcher = Passages(byte_codec(), training)
    for seed in range(10, 16):
        query = matcher.numbered(words(80, seed, 12))
        best = 0.0
        for place in range(len(query)):
            for hit in range(len(matcher.index.joined)):
                run = _run(query, place, matcher.index.joined, hit)
                if run >= PRICES.seed:
                    best = max(best, float(matcher.index.bits[hit : hit + run].sum()))
        span = matcher.index.best(query)
        assert (0.0 if span is None else span.bits) >= best - 1e-9


def test_grams_and_runs():
    _grams = Passages(byte_codec(), []).index._grams
    symbols = np.arange(9)
    assert len(_grams(symbols)) == 5 and len(_grams(symbols[:4])) == 0
    assert (
        _grams(np.array([1, 2, 3, 4, 5, 1, 2, 3, 4, 5]))[0] == _grams(np.array([1, 2, 3, 4, 5]))[0]
    )
    a, b = np.arange(500), np.concatenate([np.arange(300), [-5], np.arange(301, 500)])
    assert (
        _run(a, 0, b, 0) == 300
        and _run(a, 301, b, 301) == 199
        and _run(a, 0, b, 0, 32) == 32
        and _run(a, 3, b, 4) == 0
    )


def test_real_texts_are_cut_as_long_as_samples():
    codec = byte_codec()
    cut = Passages.as_long(
        ["".join(words(100, 0)), "".join(words(55, 1))],
        ["".join(words(10, 2)), "".join(words(25, 3))],
        codec,
    )
    assert [len(codec.pieces(text)) for text in cut[:4]] == [10, 25, 10, 25]
    assert sum(len(codec.pieces(text)) for text in cut) <= 157


def test_the_best_matcher_that_fits_is_found_by_modality_then_by_tensor():
    codecs = (Made(3, 8, 8), Made(7, unit="standard"), byte_codec())
    assert [matcher_for(codec).name for codec in codecs] == ["pictures", "numbers", "texts"]
    for codec in codecs:
        for kind in matchers_for(codec):
            assert set(kind.planted) <= set(kind.kinds) and 0 < kind.farthest <= 1
            assert matcher_called(kind.name, codec) is kind
    assert matcher_called("pictures", byte_codec()) is None


def test_sequences_that_are_no_texts_are_matched_by_their_tokens():
    codec = SimpleNamespace(
        name="throws",
        encode=lambda item: torch.tensor(item),
        labels=lambda ids: [str(number) for number in ids.tolist()],
    )
    rng = np.random.default_rng(0)
    training = [tuple(rng.integers(0, 50, 80).tolist()) for _ in range(20)]
    matcher = Passages(codec, training)
    found = matcher.match([training[3], tuple(rng.integers(0, 50, 80).tolist())])
    assert found.train[0] == 3 and found.distance[0] < 0.3 < found.distance[1]
    planted = matcher.match(matcher.plant(training[:5], "edited", torch.Generator()))
    assert planted.train.tolist() == [0, 1, 2, 3, 4] and planted.kinds == ["edited"] * 5
    state, tensors = matcher.state()
    again = Passages.restore(codec, json.loads(json.dumps(state)), tensors)
    assert again.match([training[3]]).distance.equal(found.distance[:1])
    assert len(Passages.as_long(training[:4], training[:2], codec)[0]) == 80
