"""BM25 and cosines against their formulas, and what terms and languages are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from castalia.apps.assistant import terms
from castalia.apps.assistant.desk import build, open_desk
from castalia.apps.assistant.retrieval import K1, B, Index, Postings
from castalia.errors import RunError

UNITS = [["cat", "sat", "cat"], ["dog", "sat"], ["bird"]]


def test_bm25_is_the_formula():
    scores = Postings(UNITS, "bm25").scores(["cat", "sat", "fish"])
    idf = {"cat": math.log(1 + 2.5 / 1.5), "sat": math.log(1 + 1.5 / 2.5)}

    def part(term: str, tf: int, length: int) -> float:
        return idf[term] * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / 2))

    expected = [part("cat", 2, 3) + part("sat", 1, 3), part("sat", 1, 2), 0.0]
    assert scores == pytest.approx(expected)


def test_cosines_are_1_for_the_same_unit_and_0_without_common_pieces():
    scores = Postings(UNITS, "cosine").scores(UNITS[0])
    assert scores[0] == pytest.approx(1)
    assert 0 < scores[1] < 1 and scores[2] == 0


def test_a_unit_that_is_not_allowed_is_not_found():
    index = Index(2, [(0, "opening hours"), (0, "when open"), (1, "opening a bottle")])
    assert index.search("opening hours").order[0] == 0
    assert index.search("opening hours", np.array([False, False, True])).order == [1]
    assert index.has("hour") and not index.has("hour", np.array([False, True, True]))
    assert index.search("zzz qqq").order == []


def test_the_best_three_units_of_a_passage_are_averaged():
    index = Index(1, [(0, "alpha"), (0, "alpha"), (0, "omega"), (0, "omega")])
    found = index.search("alpha")
    assert found.nearest[0] == pytest.approx(1)
    assert found.cosines[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("How long does it take?", "en"),
        ("要多久？", "zh"),
        ("Castalia 是什么", "zh"),
        ("どうやって返品しますか", "other"),
        ("Сколько стоит доставка?", "other"),
        ("Wie kann ich das bezahlen?", "other"),
        ("¿Cómo puedo pagar el envío?", "other"),
        ("12345 ?", ""),
    ],
)
def test_languages(text: str, spoken: str):
    assert terms.language(text) == spoken


def test_terms_of_both_languages():
    assert terms.content("Are the deliveries delayed?") == terms.content("delivery, delay")
    assert terms.content("送货时间") == ["送货", "货时", "时间"]
    assert terms.numbers("Up to 1,000 days, or 5%") == [("1000", "day"), ("5", "%")]
    assert terms.sentences("One. Two! 三。四") == ["One.", "Two!", "三。", "四"]


def test_a_passage_that_shares_no_word_is_found_by_what_it_means(tmp_path: Path):
    (tmp_path / "faq.csv").write_text(
        "question,answer\n"
        "How can I return an item?,Send it back within thirty days.\n"
        "What are your opening hours?,We open at nine.\n"
        "Do you ship abroad?,Yes.\n"
        "如何退货？,请在三十天内寄回。\n",
        encoding="utf-8",
    )
    made = build([tmp_path / "faq.csv"], embeddings=True).save(tmp_path / "desk")
    opened = open_desk(tmp_path / "desk")
    for desk in (made, opened):
        found, confidence = desk.find("when does the shop begin in the morning", "en")
        assert desk.passages[found.order[0]].text == "We open at nine."
        assert 0 < confidence < 1
    assert (opened.find("我想把东西退掉", "zh")[0].order[0]) == 3
    plain = build([tmp_path / "faq.csv"])
    assert plain.index.vectors is None and len(opened.gate.weights) == len(plain.gate.weights) + 4
    (tmp_path / "desk" / "vectors.f16").write_bytes(b"short")
    with pytest.raises(RunError, match="damaged"):
        open_desk(tmp_path / "desk")
