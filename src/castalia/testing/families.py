"""Contract tests of families, as functions of a `FamilyCase`.

`FAMILY_CHECKS` names the items, so that a test suite can run them one by one; `check_family` runs
them all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from castalia import registry
from castalia.abilities import ABILITIES, SampleOptions, abilities_of
from castalia.errors import AbilityError, CastaliaError, SpecError
from castalia.families.base import Family, Phase
from castalia.nn.counter_random import generator, generators
from castalia.recipe_sections import TrainConfig
from castalia.spec import Batch, Classes, Condition, Dense, Tokens
from castalia.testing.family_case import FamilyCase
from castalia.testing.graphs import has_graphs
from castalia.testing.synthetic import SPECS
from castalia.training.device import Solo
from castalia.training.loop import Trainer

AGREEMENT = 1e-4  # values of one sample, whatever the number of rows computed with it
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
    _ensure(
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
            _ensure(
                loss.total.ndim == 0 and bool(torch.isfinite(loss.total)),
                f"phase '{phase.name}': the total is {loss.total}",
            )
            _ensure(loss.total.requires_grad, f"phase '{phase.name}': the total has no gradient")
            for part, value in loss.parts.items():
                _ensure(
                    value.ndim == 0 and bool(torch.isfinite(value)) and not value.requires_grad,
                    f"phase '{phase.name}': part '{part}' is {value}",
                )
            names.add(tuple(loss.parts))
        _ensure(len(names) == 1, f"phase '{phase.name}': the parts' names change: {names}")


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
        _ensure(
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
    _ensure(not orphans, f"no phase trains {orphans[:3]}")
    _ensure(len({phase.name for phase in phases}) == len(phases), "two phases have one name")
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
        _ensure(moved <= mine, f"phase '{phase.name}' moved {sorted(moved - mine)[:3]}")
        for module in phase.trains:
            has = any(True for _ in model.get_submodule(module).parameters())
            _ensure(
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
    _ensure(
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
        _ensure(
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
        _ensure(
            abilities == tuple(name for name in ABILITIES if name in entry.abilities),
            f"the class has {abilities}, registry.FAMILIES says {entry.abilities}",
        )
    _ensure(bool(abilities), "a family without any ability is of no use")


def samples(case: FamilyCase) -> None:
    """Shape, dtype, range, determinism; row i depends on rngs[i] and its own condition only, to
    1e-4 whatever the batch.
    """
    model: Any = case.build().eval()
    if "samples" not in abilities_of(model):
        return
    options = SampleOptions()
    with torch.no_grad():
        x = model.sample(generators(3, 0, 6), _conditions(case, 6), options)
        again = model.sample(generators(3, 0, 6), _conditions(case, 6), options)
        part = model.sample(
            generators(3, 2, 3),
            {name: value[2:5] for name, value in _conditions(case, 6).items()},
            options,
        )
        other = model.sample(generators(4, 0, 6), _conditions(case, 6), options)
        free = model.sample(generators(3, 0, 2), {}, options)
    shape, dtype = _form(case.spec)
    _ensure(
        x.shape == (6, *shape) and free.shape == (2, *shape),
        f"shape {tuple(x.shape)}, expected {(6, *shape)}",
    )
    _ensure(x.dtype == dtype, f"dtype {x.dtype}, expected {dtype}")
    low, high = (0, case.spec.vocab - 1) if isinstance(case.spec, Tokens) else case.spec.limits
    _ensure(
        bool(torch.isfinite(x).all())
        and float(x.min()) >= low - 1e-5
        and float(x.max()) <= high + 1e-5,
        f"values from {float(x.min())} to {float(x.max())}, expected within [{low}, {high}]",
    )
    _ensure(torch.equal(x, again), "the same generators gave other values")
    _ensure(
        bool((x[2:5] - part).abs().max() <= AGREEMENT),
        f"rows differ by {float((x[2:5] - part).abs().max()):.2g} between batch sizes",
    )
    _ensure(not torch.equal(x, other), "other generators gave the same values")


def encodes(case: FamilyCase) -> None:
    """to_latent is deterministic without generators and a draw with them; from_latent gives the
    spec's shape and range.
    """
    model: Any = case.build().eval()
    if "encodes" not in abilities_of(model) or isinstance(case.spec, Tokens):
        return
    batch = case.batch(6)
    with torch.no_grad():
        mean, again = (model.to_latent(batch.x, batch.cond) for _ in range(2))
        drawn, redrawn = (
            model.to_latent(batch.x, batch.cond, generators(0, 0, 6)) for _ in range(2)
        )
        alone = model.to_latent(
            batch.x[1:2], {name: value[1:2] for name, value in batch.cond.items()}
        )
        back = model.from_latent(mean, batch.cond)
    _ensure(mean.shape[0] == 6 and torch.equal(mean, again), "the mean latent is not deterministic")
    _ensure(
        drawn.shape == mean.shape and torch.equal(drawn, redrawn),
        "draws with equal generators differ",
    )
    _ensure(
        bool((alone - mean[1:2]).abs().max() <= AGREEMENT),
        "a latent depends on the other rows of its batch",
    )
    _ensure(
        back.shape == batch.x.shape and back.dtype == torch.float32,
        f"from_latent gives {tuple(back.shape)} {back.dtype}",
    )
    low, high = case.spec.limits
    _ensure(
        float(back.min()) >= low - 1e-5 and float(back.max()) <= high + 1e-5,
        "from_latent leaves the unit's range",
    )


def scores(case: FamilyCase) -> None:
    """nats is (B,), finite, deterministic with and without generators, independent of the other
    rows to 1e-4 relative.
    """
    model: Any = case.build().eval()
    if "scores" not in abilities_of(model):
        return
    batch = case.batch(4)
    segment = None if batch.segment is None else batch.segment[1:2]
    one = Batch(
        batch.x[1:2], segment=segment, cond={name: value[1:2] for name, value in batch.cond.items()}
    )
    values, again = (
        model.nats(batch, [generator("score", row) for row in range(4)]) for _ in range(2)
    )
    alone = model.nats(one, [generator("score", 1)])
    _ensure(values.shape == (4,) and bool(torch.isfinite(values).all()), f"nats gives {values}")
    _ensure(
        torch.equal(values, again) and torch.equal(model.nats(batch), model.nats(batch)),
        "nats is not deterministic",
    )
    _ensure(
        bool((values[1] - alone[0]).abs() <= 1e-4 * values[1].abs() + 1e-3),
        f"nats of a row is {values[1].item()} in a batch and {alone[0].item()} alone",
    )
    _ensure(isinstance(model.exact, bool), "`exact` says whether nats is a bound")


def decodes(case: FamilyCase) -> None:
    """Token by token agrees with all at once to 1e-4, for rows of unequal length; `take` and `join`
    change no row.
    """
    model: Any = case.build().eval()
    if "decodes" not in abilities_of(model) or not isinstance(case.spec, Tokens):
        return
    x = case.batch(5).x.clone()
    x[:, 0] = case.spec.begin
    cond = _conditions(case, 5)
    lengths = torch.tensor([1, 4, 4, 2, 6])
    mask = torch.arange(6) < lengths[:, None]
    whole = [
        model.prefill(
            x[row : row + 1, : lengths[row] + 3],
            torch.ones(1, lengths[row] + 3).bool(),
            _row(cond, row),
        )[0]
        for row in range(5)
    ]
    logits, state = model.prefill(torch.where(mask, x[:, :6], case.spec.begin), mask, cond)
    _ensure(
        bool((state.lengths == lengths).all()),
        f"lengths {state.lengths.tolist()} after a prefill of {lengths.tolist()}",
    )
    _ensure(
        logits.shape == (5, case.spec.vocab) and logits.dtype == torch.float32,
        f"logits {tuple(logits.shape)} {logits.dtype}",
    )
    for step in range(3):
        logits, state = model.step(x[torch.arange(5), lengths + step], state)
    _ensure(
        bool((logits - torch.cat(whole)).abs().max() <= AGREEMENT),
        "token by token gives other logits than all at once",
    )
    first, second = (
        model.prefill(x[rows][:, :4], torch.ones(len(rows), 4).bool(), _row(cond, rows))[1]
        for rows in ([0, 1], [2, 3, 4])
    )
    straight = model.step(x[:, 4], model.prefill(x[:, :4], torch.ones(5, 4).bool(), cond)[1])[0]
    joined = model.step(x[:, 4], first.join(second))[0]
    _ensure(bool((joined - straight).abs().max() <= AGREEMENT), "joined rows give other logits")
    state = model.prefill(x[:, :4], torch.ones(5, 4).bool(), cond)[1].take(torch.tensor([3, 1]))
    taken = model.step(x[[3, 1], 4], state)[0]
    _ensure(
        bool((taken - straight[[3, 1]]).abs().max() <= AGREEMENT), "taken rows give other logits"
    )


def infills(case: FamilyCase) -> None:
    """Kept entries come back as they were; the rest is a function of the generators. A family may
    lack the ability in some of its settings.
    """
    model: Any = case.build().eval()
    if "infills" not in abilities_of(model):
        return
    batch = case.batch(4)
    keep = torch.rand(batch.x.shape, generator=generator("keep")) < 0.5
    keep[:, 0] |= isinstance(case.spec, Tokens)
    try:
        filled, again = (
            model.infill(batch.x, keep, generators(1, 0, 4), batch.cond) for _ in range(2)
        )
    except AbilityError:
        return
    _ensure(
        filled.shape == batch.x.shape and torch.equal(filled[keep], batch.x[keep]),
        "kept entries were changed",
    )
    _ensure(torch.equal(filled, again), "the same generators gave other values")


def predicts(case: FamilyCase) -> None:
    """A distribution over tokens, which what stands at the place has no part in. A family may lack
    the ability in some of its settings.
    """
    model: Any = case.build().eval()
    if "predicts" not in abilities_of(model):
        return
    batch = case.batch(4)
    other = batch.x.clone()
    other[:, 2] = (other[:, 2] + 1) % case.spec.vocab  # type: ignore[union-attr]
    try:
        one, two = (model.predict(x, 2, batch.cond) for x in (batch.x, other))
    except AbilityError:
        return
    _ensure(
        bool((one.exp().sum(1) - 1).abs().max() <= AGREEMENT), "the probabilities do not sum to 1"
    )
    _ensure(bool((one - two).abs().max() <= AGREEMENT), "the predicted token was looked at")


def restores(case: FamilyCase) -> None:
    """What is restored agrees with what is known, as a function of the generators; nothing is taken
    from data without noise, and each row has its own noise. A family may lack either in some of its
    settings.
    """
    model: Any = case.build().eval()
    if "restores" not in abilities_of(model):
        return
    batch = case.batch(4)
    keep = torch.rand(batch.x.shape, generator=generator("keep")) < 0.5

    def consistent(x: Tensor) -> Tensor:
        return torch.where(keep, batch.x, x)

    able = False
    with suppress(AbilityError):
        found, again = (
            model.restore(consistent, generators(1, 0, 4), batch.cond) for _ in range(2)
        )
        _ensure(torch.equal(found, consistent(found)), "the result disagrees with what is known")
        _ensure(torch.equal(found, again), "the same generators gave other values")
        able = True
    levels = torch.tensor([0.0, 0.1, 0.5, 1.0])
    with suppress(AbilityError):
        clean = model.denoise(batch.x, levels, batch.cond)
        alone = model.denoise(
            batch.x[2:3], levels[2:3], {name: value[2:3] for name, value in batch.cond.items()}
        )
        _ensure(clean.shape == batch.x.shape, f"denoise gives {tuple(clean.shape)}")
        _ensure(
            bool((clean[0] - batch.x[0]).abs().max() <= AGREEMENT),
            "data without noise were changed",
        )
        _ensure(
            bool((clean[2:3] - alone).abs().max() <= AGREEMENT), "a row depends on the other rows"
        )
        able = True
    _ensure(able, "neither restore nor denoise does anything")


def attends(case: FamilyCase) -> None:
    """Maps of each layer: every row a distribution over its own column and earlier ones, whatever
    comes later or stands in other rows.
    """
    model: Any = case.build().eval()
    if "attends" not in abilities_of(model):
        return
    x = case.batch(3).x[:, :6].clone()
    x[:, 0] = case.spec.begin
    maps, alone, shorter = model.attention(x), model.attention(x[1:2]), model.attention(x[:, :4])
    _ensure(len(maps) > 0, "there is no layer")
    for layer, whole in enumerate(maps):
        _ensure(
            whole.ndim == 4 and (len(whole), *whole.shape[2:]) == (3, 6, 6),
            f"layer {layer}: shape {tuple(whole.shape)}",
        )
        _ensure(
            whole.dtype == torch.float32 and bool((whole >= 0).all()),
            f"layer {layer}: {whole.dtype}, from {float(whole.min())}",
        )
        _ensure(
            bool(((whole.sum(-1) - 1).abs() <= AGREEMENT).all()),
            f"layer {layer}: a row does not sum to one",
        )
        _ensure(bool((whole.triu(1) == 0).all()), f"layer {layer}: a token looks ahead")
        _ensure(
            bool((whole[1:2] - alone[layer]).abs().max() <= AGREEMENT),
            f"layer {layer}: a map depends on the other rows",
        )
        _ensure(
            bool((whole[:, :, :4, :4] - shorter[layer]).abs().max() <= AGREEMENT),
            f"layer {layer}: a map depends on later tokens",
        )


def refuses_wrong_shapes(case: FamilyCase) -> None:
    """A batch of another shape raises SpecError in every phase, not whatever torch happens to
    raise.
    """
    model = case.build()
    shape, dtype = _form(case.spec)
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
        _ensure(False, f"phase '{phase.name}' took a batch of the wrong shape")


FAMILY_CHECKS: dict[str, Callable[[FamilyCase], None]] = {
    "finite loss": finite_loss,
    "noise is ambient only": noise_is_ambient_only,
    "phases move their own": phases_move_their_own,
    "overfits one batch": overfits_one_batch,
    "resumes bit-exactly": resumes_bit_exactly,
    "saves and loads": saves_and_loads,
    "has its abilities": has_its_abilities,
    "samples": samples,
    "encodes": encodes,
    "scores": scores,
    "decodes": decodes,
    "infills": infills,
    "predicts": predicts,
    "restores": restores,
    "attends": attends,
    "has graphs": has_graphs,
    "refuses wrong shapes": refuses_wrong_shapes,
}


def _form(spec: Dense | Tokens) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape of one item or full row, and the dtype that models see."""
    return (
        ((spec.length + 1,), torch.int64)
        if isinstance(spec, Tokens)
        else (spec.shape, torch.float32)
    )


def _row(cond: dict[str, Tensor], rows: int | list[int]) -> dict[str, Tensor]:
    return {name: value[[rows] if isinstance(rows, int) else rows] for name, value in cond.items()}


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


def _conditions(case: FamilyCase, rows: int) -> dict[str, Tensor]:
    return case.batch(rows).cond


def _constructible(case: FamilyCase) -> bool:
    try:
        case.build()
    except CastaliaError:
        return False
    return True


def _same_weights(one: Family, other: Family, when: str) -> None:
    mine, theirs = one.state_dict(), other.state_dict()
    _ensure(list(mine) == list(theirs), f"{when}: the state's names differ")
    for name, value in mine.items():
        _ensure(torch.equal(value, theirs[name]), f"{when}: '{name}' differs")


def _ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
