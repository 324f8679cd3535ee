"""The tables of language models: rows of README's table, and those of their own pages. Called by tables.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Cells = tuple[tuple[str, str], tuple[str, str], str, bool]  # English, Chinese, goal, reached: tables.Row


def pretrained_trainer(results: dict[str, Any]) -> Iterator[Cells]:
    nats, steps = results["nats_ratio"], results["step_ratio"]
    yield (
        (
            "Fine-tuning SmolLM2-135M (LoRA) against peft + Trainer: held-out nats, CPU time of a step",
            f"{nats:.3f}x, {steps['median']:.2f}x",
        ),
        ("微调 SmolLM2-135M（LoRA），相对于 peft + Trainer：留出 nats、每步 CPU 时间", f"{nats:.3f} 倍，{steps['median']:.2f} 倍"),
        "1 ± 0.01x, 1.1x",
        abs(nats - 1) <= 0.01 and steps["median"] <= 1.1,
    )


def tuned(results: dict[str, Any], language: str) -> str:
    """Both sides of pretrained_trainer.json, and what the model writes before and after."""
    heads = {
        "en": ("", "held-out nats per token", "fall (95% interval)", "lost on WikiText-2", "CPU s a step"),
        "zh": ("", "每词元留出 nats", "下降（95% 区间）", "在 WikiText-2 上的损失", "每步 CPU 秒"),
    }
    words = {"en": "before", "zh": "微调前"}
    lines = ["| " + " | ".join(heads[language]) + " |", "|---|---|---|---|---|"]
    lines.append(f"| {words[language]} | {results['before']['nats']:.3f} | | | |")
    for name, side in results["sides"].items():
        lost = "" if side["forgotten"] is None else _interval(side["forgotten"])
        speed = side["cpu_seconds_a_step"]["median"]
        lines.append(f"| {name} | {side['nats']:.3f} | {_interval(side['fall'])} | {lost} | {speed:.2f} |")
    said = {"en": ("Before", "After"), "zh": ("微调前", "微调后")}
    texts = [
        f"{title}:\n\n```text\n{text.strip()}\n```"
        for title, text in zip(said[language], (results["texts"]["before"][0], results["texts"]["after"][0]), strict=True)
    ]
    return "\n\n".join(["\n".join(lines), *texts])


def _interval(found: dict[str, float]) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f} – {found['high']:.3f})"


ROWS = {"pretrained_trainer": pretrained_trainer}
PAGES = {"pretrained.md": ("pretrained_trainer", tuned)}
