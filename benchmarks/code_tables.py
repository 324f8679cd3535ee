"""The tables of code that is drawn: rows of the table of all figures, and that of its own page.
Called by tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]


def code_units(results: dict[str, Any]) -> Iterator[Cells]:
    emitted, bits = results["emitted"], results["bits_per_byte"]
    shown = f"{emitted['parse']:,} / {emitted['left']:,}"
    yield (
        ("units of Python that leave and parse", shown),
        ("交出且能解析的 Python 单元", shown),
        ("all", "全部"),
        emitted["parse"] == emitted["left"] == emitted["asked"],
    )
    shown = f"{bits['model']:.2f} (Kneser-Ney {bits['kneser_ney']:.2f})"
    yield (
        ("`text/code`, bits per byte of units of unseen files", shown),
        ("`text/code`，未见文件中单元的每字节比特数", shown),
        f"< {bits['kneser_ney']:.2f}",
        bits["model"] < bits["kneser_ney"],
    )


def measured(results: dict[str, Any], language: str) -> str:
    """Everything, a line each."""
    emitted, raw = results["emitted"], results["as_drawn"]
    bits, gaps = results["bits_per_byte"], results["filled"]
    words = {
        "en": (
            "training, minutes",
            "units that leave / asked for",
            "of them parse",
            "drawn for one; CPU s for one",
            "parse as drawn, before any is drawn again",
            "characters of the middle unit",
            "units that stand in the training files whole",
            "units with a copied line; copied lines of all lines",
            "bits per byte of unseen units: model; Kneser-Ney of order 5",
            "a line of unseen units filled in: parses; is the line that was there",
        ),
        "zh": (
            "训练分钟数",
            "交出 / 要求的单元",
            "其中能解析",
            "每个抽取次数；每个 CPU 秒",
            "原样抽取即能解析",
            "单元字符数的中位数",
            "整个出现在训练文件中的单元",
            "含抄来的行的单元；抄来的行占全部行",
            "未见单元的每字节比特数：模型；五阶 Kneser-Ney",
            "补上未见单元的一行：能解析；正是原来那一行",
        ),
    }[language]
    left = max(1, emitted["left"])
    cells = (
        f"{results['minutes']:g}",
        f"{emitted['left']:,} / {emitted['asked']:,}",
        f"{emitted['parse']:,}",
        f"{emitted['drawn'] / left:.1f}; {emitted['cpu_seconds'] / left:.2f}",
        f"{raw['parse'] / raw['units']:.0%}",
        f"{emitted['median_characters']:,}",
        f"{emitted['training_units']:,}",
        f"{emitted['with_copied_lines'] / left:.0%}; "
        f"{emitted['copied_lines'] / max(1, emitted['lines']):.0%}",
        f"{bits['model']:.2f}; {bits['kneser_ney']:.2f}",
        f"{gaps['parse']} / {gaps['gaps']}; {gaps['the_line_that_was_there']} / {gaps['gaps']}",
    )
    head = {"en": "| what | measured |", "zh": "| 项目 | 实测 |"}[language]
    return "\n".join(
        [
            head,
            "|---|---|",
            *(f"| {one} | {cell} |" for one, cell in zip(words, cells, strict=True)),
        ]
    )


ROWS = {"code_units": code_units}
PAGES = {"code.md": [("code_units", measured)]}
