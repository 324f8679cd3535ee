"""The form "events": a score as a row of bars, positions, notes with program, velocity and length,
tempos and metres.

Of the family of REMI (Huang and Yang 2020, arXiv:2002.00212), with a token for the part, so that
four voices of one program stay four:

    piece     bar ... end
    bar       [metre] then onsets from left to right
    onset     position [tempo] note ...
    note      part [program, where the part is new] pitch velocity length

Tokens after these stand for several that often follow one another within a bar (bpe.py), where
`vocab` is given; pitches stay by themselves. Positions and lengths are in steps; lengths beyond 16
steps, tempos and velocities are rounded to the nearest of a few. Parts beyond the last kind of part
share its token. A pickup is the end of a full bar. Left out: what a `Score` does not hold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.errors import DataError
from castalia.language import say
from castalia.modalities.music import omitted as losses
from castalia.modalities.music.score import Metre, Note, Part, Score, Tempo
from castalia.modalities.music.tokens import voice_split
from castalia.modalities.music.tokens.bpe import MergedGrammar, Merges
from castalia.modalities.music.tokens.common import EventsState, folded, ticks_of
from castalia.nn.grammar_masks import FORBIDDEN
from castalia.omissions import Omission
from castalia.spec import Tokens

BEGIN, END, BAR = 0, 1, 2
PARTS = 32
_BAR_STEPS = 192  # positions: a bar of 4/4 in steps of a 48th of a quarter note
METRES = tuple((beats, unit) for unit in (2, 4, 8, 16) for beats in range(1, 17))
# 30 to 282 quarters a minute
TEMPOS = tuple(float(round(30 * 10 ** (number / 32), 1)) for number in range(32))
VELOCITIES = tuple(range(8, 128, 8))
LENGTHS = (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128, 192)
_FIRST: dict[str, int] = {}
VOCAB = 3
for _name, _count in (
    ("position", _BAR_STEPS),
    ("metre", len(METRES)),
    ("tempo", len(TEMPOS)),
    ("part", PARTS),
    ("program", 129),
    ("pitch", 128),
    ("drum", 128),
    ("velocity", len(VELOCITIES)),
    ("length", len(LENGTHS)),
):
    _FIRST[_name] = VOCAB
    VOCAB += _count
POSITION, METRE, TEMPO, PART, PROGRAM, PITCH, DRUM, VELOCITY, LENGTH = _FIRST.values()
_DRUMS = 128  # the program of drums
_ALONE = (range(BAR + 1), range(PITCH, DRUM))  # what is never merged


class Events:
    """The form "events". Immutable after `fit`."""

    parts: tuple[str, ...] = ()

    def __init__(self, steps: int, length: int, vocab: int | None = None) -> None:
        """steps: of a quarter note. length: of the context in tokens. vocab: tokens in all, merged
        ones too; None: no merges.
        """
        self.steps, self.length, self.vocab = steps, length, vocab
        self.range = (21, 108)
        self.merges = Merges(VOCAB, _ALONE)

    def fit(self, scores: Iterable[Score]) -> None:
        """Learns the lowest and the highest pitch, for transposition, and merges, where they are
        wanted.
        """
        seen = list(scores)
        if not any(score.count for score in seen):
            raise DataError(
                say("there is no note to learn from"), "codec", say("give at least one score")
            )
        pitches = [
            note.pitch
            for score in seen
            for part in score.parts
            if not part.drums
            for note in part.notes
        ]
        self.range = (min(pitches), max(pitches)) if pitches else self.range
        if self.vocab is not None:
            self.merges = Merges.learned(map(self._row, seen), self.vocab, VOCAB, _ALONE)

    @property
    def spec(self) -> Tokens:
        grammar = EventGrammar(self.steps)
        return Tokens(
            self.length,
            len(self.merges),
            BEGIN,
            END,
            MergedGrammar(grammar, self.merges) if self.merges.pairs else grammar,
        )

    def encode(self, score: Score) -> Tensor:
        """(n,) uint16. Positions in a bar beyond 192 steps are left out."""
        return torch.from_numpy(self.merges.applied(self._row(score)).astype(np.uint16))

    def _row(self, score: Score) -> np.ndarray:
        """(n,) int64, before merges."""
        step = score.resolution / self.steps
        lines = score.bar_lines
        metres = {metre.start: metre for metre in score.metres}
        # tick of the step -> (part, program, note)
        onsets: dict[int, list[tuple[int, int, Note]]] = {}
        for number, part in enumerate(part for part in score.parts if part.notes):
            program = _DRUMS if part.drums else part.program
            for note in _separate(voice_split.stepped(part.notes, score.resolution, self.steps)):
                onsets.setdefault(note.start, []).append((min(number, PARTS - 1), program, note))
        tempos = [
            (round(tempo.start / step), _nearest(TEMPOS, tempo.quarters)) for tempo in score.tempos
        ]
        starts = [round(line / step) for line in lines]
        row, current, pace, known = [BEGIN], None, None, set()
        last = max(onsets, default=0)
        for bar, start in enumerate(starts):
            if start > last:
                break
            row.append(BAR)
            metre = next((metres[tick] for tick in (lines[bar],) if tick in metres), None)
            if metre is not None and (now := _nearest_metre(metre)) != current:
                row.append(METRE + METRES.index(now))
                current = now
            full = bar_steps(current, self.steps)
            stop = starts[bar + 1] if bar + 1 < len(starts) else start + full
            late = max(0, full - (stop - start)) if bar == 0 and bar + 1 < len(starts) else 0
            for onset in sorted(tick for tick in onsets if start <= tick < stop):
                if onset - start + late >= min(full, _BAR_STEPS):
                    continue
                row.append(POSITION + onset - start + late)
                place = bisect_right([tick for tick, _ in tempos], onset) - 1
                if place >= 0 and tempos[place][1] != pace:
                    pace = tempos[place][1]
                    row.append(TEMPO + pace)
                for part, program, note in sorted(
                    onsets[onset], key=lambda one: (one[0], one[2].pitch)
                ):
                    row.append(PART + part)
                    if part not in known:
                        known.add(part)
                        row.append(PROGRAM + program)
                    row.append((DRUM if program == _DRUMS else PITCH) + note.pitch)
                    row += (
                        VELOCITY + _nearest(VELOCITIES, note.velocity),
                        LENGTH + _nearest(LENGTHS, note.length),
                    )
        return np.array([*row, END], dtype=np.int64)

    def omitted(self, score: Score) -> Iterator[Omission]:
        """Which notes of a score have no token; tempos, velocities and long lengths are rounded."""
        row = self._row(score)
        apart = sum(
            len(_separate(voice_split.stepped(part.notes, score.resolution, self.steps)))
            for part in score.parts
        )
        twice, late = score.count - apart, apart - int((row >= LENGTH).sum())
        yield from losses.notes(say("notes that are struck twice at once"), twice, losses.FINER)
        yield from losses.notes(
            say("notes late in bars longer than {0} steps", _BAR_STEPS),
            late,
            say("a smaller codec.steps keeps them"),
        )

    def decode(self, ids: Sequence[int]) -> Score:
        """Any tokens: what makes no sense where it stands is passed over."""
        grammar = EventGrammar(self.steps)
        state, start, current, pace = grammar.start(), 0, None, None
        began = False
        parts: dict[int, list[Note]] = {}
        programs: dict[int, int] = {}
        tempos, metres = [], []
        part = pitch = velocity = onset = 0
        for token in self.merges.expanded(ids):
            if token == END:
                break
            if not grammar.permits(state, token):
                continue
            if token == BAR:
                start, began = (start + bar_steps(current, self.steps) if began else 0), True
            elif POSITION <= token < METRE:
                onset = start + token - POSITION
            elif METRE <= token < TEMPO:
                if METRES[token - METRE] != current:
                    current = METRES[token - METRE]
                    metres.append(Metre(start, *current))
            elif TEMPO <= token < PART:
                if TEMPOS[token - TEMPO] != pace:
                    pace = TEMPOS[token - TEMPO]
                    tempos.append(Tempo(onset, pace))
            elif PART <= token < PROGRAM:
                part = token - PART
            elif PROGRAM <= token < PITCH:
                programs[part] = token - PROGRAM
            elif PITCH <= token < VELOCITY:
                pitch = (token - PITCH) % 128
            elif VELOCITY <= token < LENGTH:
                velocity = VELOCITIES[token - VELOCITY]
            else:
                parts.setdefault(part, []).append(
                    Note(onset, LENGTHS[token - LENGTH], pitch, velocity)
                )
            state = grammar.advance(state, token)
        unit, resolution = ticks_of(self.steps)
        made = [
            Part(
                "",
                programs[number] % _DRUMS,
                programs[number] == _DRUMS,
                tuple(
                    note._replace(start=note.start * unit, length=note.length * unit)
                    for note in _separate(sorted(parts[number]))
                ),
            )
            for number in sorted(parts)
        ]
        # what changes after it is not heard
        last = max((note.start for notes in parts.values() for note in notes), default=0)
        return Score(
            tuple(made),
            resolution,
            tuple(
                tempo._replace(start=tempo.start * unit) for tempo in tempos if tempo.start <= last
            ),
            tuple(
                metre._replace(start=metre.start * unit) for metre in metres if metre.start <= last
            ),
        )

    def transposed(self, x: Tensor, semitones: Tensor) -> Tensor:
        """Tokens (..., T), pitches moved by so many semitones, which broadcasts, and kept within 0
        .. 127 by octaves; drums stay.
        """
        pitch = folded(x - PITCH + semitones, 128)
        return torch.where((x >= PITCH) & (x < DRUM), pitch + PITCH, x)

    def span(self, x: np.ndarray, slot: np.ndarray) -> tuple[int, int]:
        """Lowest and highest shift that keeps tokens (n,) within the range of the training data."""
        pitch = x[(x >= PITCH) & (x < DRUM)] - PITCH
        if len(pitch) == 0:
            return -6, 6
        return min(0, self.range[0] - int(pitch.min())), max(0, self.range[1] - int(pitch.max()))

    def state(self) -> dict[str, Any]:
        return {"range": list(self.range)} | (
            {"merges": [list(pair) for pair in self.merges.pairs]} if self.merges.pairs else {}
        )

    def restore(self, state: dict[str, Any]) -> None:
        known = EventsState.model_validate(state)
        self.range = (known.range[0], known.range[1])
        self.merges = Merges(VOCAB, _ALONE, [(left, right) for left, right in known.merges])


class State(NamedTuple):
    """after: the kind of the last token. position: the last one in this bar. full: steps of the
    bar. known, drums: parts as bits. part: the current one. heard: whether a note has been.
    """

    after: int
    position: int
    full: int
    known: int
    drums: int
    part: int
    heard: bool


class EventGrammar:
    """What may follow, by construction. Kinds of tokens are named by the first of each kind."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._kinds = (
            np.searchsorted([BEGIN, END, BAR, *_FIRST.values()], np.arange(VOCAB), side="right") - 1
        )
        self._firsts = (BEGIN, END, BAR, *_FIRST.values())

    def start(self) -> State:
        return State(BEGIN, -1, bar_steps(None, self.steps), 0, 0, 0, False)

    def allowed(self, state: State) -> Tensor:
        mask = torch.zeros(VOCAB, dtype=torch.bool)
        for first, stop in self._ranges(state):
            mask[first:stop] = True
        return mask

    def permits(self, state: State, token: int) -> bool:
        return any(first <= token < stop for first, stop in self._ranges(state))

    def _ranges(self, state: State) -> list[tuple[int, int]]:
        """What may follow, as ranges of tokens of one kind each."""
        after, ranges = state.after, []
        if after in (BEGIN, BAR, METRE, LENGTH):
            ranges.append((BAR, BAR + 1))
            if state.heard and after != BEGIN:
                ranges.append((END, END + 1))
        if after == BAR:
            ranges.append((METRE, TEMPO))
        if after in (BAR, METRE, LENGTH):
            ranges.append((POSITION + state.position + 1, POSITION + min(state.full, _BAR_STEPS)))
        if after == POSITION:
            ranges.append((TEMPO, PART))
        if after in (POSITION, TEMPO, LENGTH):
            ranges.append((PART, PROGRAM))
        if after == PART and not state.known >> state.part & 1:
            ranges.append((PROGRAM, PITCH))
        elif after in (PART, PROGRAM):
            first = DRUM if state.drums >> state.part & 1 else PITCH
            ranges.append((first, first + 128))
        if after in (PITCH, DRUM):
            ranges.append((VELOCITY, LENGTH))
        if after == VELOCITY:
            ranges.append((LENGTH, VOCAB))
        return [(first, stop) for first, stop in ranges if first < stop]

    def advance(self, state: State, token: int) -> State:
        kind = self._firsts[self._kinds[token]]
        if kind in (BEGIN, END):
            return self.start()
        following = state._replace(after=kind)
        if kind == BAR:
            return following._replace(position=-1)
        if kind == METRE:
            return following._replace(full=bar_steps(METRES[token - METRE], self.steps))
        if kind == POSITION:
            return following._replace(position=token - POSITION)
        if kind == PART:
            return following._replace(part=token - PART)
        if kind == PROGRAM:
            bit = 1 << state.part
            return following._replace(
                known=state.known | bit,
                drums=state.drums | bit if token - PROGRAM == _DRUMS else state.drums & ~bit,
            )
        if kind == LENGTH:
            return following._replace(heard=True)
        return following

    def distance(self, state: State) -> int:
        """Fewest tokens until the piece may end."""
        note = 4 if state.known else 5
        needed = {
            POSITION: note,
            TEMPO: note,
            PART: 3 if state.known >> state.part & 1 else 4,
            PROGRAM: 3,
            PITCH: 2,
            DRUM: 2,
            VELOCITY: 1,
        }
        if state.after in needed:
            return needed[state.after]
        if state.heard and state.after != BEGIN:
            return 0
        return note + (
            2 if state.after == BEGIN or state.position + 1 >= min(state.full, _BAR_STEPS) else 1
        )

    def costs(self, state: State) -> Tensor:
        """(V,) int64, as nn/grammar_masks.py needs it: all tokens of a kind cost the same, but for
        parts, known or new, and the last position of a bar.
        """
        costs = torch.full((VOCAB,), FORBIDDEN)
        for first, stop in self._ranges(state):
            if first == END:
                costs[END] = 1
            elif first == PART:
                costs[first:stop] = torch.tensor(
                    [4 if state.known >> part & 1 else 5 for part in range(PARTS)]
                )
            else:
                costs[first:stop] = 1 + self.distance(self.advance(state, first))
                # the last position of a bar
                costs[stop - 1] = 1 + self.distance(self.advance(state, stop - 1))
        return costs


