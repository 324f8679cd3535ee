"""The music codec: MIDI files, MusicXML, ABC and files of many pieces to scores, and scores to
tensors.

An item is a `Score` (modalities/music/score.py). Files are read and written in files/; what a model
sees is a form, chosen by `codec.form`: grid.py, events.py, chords.py and piano_roll.py in tokens/.
Pictures are drawn in drawing.py.

The manifest of a written file is a text event of MIDI, a miscellaneous field of MusicXML, the
comment of a WAV; the label for other programs stands beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field, model_validator
from torch import Tensor

from castalia import bounded
from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.codecs.contact_sheet import contact_sheet
from castalia.errors import DataError, SpecError
from castalia.modalities.music import drawing, harmony
from castalia.modalities.music import infill as gaps
from castalia.modalities.music import omitted as losses
from castalia.modalities.music.files import (
    abc_notation,
    midi,
    musicxml_read,
    musicxml_write,
    score_lines,
    wav,
)
from castalia.modalities.music.score import Score
from castalia.modalities.music.tokens.chords import Chords
from castalia.modalities.music.tokens.events import VOCAB, Events
from castalia.modalities.music.tokens.grid import BEGIN, Grid
from castalia.modalities.music.tokens.piano_roll import Roll
from castalia.omissions import Omission
from castalia.sentences import say
from castalia.spec import Dense, Tokens

_READERS: dict[str, Callable[[Path], Score]] = {
    **dict.fromkeys(midi.ENDINGS, midi.read),
    **dict.fromkeys(musicxml_read.ENDINGS, musicxml_read.read),
    ".abc": abc_notation.read,
}
_FIT_ITEMS = 2_000  # scores that `fit` uses
# quarter notes of a score, nine hours at 120 a minute: a few bytes of a damaged file may say
# millions of them
_LONGEST = 1 << 16


class MusicConfig(CodecConfig):
    """Settings of `MusicCodec`.

    form    "grid": parts by steps, pitch, hold or rest (chorales, lead sheets). "events": notes one
            after another, any music. "chords": the keys that sound at each step. "roll": a picture
            of keys, for families of Dense data.
    length  context: most tokens that are coded in one row.
    steps   of a quarter note. None: 4 (sixteenths), 1 for chords, 12 for events.
    parts   names of the grid's parts from the top down; "chords" is one of chord symbols. None:
            what the training data have.
    vocab   of events: tokens in all, of which those beyond the form's own 754 stand for several
            that often follow one another (byte-pair encoding, learned from the training data; fewer
            where they have no more). None: no merges.
    slots   most notes of a step of "chords". None: what the training data have.
    bars    cut pieces into windows of so many bars of four quarter notes, each an item of its own.
            None: whole pieces; 4 for rolls.
    apart   a roll has a plane for each part.
    """

    form: Literal["grid", "events", "chords", "roll"] = "grid"
    length: int = Field(default=256, ge=1, le=1 << 20)
    steps: int | None = Field(default=None, ge=1, le=24)
    parts: tuple[str, ...] | None = Field(default=None, max_length=16)
    vocab: int | None = Field(default=None, ge=VOCAB, le=1 << 14)
    slots: int | None = Field(default=None, ge=1, le=88)
    bars: int | None = Field(default=None, ge=1, le=64)
    apart: bool = False

    @model_validator(mode="after")
    def _merges_events(self) -> Self:
        if self.vocab is not None and self.form != "events":
            raise ValueError(
                say(
                    "only events are merged, not the form '{0}'; leave vocab out, or "
                    "codec.form=events",
                    self.form,
                )
            )
        return self


class MusicCodec(Codec[Score]):
    """Scores to tokens; see the forms."""

    name = "music"
    extensions: ClassVar[tuple[str, ...]] = (*_READERS, *score_lines.ENDINGS)
    formats: ClassVar[tuple[str, ...]] = (".musicxml", ".wav")
    audible: ClassVar[str] = ".wav"
    Config = MusicConfig
    native: ClassVar[type] = Score
    fact_names: ClassVar[tuple[str, ...]] = ("key", "mode", "metre")
    disturbs: ClassVar[dict[str, tuple[str, ...]]] = {"transpose": ("key",)}
    few = say("one file of many pieces counts each of them")
    adjustable = frozenset({"length"})

    def __init__(self, config: MusicConfig | None = None) -> None:
        super().__init__(config or MusicConfig())
        given: MusicConfig = self.config
        match given.form:
            case "grid":
                self.form: Grid | Events | Chords | Roll = Grid(
                    given.steps or 4, given.length, given.parts
                )
            case "events":
                self.form = Events(given.steps or 12, given.length, given.vocab)
            case "roll":
                self.form = Roll(given.steps or 4, given.bars or 4, given.apart, given.parts)
            case "chords":
                self.form = Chords(given.steps or 1, given.length, given.slots)
        self._bars = given.bars or (4 if given.form == "roll" else None)
        self._spec: Tokens | Dense | None = None  # made once: its grammar holds tables

    # Files to items -------------------------------------------------------------------------------

    def is_container(self, path: Path) -> bool:
        """Files of many pieces; with windows every file."""
        return self._bars is not None or path.name.lower().endswith(score_lines.ENDINGS)

    def contents(self, path: Path) -> Iterator[bytes]:
        if self._bars is None:
            return (line.encode() for line in score_lines.lines(path))
        return (repr(item).encode() for item in self.read(path))

    def belongs(self, path: Path) -> list[str] | None:
        """With windows: of each item, the piece that it is from."""
        if self._bars is None:
            return None
        return [name for name, score in _named(self._whole(path)) for _ in self._windows(score)]

    def read(self, path: Path) -> Iterator[Score]:
        """Raises DataError naming a file that is damaged or holds no note."""
        for score in self._whole(path):
            yield from [score] if self._bars is None else self._windows(score)

    def _whole(self, path: Path) -> Iterator[Score]:
        try:
            scores = (
                score_lines.read(path)
                if path.name.lower().endswith(score_lines.ENDINGS)
                else iter([_READERS[path.suffix.lower()](path)])
            )
            for score in scores:
                if score.end > _LONGEST * score.resolution:
                    quarters = score.end // score.resolution
                    length = (
                        say("{0:,} quarter notes", quarters)
                        if quarters < 1 << 64
                        else say("more than can be counted")
                    )
                    raise DataError(
                        say("a score is at most {0:,} quarter notes long", _LONGEST),
                        say("{0}: {1}", path.name, length),
                        say("repair the file, or cut it"),
                    )
                yield score
        except OSError as error:
            raise DataError(
                say("the file cannot be read: {0}", error.strerror),
                path.name,
                say("check its permissions"),
            ) from error

    def _windows(self, score: Score) -> list[Score]:
        """Windows of `bars` bars, one after another from the first note on; silent ones, and one
        that breaks off, are left out.
        """
        length = 4 * score.resolution * (self._bars or 1)
        first = min((note.start for part in score.parts for note in part.notes), default=0)
        first = first // (4 * score.resolution) * 4 * score.resolution
        starts = range(first, max(first + 1, score.end - length + 1), length)
        windows = [window for start in starts if (window := score.cut(start, start + length)).count]
        return [
            replace(window, dropped=() if number else score.dropped)
            for number, window in enumerate(windows)
        ]

    def describe(self, item: Score) -> str:
        """What of the file a score does not keep; "whole" where it and the form keep everything."""
        if item.lost:
            return f"without {', '.join(item.lost)}"
        return "" if any(True for _ in self.omitted(item)) else "whole"

    def omitted(self, item: Score) -> Iterator[Omission]:
        """What the score does not keep of the file and, once the codec is fitted, the form of the
        score.
        """
        yield from losses.of_file(item)
        if self._spec is not None:
            yield from self.form.omitted(item)

    # Items to tensors -----------------------------------------------------------------------------

    def fit(self, items: Iterable[Score]) -> None:
        """Parts, their ranges and what else the form learns, from at most 2,000 scores."""
        self.form.fit([item for _, item in zip(range(_FIT_ITEMS), items, strict=False)])
        self._spec = self.form.spec

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts from the top down."""
        return self.form.parts

    @property
    def steps(self) -> int:
        """Steps of a quarter note."""
        return self.form.steps

    @property
    def spec(self) -> Tokens | Dense:
        if self._spec is None:
            raise SpecError(
                say("the music codec does not know its parts yet"),
                "codec.parts",
                say("call fit(items) first"),
            )
        return self._spec

    def encode(self, item: Score) -> Tensor:
        """(n,) uint16: `begin`, the form's tokens, `end`; of a roll (C, T, P) uint8."""
        return self.form.encode(item)

    def decode(self, x: Tensor) -> Score:
        """(n,) ids to a score, or (C, T, P) in [0, 1]."""
        if isinstance(self.form, Roll):
            return self.form.decode(x)
        ids = x.detach().cpu().flatten()
        return self.form.decode(
            (torch.nan_to_num(ids, 0, 0, 0) if ids.is_floating_point() else ids).long().tolist()
        )

    # Items to files -------------------------------------------------------------------------------

    def write(self, item: Score, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """MusicXML or WAV when the name ends so, else MIDI. The same item and manifest give the
        same bytes.
        """
        match path.suffix.lower():
            case ".musicxml" | ".xml":
                musicxml_write.write(item, path, manifest)
            case ".wav":
                wav.write(item, path, manifest)
            case ".mxl" | ".abc" | ".gz" | ".pieces":
                raise DataError(
                    say("scores are not written as {0}", path.suffix),
                    path.name,
                    say("name it .mid, .musicxml or .wav"),
                )
            case _:
                midi.write(item, path, manifest)

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        file = _file(path)
        return None if file is None else file.read_manifest(*_loaded(path))

    @classmethod
    def content(cls, path: Path) -> str:
        """Of the notes, tempos and signatures; of a WAV its samples."""
        match _file(path):
            case None:
                return super().content(path)
            case module if module is wav:
                return wav.content(*_loaded(path))
            case module:
                return hashlib.sha256(repr(module.parsed(*_loaded(path))).encode()).hexdigest()

    @classmethod
    def is_labelled(cls, path: Path, manifest: dict[str, Any]) -> bool:
        file = _file(path)
        return file is None or file.is_labelled(*_loaded(path), manifest)

    @property
    def suffix(self) -> str:
        return ".mid"

    def preview(self, items: list[Score]) -> PIL.Image.Image:
        """A piano roll of each, in a grid."""
        return contact_sheet([drawing.drawn(item) for item in items], gap=6)

    def units(self, item: Score) -> dict[str, int]:
        """note, and step of the form."""
        steps = -(-item.end * self.steps // item.resolution)
        counts = {
            "note": item.count,
            "step": steps,
            "dimension": self.spec.size if isinstance(self.spec, Dense) else 0,
        }
        return {unit: count for unit, count in counts.items() if count}

    def facts(self, item: Score) -> dict[str, str]:
        """key: the tonic, e.g. "Eb"; mode: "major" or "minor", both estimated from the notes
        (harmony.key_of); metre: the first, e.g. "3/4".
        """
        tonic, minor = harmony.key_of(item)
        facts = {"key": harmony.NAMES[tonic], "mode": "minor" if minor else "major"}
        return facts | (
            {"metre": f"{item.metres[0].beats}/{item.metres[0].unit}"} if item.metres else {}
        )

    # Gaps -----------------------------------------------------------------------------------------

    def gaps(
        self, item: Score, keep: Sequence[str], bars: tuple[int, int] | None
    ) -> tuple[Tensor, Tensor]:
        """See modalities/music/infill.py. Raises SpecError for the form "chords", which has no
        parts.
        """
        return gaps.gaps(self._grid(), item, keep, bars)

    def joined(self, item: Score, x: Tensor, keep: Tensor) -> Score:
        return gaps.joined(self._grid(), item, x.long().cpu(), keep.cpu())

    def _grid(self) -> Grid:
        if not isinstance(self.form, Grid):
            raise SpecError(
                say("chords have no parts to keep"),
                "codec.form=chords",
                say("train with codec.form=grid, e.g. the recipe music/ar-harmonise"),
            )
        return self.form

    # Transposition --------------------------------------------------------------------------------

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        return {"transpose": self.transpose}

    @property
    def default_augmentations(self) -> tuple[str, ...]:
        return ("transpose",)

    def transpose(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Rows (B, T) of tokens, or rolls; each document of a row moves by a number of semitones of
        its own, evenly chosen among those between -6 and 5 that leave every part within its range
        in the training data (so that each key is met once).
        """
        if isinstance(self.form, Roll):
            return self.form.transposed(x, rng)
        rows, begins = x.long(), x.long() == BEGIN
        slot = (np.arange(rows.shape[1]) - 1) % getattr(self.spec, "period", 1)
        shift = torch.zeros_like(rows)
        for row in range(len(rows)):
            starts = sorted({0, *begins[row].nonzero().flatten().tolist()})
            draws = torch.rand(len(starts), generator=rng).tolist()
            for start, stop, draw in zip(starts, [*starts[1:], rows.shape[1]], draws, strict=True):
                if stop - start > 1:
                    low, high = self.form.span(rows[row, start:stop].numpy(), slot[start:stop])
                    low, high = max(low, -6), min(high, 5)
                    shift[row, start:stop] = low + int(draw * (high - low + 1))
        return self.form.transposed(rows, shift).to(x.dtype)

    def symmetries(self) -> list[Tensor]:
        """Of the forms in steps, transpositions by -6 .. 5 semitones; a pitch that would leave the
        scale has no image.
        """
        if not isinstance(self.form, (Grid, Chords)):
            return []
        tokens = torch.arange(self.form.spec.vocab)
        images = []
        for semitones in range(-6, 6):
            moved = self.form.transposed(tokens, torch.tensor(semitones))
            wrapped = (moved != tokens + semitones) & (moved != tokens) & (moved < self.form.beyond)
            images.append(moved.masked_fill(wrapped, -1))
        return images

    def copies(self, x: Tensor, shifts: list[int]) -> Tensor:
        """(len(shifts), *x.shape): tokens moved by each number of semitones, wherever that leads;
        what would leave the scale of pitches goes on by octaves.
        """
        if isinstance(self.form, Roll):
            raise SpecError(
                say("rolls are not copied into other keys"),
                "codec.form=roll",
                say("use another form"),
            )
        return self.form.transposed(x[None], torch.tensor(shifts).view(-1, *[1] * x.dim()))

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return self.form.state(), {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        self.form.restore(state)
        self._spec = self.form.spec
        return self


def _named(scores: Iterable[Score]) -> Iterator[tuple[str, Score]]:
    """Each with a name that its content gives."""
    for score in scores:
        yield hashlib.sha256(repr(score).encode()).hexdigest()[:16], score


def _file(path: Path) -> Any:
    """The module that knows the files of this ending; None for files that Castalia does
    not write.
    """
    ending = path.suffix.lower()
    return (
        midi
        if ending in midi.ENDINGS
        else wav
        if ending == ".wav"
        else musicxml_read
        if ending in musicxml_read.ENDINGS
        else None
    )


def _loaded(path: Path) -> tuple[bytes, str]:
    return bounded.read_bytes(path), path.name
