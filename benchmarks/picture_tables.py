"""The tables of pictures: rows of the table of all figures, and those of their own pages. Called by
tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
NEW, OLD = "image/fastgan", "image/gan"
NAMES = {
    "faces_congress_gray 64": ("portraits, grey", "灰度肖像"),
    "blood_cells 64": ("blood cells, 3 classes", "血细胞，3 类"),
    "twemoji64 64": ("emoji", "表情符号"),
    "omniglot_small 64": ("handwritten characters", "手写字符"),
    "faces_london 128": ("faces, 128 pixels", "人脸，128 像素"),
}


def own_photos(results: dict[str, Any]) -> Iterator[Cells]:
    """The worst folder counts; of a folder the mean over its seeds."""
    rows, minutes = results["rows"], results["minutes"]
    seeds = len({row["seed"] for row in rows})
    distances = {key: mean(row["kernel"] for row in group) for key, group in grouped(rows).items()}
    pairs = {
        name: (distances[name, OLD], distances[name, NEW])
        for name in NAMES
        if {(name, OLD), (name, NEW)} <= distances.keys()
    }
    if pairs:
        worst = min(old / max(new, 1e-4) for old, new in pairs.values())
        each = ", ".join(f"{new:.3f}/{old:.3f}" for old, new in pairs.values())
        yield (
            (
                f"A user's own few hundred pictures, {minutes:g} minutes, `{NEW}`: kernel distance "
                f"(EfficientNet-Lite0) over that of `{OLD}`, worst of {len(pairs)} folders, "
                f"{seeds} seed(s)",
                f"1/{worst:.1f} ({each})",
            ),
            (
                f"用户自己的几百张图片，{minutes:g} 分钟，`{NEW}`：核距离（EfficientNet-Lite0）"
                f"与 `{OLD}` 之比，{len(pairs)} 个文件夹中最差者，{seeds} 个种子",
                f"1/{worst:.1f}（{each}）",
            ),
            "1/6",
            worst >= 6,
        )
    new = [row for row in rows if row["recipe"] == NEW]
    faces = [row for row in new if row["eyes"] is not None]
    if faces:
        eyes, real = min(row["eyes"] for row in faces), min(row["eyes_real"] for row in faces)
        yield (
            (
                f"`{NEW}`, {minutes:g} minutes: portraits in which two eyes are found, worst run",
                f"{eyes:.0%} ({real:.0%})",
            ),
            (
                f"`{NEW}`，{minutes:g} 分钟：能找到两只眼睛的肖像（最差一次；括号内为真实图片）",
                f"{eyes:.0%}（{real:.0%}）",
            ),
            "95%",
            eyes >= 0.95,
        )
    if new:
        diverse = min(row["diversity"] for row in new)
        yield (
            (
                f"`{NEW}`, {minutes:g} minutes: diversity (Vendi score, within classes where "
                "there are any), of real pictures', worst run",
                f"{diverse:.1%}",
            ),
            (
                f"`{NEW}`，{minutes:g} 分钟：多样性（Vendi 得分，有类别时在类内）"
                "占真实图片的比例（最差一次）",
                f"{diverse:.1%}",
            ),
            "80%",
            diverse >= 0.8,
        )


def folders(results: dict[str, Any], language: str) -> str:
    """Every folder and recipe, means over seeds."""
    heads = {
        "en": (
            "pictures",
            "recipe",
            "seeds",
            "kernel distance",
            "real",
            "precision",
            "recall",
            "diversity",
            "two eyes",
            "copies",
        ),
        "zh": (
            "图片",
            "配方",
            "种子数",
            "核距离",
            "真实数据",
            "精确率",
            "召回率",
            "多样性",
            "两只眼睛",
            "副本",
        ),
    }
    lines = ["| " + " | ".join(heads[language]) + " |", "|" + "---|" * len(heads[language])]
    for (name, recipe), rows in grouped(results["rows"]).items():
        eyes = [row["eyes"] for row in rows if row["eyes"] is not None]
        cells = (
            f"{NAMES[name][language == 'zh']} ({rows[0]['pictures']:,})",
            f"`{recipe}`",
            len(rows),
            _spread([row["kernel"] for row in rows], 3),
            f"{round(rows[0]['floor'], 3) + 0.0:.3f}",
            _spread([row["precision"] for row in rows], 2),
            _spread([row["recall"] for row in rows], 2),
            _spread([row["diversity"] for row in rows], 2),
            _spread(eyes, 2) if eyes else "",
            ", ".join(str(row["copies"]) for row in rows),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def grouped(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Rows of one set and recipe, in the order of NAMES."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    order = list(NAMES)
    for row in sorted(rows, key=lambda row: (order.index(row["set"]), row["recipe"], row["seed"])):
        groups.setdefault((row["set"], row["recipe"]), []).append(row)
    return groups


def _spread(values: list[float], digits: int) -> str:
    """The mean, and the range where there are several."""
    shown = f"{mean(values):.{digits}f}"
    if len(values) == 1:
        return shown
    return f"{shown} ({min(values):.{digits}f} – {max(values):.{digits}f})"


ROWS = {"own_photos": own_photos}
PAGES: dict[str, list[Any]] = {}  # docs/gan.md has one more table, so tables.py puts it together
