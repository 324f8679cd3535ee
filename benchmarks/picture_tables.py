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


def judge_agreement(results: dict[str, Any]) -> Iterator[Cells]:
    found, falls = results["agreement"][JUDGE], results["falls"][JUDGE]
    for kind, (en, zh) in PAIRS.items():
        pairs, agree = found[kind]["pairs"], found[kind]["agree"]
        yield (
            (f"`{JUDGE}` orders generators as {en}: share of {pairs} pairs", f"{agree:.0%}"),
            (f"`{JUDGE}` 给生成器的排序与{zh}一致：{pairs} 对中的比例", f"{agree:.0%}"),
            "90%",
            agree >= 0.9,
        )
    fallen, damages = falls["falls"], falls["damages"]
    yield (
        (
            f"Precision in `{JUDGE}` falls with planted damage, further with more of it",
            f"{fallen} of {damages}",
        ),
        (f"`{JUDGE}` 的精确率随植入的损坏下降，损坏越重降得越多", f"{damages} 种中 {fallen} 种"),
        ("all", "全部"),
        fallen == damages,
    )


def judges(results: dict[str, Any], language: str) -> str:
    """Agreement of every network, a line each."""
    heads = {
        "en": ("network", *(f"as {en}" for en, _ in PAIRS.values()), "planted damage"),
        "zh": ("网络", *(f"与{zh}一致" for _, zh in PAIRS.values()), "植入的损坏"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for network, falls in results["falls"].items():
        shares = results["agreement"][network]
        cells = [
            "" if network == REFERENCE and kind != "eyes" else _share(shares[kind])
            for kind in PAIRS
        ]
        fallen = f"{falls['falls']} / {falls['damages']}"
        lines.append("| " + " | ".join([f"`{network}`", *cells, fallen]) + " |")
    return "\n".join(lines)


def _share(counted: dict[str, Any]) -> str:
    """ "92% of 63"."""
    return f"{counted['agree']:.0%} / {counted['pairs']}"


def flow_fashion(results: dict[str, Any]) -> Iterator[Cells]:
    """The recipe at four minutes, and the price of few evaluations."""
    rows = [row for row in results["rows"] if (row["recipe"], row["minutes"]) == (FLOW, 4)]
    if not rows:
        return
    precision, recall = (mean(row[key] for row in rows) for key in ("precision", "recall"))
    yield (
        (
            f"`{FLOW}`, Fashion-MNIST, 4 minutes, 2 cores, {len(rows)} seed(s): precision / recall",
            f"{precision:.2f} / {recall:.2f}",
        ),
        (
            f"`{FLOW}`，Fashion-MNIST，2 核 4 分钟，{len(rows)} 个种子：精确率 / 召回率",
            f"{precision:.2f} / {recall:.2f}",
        ),
        ".85 / .75",
        precision >= 0.85 and recall >= 0.75,
    )
    speed = min(row["pictures_per_second"] for row in rows)
    yield (
        ("its pictures a second in training, worst seed", f"{speed}"),
        ("其训练速度，图片/秒（最差种子）", f"{speed}"),
        "940",
        speed >= 940,
    )
    few = [row for row in results["rows"] if (row["recipe"], row["minutes"]) == (FEW_STEPS, 4)]
    if few:
        ratio = max(row["curve"]["4"] / row["curve"]["32"] for row in few)
        yield (
            (
                f"`{FEW_STEPS}`: Frechet distance of 4 network evaluations over that of 32, "
                "worst seed",
                f"{ratio:.2f}",
            ),
            (f"`{FEW_STEPS}`：4 次网络计算与 32 次的 Frechet 距离之比（最差种子）", f"{ratio:.2f}"),
            "1.3",
            ratio <= 1.3,
        )


def flows(results: dict[str, Any], language: str) -> str:
    """Every recipe and budget, means over seeds, then the curve."""
    heads = {
        "en": (
            "recipe",
            "minutes",
            "seeds",
            "pictures/s",
            "FD",
            "precision",
            "recall",
            "samples/s",
        ),
        "zh": ("配方", "分钟", "种子数", "图片/秒", "FD", "精确率", "召回率", "样本/秒"),
    }[language]
    curve = {
        "en": ("recipe", "minutes", "FD with 1 evaluation"),
        "zh": ("配方", "分钟", "1 次计算的 FD"),
    }[language]
    groups: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for row in sorted(results["rows"], key=lambda row: (row["minutes"], row["recipe"])):
        groups.setdefault((row["recipe"], row["minutes"]), []).append(row)
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    points = ["1", "2", "4", "8", "16", "32"]
    more = ["| " + " | ".join([*curve, *points[1:]]) + " |", "|" + "---|" * (2 + len(points))]
    for (recipe, minutes), rows in groups.items():
        cells = (
            f"`{recipe}`",
            f"{minutes:g}",
            len(rows),
            f"{mean(row['pictures_per_second'] for row in rows):.0f}",
            _spread([row["frechet"] for row in rows], 2),
            _spread([row["precision"] for row in rows], 2),
            _spread([row["recall"] for row in rows], 2),
            f"{mean(row['samples_per_second'] for row in rows):.0f}",
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        found = [[row["curve"].get(point) for row in rows] for point in points]
        shown = [f"{mean(values):.1f}" if None not in values else "" for values in found]
        more.append("| " + " | ".join([f"`{recipe}`", f"{minutes:g}", *shown]) + " |")
    return "\n".join([*lines, "", *more])


def picture_edits(results: dict[str, Any]) -> Iterator[Cells]:
    """Of how many edits and folders the run beats the best simple method beyond its interval: of
    the recipe for all edits, and of those for one.
    """
    minutes, mine = results["minutes"], [row for row in results["rows"] if row["run"]]
    psnr = [row for row in mine if row["score"] == "PSNR" and row.get("gain") is not None]
    every = [row for row in psnr if _recipe(row) == FLOW]
    better = sum(row["gain_low"] > 0 for row in every)
    yield (
        (
            f"`{FLOW}` after {minutes:g} minutes: edits of held-out pictures that beat the best "
            "simple method in PSNR (noise, hole, 2 and 4 times as large, colour; 3 folders)",
            f"{better} of {len(every)}",
        ),
        (
            f"训练 {minutes:g} 分钟的 `{FLOW}`：留出图片的编辑中 PSNR 胜过最好的"
            "简单方法的（噪声、洞、2 倍与 4 倍放大、上色；3 个文件夹）",
            f"{len(every)} 项中 {better} 项",
        ),
        ("all", "全部"),
        better == len(every),
    )
    one = [row for row in psnr if _recipe(row) != FLOW]
    if not one:
        return
    values = {(row["set"], row["task"]): row["value"] for row in every}
    better = sum(row["gain_low"] > 0 for row in one)
    above = sum(row["value"] > values.get((row["set"], row["task"]), 0.0) for row in one)
    yield (
        (
            "`image/denoise`, `image/upscale`, `image/colourise` in the same time, each for its "
            f"own edit: that beat the best simple method (above `{FLOW}`)",
            f"{better} ({above}) of {len(one)}",
        ),
        (
            "用时相同的 `image/denoise`、`image/upscale`、`image/colourise`，各做自己的编辑："
            f"胜过最好的简单方法的（高于 `{FLOW}` 的）",
            f"{len(one)} 项中 {better} 项（{above} 项）",
        ),
        ("all", "全部"),
        better == len(one),
    )


def edits(results: dict[str, Any], language: str) -> str:
    """PSNR and SSIM of every method, folder by folder, runs first, and their gains."""
    heads = {
        "en": ("folder", "edit", "method", "PSNR (95%)", "SSIM (95%)", "gain in PSNR"),
        "zh": ("文件夹", "编辑", "方法", "PSNR（95%）", "SSIM（95%）", "PSNR 增益"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    tasks: dict[tuple[str, str], dict[str, dict[str, dict[str, Any]]]] = {}
    for row in results["rows"]:
        name = f"**`{_recipe(row)}`**" if row["run"] else row["method"]
        methods = tasks.setdefault((row["set"], row["task"]), {})
        methods.setdefault(name, {})[row["score"]] = row
    for (folder, task), methods in tasks.items():
        for name, found in sorted(methods.items(), key=lambda one: not one[1]["PSNR"]["run"]):
            shown = [
                f"{found[score]['value']:.{digits}f} "
                f"({found[score]['low']:.{digits}f} – {found[score]['high']:.{digits}f})"
                for score, digits in (("PSNR", 1), ("SSIM", 2))
            ]
            one = found["PSNR"]
            gain = ""
            if one.get("gain") is not None:
                gain = f"{one['gain']:+.1f} ({one['gain_low']:+.1f} – {one['gain_high']:+.1f})"
            lines.append("| " + " | ".join([folder, task, name, *shown, gain]) + " |")
    return "\n".join(lines)


def _recipe(row: dict[str, Any]) -> str:
    """Of a row of picture_edits; in its first files there was one only."""
    recipe: str = row.get("recipe", FLOW)
    return recipe


def composed_shapes(results: dict[str, Any]) -> Iterator[Cells]:
    """Attributes of what was asked for in words, in compositions that training never had."""
    rows = [row for row in results["rows"] if row["times"] == "uniform"]  # the recipe's
    minutes = results["minutes"]
    least = min(
        mean(row[f"{tongue}_{name}"] for row in rows)
        for tongue in ("en", "zh")
        for name in ("colour", "shape", "size", "place")
    )
    yield (
        (
            f"`image/flow-words` after {minutes:g} minutes: colour, shape, size and place as asked "
            f"for, in compositions never seen, {len(rows)} seed(s); the worst of both languages",
            f"{least:.0%}",
        ),
        (
            f"训练 {minutes:g} 分钟的 `image/flow-words`：从未见过的组合中颜色、形状、"
            f"大小、位置符合要求的比例，{len(rows)} 个种子；两种语言中最差的",
            f"{least:.0%}",
        ),
        "90%",
        least >= 0.9,
    )


def words(results: dict[str, Any], language: str) -> str:
    """Each attribute in both languages, beside chance."""
    heads = {
        "en": ("times", "asked in", "colour", "shape", "size", "place", "all four"),
        "zh": ("时刻", "语言", "颜色", "形状", "大小", "位置", "四项全对"),
    }[language]
    names = ("colour", "shape", "size", "place", "all")
    tongues = {"en": ("English", "英文"), "zh": ("Chinese", "中文")}
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for times in dict.fromkeys(row["times"] for row in results["rows"]):
        rows = [row for row in results["rows"] if row["times"] == times]
        for tongue, title in tongues.items():
            cells = [f"{mean(row[f'{tongue}_{name}'] for row in rows):.0%}" for name in names]
            lines.append("| " + " | ".join([f"`{times}`", title[language == "zh"], *cells]) + " |")
    chance = [f"{results['chance'][name]:.0%}" for name in names]
    lines.append("| " + " | ".join(["", ("chance", "随机")[language == "zh"], *chance]) + " |")
    return "\n".join(lines)


FLOW, FEW_STEPS = "image/flow", "image/flow-few-steps"
JUDGE, REFERENCE = "castalia-net64-v1", "effnetlite0"
PAIRS = {
    "unequal": ("EfficientNet-Lite0 does", " EfficientNet-Lite0 "),
    "eyes": ("the eye test does (portraits)", "眼睛测试（肖像）"),
    "any": (
        "EfficientNet-Lite0 does, damage of different kinds too",
        " EfficientNet-Lite0（含不同种类的损坏）",
    ),
}
ROWS = {
    "own_photos": own_photos,
    "judge_agreement": judge_agreement,
    "flow_fashion": flow_fashion,
    "picture_edits": picture_edits,
    "composed_shapes": composed_shapes,
}
# docs/gan.md has one more table, so tables.py puts it together
PAGES: dict[str, list[Any]] = {
    "evaluate.md": [("judge_agreement", judges)],
    "flow.md": [("picture_edits", edits), ("flow_fashion", flows)],
    "words-to-pictures.md": [("composed_shapes", words)],
}
