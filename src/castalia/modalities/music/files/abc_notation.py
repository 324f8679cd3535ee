"""Read tunes in ABC notation (abcnotation.com, standard 2.1) as scores, by symusic (extra `music`).

A file is one tune. What symusic leaves out (lyrics, decorations) is not named. Chord symbols in
quotes are played by it as a part of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

from castalia import bounded
from castalia.errors import DataError, MissingExtra
from castalia.modalities.music.files import midi
from castalia.modalities.music.score import Score
from castalia.sentences import say

_TUNE = re.compile(r"^X:", re.MULTILINE)
_KEY = re.compile(r"^K:", re.MULTILINE)


def read(path: Path) -> Score:
    """Raises DataError for a file that is damaged, holds no note or several tunes; MissingExtra
    without symusic.
    """
    data = bounded.read_bytes(path, "score_bytes")
    if not data.strip():
        raise DataError(
            say("the file is empty"), path.name, say("copy it again, or set data.skip_bad=true")
        )
    text = data.decode("utf-8", "replace")
    if not _KEY.search(text):
        raise DataError(
            say("the file is not ABC: it names no key (K:)"),
            path.name,
            say("remove or rename it, or set data.skip_bad=true"),
        )
    if len(_TUNE.findall(text)) > 1:
        raise DataError(
            say("the file holds several tunes"),
            path.name,
            say("save each tune (from X: to X:) as a file of its own"),
        )
    try:
        import symusic
    except ImportError as error:
        raise MissingExtra(
            "reading ABC needs symusic", path.name, "pip install 'castalia[music]'"
        ) from error
    try:
        as_midi = symusic.Score.from_abc(text).dumps_midi()
    except Exception as error:  # whatever the parser raises is the file's fault
        raise DataError(
            say("the ABC cannot be read: {0}", error),
            path.name,
            say("mend it, or set data.skip_bad=true"),
        ) from error
    score = midi.parsed(as_midi, path.name)
    if score.count == 0:
        raise DataError(
            say("the tune is empty: it holds no note"),
            path.name,
            say("remove it, or set data.skip_bad=true"),
        )
    return score
