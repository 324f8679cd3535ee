"""A few notes as a drawing for a page: time to the right, pitch upwards, as inline SVG. Whole scores are drawn by their codec (`preview`)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from castalia.codecs.score import Score
from castalia.evaluation.tunes import pitched

WIDTH, HEIGHT, EDGE = 480, 150, 4
SHOWN = 64.0  # quarter notes of a score


def notes_of(score: Score) -> list[list[float]]:
    """What `roll` draws of the beginning of a score, nothing marked."""
    notes = ((note.start / score.resolution, note.length / score.resolution, note.pitch) for part in pitched(score) for note in part.notes)
    return [[start, length, pitch, 0] for start, length, pitch in notes if start < SHOWN]


def roll(notes: Sequence[Sequence[float]], label: str = "") -> str:
    """notes: [start, length, pitch, marked] each; marked ones stand out."""
    if not notes:
        return ""
    end = max(start + length for start, length, *_ in notes)
    low, high = min(pitch for _, _, pitch, _ in notes), max(pitch for _, _, pitch, _ in notes)
    across, down = (WIDTH - 2 * EDGE) / max(end, 1e-9), (HEIGHT - 2 * EDGE) / (high - low + 1)
    bars = "".join(
        f'<rect class="{"hit" if marked else "note"}" x="{EDGE + start * across:.1f}" y="{EDGE + (high - pitch) * down:.1f}" '
        f'width="{max(1.0, length * across - 1):.1f}" height="{max(1.5, down - 0.5):.1f}" rx="1"/>'
        for start, length, pitch, marked in sorted(notes, key=lambda note: note[3])
    )
    return f'<svg class="roll" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{bars}</svg>'
