"""Options that several commands of the assistant have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.sentences import N_

Desk = Annotated[Path, typer.Argument(metavar="DESK", help=N_("folder that build made"))]
PhrasedBy = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help=N_("a language model that words the quotations, behind an OpenAI-compatible address"),
    ),
]
ModelName = Annotated[str, typer.Option(metavar="NAME", help=N_("of the model there"))]
