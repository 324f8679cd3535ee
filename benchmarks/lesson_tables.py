"""The tables of lessons: rows of the table of all figures, and those of their own page. Called by
tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
LANGUAGES = {"en": ("English", "英文"), "zh": ("Chinese", "中文")}
KINDS = {
    "cloze, choices": ("cloze, choices", "cloze，有选项"),
    "cloze, letters": ("cloze, letters or pronunciation", "cloze，给字母或读音"),
}


def lesson(results: dict[str, Any]) -> Iterator[Cells]:
    """All kinds together, and the second opinion."""
    rows = results["rows"]
    made, right, found = (
        sum(row[name] for row in rows) for name in ("exercises", "right", "spoilt_found")
    )
    value = f"{right:,} / {made:,}; {found:,}"
    yield (
        ("lessons: right answers of drawn exercises; spoilt answers that are found", value),
        ("练习：抽取的题目中答案正确的；改错后被发现的", value),
        ("all", "全部"),
        made == right == found,
    )
    solved = [row for row in rows if "sympy_agrees" in row]
    agrees, asked = (sum(row[name] for row in solved) for name in ("sympy_agrees", "exercises"))
    yield (
        ("arithmetic, fractions and equations that SymPy solves alike", f"{agrees:,} / {asked:,}"),
        ("算术、分数和方程中 SymPy 解法一致的", f"{agrees:,} / {asked:,}"),
        ("all", "全部"),
        agrees == asked,
    )
    if results["syllables"]:
        words, known = results["syllables"]["words"], results["syllables"]["right"]
        yield (
            (
                "different English words whose syllables are counted as in CMU's",
                f"{known / words:.1%}",
            ),
            ("音节数与 CMU 词典一致的不同英文词", f"{known / words:.1%}"),
            "",
            True,
        )


def kinds(results: dict[str, Any], language: str) -> str:
    """A line for each kind and language."""
    heads = {
        "en": ("language", "kind", "drawn", "right", "spoilt found", "steps as asked", "SymPy"),
        "zh": ("语言", "类型", "抽取", "正确", "改错后发现", "步数如所求", "SymPy"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in results["rows"]:
        names = KINDS.get(row["kind"], (row["kind"], row["kind"]))
        counts = [row["exercises"], row["right"], row["spoilt_found"]]
        others = [row.get("steps_as_asked"), row.get("sympy_agrees")]
        cells = [
            LANGUAGES[row["language"]][language == "zh"],
            names[language == "zh"],
            *("–" if one is None else f"{one:,}" for one in (*counts, *others)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"lesson": lesson}
PAGES: dict[str, list[Any]] = {"lesson.md": [("lesson", kinds)]}
