"""Detect copied music: melodies that a sample has in common with one training piece, in any key and
at any tempo, note for note or nearly so.

Of each part the line of highest notes is compared by its steps (modalities/music/melody.py:
interval and ratio of durations), so a transposed or faster copy is the same. The best spans
(governance/local_alignment.py) of a sample's parts with one training piece are added up: a copy of
all voices counts more than a tune that two pieces share, and a copied tune alone still counts
enough. A step is worth the bits of a model of the other training pieces that knows the three steps
before it (ngram_bits.py), so scales, cadences and repeated notes are cheap. `distance` is 1 / (1 +
bits / 100). Not here: harmony, rhythm alone, percussion; how many bits make a copy
(governance/calibration.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches
from castalia.governance.local_alignment import Aligned, Prices, Span
from castalia.modalities.music.melody import SYMBOLS, Line, lines, motifs, pitched
from castalia.modalities.music.ngram_bits import surprise
from castalia.modalities.music.score import Note, Part, Score
from castalia.modalities.music.svg import bars_of

# a changed note changes two steps; one note in ten is borne
PRICES = Prices(seed=6, hits=24, edit=6.0, drop=20.0)
ORDER = 3  # steps before it that a step's worth depends on
LEAST_SHARE = 0.25  # share of the best span's bits below which another part's is chance
MOVED = 6  # semitones that a planted copy is moved at most
AROUND = 4.0  # quarter notes that a page shows before and after a match


class Shared(NamedTuple):
    """One part's best span with a training piece: the sample's line and the training piece's,
    counted among lines, and where.
    """

    mine: int
    theirs: int
    span: Span


class Music:
    """training: scores, or tensors that the codec decodes to them."""

    name: ClassVar = "music"
    kinds: ClassVar = ("exact", "transposed", "tempo", "one part", "edited")
    planted: ClassVar = ("transposed", "tempo", "one part", "edited")
    farthest: ClassVar = 0.8

    def __init__(self, codec: Codec[Any], training: Iterable[Any]) -> None:
        self._codec = codec
        self._pieces = _scores(codec, training)
        self._lines = [lines(piece) for piece in self._pieces]
        rows = [motifs(line) for own in self._lines for line in own]
        # of each row
        self._piece = np.repeat(np.arange(len(self._lines)), [len(own) for own in self._lines])
        self._index = Aligned(rows, surprise(rows, self._piece, SYMBOLS, ORDER), PRICES)
        self._first = np.cumsum([0, *map(len, self._lines)])  # the first row of each piece

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return issubclass(codec.native, Score)

    def __len__(self) -> int:
        return len(self._pieces)

    def match(self, queries: Any) -> Matches:
        """queries: scores -> the training piece with which each shares the most bits of melody."""
        train, bits, share, kinds, evidence = [], [], [], [], []
        for query in _scores(self._codec, queries):
            own = lines(query)
            place, shared = self._best(own)
            train.append(place)
            bits.append(sum(one.span.bits for one in shared))
            steps = sum(one.span.stop - one.span.start for one in shared)
            edits = sum(one.span.edits for one in shared)
            share.append(edits / steps if steps else 1.0)
            kinds.append(self._kind(own, place, shared) if shared else "edited")
            evidence.append(
                self._shown(query, own, place, shared, bits[-1], edits) if shared else {}
            )
        distance = 1 / (1 + torch.tensor(bits, dtype=torch.float64) / 100)
        return Matches(
            torch.tensor(train, dtype=torch.int64),
            distance,
            torch.tensor(share, dtype=torch.float64),
            kinds,
            evidence,
        )

    def _best(self, own: Sequence[Line]) -> tuple[int, list[Shared]]:
        """The training piece with the largest sum over the lines of the best span with it; (-1, [])
        where nothing is alike.
        """
        spans: dict[int, dict[int, Shared]] = {}  # training piece -> line -> its best span
        for mine, line in enumerate(own):
            for span in self._index.spans(motifs(line)):
                row = self._index.row_of(span)
                piece = int(self._piece[row])
                best = spans.setdefault(piece, {})
                if mine not in best or span.bits > best[mine].span.bits:
                    best[mine] = Shared(mine, row - int(self._first[piece]), span)
        if not spans:
            return -1, []
        piece = max(
            spans, key=lambda piece: (sum(one.span.bits for one in spans[piece].values()), -piece)
        )
        return piece, list(spans[piece].values())

    def _notes(
        self, own: Sequence[Line], place: int, one: Shared
    ) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
        """The notes of a span, in the sample and in the training piece."""
        begin = int(self._index.begins[self._first[place] + one.theirs])
        theirs = self._lines[place][one.theirs].notes[
            one.span.first - begin : one.span.last - begin + 1
        ]
        return own[one.mine].notes[one.span.start : one.span.stop + 1], theirs

    def _kind(self, own: Sequence[Line], place: int, shared: Sequence[Shared]) -> str:
        """How the training piece was changed, by the spans with the most bits."""
        most = max(one.span.bits for one in shared)
        shared = [one for one in shared if one.span.bits >= LEAST_SHARE * most]
        if any(one.span.edits for one in shared):
            return "edited"
        pairs = [self._notes(own, place, one) for one in shared]
        if any(mine[0].pitch != theirs[0].pitch for mine, theirs in pairs):
            return "transposed"
        waits = [
            (
                own[one.mine].waits[one.span.start],
                self._lines[place][one.theirs].waits[one.span.first - self._begin(place, one)],
            )
            for one in shared
        ]
        if any(abs(mine - theirs) > 1e-6 for mine, theirs in waits):
            return "tempo"
        return "exact" if len(shared) == len(self._lines[place]) else "one part"

    def _begin(self, place: int, one: Shared) -> int:
        return int(self._index.begins[self._first[place] + one.theirs])

    def _shown(
        self,
        query: Score,
        own: Sequence[Line],
        place: int,
        shared: Sequence[Shared],
        bits: float,
        edits: int,
    ) -> dict[str, Any]:
        pairs = [self._notes(own, place, one) for one in shared]
        sides = {
            "sample": (query, [note for mine, _ in pairs for note in mine]),
            "train": (self._pieces[place], [note for _, theirs in pairs for note in theirs]),
        }
        return {
            "bits": round(bits, 1),
            "length": sum(len(mine) for mine, _ in pairs),
            "edits": edits,
            **{f"{side}_roll": _roll(*shown) for side, shown in sides.items()},
            **{f"{side}_bars": _bars(*shown) for side, shown in sides.items()},
        }

    def plant(self, items: Any, kind: str, rng: torch.Generator) -> list[Score]:
        """ "transposed": by up to MOVED semitones; "tempo": twice as slow; "one part": the one with
        most notes alone; "edited": one note in ten a step or two off.
        """

        def drawn(most: int) -> int:
            return int(torch.randint(most, (), generator=rng))

        made = []
        for score in _scores(self._codec, items):
            match kind:
                case "transposed":
                    score = _transposed(score, (drawn(MOVED) + 1) * (1 if drawn(2) else -1))
                case "tempo":
                    slow = [
                        tuple(
                            note._replace(start=2 * note.start, length=2 * note.length)
                            for note in part.notes
                        )
                        for part in score.parts
                    ]
                    score = replace(
                        score,
                        parts=tuple(
                            replace(part, notes=notes)
                            for part, notes in zip(score.parts, slow, strict=True)
                        ),
                    )
                case "one part":
                    parts = pitched(score)
                    score = replace(
                        score,
                        parts=(max(parts, key=lambda part: len(part.notes)),) if parts else (),
                    )
                case "edited":
                    score = replace(
                        score,
                        parts=tuple(
                            replace(part, notes=_edited(part, drawn)) for part in score.parts
                        ),
                    )
            made.append(score)
        return made

    @staticmethod
    def as_long(items: Any, like: Any, codec: Codec[Any]) -> list[Score]:
        """The pieces cut at a moment so that each part holds no more notes than `like` in turn;
        what is left makes further ones.
        """
        lengths = [max(8, score.count) for score in _scores(codec, like)] or [1 << 30]
        cut: list[Score] = []
        for score in _scores(codec, items):
            rest = score
            while rest.count >= 8:
                most = lengths[len(cut) % len(lengths)]
                starts = sorted(note.start for part in rest.parts for note in part.notes)
                end = starts[most] if most < len(starts) else rest.end + 1
                end = max(end, starts[0] + 1)
                cut.append(_between(rest, 0, end))
                rest = _between(rest, end, rest.end + 1)
        return cut

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        pieces = [
            [piece.resolution, [[list(map(list, part.notes)), part.drums] for part in piece.parts]]
            for piece in self._pieces
        ]
        return {"pieces": pieces}, {}

    @classmethod
    def restore(cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]) -> Music:
        return cls(
            codec,
            [
                Score(
                    tuple(
                        Part(notes=tuple(Note(*note) for note in notes), drums=drums)
                        for notes, drums in parts
                    ),
                    resolution,
                )
                for resolution, parts in state["pieces"]
            ],
        )


def _scores(codec: Codec[Any], items: Any) -> list[Score]:
    """Scores as they are; tensors (N, *shape), or blocks of them, decoded."""
    scores: list[Score] = []
    for item in items:
        if isinstance(item, Score):
            scores.append(item)
        else:
            scores += [
                codec.decode(row)
                for row in (
                    item[None] if item.dim() == len(getattr(codec.spec, "shape", ())) else item
                )
            ]
    return scores


def _transposed(score: Score, semitones: int) -> Score:
    """The other way where notes would leave the range of MIDI."""
    try:
        return score.transposed(semitones)
    except ValueError:
        return score.transposed(-semitones)


def _edited(part: Part, drawn: Any) -> tuple[Note, ...]:
    notes = list(part.notes)
    for start in range(0, len(notes) - len(notes) % 10, 10):
        place, off = start + drawn(10), (-2, -1, 1, 2)[drawn(4)]
        notes[place] = notes[place]._replace(pitch=min(127, max(0, notes[place].pitch + off)))
    return tuple(notes)


def _between(score: Score, first: int, last: int) -> Score:
    """What begins in [first, last), from tick 0."""
    parts = tuple(
        replace(
            part,
            notes=tuple(
                note._replace(start=note.start - first)
                for note in part.notes
                if first <= note.start < last
            ),
        )
        for part in score.parts
    )
    return replace(score, parts=parts)


def _roll(score: Score, marked: Sequence[Note]) -> list[list[float]]:
    """[start, length, pitch, marked] in quarter notes of all notes around the marked ones, from the
    beginning of the window.
    """
    first, last = _window(score, marked)
    known = set(marked)
    rows = [
        [note.start - first, note.length, note.pitch, note in known]
        for part in pitched(score)
        for note in part.notes
        if first <= note.start and note.end <= last
    ]
    return [
        [round(start / score.resolution, 3), round(length / score.resolution, 3), pitch, int(hit)]
        for start, length, pitch, hit in rows
    ]


def _bars(score: Score, marked: Sequence[Note]) -> list[list[float]]:
    """[start, number] of the bars in the same window."""
    first, last = _window(score, marked)
    return bars_of(score, first / score.resolution, last / score.resolution)


def _window(score: Score, marked: Sequence[Note]) -> tuple[float, float]:
    """From a little before the marked notes to a little behind them, in ticks."""
    around = AROUND * score.resolution
    return max(0.0, min(note.start for note in marked) - around), max(
        note.end for note in marked
    ) + around
