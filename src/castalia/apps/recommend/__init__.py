"""What each user may want next, from a list of events, with reasons that are true in the data."""

from castalia.app import App, Command

_HERE = "castalia.apps.recommend"

APP = App(
    name="recommend",
    package=_HERE,
    about="what each customer may want next, with reasons",
    command=Command(
        f"{_HERE}.command:command",
        about="what each customer may want next from events, tested on the past",
        example="castalia recommend sales.csv --user who --item sku --time day --out next",
    ),
    router=f"{_HERE}.route:router",
    demo=f"{_HERE}.demo:demo",
    rank=30,
)
