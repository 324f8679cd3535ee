"""`castalia.audit`: copies of training items among the samples of a run, and the page that shows
them. How they are found: governance/audit.py.
"""

from __future__ import annotations

import os
from typing import Any

from castalia import atomic
from castalia.data.locate import Given
from castalia.errors import Refused
from castalia.governance.audit import inspect
from castalia.governance.audit_index import write_index
from castalia.governance.audit_page import write_page
from castalia.language import recognised
from castalia.pages.notebook import Result
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sentences import plural, say


def audit(
    run: str | os.PathLike[str] | Run,
    *,
    samples: Given | None = None,
    n: int | None = None,
    seed: int = 0,
    shadows: int = 0,
    index: bool = True,
    language: str = "en",
    progress: bool | None = None,
) -> dict[str, Any]:
    """Audits a run, writes RUN/audit/{audit.json,audit.html} and, where `index`, what `open_index`
    needs; returns audit.json's content.

    samples  a folder (or file) to audit instead of the run's own samples; n and seed: of those that
             are drawn. n None: as many as there are held-out items, between 100 and 10,000; of
             tokens, as make about 50,000.
    shadows  shadow models for membership inference, none by default: each trains as long as the run
             did.
    progress as for `train`. Raises DataError naming a sample that cannot be read, RunError when the
    data are not those of
    the run.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    with shown(progress):
        result, matcher = inspect(run, samples=samples, n=n, seed=seed, shadows=shadows)
    folder = run.folder / "audit"
    document = result.document
    if index:
        note = write_index(
            folder, matcher, document, [result.where(place) for place in range(len(matcher))]
        )
        if note:
            document["notes"].append(note)
    write_page(
        result, folder / "audit.html", title=f"{run.recipe.title} · {run.id}", language=language
    )
    atomic.write_json(folder / "audit.json", document)
    return Result(document, folder / "audit.html")


def limit(document: dict[str, Any], most: float, page: object) -> None:
    """Raises Refused when there are more copies than that, or when the audit cannot tell."""
    if document["verdict"] == "cannot tell":
        raise Refused(
            say("the audit cannot tell whether there are copies, so the limit is not met"),
            where=page,
            fix=recognised(document["notes"][-1]),
        )
    if document["verdict"] == "copies" and document["beyond_chance"] > most:
        raise Refused(
            plural(
                "{0} of {1} is a copy of a training item, more than the limit of {2:g} allows",
                "{0} of {1} are copies of training items, more than the limit of {2:g} allows",
                document["copies"],
                plural("{0} sample", "{0} samples", document["checked"]),
                most,
            ),
            where=page,
            fix=say("look at the pairs; train for fewer steps, on more data, or with augmentation"),
        )
