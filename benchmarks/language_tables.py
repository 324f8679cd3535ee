"""The tables of language models: rows of the table of all figures, and those of their own pages.
Called by tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]


def pretrained_trainer(results: dict[str, Any]) -> Iterator[Cells]:
    nats, steps = results["nats_ratio"], results["step_ratio"]
    yield (
        (
            "Fine-tuning SmolLM2-135M (LoRA) against peft + Trainer: held-out nats, CPU "
            "time of a step",
            f"{nats:.3f}x, {steps['median']:.2f}x",
        ),
        (
            "微调 SmolLM2-135M（LoRA），相对于 peft + Trainer：留出奈特、每步 CPU 时间",
            f"{nats:.3f} 倍，{steps['median']:.2f} 倍",
        ),
        "1 ± 0.01x, 1.1x",
        abs(nats - 1) <= 0.01 and steps["median"] <= 1.1,
    )


def tuned(results: dict[str, Any], language: str) -> str:
    """Both sides of pretrained_trainer.json, and what the model writes before and after."""
    heads = {
        "en": (
            "",
            "held-out nats per token",
            "fall (95% interval)",
            "lost on WikiText-2",
            "CPU s a step",
        ),
        "zh": ("", "每词元留出奈特", "下降（95% 区间）", "在 WikiText-2 上的损失", "每步 CPU 秒"),
    }
    words = {"en": "before", "zh": "微调前"}
    lines = ["| " + " | ".join(heads[language]) + " |", "|---|---|---|---|---|"]
    lines.append(f"| {words[language]} | {results['before']['nats']:.3f} | | | |")
    for name, side in results["sides"].items():
        lost = "" if side["forgotten"] is None else _interval(side["forgotten"])
        speed = side["cpu_seconds_a_step"]["median"]
        lines.append(
            f"| {name} | {side['nats']:.3f} | {_interval(side['fall'])} | {lost} | {speed:.2f} |"
        )
    said = {"en": ("Before", "After"), "zh": ("微调前", "微调后")}
    texts = [
        f"{title}:\n\n```text\n{text.strip()}\n```"
        for title, text in zip(
            said[language],
            (results["texts"]["before"][0], results["texts"]["after"][0]),
            strict=True,
        )
    ]
    return "\n\n".join(["\n".join(lines), *texts])


def conversations(results: dict[str, Any], language: str) -> str:
    """Nats on the assistant's tokens before and after tuning, by language of the conversations."""
    heads = {
        "en": "conversations | held-out questions | before tuning | tuned | fall | tuned "
        "without pre-training | what pre-training saves",
        "zh": "对话 | 留出的问题 | 微调前 | 微调后 | 下降 | 没有预训练的微调 | 预训练的收益",
    }
    names = {
        "en": {"english": "English", "chinese": "Chinese"},
        "zh": {"english": "英文", "chinese": "中文"},
    }
    lines = [f"| {heads[language]} |", "|---|---|---|---|---|---|---|"]
    for name, row in results["languages"].items():
        columns = ("plain", "tuned", "plain - tuned", "scratch", "scratch - tuned")
        numbers = [
            f"{row[column]['value']:.2f} ({row[column]['low']:.2f} – {row[column]['high']:.2f})"
            for column in columns
        ]
        lines.append(
            f"| {names[language][name]} | {row['questions']} | " + " | ".join(numbers) + " |"
        )
    return "\n".join(lines)


def preference(results: dict[str, Any]) -> Iterator[Cells]:
    shares = [
        results["base"]["quatrains"]["value"],
        results["summary"]["reward"]["quatrains"]["min"],
    ]
    numbers = (
        f"{shares[0]:.0%} → {shares[1]:.0%}, +{results['summary']['reward']['rise']['max']:.1%}"
    )
    yield (
        (
            "Reward tuning on Tang poems: free samples that are quatrains; rise of held-out "
            "bits per character (worst seed)",
            numbers,
        ),
        ("唐诗上的奖励微调：自由样本中的绝句比例；留出每字符比特数的上升（最差种子）", numbers),
        (
            f"95% intervals apart, +{results['settings']['limit']:.0%}",
            f"95% 区间不重叠，+{results['settings']['limit']:.0%}",
        ),
        bool(results["summary"]["reward"]["reached"]),
    )


