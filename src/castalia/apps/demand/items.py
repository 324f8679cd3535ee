"""The lines of a plan, and what programs read of it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from castalia.apps.demand.forecasting import Rule
from castalia.apps.demand.sales import Sales, amount
from castalia.apps.demand.stock import BackTest, Terms
from castalia.evaluation.base import Estimate
from castalia.language import Voice
from castalia.sentences import join

HEADS = (
    *("item", "name", "kind", "mean", "q10", "q50", "q90", "safety_stock", "reorder_point"),
    *("order_up_to", "order_quantity", "stock", "order_now", "notes"),
)


@dataclass(frozen=True)
class Item:
    """One line of the plan. mean, quantiles: of demand over `cover` periods. reorder_point: order
    when stock falls below it and the lead time is to be bridged; order_up_to: the target at a
    review; order_quantity: what an order is on average. stock, order_now: None without a file of
    stock.
    """

    item: str
    name: str
    kind: str
    mean: float
    quantiles: tuple[float, ...]
    reorder_point: float
    order_up_to: float
    order_quantity: float
    stock: float | None
    order_now: float | None
    notes: tuple[str, ...]

    @property
    def safety_stock(self) -> float:
        """What is kept above the mean."""
        return max(0.0, self.order_up_to - self.mean)

    def row(self, whole: bool, language: str) -> list[str]:
        """Cells in the order of HEADS."""
        voice = Voice(language)
        numbers = (
            *(self.mean, *self.quantiles, self.safety_stock, self.reorder_point, self.order_up_to),
            *(self.order_quantity, self.stock, self.order_now),
        )
        cells = [
            "" if one is None else amount(one, whole and at > 0) for at, one in enumerate(numbers)
        ]
        return [self.item, self.name, self.kind, *cells, voice(join(list(self.notes)))]


@dataclass(frozen=True)
class Planned:
    """What to keep of each item, and how such plans did in the past (None: it is too short)."""

    sales: Sales
    terms: Terms
    rules: tuple[Rule, ...]
    items: tuple[Item, ...]
    tested: BackTest | None
    unknown_stock: tuple[str, ...]
    seed: int

    def document(self) -> dict[str, Any]:
        """JSON: every number of the page."""
        return {
            "source": self.sales.source,
            "lines": self.sales.lines,
            "period": self.sales.period,
            "from": self.sales.starts[0].isoformat(),
            "periods": len(self.sales.starts),
            "lead": self.terms.lead,
            "review": self.terms.review,
            "service": self.terms.level,
            "seed": self.seed,
            "notes": list(self.sales.notes),
            "unknown_stock": list(self.unknown_stock),
            "back_test": _tested(self.tested),
            "items": [
                dict(zip(HEADS, one.row(self.sales.whole, "en"), strict=True)) for one in self.items
            ],
        }

    def table(self, language: str) -> str:
        """The plan as CSV, with a mark of order that spreadsheets read as UTF-8."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(HEADS)
        rows.writerows(one.row(self.sales.whole, language) for one in self.items)
        return "\ufeff" + text.getvalue()

    def history(self) -> str:
        """Sales of each item and period as a long CSV, which `castalia train series/ar` reads."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("id", "time", "units"))
        for item, first, units in zip(
            self.sales.items, self.sales.first, self.sales.units, strict=True
        ):
            for place in range(int(first), len(units)):
                rows.writerow((item, self.sales.starts[place].isoformat(), f"{units[place]:g}"))
        return text.getvalue()


def _tested(tested: BackTest | None) -> dict[str, Any] | None:
    if tested is None:
        return None

    def numbers(one: Estimate) -> dict[str, float]:
        return {"value": one.value, "low": one.low, "high": one.high}

    return {
        "begin": tested.begin,
        "items": len(tested.items),
        "orders": tested.outcomes["ours"].orders,
        "policies": {
            name: {
                "service": numbers(tested.service(name)),
                "units_filled": numbers(tested.filled(name)),
                "stock": tested.stock_of(name),
                "cost_of_naive": numbers(tested.cost_against(name, "naive")),
            }
            for name in tested.outcomes
        },
    }
