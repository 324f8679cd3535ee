"""Options that several commands of copy have."""

from __future__ import annotations

from typing import Annotated

import typer

from castalia.sentences import N_

NameColumn = Annotated[
    str, typer.Option(metavar="COLUMN", help=N_("of names; default: found by its header"))
]
Currency = Annotated[
    str, typer.Option(metavar="CODE", help=N_("of prices that have none, e.g. EUR"))
]
