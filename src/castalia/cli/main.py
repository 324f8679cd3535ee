"""Entry point of the `castalia` command: finds the verb, imports its file, turns errors into three
lines and an exit code.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import io
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps
from typing import Annotated, Any, NamedTuple

import castalia
from castalia.errors import CastaliaError, RecipeError
from castalia.escapes import one_line, printable
from castalia.language import constant, current, preferred, recognised, say, translate, using
from castalia.progress.views import shown
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


def overview() -> str:
    """The text of `castalia --help`, made without importing a verb."""
    lines = [translate(say("Usage: {0}", say("castalia VERB {0}", say("[OPTIONS]")))), ""]
    lines += [translate(say("Train, judge, edit and ship generative models of your own data.")), ""]
    for group in GROUPS:
        lines.append(translate(say("{0}:", constant(group))))
        for name, verb in VERBS.items():
            if verb.group == group:
                lines += [f"  {name:<10}{constant(verb.about)}", f"  {'':<10}  {verb.example}"]
        lines.append("")
    options = {
        "--help": say("this text; `castalia VERB --help` explains a verb"),
        "--version": say("the version"),
        "--lang LANG": say("with any verb: en or zh; default: $CASTALIA_LANG, then the locale"),
        "--limit NAME=VALUE": say(
            "with any verb: how much a file may ask for, e.g. --limit pixels=200000000 "
            "(SECURITY.md)"
        ),
        "--install-completion": say(
            "complete words at the Tab key: bash, zsh or fish; --show-completion prints the script"
        ),
    }
    wide = max(map(len, options)) + 2
    lines += [
        translate(say("Options:")),
        *(f"  {name:<{wide}}{translate(about)}" for name, about in options.items()),
        "",
    ]
    lines += [translate(say("Two minutes to the first pictures: {0}", "castalia demo image"))]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Never shows a traceback, unless CASTALIA_DEBUG is set."""
    given = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal without Chinese, a file name that is no text
            stream.reconfigure(errors="backslashreplace")
    try:
        chosen, arguments = taken(given, "--lang") if given[:1] != ["--complete"] else ([], given)
        with using(chosen[-1] if chosen else preferred()):
            code = _run(arguments)
    except CastaliaError as error:  # a language that is not there
        print(printable(str(error)), file=sys.stderr)
        code = error.exit_code
    sys.exit(code)


def taken(arguments: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """The values of an option that every verb takes (`option VALUE`, `option=VALUE`), and the other
    arguments. After "--", none is one.
    """
    values: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            others += [word, *rest]
        elif word == option:
            values.append(next(rest, ""))
        elif word.startswith(f"{option}="):
            values.append(word.removeprefix(f"{option}="))
        else:
            others.append(word)
    return values, others


def _run(arguments: list[str]) -> int:
    """The exit code; what went wrong is printed in the current language."""
    try:
        return _dispatch(arguments)
    except CastaliaError as error:
        print(printable(translate(error)), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(translate(say("stopped")), file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        from castalia.cli import crash

        if crash.debugging():
            raise
        print(translate(crash.describe(error, arguments)), file=sys.stderr)
        return crash.EXIT_CODE


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(f"castalia {castalia.__version__}")
        return 0
    if name in ("--install-completion", "--show-completion", "--complete"):
        from castalia.cli.completion import command as complete

        return complete(name, arguments[1:])
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=1)
        fix = say("try: {0}", f"castalia {near[0]}" if near else "castalia --help")
        print(
            translate(say("there is no verb '{0}'", one_line(name, 60))),
            translate(fix),
            sep="\n",
            file=sys.stderr,
        )
        return 2
    command = parser_of(name)
    limits, rest = taken(arguments[1:], "--limit")
    try:
        with nullcontext() if name in TALKS else shown(True):
            if not limits:
                result = command(args=rest, prog_name=f"castalia {name}", standalone_mode=False)
            else:
                from castalia import bounded

                with bounded.using(bounded.from_words(limits)):
                    result = command(args=rest, prog_name=f"castalia {name}", standalone_mode=False)
    except Exception as error:
        return _usage(error, name)
    return result if isinstance(result, int) else 0


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


def _usage(error: Exception, name: str) -> int:
    """Click's own complaints (an unknown option, a missing argument) in our lines; anything else
    goes on up.
    """
    try:
        import click

        kinds: tuple[type[Exception], ...] = (click.ClickException,)
    except ModuleNotFoundError:
        kinds = ()
    names = {kind.__name__ for kind in type(error).__mro__}
    if not (isinstance(error, kinds) or "ClickException" in names):
        raise error
    what = recognised(getattr(error, "message", "") or str(error))
    print(
        printable(
            translate(
                RecipeError(what, _place(getattr(error, "param", None)), f"castalia {name} --help")
            )
        ),
        file=sys.stderr,
    )
    return 2


def _place(parameter: Any) -> str:
    """The option or argument that a complaint is about, as its user writes it."""
    if parameter is None:
        return ""
    return (
        parameter.metavar or parameter.name.upper()
        if parameter.param_type_name == "argument"
        else " / ".join(parameter.opts)
    )
