"""The table of back-tests on the page of risk. Called by tables.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

METHODS = {
    "historical": ("historical", "历史模拟"),
    "filtered": ("filtered historical", "过滤历史模拟"),
    "garch": ("GARCH(1,1)-t", "GARCH(1,1)-t"),
    "simulated": ("simulated paths", "模拟路径"),
    "run": ("run of `series/ar`", "`series/ar` 的运行"),
}
HEADS = {
    "en": (
        *("series", "method", "level", "exceeded / expected", "Kupiec p"),
        *("independence p", "shortfall p", "rejected by"),
    ),
    "zh": (
        *("序列", "方法", "置信水平", "超出 / 预期", "Kupiec p 值"),
        *("独立性 p 值", "短缺 p 值", "拒绝者"),
    ),
}
REJECTS = {
    "kupiec": ("Kupiec", "Kupiec"),
    "independence": ("independence", "独立性"),
    "shortfall": ("shortfall", "短缺"),
}
SHOWN = (0.95, 0.99)


def backtests(results: dict[str, Any], language: str) -> str:
    """A line for each series, method and level, of one step ahead."""
    chinese = language == "zh"
    lines = ["| " + " | ".join(HEADS[language]) + " |", "|" + "---|" * len(HEADS[language])]
    for row in results["rows"]:
        if row["horizon"] != 1 or row["level"] not in SHOWN:
            continue
        rejects = ", ".join(REJECTS[name][chinese] for name in row["rejected_by"])
        lines.append(
            f"| {row['series']} | {METHODS[row['method']][chinese]} | {100 * row['level']:g}% | "
            f"{row['exceedances']} / {row['expected']:.1f} | {_p(row['kupiec']['p'])} | "
            f"{_p(row['independence']['p'])} | {_p(row['expected_shortfall']['p'])} | "
            f"{rejects or '–'} |"
        )
    return "\n".join(lines)


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


ROWS: dict[str, Any] = {}
PAGES: dict[str, list[tuple[str, Callable[[dict[str, Any], str], str]]]] = {
    "risk.md": [("risk", backtests)]
}
