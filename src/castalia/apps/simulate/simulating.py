"""`castalia.simulate`: the cases of an experiment, drawn and declared, and what they can show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from castalia import atomic, bounded
from castalia.apps.simulate import effects
from castalia.apps.simulate.cases import Model, Row, matching
from castalia.apps.simulate.document import document, summary, write
from castalia.apps.simulate.effects import Made
from castalia.apps.simulate.experiment import Sheet, read
from castalia.apps.simulate.page import page
from castalia.apps.simulate.power import (
    Found,
    Power,
    cases_needed,
    compared,
    exact_power,
    pooled_spread,
    share_found,
)
from castalia.apps.simulate.rules import is_number, rules_of
from castalia.apps.simulate.simulation import LABEL, Group, Simulation
from castalia.errors import DataError, RecipeError, RunError
from castalia.evaluation.base import wilson
from castalia.language import current
from castalia.progress import stage
from castalia.progress.views import shown
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from castalia.run import Run

ADDED = (LABEL, "case", "arm", "time")
ASKED = "run-as-asked.yaml"
MOST_ROWS = 300_000
POOL = 2000  # cases that experiments are drawn from, where arms are smaller
UNLIKE_SHARE = 0.2  # between the shares of the most frequent real value
UNLIKE = 0.25  # standard deviations between a drawn and a real mean, from which it is said
EXPERIMENTS_AT_ONCE = 2_000_000  # values of experiments in memory


class Simulated(Simulation):
    """A Simulation that can be shown and written."""

    def document(self) -> dict[str, Any]:
        """JSON."""
        return document(self)

    def page(self, language: str = "en") -> str:
        """HTML."""
        return page(self, language)

    def write(self, folder: Path, language: str | None = None, *, answer_key: bool = False) -> Path:
        """simulated.csv with its manifest, the page and the answer key; the page. answer_key: what
        gives the answers away lies in a folder of its own.
        """
        return write(self, folder, self.page(language or current()), answer_key=answer_key)


def simulate(
    experiment: str | os.PathLike[str] | Sheet,
    *,
    run: str | os.PathLike[str] | Run | None = None,
    cases: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Simulated:
    """The experiment of a YAML file (experiment.py). run, cases, seed: in place of those in the
    file. out: a folder in which a run is trained, for an experiment that names a table alone; a
    run that is there and was trained alike is used again.

    Raises RecipeError for an experiment that cannot be, naming key and line; DataError where no
    real row meets the conditions of an arm; errors of the run.

    >>> castalia.simulate("experiment.yaml").write(Path("simulated"))
    """
    sheet = experiment if isinstance(experiment, Sheet) else read(Path(experiment))
    sheet = _changed(sheet, cases, seed)
    beside = Path() if isinstance(experiment, Sheet) else Path(experiment).parent
    with shown(progress):
        model = Model(_run(sheet, run, beside, None if out is None else Path(out)))
        return _simulated(sheet, model, beside)


def _changed(sheet: Sheet, cases: int | None, seed: int | None) -> Sheet:
    changes: dict[str, Any] = {
        name: value for name, value in (("cases", cases), ("seed", seed)) if value is not None
    }
    if cases is not None:
        arms = sheet.experiment.arms.items()
        changes["arms"] = {name: arm.model_copy(update={"cases": None}) for name, arm in arms}
    if not changes:
        return sheet
    if cases is not None and not 2 <= cases <= 100_000:
        raise RecipeError(
            say("the number of cases is out of range"), f"--cases {cases}", say("2 to 100,000")
        )
    if seed is not None and seed < 0:
        raise RecipeError(say("a seed is not negative"), f"--seed {seed}", say("such as 0"))
    return Sheet(sheet.experiment.model_copy(update=changes), sheet.lines, sheet.where)


def _run(
    sheet: Sheet, run: str | os.PathLike[str] | Run | None, beside: Path, out: Path | None
) -> Run:
    from castalia.run import Run

    experiment = sheet.experiment
    if isinstance(run, Run):
        return run
    if run is not None:
        return Run.open(run)
    if experiment.run is not None:
        own = beside / experiment.run
        return Run.open(own if (own / "run.json").is_file() else experiment.run)
    from castalia.training.plan import plan_of
    from castalia.training.setup import open_data
    from castalia.verbs.train import train

    settings = {"training.sample_every": 0, **experiment.settings}
    plan = plan_of(experiment.recipe, str(_table(sheet, beside)), settings)
    if out is None:
        return train(plan)
    folder, asked = out / "run", out / ASKED
    if not (folder / "run.json").is_file():
        made = train(plan, out=folder)
        # the run's own recipe has what became of it: of few rows, fewer steps
        atomic.write(asked, plan.to_yaml())
        return made
    known = Run.open(folder)
    if not asked.is_file() or bounded.read_text(asked, "yaml_bytes") != plan.to_yaml():
        raise RunError(
            say("the run in this folder was trained in another way"),
            folder,
            say("choose another --out, or remove the run"),
        )
    open_data(known)  # raises where the table is no longer what it was
    return known


def _table(sheet: Sheet, beside: Path) -> Path | str:
    """The table of an experiment: built-in data, a file beside the experiment, or one from here."""
    name = sheet.experiment.table or ""
    if name.startswith("builtin/"):
        return name
    return beside / name if (beside / name).is_file() else Path(name)


def _simulated(sheet: Sheet, model: Model, beside: Path) -> Simulated:
    experiment, names = sheet.experiment, model.names
    for name in ADDED[: 4 if experiment.course else 3]:
        if name in names:
            raise DataError(
                say("the table has a column '{0}', which simulated files add themselves", name),
                sheet.where,
                say("rename it in the table, and train again"),
            )
    times = len(experiment.course.times) if experiment.course else 1
    total = times * sum(sheet.cases(arm) for arm in experiment.arms)
    if total > MOST_ROWS:
        raise sheet.error(
            say("{0:,} rows would be simulated", total),
            ("cases",),
            say("{0:,} at most: fewer cases, arms or times", MOST_ROWS),
        )
    for arm in experiment.arms:
        model.check(sheet, arm)
    kept = {arm: rules_of(sheet, arm, names) for arm in experiment.arms}
    real = _real_rows(sheet, model, beside)
    notes: list[str] = []
    if real is None:
        notes.append(
            say("No table was given, so nothing real is shown beside what was drawn: table: FILE")
        )
    effects.check(sheet, model.probe, names)
    groups = []
    for number, (arm, declared) in enumerate(experiment.arms.items()):
        met = None if real is None else matching(real, sheet.given(arm), kept[arm])
        _seen(sheet, arm, met, notes)
        drawn = model.draw(
            sheet, arm, kept[arm], _seed(experiment.seed, number, 0), sheet.cases(arm)
        )
        made = effects.made(
            drawn.rows,
            declared,
            experiment.course,
            kept[arm],
            np.random.default_rng((experiment.seed, number, 1)),
        )
        groups.append(Group(arm, sheet.given(arm), kept[arm], drawn, made, met))
        _tell(groups[-1], notes)
        _unlike(groups[-1], notes)
    comparison, power = _compare(sheet, model, groups, notes)
    origin = model.gate.origin
    return Simulated(
        sheet,
        names,
        groups,
        comparison,
        power,
        tuple(notes),
        {"run": origin.run, "model": origin.model, "data": origin.data, "recipe": origin.recipe},
        model,
    )


def _seed(seed: int, number: int, what: int) -> int:
    """Of the cases of an arm: arms of one experiment are drawn independently."""
    return int(np.random.SeedSequence((seed, number, what)).generate_state(1, np.uint64)[0] >> 1)


def _real_rows(sheet: Sheet, model: Model, beside: Path) -> list[Row] | None:
    if sheet.experiment.table is None:
        return None
    path = _table(sheet, beside)
    if isinstance(path, str):
        from castalia.data import builtin

        folder = builtin.path(path.removeprefix("builtin/"))
        path = next(one for one in sorted(folder.rglob("*")) if model.codec.claims(one.name))
    return model.real(path)


def _seen(sheet: Sheet, arm: str, met: Sequence[Row] | None, notes: list[str]) -> None:
    if met is None or len(met) >= 20:
        return
    if not met and not sheet.experiment.unseen:
        raise DataError(
            say("no row of the table meets the conditions of the arm '{0}'", arm),
            sheet.place(*sheet.arm_key(arm, "given")),
            say("loosen them; unseen: true draws what the model makes of it all the same"),
        )
    notes.append(
        plural(
            "Only {0} real row meets the conditions of '{1}': what is drawn is mostly a guess.",
            "Only {0} real rows meet the conditions of '{1}': what is drawn is mostly a guess.",
            len(met),
            arm,
        )
    )


def _tell(group: Group, notes: list[str]) -> None:
    drawn, made = group.drawn, group.made
    if drawn.tried > 1.5 * len(drawn.rows) + 64 and drawn.broken:
        notes.append(
            say(
                "{0}: {1:,} cases were drawn to keep {2:,}; the rules refused the others.",
                group.name,
                drawn.tried,
                len(drawn.rows),
            )
        )
    for text, count in made.moved.items():
        notes.append(
            say(
                "{0}: in {1:,} rows a value was moved, because what was declared broke '{2}'.",
                group.name,
                count,
                text,
            )
        )
    for text, count in made.broken.items():
        notes.append(
            say(
                "{0}: {1:,} rows break '{2}' all the same, because of what was declared.",
                group.name,
                count,
                text,
            )
        )
    for name, count in made.empty.items():
        notes.append(
            say(
                "{0}: {1:,} cells of '{2}' are empty, so what was declared of it is not in them.",
                group.name,
                count,
                name,
            )
        )


def _unlike(group: Group, notes: list[str]) -> None:
    """Says where drawn cases differ from real rows of the same conditions."""
    for name in group.drawn.rows[0]:
        real, drawn = summary(group.real or (), name), summary(group.drawn.rows, name)
        shares = [one.get("shares", {}) if one else {} for one in (real, drawn)]
        value = next(iter(shares[0]), None)
        if value is None or min(one["n"] for one in (real, drawn) if one) < 20:
            continue
        if abs(shares[0][value] - shares[1].get(value, 0.0)) > UNLIKE_SHARE:
            notes.append(
                say(
                    "{0}: '{1}' is '{2}' in {3:.0%} of the drawn cases, and in {4:.0%} of the real "
                    "rows. The model has not learned this group well.",
                    group.name,
                    name,
                    value,
                    shares[1].get(value, 0.0),
                    shares[0][value],
                )
            )
    for name in group.drawn.rows[0]:
        real, drawn = (
            np.array([float(row[name]) for row in rows if is_number(row.get(name))])
            for rows in (group.real or (), group.drawn.rows)
        )
        if min(len(real), len(drawn)) < 20 or not real.std() > 0:
            continue
        error = np.sqrt(real.var() / len(real) + drawn.var() / len(drawn))
        difference = float(drawn.mean() - real.mean())
        if abs(difference) > max(UNLIKE * real.std(), 3 * error):
            notes.append(
                say(
                    "{0}: the drawn mean of '{1}' is {2:.4g}, the real one {3:.4g}. The model has "
                    "not learned this group well.",
                    group.name,
                    name,
                    drawn.mean(),
                    real.mean(),
                )
            )


def last_values(made: Made, name: str, times: int) -> np.ndarray:
    """(n,) of a column at the last time, empty cells left out."""
    rows = made.rows[times - 1 :: times]
    return np.array([float(row[name]) for row in rows if is_number(row.get(name))])


def _compare(
    sheet: Sheet, model: Model, groups: Sequence[Group], notes: list[str]
) -> tuple[Found | None, Power | None]:
    compare, course = sheet.experiment.compare, sheet.experiment.course
    if compare is None:
        return None, None
    times = len(course.times) if course else 1
    chosen = [next(one for one in groups if one.name == arm) for arm in compare.between]
    one, other = (last_values(group.made, compare.column, times) for group in chosen)
    if min(len(one), len(other)) < 2:
        raise sheet.error(
            say("fewer than two cases have a value of '{0}'", compare.column),
            ("compare", "column"),
            say("more cases, or another column"),
        )
    pools = [_pool(sheet, model, group, compare.column, times) for group in chosen]
    spread = pooled_spread(*pools)
    difference = float(pools[1].mean() - pools[0].mean())
    sizes = len(one), len(other)
    found = _experiments(pools, sizes, compare.level, compare.experiments, sheet.experiment.seed)
    size = difference / spread if spread > 0 else 0.0
    if not spread > 0:
        notes.append(say("'{0}' does not vary, so there is nothing to find", compare.column))
        return compared(one, other, compare.level), None
    return compared(one, other, compare.level), Power(
        found,
        *wilson(found, compare.experiments),
        compare.experiments,
        exact_power(size, *sizes, compare.level),
        size,
        cases_needed(size, compare.level),
    )


def _pool(sheet: Sheet, model: Model, group: Group, name: str, times: int) -> np.ndarray:
    """Values of many cases of an arm, anew: those of the experiment are one draw of few."""
    experiment = sheet.experiment
    number = list(experiment.arms).index(group.name)
    count = max(POOL, len(group.drawn.rows))
    drawn = model.draw(sheet, group.name, group.rules, _seed(experiment.seed, number, 2), count)
    made = effects.made(
        drawn.rows,
        experiment.arms[group.name],
        experiment.course,
        group.rules,
        np.random.default_rng((experiment.seed, number, 3)),
    )
    return last_values(made, name, times)


def _experiments(
    pools: Sequence[np.ndarray], sizes: tuple[int, int], level: float, count: int, seed: int
) -> float:
    """Share of experiments, drawn with replacement from pools of cases, that find a difference."""
    rng, found, done = np.random.default_rng((seed, 5)), 0.0, 0
    with stage("repeating the experiment", count, "items") as work:
        while done < count:
            size = min(count - done, max(1, EXPERIMENTS_AT_ONCE // sum(sizes)))
            one, other = (
                pool[rng.integers(0, len(pool), (size, n))]
                for pool, n in zip(pools, sizes, strict=True)
            )
            found += size * share_found(one, other, level)
            done += size
            work.advance(size)
    return found / count
