"""The model and data card: Markdown from what a run knows about itself, in English or Chinese.

Nothing on it is guessed. What a person must add (what the model is for, what it must not be used
for) is asked for in so many words. The sections follow Mitchell et al. 2019 (model cards,
arXiv:1810.03993) and Gebru et al. 2021 (data sheets, arXiv:1803.09010), as far as facts go; the
duties are in duties.py. No local path is on the card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.config import hold
from castalia.errors import RecipeError, RunError
from castalia.escapes import markdown
from castalia.governance import ledger
from castalia.governance.ai_mark import producer_of
from castalia.governance.legal_duties import Duty, Known, chinese, european
from castalia.governance.policy import Policy
from castalia.run import Run
from castalia.run_files import ScoresFacts
from castalia.sentences import say

LANGUAGES = ("en", "zh")
MARKS = {"met": "☑", "partly": "◐", "open": "☐"}
STATES = {"met": ("met", "已满足"), "partly": ("partly", "部分满足"), "open": ("open", "待确认")}


def render(run: Run, lang: str = "en", policy: Policy | None = None) -> str:
    """The card of a run. Raises RecipeError for a language that it does not speak, RunError for a
    run without weights.
    """
    if lang not in LANGUAGES:
        raise RecipeError(
            say("there is no card in '{0}'", lang),
            where="--lang",
            fix=say("one of: {0}", ", ".join(LANGUAGES)),
        )
    policy, zh = policy or Policy(), lang == "zh"

    def t(english: str, chinese: str) -> str:
        return chinese if zh else english

    about, recipe, data = run.about, run.recipe, run.about["data"]
    report: dict[str, Any] = data.get("report") or {}
    unknown = t("not stated", "未说明")
    verdict = _ledger(run)
    lines = [
        f"# {markdown(run.id)}",
        "",
        t(
            f"Model and data card, made by castalia {markdown(about['versions']['castalia'])} "
            "from the run itself.",
            "模型与数据卡片，由 castalia "
            f"{markdown(about['versions']['castalia'])} 根据 run "
            "自动生成。",
        ),
        "",
    ]
    lines += _section(
        t("Model", "模型"),
        [
            (
                t("recipe", "配方"),
                markdown(f"{recipe.title} ({recipe.family.name}, {recipe.codec.name})"),
            ),
            (t("parameters", "参数"), f"{about['parameters']:,}, {about['precision']}"),
            (
                t("weights", "权重"),
                f"SHA-256 `{run.model_hash()}`, {t('step', '第')} {run.last_step}{t('', ' 步')}",
            ),
            (t("conditions", "条件"), markdown(_conditions(run)) or t("none", "无")),
            (
                t("begins with", "起始自"),
                markdown(", ".join(parent["run"] for parent in about["parents"]))
                or t("random weights", "随机权重"),
            ),
            (t("licence", "许可"), markdown(policy.licence or "") or unknown),
            (t("producer", "提供者"), markdown(producer_of(policy.producer)) or unknown),
            (
                t("intended use", "预期用途"),
                t("*to be written by its publisher*", "*由发布者填写*"),
            ),
        ],
    )
    lines += _section(
        t("Data", "数据"),
        [
            (t("source", "来源"), markdown(_source(report.get("source", recipe.data.named)))),
            (t("licence", "许可"), markdown(data.get("licence") or "") or unknown),
            (t("items", "条目"), _items(report, zh)),
            (
                t("split", "划分"),
                t(
                    f"{report.get('train', '?')} for training, "
                    f"{report.get('validation', '?')} held "
                    "out",
                    f"训练 {report.get('train', '?')}，留出 {report.get('validation', '?')}",
                ),
            ),
            (
                t("classes", "类别"),
                markdown(
                    ", ".join(
                        f"{name} {count}" for name, count in (report.get("classes") or {}).items()
                    )
                )
                or t("none", "无"),
            ),
            *(
                (
                    markdown(name),
                    markdown(", ".join(f"{value} {count}" for value, count in known.items())),
                )
                for name, known in (report.get("told") or {}).items()
            ),
            (t("fingerprint", "指纹"), f"`{data['fingerprint']}`"),
            (
                t("people in the data, consent", "数据中的个人与同意"),
                t("*to be written by its publisher*", "*由发布者填写*"),
            ),
        ],
    )
    lines += _section(t("Training", "训练"), _training(run, zh))
    lines += _scores(run, zh)
    lines += _section(t("Released so far", "已发布"), _released(verdict, zh))
    lines += [f"## {t('Limits', '局限')}", "", *(f"- {line}" for line in _limits(run, zh)), ""]
    codec = type(run.codec)
    known = Known(
        embedded=not codec.sidecar,
        labelled=recipe.codec.name == "image",
        released=0 if verdict is None else verdict.events.get("released", 0),
        intact=None if verdict is None else verdict.intact,
        producer=markdown(producer_of(policy.producer)),
    )
    lines += _duties(
        t(
            "EU AI Act, Article 50, and the Code of Practice on AI-generated content",
            "欧盟《人工智能法》第 50 条及其行为准则",
        ),
        european(known),
        zh,
    )
    lines += _duties(
        t(
            "China: Measures for Labelling AI-Generated Content",
            "《人工智能生成合成内容标识办法》与 GB 45438-2025",
        ),
        chinese(known),
        zh,
    )
    lines.append(
        t(
            "A checklist of facts, not legal advice. *Open*: the software cannot know, or "
            "does not do it. Article 50 applies since 2 August 2026; systems that were on the "
            "market before have until 2 December 2026 for 50(2), by the Digital Omnibus that "
            "the Council adopted on 29 June 2026. The labelling measures apply since 1 "
            "September 2025. The layout of the AIGC field "
            "was taken from implementations in use, not from the text of the standard: check "
            "it before you rely on it.",
            "本清单只列事实，不是法律意见。“待确认”表示软件无从得知或未实现。第 50 条自 2026 "
            "年 8 月 2 日起适用；此前已投放市场的系统，其 50(2) 义务依理事会 2026 年 6 月 29 "
            "日通过的 Digital Omnibus 宽限至 2026 年 12 月 2 日。"
            "《标识办法》自 2025 年 9 月 1 日起施行。AIGC "
            "字段的格式依据公开实现，而非标准原文：使用前请核对原文。",
        )
    )
    return "\n".join(lines) + "\n"


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    return [
        f"## {title}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
    ]


def _source(source: Any) -> str:
    """The name alone: a path is nobody's business."""
    text = str(source)
    return text if text.startswith("builtin/") else Path(text).name or "?"


