"""The form "grid": for each step, from the first part down, a pitch that begins, a held one, or a
rest.

Tokens are 0 `begin`, 1 `end`, 2 rest, 3 + p the MIDI pitch p that begins, 131 + p the one that is
held, and where a part is called "chords" 259 + 12 q + r the chord symbol of quality q over root r
(modalities/music/harmony.py), after all of them those that are held. Token t after `begin` is part
t mod V of step t // V. So one kind of tokens fits chorales (Hadjeres et al. 2017, arXiv:1612.01010,
write them so, with one token for all that is held) and lead sheets. A held token names what it
holds, so what sounds together is read off one step, however long ago it began. Left out:
velocities, drums, changes of tempo and metre; a row of rests at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from castalia.errors import DataError
from castalia.language import say
from castalia.modalities.music import harmony
from castalia.modalities.music import omitted as losses
from castalia.modalities.music.score import Metre, Note, Part, Score, Tempo
from castalia.modalities.music.tokens import voice_split
from castalia.modalities.music.tokens.common import TEMPO, GridState, folded, ticks_of
from castalia.nn.grammar_masks import FORBIDDEN
from castalia.omissions import Omission
from castalia.spec import Tokens

BEGIN, END, REST, PITCH = 0, 1, 2, 3
HELD = PITCH + 128
CHORD = HELD + 128
HELD_CHORD = CHORD + 12 * len(harmony.QUALITIES)
CHORDS = "chords"  # the name of a part whose tokens are chord symbols
NAMES = {
    1: ("melody",),
    2: ("soprano", "bass"),
    3: ("soprano", "alto", "bass"),
    4: ("soprano", "alto", "tenor", "bass"),
}
_METRE = (4, 4)  # where no training score has another one
_NAMED = 0.8  # share of its onsets by which a part is one of chord symbols
_MOST = 8  # parts; an orchestra is dealt out to four
NOTHING, ANYTHING = -1, -2  # what a part holds


class Grid:
    """The form "grid". Immutable after `fit`."""

    beyond = CHORD  # the first token that is no pitch again

    def __init__(self, steps: int, length: int, parts: Sequence[str] | None = None) -> None:
        """steps: of a quarter note. length: of the context in tokens, whole steps of which are
        used. parts: their names from the top down; None: learned by `fit`.
        """
        self.steps, self.length = steps, length
        self.parts: tuple[str, ...] = tuple(parts or ())
        self.ranges: tuple[tuple[int, int], ...] = ()
        self.programs: tuple[int, ...] = ()
        self.tempo, self.metre = TEMPO, _METRE

    # What training data say -----------------------------------------------------------------------

    def fit(self, scores: Iterable[Score]) -> None:
        """Learns how many parts there are and their names, the range of each, and the usual tempo,
        metre and programs.
        """
        seen = list(scores)
        if not seen:
            raise DataError(
                say("there is no score to take the parts from"),
                "codec",
                say("give at least one score"),
            )
        if not self.parts:
            self.parts = Counter(_layout(score) for score in seen).most_common(1)[0][0]
        self.ranges = ((60, 72),) * len(self.parts)
        lows, highs = [127] * len(self.parts), [0] * len(self.parts)
        programs: list[Counter[int]] = [Counter() for _ in self.parts]
        for score in seen:
            for voice, (part, notes) in enumerate(self.lines(score)):
                programs[voice][part.program] += 1
                lows[voice] = min([lows[voice], *(note.pitch for note in notes)])
                highs[voice] = max([highs[voice], *(note.pitch for note in notes)])
        self.ranges = tuple(
            (min(low, high), high) if low <= high else (60, 72)
            for low, high in zip(lows, highs, strict=True)
        )
        self.programs = tuple(count.most_common(1)[0][0] if count else 0 for count in programs)
        tempos = [score.tempos[0].quarters for score in seen if score.tempos]
        metres = Counter(score.metres[0][1:] for score in seen if score.metres)
        self.tempo = round(median(tempos), 2) if tempos else TEMPO
        self.metre = metres.most_common(1)[0][0] if metres else _METRE

    @property
    def spec(self) -> Tokens:
        vocab = 2 * HELD_CHORD - CHORD if CHORDS in self.parts else CHORD
        count = len(self.parts)
        grammar = GridGrammar(tuple(name == CHORDS for name in self.parts), vocab)
        return Tokens(
            max(1, self.length // count) * count, vocab, BEGIN, END, grammar, period=count
        )

    # Scores to tokens -----------------------------------------------------------------------------

    def cells(self, score: Score) -> np.ndarray:
        """(S, V) int64 tokens: what each part does at each step."""
        lines = self.lines(score)
        length = max((notes[-1].end for _, notes in lines if notes), default=0)
        grid = np.full((length, len(self.parts)), REST, dtype=np.int64)
        for voice, (_, notes) in enumerate(lines):
            for note in notes:
                token = note.pitch if self.parts[voice] == CHORDS else PITCH + note.pitch
                grid[note.start : note.end, voice] = token + _apart(token)
                grid[note.start, voice] = token
        return grid

    def encode(self, score: Score) -> Tensor:
        """(1 + S V + 1,) uint16."""
        row = np.concatenate([[BEGIN], self.cells(score).ravel(), [END]])
        return torch.from_numpy(row.astype(np.uint16))

    def lines(self, score: Score) -> list[tuple[Part, list[Note]]]:
        """For each part of the grid the part that it comes from, and its notes in steps; of
        "chords", the "pitch" is the token.
        """
        count = len(self.parts)
        played = [part for part in score.parts if not part.drums]
        empty = Part()
        if CHORDS in self.parts:
            named = next((part for part in played if part.name == CHORDS), None)
            chords = named or next(
                (part for part in reversed(played) if not voice_split.is_voice(part)), None
            )
            others = [part for part in played if part is not chords]
            lines = Grid(
                self.steps, self.length, [name for name in self.parts if name != CHORDS]
            ).lines(_only(score, others))
            place = self.parts.index(CHORDS)
            return [
                *lines[:place],
                (chords or empty, self._symbols(chords or empty, score.resolution)),
                *lines[place:],
            ]
        names = [part.name.strip().lower() for part in played]
        if len(set(names)) == len(names) and set(names) <= set(self.parts):
            by_name = dict(zip(names, played, strict=True))
            chosen = [by_name.get(name, empty) for name in self.parts]
        elif len(played) <= count and all(map(voice_split.is_voice, played)):
            chosen = [*played, *[empty] * (count - len(played))]
        elif count == 1:  # a melody: the first part's upper line
            chosen = [next((part for part in played if part.notes), empty)]
        else:
            every = sorted(note for part in played for note in part.notes)
            lines_, _ = voice_split.dealt(
                voice_split.stepped(every, score.resolution, self.steps), count
            )
            return [(played[0] if played else empty, voice_split.single(line)) for line in lines_]
        return [
            (
                part,
                voice_split.single(voice_split.stepped(part.notes, score.resolution, self.steps)),
            )
            for part in chosen
        ]

    def omitted(self, score: Score) -> Iterator[Omission]:
        """What of a score the grid does not hold; before `fit`, the grid that fits the
        score best.
        """
        if not self.parts:
            yield from Grid(self.steps, self.length, _layout(score)).omitted(score)
            return
        lines = self.lines(score)
        symbols = next(
            (part for (part, _), name in zip(lines, self.parts, strict=True) if name == CHORDS),
            None,
        )
        sung = [
            part for part in score.parts if part.notes and not part.drums and part is not symbols
        ]
        taken = [
            (part, notes)
            for (part, notes), name in zip(lines, self.parts, strict=True)
            if name != CHORDS and part.notes
        ]
        beyond = together = fast = 0
        # dealt out to the voices
        if len(taken) > 1 and all(part is taken[0][0] for part, _ in taken):
            together = sum(len(part.notes) for part in sung) - sum(len(notes) for _, notes in taken)
        else:
            beyond = sum(
                len(part.notes) for part in sung if not any(part is other for other, _ in taken)
            )
            for part, notes in taken:
                missing = len(part.notes) - len(notes)
                together, fast = (
                    (together, fast + missing)
                    if voice_split.is_voice(part)
                    else (together + missing, fast)
                )
        yield from losses.drums(score)
        yield from losses.notes(
            say("notes of parts beyond those of the grid"), beyond, losses.EVENTS
        )
        yield from losses.notes(
            say("notes that sound together within a part"), together, losses.EVENTS
        )
        yield from losses.notes(say("notes faster than the grid"), fast, losses.FINER)
        yield from losses.changes(score)

    def _symbols(self, part: Part, resolution: int) -> list[Note]:
        """The part's chords in steps, their "pitch" a token. Notes that begin together are a chord,
        which ends where the next begins.
        """
        onsets: dict[int, list[Note]] = {}
        for note in voice_split.stepped(part.notes, resolution, self.steps):
            onsets.setdefault(note.start, []).append(note)
        chords = []
        for notes in onsets.values():
            root, quality = harmony.recognised(note.pitch for note in notes)
            chords.append(
                notes[0]._replace(
                    pitch=CHORD + 12 * quality + root, length=max(note.length for note in notes)
                )
            )
        return voice_split.single(chords)

    # Tokens to scores -----------------------------------------------------------------------------

    def decode(self, ids: Sequence[int]) -> Score:
        """Any tokens: what makes no sense where it stands is a rest; a step that breaks off is left
        out.
        """
        ids = ids[1:] if ids and ids[0] == BEGIN else ids
        body = list(ids[: ids.index(END)] if END in ids else ids)
        count = len(self.parts)
        grid = np.array(body[: len(body) // count * count], dtype=np.int64).reshape(-1, count)
        return self.score(grid)

    def score(self, grid: np.ndarray) -> Score:
        """A score from (S, V) tokens, with the usual tempo, metre and programs of the training
        data.
        """
        unit, resolution = ticks_of(self.steps)
        parts = []
        for voice, name in enumerate(self.parts):
            notes: list[Note] = []
            sounding: list[Note] = []
            holds = -1
            for step, token in enumerate(grid[:, voice].tolist()):
                if token == holds and sounding:
                    sounding = [note._replace(length=note.length + unit) for note in sounding]
                    continue
                notes += sounding
                sounding = [
                    Note(step * unit, unit, pitch) for pitch in self._sounds(token, name == CHORDS)
                ]
                holds = token + _apart(token)
            parts.append(
                Part(
                    name,
                    self.programs[voice] if self.programs else 0,
                    False,
                    tuple(notes + sounding),
                )
            )
        return Score(tuple(parts), resolution, (Tempo(0, self.tempo),), (Metre(0, *self.metre),))

    @staticmethod
    def _sounds(token: int, chords: bool) -> tuple[int, ...]:
        if chords:
            quality, root = divmod(token - CHORD, 12)
            return harmony.realised(root, quality) if 0 <= quality < len(harmony.QUALITIES) else ()
        return (token - PITCH,) if PITCH <= token < HELD else ()

    # Transposition --------------------------------------------------------------------------------

    def transposed(self, x: Tensor, semitones: Tensor) -> Tensor:
        """Tokens (..., T) moved by so many semitones, which broadcasts; a pitch that would leave 0
        .. 127 stays within, by octaves.
        """
        first = torch.where(x < HELD, PITCH, HELD)
        pitch, chord = folded(x - first + semitones, 128), x - CHORD
        moved = CHORD + chord // 12 * 12 + (chord % 12 + semitones) % 12
        return torch.where(
            (x >= PITCH) & (x < CHORD), pitch + first, torch.where(x >= CHORD, moved, x)
        )

    def span(self, x: np.ndarray, slot: np.ndarray) -> tuple[int, int]:
        """Lowest and highest shift that keeps every pitch of tokens (n,) at slots (n,) of their
        steps within its part's range in the training data.
        """
        place = np.flatnonzero((x >= PITCH) & (x < CHORD))
        if len(place) == 0:
            return -6, 6
        pitch, (low, high) = (x[place] - PITCH) % 128, np.array(self.ranges).T[:, slot[place]]
        return min(0, int((low - pitch).max())), max(0, int((high - pitch).min()))

    # State ----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "parts": list(self.parts),
            "ranges": [list(pair) for pair in self.ranges],
            "programs": list(self.programs),
            "tempo": self.tempo,
            "metre": list(self.metre),
        }

    def restore(self, state: dict[str, Any]) -> None:
        known = GridState.model_validate(state)
        self.parts, self.programs = tuple(known.parts), tuple(known.programs)
        self.ranges = tuple((low, high) for low, high in known.ranges)
        self.tempo, self.metre = known.tempo, (known.metre[0], known.metre[1])


class GridGrammar:
    """What may follow in a grid. A state is (part, of each part the token that holds what it
    sounds, whether a note has been heard).
    """

    def __init__(self, chords: tuple[bool, ...], vocab: int) -> None:
        """chords: of each part, whether its tokens are chord symbols."""
        self.chords = chords
        # of a part of pitches and one of symbols: a rest, or what begins
        self._fresh = torch.zeros(2, vocab, dtype=torch.bool)
        self._fresh[:, REST] = True
        self._fresh[0, PITCH:HELD] = True
        self._fresh[1, CHORD:HELD_CHORD] = True
        self._held = torch.zeros(2, vocab, dtype=torch.bool)
        self._held[0, HELD:CHORD] = True
        self._held[1, HELD_CHORD:] = True

    def start(self) -> tuple[int, tuple[int, ...], bool]:
        return 0, (NOTHING,) * len(self.chords), False

    def inside(self) -> tuple[int, tuple[int, ...], bool]:
        """Of a row that begins inside a document: each part may hold anything."""
        return 0, (ANYTHING,) * len(self.chords), True

    def allowed(self, state: tuple[int, tuple[int, ...], bool]) -> Tensor:
        part, sounding, heard = state
        kind, now = int(self.chords[part]), sounding[part]
        mask = (
            self._fresh[kind] | self._held[kind] if now == ANYTHING else self._fresh[kind].clone()
        )
        if now >= 0:
            mask[now] = True
        mask[END] = part == 0 and heard
        return mask

    def advance(
        self, state: tuple[int, tuple[int, ...], bool], token: int
    ) -> tuple[int, tuple[int, ...], bool]:
        part, sounding, heard = state
        if token in (BEGIN, END):
            return self.start()
        holds = NOTHING if token == REST else token + _apart(token)
        return (
            (part + 1) % len(self.chords),
            (*sounding[:part], holds, *sounding[part + 1 :]),
            heard or token >= PITCH,
        )

    def distance(self, state: tuple[int, tuple[int, ...], bool]) -> int:
        """To the end of the step, if a note has been heard; else a note must come first."""
        part, _, heard = state
        return (len(self.chords) - part) % len(self.chords) if heard else len(self.chords) - part

    def costs(self, state: tuple[int, tuple[int, ...], bool]) -> Tensor:
        """(V,) int64, as nn/grammar_masks.py needs it."""
        part, _, heard = state
        count = len(self.chords)
        to_end = (count - part - 1) % count  # after this token
        costs = torch.full(self._fresh.shape[1:], 1 + to_end)
        if not heard:
            costs[REST] = 1 + (to_end or count)
        costs[END] = 1
        return costs.masked_fill(~self.allowed(state), FORBIDDEN)

    def along(self, x: Tensor) -> Tensor:
        """(B, T - 1, V) bool: what may stand at x[:, 1:] (spec.Grammar). Of a row that begins
        inside a document every part may hold anything.
        """
        count, place = len(self.chords), torch.arange(x.shape[1] - 1, device=x.device)
        part, begun = place % count, x == BEGIN
        kind = torch.tensor(self.chords, device=x.device).long()[part]
        fresh, held = self._fresh.to(x.device)[kind], self._held.to(x.device)[kind]
        earlier = x[:, (place + 1 - count).clamp_min(0)]  # what the same part did
        sounding = (earlier >= PITCH) & (place >= count) & ~begun[:, place - part]
        mask = fresh.expand(len(x), -1, -1).clone()
        mask.scatter_(2, torch.where(sounding, earlier + _apart(earlier), REST)[..., None], True)
        mask |= (held & (place < count)[:, None]) & ~begun[:, :1, None]
        mask[..., END] = (part == 0) & heard_before(x, PITCH)
        return mask


def is_held(x: np.ndarray) -> np.ndarray:
    """Of tokens of any shape, bool."""
    return ((x >= HELD) & (x < CHORD)) | (x >= HELD_CHORD)


def begun(x: np.ndarray) -> np.ndarray:
    """Tokens of any shape, those that hold as those that begin."""
    return x - np.where(is_held(x), np.where(x < CHORD, HELD - PITCH, HELD_CHORD - CHORD), 0)


def heard_before(x: Tensor, note: int) -> Tensor:
    """(B, T - 1) bool: whether a token >= `note` of the same document stands before x[:, 1:]; a row
    that begins inside a document has one.
    """
    begins = x == BEGIN
    count = ((x >= note) | (torch.arange(x.shape[1], device=x.device) == 0) & ~begins).cumsum(1)
    return (count > (count * begins).cummax(1).values)[:, :-1]


def _apart(token: Any) -> Any:
    """How far the token that holds it is from a token of a sound, or tensor of tokens; 0 for one
    that holds.
    """
    if isinstance(token, Tensor):
        pitch, chord = (token >= PITCH) & (token < HELD), (token >= CHORD) & (token < HELD_CHORD)
        return pitch * (HELD - PITCH) + chord * (HELD_CHORD - CHORD)
    return (
        HELD - PITCH
        if PITCH <= token < HELD
        else HELD_CHORD - CHORD
        if CHORD <= token < HELD_CHORD
        else 0
    )


def fits(score: Score) -> bool:
    """Whether a grid holds the score as it is: parts that each play one note at a time, few enough
    of them, or a part of chord symbols beside such; no drums.
    """
    played = [part for part in score.parts if part.notes]
    sung = (
        played
        if CHORDS not in _layout(score)
        else [part for part in played if part.name != CHORDS and not _accompanies(part)]
    )
    return (
        len(played) <= _MOST
        and not any(part.drums for part in played)
        and all(map(voice_split.is_voice, sung))
    )


def _layout(score: Score) -> tuple[str, ...]:
    """The names of the parts of a grid that fits a score."""
    played = [part for part in score.parts if not part.drums and part.notes]
    lead = (
        len(played) == 2
        and sorted(map(voice_split.is_voice, played)) == [False, True]
        and any(map(_accompanies, played))
    )
    if lead or any(part.name == CHORDS for part in played):
        return ("melody", CHORDS)
    count = len(played) if len(played) <= _MOST and all(map(voice_split.is_voice, played)) else 4
    names = tuple(part.name.strip().lower() for part in played)
    if len(names) == count and len(set(names)) == count and all(names):
        return names
    return NAMES.get(count) or tuple(f"part {number}" for number in range(1, count + 1))


def _accompanies(part: Part) -> bool:
    """Whether nearly all that the part plays are chords that have a symbol, their notes beginning
    and ending together.
    """
    onsets: dict[int, list[Note]] = {}
    for note in part.notes:
        onsets.setdefault(note.start, []).append(note)
    named = 0
    for notes in onsets.values():
        classes = {note.pitch % 12 for note in notes}
        if len(classes) > 2 and len({note.end for note in notes}) == 1:
            symbol = harmony.recognised(note.pitch for note in notes)
            named += classes == {pitch % 12 for pitch in harmony.realised(*symbol)}
    return named >= _NAMED * len(onsets) > 0


def _only(score: Score, parts: Sequence[Part]) -> Score:
    return Score(tuple(parts), score.resolution, score.tempos, score.metres, score.keys)
