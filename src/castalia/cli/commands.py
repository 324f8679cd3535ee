"""The table of the verbs of `castalia`, with one line about each, and the parser of a verb's
options.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, NamedTuple

from castalia.language import current
from castalia.sentences import N_


class Verb(NamedTuple):
    group: str
    about: str
    example: str


# Each verb is castalia/cli/<name>.py with a function `command`; `list` lives in listing.py, because
# list is a builtin.
VERBS: dict[str, Verb] = {
    "list": Verb(
        "Data", "runs, recipes, built-in data, families or codecs", "castalia list recipes"
    ),
    "check": Verb(
        "Data",
        "look at data before training: copies, leakage, damage, is it enough",
        "castalia check photos/",
    ),
    "train": Verb(
        "Train",
        "train a recipe on your files, or resume a run",
        "castalia train image/gan photos/ training.steps=4000",
    ),
    "sample": Verb("Train", "draw new items from a run", "castalia sample latest -n 16 --seed 1"),
    "chat": Verb("Train", "talk to a run that was tuned on conversations", "castalia chat latest"),
    "edit": Verb(
        "Train",
        "interpolate between items, or vary them",
        "castalia edit latest vary cat.png --out variants",
    ),
    "predict": Verb(
        "Train",
        "a column from the others, or how likely each row is",
        "castalia predict latest new.csv --column income --out predicted",
    ),
    "forecast": Verb(
        "Train",
        "how series go on, as quantiles and paths",
        "castalia forecast latest history.csv --horizon 48 --out forecast",
    ),
    "describe": Verb(
        "Train", "say in words what files show", "castalia describe latest cat.png --language zh"
    ),
    "report": Verb(
        "Data",
        "a report in which every number comes from cells, and a check of its text",
        "castalia report sales.csv --template monthly.md --out report",
    ),
    "find": Verb(
        "Train", "the files that a text describes", 'castalia find latest "red apple" pictures/'
    ),
    "demo": Verb(
        "Train", "train, judge and show models of built-in pictures or texts", "castalia demo image"
    ),
    "evaluate": Verb(
        "Judge", "scores with intervals and a page to look at", "castalia evaluate latest"
    ),
    "compare": Verb(
        "Judge",
        "runs of the same data side by side, with what is shown to differ",
        "castalia compare runs/gan runs/vae",
    ),
    "audit": Verb(
        "Judge",
        "copies of training items among samples, with evidence",
        "castalia audit latest --max-copies 0",
    ),
    "show": Verb(
        "Judge", "what a run is, how far it got, and where it looks", "castalia show latest"
    ),
    "serve": Verb(
        "Ship",
        "runs over HTTP, with OpenAI's words and ours",
        "castalia serve runs/plays runs/clothes --port 8000",
    ),
    "export": Verb(
        "Ship",
        "a run in the format of another program",
        "castalia export latest --to bundle folder",
    ),
    "verify": Verb(
        "Govern",
        "whether files are as released, and which run made them",
        "castalia verify samples/00003.png",
    ),
    "reproduce": Verb(
        "Govern",
        "make a file again, byte for byte",
        "castalia reproduce samples/00003.png --out again",
    ),
    "ledger": Verb(
        "Govern", "whether the list of what was released is whole", "castalia ledger verify latest"
    ),
    "card": Verb(
        "Govern", "a model and data card with the marking duties", "castalia card latest --lang zh"
    ),
    "env": Verb("Machine", "versions, threads, memory, extras, plug-ins", "castalia env"),
    "clean": Verb("Machine", "list or remove caches", "castalia clean"),
}
TALKS = {"chat", "serve"}  # these have the terminal to themselves: no progress between their lines
MODULES = {"list": "listing"}
GROUPS = ("Data", "Train", "Judge", "Ship", "Govern", "Machine")


def parser_of(name: str) -> Any:
    """The click command of a verb, whose file is imported for it. Its help is in the current
    language.
    """
    import typer

    module: Any = importlib.import_module(f"castalia.cli.{MODULES.get(name, name)}")
    verb = VERBS[name]
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, epilog=f"Example: {verb.example}")(with_language(module.command))
    command: Any = typer.main.get_command(app)
    # a docstring is cut into lines where the source ends, which says nothing
    command.help = " ".join((command.help or "").split())
    if current() != "en":
        from castalia.cli.help import page

        command.get_help = lambda context: page(context, verb.example)
    return command


def with_language(command: Callable[..., int]) -> Callable[..., int]:
    """`command` with an option --lang in its help; main has read it before."""
    import typer

    @wraps(command)
    def wrapper(lang: str | None = None, **options: Any) -> int:
        return command(**options)

    known = inspect.signature(command, eval_str=True)
    about = N_(
        "language of what is printed and written: en or zh; default: $CASTALIA_LANG, then the "
        "locale"
    )
    option = inspect.Parameter(
        "lang",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, typer.Option(metavar="LANG", help=about)],
    )
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in known.parameters.values()
    ]
    place = next(
        (index for index, one in enumerate(parameters) if one.name == "json"), len(parameters)
    )
    wrapper.__signature__ = known.replace(
        parameters=[*parameters[:place], option, *parameters[place:]]
    )  # type: ignore[attr-defined]
    return wrapper
