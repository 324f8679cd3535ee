"""A shop of which everything is known: customers of three plans and their orders in time."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

PLANS = ("basic", "plus", "gold")
CUSTOMERS = ("customer_id", "plan", "joined", "city")
ORDERS = ("order_id", "customer_id", "ordered", "shipped", "item", "amount")


def shop(n: int, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """(customers, orders): `gold` customers order more often, at shorter gaps, for more; amounts
    follow the customer; a shipment is one to five days behind its order.
    """
    rng = np.random.default_rng(seed)
    customers, orders = [], []
    for number in range(n):
        plan = int(rng.choice(3, p=[0.5, 0.3, 0.2]))
        joined = date(2020, 1, 1) + timedelta(int(rng.integers(0, 700)))
        customers.append(
            [
                f"C{1000 + number}",
                PLANS[plan],
                joined.isoformat(),
                ("north", "south")[int(rng.random() < 0.4)],
            ]
        )
        day = joined + timedelta(int(rng.integers(1, 20)))
        usual = 20 * (1 + plan) * float(rng.lognormal(0, 0.2))
        for _ in range(min(12, int(rng.poisson(1 + 2 * plan)))):
            orders.append(
                [
                    "",
                    f"C{1000 + number}",
                    day.isoformat(),
                    (day + timedelta(int(rng.integers(1, 6)))).isoformat(),
                    ("book", "toy", "lamp")[int(rng.choice(3))],
                    f"{usual * float(rng.lognormal(0, 0.1)):.2f}",
                ]
            )
            day += timedelta(int(rng.integers(1, 60 // (1 + plan))))
    for place, order in enumerate(orders):
        order[0] = f"{place + 1:06d}"
    order = rng.permutation(len(orders))  # the file is not sorted
    return customers, [orders[place] for place in order.tolist()]


def written(folder: Path, n: int, seed: int = 0) -> tuple[Path, Path]:
    """customers.csv and orders.csv; the orders as a European Excel writes them."""
    customers, orders = shop(n, seed)
    paths = folder / "customers.csv", folder / "orders.csv"
    for path, names, rows, delimiter in (
        (paths[0], CUSTOMERS, customers, ","),
        (paths[1], ORDERS, orders, ";"),
    ):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(rows)
    return paths
