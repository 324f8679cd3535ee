"""Find the files of a source, by name alone. Nothing is decoded here, and no path leaves this
machine.

A source is a place or several (data/locate.py): folders (walked in name order, hidden files left
out), archives, patterns; or a file list, a metadata table, or one file that the codec reads. Files
that the codec does not claim are counted by ending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from castalia import bounded
from castalia.codecs import array_files
from castalia.codecs.base import Codec, is_file
from castalia.data import archives, metadata, unread_files
from castalia.data import file_names as names
from castalia.data.locate import (
    OUTSIDE,
    SPECIAL,
    UNREADABLE,
    Located,
    Source,
    located,
    matches,
    named,
)
from castalia.errors import DataError
from castalia.language import say
from castalia.omissions import Omission, Omissions

LIST_ENDINGS = (".txt", ".list")
_LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE")


@dataclass
class Listing:
    """Claimed files, their names relative to the source, and what lies beside them.

    captions maps a file to its caption file; table is the metadata table when the source itself is
    one; skipped: what could not be looked at; omitted: files of kinds that are known and not read.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    captions: dict[Path, Path] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    omitted: Omissions = field(default_factory=Omissions)
    passed: list[str] = field(default_factory=list)
    table: Path | None = None
    licence: str | None = None


def list_files(
    source: Source, codec: Codec[Any], skip_bad: bool, follow_links: bool = False
) -> Listing:
    """The files that `source` means. Raises DataError when it does not exist or holds nothing that
    the codec reads.
    """
    place = located(source)
    path = place.file
    endings = ", ".join(codec.extensions)
    if path is None:
        listing = _folder(place, codec, skip_bad, follow_links)
    elif (
        codec.claims(path.name)
        or recognised(path, codec)
        or path.name.lower().endswith(codec.extensions)
    ):  # a README that is named is meant
        listing = Listing(path.parent, [path], [path.name])
    elif path.suffix.lower() in (*LIST_ENDINGS, *metadata.ENDINGS):
        listing = _named(path, codec, skip_bad)
    else:
        fix = (unread_files.advice([path.name], codec.name)) or (
            say(
                "it reads {0}, folders, archives, and lists of files as .txt, .csv or .jsonl",
                endings,
            )
        )
        raise DataError(say("the codec '{0}' does not read this file", codec.name), path.name, fix)
    if not listing.files:
        ignored = ", ".join(f"{count} {ending}" for ending, count in listing.ignored.most_common(5))
        what = say(
            "no files that the codec '{0}' reads; {1}",
            codec.name,
            say("ignored: {0}", ignored) if ignored else say("the folder is empty"),
        )
        raise DataError(
            what,
            named(source),
            (unread_files.advice(listing.passed, codec.name)) or (say("it reads {0}", endings)),
        )
    listing.licence = place.licence or licence_beside(listing.folder)
    return listing


def given_files(words: Sequence[str], codec: Codec[Any]) -> list[str]:
    """What is given to be edited: patterns, folders and archives as the files in them that the
    codec reads; anything else, texts too, as it is.
    """
    paths: list[str] = []
    for word in words:
        path = Path(word).expanduser()
        if not (is_file(path) and not archives.is_archive(path.name)) and (
            _exists(path) or matches(word)
        ):
            paths += map(str, list_files(word, codec, False).files)
        else:
            paths.append(str(path) if word.startswith("~") and is_file(path) else word)
    return paths


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text, longer than a name can be
        return False


def caption(path: Path) -> str | None:
    """The text of a caption file; None when it is empty."""
    try:
        return bounded.read_text(path, "settings_bytes").strip() or None
    except DataError as error:
        raise DataError(
            say("the caption cannot be read: {0}", error.what), path.name, error.fix
        ) from error


