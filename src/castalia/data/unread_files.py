"""Files that lie among data and that the chosen codec does not read: what they are, and what would
read them.

Kinds that nothing here reads are in a table, by ending, each with what to do about it. Which codec
reads a file is asked of the codecs themselves, so that one from a package is found, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from castalia import registry
from castalia.codecs.base import Codec
from castalia.errors import CastaliaError
from castalia.language import plural, row, say
from castalia.text_files import office


class Kind(NamedTuple):
    """name: a plural. remedy: how to make of such a file what is read."""

    name: str
    endings: tuple[str, ...]
    remedy: str


KINDS = (
    Kind(
        say("sound"),
        (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".wma", ".opus", ".aiff"),
        say("sound is not read yet; notes are: MIDI, MusicXML"),
    ),
    Kind(
        say("music in formats that are not read"),
        (".mscz", ".mscx", ".gp5", ".gpx", ".gp", ".sib", ".musx"),
        say("save as MusicXML from the program that made them"),
    ),
    Kind(
        say("video"),
        (".mp4", ".mov", ".avi", ".mkv", ".webm"),
        say("video is not read; save frames as PNG"),
    ),
    Kind(
        say("3-D shapes"),
        (".obj", ".stl", ".ply", ".glb", ".gltf", ".off", ".fbx"),
        say("shapes are not read; save points as .npy"),
    ),
    Kind(
        say("office documents"),
        (".doc", ".xls", ".ppt", ".pptx", ".epub", ".odt", ".ods", ".odp", ".rtf", ".pages"),
        say("save them as .docx, .xlsx, .pdf or text"),
    ),
    Kind(
        say("archives"),
        (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"),
        say("unpack them"),
    ),
    Kind(
        say("pictures in formats that are not read"),
        (".svg", ".psd", ".raw", ".cr2", ".nef", ".dng", ".jxl"),
        say("save them as PNG or JPEG"),
    ),
    Kind(
        say("HEIC pictures"),
        (".heic", ".heif", ".hif"),
        say("pip install 'castalia[documents]' reads them; or save them as JPEG"),
    ),
    Kind(
        say("Word, PDF and Excel files"),
        (".docx", ".pdf", ".xlsx"),
        say("pip install 'castalia[documents]' reads them; or save them as text"),
    ),
    Kind(
        say("Parquet tables"),
        (".parquet",),
        say("pip install 'castalia[parquet]' reads them; or save them as CSV"),
    ),
    Kind(
        say("unfinished downloads"),
        (".part", ".crdownload", ".download", ".tmp"),
        say("download them again"),
    ),
)
_OF_ENDING = {ending: kind for kind in KINDS for ending in kind.endings}


def kind(name: str) -> Kind | None:
    """What a file of this name is, where nothing here reads it; None for a name that
    says nothing.
    """
    ending = PurePosixPath(name).suffix.lower()
    return (
        None if ending in office.PACKAGES and not office.missing(ending) else _OF_ENDING.get(ending)
    )


def readers(names: Iterable[str], besides: str) -> dict[str, int]:
    """Codec -> how many of the files it reads, the most first; without the codec `besides`."""
    counts: Counter[str] = Counter()
    listed = [PurePosixPath(name).name for name in names]
    for codec in registry.names("codec"):
        if codec == besides:
            continue
        try:
            made: type[Codec] = registry.resolve("codec", codec)
        except CastaliaError:
            continue  # a broken plug-in is no advice
        counts[codec] += sum(map(made.claims, listed))
    return {codec: count for codec, count in counts.most_common() if count}


def advice(names: Iterable[str], besides: str) -> str:
    """What to do with files that the codec `besides` does not read: the recipe that does, else how
    to make readable ones; "" without advice.
    """
    listed = list(names)
    able = readers(listed, besides)
    if able:
        codec = next(iter(able))
        recipe = registry.first_recipe(codec)
        what = plural("{0:,} file", "{0:,} files", able[codec])
        return say(
            "the codec '{0}' reads {1}{2}",
            codec,
            what,
            say(": castalia train {0} DATA", recipe) if recipe else "",
        )
    kinds = Counter(found for name in listed if (found := kind(name)) is not None)
    return row("; ", [say("{0}: {1}", one.name, one.remedy) for one, _ in kinds.most_common(2)])
