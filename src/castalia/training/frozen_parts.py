"""Parts of a model that stay as the run to start from has them, by name (training.freeze).

With few items, what a model learned of general use is worth more than what it could learn anew: Mo
et al. 2020 (FreezeD, arXiv:2002.10964) keep the first layers of a critic. Parameters are marked as
nn/lora.py marks them, and training/optim.py leaves them alone; buffers, such as the running moments
of batch norms, still follow the data. Not here: which parts are worth it
(benchmarks/few_examples.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn

from castalia.errors import RecipeError, meant
from castalia.families.base import Family
from castalia.sentences import say, series

SHOWN, DEEP = 16, 3  # parts that an error offers, and how many names one of them joins


def freeze(family: Family, patterns: Sequence[str]) -> None:
    """In place: marks the parameters whose name, or a part that they belong to, fits one of the
    patterns ("critic.body.stem", "generator.body.ups.[01]"; `*` stands for dots, too).

    Raises RecipeError for a pattern that fits nothing that is trained, and where a phase of the
    family would have nothing left to train.
    """
    trained = {phase.name: dict(_trained(family, phase.trains)) for phase in family.phases()}
    parameters = {name: one for own in trained.values() for name, one in own.items()}
    for pattern in patterns:
        fitting = [one for name, one in parameters.items() if _fits(name, pattern)]
        if not fitting:
            parts = list(dict.fromkeys(part for name in parameters for part in _parts(name)))
            shown = [part for part in parts if part.count(".") < DEEP]
            raise RecipeError(
                say("the model has no part '{0}' to freeze", pattern),
                where="training.freeze",
                fix=say("{0}its parts: {1}", meant(pattern, parts), series(shown[:SHOWN])),
            )
        for parameter in fitting:
            parameter.frozen = True  # type: ignore[attr-defined]
    for phase, own in trained.items():
        if patterns and all(getattr(one, "frozen", False) for one in own.values()):
            raise RecipeError(
                say("nothing is left to train in phase '{0}'", phase),
                where=f"training.freeze={list(patterns)}",
                fix=say("freeze fewer parts"),
            )


def _trained(family: Family, modules: Sequence[str]) -> Iterator[tuple[str, nn.Parameter]]:
    """Names as the checkpoint has them, and parameters, of what a phase trains."""
    for name in modules:
        yield from family.get_submodule(name).named_parameters(prefix=name)


def _parts(name: str) -> Iterator[str]:
    """ "a.b.c" -> "a", "a.b", "a.b.c": the parts that a parameter belongs to, and itself."""
    names = name.split(".")
    return (".".join(names[:count]) for count in range(1, len(names) + 1))


def _fits(name: str, pattern: str) -> bool:
    return any(fnmatchcase(part, pattern) for part in _parts(name))
