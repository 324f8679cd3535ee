"""A minute of training on a table: is what is drawn like the data, and of use?

    python benchmarks/table_race.py adult.csv [--seconds 60] [--recipes NAME ...]
    python benchmarks/table_race.py bank.csv --name bank --target y
    python benchmarks/table_race.py adult.csv --peers argn=PEER/bin/python ... [--seconds 60]
        # adds what is missing to benchmarks/results/table_race.json

Nine tenths of the rows (pandas `sample(frac=0.9, random_state=0)`) are trained on; as many are
drawn. Scored as in the field: SDMetrics' column shapes and pair trends (castalia's own, which are
checked against SDMetrics' figures), the AUC
of gradient boosting (scikit-learn) that tells drawn from real rows in cross-validation, the AUC of
gradient boosting on the held-out tenth when trained on drawn rows against real ones, and exact
copies among drawn rows against those among held-out ones. Beside it: independent columns and rows
drawn again from the training rows, and other people's models (peers/table_peers.py), each from an
environment of its own; those that know no limit of time take what they take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import OrdinalEncoder

import castalia
from castalia.modalities.table.metrics.fidelity import shapes, trends
from castalia.modalities.table.metrics.frame import Frame
from castalia.run import Run
from castalia.sampling.generate import collected, generate, request_of
from machine import RESULTS, write_result

PATH = RESULTS / "table_race.json"
PEERS = Path(__file__).parent / "peers" / "table_peers.py"
RECIPES = ("table/ar", "table/vae", "table/flow", "table/gan")


def frames(real: pd.DataFrame, drawn: pd.DataFrame) -> tuple[Frame, Frame]:
    """Both tables as columns of numbers and codes."""
    ordered = np.array([pd.api.types.is_numeric_dtype(real[name]) for name in real.columns])
    values: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for name, numeric in zip(real.columns, ordered, strict=True):
        both = pd.concat([real[name], drawn[name]])
        codes = both.to_numpy(float) if numeric else pd.factorize(both.astype(str))[0].astype(float)
        values[0].append(codes[: len(real)])
        values[1].append(codes[len(real) :])
    names = tuple(real.columns)
    return Frame(np.stack(values[0], 1), names, ordered), Frame(
        np.stack(values[1], 1), names, ordered
    )


def boosted(columns: list[str], categories: list[str]) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        categorical_features=[name in categories for name in columns], random_state=0
    )


def scored(
    train: pd.DataFrame, test: pd.DataFrame, drawn: pd.DataFrame, target: str
) -> dict[str, float]:
    """All scores of drawn rows."""
    drawn = drawn[train.columns]
    categories = [name for name in train.columns if not pd.api.types.is_numeric_dtype(train[name])]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=250,
    ).fit(train[categories].astype(str))

    def numbers(frame: pd.DataFrame) -> pd.DataFrame:
        made = frame.copy()
        made[categories] = encoder.transform(frame[categories].astype(str))
        return made.astype(float)

    tables = {"train": numbers(train), "test": numbers(test), "drawn": numbers(drawn)}
    both = pd.concat([tables["train"], tables["drawn"]])
    sides = np.repeat([0, 1], [len(train), len(drawn)])
    order = np.random.default_rng(0).permutation(len(both))
    guess = cross_val_predict(
        boosted(list(train.columns), categories),
        both.iloc[order],
        sides[order],
        cv=5,
        method="predict_proba",
    )[:, 1]
    inputs = [name for name in train.columns if name != target]
    utility = {}
    for side in ("train", "drawn"):
        model = boosted(inputs, categories)
        model.fit(tables[side][inputs], tables[side][target].round())
        utility[side] = roc_auc_score(
            tables["test"][target], model.predict_proba(tables["test"][inputs])[:, 1]
        )
    known = set(map(tuple, train.astype(str).to_numpy()))
    one, other = frames(train, drawn)
    shape, trend = float(shapes(other, one).mean()), float(np.nanmean(trends(other, one)))
    return {
        "shapes": shape,
        "pairs": trend,
        "quality": (shape + trend) / 2,
        "two_sample_auc": float(roc_auc_score(sides[order], guess)),
        "utility_auc": float(utility["drawn"]),
        "utility_auc_of_real": float(utility["train"]),
        "copies": float(
            np.mean([row in known for row in map(tuple, drawn.astype(str).to_numpy())])
        ),
        "copies_of_held_out": float(
            np.mean([row in known for row in map(tuple, test.astype(str).to_numpy())])
        ),
    }


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("data", type=Path)
    words.add_argument("--target", default="income")
    words.add_argument("--name", default="adult", help="of the data, in the results")
    words.add_argument("--recipes", nargs="+", default=list(RECIPES))
    words.add_argument("--peers", nargs="+", default=[], metavar="NAME=PYTHON")
    words.add_argument("--seconds", type=float, default=60)
    words.add_argument("--threads", type=int, default=2)
    given = words.parse_args()
    torch.set_num_threads(given.threads)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    whole = pd.read_csv(given.data)
    train = whole.sample(frac=0.9, random_state=0)
    test = whole.drop(train.index)
    peers = dict(one.split("=", 1) for one in given.peers)
    for recipe in [*given.recipes, *peers]:
        key = {"data": given.name, "recipe": recipe, "seconds": given.seconds}
        if any(key.items() <= row.items() for row in rows):
            continue
        row: dict[str, Any] = {**key, "threads": given.threads, "rows": len(train)}
        if recipe in peers:
            table, facts = drawn_by_peer(recipe, peers[recipe], train, given)
        else:
            table, facts = drawn_by(recipe, train, given.seconds)
        row |= {**facts, "scores": scored(train, test, table, given.target)}
        if not any(given.name == one["data"] and "rows_again" in one for one in rows):
            rng = np.random.default_rng(0)
            apart = pd.DataFrame({name: rng.permutation(train[name]) for name in train.columns})
            again = train.sample(len(train), replace=True, random_state=1)
            row["independent_columns"] = scored(train, test, apart, given.target)
            row["rows_again"] = scored(train, test, again, given.target)
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        write_result("table_race", {"rows": rows}, seeds=[0])


def drawn_by(
    recipe: str, train: pd.DataFrame, seconds: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """As many rows as were trained on, after so many seconds of training; steps and times."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "train.csv"
        train.to_csv(source, index=False)
        begun = time.perf_counter()
        run: Run = castalia.train(
            recipe,
            str(source),
            out=Path(folder) / "run",
            overrides=[
                f"training.minutes={seconds / 60}",
                "training.steps=20000",
                "data.validation=0.02",
                "training.sample_every=0",
            ],
            progress=False,
        )
        trained = round(time.perf_counter() - begun, 1)
        begun = time.perf_counter()
        request = request_of(run, len(train), 0)
        together = collected(run.codec, list(generate(run, request)), request.batch)
        run.codec.write(together.item, Path(folder) / "drawn.csv")
        facts = {
            "steps": run.last_step,
            "wall_seconds_of_training": trained,
            "seconds_of_sampling": round(time.perf_counter() - begun, 1),
        }
        return pd.read_csv(Path(folder) / "drawn.csv"), facts


def drawn_by_peer(
    name: str, python: str, train: pd.DataFrame, given: argparse.Namespace
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The same by a model of others, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("train.csv", "drawn.csv", "facts.json")]
        train.to_csv(files[0], index=False)
        threads = {"OMP_NUM_THREADS": str(given.threads)}
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run(
            [python, str(PEERS), name, *files, "--seconds", str(given.seconds)],
            check=True,
            env=environment | threads,
        )
        facts = json.loads(Path(files[2]).read_text("utf-8"))
        return pd.read_csv(files[1]), facts


if __name__ == "__main__":
    main()
