"""Sizes in bytes and durations as sentences, in the reader's language."""

from __future__ import annotations

from castalia.sentences import Message, say


def size(count: float) -> Message:
    """Bytes in decimal units: "812 B", "3.4 kB", "21.0 MB", "1.25 GB"."""
    if round(count) < 1000:
        return say("{0:.0f} B", count)
    if count < 999_950:  # what would be printed as 1000.0 kB is 1.0 MB
        return say("{0:.1f} kB", count / 1e3)
    return say("{0:.1f} MB", count / 1e6) if count < 999_950_000 else say("{0:.2f} GB", count / 1e9)


def duration(seconds: float) -> Message:
    """ "42 s", "3 min 10 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return say("{0} s", whole)
    if whole < 3600:
        return say("{0} min {1:02d} s", whole // 60, whole % 60)
    return say("{0} h {1:02d} min", whole // 3600, whole % 3600 // 60)
