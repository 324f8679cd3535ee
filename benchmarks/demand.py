"""Stock plans of `castalia demand` on a year of sales: is the service reached that was asked, and
at what cost beside the seasonal naive's?

    python benchmarks/demand.py transactions.parquet
        # writes benchmarks/results/demand.json

UCI Online Retail (Chen 2015), by week, lead time and review of one week each; the last fifth of the
weeks is the test, as in the app. The methods and the rules for choosing among them were worked out
on the first 34 of the 43 weeks.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import castalia
from machine import write_result

COLUMNS = {"item": "StockCode", "time": "InvoiceDate", "units": "Quantity", "name": "Description"}
SERVICES = (0.90, 0.95, 0.98)


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("data", type=Path)
    given = words.parse_args()
    rows: list[dict[str, Any]] = []
    for service in SERVICES:
        begun = time.process_time()
        plan = castalia.demand(given.data, **COLUMNS, service=service, progress=False)
        document = plan.document()
        rows.append(
            {
                "service": service,
                "items": len(plan.items),
                "periods": document["periods"],
                "cpu_seconds": round(time.process_time() - begun, 1),
                **document["back_test"],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    write_result("demand", {"rows": rows}, seeds=[0])


if __name__ == "__main__":
    main()
