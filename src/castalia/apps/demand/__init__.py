"""Demand of each item from a list of sales, and the stock that it asks for."""

from castalia.app import App, Command

_HERE = "castalia.apps.demand"

APP = App(
    name="demand",
    package=_HERE,
    about="demand of each item, and how much of it to keep in stock",
    command=Command(
        f"{_HERE}.command:command",
        about="demand of each item from sales, and a stock plan tested on the past",
        example="castalia demand sales.csv --item sku --time date --units n --out plan",
    ),
    router=f"{_HERE}.route:router",
    demo=f"{_HERE}.demo:demo",
    rank=20,
)
