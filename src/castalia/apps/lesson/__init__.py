"""Exercises whose answers are checked by a second program, worksheets of them, and that checker."""

from castalia.app import App, Command

_HERE = "castalia.apps.lesson"

APP = App(
    name="lesson",
    package=_HERE,
    about="exercises with checked answers, as worksheets with a key",
    command=Command(
        f"{_HERE}.command:command",
        about="worksheets by kind and steps, every answer checked",
        example="castalia lesson fractions equations --n 20 --steps 1-3 --out sheet",
    ),
    commands={
        "check": Command(
            f"{_HERE}.check_command:command",
            about="whether the answers of exercises are right, also of others' exercises",
            example="castalia lesson check exercises.csv",
        ),
    },
    router=f"{_HERE}.route:router",
    demo=f"{_HERE}.demo:demo",
    rank=60,
)
