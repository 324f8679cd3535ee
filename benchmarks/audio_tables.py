"""The tables of sounds: rows of the table of all figures, and those of their own page. Called by
tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
DIGITS, DRUMS = "spoken_digits", "drum_oneshots"
NAMES = {DIGITS: ("spoken digits", "英语数字"), DRUMS: ("drums", "鼓声")}


def audio_classes(results: dict[str, Any]) -> Iterator[Cells]:
    """Of the recipe to begin with: digits that are understood, distance, time."""
    rows = [
        row
        for row in results["rows"]
        if row["set"] == DIGITS and row["recipe"] == "audio/flow" and row["form"] == "mel"
    ]
    if not rows:
        return
    row = min(rows, key=lambda one: one["accuracy"])
    share = row["frechet"] / row["naive"]
    spent = f"{row['minutes']:g} minutes on {row['threads']} thread(s)"
    took = f"{row['minutes']:g} 分钟、{row['threads']} 个线程"
    yield (
        (
            f"`audio/flow`, {spent}: spoken digits that a classifier of its own recognises "
            f"(real: {row['real']:.0%})",
            f"{row['accuracy']:.0%}",
        ),
        (
            f"`audio/flow`，{took}：独立分类器认出的数字（真实录音：{row['real']:.0%}）",
            f"{row['accuracy']:.0%}",
        ),
        "90%",
        row["accuracy"] >= 0.9,
    )
    yield (
        ("the same: Fréchet distance over that of a naive baseline", f"1/{1 / share:.1f}"),
        ("同上：Fréchet 距离与朴素基线之比", f"1/{1 / share:.1f}"),
        "1/3",
        share <= 1 / 3,
    )
    yield (
        ("the same: seconds of one core for a second of sound", f"{row['factor']:.2f}"),
        ("同上：一秒声音需要单核多少秒", f"{row['factor']:.2f}"),
        "0.2",
        row["factor"] < 0.2,
    )


def classes(results: dict[str, Any], language: str) -> str:
    """A row for each training."""
    heads = {
        "en": (
            *("sounds", "recipe", "form", "minutes", "threads", "recognised", "real", "trip"),
            *("Fréchet", "naive", "real vs real", "precision", "recall", "time factor"),
        ),
        "zh": (
            *("声音", "配方", "形式", "分钟", "线程", "认出", "真实", "来回一趟"),
            *("Fréchet", "朴素", "真实对真实", "精确率", "召回率", "时间倍数"),
        ),
    }
    lines = [f"| {' | '.join(heads[language])} |", f"|{'---|' * len(heads['en'])}"]
    for row in results["rows"]:
        cells = (
            NAMES[row["set"]][language == "zh"],
            f"`{row['recipe']}`",
            row["form"],
            f"{row['minutes']:g}",
            row["threads"],
            f"{row['accuracy']:.1%}",
            f"{row['real']:.1%}",
            f"{row['trip']:.1%}",
            f"{row['frechet']:.1f}",
            f"{row['naive']:.1f}",
            f"{row['floor']:.1f}",
            f"{row['precision']:.2f}",
            f"{row['recall']:.2f}",
            f"{row['factor']:.2f}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


VOICES = {
    "mandarin_syllables": ("Mandarin syllables", "汉语音节"),
    "phone_prompts_en": ("English prompts", "英语提示语"),
}


def speech(results: dict[str, Any]) -> Iterator[Cells]:
    """Of what a toy voice says, how much is understood; the worst seed of each set."""
    for name, (english, chinese) in VOICES.items():
        rows = [row for row in results["rows"] if row["set"] == name]
        if not rows:
            continue
        row = min(rows, key=lambda one: one["seen_recognised"])
        seen, unseen = row["seen_recognised"], row["unseen_recognised"]
        yield (
            (
                f"`audio/speech`, {row['minutes']:g} minutes on {row['threads']} thread(s): "
                f"{english} that are recognised among {row['texts']}, learned / never heard",
                f"{seen:.0%} / {unseen:.0%}",
            ),
            (
                f"`audio/speech`，{row['minutes']:g} 分钟、{row['threads']} 个线程：从 "
                f"{row['texts']} 个中认出的{chinese}，学过的 / 没听过的",
                f"{seen:.0%} / {unseen:.0%}",
            ),
            ("80% / ten times chance", "80% / 随机的十倍"),
            seen >= 0.8 and unseen >= 10 * row["chance"],
        )


def voices(results: dict[str, Any], language: str) -> str:
    """A row for each training."""
    heads = {
        "en": (
            *("texts", "minutes", "threads", "learned", "never heard", "chance", "recordings"),
            *("trip", "tone: learned", "tone: never heard", "tone: recordings"),
        ),
        "zh": (
            *("文本", "分钟", "线程", "学过的", "没听过的", "随机", "录音"),
            *("来回一趟", "声调：学过的", "声调：没听过的", "声调：录音"),
        ),
    }
    lines = [f"| {' | '.join(heads[language])} |", f"|{'---|' * len(heads['en'])}"]
    scores = (
        *("seen_recognised", "unseen_recognised", "chance", "real_recognised", "trip_recognised"),
        *("seen_tone", "unseen_tone", "real_tone"),
    )
    for row in results["rows"]:
        cells = (
            VOICES[row["set"]][language == "zh"],
            f"{row['minutes']:g}",
            row["threads"],
            *(f"{row[score]:.0%}" if score in row else "" for score in scores),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


ROWS: dict[str, Callable[[Any], Iterator[Cells]]] = {
    "audio_classes": audio_classes,
    "speech": speech,
}
PAGES = {"audio.md": [("audio_classes", classes), ("speech", voices)]}