def bar_steps(metre: tuple[int, int] | None, steps: int) -> int:
    """Steps of a bar, 4/4 where there is no metre; rounded up."""
    beats, unit = metre or (4, 4)
    return -(-beats * 4 * steps // unit)


def _nearest(values: Sequence[float], wanted: float) -> int:
    return min(range(len(values)), key=lambda index: abs(values[index] - wanted))


def _nearest_metre(metre: Metre) -> tuple[int, int]:
    """Itself; a metre that has no token, as the one of the nearest length of bar."""
    if (metre.beats, metre.unit) in METRES:
        return metre.beats, metre.unit
    return min(METRES, key=lambda one: abs(one[0] / one[1] - metre.beats / metre.unit))


def _separate(notes: Sequence[Note]) -> list[Note]:
    """Notes in steps of which none overlaps another of its pitch: of those that begin together the
    longest, cut where the next begins.
    """
    longest: dict[tuple[int, int], Note] = {}
    for note in sorted(notes, key=lambda note: (note.start, note.pitch, note.length)):
        longest[note.start, note.pitch] = note
    following: dict[int, int] = {}
    kept = []
    for note in sorted(longest.values(), key=lambda note: -note.start):
        stop = following.get(note.pitch, note.end)
        kept.append(
            note._replace(
                length=LENGTHS[
                    bisect_right(LENGTHS, max(1, min(note.length, stop - note.start))) - 1
                ]
                if stop < note.end
                else note.length
            )
        )
        following[note.pitch] = note.start
    return sorted(kept, key=lambda note: (note.start, note.pitch))
