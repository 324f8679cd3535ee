"""Files among the data that the chosen codec does not read: what they are, and what would read
them.

Kinds that nothing reads are listed by ending, each with what to do about it: those of a modality in
its descriptor (castalia/modality.py), the others here. Which codec reads a file is asked of the
codecs themselves, so that one from a package is found, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import PurePosixPath

from castalia import modality, registry
from castalia.codecs.base import Codec
from castalia.errors import CastaliaError
from castalia.language import plural, row, say
from castalia.modality import Foreign

# Of no modality.
NEUTRAL = (
    Foreign(
        say("archives"),
        (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"),
        say("unpack them"),
    ),
    Foreign(
        say("unfinished downloads"),
        (".part", ".crdownload", ".download", ".tmp"),
        say("download them again"),
    ),
)


def kind(name: str) -> Foreign | None:
    """What a file of this name is, where nothing here reads it; None for an unknown ending, and for
    one that a codec reads.
    """
    return _of_ending(PurePosixPath(name).suffix.lower())


@cache
def _of_ending(ending: str) -> Foreign | None:
    known = _by_ending().get(ending)
    return None if known is None or readers([f"x{ending}"], "") else known


@cache
def _by_ending() -> dict[str, Foreign]:
    """Endings of files that are not read. Where both know one, the modality has the last word."""
    listed = [*NEUTRAL, *(one for each in modality.every().values() for one in each.foreign)]
    return {ending: one for one in listed for ending in one.endings}


def readers(names: Iterable[str], besides: str) -> dict[str, int]:
    """Codec -> how many of the files it reads, the most first, and of as many those that do not
    have to look into files first; without the codec `besides`.
    """
    counts: Counter[str] = Counter()
    looks: set[str] = set()
    listed = [PurePosixPath(name).name for name in names]
    for codec in registry.names("codec"):
        if codec == besides:
            continue
        try:
            made: type[Codec] = registry.resolve("codec", codec)
        except CastaliaError:
            continue  # a broken plug-in is no advice
        counts[codec] += sum(map(made.claims, listed))
        if made.prefers.__func__ is not Codec.prefers.__func__:  # type: ignore[attr-defined]
            looks.add(codec)
    order = sorted(counts, key=lambda codec: (-counts[codec], codec in looks))
    return {codec: counts[codec] for codec in order if counts[codec]}


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
    kinds = Counter(known for name in listed if (known := kind(name)) is not None)
    return row("; ", [say("{0}: {1}", one.name, one.remedy) for one, _ in kinds.most_common(2)])
