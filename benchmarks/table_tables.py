"""The tables of tables: rows of the table of all figures, and those of their own page. Called by
tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
ADULT, BEST = "adult", "table/ar"
PEERS = {"argn": "TabularARGN", "copula": "GaussianCopula", "ctgan": "CTGAN", "tvae": "TVAE"}


def table_race(results: dict[str, Any]) -> Iterator[Cells]:
    """The recipe to begin with, on the census, against the goals."""
    found = [row for row in results["rows"] if (row["data"], row["recipe"]) == (ADULT, BEST)]
    if not found:
        return
    row = found[0]
    scores, spent = row["scores"], f"{row['seconds']:g}"
    yield (
        (
            f"`{BEST}` on Adult after {spent} s on {row['threads']} cores: SDMetrics' quality",
            f"{scores['quality']:.3f}",
        ),
        (
            f"`{BEST}`，Adult，{row['threads']} 核 {spent} 秒：SDMetrics 质量",
            f"{scores['quality']:.3f}",
        ),
        ".975",
        scores["quality"] >= 0.975,
    )
    yield (
        (
            "how well gradient boosting tells its rows from real ones (AUC)",
            f"{scores['two_sample_auc']:.3f}",
        ),
        ("梯度提升区分其行与真实行的 AUC", f"{scores['two_sample_auc']:.3f}"),
        "0.60",
        scores["two_sample_auc"] <= 0.6,
    )
    real = scores["utility_auc_of_real"]
    yield (
        (
            f"income predicted by what learned from its rows (AUC; real rows {real:.3f})",
            f"{scores['utility_auc']:.3f}",
        ),
        (
            f"由其行学习后预测收入的 AUC（真实行 {real:.3f}）",
            f"{scores['utility_auc']:.3f}",
        ),
        "0.920",
        scores["utility_auc"] >= 0.92,
    )
    rate = row["rows"] / row["seconds_of_sampling"]
    yield (
        ("its rows a second in sampling", f"{rate:,.0f}"),
        ("每秒采样行数", f"{rate:,.0f}"),
        "10,000",
        rate >= 10_000,
    )


def raced(results: dict[str, Any], language: str) -> str:
    """A line for each recipe and data set, then the baselines of the first of a set."""
    heads = {
        "en": (
            *("data", "rows drawn by", "seconds", "steps", "quality", "shapes", "pairs"),
            *("two-sample AUC", "AUC of the target", "copies"),
        ),
        "zh": (
            *("数据", "行的来源", "秒", "步数", "质量", "各列形状", "列对"),
            *("两样本 AUC", "目标列 AUC", "复制"),
        ),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    names = {
        "independent_columns": ("columns drawn each by itself", "各列独立抽取"),
        "rows_again": ("training rows again", "重抽训练行"),
    }
    for row in results["rows"]:
        if "version" in row:  # of a model of others
            title, steps = f"{PEERS[row['recipe']]} ({row['version']})", ""
        else:
            title, steps = f"`{row['recipe']}`", f"{row['steps']:,}"
        spent = f"{row['wall_seconds_of_training']:.0f}"
        lines.append(_line(row["data"], title, spent, steps, row["scores"]))
    for row in results["rows"]:
        for key, title in names.items():
            if key in row:
                lines.append(_line(row["data"], title[language == "zh"], "", "", row[key]))
        if "rows_again" in row:
            real = f"{row['scores']['utility_auc_of_real']:.3f}"
            copies = f"{row['scores']['copies_of_held_out']:.4f}"
            title = ("real rows, held out", "留出的真实行")[language == "zh"]
            lines.append(f"| {row['data']} | {title} | | | | | | | {real} | {copies} |")
    return "\n".join(lines)


def _line(data: str, title: str, seconds: str, steps: str, scores: dict[str, float]) -> str:
    shown = [
        f"{scores[name]:.3f}"
        for name in ("quality", "shapes", "pairs", "two_sample_auc", "utility_auc")
    ]
    return (
        "| " + " | ".join([data, title, seconds, steps, *shown, f"{scores['copies']:.4f}"]) + " |"
    )


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"table_race": table_race}
PAGES: dict[str, list[Any]] = {"table.md": [("table_race", raced)]}
