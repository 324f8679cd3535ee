"""The tables of copy: rows of the table of all figures, and those of its own page. Called by
tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
NAMES = {
    "restaurants": ("restaurants, English", "餐馆，英文"),
    "clothes": ("clothes, Chinese", "服装，中文"),
    "goods": ("goods, English", "货品，英文"),
    "goods, Chinese": ("goods, Chinese", "货品，中文"),
}


def ad_copy(results: dict[str, Any]) -> Iterator[Cells]:
    """All tables together."""
    tables = [results[name] for name in NAMES]
    texts, invented = (sum(one[name] for one in tables) for name in ("texts", "invented"))
    yield (
        ("copy: drawn texts that say what the facts do not", f"{invented} / {texts:,}"),
        ("文案：抽取的文案中说了事实没有的内容的", f"{invented} / {texts:,}"),
        "0",
        not invented,
    )
    found, planted = (sum(counts) for counts in zip(*map(_planted, tables), strict=True))
    yield (
        (
            "copy: planted numbers, units, names, praise, claims that are found",
            f"{found:,} / {planted:,}",
        ),
        ("文案：埋入的数、单位、名称、夸赞和禁用说法被发现的", f"{found:,} / {planted:,}"),
        ("all", "全部"),
        found == planted,
    )
    many = results["many"]
    yield (
        (f"copy: CPU seconds for {many['products']:,} products", f"{many['cpu_seconds']:.0f} s"),
        (f"文案：{many['products']:,} 件商品的 CPU 秒数", f"{many['cpu_seconds']:.0f} s"),
        "",
        True,
    )


def tables(results: dict[str, Any], language: str) -> str:
    """A line for each table."""
    heads = {
        "en": (
            *("table", "products", "texts", "invented", "facts that descriptions say"),
            *("planted, found", "texts of people, proved"),
        ),
        "zh": ("表", "商品", "文案", "编造", "介绍说到的事实", "埋入的，发现的", "人写的，证实的"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, titles in NAMES.items():
        one = results[name]
        found, planted = _planted(one)
        people = one["people"]
        cells = (
            titles[language == "zh"],
            f"{one['products']:,}",
            f"{one['texts']:,}",
            f"{one['invented']}",
            f"{one['facts_said']:,} / {one['facts']:,}",
            f"{planted:,}, {found:,}",
            f"{people['texts']}, {people.get('proved', 0)}" if people["texts"] else "–",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _planted(one: dict[str, Any]) -> tuple[int, int]:
    """(found, planted) of one table."""
    counts = one["planted"].values()
    return sum(kind["found"] for kind in counts), sum(sum(kind.values()) for kind in counts)


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"ad_copy": ad_copy}
PAGES: dict[str, list[Any]] = {"copy.md": [("ad_copy", tables)]}
