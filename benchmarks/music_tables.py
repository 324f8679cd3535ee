"""The tables of music: rows of the table of all figures, and those of their own pages. Called by
tables.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from machine import RESULTS

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]


def jsb_chorales(results: dict[str, Any]) -> Iterator[Cells]:
    goals, numbers = (
        results["goals"],
        [f"{results[kind]['max']:.2f}" for kind in ("plain", "averaged")],
    )
    counts = f"{results['baselines']['kneser_ney']:.2f}"
    yield (
        (
            "JSB chorales: exact nats a step on the validation pieces, plain / averaged over keys",
            f"{' / '.join(numbers)} (Kneser-Ney {counts})",
        ),
        (
            "JSB 圣咏：验证集上每步的精确奈特，单独 / 各调平均",
            f"{' / '.join(numbers)}（Kneser-Ney {counts}）",
        ),
        f"{goals['plain']} / {goals['averaged']}",
        all(results["reached"].values()),
    )


def harmonise(results: dict[str, Any]) -> Iterator[Cells]:
    """Drawn once, and with bars that have faults drawn anew."""
    reached = results["reached"]
    for side, met, how, how_zh in (
        (results, reached["outside"] and reached["parallels"], "drawn once", "只抽一次"),
        (
            results["mended"],
            reached["outside, mended"] and reached["parallels, mended"],
            "`--redraw 8`",
            "`--redraw 8`",
        ),
    ):
        beyond, ratio = side["outside_beyond_bach"], side["parallels_ratio"]
        numbers = (
            f"{100 * beyond['value']:+.1f} ({_range(beyond, 100, 1)}), {ratio['value']:.2f}x "
            f"({_range(ratio, 1, 2)})"
        )
        yield (
            (
                f"Harmonising held-out sopranos, {how}: notes out of range beyond Bach's, "
                "in points; parallel fifths and octaves a bar, of Bach's",
                numbers,
            ),
            (
                f"为留出的女高音配和声，{how_zh}：超出音域的音比巴赫多几个百分点；每小节平行五八度是巴赫的几倍",
                numbers,
            ),
            "+2, 2x",
            met,
        )


def opens(results: dict[str, Any]) -> Iterator[Cells]:
    """The form that fares worst; untrained models count, too."""
    forms = results["forms"].values()
    samples = min(side["samples"] for form in forms for side in form.values())
    decoded = min(side["decoded"] for form in forms for side in form.values())
    opened = min(
        form["trained"]["opened"][program]
        for form in forms
        for program in ("pretty_midi", "music21")
    )
    numbers = f"{decoded:,} / {opened:,}"
    yield (
        (
            f"Of {samples:,} samples of each form of music: those that decode / that "
            "pretty_midi and music21 open, worst form",
            numbers,
        ),
        (
            f"每种音乐形式各 {samples:,} 个样本：能解码的 / pretty_midi 与 music21 "
            "都能打开的（最差的形式）",
            numbers,
        ),
        f"{samples:,} / {samples:,}",
        decoded == opened == samples,
    )


def likelihoods(results: dict[str, Any], language: str) -> str:
    """Nats a step of jsb_chorales.json beside baselines and what is published."""
    path = RESULTS / "jsb_chorales_still.json"
    still = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else None
    heads = {"en": ("model", "nats a step", "judged on"), "zh": ("模型", "每步奈特", "评测于")}
    words = {
        "en": {
            "plain": "`music/ar-chords`",
            "averaged": "the same, predictions averaged over 12 keys",
            "kneser_ney": "Kneser-Ney counts, all keys",
            "bernoulli": "each key by itself, as often as in training",
            "valid": "validation",
            "test": "test (published)",
            "still": "trained without transposition",
        },
        "zh": {
            "plain": "`music/ar-chords`",
            "averaged": "同上，预测在 12 个调上平均",
            "kneser_ney": "Kneser-Ney 计数，所有调",
            "bernoulli": "每个键独立，频率同训练集",
            "valid": "验证集",
            "test": "测试集（已发表）",
            "still": "训练时不移调",
        },
    }[language]
    lines = ["| " + " | ".join(heads[language]) + " |", "|---|---|---|"]
    for row in results["rows"]:
        for kind in ("plain", "averaged"):
            found, seconds = row[kind], row["training_cpu_seconds"]
            about = f", seed {row['seed']}" + (f", {seconds} CPU s" if seconds else "")
            lines.append(
                f"| {words[kind]}{about} | {found['value']:.3f} ({_range(found, 1, 3)}) | "
                f"{words['valid']} |"
            )
    if still is not None:
        lines += [
            f"| {words[kind]}, {words['still']} | {still[kind]['median']:.3f} | {words['valid']} |"
            for kind in ("plain", "averaged")
        ]
    lines += [
        f"| {words[kind]} | {results['baselines'][kind]:.2f} | {words['valid']} |"
        for kind in ("kneser_ney", "bernoulli")
    ]
    lines += [
        f"| {name} | {value:.2f} | {words['test']} |"
        for name, value in results["published"].items()
    ]
    return "\n".join(lines)


def harmonised(results: dict[str, Any], language: str) -> str:
    """Made parts beside Bach's, of harmonise.json."""
    cold, mended = f"{results['temperature']:g}", results["mended"]
    warm, tries = f"{mended['temperature']:g}", mended["redraw"]
    heads = {
        "en": (
            "",
            f"temperature {cold}",
            "temperature 1",
            f"temperature {warm}, `--redraw {tries}`",
            "Bach",
        ),
        "zh": ("", f"温度 {cold}", "温度 1", f"温度 {warm}，`--redraw {tries}`", "巴赫"),
    }
    names = {
        "outside": {"en": "notes outside their voice's range", "zh": "超出声部音域的音"},
        "crossed": {"en": "time in which voices cross", "zh": "声部交叉的时间"},
        "parallels_a_bar": {
            "en": "parallel fifths and octaves a bar",
            "zh": "每小节的平行五度和八度",
        },
        "notes_a_bar": {
            "en": "notes a bar, of the three made parts",
            "zh": "每小节的音数（生成的三个声部）",
        },
        "as_bach": {"en": "eighths with Bach's own pitch", "zh": "与巴赫音高相同的八分音符"},
    }
    lines = ["| " + " | ".join(heads[language]) + " |", "|---|---|---|---|---|"]
    for key, said in names.items():
        share = not key.endswith("_a_bar")
        made = [_shown(side[key], share) for side in (results, results["at_temperature_1"], mended)]
        cells = [*made, _shown(results[f"{key}_bach"], share) if f"{key}_bach" in results else ""]
        lines.append(f"| {said[language]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def merged(results: dict[str, Any], language: str) -> str:
    """Tokens and nats of a note with and without merges, of music_bpe.json."""
    heads = {
        "en": (
            "`music/ar-events` on",
            "tokens",
            "tokens a note",
            "nats a note, held out",
            "CPU seconds of training",
        ),
        "zh": (
            "`music/ar-events`，数据",
            "词元数",
            "每个音的词元数",
            "每个留出音的奈特",
            "训练用 CPU 秒",
        ),
    }
    sides = {
        "plain": {"en": "", "zh": ""},
        "merged": {"en": ", `codec.vocab=2048`", "zh": "，`codec.vocab=2048`"},
    }
    lines = ["| " + " | ".join(heads[language]) + " |", "|---|---|---|---|---|"]
    for row in results["rows"]:
        for side, said in sides.items():
            found = row[side]
            cells = [
                f"{found['vocab']}",
                f"{found['tokens_a_note']:.2f}",
                _shown(found["nats_a_note"], False),
                f"{found['training_cpu_seconds']}",
            ]
            lines.append(f"| {row['corpus']}{said[language]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _range(found: dict[str, Any], scale: float, digits: int) -> str:
    low, high = found["interval"]
    return f"{scale * low:.{digits}f} – {scale * high:.{digits}f}"


def _shown(found: dict[str, Any], share: bool) -> str:
    return (
        f"{100 * found['value']:.1f}% ({_range(found, 100, 1)})"
        if share
        else f"{found['value']:.3f} ({_range(found, 1, 3)})"
    )


ROWS = {"jsb_chorales": jsb_chorales, "harmonise": harmonise, "music_opens": opens}
PAGES = {
    "music.md": [("music_bpe", merged), ("jsb_chorales", likelihoods)],
    "harmonise.md": [("harmonise", harmonised)],
}
