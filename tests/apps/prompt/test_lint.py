"""The linter of prompts: what each rule finds and passes over, its changes, and its outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from castalia.apps.prompt.lint import lint, mended
from castalia.apps.prompt.lint.finding import Edit, diff, edited
from castalia.errors import RecipeError
from tests.apps.command import TINY, inside
from tests.apps.serving import serving


def kinds(text: str) -> list[str]:
    return [f"{one.rule}/{one.kind}" for one in lint(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Translate the following sentence into French.", ["clear/missing"]),
        ('Translate the following sentence into French: "It rains."', []),
        ("Given a sentence, count its words.", []),
        ("Make it shorter than 20 words.", ["clear/missing"]),
        ("Based on the above, list three risks.", ["clear/missing"]),
        ("The sky is blue. Based on the above, list three colours.", []),
        ("根据上面的内容，列出三个风险。", ["clear/missing"]),
        ("翻译下面的句子，只输出译文。\n\n今天下雨。", []),
        ("翻译下面的句子，只输出译文。", ["clear/missing"]),
        (
            "Write two sentences about tea in French. The reply must be in English.",
            ["clear/contradiction"],
        ),
        ("请用不超过 20 个字详细说明三个原因。", ["clear/contradiction"]),
        ("不要列清单。用编号清单列出六个步骤。", ["clear/contradiction"]),
        (
            "Write exactly two sentences on tea. It must be three sentences.",
            ["clear/contradiction"],
        ),
        ("A cold morning in Bern.", ["clear/task"]),
        ("Write a story about a dog.", ["specific/open"]),
        ("Write a story about a dog in 100 words.", []),
        ("Give me some tips for runners.", ["specific/vague"]),
        ("写一篇关于秋天的文章。", ["specific/open"]),
        ("写一篇关于秋天的文章，300 字。", []),
        ("用两句话向孩子解释彩虹。", []),
        ("In order to check it, count the letters of the word tea.", ["concise/padding"]),
        ("众所周知，猫有九条命。请写出“猫”字的笔画数。", ["concise/padding"]),
        (
            "您好，麻烦您把“雨停了”翻译成英语，非常感谢，辛苦您了！",
            ["concise/politeness"],
        ),
        ("Please translate “rain” into German. Thank you.", []),
        (
            "Count the vowels of the word education. Count all vowels of the word education.",
            ["concise/doubled"],
        ),
        ("Convert 3 miles to km. By the way, my dog is ill.", ["relevant/digression"]),
        ("My dog is ill. Convert 3 miles to kilometres.", ["relevant/story"]),
        ("My dog is ill and old. Suggest three kinds of food, with their price.", []),
        ("把 3 英里换算成公里。记得浇花。", ["relevant/reminder"]),
        (
            "The lake is deep. " * 6 + "Translate what stands here into French.",
            ["concise/doubled"] * 5,
        ),
        ("You are a cook. Convert 3 miles to kilometres.", []),
        ("Is it even?\n2 -> yes\n4 -> yes\n6 -> yes\n7 ->", ["diverse/labels"]),
        ("Is the number even?\n2 -> yes\n-17 -> no\none million -> yes\n7 ->", []),
        (
            "抽取城市名。\n\n文本：我住在北京。\n城市：北京\n\n文本：我住在上海。\n城市：上海\n\n"
            "文本：我住在广州。\n城市：广州",
            ["diverse/form"],
        ),
        (
            "写一条雨伞的标题，不超过 15 个字。\n写一条雨衣的标题，不超过 15 个字。\n"
            "写一条雨鞋的标题，不超过 15 个字。",
            ["diverse/set"],
        ),
    ],
)
def test_what_is_found(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected


def test_places_are_those_of_the_characters() -> None:
    text = "Count the words.\n" + "🙂 Also, give me some tips.\n"
    one = next(one for one in lint(text) if one.rule == "specific")
    assert text[one.start : one.end] == "some"
    assert (one.line, one.column, one.end_column) == (2, text.split("\n")[1].index("some") + 1, 21)


def test_what_is_handed_over_is_not_judged() -> None:
    material = "Write a story. In order to win, remember some nice things, by the way."
    assert kinds(f"Count the words of the text.\n\nText: {material}") == []
    assert kinds(f'Count the words: "{material}"') == []
    table = "| a | b |\n|---|---|\n| in order to | in order to |"
    assert kinds(f"Count the words of the table.\n\n{table}") == []
    assert kinds("# Count the words of tea\n\nCount the words of “tea”.") == []
    assert kinds(f"Count the words.\n```\n{material}\n```") == []


def test_changes_are_made_and_nothing_is_left_to_find() -> None:
    text = "In order to check, sort 3, 1, 2 from small to large. By the way, it rains here.\n"
    after, made = mended(text, lint(text))
    assert after.strip() == "to check, sort 3, 1, 2 from small to large."
    assert [one.rule for one in made] == ["concise", "relevant"]
    assert lint(after) == []


def test_a_gap_is_left_to_a_person() -> None:
    found = lint("Write a story about a dog.")
    assert not found[0].complete
    assert mended("Write a story about a dog.", found) == ("Write a story about a dog.", [])
    assert (
        "+Write a story about a dog, [number, length, form or reader]."
        in (found[0].document("Write a story about a dog.")["diff"])
    )
    assert "[数量、长度、格式或读者]" in lint("写一篇关于秋天的文章。")[0].edits[0].text


def test_diffs_apply() -> None:
    import difflib

    text = "".join(f"line {number}\n" for number in range(30))
    place = text.index("line 17")
    edits = (Edit(place, place + 4, "row"),)
    whole = difflib.unified_diff(
        text.splitlines(keepends=True),
        edited(text, edits).splitlines(keepends=True),
        "prompt",
        "prompt",
        n=1,
    )
    assert diff(text, edits) == "".join(whole)
    assert diff(text, ()) == ""


def test_rules_are_chosen_and_switched_off() -> None:
    text = "Give me some tips. In order to win, list two rules."
    assert {one.rule for one in lint(text)} >= {"concise"}
    assert lint(text, select=["clear"]) == []
    assert {one.rule for one in lint("Give me some tips.", ignore=["specific"])} == set()
    story = "Write a story about a dog."
    assert kinds(f"{{# lint: off specific #}}\n{story}") == []
    assert kinds(f"<!-- lint: off -->\n{story}\n<!-- lint: on -->") == []
    assert kinds(f"<!-- lint: off clear -->\n{story}") == ["specific/open"]
    assert kinds(f"<!-- lint: off -->\n<!-- lint: on -->\n{story}") == ["specific/open"]
    with pytest.raises(RecipeError, match="no rule 'clean'"):
        lint(story, select=["clean"])
    with pytest.raises(RecipeError, match="no rule 'clean'"):
        lint(f"{{# lint: off clean #}}{story}")


def test_a_template_says_which_variable_is_not_used() -> None:
    head = "---\nvariables:\n  city: text\n  day:\n    type: text\n    about: x\n---\n"
    text = head + "Name the three tallest buildings of {{ city }}, one per line.\n"
    (one,) = lint(text)
    assert (one.rule, one.kind, one.line) == ("relevant", "unused", 4)
    after, _ = mended(text, [one])
    assert after == text.replace("  day:\n    type: text\n    about: x\n", "")
    used = text.replace("per line", "per line, on {% if day %}{{ day }}{% endif %}")
    assert lint(used) == []


@pytest.mark.parametrize(
    "text",
    [
        "Écris une histoire avec des mots qui ne sont pas dans le texte du livre.",
        "Напиши рассказ о собаке.",
        "犬についての物語を書いてください。",
        "개에 대한 이야기를 쓰세요.",
    ],
)
def test_other_languages_are_not_judged(text: str, tmp_path: Path) -> None:
    assert lint(text) == []
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    out = inside("prompt", "lint", "a.txt", cwd=tmp_path)
    assert "only English and Chinese are judged" in out


def test_mixed_languages_are_both_judged() -> None:
    assert kinds("写一篇关于秋天的文章。\nWrite a story about a dog.") == ["specific/open"] * 2


@pytest.mark.parametrize(
    "unit", ["{#", "<a>", '"', "“", "{{", "Label: x\n", "翻译,", "Do: ", " \n"]
)
def test_a_long_prompt_takes_time_in_proportion(unit: str) -> None:
    import time

    def spent(count: int) -> float:
        begin = time.process_time()
        lint(unit * count)
        return time.process_time() - begin

    spent(10)
    # eight times as much text: in proportion, 8; in the square, 64. A busy machine is forgiven.
    assert min(spent(4000) for _ in range(3)) < 25 * max(spent(500), 0.02)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Count the words of this sentence: “It rains.”\n")
    (tmp_path / "bad.md").write_text("# Task\n\nIn order to win, list two rules of chess.\n")
    assert "1 prompt: 0 findings" in inside("prompt", "lint", "good.txt", cwd=tmp_path)
    out = inside("prompt", "lint", ".", cwd=tmp_path, code=1)
    assert "bad.md:3:1: concise: 'In order to' is a long way to say 'to'" in out
    assert "+to win, list two rules of chess." in out
    assert "2 prompts: 1 finding" in out
    inside("prompt", "lint", "bad.md", "--ignore", "concise", cwd=tmp_path)
    inside("prompt", "lint", "bad.md", "--fix", "--out", "better.md", cwd=tmp_path, code=1)
    assert (tmp_path / "better.md").read_text().endswith("\nto win, list two rules of chess.\n")
    inside("prompt", "lint", "bad.md", "--fix", cwd=tmp_path, code=1)
    inside("prompt", "lint", "bad.md", cwd=tmp_path)


def test_tables_of_prompts(tmp_path: Path) -> None:
    rows = ["Write a story about a dog.", "Count the letters of “tea”."]
    lines = [json.dumps({"id": number, "ask": text}) for number, text in enumerate(rows)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    out = inside("prompt", "lint", "p.jsonl", "--column", "ask", "--json", cwd=tmp_path, code=1)
    made = json.loads(out)
    assert made["prompts"] == 2
    assert [(one["row"], one["rule"]) for one in made["findings"]] == [(1, "specific")]
    assert "--column NAME" in inside("prompt", "lint", "p.jsonl", cwd=tmp_path, code=3)
    (tmp_path / "p.csv").write_text('id,prompt\n1,"Write a story\nabout a dog."\n')
    out = inside("prompt", "lint", "p.csv", cwd=tmp_path, code=1)
    assert "p.csv:3:1:1: specific" in out
    fixed = inside("prompt", "lint", "p.csv", "--fix", cwd=tmp_path, code=2)
    assert "rows of a table are not changed" in fixed
    (tmp_path / "e.csv").write_text("id,prompt\n1,\n")
    assert "holds no prompt" in inside("prompt", "lint", "e.csv", cwd=tmp_path, code=3)


def test_sarif(tmp_path: Path) -> None:
    text = "🙂 In order to win, list two rules of chess.\n"
    (tmp_path / "a b.txt").write_text(text, encoding="utf-8")
    made = json.loads(inside("prompt", "lint", "a b.txt", "--sarif", cwd=tmp_path, code=1))
    assert made["version"] == "2.1.0"
    (run,) = made["runs"]
    names = [one["id"] for one in run["tool"]["driver"]["rules"]]
    assert names == ["clear", "specific", "concise", "relevant", "diverse"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.txt"
    assert place["region"] == {"startLine": 1, "startColumn": 3, "endLine": 1, "endColumn": 14}
    change = result["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert change["insertedContent"] == {"text": "to"}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.txt", b" \n", "the file is empty"),
        ("binary.txt", b"\x00\x01\x02", "this is no text"),
        ("latin.txt", "Schreibe größer".encode("latin-1"), "not UTF-8"),
        ("none.csv", b"prompt\n", "the table has no rows"),
    ],
)
def test_bad_files(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert said in inside("prompt", "lint", name, cwd=tmp_path, code=3)


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Count to 3.")
    inside("prompt", "lint", "a.txt", "--json", "--sarif", cwd=tmp_path, code=2)
    inside("prompt", "lint", "a.txt", "--out", "b.txt", cwd=tmp_path, code=2)
    inside("prompt", "lint", "a.txt", "--select", "clean", cwd=tmp_path, code=2)
    inside("prompt", "lint", cwd=tmp_path, code=2)


def test_over_http(tmp_path: Path) -> None:
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    with serving(tmp_path / "run") as up:
        made = up.post("/api/prompt/lint", {"prompt": "写一篇关于秋天的文章。"}).json()
        assert [one["rule"] for one in made["findings"]] == ["specific"]
        assert made["judged"] is True
        same = {"prompt": "写一篇关于秋天的文章。", "ignore": ["specific"]}
        assert up.post("/api/prompt/lint", same).json()["findings"] == []
        assert up.post("/api/prompt/lint", {"prompt": "x", "select": ["y"]}).status_code == 400
        assert up.post("/api/prompt/lint", {"prompt": "x" * 70_000}).status_code in (400, 413, 422)
