"""Resolve data.source to files: a built-in set, a folder, a file, an archive, a pattern
(photos/*.png, photos/**/*.jpg), or several of these.

Several places are read as if they lay in one folder, the deepest that holds them all, in the order
of their names; one that is given twice counts once. A pattern and what a shell makes of it are the
same. `~` is the user's folder everywhere. An archive is a folder of its own (data/archives.py).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from castalia.data import archives, builtin
from castalia.errors import DataError
from castalia.omissions import Omissions
from castalia.sentences import say

Source = str | tuple[str, ...]
Given = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
LOOP, NOWHERE = (
    say("the folder was read already under another name"),
    say("the link leads nowhere"),
)  # why `walk` leaves out what is no fault
UNREADABLE = say("the folder cannot be read")
SPECIAL = say("it is neither a file nor a folder")
OUTSIDE = say("the link leads to a folder outside the data")
Tell = Callable[[Path, str], None]


@dataclass
class Located:
    """paths: files and folders, sorted. base: the folder that names are relative to. licence: of a
    built-in set. omitted: members of archives.
    """

    base: Path
    paths: list[Path]
    licence: str | None = None
    omitted: Omissions = field(default_factory=Omissions)
    packed: bool = (
        # the folder is what an archive held: archives in it stay packed, so that one stranger's
        # file is one bounded unpacking
        False
    )

    @property
    def file(self) -> Path | None:
        """The one file that is meant; None for folders and for several places."""
        return self.paths[0] if len(self.paths) == 1 and not self.paths[0].is_dir() else None

    def name(self, path: Path) -> str:
        """How reports call a file: relative to the base, with /."""
        return path.relative_to(self.base).as_posix()

    def walk(self, tell: Tell, follow_links: bool = False) -> Iterator[tuple[Path, str]]:
        """(file, name) of all, in order; those of an archive are named cats.zip/1.png. tell(path,
        why): what is left out; it may raise.

        Raises DataError for an archive that cannot be opened, unless `tell` takes it.
        """
        for place in self.paths:
            for path in (
                walk(place, tell, follow_links=follow_links) if place.is_dir() else iter((place,))
            ):
                if self.packed or not archives.is_archive(path.name):
                    yield path, self.name(path)
                    continue
                try:
                    inside = archives.unpacked(path)
                except DataError as error:
                    where = "" if str(error.where) == path.name else f" ({error.where})"
                    tell(path, f"{error.what}{where}")
                    continue
                self.omitted.extend(inside.omitted.listed())
                for member in walk(inside.folder, tell):
                    yield (
                        member,
                        f"{self.name(path)}/{member.relative_to(inside.folder).as_posix()}",
                    )


def plain(given: Given) -> Source:
    """A source as recipes hold it: one place as text, several as a tuple."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    places = tuple(os.fspath(place) for place in given)
    return places[0] if len(places) == 1 else places


def named(source: Source) -> str:
    """A source in a few words: the name itself, or the first of several and how many there are."""
    places = [source] if isinstance(source, str) else source
    return (
        places[0]
        if len(places) == 1
        else say("{0} and {1} more", places[0], len(places) - 1)
        if places
        else ""
    )


def located(source: Source) -> Located:
    """Where a source lies. Raises DataError when there is no such thing."""
    words = [word for word in ([source] if isinstance(source, str) else source) if word]
    known = ", ".join(f"builtin/{name}" for name in builtin.names())
    if not words:
        raise DataError(
            say("no data were given"),
            "data.source",
            say("castalia train RECIPE FOLDER, or a built-in set: {0}", known),
        )
    if any(word.startswith("builtin/") for word in words):
        if len(words) > 1:
            raise DataError(
                say("a built-in set is read alone"),
                named(words),
                say("train on one set, or copy its files"),
            )
        name = words[0].removeprefix("builtin/")
        return Located(builtin.path(name), [builtin.path(name)], builtin.licence(name))
    paths = _unique(path for word in words for path in expanded(word, known))
    if len(paths) > 1:
        return Located(
            Path(os.path.commonpath([path.parent.absolute() for path in paths])),
            [path.absolute() for path in paths],
        )
    path = paths[0]
    if archives.is_archive(path.name) and path.is_file():
        inside = archives.unpacked(path)
        return Located(
            inside.folder, [inside.folder], None, Omissions(inside.omitted.listed()), packed=True
        )
    return Located(path if path.is_dir() else path.parent, [path])


def expanded(word: str, known: str = "") -> list[Path]:
    """The path, or what a pattern matches, by name. Raises DataError where there is nothing."""
    path = Path(word).expanduser()
    try:
        if path.exists():
            return [path]
    except OSError as error:  # longer than a name can be
        raise DataError(
            say("the data cannot be looked at: {0}", error.strerror),
            word[:200],
            say("check the path"),
        ) from error
    except ValueError as error:
        raise DataError(
            say("the path holds a null character"), repr(word[:200]), say("check the path")
        ) from error
    if glob.has_magic(word):
        if paths := matches(word):
            return paths
        raise DataError(
            say("nothing has a name of this pattern"),
            word,
            say("check the pattern: photos/*.png, photos/**/*.jpg"),
        )
    raise DataError(
        say("the data do not exist"),
        word,
        say("check the path; built in: {0}", known) if known else say("check the path"),
    )


def matches(word: str) -> list[Path]:
    """What a pattern matches, by name; nothing for a word that is none."""
    pattern = str(Path(word).expanduser())
    return sorted(map(Path, glob.iglob(pattern, recursive=True))) if glob.has_magic(word) else []  # noqa: PTH207 - Path.glob takes no ~ and no /


def walk(
    folder: Path,
    tell: Tell,
    seen: set[str] | None = None,
    *,
    follow_links: bool = False,
    inside: str | None = None,
) -> Iterator[Path]:
    """Files below a folder, by name; hidden ones are left out, links to folders are followed once,
    and only where they stay below the first folder or `follow_links`. tell(path, why): what is left
    out.
    """
    seen = set() if seen is None else seen
    real = os.path.realpath(folder)
    inside = real if inside is None else inside
    if real in seen:
        tell(folder, LOOP)
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        tell(folder, f"{UNREADABLE}: {error.strerror}")
        return
    for path in entries:
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_dir():
            if (
                path.is_symlink()
                and not follow_links
                and os.path.commonpath([inside, os.path.realpath(path)]) != inside
            ):
                tell(path, OUTSIDE)
            else:
                yield from walk(path, tell, seen, follow_links=follow_links, inside=inside)
        elif path.is_file():
            yield path
        else:
            tell(path, NOWHERE if path.is_symlink() and not path.exists() else SPECIAL)


def _unique(paths: Iterator[Path]) -> list[Path]:
    """Each place once, sorted; what lies in a folder that is given, too, is left to the folder."""
    kept: dict[str, Path] = {}
    for path in sorted(set(paths), key=lambda path: path.absolute().parts):
        real = os.path.realpath(path)
        above = {str(parent) for parent in Path(real).parents}
        if real not in kept and not (above & kept.keys() and not path.is_symlink()):
            kept[real] = path
    return list(kept.values())
