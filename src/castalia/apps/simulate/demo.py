"""castalia demo simulate: made patients, a model of them, and a trial of a diet that never was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from castalia import atomic
from castalia.cli.console import echo
from castalia.sentences import say

PATIENTS, SEED = 800, 11
EXPERIMENT = """title: Less salt
table: made-patients.csv
settings: {training.steps: 250, training.epochs: 90, family.width: 48, codec.bins: 40}
seed: 1
cases: 60
given: {diagnosis: hypertension}
rules: [30 <= age <= 80, diastolic <= systolic]
arms:
  usual diet: {}
  less salt:
    effects:
      systolic: {add: -6, sd: 3}
course:
  times: [0, 4, 8, 12]
  unit: weeks
  columns:
    systolic: {change: -0.1, spread: 0.2, sd: 4}
compare: {column: systolic, between: [usual diet, less salt]}
"""


def demo(folder: Path) -> Path:
    """The page of a simulated trial."""
    from castalia.apps.simulate.simulating import simulate

    atomic.write(folder / "made-patients.csv", made_patients(PATIENTS, SEED))
    atomic.write(folder / "experiment.yaml", EXPERIMENT)
    echo(say("{0} made patients, and an experiment in experiment.yaml", PATIENTS))
    return simulate(folder / "experiment.yaml", out=folder).write(folder)


def made_patients(count: int, seed: int) -> str:
    """A CSV of patients that nobody was."""
    rng = np.random.default_rng(seed)
    rows = ["age,sex,diagnosis,systolic,diastolic,weight\n"]
    for _ in range(count):
        age = int(rng.integers(25, 86))
        female, ill = rng.random() < 0.52, rng.random() < 0.15 + 0.006 * (age - 25)
        systolic = 108 + 0.3 * (age - 25) + 22 * ill + 9 * rng.standard_normal()
        diastolic = 45 + 0.27 * systolic + 5 * rng.standard_normal()
        weight = (66 if female else 80) + 5 * ill + 11 * rng.standard_normal()
        rows.append(
            f"{age},{'F' if female else 'M'},{'hypertension' if ill else 'none'},"
            f"{systolic:.0f},{diastolic:.0f},{weight:.1f}\n"
        )
    return "".join(rows)
