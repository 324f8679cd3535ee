"""Draw a few notes as inline SVG for a page: time to the right, pitch upwards. Whole scores are
drawn by their codec (`preview`).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from castalia.modalities.music.drawing import labelled_bars, labelled_pitches, pitch_name
from castalia.modalities.music.melody import pitched
from castalia.modalities.music.score import Score
from castalia.pages.html import Html

WIDTH, LEFT, TOP, EDGE = 480, 30, 16, 4
ROW, SMALLEST = 5.0, 120.0  # least height of a pitch and of the drawing
SHOWN = 64.0  # quarter notes of a score


def notes_of(score: Score) -> list[list[float]]:
    """What `roll` draws of the beginning of a score, nothing marked."""
    notes = (
        (note.start / score.resolution, note.length / score.resolution, note.pitch)
        for part in pitched(score)
        for note in part.notes
    )
    return [[start, length, pitch, 0] for start, length, pitch in notes if start < SHOWN]


def bars_of(score: Score, first: float = 0.0, last: float = SHOWN) -> list[list[float]]:
    """[start, number] of the bars that begin from `first` to `last`, in quarter notes after
    `first`; numbers count from 1.
    """
    starts = ((tick / score.resolution, number) for number, tick in enumerate(score.bar_lines, 1))
    return [[round(start - first, 3), number] for start, number in starts if first <= start < last]


def roll(
    notes: Sequence[Sequence[float]], label: str = "", bars: Sequence[Sequence[float]] = ()
) -> Html:
    """notes: [start, length, pitch, marked] each, in quarter notes; marked ones stand out. bars:
    [start, number].
    """
    if not notes:
        return Html()
    end = max(start + length for start, length, *_ in notes)
    low, high = int(min(note[2] for note in notes)), int(max(note[2] for note in notes))
    row = max(ROW, SMALLEST / (high - low + 1))
    height = TOP + row * (high - low + 1) + EDGE
    across = (WIDTH - LEFT - EDGE) / max(end, 1e-9)

    def top(pitch: float) -> float:
        return TOP + (high - pitch) * row

    lines = [
        f'<text x="{LEFT - 5}" y="{top(pitch) + row / 2 + 4:.1f}" '
        f'text-anchor="end">{pitch_name(pitch)}</text>'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{top(pitch) + row:.1f}" '
        f'y2="{top(pitch) + row:.1f}"/>'
        for pitch in labelled_pitches(low, high)
    ]
    within = [bar for bar in bars if bar[0] < end]
    numbered = set(labelled_bars(len(within), WIDTH - LEFT))
    for place, (start, number) in enumerate(within):
        x = LEFT + start * across
        lines.append(
            f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - EDGE:.1f}"/>'
        )
        if place in numbered:
            lines.append(f'<text x="{x + 2:.1f}" y="11">{number:.0f}</text>')
    rows = [
        f'<rect class="{"hit" if marked else "note"}" x="{LEFT + start * across:.1f}" '
        f'y="{top(pitch):.1f}" '
        f'width="{max(2.0, length * across - 1):.1f}" height="{max(3.0, row - 1):.1f}" rx="1"/>'
        for start, length, pitch, marked in sorted(notes, key=lambda note: note[3])
    ]
    drawing = "".join([*lines, *rows])
    return Html(
        f'<svg class="roll" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}">{drawing}</svg>'
    )
