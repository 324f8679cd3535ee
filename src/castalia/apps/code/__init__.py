"""Gaps of Python filled by a small model of one's own: what parses, and which lines are copies."""

from castalia.app import App, Command

_HERE = "castalia.apps.code"

APP = App(
    name="code",
    package=_HERE,
    about="gaps of Python filled; copied lines with their file and licence",
    commands={
        "fill": Command(
            f"{_HERE}.fill_command:command",
            about="a gap of a file of Python filled by a run of text/code; what parses alone",
            example="castalia code fill RUN draft.py --at 12",
        ),
        "copies": Command(
            f"{_HERE}.copies_command:command",
            about="lines of any file that stand in a run's training code, with file and licence",
            example="castalia code copies RUN draft.py",
        ),
    },
    rank=70,
)
