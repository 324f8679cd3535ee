"""Entry point of the `castalia` command: finds the verb or the app's command, imports its file,
turns errors into three lines and an exit code.
"""

from __future__ import annotations

import difflib
import io
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import castalia
from castalia import app
from castalia.cli.commands import GROUPS, first_words, longest, parser_of, verb_of, verbs
from castalia.errors import CastaliaError, RecipeError
from castalia.escapes import one_line, printable
from castalia.language import constant, preferred, recognised, say, translate, using
from castalia.progress.views import shown


def overview() -> str:
    """The text of `castalia --help`, made without importing a verb."""
    lines = [translate(say("Usage: {0}", say("castalia VERB {0}", say("[OPTIONS]")))), ""]
    lines += [translate(say("Train, judge, edit and ship generative models of your own data.")), ""]
    for group in GROUPS:
        lines.append(translate(say("{0}:", constant(group))))
        for name, verb in first_words().items():
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
    words = longest(arguments)
    if not words:
        return _unknown(arguments)
    command = parser_of(words)
    limits, rest = taken(arguments[len(words.split()) :], "--limit")
    options = {"args": rest, "prog_name": f"castalia {words}", "standalone_mode": False}
    try:
        with nullcontext() if verb_of(words).talks else shown(True):
            if not limits:
                result = command(**options)
            else:
                from castalia import bounded

                with bounded.using(bounded.from_words(limits)):
                    result = command(**options)
    except Exception as error:
        return _usage(error, words)
    return result if isinstance(result, int) else 0


def _unknown(arguments: Sequence[str]) -> int:
    """What there is in the place of a word that is no command; 0 where just that was asked."""
    name, *rest = arguments
    described = app.every().get(name)
    if described is not None and (not rest or rest[0] in ("--help", "-h", "help")):
        print(translate(say("Usage: {0}", say("castalia {0} WORD {1}", name, say("[OPTIONS]")))))
        print(f"\n{constant(described.about)}\n")
        for word, command in described.commands.items():
            print(f"  {word:<10}{constant(command.about)}\n  {'':<10}  {command.example}")
        return 0 if rest else 2
    given = name if described is None else " ".join(arguments[:2])
    near = difflib.get_close_matches(given, verbs(), n=1)
    fix = say("try: {0}", f"castalia {near[0]}" if near else "castalia --help")
    print(
        translate(say("there is no verb '{0}'", one_line(given, 60))),
        translate(fix),
        sep="\n",
        file=sys.stderr,
    )
    return 2


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
