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
    from castalia.apps.copy.making import copy
    from castalia.apps.demand.plan import demand
    from castalia.apps.lesson.making import lesson
    from castalia.apps.recommend.suggesting import recommend
    from castalia.apps.report.writing import report
    from castalia.apps.risk.assessing import risk
    from castalia.apps.simulate.simulating import simulate
    from castalia.errors import CastaliaError
    from castalia.run import Run
    from castalia.verbs.audit import audit
    from castalia.verbs.chat import chat
    from castalia.verbs.check import check
    from castalia.verbs.compare import compare
    from castalia.verbs.describe import describe, find
    from castalia.verbs.edit import edit
    from castalia.verbs.evaluate import evaluate, evaluate_edits
    from castalia.verbs.forecast import forecast
    from castalia.verbs.predict import predict
    from castalia.verbs.reproduce import reproduce
    from castalia.verbs.sample import sample
    from castalia.verbs.serve import serve
    from castalia.verbs.train import resume, train

    open = Run.open

_WHERE = {
    "CastaliaError": "castalia.errors",
    "Run": "castalia.run",
    "audit": "castalia.verbs.audit",
    "chat": "castalia.verbs.chat",
    "check": "castalia.verbs.check",
    "compare": "castalia.verbs.compare",
    "copy": "castalia.apps.copy.making",
    "demand": "castalia.apps.demand.plan",
    "describe": "castalia.verbs.describe",
    "edit": "castalia.verbs.edit",
    "find": "castalia.verbs.describe",
    "forecast": "castalia.verbs.forecast",
    "predict": "castalia.verbs.predict",
    "evaluate": "castalia.verbs.evaluate",
    "evaluate_edits": "castalia.verbs.evaluate",
    "lesson": "castalia.apps.lesson.making",
    "recommend": "castalia.apps.recommend.suggesting",
    "report": "castalia.apps.report.writing",
    "reproduce": "castalia.verbs.reproduce",
    "resume": "castalia.verbs.train",
    "risk": "castalia.apps.risk.assessing",
    "sample": "castalia.verbs.sample",
    "serve": "castalia.verbs.serve",
    "simulate": "castalia.apps.simulate.simulating",
    "train": "castalia.verbs.train",
}
__all__ = [
    "CastaliaError",
    "Run",
    "__version__",
    "audit",
    "chat",
    "check",
    "compare",
    "copy",
    "demand",
    "describe",
    "edit",
    "evaluate",
    "evaluate_edits",
    "export",
    "find",
    "forecast",
    "lesson",
    "open",
    "predict",
    "recommend",
    "report",
    "reproduce",
    "resume",
    "risk",
    "sample",
    "serve",
    "simulate",
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
