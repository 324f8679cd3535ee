"""castalia lesson as its users meet it: sheets, texts, refusals."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import castalia
from castalia.apps.lesson import privacy, readability
from castalia.apps.lesson import text as texts
from castalia.apps.lesson.demo import DATA
from castalia.apps.lesson.exercise import Exercise
from castalia.apps.lesson.file_checks import checked
from castalia.apps.lesson.pronunciation import pronounced
from castalia.apps.lesson.word_checks import check_words
from castalia.errors import CastaliaError, DataError, RecipeError, Refused
from tests.apps.command import TINY, inside
from tests.apps.serving import serving

NUMBERS = ("arithmetic", "fractions", "equations", "units", "stories")
FISCAL = (
    "The fiscal year ends in June. Each fiscal year has a plan. The river was calm that evening. "
    "A long river crosses the plain. The teacher opened the window. A window looked over the "
    "garden. The soldier left the village. A soldier came home. In the village nobody slept. "
    "We wrote the plan for the fiscal year and sent it to the town. Every garden needs water. "
) * 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_answer_is_right_and_no_exercise_comes_twice(language: str, tmp_path: Path):
    made = castalia.lesson(NUMBERS, n=50, steps=(1, 3), language=language, seed=5)
    made.write(tmp_path)
    assert len({one.question for one in made.exercises}) == 50
    found = checked(tmp_path / "lesson.json")
    assert len(found.right) == 50
    steps = Counter(one.steps for one in made.exercises if one.kind == "equations")
    assert steps == {1: 4, 2: 3, 3: 3}
    # nothing of the other language on the sheet
    sheet = (tmp_path / "worksheet.html").read_text("utf-8").partition("<body>")[2]
    other = r"\b(the|of|How)\b" if language == "zh" else r"[\u4e00-\u9fff]"
    assert not re.search(other, sheet)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        castalia.lesson(NUMBERS, n=15, seed=9, language="en").write(tmp_path / name)
    castalia.lesson(NUMBERS, n=15, seed=10, language="en").write(tmp_path / "other")
    for name in ("worksheet.html", "key.html", "lesson.json", "lesson.csv", "lesson.gift.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "lesson.csv").read_bytes() != (
        tmp_path / "other" / "lesson.csv"
    ).read_bytes()


def test_the_worksheet_holds_no_answer(tmp_path: Path):
    made = castalia.lesson(["equations"], n=12, language="en", seed=1)
    made.write(tmp_path)
    sheet = (tmp_path / "worksheet.html").read_text("utf-8")
    key = (tmp_path / "key.html").read_text("utf-8")
    for one in made.exercises:
        assert one.answer in key and not re.search(rf">\s*{one.answer}\s*<", sheet)
    assert "size: A4" in sheet and "break-inside: avoid" in sheet


def test_files_for_use_elsewhere(tmp_path: Path):
    castalia.lesson(["fractions", "equations"], n=6, language="en", seed=2).write(tmp_path)
    rows = list(csv.DictReader((tmp_path / "lesson.csv").open(encoding="utf-8-sig")))
    assert [row["kind"] for row in rows] == ["fractions"] * 3 + ["equations"] * 3
    gift = (tmp_path / "lesson.gift.txt").read_text("utf-8")
    assert gift.count("::") == 12 and r"{=x \= " in gift
    assert json.loads((tmp_path / "lesson.json").read_text("utf-8"))["seed"] == 2


def test_signs_and_size_are_kept():
    made = castalia.lesson(["arithmetic"], n=30, steps=(2, 2), signs="+", largest=20, language="en")
    assert all(set(re.findall(r"[−×÷]", one.question)) == set() for one in made.exercises)
    assert max(int(x) for one in made.exercises for x in re.findall(r"\d+", one.question)) <= 20


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_text_gives_cloze_and_vocabulary(language: str, tmp_path: Path):
    story = DATA / f"story.{language}.txt"
    made = castalia.lesson(["cloze", "vocabulary"], n=10, text=story, seed=3)
    made.write(tmp_path)
    assert made.language == language and len(checked(tmp_path / "lesson.json", story).right) == 10
    assert len(checked(tmp_path / "lesson.json").unread) == 10
    sheet = (tmp_path / "worksheet.html").read_text("utf-8")
    assert sheet.count('class="gap"') == 5 and "____" not in sheet


def test_choices_are_decided_by_the_text(tmp_path: Path):
    story = tmp_path / "story.txt"
    story.write_text(FISCAL, encoding="utf-8")
    made = castalia.lesson(["cloze"], n=3, text=story, seed=1)
    chosen = next(one for one in made.exercises if one.choices)
    assert chosen.answer == "year" and "fiscal ____" in chosen.question
    made.write(tmp_path)
    document = json.loads((tmp_path / "lesson.json").read_text("utf-8"))
    for change in (
        lambda one: one.update(answer="river"),
        lambda one: one.update(choices=[*one["choices"][:3], "plan"], answer="plan"),
        lambda one: one.update(question=one["question"].replace("fiscal", "yearly")),
    ):
        spoilt = json.loads(json.dumps(document))
        place = next(i for i, one in enumerate(spoilt["exercises"]) if "choices" in one)
        change(spoilt["exercises"][place])
        (tmp_path / "spoilt.json").write_text(json.dumps(spoilt), encoding="utf-8")
        assert len(checked(tmp_path / "spoilt.json", story).wrong) == 1


def test_an_ambiguous_gap_is_refused_by_the_checker(tmp_path: Path):
    text = tmp_path / "a.txt"
    text.write_text(FISCAL + "A fiscal river is nonsense.", encoding="utf-8")
    row = "question,answer,choices\nEach fiscal ____ has a plan.,year,year | river | window\n"
    (tmp_path / "x.csv").write_text(row, encoding="utf-8")
    found = checked(tmp_path / "x.csv", text)
    assert "“river” stands beside the gap elsewhere" in found.wrong[0].verdict.why


def test_only_sure_pronunciations_are_printed():
    assert pronounced("经济") == "jīng jì" and pronounced("孩子") == "hái zi"
    assert pronounced("种成") == ""
    # 重 can be read as zhòng and as chóng, so a second word sounds like 众生
    text = texts.of("重生的故事讲给众生听。众生都笑了，故事讲完了。" * 2, "a.txt")
    asked = Exercise("vocabulary", "看拼音写词语（课文中的词）：zhòng shēng", "众生")
    assert check_words(asked, text).why == "2 words of the text fit"


def test_a_band_is_kept_and_what_there_is_is_said(tmp_path: Path):
    story = DATA / "story.en.txt"
    made = castalia.lesson(["cloze"], n=4, text=story, band=(3, 5))
    assert all(3 <= one.grade <= 5 for one in made.passages)
    with pytest.raises(DataError, match=r"they lie between \d"):
        castalia.lesson(["cloze"], n=4, text=story, band=(13, 15))
    with pytest.raises(DataError, match=r"900 exercises are wanted, and \d+ can be decided"):
        castalia.lesson(["cloze"], n=900, text=story)


def test_readability():
    # 0.39 * 6 + 11.8 * 6 / 6 - 15.59
    assert readability.grade(["The cat sat on the mat."], "en") == pytest.approx(-1.45)
    assert [readability.syllables(word) for word in WORDS] == list(WORDS.values())
    assert readability.grade(["一是人了不。"], "zh") < 0.1
    assert readability.grade(["饕餮魑魅魍魉。"], "zh") == readability.HARDEST
    assert len(readability.ranks()) == 3500


WORDS = {
    "cat": 1, "table": 2, "walked": 1, "wanted": 2, "boxes": 2, "names": 1, "beautiful": 3,
    "idea": 3, "didn't": 2, "hopeful": 2, "principles": 3, "science": 2, "created": 3,
}  # fmt: skip


def test_sentences_are_cut_where_they_end():
    cut = texts.sentences_of("Mr. Smith came at 3.5 p.m. today. He left! “Why?” Nobody knew.")
    assert cut == ["Mr. Smith came at 3.5 p.m. today.", "He left!", "“Why?”", "Nobody knew."]
    assert texts.sentences_of("他走了。“为什么？”没人知道！") == [
        "他走了。",
        "“为什么？”",
        "没人知道！",
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Call 13812345678 for help.", "personal-data"),
        ("Write to tom@example.org.", "personal-data"),
        ("Name: Tom Baker", "child-name"),
        ("The winner is Tom Baker (8).", "child-name"),
        ("my daughter Anna Schmidt sings", "child-name"),
        ("姓名：王小明", "child-name"),
        ("昨天张伟同学迟到了", "child-name"),
        ("Everybody likes ANNA-lena here", "roster"),
        ("我看见了杜小月。", "roster"),
    ],
)
def test_a_child_and_personal_data_are_refused(text: str, rule: str, tmp_path: Path):
    with pytest.raises(Refused, match=f"rule {rule}: a.txt, line 2"):
        privacy.refuse(f"A line.\n{text}", "a.txt", ["Anna Lena", "杜小月"])
    privacy.refuse("No Child Left Behind helped. Ten children (8 girls) came. 同学们好。", "a.txt")


def test_a_long_row_of_names_is_read_in_time():
    with pytest.raises(Refused, match="line 1"):
        privacy.refuse("Aa " * 20_000 + "Tom Baker (8).", "a.txt")


def test_names_of_the_class_are_not_in_stories():
    names = ["Mia", "Ben", "Zoe", "Leo", "Ava", "Sam", "Ida", "Max"]
    made = castalia.lesson(["stories"], n=20, roster=names, language="en")
    said = " ".join(one.question for one in made.exercises)
    assert not any(re.search(rf"\b{name}\b", said) for name in names)


def test_a_list_of_words(tmp_path: Path):
    path = tmp_path / "words.csv"
    path.write_text("word,meaning\nhen,a bird\nbus,a car\nelm,a tree\nrye,a grain\n")
    made = castalia.lesson(["vocabulary"], n=4, words=path, language="en")
    assert all(len(one.choices) == 4 for one in made.exercises)
    made.write(tmp_path)
    assert len(checked(tmp_path / "lesson.json", words=path).right) == 4
    path.write_text("word,meaning\nhen,a bird\nowl,a bird\nelm,a tree\nrye,a grain\n")
    with pytest.raises(DataError, match="a meaning two words"):
        castalia.lesson(["vocabulary"], n=4, words=path, language="en")


@pytest.mark.parametrize(
    ("kinds", "more", "words"),
    [
        (["fraction"], {}, "did you mean 'fractions'"),
        ([], {}, "name each kind"),
        (["cloze"], {}, "made from a text"),
        (["units"], {"n": 0}, "out of range"),
        (["units"], {"steps": (4, 5)}, "no exercises of 4 steps"),
        (["units"], {"steps": (3, 2)}, "from few to many"),
        (["arithmetic"], {"largest": 5}, "largest number"),
        (["arithmetic"], {"signs": "%"}, "operation is not known"),
        (["arithmetic"], {"n": 500, "signs": "×", "steps": (1, 1), "largest": 10}, "different"),
        (["cloze"], {"text": DATA / "story.zh.txt", "language": "en"}, "another language"),
    ],
)
def test_wishes_that_make_no_sense_are_named(kinds: list[str], more: dict, words: str):
    with pytest.raises(CastaliaError, match=words):
        castalia.lesson(kinds, **{"language": "en", **more})


def test_the_command(tmp_path: Path):
    said = inside("lesson", "units", "--n", 4, "--steps", 2, "--lang", "zh", cwd=tmp_path)
    assert "4 道题，都由另一个程序核对过" in said and not re.search(r"\bexercise", said)
    with pytest.raises(RecipeError):
        castalia.lesson(["units"], steps=(0, 1))
    inside("lesson", "units", "--steps", "many", cwd=tmp_path, code=2)


def test_over_http(tmp_path: Path):
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    with serving(tmp_path / "run") as at:
        answer = at.post("/api/lesson", data={"kinds": "units", "n": "6", "language": "zh"})
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert len(made["exercises"]) == 6 and "单位换算" in made["worksheet"]
        answer = at.post(
            "/api/lesson/check", files={"data": ("a.csv", b"question,answer\n1 + 1 = ?,3\n")}
        )
        assert answer.json()["wrong"][0]["expected"] == "2"
        answer = at.post("/api/lesson", data={"kinds": "units", "n": "900"})
        assert answer.status_code == 400
        story = (DATA / "story.en.txt").read_bytes()
        answer = at.post(
            "/api/lesson",
            data={"kinds": "cloze", "n": "3"},
            files={"text": ("a.txt", story + b"\nCall 13812345678")},
        )
        assert answer.status_code == 403 and "personal-data" in answer.text
