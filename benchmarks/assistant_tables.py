"""The tables of the assistant: rows of the table of all figures, and that of its own page.

Called by tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]


def assistant(results: dict[str, Any]) -> Iterator[Cells]:
    """What each set of questions reached, and the time of an answer."""
    for row in results["rows"]:
        answered, right, false = (row[part]["median"] for part in ("answered", "right", "false"))
        value = f"{answered:.0%} / {right:.0%} / {false:.1%}"
        by, way = ("", "") if not row.get("embeddings") else (" with embeddings", "（句向量）")
        yield (
            (f"assistant{by}, {row['data']}: answered / of these right / false answers", value),
            (f"助手{way}，{row['data']}：回答 / 其中正确 / 误答", value),
            "≥ 80% / ≥ 85% / ≤ 5%",
            answered >= 0.8 and right >= 0.85 and false <= 0.05,
        )
    clock = results["timing"]
    milliseconds = f"{clock['median_ms']:.1f} ms"
    yield (
        (f"assistant, median answer from {clock['passages']:,} passages", milliseconds),
        (f"助手，从 {clock['passages']:,} 个段落中回答的中位用时", milliseconds),
        "< 50 ms",
        clock["median_ms"] < 50,
    )


def tested(results: dict[str, Any], language: str) -> str:
    """A line for each set of questions: the median of the draws, and their range."""
    heads = {
        "en": (
            "questions",
            "language",
            "embeddings",
            "answered",
            "of these right",
            "false answers",
        ),
        "zh": ("问题", "语言", "句向量", "回答", "其中正确", "误答"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in results["rows"]:
        cells = [row["data"], row["language"], "yes" if row.get("embeddings") else "no"]
        if language == "zh":
            cells[2] = "是" if row.get("embeddings") else "否"
        for part in ("answered", "right", "false"):
            every = row[part]["all"]
            cells.append(f"{row[part]['median']:.1%} ({min(every):.1%} – {max(every):.1%})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"assistant": assistant}
PAGES: dict[str, list[Any]] = {"assistant.md": [("assistant", tested)]}
