"""The form "chords": the notes that sound at each step, up to k keys of a piano, ascending, the
rest of the k slots filled with "none".

The form of the classic benchmark of polyphonic music (Boulanger-Lewandowski et al. 2012,
arXiv:1206.6392): 88 keys, steps of a quarter note. Tokens are 0 `begin`, 1 `end`, 2 none, 3 + p -
21 the MIDI pitch p. Token t after `begin` is slot t mod k of step t // k. Notes of a step in one
canonical order have one spelling, so the probability of a token sequence that keeps the grammar is
that of the roll. Left out: who plays, how long, how loud, and what comes and goes between two
steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from castalia.errors import DataError
from castalia.language import say
from castalia.modalities.music import omitted as losses
from castalia.modalities.music.score import Note, Part, Score, Tempo
from castalia.modalities.music.tokens.common import RESOLUTION, TEMPO, ChordsState, folded
from castalia.modalities.music.tokens.grid import BEGIN, END, heard_before
from castalia.nn.grammar_masks import FORBIDDEN
from castalia.omissions import Omission
from castalia.spec import Tokens

NONE, KEY = 2, 3
LOWEST, KEYS = 21, 88
VOCAB = KEY + KEYS


class Chords:
    """The form "chords". Immutable after `fit`."""

    parts: tuple[str, ...] = ("chords",)
    beyond = VOCAB  # the first token that is no pitch again

    def __init__(self, steps: int, length: int, slots: int | None = None) -> None:
        """steps: of a quarter note. length: of the context in tokens, whole steps of which are
        used. slots: most notes of a step; None: learned by `fit`.
        """
        self.steps, self.length, self._asked = steps, length, slots
        self.slots = slots or 4
        self.range = (LOWEST, LOWEST + KEYS - 1)

    def fit(self, scores: Iterable[Score]) -> None:
        """Learns the most notes of a step, and the lowest and highest pitch."""
        chords = [chord for score in scores for chord in sounding(score, self.steps)]
        if not any(chords):
            raise DataError(
                say("there is no note to learn from"), "codec", say("give at least one score")
            )
        self.slots = self._asked or max(map(len, chords))
        self.range = (
            min(chord[0] for chord in chords if chord),
            max(chord[-1] for chord in chords if chord),
        )

    @property
    def spec(self) -> Tokens:
        length = max(1, self.length // self.slots) * self.slots
        return Tokens(length, VOCAB, BEGIN, END, ChordGrammar(self.slots), period=self.slots)

    def encode(self, score: Score) -> Tensor:
        """(1 + S k + 1,) uint16. Of more than k notes in a step the lowest are left out; so are
        keys that a piano does not have.
        """
        rows = [BEGIN]
        for chord in sounding(score, self.steps):
            kept = [KEY + pitch - LOWEST for pitch in chord[-self.slots :]]
            rows += kept + [NONE] * (self.slots - len(kept))
        return torch.tensor([*rows, END], dtype=torch.int32).to(torch.uint16)

    def omitted(self, score: Score) -> Iterator[Omission]:
        """Which notes of a score sound at no step. Who plays them, how long and how loud, the form
        leaves out by its nature.
        """
        pitched = [note for part in score.parts if not part.drums for note in part.notes]
        played = [note for note in pitched if LOWEST <= note.pitch < LOWEST + KEYS]
        unit = score.resolution / self.steps
        unheard = sum(not _steps_of(note, unit) for note in played)
        yield from losses.drums(score)
        yield from losses.notes(
            say("notes beyond the keys of a piano"), len(pitched) - len(played), losses.EVENTS
        )
        yield from losses.notes(say("notes too short to be heard at a step"), unheard, losses.FINER)
        if self._asked is not None:
            more = sum(max(0, len(chord) - self.slots) for chord in sounding(score, self.steps))
            yield from losses.notes(
                say("notes beyond the most that a step holds"),
                more,
                say("a larger codec.slots keeps them"),
            )

    def decode(self, ids: Sequence[int]) -> Score:
        """Any tokens; a step that breaks off is left out. Every chord is struck anew."""
        ids = ids[1:] if ids and ids[0] == BEGIN else ids
        body = list(ids[: ids.index(END)] if END in ids else ids)
        unit = max(1, RESOLUTION // self.steps)
        notes = []
        for step in range(len(body) // self.slots):
            keys = sorted(
                {
                    token
                    for token in body[step * self.slots : (step + 1) * self.slots]
                    if KEY <= token < VOCAB
                }
            )
            notes += [Note(step * unit, unit, token - KEY + LOWEST) for token in keys]
        return Score(
            (Part("chords", 0, False, tuple(notes)),), unit * self.steps, (Tempo(0, TEMPO),)
        )

    def transposed(self, x: Tensor, semitones: Tensor) -> Tensor:
        """Tokens (..., T) moved by so many semitones, which broadcasts; a key that would leave the
        keyboard stays on it, by octaves.

        Within the keyboard the notes of a step stay in order.
        """
        return torch.where(x >= KEY, folded(x - KEY + semitones, KEYS) + KEY, x)

    def span(self, x: np.ndarray, slot: np.ndarray) -> tuple[int, int]:
        """Lowest and highest shift that keeps tokens (n,) on the keyboard: chords have no voices,
        whose ranges would bound it.
        """
        key = x[x >= KEY] - KEY
        return (-int(key.min()), KEYS - 1 - int(key.max())) if len(key) else (-6, 6)

    def state(self) -> dict[str, Any]:
        return {"slots": self.slots, "range": list(self.range)}

    def restore(self, state: dict[str, Any]) -> None:
        known = ChordsState.model_validate(state)
        self.slots, self.range = known.slots, (known.range[0], known.range[1])


class ChordGrammar:
    """What may follow. A state is (slot, least token that may come; none once none has come,
    whether a note has been heard).
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._tokens = torch.arange(VOCAB)

    def start(self) -> tuple[int, int, bool]:
        return 0, KEY, False

    def allowed(self, state: tuple[int, int, bool]) -> Tensor:
        slot, least, heard = state
        mask = (self._tokens >= least) if least > NONE else torch.zeros(VOCAB, dtype=torch.bool)
        mask[NONE] = True
        mask[END] = slot == 0 and heard
        return mask

    def advance(self, state: tuple[int, int, bool], token: int) -> tuple[int, int, bool]:
        slot, _, heard = state
        if token in (BEGIN, END):
            return self.start()
        slot, heard = (slot + 1) % self.slots, heard or token >= KEY
        return (0, KEY, heard) if slot == 0 else (slot, NONE if token == NONE else token + 1, heard)

    def distance(self, state: tuple[int, int, bool]) -> int:
        slot, least, heard = state
        if heard:
            return -slot % self.slots
        # a note must come, which none puts off to the next step
        return self.slots - slot + (self.slots if least == NONE else 0)

    def costs(self, state: tuple[int, int, bool]) -> Tensor:
        """(V,) int64, as nn/grammar_masks.py needs it."""
        slot, _, heard = state
        left = self.slots - slot - 1
        costs = torch.full((VOCAB,), 1 + left)
        costs[NONE] = 1 + left + (0 if heard else self.slots)
        costs[END] = 1
        return costs.masked_fill(~self.allowed(state), FORBIDDEN)

    def along(self, x: Tensor) -> Tensor:
        """(B, T - 1, V) bool: what may stand at x[:, 1:] (spec.Grammar). A row that begins inside a
        document has been heard.
        """
        before, first = (
            x[:, :-1, None],
            torch.arange(x.shape[1] - 1, device=x.device) % self.slots == 0,
        )
        tokens = self._tokens.to(x.device)
        later = (tokens == NONE) | ((tokens > before) & (before >= KEY))
        mask = torch.where(first[None, :, None], (tokens == NONE) | (tokens >= KEY), later)
        mask[..., END] = first & heard_before(x, KEY)
        return mask


def sounding(score: Score, steps: int) -> list[list[int]]:
    """For each step (`steps` to a quarter note) the pitches of a piano that sound where it begins,
    or begin within its first sixteenth; ascending.
    """
    unit = score.resolution / steps
    chords: list[set[int]] = []
    for part in score.parts:
        for note in () if part.drums else part.notes:
            if not LOWEST <= note.pitch < LOWEST + KEYS:
                continue
            sounds = _steps_of(note, unit)
            chords += [set() for _ in range(sounds.stop - len(chords))]
            for step in sounds:
                chords[step].add(note.pitch)
    return [sorted(chord) for chord in chords]


def _steps_of(note: Note, unit: float) -> range:
    """The steps, `unit` ticks each, at which a note sounds."""
    first, last = (int(-(-(tick - unit / 16) // unit)) for tick in (note.start, note.end))
    return range(first, last)
