"""Options that several commands have, each with its help said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.sentences import N_

AsJson = Annotated[
    bool, typer.Option("--json", help=N_("one JSON document on stdout, all else on stderr"))
]
OpenPage = Annotated[
    bool, typer.Option("--open", help=N_("open the page in a browser when it is written"))
]
TrustCode = Annotated[
    bool, typer.Option("--trust-code", help=N_("allow the run to execute its own Python file"))
]
PolicyFile = Annotated[
    Optional[Path],  # noqa: UP045 - an alias is evaluated where it stands, before Typer reads it
    typer.Option(metavar="FILE", help=N_("what must not come in or go out; docs/provenance.md")),
]
LedgerFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help=N_("where it is noted; default RUN/ledger.jsonl")),
]
