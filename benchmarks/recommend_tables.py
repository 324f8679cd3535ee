"""The tables of suggestions: rows of the table of all figures, and those of their own page. Called
by tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
DATA = {"online_retail": "Online Retail", "movielens_small": "MovieLens small"}
TASKS = {
    "all": ("everything", "全部"),
    "new": ("new to the user", "用户没有过的"),
    "basket": ("first day back", "回来第一天"),
}
NAMES = {
    "blend": ("the blend", "混合"),
    "ar": ("transformer over histories", "历史上的 Transformer"),
    "knn": ("neighbours of items", "商品近邻"),
    "als": ("matrix factorisation", "矩阵分解"),
    "before": ("had before", "以前有过"),
    "recent": ("popular of late", "近期热门"),
    "popular": ("popular, overall", "总体热门"),
}


def recommend(results: dict[str, Any]) -> Iterator[Cells]:
    """The blend and the transformer against neighbours of items, where the app would use them."""
    for row in results["rows"]:
        task = row["tasks"]["all" if row["again"] else "new"]
        for name in ("blend", "ar"):
            if name not in task["against_neighbours"]:
                continue
            gain = task["against_neighbours"][name]["ndcg@10"]
            value = f"{gain['value']:+.3f} ({gain['low']:+.3f} – {gain['high']:+.3f})"
            place = DATA[row["data"]]
            yield (
                (f"suggestions on {place}, {NAMES[name][0]}: NDCG@10 against neighbours", value),
                (f"{place} 上的推荐，{NAMES[name][1]}：NDCG@10 与商品近邻之差", value),
                "≥ 0",
                gain["value"] >= 0,
            )


def tested(results: dict[str, Any], language: str) -> str:
    """A line for each data set, task and method."""
    heads = {
        "en": ("data", "what counts", "users", "method", "NDCG@10", "recall@10", "in the blend"),
        "zh": ("数据", "计入什么", "用户", "方法", "NDCG@10", "召回率@10", "在混合中"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in results["rows"]:
        for name, task in row["tasks"].items():
            for method, words in NAMES.items():
                if method not in task["methods"]:
                    continue
                gain, found = (task["methods"][method][one] for one in ("ndcg@10", "recall@10"))
                cells = (
                    DATA[row["data"]],
                    TASKS[name][language == "zh"],
                    f"{task['users']:,}",
                    words[language == "zh"],
                    f"{gain['value']:.3f} ({gain['low']:.3f} – {gain['high']:.3f})",
                    f"{found['value']:.3f} ({found['low']:.3f} – {found['high']:.3f})",
                    "" if method == "blend" else f"{task['weights'].get(method, 0):.0%}",
                )
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"recommend": recommend}
PAGES: dict[str, list[Any]] = {"recommend.md": [("recommend", tested)]}
