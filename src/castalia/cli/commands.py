"""The verbs of `castalia` and the commands of its apps, with one line about each, and the parser of
their options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Annotated, Any, NamedTuple

from castalia import app, modality
from castalia.language import current
from castalia.sentences import N_


class Verb(NamedTuple):
    """target: "module:function"; "" for castalia/cli/NAME.py. talks: it has the terminal to itself:
    no progress between its lines.
    """

    group: str
    about: str
    example: str
    target: str = ""
    talks: bool = False


VERBS: dict[str, Verb] = {
    "list": Verb(
        "Data",
        "runs, recipes, built-in data, families or codecs",
        "castalia list recipes",
        "castalia.cli.listing:command",  # list is a builtin
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
    "chat": Verb(
        "Train",
        "talk to a run that was tuned on conversations",
        "castalia chat latest",
        talks=True,
    ),
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
        talks=True,
    ),
    "export": Verb(
        "Ship",
        "a run in the format of another program",
        "castalia export latest --to bundle folder",
    ),
    "unseal": Verb(
        "Ship", "a run that was sealed for you, opened", "castalia unseal run.age runs/theirs"
    ),
    "verify": Verb(
        "Govern",
        "whether files are as released, and which run made them",
        "castalia verify samples/00003.png",
    ),
    "detect": Verb(
        "Govern",
        "whether files have this installation's watermark",
        "castalia detect samples/00003.png",
    ),
    "keys": Verb(
        "Govern",
        "the keys that files are signed with (C2PA)",
        'castalia keys new --name "Example Ltd"',
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
GROUPS = ("Data", "Train", "Judge", "Ship", "Govern", "Apply", "Machine")


@cache
def verbs() -> Mapping[str, Verb]:
    """All that follows `castalia`: the verbs, and the commands of apps, some of two words."""
    of_apps = {
        words: Verb("Apply", one.about, one.example, one.target, one.talks)
        for words, one in app.commands()
    }
    return {**VERBS, **of_apps}


def first_words() -> Mapping[str, Verb]:
    """What one may type after `castalia`, with one line about it: of an app with several commands
    its name.
    """
    found: dict[str, Verb] = {}
    for words, verb in verbs().items():
        name, _, second = words.partition(" ")
        if second and name not in found:
            about = app.every()[name].about
            verb = Verb("Apply", about, f"castalia {name} --help")
        found.setdefault(name, verb)
    return found


def verb_of(name: str) -> Verb:
    """The verb of that name. Apps are looked for only where it is none of the command line's own:
    finding them takes time at each start.
    """
    return VERBS[name] if name in VERBS else verbs()[name]


def longest(words: Sequence[str]) -> str:
    """The command that these words begin with, of two or of one; "" where there is none."""
    if words[0] in VERBS:
        return words[0]
    return next((one for one in (" ".join(words[:2]), words[0]) if one in verbs()), "")


def parser_of(name: str) -> Any:
    """The click command of a verb or of an app's, whose file is imported for it. Its help is in the
    current language.
    """
    import typer

    verb = verb_of(name)
    run = modality.load(verb.target or f"castalia.cli.{name}:command", f"castalia {name}")
    made = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    made.command(name, epilog=f"Example: {verb.example}")(with_language(run))
    command: Any = typer.main.get_command(made)
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