def _conditions(run: Run) -> str:
    found = []
    for name, condition in run.about["conditions"].items():
        names = condition.get("names", [])
        found.append(
            f"{name}: {', '.join(map(str, names[:12]))}"
            + (f" … ({len(names)})" if len(names) > 12 else "")
        )
    return "; ".join(found)


def _items(report: dict[str, Any], zh: bool) -> str:
    copies = (report.get("duplicates") or {}).get("copies", 0)
    skipped = len(report.get("skipped") or [])
    if zh:
        return f"{report.get('items', '?')}（重复 {copies}，无法读取 {skipped}）"
    return f"{report.get('items', '?')} ({copies} duplicates, {skipped} could not be read)"


def _training(run: Run, zh: bool) -> list[tuple[str, str]]:
    rows = [row for row in run.metrics() if row.get("seconds") is not None]
    versions, config = run.about["versions"], run.recipe.training
    done = (
        ("finished" if run.finished else "not finished")
        if not zh
        else ("已完成" if run.finished else "未完成")
    )
    found = [
        (
            "步数" if zh else "steps",
            f"{run.last_step} / {run.total_steps} ({done}), batch {config.batch}, seed "
            f"{config.seed}",
        )
    ]
    if rows:
        last = rows[-1]
        memory = max(float(row.get("memory_mb") or 0) for row in rows)
        cost = f"{last['seconds']:,.{0 if last['seconds'] >= 10 else 1}f} s, {memory:,.0f} MB"
        found.append(("耗时与内存峰值" if zh else "time and peak memory", cost))
    machine = markdown(
        f"{versions['system']}, {versions['cpu']}, {versions['threads']} threads, torch "
        f"{versions['torch']}"
    )
    found.append(("机器" if zh else "machine", machine))
    return found


