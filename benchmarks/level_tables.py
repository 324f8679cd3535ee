"""The tables of levels that are drawn: rows of the table of all figures, and those of its own page.
Called by tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
GAMES = {
    "boxoban": ("Sokoban (Boxoban)", "推箱子（Boxoban）"),
    "super_mario_bros": ("Super Mario Bros, pieces of 14x28", "《超级马力欧兄弟》，14x28 的块"),
    "zelda_dungeons": ("Zelda, rooms of 16x11", "《塞尔达传说》，16x11 的房间"),
}


def levels(results: dict[str, Any]) -> Iterator[Cells]:
    found = results["boxoban"]
    emitted, bits = found["emitted"], found["bits_per_tile"]
    solved = f"{emitted['solved_when_played']:,} / {emitted['left']:,}"
    yield (
        ("Sokoban levels that leave, each played to its end by its solution", solved),
        ("交出的推箱子关卡，按其解法走到底", solved),
        ("all", "全部"),
        emitted["solved_when_played"] == emitted["left"] == emitted["asked"],
    )
    shown = f"{bits['model']:.3f} ({bits['neighbours']:.3f}; {bits['frequencies']:.3f})"
    yield (
        ("its bits per tile of unseen levels (counted neighbours; frequencies)", shown),
        ("未见关卡的每图块比特数（邻居计数；频率）", shown),
        f"< {bits['neighbours']:.3f}",
        bits["model"] < bits["neighbours"],
    )
    bands = found["bands"].values()
    met, left = (sum(one[key] for one in bands) for key in ("met", "left"))
    yield (
        ("levels that leave with a solution as long as asked", f"{met} / {left}"),
        ("解法长度符合要求的交出关卡", f"{met} / {left}"),
        ("all", "全部"),
        met == left,
    )


def drawn(results: dict[str, Any], language: str) -> str:
    """A row for each game."""
    heads = {
        "en": "| levels | trained | as drawn, solvable | left / asked | drawn for one | mended | "
        "solved again | same as a training level |",
        "zh": "| 关卡 | 训练 | 原样可解 | 交出 / 要求 | 每个抽取 | 修补 | 复查可解 | "
        "与训练关卡相同 |",
    }
    lines = [heads[language], "|---|---|---|---|---|---|---|---|"]
    for name, words in GAMES.items():
        if name not in results:
            continue
        one = results[name]
        emitted, raw = one["emitted"], one["as_drawn"]
        again = emitted.get("solved_when_played", emitted.get("solved_again"))
        same = one["same"] if "same" in one else one["copies"]["same"]
        minutes = {"en": "{0:g} min", "zh": "{0:g} 分钟"}[language].format(one["minutes"])
        cells = [
            words[language == "zh"],
            minutes,
            f"{raw['solvable'] / raw['levels']:.0%}",
            f"{emitted['left']:,} / {emitted['asked']:,}",
            f"{emitted['drawn_for_one']:.1f}",
            f"{emitted['mended']:,}",
            f"{again:,}",
            f"{same:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def asked(results: dict[str, Any], language: str) -> str:
    """Sokoban: what was asked for, what it cost; bits per tile; nearness."""
    found = results["boxoban"]
    heads = {
        "en": "| pushes asked for | left / asked | as asked | drawn for one | CPU s for one |",
        "zh": "| 要求的推动次数 | 交出 / 要求 | 符合要求 | 每个抽取 | 每个 CPU 秒 |",
    }
    lines = [heads[language], "|---|---|---|---|---|"]
    rows = {"–": {**found["emitted"], "met": None}, **found["bands"]}
    for band, one in rows.items():
        cells = [
            band.removeprefix("steps:"),
            f"{one['left']:,} / {one['asked']:,}",
            "" if one["met"] is None else f"{one['met']:,}",
            f"{one['drawn_for_one']:.1f}",
            f"{one['cpu_seconds'] / max(1, one['left']):.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    bits, near, pushes = found["bits_per_tile"], found["copies"], found["pushes"]
    words = {
        "en": "Bits per tile of unseen levels: model {0:.3f}, counted neighbours {1:.3f}, "
        "frequencies {2:.3f}. Tiles that differ from the nearest training level, mirrored and "
        "turned: {3:.0%} in the middle, of unseen real levels {4:.0%}; nearer than 99% of unseen "
        "levels: {5} of {6:,}. Pushes in the middle: {7}, of real levels {8}.",
        "zh": "未见关卡的每图块比特数：模型 {0:.3f}，邻居计数 {1:.3f}，频率 {2:.3f}。"
        "与最近训练关卡（含镜像和旋转）不同的图块：中位数 {3:.0%}，未见的真实关卡 {4:.0%}；"
        "比 99% 的未见关卡更近的：{6:,} 个中 {5} 个。推动次数的中位数：{7}，真实关卡 {8}。",
    }[language]
    return (
        "\n".join(lines)
        + "\n\n"
        + words.format(
            bits["model"],
            bits["neighbours"],
            bits["frequencies"],
            near["median"],
            near["unseen_median"],
            near["near"],
            found["emitted"]["left"],
            pushes["median"],
            pushes["real"],
        )
    )


ROWS = {"levels": levels}
PAGES = {"levels.md": [("levels", drawn), ("levels", asked)]}
