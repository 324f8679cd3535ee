"""Other people's models of tables, as their own pages use them: the peers that
benchmarks/table_race.py compares with. Runs in an environment of the peer's own:

    PEER/bin/python benchmarks/peers/table_peers.py NAME train.csv drawn.csv facts.json
        [--seconds N]

    argn                      mostlyai-engine (TabularARGN), with a limit of time where one is given
    copula, ctgan, tvae       sdv, with its defaults; they know no limit of time

As many rows are drawn as are trained on. facts.json: seconds of training and of sampling, versions.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd


def argn(train: pd.DataFrame, seconds: float | None) -> tuple[Any, Any, str]:
    """(fit, draw, version) of TabularARGN."""
    from mostlyai.engine import TabularARGN

    limit = {} if seconds is None else {"max_training_time": seconds / 60}
    model = TabularARGN(verbose=0, **limit)
    return (
        lambda: model.fit(train),
        lambda: model.sample(n_samples=len(train)),
        f"mostlyai-engine {version('mostlyai-engine')}",
    )


def sdv(name: str, train: pd.DataFrame) -> tuple[Any, Any, str]:
    """(fit, draw, version) of one of SDV's models."""
    from sdv import single_table
    from sdv.metadata import Metadata

    kinds = {
        "copula": single_table.GaussianCopulaSynthesizer,
        "ctgan": single_table.CTGANSynthesizer,
        "tvae": single_table.TVAESynthesizer,
    }
    tables = {"table": train}
    model = kinds[name](Metadata.detect_from_dataframes(tables))
    return (
        lambda: model.fit(tables),
        lambda: model.sample(num_rows=len(train))["table"],
        f"sdv {version('sdv')}",
    )


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("name", choices=("argn", "copula", "ctgan", "tvae"))
    words.add_argument("train", type=Path)
    words.add_argument("drawn", type=Path)
    words.add_argument("facts", type=Path)
    words.add_argument("--seconds", type=float)
    given = words.parse_args()
    train = pd.read_csv(given.train)
    parts = argn(train, given.seconds) if given.name == "argn" else sdv(given.name, train)
    fit, draw, of = parts
    begun = time.perf_counter()
    fit()
    trained = time.perf_counter() - begun
    begun = time.perf_counter()
    draw().to_csv(given.drawn, index=False)
    facts = {
        "version": of,
        "wall_seconds_of_training": round(trained, 1),
        "seconds_of_sampling": round(time.perf_counter() - begun, 1),
    }
    given.facts.write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    main()
