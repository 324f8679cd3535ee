"""Simulated cases and experiments from a model of a table, labelled as simulated everywhere."""

from castalia.app import App, Command

_HERE = "castalia.apps.simulate"

APP = App(
    name="simulate",
    package=_HERE,
    about="simulated cases and experiments from a table",
    command=Command(
        f"{_HERE}.command:command",
        about="cases of an experiment drawn from a model of a table, labelled as simulated",
        example="castalia simulate experiment.yaml --out simulated",
    ),
    demo=f"{_HERE}.demo:demo",
    rank=70,
)
