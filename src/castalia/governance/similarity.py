"""Similarity of an item to the training data, by the audit index of a run: what a release policy
calls.

An audit leaves a folder RUN/audit/ whose index.json declares what it is: {"format": 1, "measure":
name, "data": fingerprint of the run's data}. The name is looked up in `MEASURES`, so a run's folder
can never name code. Without an index that fits, a policy that asks for one refuses to start: no
item passes unchecked.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from castalia import bounded
from castalia.errors import DataError, Refused
from castalia.escapes import one_line
from castalia.run import Run
from castalia.sentences import say

FORMAT = 1

# measure -> "module:function"; the function is given the run and its folder's index.json and
# returns a Likeness.
MEASURES: dict[str, str] = {"copies": "castalia.governance.audit_index:restored"}


class Nearest(NamedTuple):
    """How alike (0 nothing, 1 the same), and which training item, by its name in the
    data's report.
    """

    similarity: float
    item: str


class Likeness(Protocol):
    def nearest(self, item: Any) -> Nearest:
        """The most similar training item of a native item."""
        ...


def open_index(run: Run) -> Likeness:
    """The run's audit index. Raises Refused where there is none, none that this version reads, or
    one of other data.
    """
    path = run.folder / "audit" / "index.json"
    if not path.exists():
        raise _refused(say("this run has no audit index"), run)
    try:
        content = bounded.parse_json(bounded.read_bytes(path, "json_bytes"))
    except DataError as error:
        raise _refused(say("the audit index is damaged: {0}", error.what), run) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _refused(say("the audit index has a format that this version does not read"), run)
    if content.get("data") != run.about["data"]["fingerprint"]:
        raise _refused(say("the audit index is of other data than the run's"), run)
    measure = one_line(content.get("measure"), 60)
    if measure not in MEASURES:
        raise _refused(
            say("the audit index uses a measure that this version does not know: {0}", measure), run
        )
    module, _, name = MEASURES[measure].partition(":")
    make: Callable[[Run, dict[str, Any]], Likeness] = getattr(importlib.import_module(module), name)
    return make(run, content)


def _refused(what: str, run: Run) -> Refused:
    return Refused(
        say("the policy limits similarity to the training data, but {0}", what),
        where=run.folder / "audit",
        fix=say("take `similarity` out of the policy, or use a run with an audit"),
    )
