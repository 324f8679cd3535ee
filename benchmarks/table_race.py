"""A minute of training on a table: is what is drawn like the data, and of use?

    python benchmarks/table_race.py adult.csv --target income --out results/table_race.json

Nine tenths of the rows (pandas `sample(frac=0.9, random_state=0)`) are trained on; as many are
drawn. Scored as in the field: SDMetrics' column shapes and pair trends (castalia's own, which are
checked against SDMetrics' figures), the AUC
of gradient boosting (scikit-learn) that tells drawn from real rows in cross-validation, the AUC of
gradient boosting on the held-out tenth when trained on drawn rows against real ones, and exact
copies among drawn rows against those among held-out ones. Beside it: independent columns and rows
drawn again from the training rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--target", default="income")
    parser.add_argument("--recipe", default="table/ar")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--baselines", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="where to put the drawn rows")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    whole = pd.read_csv(options.data)
    train = whole.sample(frac=0.9, random_state=0)
    test = whole.drop(train.index)
    result: dict[str, object] = {
        "data": options.data.name,
        "rows": len(train),
        "recipe": options.recipe,
        "seconds": options.seconds,
        "overrides": options.overrides,
        "threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "train.csv"
        train.to_csv(source, index=False)
        begun = time.perf_counter()
        run: Run = castalia.train(
            options.recipe,
            str(source),
            out=Path(folder) / "run",
            overrides=[
                f"training.minutes={options.seconds / 60}",
                "data.validation=0.02",
                "training.sample_every=0",
                *options.overrides,
            ],
            progress=False,
        )
        result["wall_seconds_of_training"] = round(time.perf_counter() - begun, 1)
        result["steps"] = run.last_step
        begun = time.perf_counter()
        request = request_of(run, len(train), 0)
        drawn = list(generate(run, request))
        together = collected(run.codec, drawn, request.batch)
        run.codec.write(together.item, Path(folder) / "drawn.csv")
        result["seconds_of_sampling"] = round(time.perf_counter() - begun, 1)
        table = pd.read_csv(Path(folder) / "drawn.csv")
    if options.keep is not None:
        table.to_csv(options.keep, index=False)
    result["castalia"] = scored(train, test, table, options.target)
    if options.baselines:
        rng = np.random.default_rng(0)
        apart = pd.DataFrame({name: rng.permutation(train[name]) for name in train.columns})
        again = train.sample(len(train), replace=True, random_state=1)
        result["independent_columns"] = scored(train, test, apart, options.target)
        result["rows_again"] = scored(train, test, again, options.target)
    print(json.dumps(result, indent=1))
    if options.out is not None:
        known = json.loads(options.out.read_text()) if options.out.exists() else []
        options.out.write_text(json.dumps([*known, result], indent=1) + "\n")


if __name__ == "__main__":
    main()
