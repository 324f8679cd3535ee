"""Read and write files of many short scores, a JSON object a line (.pieces, .pieces.gz): how the
built-in chorales are kept.

    {"title": "", "quarter": 4, "tempo": 90, "metre": [4, 4], "key": [-1, true], "parts": [{"name":
        "soprano", "program": 52, "notes": [[74, 4], [null, 2]]}]}

`quarter` is the number of steps of a quarter note; a note is [pitch, steps], several at once [[60,
64], steps], silence [null, steps]. All but `quarter` and the notes may be left out; key is [sharps,
minor]. Each line is an item of its own, hashed by itself.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo
from castalia.sentences import say

ENDINGS = (".pieces", ".pieces.gz")


def lines(path: Path) -> Iterator[str]:
    """The lines that hold something. Raises DataError for a file that is not text."""
    try:
        with (
            bounded.open_gzip(path) if path.suffix == ".gz" else bounded.open_regular(path) as file
        ):
            most = bounded.current().score_bytes
            data = bounded.read_exactly(file, most + 1)
        if len(data) > most:
            raise bounded.exceeded("score_bytes", say("the file of pieces is too large"), path.name)
        text = data.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            say("the file is not a (compressed) text of pieces"),
            path.name,
            say("copy it again, or set data.skip_bad=true"),
        ) from error
    filled = [line for line in text.splitlines() if line.strip()]
    if not filled:
        raise DataError(
            say("the file is empty"), path.name, say("copy it again, or set data.skip_bad=true")
        )
    yield from filled


def read(path: Path) -> Iterator[Score]:
    for number, line in enumerate(lines(path), 1):
        try:
            yield score_of(
                bounded.parse_json(
                    line,
                    f"{path.name}, line {number}",
                    say("see modalities/music/files/score_lines.py"),
                )
            )
        except (
            ValueError,
            ArithmeticError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
        ) as error:
            raise DataError(
                say("the line is not a piece: {0}", error),
                say("{0}, line {1}", path.name, number),
                say("see modalities/music/files/score_lines.py"),
            ) from error


def write(path: Path, scores: Iterable[Score]) -> None:
    """Gzipped where the name ends so; without velocities. The same scores give the same bytes."""
    text = "".join(
        json.dumps(piece_of(score), ensure_ascii=False, separators=(",", ":")) + "\n"
        for score in scores
    )
    path.write_bytes(
        gzip.compress(text.encode(), 9, mtime=0) if path.suffix == ".gz" else text.encode()
    )


def score_of(piece: dict[str, Any]) -> Score:
    """Raises KeyError, TypeError or ValueError for an object that is no piece."""
    parts = []
    for given in piece["parts"]:
        notes, now = [], 0
        for pitch, length in given["notes"]:
            if not isinstance(length, int) or length < 1:
                raise ValueError(say("a length of {0!r}", length))
            pitches = [] if pitch is None else pitch if isinstance(pitch, list) else [pitch]
            if not all(isinstance(one, int) and 0 <= one <= 127 for one in pitches):
                raise ValueError(say("a pitch of {0!r}", pitch))
            notes += [Note(now, length, one) for one in sorted(pitches)]
            now += length
        parts.append(
            Part(str(given.get("name", "")), int(given.get("program", 0)), False, tuple(notes))
        )
    if not any(part.notes for part in parts):
        raise ValueError(say("it holds no note"))
    quarter = piece["quarter"]
    if not isinstance(quarter, int) or quarter < 1:
        raise ValueError(say("quarter is {0!r}", quarter))
    return Score(
        tuple(parts),
        quarter,
        (Tempo(0, float(piece["tempo"])),) if "tempo" in piece else (),
        (Metre(0, *piece["metre"]),) if "metre" in piece else (),
        (Key(0, *piece["key"]),) if "key" in piece else (),
        str(piece.get("title", "")),
    )


def piece_of(score: Score) -> dict[str, Any]:
    """Notes of a part that overlap without beginning and ending together cannot be written so:
    ValueError.
    """
    piece: dict[str, Any] = {"title": score.title} if score.title else {}
    piece["quarter"] = score.resolution
    if score.tempos:
        piece["tempo"] = score.tempos[0].quarters
    if score.metres:
        piece["metre"] = list(score.metres[0][1:])
    if score.keys:
        piece["key"] = list(score.keys[0][1:])
    piece["parts"] = [
        {
            **({"name": part.name} if part.name else {}),
            **({"program": part.program} if part.program else {}),
            "notes": _runs(part),
        }
        for part in score.parts
    ]
    return piece


def _runs(part: Part) -> list[list[Any]]:
    runs: list[list[Any]] = []
    now = 0
    chords: dict[tuple[int, int], list[int]] = {}
    for note in part.notes:
        chords.setdefault((note.start, note.length), []).append(note.pitch)
    for (start, length), pitches in chords.items():
        if start < now:
            raise ValueError(say("notes of part '{0}' overlap", part.name))
        if start > now:
            runs.append([None, start - now])
        runs.append([pitches[0] if len(pitches) == 1 else pitches, length])
        now = start + length
    return runs
