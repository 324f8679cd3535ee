"""The studio: everything that Castalia does, in a browser."""

from castalia.app import App, Command

_HERE = "castalia.apps.studio"

APP = App(
    name="studio",
    package=_HERE,
    about="everything in the browser: data, training, judging, making, editing, shipping",
    command=Command(
        f"{_HERE}.command:command",
        about="everything in the browser",
        example="castalia studio",
    ),
    demo=f"{_HERE}.demo:demo",
    rank=5,
)
