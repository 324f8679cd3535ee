"""The tables of the linter of prompts: rows of the table of all figures, and those of its own page.
Called by tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
KAPPA, F1 = 0.6, 0.8
RULES = {
    "clear": "清晰 clear",
    "specific": "具体 specific",
    "concise": "简洁 concise",
    "relevant": "相关 relevant",
    "diverse": "多样 diverse",
}
PARTS = {
    "held out": ("held out", "留出"),
    "held out, en": ("held out, English", "留出，英文"),
    "held out, zh": ("held out, Chinese", "留出，中文"),
    "later": ("later, strangers' (English)", "后加，他人所写（英文）"),
}


def prompt_lint(results: dict[str, Any]) -> Iterator[Cells]:
    held, later = results["parts"]["held out"], results["parts"]["later"]
    least = min(one["kappa"] for one in held["rules"].values())
    yield (
        ("Linter of prompts, held-out half: the least kappa of its five rules", f"{least:.2f}"),
        ("提示词检查，留出的一半：五条规则中最低的 kappa", f"{least:.2f}"),
        f"{KAPPA}",
        least >= KAPPA,
    )
    for part, words in (
        (held, ("F1 over all, held-out half", "总体 F1，留出的一半")),
        (later, ("F1 over all, later prompts of strangers", "总体 F1，后加的他人所写提示词")),
    ):
        value = part["over all"]["f1"]
        yield (
            (f"Linter of prompts: {words[0]}", f"{value:.2f}"),
            (f"提示词检查：{words[1]}", f"{value:.2f}"),
            f"{F1}",
            value >= F1,
        )
    speed = results["prompts_per_cpu_second"]
    yield (
        ("Linter of prompts: prompts a CPU second", f"{speed:,}"),
        ("提示词检查：每 CPU 秒的提示词数", f"{speed:,}"),
        "1,000",
        speed >= 1000,
    )


def agreement(results: dict[str, Any], language: str) -> str:
    """Every part and rule."""
    heads = {
        "en": "| prompts | rule | broken | found | kappa | precision | recall | F1 |",
        "zh": "| 提示词 | 规则 | 违反 | 检出 | kappa | 精确率 | 召回率 | F1 |",
    }
    lines = [heads[language], "|---|---|---|---|---|---|---|---|"]
    for name, part in results["parts"].items():
        title = f"{PARTS[name][language == 'zh']} ({part['prompts']})"
        rows = {
            **{rule: part["rules"][rule] for rule in RULES},
            {"en": "over all", "zh": "总体"}[language]: part["over all"],
        }
        for rule, one in rows.items():
            shown = [
                "–" if one[key] is None else f"{one[key]:.2f}"
                for key in ("kappa", "precision", "recall", "f1")
            ]
            label = RULES.get(rule, rule) if language == "zh" else rule
            lines.append(
                f"| {title} | {label} | {one['broken']} | {one['found']} | {' | '.join(shown)} |"
            )
            title = ""
    return "\n".join(lines)


ROWS = {"prompt_lint": prompt_lint}
PAGES = {"prompt-lint.md": [("prompt_lint", agreement)]}
