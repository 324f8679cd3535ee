"""`castalia`: finds the verb, imports its file, turns errors into three lines and an exit code."""

from __future__ import annotations

import difflib
import importlib
import io
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import castalia
from castalia.errors import CastaliaError
from castalia.escapes import one_line, printable
from castalia.progress.views import shown


class Verb(NamedTuple):
    group: str
    about: str
    example: str


# Each verb is castalia/cli/<name>.py with a function `command`; `list` lives in listing.py, because list is a builtin.
VERBS: dict[str, Verb] = {
    "list": Verb("Data", "runs, recipes, built-in data, families or codecs", "castalia list recipes"),
    "check": Verb("Data", "look at data before training: copies, leakage, damage, is it enough", "castalia check photos/"),
    "train": Verb("Train", "train a recipe on your files, or resume a run", "castalia train image/gan photos/ training.steps=4000"),
    "sample": Verb("Train", "draw new items from a run", "castalia sample latest -n 16 --seed 1"),
    "chat": Verb("Train", "talk to a run that was tuned on conversations", "castalia chat latest"),
    "edit": Verb("Train", "interpolate between items, or vary them", "castalia edit latest vary cat.png --out variants"),
    "demo": Verb("Train", "train, judge and show models of built-in pictures or texts", "castalia demo image"),
    "evaluate": Verb("Judge", "scores with intervals and a page to look at", "castalia evaluate latest"),
    "compare": Verb("Judge", "runs of the same data side by side, with what is shown to differ", "castalia compare runs/gan runs/vae"),
    "audit": Verb("Judge", "copies of training items among samples, with evidence", "castalia audit latest --max-copies 0"),
    "show": Verb("Judge", "what a run is, how far it got, and where it looks", "castalia show latest"),
    "serve": Verb("Ship", "runs over HTTP, with OpenAI's words and ours", "castalia serve runs/plays runs/clothes --port 8000"),
    "export": Verb("Ship", "a run in the format of another program", "castalia export latest --to bundle folder"),
    "verify": Verb("Govern", "whether files are as released, and which run made them", "castalia verify samples/00003.png"),
    "reproduce": Verb("Govern", "make a file again, byte for byte", "castalia reproduce samples/00003.png --out again"),
    "ledger": Verb("Govern", "whether the list of what was released is whole", "castalia ledger verify latest"),
    "card": Verb("Govern", "a model and data card with the marking duties", "castalia card latest --lang zh"),
    "env": Verb("Machine", "versions, threads, memory, extras, plug-ins", "castalia env"),
    "clean": Verb("Machine", "list or remove caches", "castalia clean"),
}
TALKS = {"chat", "serve"}  # these have the terminal to themselves: no progress between their lines
MODULES = {"list": "listing"}
GROUPS = ("Data", "Train", "Judge", "Ship", "Govern", "Machine")


def overview() -> str:
    """The text of `castalia --help`, made without importing a verb."""
    lines = ["Usage: castalia VERB [OPTIONS]", "", "Train, judge, edit and ship generative models of your own data.", ""]
    for group in GROUPS:
        lines.append(f"{group}:")
        for name, verb in VERBS.items():
            if verb.group == group:
                lines += [f"  {name:<10}{verb.about}", f"  {'':<10}  {verb.example}"]
        lines.append("")
    lines += ["Options:", "  --help     this text; `castalia VERB --help` explains a verb", "  --version  the version"]
    lines += ["  --limit NAME=VALUE  with any verb: how much a file may ask for, e.g. --limit pixels=200000000 (SECURITY.md)", ""]
    lines += ["Two minutes to the first pictures: castalia demo image"]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Never shows a traceback, unless CASTALIA_DEBUG is set."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Chinese, a file name that is no text
    try:
        code = _dispatch(arguments)
    except CastaliaError as error:
        print(printable(str(error)), file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Exception as error:
        from castalia.cli import crash

        if crash.debugging():
            raise
        print(crash.describe(error, arguments), file=sys.stderr)
        code = crash.EXIT_CODE
    sys.exit(code)


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(f"castalia {castalia.__version__}")
        return 0
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=1)
        print(f"there is no verb '{one_line(name, 60)}'\ntry: " + (f"castalia {near[0]}" if near else "castalia --help"), file=sys.stderr)
        return 2
    import typer

    verb = VERBS[name]
    module: Any = importlib.import_module(f"castalia.cli.{MODULES.get(name, name)}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, epilog=f"Example: {verb.example}")(module.command)
    rest, limits = _limits(arguments[1:])
    try:
        with nullcontext() if name in TALKS else shown(True):
            if not limits:
                result = app(args=rest, prog_name=f"castalia {name}", standalone_mode=False)
            else:
                from castalia import bounded

                with bounded.using(bounded.from_words(limits)):
                    result = app(args=rest, prog_name=f"castalia {name}", standalone_mode=False)
    except Exception as error:
        return _usage(error)
    return result if isinstance(result, int) else 0


def _limits(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments without `--limit NAME=VALUE`, which every verb takes, and the limits."""
    rest: list[str] = []
    limits: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--limit":
            limits.append(next(words, ""))
        elif word.startswith("--limit="):
            limits.append(word.removeprefix("--limit="))
        else:
            rest.append(word)
    return rest, limits


def _usage(error: Exception) -> int:
    """Click's own complaints (an unknown option, a missing argument) in our three lines; anything else goes on up."""
    try:
        import click

        kinds: tuple[type[Exception], ...] = (click.ClickException,)
    except ModuleNotFoundError:
        kinds = ()
    names = {kind.__name__ for kind in type(error).__mro__}
    if not (isinstance(error, kinds) or "ClickException" in names):
        raise error
    print(printable(getattr(error, "message", "") or str(error)), "try: castalia VERB --help", sep="\n", file=sys.stderr)
    return 2
