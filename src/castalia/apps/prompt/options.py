"""Options that testing and optimising have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.sentences import N_

SuiteFile = Annotated[
    Path,
    typer.Argument(
        metavar="SUITE", help=N_("a suite, a prompt with tests in its head, or promptfoo's YAML")
    ),
]
ModelName = Annotated[str, typer.Option(metavar="NAME", help=N_("which model of --llm"))]
Together = Annotated[
    int, typer.Option(min=1, max=64, help=N_("questions that wait for --llm at once"))
]
TrustSuite = Annotated[
    bool, typer.Option("--trust-code", help=N_("allow the suite to execute its own Python file"))
]
