"""`castalia.evaluate`: scores of a run, and the page that shows them. What is scored:
evaluation/.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from castalia import atomic, evaluation, modality
from castalia.abilities import Restores, Samples
from castalia.data.conditions import LABEL
from castalia.data.locate import Given
from castalia.data.stream import Dataset, prepare
from castalia.errors import AbilityError, RecipeError, RunError
from castalia.evaluation import Evaluation
from castalia.evaluation.base import GROUPS as LEAST
from castalia.evaluation.report_page import write_page
from castalia.evaluation.seed_variation import over_trainings
from castalia.language import Voice
from castalia.pages.notebook import Result
from castalia.progress.views import shown
from castalia.registry import named_abilities
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Tokens
from castalia.training.hooks import Hook
from castalia.training.setup import open_data
from castalia.verbs.train import resume, train

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
    progress: bool | None = None,
) -> dict[str, Any]:
    """Judge a run: writes RUN/eval/{scores.json,report.html} and returns the document with its
    scores (evaluation/scores.schema.json).

    against: a folder of real data to compare with instead of the held-out part of the run's own.
    seeds: train the recipe with seeds - 1 further seeds (RUN/seeds/, resumable) and say how much
    scores vary with training.
    language: of the page and of the words in the document, "en" or "zh". hooks: of those trainings.
    progress as for `train`.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    with shown(progress):
        judged = judge(
            run, against=against, n=n, seed=seed, seeds=seeds, language=language, hooks=hooks
        )
    return Result(judged.to_json(run.id, language), run.folder / "eval" / "report.html")


def evaluate_edits(run: str | os.PathLike[str] | Run, *, seed: int = 0) -> dict[str, Any]:
    """Edits of held-out items that were damaged on purpose, beside what simple methods make of
    them; written to RUN/eval/edits.json as well. Raises AbilityError where the run can do none.
    """
    from castalia.evaluation.edit_trials import edit_trials

    run = run if isinstance(run, Run) else Run.open(run)
    document = {
        "run": run.id,
        "model": run.model_hash(),
        **edit_trials(run.model(), run.codec, open_data(run), seed),
    }
    atomic.write_json(run.folder / "eval" / "edits.json", document)
    return document


def evaluate_captions(run: str | os.PathLike[str] | Run, *, seed: int = 0) -> dict[str, Any]:
    """Captions of held-out items: whether a run that was trained on captions finds what belongs
    together, and what it says; written to RUN/eval/captions.json as well.
    """
    from castalia.evaluation.caption_trials import caption_trials

    run = run if isinstance(run, Run) else Run.open(run)
    done = caption_trials(run.model(), open_data(run), seed)
    document = {"run": run.id, "model": run.model_hash(), **done}
    atomic.write_json(run.folder / "eval" / "captions.json", document)
    return document


def evaluate_agreement(
    run: str | os.PathLike[str] | Run,
    judge: str | os.PathLike[str] | Run,
    *,
    guidance: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Whether what a run draws for held-out captions agrees with them, as another run, trained on
    captions of such items, sees it; written to RUN/eval/agreement.json as well. guidance: None: the
    run's own.
    """
    from castalia.evaluation.caption_trials import agreement_trials

    run = run if isinstance(run, Run) else Run.open(run)
    judge = judge if isinstance(judge, Run) else Run.open(judge)
    given = run.recipe.sampling.guidance if guidance is None else guidance
    done = agreement_trials(
        run.model(), run.codec, open_data(run), judge.model(), judge.codec, given, seed
    )
    document = {
        "run": run.id,
        "model": run.model_hash(),
        "judge": judge.id,
        "judge_model": judge.model_hash(),
        **done,
    }
    atomic.write_json(run.folder / "eval" / "agreement.json", document)
    return document


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
    model = run.model()
    if isinstance(model, Restores) and not isinstance(model, Samples):
        raise AbilityError(
            say("a '{0}' model draws nothing that could be judged", model.name),
            where=say("ability '{0}'", named_abilities(["samples"])),
            fix=say("castalia evaluate {0} --edits judges what it restores", run.folder),
        )
    dataset = with_classes(run)
    other: Any = None
    if against is not None:
        real = open_data(run, against)
        sides = [side for side in (real.train, real.validation) if len(side)]
        if isinstance(real.spec, Tokens):
            other = [document for side in sides for document in side.documents()]
        else:
            other = torch.cat([side.take(range(len(side))).x for side in sides])
    judged = evaluation.evaluate(
        model, run.codec, dataset, n=n, seed=seed, batch=run.recipe.sampling.batch, against=other
    )
    judged.notes[:0] = modality.caveats(run.codec, run.conditions)
    return judged


def with_classes(run: Run) -> Dataset:
    """The data of a run, with the classes that a run ignored: they tell how balanced its samples
    are.
    """
    dataset, config = open_data(run), run.recipe.data
    if LABEL in config.condition_names:
        return dataset
    labelled = prepare(
        config.model_copy(update={"conditions": (*config.condition_names, LABEL)}),
        run.codec,
        fit=False,
    )
    return (
        labelled if labelled.conditions and len(labelled.train) == len(dataset.train) else dataset
    )


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
    runs = []
    # else `run` would not have opened without the user's word
    trusted = bool(run.about.get("plugins"))
    for number in range(1, seeds):
        seed = run.recipe.training.seed + number
        folder = run.folder / "seeds" / f"seed-{seed}"
        if (folder / "run.json").exists():
            runs.append(resume(folder, hooks=hooks, trust_code=trusted))
        else:
            plan = replace(
                run.recipe, training=run.recipe.training.model_copy(update={"seed": seed})
            )
            runs.append(train(plan, out=folder, hooks=hooks))
    return runs
