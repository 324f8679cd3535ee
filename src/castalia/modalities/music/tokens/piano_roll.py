"""The form "roll": (1, steps, pitches) or, a plane for each part, (parts, steps, pitches); 1 where
a key is down.

For families of Dense data. All rolls are as long as a window (`codec.bars`), and as high as the
training data's range, filled up to a multiple of 16. Left out: velocities, drums, metres, and
whether a key that stays down was struck again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.language import say
from castalia.modalities.music import omitted as losses
from castalia.modalities.music.score import Note, Part, Score, Tempo
from castalia.modalities.music.tokens import voice_split
from castalia.modalities.music.tokens.common import TEMPO, RollState, ticks_of
from castalia.modalities.music.tokens.grid import Grid
from castalia.omissions import Omission
from castalia.spec import Dense


class Roll:
    """The form "roll". Immutable after `fit`."""

    def __init__(
        self, steps: int, bars: int, apart: bool, parts: Sequence[str] | None = None
    ) -> None:
        """steps: of a quarter note. bars: of four quarter notes. apart: a plane for each part,
        named as in the grid.
        """
        self.steps, self.length, self.apart = steps, 4 * steps * bars, apart
        self.grid = Grid(steps, 1, parts)
        self.lowest, self.pitches, self.program, self.tempo = 36, 48, 0, TEMPO

    @property
    def parts(self) -> tuple[str, ...]:
        return self.grid.parts if self.apart else ("all",)

    def fit(self, scores: Iterable[Score]) -> None:
        """Learns the range of pitches, the usual program and tempo, and for planes
        apart the parts.
        """
        seen = list(scores)
        self.grid.fit(seen)
        pitches = [
            note.pitch
            for score in seen
            for part in score.parts
            if not part.drums
            for note in part.notes
        ] or [60]
        low, high = min(pitches), max(pitches)
        self.pitches = -(-(high - low + 1) // 16) * 16
        self.lowest = max(0, min(low - (self.pitches - (high - low + 1)) // 2, 128 - self.pitches))
        self.program = Counter(
            part.program for score in seen for part in score.parts if not part.drums
        ).most_common(1)[0][0]
        self.tempo = self.grid.tempo

    @property
    def spec(self) -> Dense:
        return Dense((len(self.parts), self.length, self.pitches), unit="binary", levels=2)

    def encode(self, score: Score) -> Tensor:
        """(parts or 1, steps, pitches) uint8 of 0 and 1; what lies outside in time or pitch is left
        out.
        """
        x = torch.zeros(self.spec.shape, dtype=torch.uint8)
        if self.apart:
            planes = [notes for _, notes in self.grid.lines(score)]
        else:
            notes = [note for part in score.parts if not part.drums for note in part.notes]
            planes = [voice_split.stepped(notes, score.resolution, self.steps)]
        for plane, line in enumerate(planes):
            for note in line:
                if 0 <= (key := note.pitch - self.lowest) < self.pitches:
                    x[plane, note.start : note.end, key] = 1
        return x

    def omitted(self, score: Score) -> Iterator[Omission]:
        """What of a score the roll does not show."""
        if self.apart:
            yield from self.grid.omitted(score)
        else:
            yield from losses.drums(score)
            yield from losses.changes(score)
        if self.grid.parts:
            pitches = [note.pitch for part in score.parts if not part.drums for note in part.notes]
            outside = sum(not 0 <= pitch - self.lowest < self.pitches for pitch in pitches)
            yield from losses.notes(
                say("notes outside the range of the roll"), outside, losses.EVENTS
            )

    def decode(self, x: Tensor) -> Score:
        """(parts or 1, steps, pitches) in [0, 1], a key is down from 0.5 on; where none is, the one
        that is nearest to it, so that something sounds.
        """
        values = torch.nan_to_num(x.detach().cpu().float(), nan=0.0, posinf=1.0, neginf=0.0)
        down = values >= 0.5
        if not bool(down.any()):
            down.view(-1)[int(values.argmax())] = True
        unit, resolution = ticks_of(self.steps)
        parts = []
        for plane, name in zip(down, self.parts, strict=True):
            # (pitches, steps + 1)
            edges = torch.nn.functional.pad(plane.byte(), (0, 0, 1, 1)).to(torch.int8).diff(dim=0).T
            starts, ends = (edges == 1).nonzero().tolist(), (edges == -1).nonzero().tolist()
            notes = sorted(
                Note(start * unit, (end - start) * unit, key + self.lowest)
                for (key, start), (_, end) in zip(starts, ends, strict=True)
            )
            parts.append(Part(name, self.program, False, tuple(notes)))
        return Score(tuple(parts), resolution, (Tempo(0, self.tempo),))

    def transposed(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Rolls (B, C, T, P), each moved by -6 to 5 semitones, as far as no note leaves
        the roll.
        """
        keys = torch.arange(self.pitches)
        down = (x > 0).flatten(1, 2).any(1)
        low = torch.where(down, keys, self.pitches).amin(1).clamp(max=self.pitches - 1)
        high = torch.where(down, keys, -1).amax(1).clamp(min=0)
        least, most = (-low).clamp(min=-6), (self.pitches - 1 - high).clamp(max=5)
        shift = (least + torch.rand(len(x), generator=rng) * (most - least + 1)).floor().long()
        shift = torch.minimum(shift, most)  # a product may round up
        source = (keys - shift[:, None]) % self.pitches
        return x.gather(3, source[:, None, None, :].expand(x.shape))

    def state(self) -> dict[str, Any]:
        return {
            "grid": self.grid.state(),
            "lowest": self.lowest,
            "pitches": self.pitches,
            "program": self.program,
        }

    def restore(self, state: dict[str, Any]) -> None:
        known = RollState.model_validate(state)
        self.grid.restore(known.grid)
        self.lowest, self.pitches, self.program = known.lowest, known.pitches, known.program
        self.tempo = self.grid.tempo
