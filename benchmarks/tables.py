"""The tables of the READMEs and of pages in docs/, made from benchmarks/results/*.json in both
languages, and the GAN's curve.

    python benchmarks/tables.py               # rewrite what stands between the markers
    python benchmarks/tables.py --check       # exit code 1 when a page and the results disagree (a
                                              test runs this)

benchmarks/README.md holds every row and, first, those that miss their goals; README.md holds the
rows of HEADLINES. A row exists when its result exists. A number that misses its goal stays in the
table and is marked. Nobody edits the tables by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ad_copy_tables
import assistant_tables
import audio_tables
import code_tables
import demand_tables
import language_tables
import lesson_tables
import level_tables
import music_tables
import picture_tables
import prompt_tables
import recommend_tables
import risk_tables
import shape_tables
import table_tables
import watermark_tables
from gan_curve import draw
from machine import HERE, RESULTS

BEGIN, END = "<!-- results: made by benchmarks/tables.py -->", "<!-- end of results -->"
ROOT = HERE.parent
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
ALL_FIGURES = {"en": HERE / "README.md", "zh": HERE / "README.zh-CN.md"}
GAN_PAGES = {"en": ROOT / "docs" / "gan.md", "zh": ROOT / "docs" / "zh" / "gan.md"}
AUDIT_PAGES = {"en": ROOT / "docs" / "audit.md", "zh": ROOT / "docs" / "zh" / "audit.md"}
CURVE = ROOT / "docs" / "images" / "gan_fashion.svg"
HEADS = {"en": ("What", "Measured", "Goal", "Data"), "zh": ("项目", "实测", "目标", "数据")}
MISSED = {"en": "missed", "zh": "未达到"}


class Row(NamedTuple):
    """One line: the claim and the measurement in both languages, the goal (in English and Chinese
    where it has words), and whether it was reached.
    """

    en: tuple[str, str]
    zh: tuple[str, str]
    goal: str | tuple[str, str]
    reached: bool


def gan_fashion(results: dict[str, Any]) -> Iterator[Row]:
    """Every seed of the winner must reach the goal, so the worst one is shown."""
    winner = results["winner"]
    ratio = min(winner["peer_over_winner"])
    distances = ", ".join(f"{value:.2f}" for value in winner["frechet"])
    yield Row(
        (
            "GAN, Fashion-MNIST, 4 minutes on 2 cores: Frechet distance against the textbook DCGAN",
            f"1/{ratio:.0f} (FD {distances}; textbook {winner['peer']:.2f})",
        ),
        (
            "GAN，Fashion-MNIST，2 核 4 分钟：与教科书 DCGAN 的 Frechet 距离之比",
            f"1/{ratio:.0f}（FD {distances}；教科书 {winner['peer']:.2f}）",
        ),
        "1/20",
        ratio >= 20,
    )
    precision, recall = min(winner["precision"]), min(winner["recall"])
    numbers = f"{precision:.2f} / {recall:.2f}"
    yield Row(
        ("its precision / recall, worst seed", numbers),
        ("其精确率 / 召回率（最差种子）", numbers),
        "0.90 / 0.80",
        precision >= 0.9 and recall >= 0.8,
    )
    seconds = winner["seconds_to_the_peers_end"]
    worst = max(seconds) if all(value is not None for value in seconds) else None
    shown = "-" if worst is None else f"{worst:.0f} s"
    yield Row(
        ("its time to the textbook's 4-minute figure", shown),
        ("达到教科书 4 分钟成绩所需时间", shown),
        "30 s",
        worst is not None and worst <= 30,
    )


def vae_pythae(results: dict[str, Any]) -> Iterator[Row]:
    bound = {name: spread["median"] for name, spread in results["bound"].items()}
    numbers = (
        f"1/{results['speedup']['median']:.1f} (-ELBO {bound['mlp']:.2f}; pythae "
        f"{bound['pythae']:.2f})"
    )
    yield Row(
        (
            "VAE, the MLP of pythae's example: share of pythae's training time to a -ELBO as good",
            numbers,
        ),
        ("VAE，与 pythae 示例相同的 MLP：达到同样好的 -ELBO 所需时间之比", numbers),
        f"1/{results['goal']:.0f}",
        results["mlp_reached"],
    )
    numbers = f"{bound['conv']:.2f}"
    yield Row(
        ("its -ELBO with convolutions, in no more time than pythae took", numbers),
        ("改用卷积，用时不超过 pythae 时的 -ELBO", numbers),
        f"< {bound['pythae']:.2f}",
        results["conv_reached"],
    )


def startup(results: dict[str, Any]) -> Iterator[Row]:
    for name, en, zh in (
        (
            "help",
            "`castalia --help`, CPU time, without torch",
            "`castalia --help` 的 CPU 时间，不加载 torch",
        ),
        ("import", "`import castalia`", "`import castalia`"),
    ):
        seconds, limit = results[name]["cpu_seconds"]["median"], results[name]["limit"]
        yield Row(
            (en, f"{seconds:.2f} s"),
            (zh, f"{seconds:.2f} s"),
            f"{limit} s",
            seconds < limit and results[name]["torch_free"],
        )


def loop_overhead(results: dict[str, Any]) -> Iterator[Row]:
    numbers = ", ".join(
        f"{name} {result['relative_speed']['median']:.0%}" for name, result in results.items()
    )
    worst = min(result["relative_speed"]["median"] for result in results.values())
    least = next(iter(results.values()))["least"]
    yield Row(
        ("speed of the training loop, relative to a bare hand-written one", numbers),
        ("训练循环相对于手写裸循环的速度", numbers),
        f"{least:.0%}",
        worst >= least,
    )


def stream_memory(results: dict[str, Any]) -> Iterator[Row]:
    growth, limit = max(results["growth_mb"].values()), results["mark_mb"]
    yield Row(
        ("extra memory for 200,000 pictures instead of 1,000", f"{growth:.0f} MB"),
        ("20 万张图片比 1,000 张多用的内存", f"{growth:.0f} MB"),
        f"{limit} MB",
        growth < limit,
    )


def estimate(results: dict[str, Any]) -> Iterator[Row]:
    off = {
        kind: max(abs(case["predicted_over_taken"][kind] - 1) for case in results.values())
        for kind in ("cpu_seconds", "memory")
    }
    numbers = f"{off['cpu_seconds']:.0%} / {off['memory']:.0%}"
    yield Row(
        ("largest error of `--dry-run`: CPU time / memory", numbers),
        ("`--dry-run` 的最大误差：CPU 时间 / 内存", numbers),
        "30%",
        max(off.values()) <= 0.3,
    )


def budget(results: dict[str, Any]) -> Iterator[Row]:
    rows = results["rows"]
    each = ", ".join(f"{row['recipe']} {row['over']:+.1%}" for row in rows)
    numbers = f"{results['worst']:.1%} ({each})"
    yield Row(
        (
            "`training.minutes`: how far from its minutes a training ends, worst of "
            f"{len(rows)} recipes",
            numbers,
        ),
        (
            f"`training.minutes`：训练结束时间与给定分钟数的偏差，{len(rows)} 个配方中最差者",
            numbers,
        ),
        "5%",
        results["worst"] <= 0.05,
    )


def constraints(results: dict[str, Any]) -> Iterator[Row]:
    now, cap = results["now"], results["cap_s"]
    cases, numbers = len(now["cases"]), f"{now['worst_step_ms']} ms, {now['worst_compile_s']:.1f} s"
    en = zh = ""
    if "before" in results:
        commit, step, broken = (
            results["before"][key] for key in ("commit", "worst_step_ms", "broken_off")
        )
        en = f" (commit {commit[:7]}: {step:,} ms; {broken} were broken off after {cap} s)"
        zh = f"（提交 {commit[:7]}：{step:,} ms；{broken} 个在 {cap} 秒后中止）"
    yield Row(
        (
            f"{cases} hostile constraints: longest step of a batch, longest compilation, CPU time",
            numbers + en,
        ),
        (f"{cases} 个恶意约束：批中最长的一步、最长的编译，CPU 时间", numbers + zh),
        f"{results['goal_step_ms']:.0f} ms",
        now["worst_step_ms"] <= results["goal_step_ms"] and not now["broken_off"],
    )


def json_schema(results: dict[str, Any]) -> Iterator[Row]:
    now, before, goals = results["llguidance"], results["automata"], results["goals"]
    share = now["accepted"] / now["schemas"]
    judged = now["valid"] + now["invalid"]
    numbers = f"{now['accepted']} / {now['schemas']} ({share:.0%})"
    was = f"{before['accepted']}"
    texts = f"{now['valid']:,} / {judged:,}"
    yield Row(
        (
            "schemas of the JSON Schema Test Suite (draft 2020-12) that are accepted; "
            "valid texts; cut",
            f"{numbers}; {texts}; {now['cut']} (our automata: {was})",
        ),
        (
            "JSON Schema 测试集（draft 2020-12）中被接受的 schema；有效文本；被截断",
            f"{numbers}；{texts}；{now['cut']}（自带自动机：{was}）",
        ),
        f"{goals['accepted']:.0%}, 100%",
        share >= goals["accepted"] and not now["invalid"],
    )
    masks = [
        f"{one['everyday']['mask_median_ms']:g} / {one['everyday']['mask_p99_ms']:g} ms"
        for one in (now, before)
    ]
    yield Row(
        (
            f"a mask over {results['tokens']:,} tokens, three everyday schemas: median / 99th "
            "percentile, CPU time",
            f"{masks[0]} (our automata: {masks[1]})",
        ),
        (
            f"{results['tokens']:,} 个词元的掩码，三个常见 schema：中位数 / 第 99 百分位，CPU 时间",
            f"{masks[0]}（自带自动机：{masks[1]}）",
        ),
        "",
        True,
    )


def gan_modes(results: dict[str, Any]) -> Iterator[Row]:
    words = {
        "grid": ("Gaussians of the 5x5 grid that a GAN finds", "GAN 找到的 5x5 网格高斯分布数"),
        "digits": (
            "digit classes with at least 5% each, unconditional",
            "无条件生成时占比不低于 5% 的数字类别数",
        ),
    }
    for name, result in results.items():
        numbers = ", ".join(str(row["found"]) for row in result["rows"])
        (en, zh), goal = words[name], result["modes"]
        yield Row(
            (f"{en} ({len(result['rows'])} seeds)", numbers),
            (f"{zh}（{len(result['rows'])} 个种子）", numbers),
            str(goal),
            result["reached"],
        )


def text_race(results: dict[str, Any]) -> Iterator[Row]:
    """Every seed must be as good, so the worst ratio is shown."""
    mark, counts = results["mark"], results["runs"]["counts"][0]["loss"]
    words = {
        "plain": (
            "Text, a plain transformer of nanoGPT's CPU size",
            "文本，与 nanoGPT CPU 示例同等大小的普通 transformer",
        ),
        "small": ("`text/ar-small`", "`text/ar-small`"),
    }
    for name, (en, zh) in words.items():
        found, goal = results[name], results["goals"][name]
        loss, seeds = found["loss"]["median"], f"{found['as_good']}/{found['of']}"
        yield Row(
            (
                f"{en}: training time until its validation loss, {mark:.3f}",
                f"1/{found['sooner']['min']:.0f} ({loss:.3f}; {seeds} seeds; Kneser-Ney "
                f"counts {counts:.3f})",
            ),
            (
                f"{zh}：达到其验证损失 {mark:.3f} 所需的训练时间之比",
                f"1/{found['sooner']['min']:.0f}（{loss:.3f}；{seeds} 个种子；Kneser-Ney "
                f"计数 {counts:.3f}）",
            ),
            f"1/{goal:.0f}",
            found["reached"],
        )


def text_ten_minutes(results: dict[str, Any]) -> Iterator[Row]:
    """The worst seed counts; the counts alone stand beside it, because a text model that ignores
    them is hollow.
    """
    names = {
        "network": ("the network alone", "仅网络"),
        "mixture": ("mixed with counts", "与计数混合"),
    }
    counts = results["rows"][0]["counts"]
    for key, (en, zh) in names.items():
        worst, goal = max(row[key] for row in results["rows"]), results["goals"][key]
        seeds = len(results["rows"])
        spent = max(row["cpu_seconds"] for row in results["rows"])
        yield Row(
            (
                f"`text/ar-mixed`, tiny Shakespeare, {en}: nats per character, whole "
                f"held-out tenth, blocks of {results['block']}, {seeds} seed(s)",
                f"{worst:.3f} in {spent:,.0f} CPU s (Kneser-Ney counts alone: {counts:.3f})",
            ),
            (
                "`text/ar-mixed`，tiny "
                f"Shakespeare，{zh}：全部留出的十分之一，{results['block']} "
                f"字符一块，每字符奈特，{seeds} 个种子",
                f"{worst:.3f}，{spent:,.0f} CPU 秒（仅 Kneser-Ney 计数：{counts:.3f}）",
            ),
            f"{goal}",
            worst <= goal and spent <= results["limit_cpu_seconds"],
        )


def text_sampling(results: dict[str, Any]) -> Iterator[Row]:
    for batch, found in results["batch"].items():
        goals, times = (
            found["goals"],
            {peer: found["times"][peer]["median"] for peer in found["goals"]},
        )
        speed = found["tokens_per_second"]["castalia"]["median"]
        shown = " / ".join(f"{value:.1f}x" for value in times.values())
        yield Row(
            (
                f"Text sampling at batch {batch}, one thread, against nanoGPT / transformers",
                f"{shown} ({speed:,.0f} tokens/s)",
            ),
            (
                f"文本采样，批量 {batch}，单线程，相对于 nanoGPT / transformers",
                f"{shown}（{speed:,.0f} 词元/秒）",
            ),
            " / ".join(f"{goal:.0f}x" for goal in goals.values()),
            found["reached"],
        )


def text_tang(results: dict[str, Any]) -> Iterator[Row]:
    row = results["rows"][0]
    bits = row["bits_per_character"]
    yield Row(
        (
            "Tang poems: bits per character, network / mixed with counts",
            f"{bits['network']:.2f} / {bits['mixture']:.2f} (Kneser-Ney "
            f"{bits['kneser_ney']:.2f}, xz {bits['xz']:.2f})",
        ),
        (
            "唐诗：每字比特数，仅网络 / 与计数混合",
            f"{bits['network']:.2f} / {bits['mixture']:.2f}（Kneser-Ney "
            f"{bits['kneser_ney']:.2f}，xz {bits['xz']:.2f}）",
        ),
        f"< {bits['kneser_ney']:.2f}",
        bits["network"] < bits["kneser_ney"],
    )
    held = min(form["valid"]["value"] for form in row["constrained"].values())
    numbers = f"{row['free']['valid']['value']:.0%} / {held:.0%}"
    yield Row(
        (
            "poems whose form is right, free / constrained",
            f"{numbers} (real poems {row['valid_held_out']['value']:.0%})",
        ),
        (
            "格律字数正确的诗，自由生成 / 带约束",
            f"{numbers}（真实诗 {row['valid_held_out']['value']:.0%}）",
        ),
        "- / 100%",
        held == 1.0,
    )


def intervals(results: dict[str, Any]) -> Iterator[Row]:
    """The score whose intervals cover least counts."""
    rates = [row["covers"] for case in results["coverage"].values() for row in case.values()]
    least, mean = min(rates), sum(rates) / len(rates)
    yield Row(
        (
            f"95% intervals of {len(rates) // 2} scores: how often they cover, on average / "
            "the worst",
            f"{mean:.1%} / {least:.1%}",
        ),
        (
            f"{len(rates) // 2} 个分数的 95% 区间的实际覆盖率：平均 / 最差",
            f"{mean:.1%} / {least:.1%}",
        ),
        "95% / 90%",
        mean >= 0.95 and least >= 0.9,
    )
    shown = results["equal_models"]["any_difference_shown_on_a_page"]
    yield Row(
        ("`castalia compare` of two equal models: pages that show any difference", f"{shown:.1%}"),
        ("`castalia compare` 比较两个同样好的模型：误报差别的页面", f"{shown:.1%}"),
        "5%",
        shown <= 0.05,
    )


def serving(results: dict[str, Any]) -> Iterator[Row]:
    goals, start, crowd = results["goals"], results["start"], results["crowd"]
    ready, memory = start["ready_seconds"]["max"], start["resident_mb"]["max"]
    yield Row(
        (
            "Server with a run of texts and one of pictures: ready after the imports / memory",
            f"{ready:.1f} s / {memory:.0f} MB",
        ),
        (
            "服务器载入一个文本运行和一个图片运行：导入之后就绪的时间 / 内存",
            f"{ready:.1f} 秒 / {memory:.0f} MB",
        ),
        f"{goals['ready_seconds']:.0f} s / {goals['resident_mb']} MB",
        ready <= goals["ready_seconds"] and memory <= goals["resident_mb"],
    )
    outcomes, growth = crowd["outcomes"], crowd["memory_growth"]
    total, other = sum(outcomes.values()), outcomes.get("other", 0)
    differ = f"{crowd['texts_that_differ']}/{crowd['texts']}"
    yield Row(
        (
            f"{crowd['clients']} clients at once for {crowd['seconds']} s, texts and "
            "pictures: requests that end whole",
            f"{crowd['whole']:.1%} of {total:,} (neither whole nor 429: {other}; texts "
            f"unlike their solo: {differ}; memory {growth:+.1%})",
        ),
        (
            f"{crowd['clients']} 个客户端同时访问 {crowd['seconds']} "
            "秒，文本与图片：完整结束的请求",
            f"{total:,} 个中的 {crowd['whole']:.1%}（既不完整也非 "
            f"429：{other}；与单独生成不同的文本：{differ}；内存 {growth:+.1%}）",
        ),
        f"{goals['whole']:.0%}",
        crowd["whole"] >= goals["whole"] and not other and growth < 0.05,
    )
    for clients in ("1", "16"):
        found = results.get("peer", {}).get(clients)
        if found:
            times, speed = (
                found["times"]["median"],
                found["tokens_per_second"]["castalia"]["median"],
            )
            yield Row(
                (
                    f"Server, {clients} client(s): tokens/s against `transformers serve` "
                    "with continuous batching",
                    f"{times:.1f}x ({speed:,.0f})",
                ),
                (
                    f"服务器，{clients} 个客户端：每秒词元数，相对于开启连续批处理的 "
                    "`transformers serve`",
                    f"{times:.1f}x（{speed:,.0f}）",
                ),
                f"{goals['times']}x",
                found["reached"],
            )


def audit(results: dict[str, Any]) -> Iterator[Row]:
    yield _planted(
        results,
        (
            "Copy audit: planted copies found / false alarms, worst of {} sets and corpora",
            "复制审计：找到的植入副本 / 误报，{} 个数据集与语料中最差者",
        ),
    )


def audit_music(results: dict[str, Any]) -> Iterator[Row]:
    yield _planted(
        results,
        (
            "its planted copies of music / false alarms, worst of {} collections",
            "其植入的音乐副本 / 误报，{} 个曲集中最差者",
        ),
    )


def _planted(results: dict[str, Any], claims: tuple[str, str]) -> Row:
    """Of the sets that no constant was chosen on; the worst one counts. claims: in both languages,
    with a place for their number.
    """
    rows, goals = [row for row in results["rows"] if not row["tuned"]], results["goals"]
    found, false = (
        min(row["found"]["value"] for row in rows),
        max(row["false_alarms"]["value"] for row in rows),
    )
    en, zh = ((claim.format(len(rows)), f"{found:.1%} / {false:.2%}") for claim in claims)
    return Row(en, zh, "95% / 1%", found >= goals["found"] and false <= goals["false_alarms"])


def audit_time(results: dict[str, Any]) -> Iterator[Row]:
    size, spent, goal = (
        f"{results['samples']:,} x {results['training']:,}",
        results["seconds"],
        results["goal_seconds"],
    )
    yield Row(
        (
            f"its time for {size} pictures of 32 px on {results['threads']} cores, as many "
            "held-out ones included",
            f"{spent:.0f} s",
        ),
        (
            f"其用时：{size} 张 32 像素图片，{results['threads']} 核，包括同样多的留出图片",
            f"{spent:.0f} 秒",
        ),
        f"{goal} s",
        spent <= goal,
    )


TABLE: dict[str, Callable[[Any], Iterator[Row]]] = {
    "gan_fashion": gan_fashion,
    "gan_modes": gan_modes,
    "vae_pythae": vae_pythae,
    "startup": startup,
    "loop_overhead": loop_overhead,
    "stream_memory": stream_memory,
    "estimate": estimate,
    "budget": budget,
    "intervals": intervals,
    "text_race": text_race,
    "text_ten_minutes": text_ten_minutes,
    "text_sampling": text_sampling,
    "text_tang": text_tang,
    "serving": serving,
    "constraints": constraints,
    "json_schema": json_schema,
    "audit": audit,
    "audit_music": audit_music,
    "audit_time": audit_time,
}
# ROWS: more rows; PAGES: page of docs/ -> (result, what makes its table) of each
MODULES = (
    picture_tables,
    language_tables,
    music_tables,
    audio_tables,
    shape_tables,
    table_tables,
    recommend_tables,
    demand_tables,
    ad_copy_tables,
    lesson_tables,
    risk_tables,
    level_tables,
    code_tables,
    prompt_tables,
    assistant_tables,
    watermark_tables,
)
# README's figures: a result, and which of its rows; two of pictures, two of texts, one of music,
# one of what is said about a model
HEADLINES = (
    ("gan_fashion", 0),
    ("vae_pythae", 0),
    ("text_race", 0),
    ("text_sampling", 0),
    ("jsb_chorales", 0),
    ("audit", 0),
)


def measured() -> dict[str, list[Row]]:
    """The rows of every result that exists, by its name."""
    more = {name: _rows(cells) for module in MODULES for name, cells in module.ROWS.items()}
    return {
        name: list(rows(_envelope(name)["results"]))
        for name, rows in (TABLE | more).items()
        if (RESULTS / f"{name}.json").exists()
    }


def all_figures(language: str) -> str:
    """Every row, and the machines that measured."""
    rows = [(name, row) for name, found in measured().items() for row in found]
    machines = {
        f"{envelope['machine']['cpu']}, torch {envelope['torch'].partition('+')[0]}"
        for envelope in map(_envelope, measured())
    }
    words = {
        "en": "Measured on: {}. `make bench` measures again.",
        "zh": "测试机器：{}。运行 `make bench` 可重新测量。",
    }
    return f"{_table(rows, language)}\n\n{words[language].format('; '.join(sorted(machines)))}"


def missed_goals(language: str) -> str:
    """The rows that miss their goals."""
    rows = [(name, row) for name, found in measured().items() for row in found if not row.reached]
    words = {
        "en": f"{len(rows)} of {sum(map(len, measured().values()))} goals are missed today:",
        "zh": f"{sum(map(len, measured().values()))} 个目标中目前有 {len(rows)} 个未达到：",
    }
    return f"{words[language]}\n\n{_table(rows, language)}" if rows else ""


def headlines(language: str) -> str:
    """The rows of HEADLINES, and how many figures there are and miss their goals."""
    found = measured()
    rows = [(name, found[name][index]) for name, index in HEADLINES if name in found]
    every = [row for rows in found.values() for row in rows]
    missed = sum(not row.reached for row in every)
    words = {
        "en": f"All {len(every)} figures, {missed} of which miss their goals today, and how they "
        "were measured: [benchmarks](benchmarks/README.md).",
        "zh": f"全部 {len(every)} 项数字（其中 {missed} 项目前未达到目标）以及测量方法："
        "[benchmarks](benchmarks/README.zh-CN.md)。",
    }
    return f"{_table(rows, language, 'benchmarks/')}\n\n{words[language]}"


def _table(rows: list[tuple[str, Row]], language: str, folder: str = "") -> str:
    """Markdown. folder: the benchmarks as the page sees them, with a slash at its end."""
    lines = ["| " + " | ".join(HEADS[language]) + " |", "|---|---|---|---|"]
    for name, row in rows:
        claim, figure = row.en if language == "en" else row.zh
        goal = row.goal if isinstance(row.goal, str) else row.goal[language == "zh"]
        mark = "" if row.reached else f" ({MISSED[language]})"
        source = f"[{name}]({folder}results/{name}.json)"
        lines.append(f"| {claim} | {figure}{mark} | {goal} | {source} |")
    return "\n".join(lines)


def _envelope(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _rows(cells: Callable[[Any], Iterator[tuple[Any, ...]]]) -> Callable[[Any], Iterator[Row]]:
    return lambda results: (Row(*cell) for cell in cells(results))


def _page(result: str, make: Callable[[Any, str], str]) -> Callable[[str], str]:
    path = RESULTS / f"{result}.json"
    return lambda language: (
        make(json.loads(path.read_text(encoding="utf-8"))["results"], language)
        if path.exists()
        else ""
    )


def candidates(language: str) -> str:
    """Every contestant of gan_fashion.json, best first."""
    path = RESULTS / "gan_fashion.json"
    if not path.exists():
        return ""
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    heads = {
        "en": (
            "recipe",
            "what is different",
            "seed",
            "seconds",
            "pictures/s",
            "FD",
            "FD, second network",
            "precision",
            "recall",
        ),
        "zh": (
            "配方",
            "不同之处",
            "种子",
            "秒",
            "图片/秒",
            "FD",
            "FD（第二个网络）",
            "精确率",
            "召回率",
        ),
    }
    lines = ["| " + " | ".join(heads[language]) + " |", "|" + "---|" * len(heads[language])]
    for row in sorted(results["rows"], key=lambda row: row["frechet"]):
        numbers = (
            row["seed"],
            round(row["seconds"]),
            row["images_per_second"],
            f"{row['frechet']:.2f}",
            f"{row['frechet_net32']:.2f}",
            f"{row['precision']:.3f}",
            f"{row['recall']:.3f}",
        )
        lines.append(f"| {row['name']} | {row['about']} | " + " | ".join(map(str, numbers)) + " |")
    floor = results["judge"]["floor"]
    words = {
        "en": f"Real data against real data: FD {floor['frechet']:.2f}, in the second network "
        f"{floor['frechet_net32']:.2f}. "
        f"Rank agreement of the two networks (Kendall's tau): {results['rank_agreement']}.",
        "zh": f"真实数据之间：FD {floor['frechet']:.2f}，第二个网络 "
        f"{floor['frechet_net32']:.2f}。两个网络的排序一致度（Kendall's "
        f"tau）：{results['rank_agreement']}。",
    }
    image = "images/gan_fashion.svg" if language == "en" else "../images/gan_fashion.svg"
    return "\n".join([*lines, "", words[language], "", f"![FD]({image})"])


def planted(language: str) -> str:
    """Every set and corpus of audit.json and audit_music.json, by kind of copy, with
    95% intervals.
    """
    path = RESULTS / "audit.json"
    if not path.exists():
        return ""
    heads = {
        "en": ("data", "copies found", "by kind", "false alarms on new items"),
        "zh": ("数据", "找到的副本", "按种类", "对新样本的误报"),
    }
    tuned = {"en": " (constants were chosen here)", "zh": "（常数在此选定）"}
    lines = ["| " + " | ".join(heads[language]) + " |", "|---|---|---|---|"]

    def shown(share: dict[str, Any], digits: int) -> str:
        low, high = share["interval"]
        return f"{share['value']:.{digits}%} ({low:.{digits}%} – {high:.{digits}%})"

    found = [
        json.loads(path.read_text(encoding="utf-8"))["results"]["rows"]
        for path in (path, RESULTS / "audit_music.json")
        if path.exists()
    ]
    for row in (row for rows in found for row in rows):
        kinds = ", ".join(f"{kind} {found['value']:.0%}" for kind, found in row["by_kind"].items())
        name = row["name"] + (tuned[language] if row["tuned"] else "")
        lines.append(
            f"| {name} | {shown(row['found'], 1)} | {kinds} | {shown(row['false_alarms'], 2)} |"
        )
    return "\n".join(lines)


SEEN = {
    "train": (
        "steps, loss and the time that is left; then the folder `runs/first`",
        "步数、损失和剩余时间；然后是文件夹 `runs/first`",
    ),
    "sample": (
        "sixteen PNG files, and `runs/first/samples/seed-1/sheet.html` with all of them",
        "十六个 PNG 文件，以及汇总它们的 `runs/first/samples/seed-1/sheet.html`",
    ),
    "evaluate": (
        "a summary in words, and `runs/first/eval/report.html`: they are far from real pictures",
        "一份文字摘要，以及 `runs/first/eval/report.html`：它们离真实图片还很远",
    ),
    "audit": (
        "how many copy a training picture, and `runs/first/audit/audit.html`",
        "有多少复制了训练图片，以及 `runs/first/audit/audit.html`",
    ),
}


def first_minutes(language: str) -> str:
    """What the first commands of README show, and their CPU time."""
    if not (RESULTS / "first_minutes.json").exists():
        return ""
    heads = {"en": ("command", "CPU time", "you see"), "zh": ("命令", "CPU 时间", "您会看到")}
    lines = [f"| {' | '.join(heads[language])} |", "|---|---|---|"]
    for row in _envelope("first_minutes")["results"]:
        seen = SEEN[row["verb"]][language == "zh"]
        lines.append(f"| `{row['verb']}` | {row['cpu_seconds']['median']:.0f} s | {seen} |")
    return "\n".join(lines)


def pages() -> Iterator[tuple[Path, str, str]]:
    """(file, what it says, what it should say)."""
    own = [
        (
            {"en": ROOT / "docs" / name, "zh": ROOT / "docs" / "zh" / name},
            [_page(*one) for one in found],
        )
        for module in MODULES
        for name, found in module.PAGES.items()
    ]
    for paths, makes in (
        (READMES, [first_minutes, headlines]),
        (ALL_FIGURES, [missed_goals, all_figures]),
        (GAN_PAGES, [_page("own_photos", picture_tables.folders), candidates]),
        (AUDIT_PAGES, [planted]),
        *own,
    ):
        for language, path in paths.items():
            text = path.read_text(encoding="utf-8")
            made, rest = "", text
            for make in makes:  # in the order of the page
                before, found, rest = rest.partition(BEGIN)
                _, closed, rest = rest.partition(END)
                if not found or not closed:
                    raise SystemExit(f"{path.name} has lost its markers: {BEGIN} ... {END}")
                made += f"{before}{BEGIN}\n\n{make(language)}\n\n{END}"
            yield path, text, made + rest
    results = RESULTS / "gan_fashion.json"
    if results.exists():
        old = CURVE.read_text(encoding="utf-8") if CURVE.exists() else ""
        yield CURVE, old, draw(json.loads(results.read_text(encoding="utf-8"))["results"])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit code 1 when a page disagrees"
    )
    check = parser.parse_args().check
    disagree = [(path, made) for path, text, made in pages() if made != text]
    for path, made in disagree:
        if not check:
            path.write_text(made, encoding="utf-8")
        fate = (
            "differs from benchmarks/results; run: python benchmarks/tables.py"
            if check
            else "rewritten"
        )
        print(f"{path.relative_to(ROOT)}: {fate}", file=sys.stderr)
    return 1 if disagree and check else 0


if __name__ == "__main__":
    sys.exit(main())
