"""The naive baseline of music: a Markov chain of pitch classes, every part by itself.

Of each part (first, second ...) over all training pieces: how often a pitch class follows another,
how low and how high it goes, and how long notes are. A chained piece draws pitch classes one after
another, an octave within the range and a length each by itself; parts know nothing of one another.
So it has the data's pitch classes and lengths, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from castalia.modalities.music.melody import pitched
from castalia.modalities.music.score import Note, Score
from castalia.nn.counter_random import counter_seed


def chained(training: Sequence[Score], like: Sequence[Score], count: int, seed: int) -> list[Score]:
    """`count` scores with the parts, the metres and the length of those of `like` in turn; a
    function of its arguments.
    """
    voices: dict[int, _Voice] = {}
    for piece in training or like:
        for place, part in enumerate(pitched(piece)):
            voices.setdefault(place, _Voice()).add(part.notes, piece.resolution)
    made = []
    for number in range(count):
        model = like[number % len(like)]
        rng = np.random.default_rng(counter_seed("chain", seed, number))
        parts = [
            replace(
                part,
                notes=voices[min(place, len(voices) - 1)].drawn(model.end, model.resolution, rng),
            )
            for place, part in enumerate(pitched(model))
            if voices
        ]
        made.append(replace(model, parts=tuple(parts)))
    return made


class _Voice:
    """What is known of one part's notes."""

    def __init__(self) -> None:
        self.follows = np.full((12, 12), 1e-3)
        self.low, self.high = 127, 0
        self.lengths: dict[float, int] = {}

    def add(self, notes: Sequence[Note], resolution: int) -> None:
        classes = [note.pitch % 12 for note in notes]
        np.add.at(self.follows, (classes[:-1], classes[1:]), 1)
        for note in notes:
            self.low, self.high = min(self.low, note.pitch), max(self.high, note.pitch)
            quarters = note.length / resolution
            self.lengths[quarters] = self.lengths.get(quarters, 0) + 1

    def drawn(self, end: int, resolution: int, rng: np.random.Generator) -> tuple[Note, ...]:
        """Notes end to end up to tick `end`."""
        lengths = np.array(list(self.lengths))
        shares = np.array(list(self.lengths.values()), dtype=np.float64)
        chain = self.follows / self.follows.sum(1, keepdims=True)
        now, start, notes = int(rng.choice(12, p=self.follows.sum(0) / self.follows.sum())), 0, []
        while start < end:
            length = max(
                1,
                min(
                    end - start,
                    round(float(rng.choice(lengths, p=shares / shares.sum())) * resolution),
                ),
            )
            octaves = [pitch for pitch in range(self.low, self.high + 1) if pitch % 12 == now] or [
                self.low
            ]
            notes.append(Note(start, length, int(rng.choice(octaves))))
            start, now = start + length, int(rng.choice(12, p=chain[now]))
        return tuple(notes)
