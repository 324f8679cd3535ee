"""The tables of shapes: rows of the table of all figures, and those of their own page. Called by
tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
PAIRS = ("nearest-is-same", "covered")
BOTH = ("chamfer", "emd")


def shapes(results: dict[str, Any]) -> Iterator[Cells]:
    """Of the best recipe: 1-NN accuracy against the memoriser, coverage, closed, copies."""
    rows = results["rows"]
    if not rows:
        return
    best = min(rows, key=lambda row: row["scores"]["nearest-is-same-chamfer"]["value"])
    score = best["scores"]["nearest-is-same-chamfer"]
    recipe, cover = best["recipe"], best["scores"]["covered-chamfer"]["value"]
    yield (
        (
            f"`{recipe}`, furniture: 1-NN accuracy by Chamfer distance; 50% cannot be told apart",
            f"{score['value']:.0%}",
        ),
        (
            f"`{recipe}`，家具：倒角距离下的最近邻准确率；50% 表示无法区分",
            f"{score['value']:.0%}",
        ),
        (
            f"below {score['memoriser']:.0%}, what replayed shapes get",
            f"低于 {score['memoriser']:.0%}（重放训练形状）",
        ),
        score["value"] < score["memoriser"],
    )
    yield (
        ("the same: coverage", f"{cover:.2f}"),
        ("同上：覆盖率", f"{cover:.2f}"),
        ".40",
        cover >= 0.4,
    )
    closed = min(row["scores"]["closed"]["value"] for row in rows)
    exact = sum(row["exact"] for row in rows)
    yield (
        ("every recipe: closed meshes / exact copies", f"{closed:.0%} / {exact}"),
        ("所有配方：水密网格 / 完全复制", f"{closed:.0%} / {exact}"),
        "100% / 0",
        closed == 1 and exact == 0,
    )


def trained(results: dict[str, Any], language: str) -> str:
    """A line for each run, then what replayed shapes, noise and other real shapes get."""
    heads = {
        "en": (
            *("recipe", "steps", "1-NN accuracy, Chamfer / earth mover", "coverage", "closed"),
            *("one body", "copies"),
        ),
        "zh": (
            *("配方", "步数", "最近邻准确率，倒角 / 推土机", "覆盖率", "水密", "单一实体", "复制"),
        ),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    rows = results["rows"]
    for row in rows:
        cells = [f"`{row['recipe']}`", f"{row['steps']:,}", *_both(row, "value")]
        cells += [f"{row['scores'][name]['value']:.2f}" for name in ("closed", "one-body")]
        lines.append("| " + " | ".join([*cells, str(row["exact"])]) + " |")
    beside = {
        "memoriser": ("replayed training shapes", "重放训练形状"),
        "naive": ("noise", "噪声"),
        "real": ("other real shapes", "其他真实形状"),
    }
    for side, names in beside.items() if rows else ():
        of_real = [
            f"{rows[0]['scores'][name]['real']:.2f}" if side == "real" else ""
            for name in ("closed", "one-body")
        ]
        cells = [names[language == "zh"], "", *_both(rows[0], side), *of_real, ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _both(row: dict[str, Any], side: str) -> list[str]:
    """ "0.81 / 0.68" of both distances, for accuracy and coverage."""
    return [
        " / ".join(f"{row['scores'][f'{pair}-{kind}'][side]:.2f}" for kind in BOTH)
        for pair in PAIRS
    ]


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"shapes": shapes}
PAGES: dict[str, list[Any]] = {"shapes.md": [("shapes", trained)]}