def _scores(run: Run, zh: bool) -> list[str]:
    title = "## 评估" if zh else "## Evaluation"
    scores = _judged(run)
    if scores is None:
        return [
            title,
            "",
            "尚未评估：castalia evaluate" if zh else "Not judged yet: castalia evaluate",
            "",
        ]
    head = (
        "| 指标 | 值 | 95% 区间 | 更好 | 真实数据之间 | 有区分力 |"
        if zh
        else "| score | value | 95% interval | better | real vs real | informative |"
    )
    told = {True: "是" if zh else "yes", False: "**否**" if zh else "**no**", None: "-"}
    lines = [title, "", head, "|---|---|---|---|---|---|"]
    for score in scores:
        low, high = score["low"], score["high"]
        interval = "-" if low is None or high is None else f"{low:.4g} .. {high:.4g}"
        cells = [
            markdown(score["name"]),
            _number(score["value"]),
            interval,
            score.get("better") or "-",
            _number(score.get("floor")),
        ]
        lines.append(f"| {' | '.join(cells)} | {told[score.get('informative')]} |")
    return [*lines, ""]


def _judged(run: Run) -> list[dict[str, Any]] | None:
    """The scores of the last evaluation; None where there was none. Raises RunError for a file that
    is damaged.
    """
    path = run.folder / "eval" / "scores.json"
    if not path.exists():
        return None
    raw = bounded.parse_json(
        bounded.read_bytes(path, "json_bytes", RunError),
        path,
        f"castalia evaluate {run.folder}",
        RunError,
    )
    return hold(
        ScoresFacts, raw, "scores.json is damaged", path, f"castalia evaluate {run.folder}"
    ).model_dump()["scores"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _ledger(run: Run) -> ledger.Verdict | None:
    try:
        return ledger.verify(run.folder / "ledger.jsonl")
    except RunError:
        return None


def _released(verdict: ledger.Verdict | None, zh: bool) -> list[tuple[str, str]]:
    if verdict is None:
        return [("账本", "无：尚未发布") if zh else ("ledger", "none: nothing was released")]
    state = (
        ("完整" if verdict.intact else "不完整")
        if zh
        else ("intact" if verdict.intact else "NOT INTACT")
    )
    names = {"released": "已发布", "refused": "已拒绝", "mended": "已修补"} if zh else {}
    counts = ", ".join(
        f"{count} {markdown(names.get(event, event), 40)}"
        for event, count in verdict.events.items()
    )
    return [
        ("账本" if zh else "ledger", f"{state}: {counts}"),
        (
            "链头" if zh else "head",
            f"`{verdict.head.hash}`"
            if verdict.head.hash.isalnum()
            else markdown(verdict.head.hash),
        ),
    ]


def _limits(run: Run, zh: bool) -> list[str]:
    """What the facts say against the model."""
    found = []
    report = run.about["data"].get("report") or {}
    items = report.get("train")
    if isinstance(items, int):
        found.append(
            f"只见过 {items} 条训练数据，不代表其以外的内容。"
            if zh
            else f"It has seen {items} training items and stands for nothing beyond them."
        )
    if not run.finished:
        found.append("训练没有完成。" if zh else "Training is not finished.")
    if run.about["data"].get("licence") is None:
        found.append(
            "数据许可未说明：发布前请确认有权使用。"
            if zh
            else "The licence of the data is not stated: make sure that you may use them."
        )
    scores = _judged(run)
    if scores is None:
        found.append("没有评估结果。" if zh else "It was not judged.")
    else:
        mute = [score["name"] for score in scores if score.get("informative") is False]
        if mute:
            names = markdown(", ".join(mute))
            found.append(
                f"以下指标无区分力：{names}。"
                if zh
                else f"These scores tell nothing here: {names}."
            )
    if not (run.folder / "audit").exists():
        found.append(
            "没有记忆与隐私审计：不知道样本会不会复现训练数据。"
            if zh
            else "There is no audit of memorisation and privacy: whether samples repeat "
            "training items is not known beyond the scores."
        )
    return found


def _duties(title: str, duties: list[Duty], zh: bool) -> list[str]:
    n = int(zh)
    head = "| | 条款 | 要求 | 状态 | 依据 |" if zh else "| | where | asks | state | because |"
    rows = [
        f"| {MARKS[duty.state]} | {duty.where} | {duty.asks[n]} | {STATES[duty.state][n]} | "
        f"{duty.answer[n]} |"
        for duty in duties
    ]
    return [f"## {title}", "", head, "|---|---|---|---|---|", *rows, ""]
