"""Read two tables that belong together, and write them as one file.

Read: two files; a database or an archive that holds both. Written: a .zip of two files in the
dialects of the data, or a SQLite database, because two loose files could part from one another and
from their manifest; rows of entities as one table. Equal records make equal bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from castalia.data import archives
from castalia.errors import DataError, RecipeError
from castalia.modalities.table import files, text_detection
from castalia.modalities.table.related.linking import Part
from castalia.modalities.table.related.record import Record, Relation
from castalia.sentences import say

WRITTEN = (".zip", *files.WRITTEN, ".sqlite")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the time of all members, so that equal tables are equal files


def pair_of(
    path: Path, wanted: str | None, table: str | None, encoding: str | None
) -> tuple[Part, Part]:
    """The parent's table, at `path`, and the children's. wanted: the file of these, as it is named
    or beside the parent's; of a database or an archive, the name of their table. table: of a
    database, the parent's.

    Raises RecipeError where nothing is wanted, DataError where it is not there.
    """
    if wanted is None:
        raise RecipeError(
            say("nothing says where the children are"),
            where="codec.children",
            fix=say("codec.children=FILE, or codec.entity=COLUMN of this one file"),
        )
    stem = Path(wanted).stem
    if archives.is_archive(path.name):
        members = sorted(archives.unpacked(path).folder.rglob("*"))
        found = [part_of(one, encoding) for one in members if text_detection.claims(one.name)]
        theirs = [one for one in found if one.name == stem]
        ours = [one for one in found if one.name != stem]
        if len(theirs) != 1 or len(ours) != 1:
            raise DataError(
                say("the archive does not hold two tables, one of them called '{0}'", stem),
                path.name,
                say("put the two files into it"),
            )
        return ours[0], theirs[0]
    beside = next(
        (one for one in (Path(wanted).expanduser(), path.parent / wanted) if one.is_file()),
        None,
    )
    if path.name.lower().endswith(files.DATABASES) and (beside is None or beside == path):
        known = files.table_names(path)
        parent = table or next((one for one in known if one != stem), None)
        return part_of(path, encoding, parent), part_of(path, encoding, stem)
    if beside is None:
        raise DataError(
            say("there is no such file"),
            f"{path.name}: codec.children={wanted}",
            say("name the children's file, as seen from here or from beside the parent's"),
        )
    return part_of(path, encoding, table), part_of(beside, encoding)


def part_of(path: Path, encoding: str | None, table: str | None = None) -> Part:
    """One table, whole. Raises DataError for one without a row."""
    rows = list(files.read(path, encoding, table))
    if not rows:
        raise DataError(say("the table is empty"), path.name, say("add rows"))
    name = table or Path(path.name.removesuffix(".gz")).stem
    return Part(name, rows[0].header, [row.cells for row in rows])


def write(
    path: Path,
    relation: Relation,
    records: Sequence[Record],
    typed: Callable[[str], Callable[[str], Any]],
) -> None:
    """Records to one file, by its ending. typed: of a column's name, what makes of a cell the value
    that formats with types hold. Raises RecipeError for a format that holds one table only.
    """
    if relation.whole is not None:
        header = relation.whole
        joined = (row for record in records for row in record.joined())
        files.write(path, header, joined, [typed(name) for name in header.names])
        return
    tables = [
        (relation.names[0], relation.parent, [one.parent.cells for one in records]),
        (relation.names[1], relation.child, [row.cells for one in records for row in one.children]),
    ]
    match path.suffix.lower():
        case ".sqlite":
            kinds = [[typed(name) for name in header.names] for _, header, _ in tables]
            files.write_database(path, tables, kinds)
        case ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                for name, header, rows in tables:
                    ending = ".tsv" if header.dialect.delimiter == "\t" else ".csv"
                    member = zipfile.ZipInfo(name + ending, _EARLIEST)
                    member.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(member, files.lines_of(header, rows))
        case ending:
            raise RecipeError(
                say("two tables are written as one file: .zip or .sqlite"),
                where=f"--format {ending.lstrip('.')}",
                fix=say("leave it out: a .zip holds the two as CSV files"),
            )
