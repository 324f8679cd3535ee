"""Draw a score as a piano roll: time to the right, pitch upwards, a colour for each part; pitch
names at the left, bar numbers at the top.
"""

from __future__ import annotations

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from castalia.modalities.music.score import Score

COLOURS = (
    (204, 71, 51),
    (222, 150, 30),
    (52, 140, 84),
    (36, 96, 168),
    (124, 70, 150),
    (90, 90, 90),
    (20, 150, 160),
    (170, 60, 110),
)
LEFT, TOP = 30, 16  # pixels for pitch names and for bar numbers
ROW = 5.0  # least height of a pitch, in pixels: a thinner note is hard to see
_PAPER, _BLACK_KEY, _BAR, _BEAT, _INK = (
    (253, 253, 250),
    (244, 244, 240),
    (196, 196, 196),
    (228, 228, 226),
    (110, 110, 110),
)
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def pitch_name(pitch: int) -> str:
    """ "C4" for the MIDI pitch 60 (scientific pitch notation)."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def labelled_pitches(low: int, high: int) -> list[int]:
    """Which pitches of a range are named: each C, and the F between them where the range is small;
    the lowest where it holds no C.
    """
    named = [
        pitch
        for pitch in range(low, high + 1)
        if pitch % 12 == 0 or (pitch % 12 == 5 and high - low < 30)
    ]
    return named or [low]


def labelled_bars(count: int, width: float) -> list[int]:
    """Which of `count` bars, counted from 0, have a number on a roll of `width` pixels: every one,
    every second, fourth, fifth, tenth, ... .
    """
    room = max(1.0, width / 26)
    step = next(
        (step for step in (1, 2, 4, 5, 10, 20, 50, 100, 200, 500) if count / step <= room), 1000
    )
    return [bar for bar in range(count) if bar == 0 or (bar + 1) % step == 0]


def drawn(
    score: Score, width: int = 640, height: int = 200, pitches: tuple[int, int] | None = None
) -> PIL.Image.Image:
    """The whole score in a picture of that size, or higher where its range needs it. pitches:
    lowest and highest that are shown; None: those of the score and a little more.
    """
    notes = [note for part in score.parts for note in part.notes]
    low, high = pitches or (
        (min(note.pitch for note in notes) - 3, max(note.pitch for note in notes) + 3)
        if notes
        else (48, 84)
    )
    end = max(score.end, score.resolution)
    height = max(height, TOP + round(ROW * (high - low + 1)))
    across, row = (width - LEFT - 2) / end, (height - TOP) / (high - low + 1)
    sheet = PIL.Image.new("RGB", (width, height), _PAPER)
    draw, font = PIL.ImageDraw.Draw(sheet), PIL.ImageFont.load_default(10)

    def x(tick: float) -> float:
        return LEFT + 1 + tick * across

    def y(pitch: int) -> float:
        """The upper edge of a pitch."""
        return height - (pitch - low + 1) * row

    for pitch in range(low, high + 1):
        if pitch % 12 in (1, 3, 6, 8, 10):
            draw.rectangle((LEFT, y(pitch), width, y(pitch) + row), fill=_BLACK_KEY)
    bars = score.bar_lines
    beats = len(bars) < width / 24
    for start, stop in zip(bars, [*bars[1:], end], strict=True):
        if beats:
            for beat in range(start + score.resolution, min(stop, end), score.resolution):
                draw.line((x(beat), TOP, x(beat), height), fill=_BEAT)
        draw.line((x(start), TOP, x(start), height), fill=_BAR)
    for bar in labelled_bars(len(bars), width - LEFT):
        draw.text((x(bars[bar]) + 2, 2), str(bar + 1), fill=_INK, font=font)
    for pitch in labelled_pitches(low, high):
        draw.text(
            (LEFT - 4, y(pitch) + row / 2), pitch_name(pitch), fill=_INK, font=font, anchor="rm"
        )
        if pitch % 12 == 0:
            draw.line((LEFT, y(pitch) + row, width, y(pitch) + row), fill=_BAR)
    for number, part in reversed(list(enumerate(score.parts))):
        colour = COLOURS[number % len(COLOURS)]
        for note in part.notes:
            left, right = x(note.start), x(note.end)
            draw.rectangle(
                (
                    left,
                    y(note.pitch),
                    max(left + 1, right - 1.5),
                    y(note.pitch) + max(3.0, row - 1),
                ),
                fill=colour,
            )
    return sheet
