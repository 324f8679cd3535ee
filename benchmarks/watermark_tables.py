"""The tables of marks in content: rows of the table of all figures, and those of docs/watermark.md.
Called by tables.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
ASKED = (
    "JPEG 70",
    "cut 10%",
    "scale 50%",
    "scale 200%",
    "brightness 80%",
    "brightness 120%",
    "turn 3 degrees",
)
ATTACKS = {
    "none": "无",
    "JPEG 70": "JPEG 70",
    "JPEG 40": "JPEG 40",
    "WebP 60": "WebP 60",
    "cut 10%": "裁掉 10%",
    "cut 30%": "裁掉 30%",
    "scale 50%": "缩放 50%",
    "scale 200%": "缩放 200%",
    "brightness 80%": "亮度 80%",
    "brightness 120%": "亮度 120%",
    "turn 3 degrees": "旋转 3 度",
    "messenger (75%, JPEG 75)": "聊天软件（75%，JPEG 75）",
    "noise 5": "噪声 5",
    "noise 15": "噪声 15",
    "blur 1": "模糊 1",
    "blur 2": "模糊 2",
    "mirror": "镜像",
    "turn 10 degrees": "旋转 10 度",
    "MP3 128 kbit/s": "MP3 128 kbit/s",
    "resampled to 11,025 Hz": "重采样到 11,025 Hz",
    "noise at 20 dB": "20 dB 噪声",
    "noise at 10 dB": "10 dB 噪声",
    "10% cut from each end": "两端各裁掉 10%",
    "half as loud": "音量减半",
    "1% faster": "快 1%",
}
SETS = {
    "photographs": ("photographs", "照片"),
    "faces_london": ("faces, colour", "人脸，彩色"),
    "faces_congress_gray": ("faces, grey", "人脸，灰度"),
    "blood_cells": ("blood cells", "血细胞"),
    "twemoji64": ("emoji", "表情符号"),
    "spoken_digits": ("spoken digits", "口说数字"),
    "drum_oneshots": ("drums", "鼓声"),
    "mandarin_syllables": ("Mandarin syllables", "普通话音节"),
    "phone_prompts_en": ("telephone prompts", "电话提示音"),
}


def _missed(words: str, value: float, goal: float, zh: str, digits: int = 0) -> Cells:
    shown = f"{value:.{digits}%}"
    return (words, shown), (zh, shown), f"{goal:.0%}", value >= goal


def pictures(results: dict[str, Any]) -> Iterator[Cells]:
    for side in (512, 256):
        row = next(one for one in results["rows"] if one["side"] == side)
        for attack in ASKED:
            value = row["attacks"][attack]["found"]
            yield _missed(
                f"Marks in {row['pictures']} photographs of {side} pixels found after: {attack}",
                value,
                0.99,
                f"{row['pictures']} 张 {side} 像素照片中的水印，之后仍能找到：{ATTACKS[attack]}",
            )
        least = min(row["attacks"][attack]["number"] for attack in ASKED)
        yield _missed(
            f"Marks in {row['pictures']} photographs of {side} pixels: 64 bits read, the worst",
            least,
            0.95,
            f"{row['pictures']} 张 {side} 像素照片中的水印：读出全部 64 位，最差的",
        )
    quality = min(one["psnr"] for one in results["rows"] if one["quality"] == 40)
    yield (
        ("Marks in pictures: the least peak signal to noise, dB", f"{quality:.1f}"),
        ("图片水印：最低的峰值信噪比（dB）", f"{quality:.1f}"),
        "40",
        quality >= 40,
    )
    clean = results["clean"]
    yield (
        ("Marks seen in real pictures", f"{clean['found']} / {clean['pictures']:,}"),
        ("在真实图片中误认的水印", f"{clean['found']} / {clean['pictures']:,}"),
        "0",
        clean["found"] == 0,
    )


def texts(rows: list[dict[str, Any]]) -> Iterator[Cells]:
    names = {"en": ("English", "英文"), "zh": ("Chinese", "中文")}
    for row in rows:
        english, chinese = names[row["language"]]
        yield _missed(
            f"Marks in {english} texts of 200 tokens, 20% of the words replaced: found",
            row["replaced at 200"]["20%"]["found"],
            0.99,
            f"200 个词元的{chinese}文本水印，替换 20% 的词后仍能找到",
        )
        cost, error = row["cost"], row["cost_error"]
        shown = f"{cost:+.3f} ± {1.96 * error:.3f}"
        yield (
            (f"Marks in {english} texts: cost in nats a token, 95% interval", shown),
            (f"{chinese}文本水印：每个词元的代价（nat），95% 区间", shown),
            ("interval with 0", "区间含 0"),
            abs(cost) <= 1.96 * error,
        )
        real = row["real"]
        yield (
            (
                f"Marks seen in real {english} texts of 200 tokens",
                f"{real['found']} / {real['stretches']:,}",
            ),
            (
                f"在 200 个词元的真实{chinese}文本中误认的水印",
                f"{real['found']} / {real['stretches']:,}",
            ),
            "0",
            real["found"] == 0,
        )


def sounds(rows: list[dict[str, Any]]) -> Iterator[Cells]:
    long = next(row for row in rows if row["seconds"] >= 8)
    count, seconds = long["sounds"], f"{long['seconds']:.0f}"
    for attack in ("MP3 128 kbit/s", "resampled to 11,025 Hz", "noise at 20 dB"):
        yield _missed(
            f"Marks in {count} sounds of {seconds} seconds found after: {attack}",
            long["attacks"][attack]["found"],
            0.99,
            f"{count} 段 {seconds} 秒声音中的水印，之后仍能找到：{ATTACKS[attack]}",
        )


# Tables of the page -------------------------------------------------------------------------------


def _columns(rows: list[dict[str, Any]], heads: list[str], language: str) -> str:
    """Attacks down, sets across: found, and behind a slash how often the number was read."""
    zh = language == "zh"
    lines = [
        f"| {'攻击' if zh else 'attack'} | {' | '.join(heads)} |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for attack in rows[0]["attacks"]:
        cells = []
        for row in rows:
            found, number = row["attacks"][attack]["found"], row["attacks"][attack]["number"]
            cells.append(f"{found:.0%}" + (f" / {number:.0%}" if row["numbers"] else ""))
        lines.append(f"| {ATTACKS[attack] if zh else attack} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture_attacks(results: dict[str, Any], language: str) -> str:
    rows = [{**row, "numbers": row["side"] >= 160} for row in results["rows"]]
    zh = language == "zh"
    heads = [
        f"{SETS[row['set']][zh]}, {row['side']} px, {row['quality']:.0f} dB ({row['pictures']})"
        for row in rows
    ]
    clean, again = results["clean"], results.get("regenerated")
    words = (
        f"真实图片 {clean['pictures']:,} 张中误认 {clean['found']} 张；其中最小的概率界为 "
        f"{clean['least']:.2g}。"
        if zh
        else f"Of {clean['pictures']:,} real pictures {clean['found']} were taken for marked; the "
        f"least bound among them was {clean['least']:.2g}."
    )
    if again:
        words += (
            f" 由 VAE 重新生成的 {again['pictures']} 张图片（与原图的峰值信噪比 "
            f"{again['psnr']:.1f} dB）：找到 {again['found']:.0%}。"
            if zh
            else f" Of {again['pictures']} pictures that a VAE drew anew ({again['psnr']:.1f} dB "
            f"from what it was given) {again['found']:.0%} were found."
        )
    return f"{_columns(rows, heads, language)}\n\n{words}"


def sound_attacks(found: list[dict[str, Any]], language: str) -> str:
    rows = [{**row, "numbers": row["seconds"] >= 4} for row in found]
    zh = language == "zh"
    unit = "秒" if zh else "s"
    heads = [
        f"{SETS[row['set']][zh]}, {row['seconds']:.1f} {unit} ({row['sounds']})" for row in rows
    ]
    least = min(row["ratio"] for row in rows)
    clean, count = sum(row["clean"] for row in rows), sum(row["sounds"] for row in rows)
    words = (
        f"水印至少低于声音 {least:.1f} dB。无水印的 {count} 段声音中误认 {clean} 段。"
        if zh
        else f"The mark lies at least {least:.1f} dB below the sound. Of the {count} sounds "
        f"without a mark {clean} were taken for marked."
    )
    return f"{_columns(rows, heads, language)}\n\n{words}"


def text_lengths(rows: list[dict[str, Any]], language: str) -> str:
    zh = language == "zh"
    names = {"en": ("English", "英文"), "zh": ("Chinese", "中文")}
    heads = [f"{names[row['language']][zh]}, {'找到' if zh else 'found'} (z)" for row in rows]
    lines = [
        f"| {'文本' if zh else 'texts'} | {' | '.join(heads)} |",
        "|---" * (len(rows) + 1) + "|",
    ]
    for length in rows[0]["length"]:
        title = f"{length} 个词元" if zh else f"{length} tokens"
        cells = [
            f"{r['length'][length]['found']:.0%} ({r['length'][length]['z']:.1f})" for r in rows
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for share in rows[0]["replaced at 200"]:
        title = (
            f"200 个词元，替换 {share} 的词" if zh else f"200 tokens, {share} of the words replaced"
        )
        parts = [row["replaced at 200"][share] for row in rows]
        cells = [f"{part['found']:.0%} ({part['z']:.1f})" for part in parts]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def text_chances(rows: list[dict[str, Any]], language: str) -> str:
    zh = language == "zh"
    names = {"en": ("English", "英文"), "zh": ("Chinese", "中文")}
    heads = (
        ("真实文本", "段数", "z 的均值", "标准差", "最大 z", "p ≤ 0.01 的占比", "界 ≤ 0.01 的占比")
        if zh
        else (
            "real texts",
            "stretches",
            "mean z",
            "deviation",
            "largest z",
            "share p ≤ 0.01",
            "share bound ≤ 0.01",
        )
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        real = row["real"]
        lines.append(
            f"| {names[row['language']][zh]} | {real['stretches']:,} | {real['z mean']:+.2f} | "
            f"{real['z deviation']:.2f} | {real['z largest']:.1f} | {real['normal']['0.01']:.2%} | "
            f"{real['bound']['0.01']:.2%} |"
        )
    costs = "；".join if zh else "; ".join
    words = costs(
        f"{names[row['language']][zh]} {row['cost']:+.3f} ± {1.96 * row['cost_error']:.3f} "
        + (f"（模型为每词元 {row['nats']:.2f} nat）" if zh else f"(of {row['nats']:.2f} a token)")
        for row in rows
    )
    return (
        "\n".join(lines)
        + "\n\n"
        + (
            f"代价（nat/词元，95% 区间）：{words}。"
            if zh
            else f"Cost in nats a token, 95% interval: {words}."
        )
    )


ROWS = {"watermark_pictures": pictures, "watermark_texts": texts, "watermark_sounds": sounds}
PAGES = {
    "watermark.md": [
        ("watermark_pictures", picture_attacks),
        ("watermark_texts", text_lengths),
        ("watermark_texts", text_chances),
        ("watermark_sounds", sound_attacks),
    ]
}
