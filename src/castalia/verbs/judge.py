"""The verbs that judge: evaluate and compare. Each wires the layers below it; this is what
`castalia.evaluate` is.

Not here: the scores (evaluation/), and the training that `seeds` asks for (verbs/make.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from castalia import atomic, evaluation
from castalia.data.conditions import LABEL
from castalia.data.locate import Given
from castalia.data.stream import Dataset, prepare
from castalia.errors import RecipeError, RunError
from castalia.evaluation import Evaluation
from castalia.evaluation.base import GROUPS as LEAST
from castalia.evaluation.compare import budget, compared
from castalia.evaluation.compare_page import write_comparison
from castalia.evaluation.report_page import write_page
from castalia.evaluation.seed_variation import over_trainings
from castalia.language import Voice
from castalia.notebook import Result
from castalia.progress import tracked
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Dense, Tokens
from castalia.training.hooks import Hook
from castalia.verbs.make import open_data, resume, train

ENOUGH = 300  # samples: what a share near one half is known by to within 6 points


def evaluate(
    run: str | os.PathLike[str] | Run,
    *,
    against: Given | None = None,
    n: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    language: str = "en",
    hooks: Sequence[Hook] = (),
) -> dict[str, Any]:
    """Judge a run: writes RUN/eval/{scores.json,report.html} and returns the document with its
    scores (evaluation/scores.schema.json).

    against: a folder of real data to compare with instead of the held-out part of the run's own.
    seeds: train the recipe with seeds - 1 further seeds (RUN/seeds/, resumable) and say how much
    scores vary with training.
    language: of the page and of the words in the document, "en" or "zh". hooks: of those trainings.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    judged = judge(
        run, against=against, n=n, seed=seed, seeds=seeds, language=language, hooks=hooks
    )
    return Result(judged.to_json(run.id, language), run.folder / "eval" / "report.html")


def judge(
    run: Run,
    *,
    against: Given | None = None,
    n: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    language: str = "en",
    hooks: Sequence[Hook] = (),
) -> Evaluation:
    """`evaluate`, with the pictures and words behind the scores."""
    Voice(language)  # a wrong language is said before the work, not after it
    judged = measured(run, against=against, n=n, seed=seed)
    if seeds > 1:
        others = {
            other: measured(other, against=against, n=n, seed=seed)
            for other in retrained(run, seeds, hooks)
        }
        judged = over_trainings(judged, run, others)
    about = {
        "run": run.id,
        "recipe": run.recipe.title,
        "family": run.recipe.family.name,
        "steps": run.last_step,
        "parameters": run.about["parameters"],
        "seed": run.recipe.training.seed,
        "precision": run.about["precision"],
        "model": run.model_hash(),
        "data": run.about["data"],
        "versions": run.about["versions"],
    }
    folder = run.folder / "eval"
    title = f"{run.recipe.title} · {run.id}"
    atomic.write_json(folder / "scores.json", judged.to_json(run.id, language))
    write_page(
        judged,
        run.codec,
        folder / "report.html",
        title=title,
        curves=run.metrics(),
        about=about,
        language=language,
    )
    return judged


def measured(
    run: Run, *, against: Given | None = None, n: int | None = None, seed: int = 0
) -> Evaluation:
    """`judge`, without writing anything."""
    if n is not None and n < LEAST:
        raise RecipeError(
            say("{0} samples are too few to judge by", n),
            where=f"n={n}",
            fix=say(
                "-n {0}; intervals need at least {1} samples, the two-sample test {2}, "
                "precision to a few percent about {0}",
                ENOUGH,
                LEAST,
                2 * LEAST,
            ),
        )
    model, dataset = run.model(), with_classes(run)
    other: Any = None
    if against is not None:
        real = open_data(run, against)
        sides = [side for side in (real.train, real.validation) if len(side)]
        if isinstance(real.spec, Tokens):
            other = [document for side in sides for document in side.documents()]
        else:
            other = torch.cat([side.take(range(len(side))).x for side in sides])
    return evaluation.evaluate(
        model, run.codec, dataset, n=n, seed=seed, batch=run.recipe.sampling.batch, against=other
    )


def compare(
    runs: Sequence[str | os.PathLike[str] | Run],
    *,
    n: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    language: str = "en",
) -> dict[str, Any]:
    """Judge several runs of the same data by equally many samples: writes compare.json and
    compare.html into `out` (default: the folder
    "compare" beside the first run) and returns the document (evaluation/comparison.schema.json).

    Raises RunError for runs of other data, or of another kind of data.
    """
    Voice(language)
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    names = comparable(opened)
    both = zip(names, opened, strict=True)
    judged = {
        name: measured(run, n=n, seed=seed)
        for name, run in tracked(both, "judging runs", len(names), "runs")
    }
    counts = {name: budget(found) for name, found in judged.items()}
    fewest = min(counts.values())
    judged = {  # another codec may leave fewer passages to compare with
        name: found if counts[name] == fewest else measured(run, n=fewest, seed=seed)
        for (name, found), run in zip(judged.items(), opened, strict=True)
    }
    facts = {name: run_facts(run) for name, run in zip(names, opened, strict=True)}
    result = compared(judged, facts)
    folder = Path(out) if out is not None else opened[0].folder.parent / "compare"
    codecs = {name: run.codec for name, run in zip(names, opened, strict=True)}
    atomic.write_json(folder / "compare.json", result.to_json(language))
    write_comparison(result, judged, codecs, folder / "compare.html", language=language)
    return Result(result.to_json(language) | {"folder": str(folder)}, folder / "compare.html")


def with_classes(run: Run) -> Dataset:
    """The data of a run, with the classes that a run ignored: they tell how balanced its samples
    are.
    """
    dataset, config = open_data(run), run.recipe.data
    if LABEL in config.told:
        return dataset
    labelled = prepare(
        config.model_copy(update={"conditions": (*config.told, LABEL)}), run.codec, fit=False
    )
    return (
        labelled if labelled.conditions and len(labelled.train) == len(dataset.train) else dataset
    )


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
    if one == two or run.recipe.data.told == other.recipe.data.told:
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


def retrained(run: Run, seeds: int, hooks: Sequence[Hook] = ()) -> list[Run]:
    """The recipe of a finished run, trained with seeds - 1 other seeds in RUN/seeds/; what is there
    already is resumed or reused.
    """
    if not run.finished:
        raise RunError(
            say("the run is not finished"),
            where=run.folder,
            fix=f"castalia train --resume {run.folder}",
        )
    found = []
    # else `run` would not have opened without the user's word
    trusted = bool(run.about.get("plugins"))
    for number in range(1, seeds):
        seed = run.recipe.training.seed + number
        folder = run.folder / "seeds" / f"seed-{seed}"
        if (folder / "run.json").exists():
            found.append(resume(folder, hooks=hooks, trust_code=trusted))
        else:
            plan = replace(
                run.recipe, training=run.recipe.training.model_copy(update={"seed": seed})
            )
            found.append(train(plan, out=folder, hooks=hooks))
    return found
