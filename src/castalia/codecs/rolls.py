"""A drawn piano roll: time to the right, pitch upwards, a colour for each part, a line at each bar."""

from __future__ import annotations

import PIL.Image
import PIL.ImageDraw

from castalia.codecs.score import Score

COLOURS = ((204, 71, 51), (222, 150, 30), (52, 140, 84), (36, 96, 168), (124, 70, 150), (90, 90, 90), (20, 150, 160), (170, 60, 110))
_PAPER, _BLACK_KEY, _BAR, _BEAT = (253, 253, 250), (244, 244, 240), (196, 196, 196), (228, 228, 226)


def drawn(score: Score, width: int = 640, height: int = 200, pitches: tuple[int, int] | None = None) -> PIL.Image.Image:
    """The whole score in a picture of that size. pitches: lowest and highest that are shown; None: those of the score and a little more."""
    notes = [note for part in score.parts for note in part.notes]
    low, high = pitches or ((min(note.pitch for note in notes) - 3, max(note.pitch for note in notes) + 3) if notes else (48, 84))
    end = max(score.end, score.resolution)
    across, row = (width - 2) / end, height / (high - low + 1)
    sheet = PIL.Image.new("RGB", (width, height), _PAPER)
    draw = PIL.ImageDraw.Draw(sheet)
    for pitch in range(low, high + 1):
        if pitch % 12 in (1, 3, 6, 8, 10):
            draw.rectangle((0, height - (pitch - low + 1) * row, width, height - (pitch - low) * row), fill=_BLACK_KEY)
    bars = score.bar_lines
    beats = len(bars) < width / 24
    for start, stop in zip(bars, [*bars[1:], end], strict=True):
        if beats:
            for beat in range(start + score.resolution, min(stop, end), score.resolution):
                draw.line((1 + beat * across, 0, 1 + beat * across, height), fill=_BEAT)
        draw.line((1 + start * across, 0, 1 + start * across, height), fill=_BAR)
    for number, part in reversed(list(enumerate(score.parts))):
        colour = COLOURS[number % len(COLOURS)]
        for note in part.notes:
            left, right = 1 + note.start * across, 1 + note.end * across
            top = height - (note.pitch - low + 1) * row
            draw.rectangle((left, top + 0.5, max(left, right - 1.5), top + max(1.0, row - 1)), fill=colour)
    return sheet
