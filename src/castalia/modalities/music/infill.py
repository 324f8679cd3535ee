"""Parts and bars of a score to redraw, as gaps in its grid; and the score with the gaps filled.

A note belongs where it begins: one that begins in a gap is replaced whole, one that begins before a
gap stays whole, held notes included. What is given comes back note for note, in its own ticks and
with its own velocities, for it is taken from the score and not from the grid. Not here: who fills
(families/ar.py), the grid (modalities/music/tokens/grid.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from castalia.errors import DataError, RecipeError, meant
from castalia.modalities.music.score import Note, Part, Score
from castalia.modalities.music.tokens import voice_split
from castalia.modalities.music.tokens.grid import BEGIN, CHORDS, REST, Grid, begun, is_held
from castalia.sentences import plural, say


def gaps(
    grid: Grid, score: Score, keep: Sequence[str], bars: tuple[int, int] | None
) -> tuple[Tensor, Tensor]:
    """(tokens (n,) int64 from `begin`, without `end`; keep (n,) bool). keep: names of parts that
    stay; bars: the first and last bar, counted from 1, that are made anew; None: all. Tokens of
    gaps are rests. Raises RecipeError for names and bars that the score has not.
    """
    kept = {_named(name, grid.parts) for name in keep}
    if not kept and bars is None:
        raise RecipeError(
            say("it is not said what stays"),
            "edit infill",
            say("--keep {0}, or --bars 5-8", grid.parts[0]),
        )
    if len(kept) == len(grid.parts):
        raise RecipeError(
            say("every part is kept, so there is nothing to fill"),
            "--keep",
            say("name fewer parts"),
        )
    cells = grid.cells(score)
    if not len(cells):
        raise DataError(
            say("there is no note to go by"),
            score.title or "score",
            say("give a score with notes in the parts that stay"),
        )
    first, last = (0, len(cells)) if bars is None else _steps(grid, score, bars)
    if first >= len(cells):
        raise RecipeError(
            say("the score ends before these bars"),
            f"--bars {bars}",
            say("it has {0}", plural("{0} bar", "{0} bars", len(score.bars))),
        )
    anew = np.zeros(cells.shape, dtype=bool)
    for part, name in enumerate(grid.parts):
        if name not in kept:
            anew[:, part] = _owners(cells[:, part], first, last)
    row = np.where(anew, REST, cells).ravel()
    x = torch.from_numpy(np.concatenate([[BEGIN], row]))
    return x, torch.from_numpy(np.concatenate([[True], ~anew.ravel()]))


def joined(grid: Grid, score: Score, x: Tensor, keep: Tensor) -> Score:
    """The score with what x (n,) has in the gaps of keep (n,). Its tempo, metres, keys and title
    are the given score's.
    """
    count = len(grid.parts)
    filled, anew = x[1:].view(-1, count).numpy().copy(), ~keep[1:].view(-1, count).numpy()
    for part in range(count):  # a note that is given does not grow into a gap: it is struck again
        first = np.flatnonzero(anew[1:, part] & ~anew[:-1, part]) + 1
        filled[first, part] = begun(filled[first, part])
    made = grid.score(filled)
    ticks = math.lcm(score.resolution, made.resolution)
    mine, theirs, step = ticks // score.resolution, ticks // made.resolution, ticks // grid.steps
    parts = []
    for part, (old, new) in enumerate(zip(_sources(grid, score), made.parts, strict=True)):
        fresh = [
            note
            for note in _scaled(new.notes, theirs)
            if anew[min(note.start // step, len(anew) - 1), part]
        ]
        given = (
            []
            if old is None
            else [
                note for note in _scaled(old.notes, mine) if not _inside(note, anew[:, part], step)
            ]
        )
        if old is None:
            given = [
                note
                for note in _scaled(new.notes, theirs)
                if not anew[min(note.start // step, len(anew) - 1), part]
            ]
        whole = replace(new, notes=()) if old is None else replace(old, name=old.name or new.name)
        parts.append(
            replace(
                whole,
                notes=tuple(
                    sorted(
                        given + _between(fresh, given), key=lambda note: (note.start, note.pitch)
                    )
                ),
            )
        )
    others = [
        replace(part, notes=tuple(_scaled(part.notes, mine))) for part in score.parts if part.drums
    ]
    marks = {
        name: tuple(one._replace(start=one.start * mine) for one in getattr(score, name))
        or tuple(getattr(made, name))
        for name in ("tempos", "metres", "keys")
    }
    return replace(score, parts=(*parts, *others), resolution=ticks, **marks)


def _named(name: str, parts: Sequence[str]) -> str:
    wanted = name.strip().lower()
    if wanted in parts:
        return wanted
    raise RecipeError(
        say("there is no part '{0}'", name),
        "--keep",
        say("{0}known: {1}", meant(wanted, parts), ", ".join(parts)),
    )


def _owners(column: np.ndarray, first: int, last: int) -> np.ndarray:
    """(S,) bool: the cells of notes and rests that begin in [first, last); a hold belongs to what
    it holds.
    """
    begins = np.maximum.accumulate(np.where(is_held(column), 0, np.arange(len(column))))
    return (begins >= first) & (begins < last)


def _steps(grid: Grid, score: Score, bars: tuple[int, int]) -> tuple[int, int]:
    first, last = bars
    known = score.bars
    if not 1 <= first <= last:
        raise RecipeError(
            say("bars are counted from 1, the first one first"),
            f"--bars {first}-{last}",
            "--bars 5-8",
        )
    if first > len(known):
        raise RecipeError(
            say("the score ends before these bars"),
            f"--bars {first}-{last}",
            say("it has {0}", plural("{0} bar", "{0} bars", len(known))),
        )
    begin, end = known[first - 1][0], known[min(last, len(known)) - 1][1]
    return round(begin * grid.steps / score.resolution), round(end * grid.steps / score.resolution)


def _sources(grid: Grid, score: Score) -> list[Part | None]:
    """Of each part of the grid the part of the score that it is; None where it was dealt out of
    others or reduced to chord symbols.
    """
    sources: list[Part | None] = []
    lines = grid.lines(score)
    for (part, _), name in zip(lines, grid.parts, strict=True):
        alone = sum(other is part for other, _ in lines) == 1 and name != CHORDS
        sources.append(part if alone and voice_split.is_voice(part) else None)
    return sources


def _scaled(notes: Sequence[Note], by: int) -> list[Note]:
    return [note._replace(start=note.start * by, length=note.length * by) for note in notes]


def _inside(note: Note, anew: np.ndarray, step: int) -> bool:
    """Whether a given note begins in a gap, its start rounded to steps as the grid rounds it."""
    place = (2 * note.start + step) // (2 * step)
    return place < len(anew) and bool(anew[place])


def _between(fresh: Sequence[Note], given: Sequence[Note]) -> list[Note]:
    """Fresh notes cut where a given one begins, and left out where one sounds."""
    between = []
    for note in fresh:
        if any(other.start <= note.start < other.end for other in given):
            continue
        stop = min([note.end, *(other.start for other in given if other.start > note.start)])
        between.append(note._replace(length=stop - note.start))
    return between
