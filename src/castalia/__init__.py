"""Castalia trains, judges, edits and ships generative models of your own data.

>>> import castalia
>>> run = castalia.train("image/gan", "photos/", {"training.steps": 4000})
>>> pictures = [sample.item for sample in castalia.sample(run, n=16, seed=0)]

Names are loaded on first use: `import castalia` imports neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from castalia import export
    from castalia.checks.check import check
    from castalia.errors import CastaliaError
    from castalia.governance.audit import audit
    from castalia.run import Run
    from castalia.serving.launch import serve
    from castalia.verbs.judge import compare, evaluate
    from castalia.verbs.make import chat, edit, resume, sample, train

    open = Run.open

_WHERE = {
    "CastaliaError": "castalia.errors",
    "Run": "castalia.run",
    "audit": "castalia.governance.audit",
    "chat": "castalia.verbs.make",
    "check": "castalia.checks.check",
    "compare": "castalia.verbs.judge",
    "edit": "castalia.verbs.make",
    "evaluate": "castalia.verbs.judge",
    "resume": "castalia.verbs.make",
    "sample": "castalia.verbs.make",
    "serve": "castalia.serving.launch",
    "train": "castalia.verbs.make",
}
__all__ = [
    "CastaliaError",
    "Run",
    "__version__",
    "audit",
    "chat",
    "check",
    "compare",
    "edit",
    "evaluate",
    "export",
    "open",
    "resume",
    "sample",
    "serve",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "open":
        return importlib.import_module("castalia.run").Run.open
    if name == "export":
        return importlib.import_module("castalia.export")  # a package that can be called
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'castalia' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
