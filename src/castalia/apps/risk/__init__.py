"""Risk of a portfolio: what it may lose, by several methods, each tested on its own past."""

from castalia.app import App, Command

_HERE = "castalia.apps.risk"

APP = App(
    name="risk",
    package=_HERE,
    about="value at risk and expected shortfall, back-tested",
    command=Command(
        f"{_HERE}.command:command",
        about="value at risk of prices or returns by several methods, back-tested, in words",
        example="castalia risk prices.csv --weight SPX=0.6 --weight BOND=0.4 --out risk",
    ),
    router=f"{_HERE}.route:router",
    demo=f"{_HERE}.demo:demo",
    rank=60,
)
