"""Assertions about items that are no texts: the class of a picture, the key of a piece.

A class is told by a classifier of the features in which samples are compared, learned from the
labelled training items of a run, as `class-balance` of evaluate has it; how well it knows held-out
items is said beside each verdict, and one that knows hardly anything decides nothing. A fact is
what the codec says of an item (`Codec.facts`): of music, key, mode and metre.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia.apps.prompt.assertion import Asked, Assertion, Tools, Verdict, whether
from castalia.errors import DataError, RecipeError, meant
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.apps.prompt.answers import Answers
    from castalia.apps.prompt.models import Answer
    from castalia.run import Run

TAUGHT = 4000  # training items that the classifier learns from; as many held-out ones try it


def path_of(answer: Answer, answers: Answers) -> Path | None:
    """Where the item of an answer is; None of a text."""
    return answers.folder / "items" / answer.file if answer.file else None


def class_of(one: Assertion, asked: Asked) -> Verdict:
    """value: the class that the item must be of."""
    run = _run(one, asked)
    key = f"classifier {run.folder}"
    if key not in asked.tools.opened:
        asked.tools.opened[key] = _learned(run)
    judge: Teller = asked.tools.opened[key]
    wanted = str(one.value)
    if wanted not in judge.names:
        raise RecipeError(
            say("the data have no class '{0}'", wanted[:60]),
            str(run.folder),
            say("{0}one of: {1}", meant(wanted, judge.names), ", ".join(judge.names)),
        )
    found = judge(_item(asked, run))
    if judge.accuracy is None or judge.skill is None or judge.skill < 0.5:
        words = say("the classifier hardly knows held-out items, so it says nothing")
        return Verdict(False, 0.0, words, undecided=True)
    return Verdict(
        found == wanted,
        float(found == wanted),
        say(
            "it looks like '{0}'; the classifier is right {1:.0%} of the time",
            found,
            judge.accuracy,
        ),
    )


def fact(one: Assertion, asked: Asked) -> Verdict:
    """measure: the name of the fact, such as key; value: what it must be."""
    codec = _run(one, asked).codec
    if one.measure not in codec.fact_names:
        raise RecipeError(
            say("nothing is known of a '{0}' of such items", one.measure[:60]),
            codec.name,
            say("known: {0}", ", ".join(codec.fact_names) or say("nothing")),
        )
    found = codec.facts(_item(asked, _run(one, asked))).get(one.measure, "")
    return whether(found == str(one.value), say("its {0} is {1}", one.measure, found or "?"))


@dataclass(frozen=True)
class Teller:
    """Classes of items. accuracy: on held-out items; skill: the same beyond chance, None where too
    few are held out.
    """

    names: tuple[str, ...]
    accuracy: float | None
    skill: float | None
    codec: Any
    features: Any
    classify: Any

    def __call__(self, item: Any) -> str:
        from castalia.data.stream import to_unit
        from castalia.evaluation.features import extract

        spec = self.codec.spec
        x = to_unit(spec, self.codec.encode(item))[None]
        return self.names[int(self.classify(extract(self.features, [x]))[0])]


def _learned(run: Run) -> Teller:
    import torch

    from castalia.evaluation.base import Labelled
    from castalia.evaluation.class_balance import Classifier
    from castalia.evaluation.dense_evidence import class_condition
    from castalia.evaluation.features import extract, features_for
    from castalia.nn.counter_random import generator
    from castalia.spec import Classes, Dense
    from castalia.verbs.evaluate import with_classes

    dataset = with_classes(run)
    label = class_condition(dataset.conditions)
    if label is None or not isinstance(dataset.spec, Dense):
        raise DataError(
            say("the data of this run have no classes that a classifier could learn"),
            run.folder,
            say("name a run whose data have labels: run: RUN"),
        )
    features = features_for(dataset.spec, None, dataset.codec)
    sides = []
    for side in (dataset.train, dataset.validation):
        order = torch.randperm(len(side), generator=generator("classes", 0))[:TAUGHT]
        parts = [side.take(part) for part in order.split(64)]
        found = extract(features, [part.x for part in parts])
        empty = torch.zeros(0, dtype=torch.int64)
        sides.append((found, torch.cat([part.cond[label] for part in parts]) if parts else empty))
    kind = dataset.conditions[label]
    names = kind.names if isinstance(kind, Classes) else ()
    classify = Classifier(Labelled(names, sides[0], sides[1], sides[0][1][:0]))
    held, truth = sides[1]
    accuracy = (classify(held) == truth).double().mean().item() if len(truth) else None
    return Teller(names, accuracy, classify.skill(*sides[1]), dataset.codec, features, classify)


def _run(one: Assertion, asked: Asked) -> Run:
    """The run that the assertion names, else the one that answered."""
    if not one.run:
        own = getattr(asked.model, "run", None)
        if own is None:
            raise RecipeError(
                say("an assertion '{0}' wants a run that knows such items", one.type),
                one.title,
                say("name it: run: RUN"),
            )
        return own
    return run_of(one.run, asked.tools)


def run_of(name: str, tools: Tools) -> Run:
    """The run that a suite names, opened once; a path is relative to the suite's folder."""
    from castalia.run import Run

    if name not in tools.opened:
        near = tools.base / name
        tools.opened[name] = Run.open(near if near.exists() else name, trust_code=tools.trust)
    run: Run = tools.opened[name]
    return run


def _item(asked: Asked, run: Run) -> Any:
    path = path_of(asked.answer, asked.tools.answers)
    if path is None:
        raise RecipeError(
            say("the answer is a text, and this asks for an item of another kind"),
            asked.model.name,
            say("leave the assertion out for models that write"),
        )
    return next(iter(run.codec.read(path)))
