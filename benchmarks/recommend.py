"""Suggestions of `castalia recommend` on two sets of events: the blend and the transformer beside
neighbours of items, popularity and implicit matrix factorisation.

    python benchmarks/recommend.py transactions.parquet ratings.csv --minutes 4
        # writes benchmarks/results/recommend.json

UCI Online Retail (Chen 2015) and MovieLens latest small (Harper & Konstan 2015), split in time as
in the app: the blend is chosen on one period, the next one is looked at once. Half of the minutes
train the transformer that is tested.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import castalia
from castalia.apps.recommend.writing import document
from machine import write_result

RETAIL = {
    "user": "CustomerID",
    "item": "StockCode",
    "time": "InvoiceDate",
    "name": "Description",
    "weight": "Quantity",
}
FILMS = {"user": "userId", "item": "movieId", "time": "timestamp", "weight": "rating"}


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("retail", type=Path)
    words.add_argument("films", type=Path)
    words.add_argument("--minutes", type=float, default=4.0)
    given = words.parse_args()
    rows: list[dict[str, Any]] = []
    for name, path, columns in (
        ("online_retail", given.retail, RETAIL),
        ("movielens_small", given.films, FILMS),
    ):
        begun = time.process_time()
        with TemporaryDirectory() as folder:
            made = castalia.recommend(
                path, **columns, minutes=given.minutes, out=folder, progress=False
            )
            run = castalia.Run.open(Path(folder) / "back-test" / "run")
            known = document(made, rows=False)
            rows.append(
                {
                    "data": name,
                    "events": known["events"],
                    "users": known["users"],
                    "items": known["items"],
                    "again": known["again"],
                    "minutes": given.minutes / 2,
                    "steps": run.last_step,
                    "cpu_seconds": round(time.process_time() - begun, 1),
                    **known["back_test"],
                }
            )
        print(json.dumps(rows[-1]), flush=True)
    write_result("recommend", {"rows": rows}, seeds=[0])


if __name__ == "__main__":
    main()
