"""The checker of copy, on texts that nobody here wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from castalia.apps.copy import chinese, english
from castalia.apps.copy.checking import check, covered, uncovered, words_of
from castalia.apps.copy.claims import RULES, claims
from castalia.apps.copy.facts import Fact, Product, numbers
from castalia.apps.copy.vocabulary import chinese_pieces, english_words
from castalia.errors import DataError
from tests.apps.command import inside

KETTLE = Product(
    "Luma 5",
    (
        Fact("brand", ("Halvo",), "brand"),
        Fact("type", ("kettle",), "kind"),
        Fact("weight", ("1,200 g",), "weight"),
        Fact("capacity", ("1.5 l",), "capacity"),
        Fact("power", ("2200 W",), "power"),
        Fact("colour", ("sand", "navy"), "colour"),
        Fact("waterproof", (), "", False),
        Fact("cordless", (), "", True),
        Fact("price", ("€59.90",), "price"),
    ),
    2,
)
HU = Product(
    "山泉水壶",
    (
        Fact("品牌", ("远岚",), "brand"),
        Fact("材质", ("不锈钢",), "material"),
        Fact("重量", ("320克",), "weight"),
        Fact("防水", (), "", False),
        Fact("价格", ("199元",), "price"),
    ),
    2,
)


@pytest.mark.parametrize(
    "text",
    [
        "Meet the Luma 5, a kettle by Halvo in sand or navy.",
        "It weighs 1200 grams and holds 1.5 litres. It is cordless!",
        "Kettle: 2,200 W, 1,200 g. For you at €59.90.",
        "The price is 59.90 euros.",
        "The Luma 5 is not waterproof.",
    ],
)
def test_what_the_facts_say_is_proved(text: str):
    assert check(text, KETTLE) == []


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("It weighs 1300 g.", "number", "1300"),
        ("It weighs 1200 kg.", "number", "1200"),
        ("It holds 1.5 kg.", "number", "1.5"),
        ("It weighs 2200 W.", "label", "2200"),
        ("It costs €1200.", "number", "1200"),
        ("Comes with three cups.", "number", "three"),
        ("A kettle by Bodum.", "brand", "Bodum"),
        ("A quiet kettle.", "word", "quiet"),
        ("In crimson.", "attribute", "crimson"),
        ("It is waterproof.", "word", "waterproof"),
        ("It is not cordless.", "word", "not"),
        ("The best kettle.", "claim", "best"),
        ("Ask anna@example.org.", "personal", "a***"),
        ("Luma 6 by Halvo.", "number", "6"),
    ],
)
def test_what_they_do_not_say_is_found(text: str, rule: str, words: str):
    found = check(text, KETTLE, {"crimson"})
    assert any(one.rule == rule and words in one.words for one in found), found
    assert all(one.why for one in found)


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("山泉水壶重320克，材质为不锈钢，售价199元。", "", ""),
        ("来认识一下山泉水壶吧，不防水。", "", ""),
        ("山泉水壶重３２０克。", "", ""),
        ("山泉水壶重350克。", "number", "350"),
        ("山泉水壶重320斤。", "number", "320"),
        ("山泉水壶重199元。", "label", "199"),
        ("轻便的山泉水壶。", "word", "轻便"),
        ("山泉水壶防水。", "word", "防水"),
        ("山泉水壶是陶瓷的。", "attribute", "陶瓷"),
        ("全网第一的山泉水壶。", "claim", "全网第一"),
        ("山泉水壶，帮你排毒。", "claim", "排毒"),
        ("山泉水壶，请打13812345678。", "personal", "138"),
    ],
)
def test_chinese(text: str, rule: str, words: str):
    found = check(text, HU, {"陶瓷"})
    if not rule:
        assert found == []
    else:
        assert any(one.rule == rule and words in one.words for one in found), found


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("国家级工艺", "cn-absolute"),
        ("最好的选择", "cn-absolute"),
        ("行业唯一", "cn-absolute"),
        ("有消炎的功能", "cn-medical"),
        ("无副作用", "cn-guarantee"),
        ("the world's softest scarf", "eu-absolute"),
        ("100% satisfaction", "eu-absolute"),
        ("it cures headaches", "eu-cures"),
        ("boosts your immune system", "eu-health"),
        ("an eco-friendly bag", "eu-green"),
        ("最近上新，最后三天，第一次见面", ""),
        ("100% cotton, best before May, an accurate watch", ""),
    ],
)
def test_forbidden_claims_name_their_law(text: str, rule: str):
    found = {one.rule.id for one in claims(text)}
    assert found == ({rule} if rule else set())
    assert all(re.search(r"article|annex|CFR|articles", one.source) for one in RULES)


def test_our_own_phrases_praise_nothing():
    """Every word of the phrases, read by hand; a new one has to be looked at."""
    praise = {"best", "soft", "great", "quality", "perfect", "easy", "beautiful", "more", "very"}
    assert not english_words() & praise
    assert not any(list(claims(word)) for word in english_words() | chinese_pieces())
    assert not {"很", "更", "最", "好", "不", "无", "高", "轻", "优"} & chinese_pieces()
    assert set(english.OPENERS) == set(chinese.OPENERS) == set(english.PRICES)


def test_numbers_have_their_units():
    text = "1,200 g, €5.50, 3个月, A12, 48 × 30 cm"
    found = [(str(one.value), one.unit) for one in numbers(text)]
    assert found == [("1200", "g"), ("11/2", "€"), ("3", "month"), ("48", ""), ("30", "cm")]


def test_pieces_cover_a_run_with_as_little_left_as_can_be():
    assert uncovered("来看看这款水壶", {"来", "看看", "看", "这款", "水壶"}) == []
    assert uncovered("来看轻便的水壶", {"来", "看", "的", "水壶"}) == ["轻便"]


def test_coverage_counts_facts():
    said = covered("The kettle weighs 1,200 g and comes in sand and navy.", KETTLE.facts)
    assert [fact.label for fact, one in zip(KETTLE.facts, said, strict=True) if one] == [
        "type",
        "weight",
        "colour",
    ]
    assert "sand" in words_of(KETTLE)


def test_texts_of_a_file(tmp_path: Path):
    (tmp_path / "p.csv").write_text(
        "name,colour,price\nLuma,sand,€59\nOrla,navy,€80\nBad,red,12\n", encoding="utf-8"
    )
    (tmp_path / "t.csv").write_text(
        "product,text\nLuma,Luma comes in sand.\nLuma,Luma comes in navy.\nBad,Red.\n",
        encoding="utf-8",
    )
    said = inside("copy", "check", "t.csv", "p.csv", cwd=tmp_path, code=7)
    assert "'navy' is said of other products" in said
    assert "3 texts: 1 proved, 1 not, 1 that could not be checked" in said
    (tmp_path / "t.txt").write_text("Meet Luma.\n\nLuma or Orla?\n\nSomething.\n")
    said = inside("copy", "check", "t.txt", "p.csv", cwd=tmp_path)
    assert "3 texts: 1 proved, 0 not, 2 that could not be checked" in said
    with pytest.raises(DataError, match="no column 'text'"):
        (tmp_path / "u.csv").write_text("product,words\na,b\n")
        from castalia.apps.copy.file_checks import checked

        checked(tmp_path / "u.csv", tmp_path / "p.csv")


def test_what_nobody_would_write_is_not_proved_either():
    found = check("It holds " + "1" * 9000 + " l.", KETTLE)
    assert [one.rule for one in found] == ["number"]
    assert {one.rule for one in claims("Most people like the most beautiful lamp.")} == {
        one for one in RULES if one.id == "eu-absolute"
    }
