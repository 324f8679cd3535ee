"""Contract tests of families, as functions of a `FamilyCase`.

`FAMILY_CHECKS` names the items, so that a test suite can run them one by one; `check_family` runs
them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from castalia import registry
from castalia.abilities import ABILITIES, abilities_of
from castalia.errors import CastaliaError, SpecError
from castalia.families.base import Family, Phase
from castalia.recipe_sections import TrainConfig
from castalia.spec import Batch, Classes, Condition, Dense, Tokens
from castalia.testing.family_abilities import ABILITY_CHECKS, ensure, form
from castalia.testing.family_case import FamilyCase
from castalia.testing.graphs import has_graphs
from castalia.testing.synthetic import SPECS
from castalia.training.device import Solo
from castalia.training.loop import Trainer

STEPS_TO_OVERFIT = 300


def check_family(
    family: type[Family],
    config: Any = None,
    spec: Dense | Tokens | None = None,
    conditions: dict[str, Condition] | None = None,
) -> None:
    """All contract items. Without a spec: pictures, signals, volumes, vectors and tokens, with and
    without classes.

    Specs that the family's own constructor refuses with a CastaliaError are left out, but one must
    remain.
    """
    config = family.Config() if config is None else config
    choices: list[dict[str, Condition]] = (
        [{}, {"label": Classes(("a", "b", "c"))}] if conditions is None else [conditions]
    )
    cases = [
        FamilyCase(family, config, one, choice)
        for one in ([spec] if spec else SPECS.values())
        for choice in choices
    ]
    usable = [case for case in cases if spec is not None or _constructible(case)]
    ensure(
        bool(usable),
        "the family refuses every spec of castalia.testing.SPECS; pass one that it takes",
    )
    for case in usable:
        for name, check in FAMILY_CHECKS.items():
            try:
                check(case)
            except AssertionError as error:
                raise AssertionError(
                    f"{family.__name__}, {case.spec}, conditions {list(case.conditions)}: "
                    f"{name}: {error}"
                ) from error


def finite_loss(case: FamilyCase) -> None:
    """Every phase: a finite scalar with gradient; parts detached, finite, under the same names each
    time; also for a single row.
    """
    model = case.build()
    for phase in model.phases():
        names = set()
        for rows in (8, 1):
            torch.manual_seed(0)
            loss = (
                model.eval()(case.batch(rows), phase.name)
                if rows == 1
                else model.train()(case.batch(rows), phase.name)
            )
            ensure(
                loss.total.ndim == 0 and bool(torch.isfinite(loss.total)),
                f"phase '{phase.name}': the total is {loss.total}",
            )
            ensure(loss.total.requires_grad, f"phase '{phase.name}': the total has no gradient")
            for part, value in loss.parts.items():
                ensure(
                    value.ndim == 0 and bool(torch.isfinite(value)) and not value.requires_grad,
                    f"phase '{phase.name}': part '{part}' is {value}",
                )
            names.add(tuple(loss.parts))
        ensure(len(names) == 1, f"phase '{phase.name}': the parts' names change: {names}")


def noise_is_ambient_only(case: FamilyCase) -> None:
    """The loss is a function of weights, batch and torch's global generator: what makes resume
    bit-exact.
    """
    first, second = case.build(), case.build()
    for phase in first.phases():
        losses = []
        for model in (first, second):
            torch.manual_seed(5)
            losses.append(model.train()(case.batch(), phase.name).total)
        ensure(
            torch.equal(*losses),
            f"phase '{phase.name}': equal weights, batch and seed, but losses {losses}",
        )


def phases_move_their_own(case: FamilyCase) -> None:
    """Each phase moves parameters of every module that it names, and no others; all parameters
    belong to a phase.
    """
    model = case.build()
    phases = model.phases()
    owned = {
        id(parameter)
        for phase in phases
        for name in phase.trains
        for parameter in model.get_submodule(name).parameters()
    }
    orphans = [name for name, parameter in model.named_parameters() if id(parameter) not in owned]
    ensure(not orphans, f"no phase trains {orphans[:3]}")
    ensure(len({phase.name for phase in phases}) == len(phases), "two phases have one name")
    for phase in phases:
        trainer = _trainer(case, model, only=phase)
        before = {name: value.clone() for name, value in model.named_parameters()}
        for _ in range(3):
            trainer.train_step()
        moved = {
            name for name, value in model.named_parameters() if not torch.equal(value, before[name])
        }
        mine = {
            name for name in before if any(name.startswith(f"{module}.") for module in phase.trains)
        }
        ensure(moved <= mine, f"phase '{phase.name}' moved {sorted(moved - mine)[:3]}")
        for module in phase.trains:
            has = any(True for _ in model.get_submodule(module).parameters())
            ensure(
                not has or any(name.startswith(f"{module}.") for name in moved),
                f"phase '{phase.name}' did not move '{module}'",
            )


def overfits_one_batch(case: FamilyCase) -> None:
    """One batch, over and over: the loss of the only phase falls. With a phase called "critic", the
    critic alone separates the batch from what the untrained generator makes: its loss falls below
    70% of its beginning.
    """
    model = case.build()
    critics = [phase for phase in model.phases() if phase.name == "critic"]
    phase = critics[0] if critics else model.phases()[0]
    trainer = _trainer(case, model, only=phase, rows=8, steps=STEPS_TO_OVERFIT, rate=5e-3)
    first = [float(trainer.train_step()[f"{phase.name}/total"]) for _ in range(10)]
    start = sum(first[:3]) / 3
    target = 0.7 * start if critics else start - 0.1 * abs(start)
    latest = first
    while trainer.step < STEPS_TO_OVERFIT:
        latest = [*latest[-9:], float(trainer.train_step()[f"{phase.name}/total"])]
        if sum(latest) / len(latest) < target:
            return
    ensure(
        False,
        f"phase '{phase.name}': {STEPS_TO_OVERFIT} steps on one batch moved the loss from "
        f"{start:.4g} "
        f"to {sum(latest) / len(latest):.4g}, not below {target:.4g}",
    )


def resumes_bit_exactly(case: FamilyCase) -> None:
    """Two steps, a checkpoint through files, a new process's worth of objects, two steps: equal to
    four steps in a row, bit by bit, weights and average; with accumulation, fp32 and bf16.
    """
    for precision in ("fp32", "bf16"):
        straight = _trainer(case, case.build(), accumulate=2, steps=4, precision=precision)
        for _ in range(4):
            straight.train_step()
        with TemporaryDirectory() as folder:
            record = _Record(Path(folder))
            begun = _trainer(
                case, case.build(), accumulate=2, steps=4, precision=precision, record=record
            )
            begun.train_step()
            begun.train_step()
            begun.save()
            resumed = _trainer(case, case.build(seed=1), accumulate=2, steps=4, precision=precision)
            resumed.load(record, 2)  # type: ignore[arg-type]
        torch.manual_seed(99)
        resumed.train_step()
        resumed.train_step()
        _same_weights(straight.family, resumed.family, f"after a resume in {precision}")
        _same_weights(
            straight.averaged(), resumed.averaged(), f"after a resume in {precision}, averaged"
        )


def saves_and_loads(case: FamilyCase) -> None:
    """The state dict goes through safetensors and back; a model loaded with it gives the same loss
    and samples.
    """
    model = case.build()
    trainer = _trainer(case, model)
    trainer.train_step()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file(
            {
                name: tensor.detach().contiguous().clone()
                for name, tensor in model.state_dict().items()
            },
            path,
        )
        other = case.build(seed=1)
        other.load_state_dict(load_file(path))
    _same_weights(model, other, "after loading")
    for phase in model.phases():
        losses = []
        for one in (model, other):
            torch.manual_seed(0)
            losses.append(float(one.eval()(case.batch(), phase.name).total.detach()))
        ensure(
            losses[0] == losses[1],
            f"phase '{phase.name}': loss {losses[0]} before, {losses[1]} after loading",
        )


def has_its_abilities(case: FamilyCase) -> None:
    """The abilities that the class has are those of the registry's literal table, and each name is
    known.
    """
    abilities = abilities_of(case.build())
    entry = registry.FAMILIES.get(case.family.name)
    if entry is not None and registry.resolve("family", case.family.name) is case.family:
        ensure(
            abilities == tuple(name for name in ABILITIES if name in entry.abilities),
            f"the class has {abilities}, registry.FAMILIES says {entry.abilities}",
        )
    ensure(bool(abilities), "a family without any ability is of no use")


def refuses_wrong_shapes(case: FamilyCase) -> None:
    """A batch of another shape raises SpecError in every phase, not whatever torch happens to
    raise.
    """
    model = case.build()
    shape, dtype = form(case.spec)
    wrong = Batch(torch.zeros(2, *shape[:-1], shape[-1] + 1, dtype=dtype))
    for phase in model.phases():
        try:
            model(wrong, phase.name)
        except SpecError:
            continue
        except Exception as error:
            raise AssertionError(
                f"phase '{phase.name}': {type(error).__name__} instead of SpecError for a "
                "wrong shape"
            ) from error
        ensure(False, f"phase '{phase.name}' took a batch of the wrong shape")


FAMILY_CHECKS: dict[str, Callable[[FamilyCase], None]] = {
    "finite loss": finite_loss,
    "noise is ambient only": noise_is_ambient_only,
    "phases move their own": phases_move_their_own,
    "overfits one batch": overfits_one_batch,
    "resumes bit-exactly": resumes_bit_exactly,
    "saves and loads": saves_and_loads,
    "has its abilities": has_its_abilities,
    **ABILITY_CHECKS,
    "has graphs": has_graphs,
    "refuses wrong shapes": refuses_wrong_shapes,
}


@dataclass(frozen=True)
class _Stream:
    """An endless stream of made-up batches, in the shape that the loop reads. `fixed`: always the
    same batch.
    """

    case: FamilyCase
    fixed: bool = False

    def __len__(self) -> int:
        return 1

    def batch(self, counter: int, size: int, seed: int, augment: bool = False) -> Batch:
        return self.case.batch(size, 0 if self.fixed else counter)


@dataclass
class _Record:
    """Where a trainer saves to: the part of a run that the loop uses, in a folder, through
    safetensors.
    """

    folder: Path
    last_step: int | None = None
    states: dict[int, dict[str, Any]] = field(default_factory=dict)

    def save(
        self, step: int, groups: dict[str, dict[str, Tensor]], state: dict[str, Any], keep: int
    ) -> None:
        for name, tensors in groups.items():
            save_file(
                {key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()},
                self.folder / f"{step}-{name}.safetensors",
            )
        self.states[step], self.last_step = state, step

    def tensors(self, step: int, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{step}-{name}.safetensors")

    def state(self, step: int) -> dict[str, Any]:
        return self.states[step]


def _trainer(
    case: FamilyCase,
    model: Family,
    *,
    only: Phase | None = None,
    rows: int = 4,
    steps: int = 4,
    rate: float = 1e-3,
    accumulate: int = 1,
    precision: str = "fp32",
    record: _Record | None = None,
) -> Trainer:
    config = TrainConfig.model_validate(
        {
            "steps": steps,
            "batch": rows,
            "accumulate": accumulate,
            "optimiser": {"rate": rate},
            "ema": 0.9,
        }
    )
    stream = _Stream(case, fixed=only is not None)
    trainer = Trainer(model, config, stream, Solo(), precision, record, None, stream)  # type: ignore[arg-type]
    if only is not None:
        trainer.phases = (replace(only, every=1),)
    return trainer


def _constructible(case: FamilyCase) -> bool:
    try:
        case.build()
    except CastaliaError:
        return False
    return True


def _same_weights(one: Family, other: Family, when: str) -> None:
    mine, theirs = one.state_dict(), other.state_dict()
    ensure(list(mine) == list(theirs), f"{when}: the state's names differ")
    for name, value in mine.items():
        ensure(torch.equal(value, theirs[name]), f"{when}: '{name}' differs")
