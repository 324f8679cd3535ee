"""Match names of files with names in tables, whatever their Unicode form (a Mac writes "é" as two
characters), slashes and folder.

Files and rows of a table meet where both are sure: a name that could mean two files, or two rows,
means none, and is counted.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from castalia.language import say
from castalia.omissions import Omission


def seen(name: str) -> str:
    """A path in Unicode's composed form (NFC), with forward slashes and without "." as a folder."""
    return str(PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))))


def folded(name: str) -> str:
    """`seen`, capital letters as small ones."""
    return unicodedata.normalize("NFC", seen(name).casefold())


@dataclass
class Matched:
    """row: of each file, the place of its row; None without one. doubtful: files that several rows
    may mean, or whose row may mean several files. by_case: files matched only because capital
    letters do not count. spare: places of rows that mean no file.
    """

    row: list[int | None]
    doubtful: set[int] = field(default_factory=set)
    by_case: set[int] = field(default_factory=set)
    spare: list[int] = field(default_factory=list)

    def omissions(self, files: Sequence[str], rows: Sequence[str]) -> Iterator[Omission]:
        """Files and rows without a match, counted."""
        bare = [
            file for file, row in enumerate(self.row) if row is None and file not in self.doubtful
        ]
        if bare:
            remedy = say("give each a row, or leave the column out of the recipe")
            yield Omission(
                say("files without a row in the table"), len(bare), files[bare[0]], remedy
            )
        if self.doubtful:
            remedy = say("write names with their folders in the table, such as a/p0.png")
            what = say("files without a row, since names in the table may mean several")
            yield Omission(what, len(self.doubtful), files[min(self.doubtful)], remedy)
        if self.spare:
            remedy = say("names in the table are relative to the data folder")
            yield Omission(
                say("rows of the table without a file"),
                len(self.spare),
                rows[self.spare[0]],
                remedy,
            )


def matched(files: Sequence[str], rows: Sequence[str]) -> Matched:
    """The row of each file, all names different: the one of its name, else the one whose name ends
    like the file's path or the other way round.
    """
    match = Matched([None] * len(files))
    left_rows, left_files = dict.fromkeys(range(len(rows))), dict.fromkeys(range(len(files)))
    wanted: set[int] = set()  # rows that doubtful files may have
    for key in (str, seen, folded):
        for loose in (False, True) if key is not str else (False,):
            pairs = _pairs(files, rows, left_files, left_rows, key, loose)
            of_file, of_row = Counter(file for file, _ in pairs), Counter(row for _, row in pairs)
            for file, row in pairs:
                if of_file[file] == of_row[row] == 1:
                    match.row[file] = row
                    del left_rows[row]
                    if key is folded:
                        match.by_case.add(file)
                else:
                    match.doubtful.add(file)
                    wanted.add(row)
                left_files.pop(file, None)
    match.spare = [row for row in left_rows if row not in wanted]
    return match


def _pairs(
    files: Sequence[str],
    rows: Sequence[str],
    left_files: Iterable[int],
    left_rows: Iterable[int],
    key: Callable[[str], str],
    loose: bool,
) -> list[tuple[int, int]]:
    """(file, row) of equal names; loose: also where one is the end of the other's path."""
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    ends_of: defaultdict[str, list[int]] = defaultdict(list)
    for row in left_rows:
        name = key(rows[row])
        rows_of[name].append(row)
        for end in _ends(name) if loose else ():
            ends_of[end].append(row)
    pairs = []
    for file in left_files:
        name = key(files[file])
        candidates = [*rows_of.get(name, ()), *ends_of.get(name, ())]
        for end in _ends(name) if loose else ():
            candidates += rows_of.get(end, ())
        pairs += [(file, row) for row in dict.fromkeys(candidates)]
    return pairs


def _ends(name: str) -> list[str]:
    """ "b/c" and "c" of "a/b/c"."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts)) if parts[start]]


def listed(folder: Path, line: str) -> Path | None:
    """The file that a list or a table in `folder` names, if there is one; folders may be parted by
    "\\".
    """
    return there(folder / Path(line).expanduser()) or there(
        folder / Path(line.replace("\\", "/")).expanduser()
    )


def there(path: Path) -> Path | None:
    """The file that a path means, if there is one: as it is written, else the only one whose
    normalised name is equal.
    """
    try:
        if path.is_file():
            return path
        folder = path.parent if path.parent.is_dir() else _folder(path.parent)
        same = (
            [one for one in folder.iterdir() if seen(one.name) == seen(path.name)]
            if folder is not None
            else []
        )
    except (OSError, ValueError):
        return None
    return same[0] if len(same) == 1 and same[0].is_file() else None


def _folder(path: Path) -> Path | None:
    """A folder under another form of its name."""
    if path.is_dir() or path == path.parent:
        return path if path.is_dir() else None
    above = _folder(path.parent)
    same = (
        [one for one in above.iterdir() if seen(one.name) == seen(path.name) and one.is_dir()]
        if above is not None
        else []
    )
    return same[0] if len(same) == 1 else None


def alike(names: Iterable[str]) -> dict[str, str]:
    """Of names that look the same, each as their composed form; the others are not in it."""
    forms: defaultdict[str, set[str]] = defaultdict(set)
    for name in set(names):
        forms[unicodedata.normalize("NFC", name)].add(name)
    return {
        name: composed
        for composed, written in forms.items()
        if len(written) > 1
        for name in written
    }


def differing_in_case(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ in capital letters alone."""
    forms: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        forms[unicodedata.normalize("NFC", name).casefold()].add(name)
    return [sorted(group) for group in forms.values() if len(group) > 1]
