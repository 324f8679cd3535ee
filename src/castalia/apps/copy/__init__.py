"""Advertisements and descriptions that say only what a table of products says, and a checker."""

from castalia.app import App, Command

_HERE = "castalia.apps.copy"

APP = App(
    name="copy",
    package=_HERE,
    about="advertisements from facts, every word of them proved",
    command=Command(
        f"{_HERE}.command:command",
        about="advertisements and descriptions from a table of products, each checked",
        example="castalia copy products.csv --tone friendly --n 5 --out ads",
    ),
    commands={
        "check": Command(
            f"{_HERE}.check_command:command",
            about="what texts from anywhere say that the table does not, or must not say",
            example="castalia copy check texts.csv products.csv",
        ),
        "compare": Command(
            f"{_HERE}.compare_command:command",
            about="which of two tones is preferred, from a filled-in sheet of pairs",
            example="castalia copy compare pairs/pairs.csv",
        ),
    },
    router=f"{_HERE}.route:router",
    demo=f"{_HERE}.demo:demo",
    rank=70,
)
