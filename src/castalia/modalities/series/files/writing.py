"""Write series as long tables: id, stamp, value; CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.errors import MissingExtra
from castalia.modalities.series.series import Series

WRITTEN = (".tsv", ".parquet", ".jsonl")
Row = tuple[Any, ...]


def write(path: Path, series: Sequence[Series]) -> None:
    """One row a value; the column of ids is left out of a single series without a name."""
    named = len(series) > 1 or any(one.name for one in series)
    names = (*(["id"] if named else []), "time", "value")
    write_table(path, names, _rows(series, named))


def _rows(series: Sequence[Series], named: bool) -> Iterator[Row]:
    for one in series:
        for place, value in enumerate(one.values.tolist()):
            cell = None if math.isnan(value) else value
            yield (*([one.name] if named else []), one.stamp(place), cell)


def write_table(path: Path, names: Sequence[str], rows: Iterable[Row]) -> None:
    """Rows of cells as the ending says. Raises MissingExtra for Parquet without pyarrow."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtra("pyarrow", "parquet", path.name) from error
        columns = list(zip(*rows, strict=True)) or [() for _ in names]
        table = pyarrow.table([pyarrow.array(column) for column in columns], names=list(names))
        pyarrow.parquet.write_table(table, path)
        return
    if ending == ".jsonl":
        lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows)
        atomic.write(path, "".join(f"{line}\n" for line in lines))
        return
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if ending == ".tsv" else ",", lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    atomic.write(path, text.getvalue())


def _cell(cell: Any) -> Any:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    return cell
