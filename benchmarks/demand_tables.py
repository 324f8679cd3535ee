"""The tables of stock plans: rows of the table of all figures, and those of their own page. Called
by tables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

# English, Chinese, goal, reached: tables.Row
Cells = tuple[tuple[str, str], tuple[str, str], str | tuple[str, str], bool]
NAMES = {
    "ours": ("this plan", "本计划"),
    "naive": ("seasonal naive", "季节性朴素法"),
    "fixed": ("twice the recent mean", "近期均值的两倍"),
}


def demand(results: dict[str, Any]) -> Iterator[Cells]:
    """The plan against what was asked, and against the seasonal naive."""
    for row in results["rows"]:
        ours = row["policies"]["ours"]
        asked, reached = row["service"], ours["service"]["value"]
        cost = ours["cost_of_naive"]
        yield (
            (f"stock asked to meet {asked:.0%} of orders: met in the test", f"{reached:.1%}"),
            (f"库存要求满足 {asked:.0%} 的订货：检验中满足", f"{reached:.1%}"),
            (f"{asked:.0%} ± 2", f"{asked:.0%} ± 2"),
            abs(reached - asked) <= 0.02,
        )
        value = f"{cost['value']:.3f} ({cost['low']:.3f} – {cost['high']:.3f})"
        yield (
            ("its cost, of the seasonal naive's", value),
            ("其代价（相对季节性朴素法）", value),
            "1.0",
            cost["value"] <= 1.0,
        )


def tested(results: dict[str, Any], language: str) -> str:
    """A line for each service level and policy."""
    heads = {
        "en": ("asked", "stock by", "orders met", "units met", "units in stock", "cost"),
        "zh": ("要求", "库存依据", "满足的订货", "满足的件数", "库存件数", "代价"),
    }[language]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in results["rows"]:
        for name, one in row["policies"].items():
            service, cost = one["service"], one["cost_of_naive"]
            cells = (
                f"{row['service']:.0%}",
                NAMES[name][language == "zh"],
                f"{service['value']:.1%} ({service['low']:.1%} – {service['high']:.1%})",
                f"{one['units_filled']['value']:.1%}",
                f"{one['stock']:,.0f}",
                "1"
                if name == "naive"
                else f"{cost['value']:.3f} ({cost['low']:.3f} – {cost['high']:.3f})",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


ROWS: dict[str, Callable[[dict[str, Any]], Iterator[Cells]]] = {"demand": demand}
PAGES: dict[str, list[Any]] = {"demand.md": [("demand", tested)]}
