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


def captions(results: dict[str, Any]) -> Iterator[Cells]:
    """The worst language's share of unseen compositions that are described right."""
    rows = [
        row for row in results["rows"] if row["set"] == "shapes" and row["question"] == "all four"
    ]
    if not rows:
        return
    minutes, seeds = results["minutes"], len({row["seed"] for row in rows})
    least = min(
        mean(row["value"] for row in rows if row["language"] == language)
        for language in {row["language"] for row in rows}
    )
    yield (
        (
            f"`image/captioner` after {minutes:g} minutes: pictures of compositions never seen "
            f"whose colour, shape, size and place are all named right, {seeds} seed(s); the worst "
            "of both languages",
            f"{least:.0%}",
        ),
        (
            f"训练 {minutes:g} 分钟的 `image/captioner`：从未见过的组合中颜色、形状、大小、位置"
            f"都说对的图片比例，{seeds} 个种子；两种语言中最差的",
            f"{least:.0%}",
        ),
        "90%",
        least >= 0.9,
    )


QUESTIONS = {  # of evaluation/caption_trials.py, in Chinese
    "the item of a caption": "凭说明文字找到图片",
    "the caption of an item": "凭图片找到说明文字",
    "all words of an item's caption": "说明文字的每个词都对",
    "words of an item's caption (F1)": "说明文字的词（F1）",
    "the item of what is said of it": "凭所写的说明找到图片",
    "the caption that an item was drawn for": "`image/flow-words` 所画的图片：找到其说明文字",
    "colour": "从未见过的组合：颜色",
    "shape": "形状",
    "size": "大小",
    "place": "位置",
    "all four": "四项全对",
}
ENGLISH = {
    "the caption that an item was drawn for": "drawn by `image/flow-words`: the caption is found",
    "colour": "compositions never seen: colour",
}
AGAINST = {"chance": "随机", "commonest caption": "最常见的说明文字", "real items": "真实图片"}


def described(results: dict[str, Any], language: str) -> str:
    """Each question in both languages, and what it is set beside."""
    chinese = language == "zh"
    heads = ("set", "found or right", "English", "Chinese", "beside it")
    if chinese:
        heads = ("数据", "找到或说对", "英文", "中文", "对照（英文、中文）")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, question in dict.fromkeys((row["set"], row["question"]) for row in results["rows"]):
        rows = [row for row in results["rows"] if (row["set"], row["question"]) == (name, question)]
        tongues = [[row for row in rows if row["language"] == one] for one in ("en", "zh")]
        shares = [f"{mean(row['value'] for row in of):.0%}" if of else "–" for of in tongues]
        beside = ""
        if "baseline" in rows[0]:
            values = [f"{mean(row['baseline'] for row in of):.0%}" for of in tongues if of]
            against = rows[0]["against"]
            beside = f"{AGAINST[against] if chinese else against} {', '.join(values)}"
        title = QUESTIONS[question] if chinese else ENGLISH.get(question, question)
        lines.append("| " + " | ".join([f"{name}", title, *shares, beside]) + " |")
    return "\n".join(lines)


def few_examples(results: dict[str, Any]) -> Iterator[Cells]:
    """At the fewest pictures of each set, as the recipe is; the worst set counts."""
    minutes, fewest = results["minutes"], min(row["amount"] for row in results["rows"])
    rows = [row for row in results["rows"] if row["augment"] and row["amount"] == fewest]
    pairs = []
    for name in dict.fromkeys(row["set"] for row in rows):
        found = {
            start: [row["kernel"] for row in rows if (row["set"], row["start"]) == (name, start)]
            for start in ("parent", "scratch")
        }
        if all(found.values()):
            pairs.append((mean(found["parent"]), mean(found["scratch"])))
    if pairs:
        worst = max(parent / scratch for parent, scratch in pairs)
        each = ", ".join(f"{parent:.2f}/{scratch:.2f}" for parent, scratch in pairs)
        yield (
            (
                f"`{NEW}` with `start_from` on {fewest} pictures, {minutes:g} minutes: kernel "
                f"distance (castalia-net64) over that from scratch, worst of {len(pairs)} set(s)",
                f"{worst:.2f}x ({each})",
            ),
            (
                f"`{NEW}` 加 `start_from`，{fewest} 张图片，{minutes:g} 分钟：核距离"
                f"（castalia-net64）与从零训练之比，{len(pairs)} 个数据集中最差者",
                f"{worst:.2f}x（{each}）",
            ),
            "< 1x",
            worst < 1,
        )


