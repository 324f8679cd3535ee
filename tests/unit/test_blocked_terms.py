"""Blocked terms, English and Chinese: what is found, what is not, and a stream finds what the whole
text would.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from castalia.errors import RecipeError
from castalia.governance.blocked_terms import WIDEST, Scanner, Terms
from castalia.governance.traditional_chinese import SIMPLIFIED

TERMS = Terms(
    [
        (term, term)
        for term in (
            "ass",
            "big bomb",
            "敏感词",
            "K粉",
            "頭髮",
            "Straße",
            "naïve",
            "кот",
            "卡拉OK厅",
        )
    ]
)

FOUND = {
    "ass": [
        "ass",
        "An ASS.",
        "ＡＳＳ",
        "a\u0336s\u0336s",
        "这是ass啊",
        "kick_ass",
        "as\u200bs",
        "ⓐⓢⓢ",
        "ass\n",
    ],
    "big bomb": ["big bomb", "BIG  BOMB", "big-bomb!", "big\nbomb", "bíg bóḿb"],
    "敏感词": [
        "敏感词",
        "敏感詞",
        "敏 感 词",
        "敏、感…词",
        "敏\u200b感\u2060词",
        "说敏感词吗",
        "敏" + " " * WIDEST + "感词",
        "敏\u0336感\ufe0f词",
    ],
    "K粉": ["k粉", "Ｋ粉", "K 粉", "吸k粉"],
    "頭髮": ["头发", "頭髮", "头髮"],
    "Straße": ["STRASSE", "strasse"],
    "naïve": ["naive", "Naïve"],
    "кот": ["КОТ"],
    "卡拉OK厅": ["卡拉ok廳", "卡拉 OK 厅"],
}
MISSED = [
    "class",
    "assess",
    "bass",
    "ass1",
    "bigbomb",
    "big bombs",
    "ask粉",
    "敏感",
    "敏" + " " * (WIDEST + 1) + "感词",
    "котик",
    "卡拉O K厅",
    "",
]


@pytest.mark.parametrize(
    ("term", "text"), [(term, text) for term, texts in FOUND.items() for text in texts]
)
def test_found(term: str, text: str) -> None:
    assert TERMS.find(text) == term


@pytest.mark.parametrize("text", MISSED)
def test_not_found(text: str) -> None:
    assert TERMS.find(text) is None


def streamed(pieces: list[str]) -> tuple[str, str | None]:
    """What goes out, as a screen would send it: nothing more once a term was found."""
    scanner, sent = Scanner(TERMS), ""
    for piece in pieces:
        sent += scanner.push(piece)
        if scanner.blocked_by:
            return sent, scanner.blocked_by
    sent += scanner.finish()
    return sent, scanner.blocked_by


ALPHABET = st.text(st.sampled_from(list("asbigom 敏感词粉kK頭髮、\u200b\u0301\n.")), max_size=40)


@given(ALPHABET, st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_a_stream_finds_what_the_whole_text_would(text: str, sizes: list[int]) -> None:
    pieces, place = [], 0
    while place < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[place : place + size])
        place += size
    sent, found = streamed(pieces)
    assert found == TERMS.find(text)
    assert text.startswith(sent) and TERMS.find(sent) is None, (
        "what went out holds no term, and nothing is changed"
    )
    if found is None:
        assert sent == text


def test_only_what_may_become_a_term_is_held_back() -> None:
    scanner = Scanner(TERMS)
    assert (
        scanner.push("an as") == "an "
        and scanner.push("h ") == "ash "
        and scanner.push("敏感") == ""
        and scanner.push("的") == "敏感的"
    )


def test_half_a_term_never_leaves() -> None:
    assert streamed(["big bo", "mb"]) == ("", "big bomb")
    assert streamed(["他说敏", "感", "詞"]) == ("他说", "敏感词")


def test_many_terms_cost_little() -> None:
    terms = Terms((number, f"term{number} 词{number}") for number in range(20_000))
    assert terms.find("x " * 5000 + "TERM19999 詞19999") == 19_999


@pytest.mark.parametrize("term", ["", "  ", "!!", "c++", "\u200b"])
def test_a_term_of_nothing_is_refused(term: str) -> None:
    with pytest.raises(RecipeError, match="nothing of this term"):
        Terms([("rule", term)])


def test_the_table_folds_one_way() -> None:
    assert len(SIMPLIFIED) > 1200 and not set(SIMPLIFIED) & set(SIMPLIFIED.values())
    assert SIMPLIFIED["發"] == SIMPLIFIED["髮"] == "发"
