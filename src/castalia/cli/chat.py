"""castalia chat RUN [--message TEXT | < FILE] [--system TEXT] [--json]: a conversation in the
terminal.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from castalia.cli.console import constraint_of, echo, say_json
from castalia.cli.options import TrustCode
from castalia.errors import CastaliaError, RecipeError
from castalia.escapes import printable
from castalia.language import translate
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from castalia.verbs.chat import ChatSession

Text = Optional[str]  # noqa: UP045 - typer reads annotations at run time
Whole = Optional[int]  # noqa: UP045
Number = Optional[float]  # noqa: UP045
File = Optional[Path]  # noqa: UP045
HELP = say(
    "/reset        forget what was said (the system's message stays)\n"
    "/system TEXT  what the run is told first; without TEXT: what it is told now\n"
    "/save FILE    write the conversation: .jsonl takes another line, anything else is a text\n"
    "/help         this list\n"
    "/quit         end, as Ctrl-D does; Ctrl-C stops a reply"
)


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    message: Annotated[
        Text,
        typer.Option(
            help="one message: print the reply and end; without it, stdin where it is no terminal"
        ),
    ] = None,
    system: Annotated[Text, typer.Option(help="what the run is told first")] = None,
    seed: Annotated[
        int, typer.Option(help="reply i depends on what was said and on (seed, i)")
    ] = 0,
    temperature: Annotated[
        Number, typer.Option(help="below 1 safer, above 1 wilder; 0 the likeliest")
    ] = None,
    length: Annotated[Whole, typer.Option(help="most tokens of a reply")] = None,
    top_k: Annotated[Whole, typer.Option(help="only the k likeliest tokens")] = None,
    top_p: Annotated[
        Number, typer.Option(help="the likeliest tokens that hold this much mass")
    ] = None,
    min_p: Annotated[
        Number,
        typer.Option(help="only tokens of at least this share of the likeliest one's probability"),
    ] = None,
    repetition: Annotated[
        Number, typer.Option(help="above 1: tokens seen so far become less likely")
    ] = None,
    constraint: Annotated[
        Text,
        typer.Option(
            help="what every reply must be: regex:..., json:SCHEMA, json:@FILE, verse:7x4"
        ),
    ] = None,
    constraint_limits: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="let a constraint be more work, e.g. nodes=1000000,seconds=60; docs/text.md",
        ),
    ] = "",
    policy: Annotated[
        File,
        typer.Option(metavar="FILE", help="what must not come in or go out; docs/provenance.md"),
    ] = None,
    ledger: Annotated[
        File, typer.Option(metavar="FILE", help="where it is noted; default RUN/ledger.jsonl")
    ] = None,
    trust_code: TrustCode = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="one JSON document on stdout: reply, manifest, tokens; for one message"
        ),
    ] = False,
) -> int:
    """Talk to a run that was tuned on conversations."""
    from castalia.constraints.budget import limits_from
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.sampling.generate import request_of
    from castalia.verbs.chat import ChatSession

    opened = Run.open(run, trust_code=trust_code)
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    request = request_of(opened, 1, seed)
    given = {
        "temperature": temperature,
        "length": length,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition": repetition,
    }
    options = replace(
        request.options, **{name: value for name, value in given.items() if value is not None}
    )
    talk = ChatSession(
        gate,
        gate.model(),
        replace(
            request,
            options=options,
            constraint=constraint_of(constraint),
            budget=limits_from(constraint_limits),
        ),
    )
    if system:
        talk.tell(system)
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read()
    if message is not None:
        return _once(talk, message, json)
    if json:
        raise RecipeError(
            say("--json is for one message"),
            "castalia chat",
            say("add --message TEXT, or send it to stdin"),
        )
    return _going_on(talk)


def _once(talk: ChatSession, message: str, json: bool) -> int:
    message = message.rstrip("\n")
    if not json:
        for piece in talk.reply(message):
            print(printable(piece), end="", flush=True)
        print()
        return 0
    request = talk.asked(message)
    reply = talk.whole(message, request)
    facts = talk.manifests[-1]
    new, before = facts["tokens"], len(talk.gate.codec.opening(request.prompt))
    say_json(
        {
            "run": talk.gate.run.id,
            "reply": reply,
            "ended": facts["ended"],
            "messages": talk.conversation().plain(),
            "usage": {
                "prompt_tokens": before - 1,
                "completion_tokens": new,
                "total_tokens": before - 1 + new,
            },
            "manifest": facts,
        }
    )
    return 0


def _going_on(talk: ChatSession) -> int:
    from contextlib import suppress

    with suppress(ImportError):
        import readline  # noqa: F401 - lines can be edited and called back

    echo(say("{0}: say something; /help tells what else there is", talk.gate.run.id), err=True)
    while True:
        try:
            line = input("> ")
        except EOFError:
            echo("", err=True)
            return 0
        try:
            if line.startswith("/"):
                if not _obey(talk, line):
                    return 0
            elif line.strip():
                _speak(talk, line)
        except CastaliaError as error:  # the conversation goes on
            echo(translate(error), err=True)


def _speak(talk: ChatSession, line: str) -> None:
    pieces = talk.reply(line)
    try:
        for piece in pieces:
            print(printable(piece), end="", flush=True)
    except KeyboardInterrupt:
        pieces.close()  # type: ignore[attr-defined] - a generator
        print(translate(say(" [stopped]")), end="")
    print(flush=True)
    if talk.dropped:
        echo(
            plural(
                "(the oldest message no longer fits the context)",
                "(the oldest {0} messages no longer fit the context)",
                talk.dropped,
            ),
            err=True,
        )


def _obey(talk: ChatSession, line: str) -> bool:
    """Follows a command; False where it ends the conversation."""
    name, _, rest = line.partition(" ")
    match name:
        case "/quit" | "/exit":
            return False
        case "/reset":
            talk.reset()
            echo(say("(forgotten)"), err=True)
        case "/system" if rest.strip():
            talk.tell(rest.strip())
        case "/system":
            echo(
                next(
                    (turn.content for turn in talk.messages if turn.role == "system"),
                    say("(nothing)"),
                ),
                err=True,
            )
        case "/save" if rest.strip():
            talk.save(Path(rest.strip()))
            echo(say("(saved in {0})", rest.strip()), err=True)
        case "/help":
            echo(HELP, err=True)
        case _:
            echo(say("there is no {0} here, or it needs more\n{1}", name, HELP), err=True)
    return True