def few(results: dict[str, Any], language: str) -> str:
    """Every set, amount and start, means over seeds; then what real and replayed pictures get."""
    heads = {
        "en": (
            *("pictures", "how many", "start", "critic sees", "seeds", "kernel distance"),
            *("precision", "recall", "copies"),
        ),
        "zh": (
            *("图片", "数量", "起点", "评判网络所见", "种子数", "核距离"),
            *("精确率", "召回率", "副本"),
        ),
    }[language]
    altered = {"en": ("as they are", "altered"), "zh": ("原样", "改动过")}[language]
    replayed = {"en": "training pictures, replayed", "zh": "重放训练图片"}[language]
    real = {"en": "other real pictures", "zh": "其他真实图片"}[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    chinese = language == "zh"
    for name in [one for one in FEW_SETS if any(row["set"] == one for row in results["rows"])]:
        title = FEW_SETS[name][chinese]
        of_set = [row for row in results["rows"] if row["set"] == name]
        for amount in sorted({row["amount"] for row in of_set}):
            of_amount = [row for row in of_set if row["amount"] == amount]
            for start, augment in [
                (start, augment) for augment in (True, False) for start in STARTS
            ]:
                rows = [
                    row for row in of_amount if (row["start"], row["augment"]) == (start, augment)
                ]
                if rows:
                    cells = (
                        *(title, amount, STARTS[start][chinese], altered[augment], len(rows)),
                        _spread([row["kernel"] for row in rows], 3),
                        _spread([row["precision"] for row in rows], 2),
                        _spread([row["recall"] for row in rows], 2),
                        f"{mean(row['copies'] for row in rows):.0%}",
                    )
                    lines.append("| " + " | ".join(map(str, cells)) + " |")
            replay = f"{mean(row['replay'] for row in of_amount):.3f}"
            lines.append(f"| {title} | {amount} | {replayed} | | | {replay} | | | |")
        floor = mean(row["floor"] for row in of_set)
        lines.append(f"| {title} | | {real} | | | {floor + 0.0:.3f} | | | |")
    return "\n".join(lines)


def drawn_cells(results: dict[str, Any]) -> Iterator[Cells]:
    """At the fewest pictures: a gain that a reader may expect, and one that costs nothing."""
    rows, minutes = results["rows"], results["minutes"]
    fewest = min(row["amount"] for row in rows)
    found = [row["accuracy"]["network"] for row in rows if row["amount"] == fewest]
    worst = min(found, key=lambda one: one["drawn"]["gain"]["value"])
    drawn, turned = (_points(worst[name]["gain"]) for name in ("drawn", "positions"))
    yield (
        (
            f"A classifier of blood cells, {fewest} real pictures of each class and as many drawn "
            f"by `{NEW}` after {minutes:g} minutes: points over real ones alone, worst of "
            f"{len(found)} seed(s)",
            f"{drawn} (real ones in all positions: {turned})",
        ),
        (
            f"血细胞分类器，每类 {fewest} 张真实图片，加上 `{NEW}` 训练 {minutes:g} 分钟后画出的"
            f"同样多张：比只用真实图片高多少个百分点，{len(found)} 个种子中最差者",
            f"{drawn}（真实图片的所有方位：{turned}）",
        ),
        "",
        True,
    )


def cells(results: dict[str, Any], language: str) -> str:
    """Every amount and lesson, seed by seed."""
    heads = {
        "en": (
            *("real, each class", "learned from", "seed", "small network (95%)", "gain"),
            *("on features (95%)", "gain"),
        ),
        "zh": (
            *("每类真实图片", "学习内容", "种子", "小网络（95%）", "增益"),
            *("基于特征（95%）", "增益"),
        ),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in sorted(results["rows"], key=lambda row: (row["amount"], row["seed"])):
        for lesson, titles in LESSONS.items():
            shown = [str(row["amount"]), titles[language == "zh"], str(row["seed"])]
            for classifier in ("network", "features"):
                one = row["accuracy"][classifier][lesson]
                shown.append(f"{one['value']:.1%} ({one['low']:.1%} – {one['high']:.1%})")
                shown.append("" if lesson == "real" else _points(one["gain"]))
            lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _points(gain: dict[str, float]) -> str:
    """ "+1.2 (-0.3 – 2.7)", in points."""
    value, low, high = (100 * gain[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} – {high:+.1f})"


def recipes(results: dict[str, Any], language: str) -> str:
    """A table for each set: recipes against minutes and amounts, the best of each in bold."""
    chinese, tables = language == "zh", []
    for name, titles in RECIPE_SETS.items():
        rows = [row for row in results["rows"] if row["set"] == name]
        places = sorted({(row["minutes"], row["amount"]) for row in rows})
        if not rows:
            continue
        found: dict[tuple[str, float, int], list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault((row["recipe"], row["minutes"], row["amount"]), []).append(row)
        distance = {key: mean(row["kernel"] for row in group) for key, group in found.items()}
        least = {
            place: min(value for key, value in distance.items() if key[1:] == place)
            for place in places
        }
        of = ("{0:g} min, {1:,} pictures", "{0:g} 分钟，{1:,} 张")[chinese]
        heads = [("recipe", "配方")[chinese], *(of.format(*place) for place in places)]
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        for recipe in dict.fromkeys(row["recipe"] for row in rows):
            cells = [f"`{recipe}`"]
            for place in places:
                group = found.get((recipe, *place), [])
                value = distance.get((recipe, *place))
                shares = " / ".join(
                    f"{mean(row[key] for row in group):.2f}" if group else ""
                    for key in ("precision", "recall")
                )
                shown = "" if value is None else f"{value:.3f}"
                mark = "**" if value == least[place] else ""
                cells.append(f"{mark}{shown}{mark} ({shares})" if group else "")
            lines.append("| " + " | ".join(cells) + " |")
        replay = [
            f"{mean(row['replay'] for row in rows if (row['minutes'], row['amount']) == place):.3f}"
            for place in places
        ]
        again = ("training pictures, replayed", "重放训练图片")[chinese]
        lines.append("| " + " | ".join([again, *replay]) + " |")
        tables.append("\n".join([f"{titles[chinese]}", "", *lines]))
    return "\n\n".join(tables)


FEW_SETS = {
    "faces": ("portraits, grey", "灰度肖像"),
    "omniglot": ("handwritten characters", "手写字符"),
    "cells": ("white blood cells", "白细胞"),
}
STARTS = {
    "scratch": ("noise", "噪声"),
    "parent": ("another run", "另一次运行"),
    "critic": ("another run, the critic's first layers frozen", "另一次运行，冻结评判网络前几层"),
    "generator": (
        "another run, the generator's coarse grids frozen",
        "另一次运行，冻结生成器粗网格",
    ),
}
LESSONS = {
    "real": ("real", "真实"),
    "positions": ("real, in all eight positions", "真实，全部八种方位"),
    "drawn": ("real, as many drawn", "真实，加同样多画出的"),
    "more drawn": ("real, four times as many drawn", "真实，加四倍画出的"),
    "positions, more drawn": (
        "real in all positions, four times as many drawn",
        "真实的全部方位，加四倍画出的",
    ),
    "drawn alone": ("drawn alone", "只有画出的"),
}
RECIPE_SETS = {
    "characters": ("Chinese characters in four typefaces, grey:", "四种字体的汉字，灰度："),
    "emoji": ("Emoji, in colour:", "表情符号，彩色："),
}
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
    "captions": captions,
    "few_examples": few_examples,
    "drawn_cells": drawn_cells,
}
# docs/gan.md has one more table, so tables.py puts it together
PAGES: dict[str, list[Any]] = {
    "evaluate.md": [("judge_agreement", judges)],
    "flow.md": [("picture_edits", edits), ("flow_fashion", flows)],
    "words-to-pictures.md": [("composed_shapes", words), ("captions", described)],
    "few-pictures.md": [("few_examples", few), ("drawn_cells", cells)],
    "your-own-pictures.md": [("picture_recipes", recipes)],
}
