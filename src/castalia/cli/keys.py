"""castalia keys new [--name NAME | --certificate CHAIN --key KEY]; castalia keys show|recipient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.errors import RecipeError
from castalia.sentences import say


def command(
    action: Annotated[
        str,
        typer.Argument(
            metavar="new|show|recipient",
            help="new: make the keys that files are signed with; show: whose they are; recipient: "
            "the key for which others seal runs for you",
        ),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="whose name stands in the signature")
    ] = "",
    certificate: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="take this chain (PEM) instead of making one"),
    ] = None,
    key: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="the private key of that chain (PEM)"),
    ] = None,
    json: AsJson = False,
) -> int:
    """The keys of content credentials (C2PA): a chain of one's own, or the user's; and the one that
    sealed runs are opened with.
    """
    from castalia.governance import credentials

    if action == "recipient":
        return _recipient(json)
    if action not in ("new", "show") or (certificate is None) != (key is None):
        raise RecipeError(
            say("keys are made or shown; a certificate comes with its key"),
            where=f"castalia keys {action}",
            fix="castalia keys new --name NAME",
        )
    if action == "new" and certificate is not None and key is not None:
        credentials.take(certificate, key)
    elif action == "new" and not name:
        raise RecipeError(
            say("a signature says whose it is"),
            where="castalia keys new",
            fix="castalia keys new --name NAME",
        )
    elif action == "new":
        credentials.make(name)
    signer = credentials.Signer()
    if json:
        say_json({"signer": signer.name, "chain": str(credentials.chain())})
    else:
        echo(
            say("files are signed as: {0}", signer.name),
            say("the chain, which may be shown: {0}", credentials.chain()),
            say("the key, which may not: {0}", credentials.private()),
            say("on by the policy file: {0}", "credentials: true"),
        )
    return 0


def _recipient(json: bool) -> int:
    from castalia.export.sealed import own_recipient, private

    recipient = own_recipient()
    if json:
        say_json({"recipient": recipient})
    else:
        words = f"castalia export RUN FILE --encrypt {recipient}"
        echo(
            say("others seal runs for you by: {0}", words),
            say("the key, which may not: {0}", private()),
        )
    return 0
