"""`castalia.compare`: compare runs of the same data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.data.conditions import LABEL
from castalia.data.stream import prepare
from castalia.errors import RunError
from castalia.evaluation import Evaluation
from castalia.evaluation.compare import budget, compared
from castalia.evaluation.compare_page import write_comparison
from castalia.language import Voice
from castalia.pages.notebook import Result
from castalia.progress import tracked
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Dense
from castalia.verbs.evaluate import measured


def compare(
    runs: Sequence[str | os.PathLike[str] | Run],
    *,
    n: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    language: str = "en",
    progress: bool | None = None,
) -> dict[str, Any]:
    """Judge several runs of the same data by equally many samples: writes compare.json and
    compare.html into `out` (default: the folder "compare" beside the first run) and returns the
    document (evaluation/comparison.schema.json).

    progress as for `train`. Raises RunError for runs of other data, or of another kind of data.
    """
    Voice(language)
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    names = comparable(opened)
    with shown(progress):
        judged = _judged(names, opened, n, seed)
    facts = {name: run_facts(run) for name, run in zip(names, opened, strict=True)}
    result = compared(judged, facts)
    folder = Path(out) if out is not None else opened[0].folder.parent / "compare"
    codecs = {name: run.codec for name, run in zip(names, opened, strict=True)}
    atomic.write_json(folder / "compare.json", result.to_json(language))
    write_comparison(result, judged, codecs, folder / "compare.html", language=language)
    return Result(result.to_json(language) | {"folder": str(folder)}, folder / "compare.html")


def _judged(
    names: Sequence[str], runs: Sequence[Run], n: int | None, seed: int
) -> dict[str, Evaluation]:
    """The scores of each run by its name, of equally many samples."""
    both = zip(names, runs, strict=True)
    judged = {
        name: measured(run, n=n, seed=seed)
        for name, run in tracked(both, "judging runs", len(names), "runs")
    }
    counts = {name: budget(one) for name, one in judged.items()}
    fewest = min(counts.values())
    return {  # another codec may leave fewer passages to compare with
        name: one if counts[name] == fewest else measured(run, n=fewest, seed=seed)
        for (name, one), run in zip(judged.items(), runs, strict=True)
    }


def comparable(runs: Sequence[Run]) -> list[str]:
    """Names for the runs, as short as they can be. Raises RunError unless all were trained on the
    same data.
    """
    if len(runs) < 2:
        raise RunError(
            say("one run alone cannot be compared"),
            where="castalia compare",
            fix="castalia compare RUN RUN ...",
        )
    first = runs[0]
    for run in runs[1:]:
        if run.recipe.data.validation != first.recipe.data.validation or not _same_data(run, first):
            raise RunError(
                say(
                    "{0} was trained on other data than {1}, so their scores cannot be compared",
                    run.folder,
                    first.folder,
                ),
                where=say(
                    "{0} and {1}, or another share held out",
                    run.recipe.data.named,
                    first.recipe.data.named,
                ),
                fix=say(
                    "compare runs that were trained on the same data with the same data.validation"
                ),
            )
        if type(run.spec) is not type(first.spec) or (
            isinstance(run.spec, Dense) and run.spec != first.spec
        ):
            raise RunError(
                say("{0} sees the data in another form than {1}", run.folder, first.folder),
                where=f"{run.spec} and {first.spec}",
                fix=say("train both with the same codec settings, such as codec.size"),
            )
    folders = [run.folder.resolve() for run in runs]
    if len(set(folders)) < len(folders):
        raise RunError(
            say("a run was named twice"), where="castalia compare", fix=say("name different runs")
        )
    ids = [run.id for run in runs]
    return ids if len(set(ids)) == len(ids) else [str(folder) for folder in folders]


def _same_data(run: Run, other: Run) -> bool:
    """Whether two runs saw the same items, whatever each was told of them."""
    one, two = (each.about["data"]["fingerprint"] for each in (run, other))
    if one == two or run.recipe.data.condition_names == other.recipe.data.condition_names:
        return bool(one == two)
    bare = [
        prepare(each.recipe.data.model_copy(update={"conditions": (LABEL,)}), each.codec, fit=False)
        for each in (run, other)
    ]
    return bare[0].fingerprint == bare[1].fingerprint


def run_facts(run: Run) -> dict[str, Any]:
    """What a comparison says of a run beside its scores."""
    seconds = max(
        (row["seconds"] for row in run.metrics() if row.get("seconds") is not None), default=None
    )
    return {
        "folder": str(run.folder),
        "recipe": run.recipe.title,
        "family": run.recipe.family.name,
        "steps": run.last_step,
        "parameters": run.about["parameters"],
        "training_seconds": seconds,
        "seed": run.recipe.training.seed,
        "model": run.model_hash(),
    }
