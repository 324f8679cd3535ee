"""Reports in which every number comes from cells of a table, and a checker that finds any other."""

from castalia.app import App, Command

_HERE = "castalia.apps.report"

APP = App(
    name="report",
    package=_HERE,
    about="reports on tables, every number of them from cells",
    command=Command(
        f"{_HERE}.command:command",
        about="a report in which every number comes from cells, and a check of its text",
        example="castalia report sales.csv --template monthly.md --out report",
    ),
    router=f"{_HERE}.route:router",
    rank=10,
)