def _folder(place: Located, codec: Codec[Any], skip_bad: bool, follow_links: bool) -> Listing:
    listing = Listing(place.base, omitted=place.omitted)
    beside: dict[Path, str] = {}

    def tell(path: Path, why: str) -> None:
        name = place.name(path)
        if why == OUTSIDE:
            listing.omitted.add(
                Omission(
                    say("links to folders outside the data"),
                    1,
                    name,
                    say("data.follow_links=true follows them"),
                )
            )
        elif why.startswith(UNREADABLE) or archives.is_archive(path.name):
            if not skip_bad:
                raise DataError(
                    why, name, say("check the file or its permissions, or set data.skip_bad=true")
                )
            listing.skipped.append({"file": name, "why": why})
        elif why == SPECIAL:
            listing.omitted.add(
                Omission(
                    say("devices, pipes and sockets"), 1, name, say("save what they give as files")
                )
            )

    for path, name in place.walk(tell, follow_links):
        if not (codec.claims(path.name) or recognised(path, codec)):
            beside[path] = name
        elif not (
            array_files.is_container(path)
            and codec.is_container(path)
            and array_files.is_labels(path)
        ):
            listing.files.append(path)
            listing.names.append(name)
    # files that are given, without what lies beside them
    alone = {path for path in place.paths if not path.is_dir()}
    texts = {names.seen(str(path)): path for path in beside if path.suffix == ".txt"}
    for path in listing.files:
        text = path.with_suffix(".txt")
        known = (
            text
            if text in beside or (path in alone and text.is_file())
            else texts.get(names.seen(str(text)))
        )
        if known is not None:
            listing.captions[path] = known
    used = set(listing.captions.values()) | {
        place.base / name for name in ("classes.txt", *metadata.AUTOMATIC)
    }
    for path in sorted(beside.keys() - used):
        _pass(listing, beside[path])
    if sum(map(array_files.is_container, listing.files)) > 1 and any(
        map(codec.is_container, listing.files)
    ):
        listing.notes.append(
            say("several container files are read together; name one of them to use it alone")
        )
    return listing


def _named(path: Path, codec: Codec[Any], skip_bad: bool) -> Listing:
    """Files named by a list or a table, relative to its folder."""
    listing = Listing(path.parent)
    if path.suffix.lower() in metadata.ENDINGS:
        listed, listing.table = list(metadata.load(path, ())), path
    else:
        listed = lines_of(path)
    for line in dict.fromkeys(listed):
        plain = line.replace("\\", "/")
        there = names.listed(path.parent, line)
        if not (
            codec.claims(PurePosixPath(plain).name)
            or (there is not None and recognised(there, codec))
        ):
            _pass(listing, plain)
        elif there is not None:
            listing.files.append(there)
            listing.names.append(str(PurePosixPath(plain)))
        elif not skip_bad:
            fix = say("paths are relative to the list; mend it, or set data.skip_bad=true")
            raise DataError(say("a listed file does not exist"), f"{path.name}: {line}", fix)
        else:
            listing.notes.append(say("listed but missing: {0}", line))
    listing.captions = {
        file: file.with_suffix(".txt")
        for file in listing.files
        if file.with_suffix(".txt").is_file()
    }
    return listing


def lines_of(path: Path) -> list[str]:
    """The lines of a list of files that hold something. Raises DataError when it is not
    UTF-8 text.
    """
    try:
        return [
            line.strip()
            for line in bounded.read_text(path, "settings_bytes").splitlines()
            if line.strip()
        ]
    except DataError as error:
        raise DataError(
            say("the file list cannot be read: {0}", error.what), path.name, error.fix
        ) from error


def recognised(path: Path, codec: Codec[Any] | type[Codec[Any]]) -> bool:
    """Whether the codec knows a file by how it begins."""
    return codec.recognises(beginning(path))


def beginning(path: Path) -> bytes:
    """The first 64 bytes of a file; none where it cannot be read."""
    try:
        with bounded.open_regular(path) as file:
            return file.read(64)
    except (DataError, OSError):
        return b""


def _pass(listing: Listing, name: str) -> None:
    """Counts a file that the codec does not claim."""
    listing.passed.append(name)
    listing.ignored[PurePosixPath(name).suffix.lower() or "(no ending)"] += 1
    kind = unread_files.kind(name)
    if kind is not None:
        listing.omitted.add(Omission(kind.name, 1, name, kind.remedy))


def licence_beside(folder: Path) -> str | None:
    """The first line of a licence file in the folder."""
    for name in _LICENCE_NAMES:
        if (folder / name).is_file():
            lines = bounded.read_text(
                folder / name, "settings_bytes", errors="replace"
            ).splitlines()
            return next((line.strip("# \t")[:200] for line in lines if line.strip("# \t")), None)
    return None
