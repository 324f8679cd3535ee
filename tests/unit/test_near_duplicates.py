"""Near duplicates: pictures that were saved again, texts with a changed word; against brute force,
and never more than that.
"""

import io

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.codecs import array_files
from castalia.data import builtin
from castalia.modalities.image import near_duplicates as lookalikes
from castalia.modalities.text import near_duplicates as shingles
from castalia.modalities.text.near_duplicates import Shingles


@pytest.fixture(scope="module")
def clothes() -> list[PIL.Image.Image]:
    items = array_files.read_array(builtin.path("fashion") / "train5k-images-idx3-ubyte.gz")[:400]
    return [
        PIL.Image.fromarray(item).resize((80, 80), PIL.Image.Resampling.BICUBIC).convert("RGB")
        for item in items
    ]


def encoded(picture: PIL.Image.Image, form: str, **options: int) -> PIL.Image.Image:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return PIL.Image.open(file).convert("RGB")


def found(pictures: list[PIL.Image.Image]) -> set[tuple[int, int]]:
    thumbnails = np.stack(
        [np.frombuffer(lookalikes.thumbnail(picture), np.uint8) for picture in pictures]
    )
    return set(
        map(
            tuple,
            lookalikes.near(
                thumbnails, np.array([min(picture.size) for picture in pictures])
            ).pairs.tolist(),
        )
    )


@pytest.mark.parametrize(
    "again",
    [
        lambda picture: encoded(picture, "JPEG", quality=75),
        lambda picture: encoded(picture, "WEBP", quality=80),
        lambda picture: picture.resize((40, 40), PIL.Image.Resampling.LANCZOS),
        lambda picture: picture.resize((160, 160), PIL.Image.Resampling.BICUBIC),
        lambda picture: PIL.ImageEnhance.Brightness(picture).enhance(0.9),
    ],
    ids=["jpeg", "webp", "half", "double", "darker"],
)
def test_pictures_saved_again_are_found(clothes: list[PIL.Image.Image], again):
    pairs = found([*clothes[:100], *map(again, clothes[:100])])
    planted = {(number, number + 100) for number in range(100)}
    assert len(planted & pairs) >= 98
    assert len(pairs - planted) <= 2


def test_different_pictures_are_not(clothes: list[PIL.Image.Image]):
    assert len(found(clothes)) <= 1
    disc = PIL.Image.new("RGB", (64, 64), "white")
    disc.paste((0, 0, 0), (16, 16, 48, 48))
    pale = PIL.Image.new("RGB", (64, 64), "white")
    pale.paste((200, 200, 200), (16, 16, 48, 48))
    red = PIL.Image.new("RGB", (64, 64), "white")
    red.paste((220, 0, 0), (16, 16, 48, 48))
    assert (
        found(
            [
                disc,
                pale,
                red,
                PIL.Image.new("RGB", (64, 64), "red"),
                PIL.Image.new("RGB", (64, 64), "blue"),
            ]
        )
        == set()
    )


def test_the_search_is_brute_force_made_fast(clothes: list[PIL.Image.Image]):
    pictures = [*clothes[:200], *(encoded(picture, "JPEG", quality=20) for picture in clothes[:60])]
    thumbnails = np.stack(
        [np.frombuffer(lookalikes.thumbnail(picture), np.uint8) for picture in pictures]
    )
    shorter = np.full(len(pictures), 80)
    one, other = np.triu_indices(len(pictures), 1)
    distance = lookalikes._distance(thumbnails, shorter, one, other)
    scaled, contrast = lookalikes._scaled(thumbnails)
    mean = thumbnails[:, :1024].mean(1)
    near = (distance <= 0.2) & (np.abs(mean[one] - mean[other]) <= lookalikes.DARKER)
    near &= np.maximum(contrast[one], contrast[other]) <= lookalikes.WEAKER * np.minimum(
        contrast[one], contrast[other]
    )
    fast = lookalikes.near(thumbnails, shorter, 0.2)
    assert set(map(tuple, fast.pairs.tolist())) == set(
        zip(one[near].tolist(), other[near].tolist(), strict=True)
    )
    coarse = lookalikes._reduced(scaled, 8)
    below = (
        np.linalg.norm(coarse[one[:5000]] - coarse[other[:5000]], axis=1) <= distance[:5000] + 1e-4
    )
    assert below.all()


WORDS = st.lists(
    st.sampled_from(
        [
            "the",
            "a",
            "cat",
            "dog",
            "king",
            "sings",
            "sees",
            "follows",
            "猫",
            "狗",
            "看见",
            "over",
            "under",
            "and",
            "then",
            "not",
        ]
    ),
    min_size=12,
    max_size=60,
)


@settings(max_examples=30, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=12))
def test_pairs_of_texts_are_those_of_brute_force(texts: list[list[str]]):
    joined = [" ".join(words) for words in texts]
    index = Shingles()
    for text in joined:
        index.add(text)
    # far above the bands' threshold: a miss has probability (1 - 0.8^4)^32 = 4e-8
    near = index.near(0.8)
    similar = {
        (a, b): shingles.similarity(joined[a], joined[b])
        for a in range(len(joined))
        for b in range(a + 1, len(joined))
        if joined[a] != joined[b]
    }
    expected = {pair for pair, value in similar.items() if value >= 0.8}
    measured = {
        tuple(pair): 1 - distance
        for pair, distance in zip(near.pairs.tolist(), near.distance.tolist(), strict=True)
    }
    assert expected <= set(measured)
    assert all(
        value == pytest.approx(similar.get(pair, 1.0)) and value >= 0.8
        for pair, value in measured.items()
    )


def poem(seed: int, length: int = 40) -> str:
    return "".join(
        chr(0x4E00 + int(code)) for code in np.random.default_rng(seed).integers(0, 3000, length)
    )


def test_one_changed_word_is_found_in_a_crowd():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 5000, 30)) for _ in range(1500)]
    changed = [
        " ".join([*text.split()[:7], "otherwise", *text.split()[8:]]) for text in texts[:200]
    ]
    verses = [poem(seed) for seed in range(300)]
    mended = [verse[:20] + "〇" + verse[21:] for verse in verses[:100]]
    index = Shingles()
    for text in [*texts, *changed, *verses, *mended]:
        index.add(text)
    expected = {(number, 1500 + number) for number in range(200)} | {
        (1700 + number, 2000 + number) for number in range(100)
    }
    pairs = set(map(tuple, index.near().pairs.tolist()))
    assert len(pairs & expected) >= 297
    assert pairs <= expected


def test_case_blanks_and_width_do_not_count_but_words_do():
    assert shingles.similarity("The cat sat, on THE mat!", "the  cat\nsat on the ｍａｔ") == 1
    assert shingles.similarity("床前明月光，疑是地上霜。", "床前明月光 疑是地上霜") == 1
    assert shingles.similarity("one two three four", "five six seven eight") == 0
    assert shingles.similarity("a b c d", "a b c e") == pytest.approx(2 / 4)


def test_a_thousand_alike_are_not_a_million_pairs():
    index = Shingles()
    for number in range(1000):
        index.add(
            "this is the notice that stands at the end of every single page number " + str(number)
        )
    near = index.near()
    assert 999 <= len(near.pairs) <= 1000 * 2 * shingles.MOST
    assert len(np.unique(near.pairs)) == 1000


def test_short_texts_and_no_texts_are_near_to_nothing():
    index = Shingles()
    assert len(index.near().pairs) == 0
    for text in ("", "yes", "yes", "yes sir", "！！", "\n"):
        index.add(text)
    assert len(index.near().pairs) == 0