def preferred(results: dict[str, Any], language: str) -> str:
    """Every run of preference.json."""
    heads = {
        "en": (
            "run",
            "seed",
            "quatrains",
            "any form",
            "`distinct`",
            "bits per character",
            "of poems from elsewhere",
            "KL, nats a text",
            "CPU seconds",
        ),
        "zh": (
            "运行",
            "种子",
            "绝句",
            "任何诗体",
            "`distinct`",
            "每字符比特数",
            "别处的诗",
            "KL（每篇奈特）",
            "CPU 秒",
        ),
    }
    names = {
        "en": {
            "base": "start",
            "reward": "`text/reward`",
            "no_leash": "the same, `kl=0`",
            "dpo": "`text/dpo` on its own samples",
        },
        "zh": {
            "base": "起点",
            "reward": "`text/reward`",
            "no_leash": "同上，`kl=0`",
            "dpo": "`text/dpo`，用它自己的样本",
        },
    }
    lines = ["| " + " | ".join(heads[language]) + " |", "|" + "---|" * len(heads[language])]
    for name, title in names[language].items():
        for row in [results["base"]] if name == "base" else results[name]:
            shares = [
                f"{row[key]['value']:.0%} ({row[key]['low']:.0%} – {row[key]['high']:.0%})"
                for key in ("quatrains", "any_form")
            ]
            bits = f"{row['bits_per_character']:.2f}" + (
                f" ({row['rise']:+.1%})" if "rise" in row else ""
            )
            others = (
                f"{row['others']['bits_per_character']:.2f}"
                + (f" ({row['others_rise']:+.1%})" if "rise" in row else "")
                if "others" in row
                else "-"
            )
            kl = row.get("tuning", {}).get("after", {}).get("kl")
            rest = (
                "-" if kl is None else f"{kl:.1f}",
                "-" if row["cpu_seconds"] is None else f"{row['cpu_seconds']:.0f}",
            )
            variety = "-" if row["distinct"] is None else f"{row['distinct']:.2f}"
            lines.append(
                "| "
                + " | ".join(
                    (title, str(row.get("seed", 0)), *shares, variety, bits, others, *rest)
                )
                + " |"
            )
    return "\n".join(lines)


def _interval(found: dict[str, float]) -> str:
    return f"{found['mean']:.3f} ({found['low']:.3f} – {found['high']:.3f})"


def seqvae(results: dict[str, Any]) -> Iterator[Cells]:
    names = {"Tang lines": "唐诗诗行", "restaurant copy": "餐馆文案"}
    for row in results["rows"]:
        ours, worse = row["seqvae"], row["between"]["worse_by"]
        above, information = ours["above_exact"], ours["mutual_information"]
        name = row["data"]
        yield (
            (
                f"VAE of sentences, {name}: information in the latent, bound above the "
                "exact model, interpolants against real text",
                f"{information:.1f} nats, {above:+.1%}, {worse:+.2f} nats/token",
            ),
            (
                "句子的 "
                f"VAE，{names[name]}：潜变量中的信息、下界高于精确模型、插值文本与真实文本之差",
                f"{information:.1f} 奈特，{above:+.1%}，{worse:+.2f} 奈特/词元",
            ),
            "≥ 3, ≤ 5%, ≤ 0.3",
            information >= 3 and above <= 0.05 and worse <= 0.3,
        )


def sentences(results: dict[str, Any], language: str) -> str:
    """Both data sets of seqvae.json: the exact model, ours, the ablation; then paths between
    sentences.
    """
    heads = {
        "en": (
            "data",
            "model",
            "bits a character",
            "above exact",
            "KL",
            "information",
            "active units",
            "accuracy",
            "between",
        ),
        "zh": (
            "数据",
            "模型",
            "每字符比特数",
            "高于精确模型",
            "KL",
            "互信息",
            "活跃单元",
            "准确率",
            "之间",
        ),
    }
    lines = ["| " + " | ".join(heads[language]) + " |", "|" + "---|" * len(heads[language])]
    for row in results["rows"]:
        real, made = row["between"]["real"], row["between"]["interpolants"]
        lines.append(
            f"| {row['data']} | text/ar | {row['exact']['bits_per_character']:.3f} | | | | | "
            f"| {real['value']:.2f} |"
        )
        for name in ("seqvae", "without guards"):
            one = row[name]
            between = f"{made['value']:.2f}" if name == "seqvae" else ""
            numbers = (
                f"{one['bits_per_character']:.3f}",
                f"{one['above_exact']:+.1%}",
                f"{one['kl']:.2f}",
                f"{one['mutual_information']:.2f}",
                f"{one['active_units']:.0f}/{one['latent']:.0f}",
                f"{one['accuracy']:.0%}",
                between,
            )
            lines.append(f"| {row['data']} | {name} | " + " | ".join(numbers) + " |")
    paths = [
        "```text\n"
        + "\n\n".join(
            "\n".join(line.strip() for line in path) for path in row["between"]["paths"][:2]
        )
        + "\n```"
        for row in results["rows"]
    ]
    return "\n\n".join(["\n".join(lines), *paths])


ROWS = {"pretrained_trainer": pretrained_trainer, "seqvae": seqvae, "preference": preference}
PAGES = {
    "pretrained.md": [("pretrained_trainer", tuned)],
    "seqvae.md": [("seqvae", sentences)],
    "chat.md": [("chat", conversations)],
    "preferences.md": [("preference", preferred)],
}
