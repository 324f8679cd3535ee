"""The audit's page: the verdict in words, the pairs side by side, how the threshold came about. One
offline file, English or Chinese.

Everything that is said follows from audit.json; here are only the words and the pictures. The look
is that of the report (pages/style.py).
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from castalia import atomic
from castalia.data.stream import Split
from castalia.evaluation.report_page import grid
from castalia.modalities.music.svg import roll
from castalia.pages.style import CSS

if TYPE_CHECKING:
    from castalia.governance.audit import Audit
    from castalia.governance.copy_matcher import Found

PAIRS, NEAREST = 48, 6
LOOK = """
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.4rem; margin: 1rem 0; }
.pairs .two { display: grid; grid-template-columns: 1fr 1fr; gap: 6px; } .pairs .grid { grid-template-columns: 1fr; }
.pairs figcaption { margin: .35rem 0 0; overflow-wrap: anywhere; line-height: 1.4; }
.roll { width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: 4px; } .roll .note { fill: var(--faint); opacity: .6; }
.roll .hit { fill: var(--model); }
.pairs figcaption b { color: var(--ink); font-weight: 600; }
"""
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "copies": "The model copies its training data",
        "given": "These files hold copies of the training data",
        "none": "No sign of copies",
        "cannot tell": "This audit cannot tell",
        "counted": "{copies:,} of {checked:,} samples ({rate:.2%}) are nearer to one of "
        "{training_items:,} training items than the threshold.",
        "because": "False alarms explain {expected:.1f} of them.",
        "found": "Copies",
        "alarms": "False alarms",
        "alarm": "{false:.2%} of {items:,} {source} (95%: {low:.2%} to {high:.2%}) are called "
        "copies by a threshold that they did not set.",
        "unknown": "Unknown: there are too few real items, and a fixed threshold stands in.",
        "power": "What it would find",
        "powers": "Of altered copies of training items, planted to try the audit: {power}.",
        "member": "Membership",
        "can": "can be told",
        "cannot": "cannot be told",
        "auc": "Members {told} from other items: AUC {auc:.3f} (95%: {low:.3f} to {high:.3f}), "
        "{attack} attack on {members:,} and {others:,} items.",
        "no auc": "Not computed: too few items, or a model without a likelihood and too few samples.",
        "held-out items": "held-out items",
        "training items set apart": "training items set apart, because fewer than 50 are held out,",
        "a fixed threshold": "a fixed threshold",
        "duplicates": "{duplicates:,} held-out items are training items but for small changes: "
        "duplicates across the split.",
        "silence": "New real items are as near to training items as altered copies are, or there are "
        "too few of them. Finding nothing would prove nothing.",
        "pairs": "Samples and the training items that they copy",
        "nearest": "The nearest samples, none below the threshold",
        "shown": "The nearest {shown} of {all:,}; left the sample, right the training item.",
        "fresh": "For comparison: the nearest new real items",
        "fresh lead": "These are real and were not trained on. What looks like this is no copy.",
        "distance": "distance {distance:.3f} (threshold {threshold:.3f})",
        "bits": "{length} pieces, {edits} changed, {bits:.0f} bits",
        "notes": "{length} notes, {edits} steps changed, {bits:.0f} bits",
        "transposed": "in another key",
        "tempo": "at another tempo",
        "one part": "one part alone",
        "made": "How this was made",
        "exact": "exact",
        "shifted": "shifted",
        "flipped": "flipped",
        "cropped": "cropped",
        "recoloured": "recoloured",
        "near": "near",
        "edited": "edited",
        "loss": "loss",
        "shadow": "shadow",
        "distance attack": "distance",
    },
    "zh": {
        "copies": "模型复制了训练数据",
        "given": "这些文件中有训练数据的副本",
        "none": "没有发现复制的迹象",
        "cannot tell": "本次审计无法判断",
        "counted": "{checked:,} 个样本中有 {copies:,} 个（{rate:.2%}）与 {training_items:,} "
        "个训练样本之一的距离低于阈值。",
        "because": "其中 {expected:.1f} 个可由误报解释。",
        "found": "副本",
        "alarms": "误报",
        "alarm": "{items:,} 个{source}中有 {false:.2%}（95% 区间：{low:.2%} 至 "
        "{high:.2%}）被判为副本；判断所用的阈值并非由它们自己确定。",
        "unknown": "未知：真实样本太少，改用固定阈值。",
        "power": "能发现什么",
        "powers": "为检验审计而植入的、经过改动的训练样本副本，被发现的比例：{power}。",
        "member": "成员推断",
        "can": "可以",
        "cannot": "无法",
        "auc": "{told}把训练成员与其他样本区分开：AUC {auc:.3f}（95% 区间：{low:.3f} 至 "
        "{high:.3f}），{attack}攻击，{members:,} 个成员与 {others:,} 个非成员。",
        "no auc": "未计算：样本太少，或模型不给出似然且抽样太少。",
        "held-out items": "留出样本",
        "training items set apart": "另行划出的训练样本（留出样本不足 50 个）",
        "a fixed threshold": "固定阈值",
        "duplicates": "有 {duplicates:,} 个留出样本与训练样本几乎相同：训练集与留出集之间存在重复。",
        "silence": "新的真实样本与训练样本的距离不比改动过的副本更远，或者真实样本太少。没有发现并不能证明没有复制。",
        "pairs": "样本及其所复制的训练样本",
        "nearest": "距离最近的样本（均未低于阈值）",
        "shown": "{all:,} 对中最近的 {shown} 对；左为样本，右为训练样本。",
        "fresh": "对照：距离最近的新真实样本",
        "fresh lead": "它们是真实数据，且未参与训练。与此类似的情形不算复制。",
        "distance": "距离 {distance:.3f}（阈值 {threshold:.3f}）",
        "bits": "{length} 个词或字，改动 {edits} 处，{bits:.0f} 比特",
        "notes": "{length} 个音符，改动 {edits} 处音程，{bits:.0f} 比特",
        "transposed": "移调",
        "tempo": "速度不同",
        "one part": "仅一个声部",
        "made": "来历",
        "exact": "原样",
        "shifted": "平移",
        "flipped": "镜像",
        "cropped": "裁剪",
        "recoloured": "改色",
        "near": "近似",
        "edited": "改写",
        "loss": "损失",
        "shadow": "影子模型",
        "distance attack": "距离",
    },
}


def write_page(found: Audit, path: Path, *, title: str, language: str = "en") -> None:
    """Writes `path` whole or not at all."""
    atomic.write(path, page(found, title=title, language=language))


def page(found: Audit, *, title: str, language: str) -> str:
    """The HTML document."""
    words, document = WORDS[language], found.document
    own = document["samples"].startswith("seed ")
    headline = (
        words["given"]
        if document["verdict"] == "copies" and not own
        else words[document["verdict"]]
    )
    cards = "".join(
        f"<section><h3>{words[name]}</h3><p>{escape(text)}</p></section>"
        for name, text in _cards(document, words)
    )
    notes = (
        [words["duplicates"].format(**document["calibration"])]
        if document["calibration"]["duplicates"]
        else []
    )
    notes += [words["silence"]] if document["verdict"] == "cannot tell" else []
    order = found.found.distance.argsort(stable=True).tolist()
    hits = order[: min(PAIRS, document["copies"])]
    shown = hits or [row for row in order[:NEAREST] if found.found.train[row] >= 0]
    lead = words["shown"].format(shown=len(shown), all=document["copies"]) if hits else ""
    fresh = (
        found.fresh.distance.argsort(stable=True).tolist()[:NEAREST]
        if document["calibration"]["source"] == "held-out items"
        else []
    )
    body = [
        f'<p class="eyebrow">{escape(title)} · '
        f"{escape(document['samples'])}</p><h1>{headline}</h1>",
        f'<div class="questions">{cards}</div>',
        *(f'<p class="note">{escape(note)}</p>' for note in notes),
        f'<h2>{words["pairs"] if hits else words["nearest"]}</h2><p class="lead">{lead}</p>'
        if shown
        else "",
        _pairs(
            found, found.found, found.samples, shown, [found.names[row] for row in shown], words
        ),
        f'<h2>{words["fresh"]}</h2><p class="lead">{words["fresh lead"]}</p>' if fresh else "",
        _pairs(found, found.fresh, found.held_out, fresh, [""] * len(fresh), words)
        if fresh
        else "",
        _provenance(document, words),
    ]
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = (
        f'<meta charset="utf-8">{viewport}<title>{escape(title)}</title><style>{CSS}{LOOK}</style>'
    )
    code = {"en": "en", "zh": "zh-CN"}[language]
    return (
        f'<!doctype html>\n<html lang="{code}"><head>{head}</head><body><main>\n'
        + "\n".join(filter(None, body))
        + "\n</main></body></html>\n"
    )


def _cards(document: dict[str, Any], words: dict[str, str]) -> list[tuple[str, str]]:
    calibration, membership, false = (
        document["calibration"],
        document["membership"],
        document["false_alarm_rate"],
    )
    counted = words["counted"].format(**document)
    if false is not None and document["copies"]:
        counted += " " + words["because"].format(
            expected=min(document["copies"], false * document["checked"])
        )
    alarms = words["unknown"]
    if calibration["interval"] is not None:
        low, high = calibration["interval"]
        alarms = words["alarm"].format(
            false=false,
            items=calibration["items"],
            source=words[calibration["source"]],
            low=low,
            high=high,
        )
    power = ", ".join(f"{words[kind]} {share:.0%}" for kind, share in calibration["power"].items())
    told = words["no auc"]
    if membership["auc"] is not None:
        attack = words[
            "distance attack" if membership["attack"] == "distance" else membership["attack"]
        ]
        told = words["auc"].format(
            **membership
            | {"attack": attack, "told": words["can" if membership["shows"] else "cannot"]}
        )
    return [
        ("found", counted),
        ("alarms", alarms),
        ("power", words["powers"].format(power=power)),
        ("member", told),
    ]


def _pairs(
    found: Audit,
    matched: Found,
    items: Any,
    rows: list[int],
    names: list[str],
    words: dict[str, str],
) -> str:
    if matched.evidence:
        return "".join(
            _spans(found, matched, row, name, words) for row, name in zip(rows, names, strict=True)
        )
    figures = []
    for row, name in zip(rows, names, strict=True):
        train = int(matched.train[row])
        side = found.training
        picture = (
            grid(side.take(torch.tensor([train])).x, found.codec)
            if isinstance(side, Split) and train < len(side)
            else ""
        )
        two = f'<div class="two">{grid(items[row : row + 1], found.codec)}{picture}</div>'
        figures.append(
            f"<figure>{two}<figcaption>{_caption(found, matched, row, name, words)}</figcaption></figure>"
        )
    return f'<div class="pairs">{"".join(figures)}</div>'


def _caption(found: Audit, matched: Found, row: int, name: str, words: dict[str, str]) -> str:
    """How it was copied is said of copies alone: what is farther away than the threshold only
    happens to be the nearest.
    """
    distance, threshold = float(matched.distance[row]), found.document["threshold"]
    kind = (
        f"<b>{words[matched.kinds[row]]}</b> · "
        if matched is found.found and distance < threshold
        else ""
    )
    train = int(matched.train[row])
    who = " ← ".join(
        escape(part) for part in (name, found.where(train) if train >= 0 else "") if part
    )
    return f"{kind}{words['distance'].format(distance=distance, threshold=threshold)}<br>{who}"


def _spans(found: Audit, matched: Found, row: int, name: str, words: dict[str, str]) -> str:
    span = matched.evidence[row]
    if not span:
        return ""
    music = "sample_roll" in span
    told = (
        f"{_caption(found, matched, row, name, words)} · "
        f"{words['notes' if music else 'bits'].format(**span)}"
    )
    if music:
        two = "".join(
            roll(span[f"{side}_roll"], label, span.get(f"{side}_bars", ()))
            for side, label in (("sample", name), ("train", found.where(int(matched.train[row]))))
        )
    else:
        two = "".join(_marked(span[side]) for side in ("sample_text", "train_text"))
    return f'<figure><div class="pair">{two}</div><figcaption>{told}</figcaption></figure>'


def _marked(parts: list[str]) -> str:
    before, span, after = map(escape, parts)
    return f'<div class="text" dir="auto">… {before}<mark>{span}</mark>{after} …</div>'


def _provenance(document: dict[str, Any], words: dict[str, str]) -> str:
    facts = {
        name: document[name]
        for name in (
            "run",
            "model",
            "data",
            "samples",
            "matcher",
            "threshold",
            "training_items",
            "seconds",
        )
    }
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items()
    )
    return f"<details><summary>{words['made']}</summary><dl>{rows}</dl></details>"
