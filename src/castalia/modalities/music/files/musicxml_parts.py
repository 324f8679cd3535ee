"""Read each part of a MusicXML score measure by measure (W3C MusicXML 4.0, score-partwise), with
times counted from the start of each measure.

Parts are put together, and ties joined, in musicxml_measures.py; files, archives and manifests are
in musicxml_read.py.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import NamedTuple
from xml.etree.ElementTree import Element

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.music import harmony
from castalia.sentences import say

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TYPES = (
    "1024th",
    "512th",
    "256th",
    "128th",
    "64th",
    "32nd",
    "16th",
    "eighth",
    "quarter",
    "half",
    "whole",
    "breve",
    "long",
    "maxima",
)
# in quarter notes
_UNITS = {
    name: Fraction(2) ** (place - _TYPES.index("quarter")) for place, name in enumerate(_TYPES)
}
_LARGEST = 1 << 16  # of the parts and the whole of a metre
_JUMPS = ("dacapo", "dalsegno", "tocoda", "fine")

Time = Fraction  # in quarter notes


class Place(NamedTuple):
    """Time counted from the start of a measure."""

    measure: int
    offset: Time


@dataclass(frozen=True)
class Instrument:
    """program 0 .. 127; key: the MIDI pitch of an unpitched one, None where the file names none."""

    name: str = ""
    program: int = 0
    drums: bool = False
    key: int | None = None


class Sounded(NamedTuple):
    """A note as it is written. velocity: None where the part's dynamics count. ties: of "start" and
    "stop"; tie: the number that tells ties apart.
    """

    at: Place
    length: Time
    pitch: int
    velocity: int | None
    instrument: Instrument
    ties: frozenset[str | None]
    tie: str
    voice: str


def read(root: Element, file: str) -> list[PartReader]:
    """The parts of a <score-partwise>. Raises DataError for what MusicXML does not allow. file: its
    name, for errors.
    """
    about = {part.get("id"): part for part in root.iterfind("part-list/score-part")}
    readers: list[PartReader] = []
    for part in root.iterfind("part"):
        readers.append(
            PartReader(
                about.get(part.get("id")), readers[0].first_divisions if readers else Time(1), file
            )
        )
        readers[-1].read(part)
    return readers


class PartReader:
    """One part of the file."""

    def __init__(self, about: Element | None, divisions: Time, file: str) -> None:
        """about: its <score-part>. divisions: of a quarter note, until the part names its own."""
        self.name = " ".join(
            ((about.findtext("part-name") if about is not None else "") or "").split()
        )
        self._where = say("{0}, part {1}", file, self.name) if self.name else file
        self.notes: list[Sounded] = []
        self.lengths: list[Time | None] = []  # of each measure; None where nothing is written
        self.bars: list[Time] = []  # the length of each measure by its metre
        self.implicit: list[bool] = []
        self.loudness: list[tuple[Place, int]] = []
        self.tempos: list[tuple[Place, float]] = []
        self.metres: list[tuple[Place, tuple[int, int]]] = []
        self.keys: list[tuple[Place, tuple[int, bool]]] = []
        self.chords: list[tuple[Place, tuple[int, ...]]] = []
        self.lost: set[str] = set()
        self.dropped: Counter[str] = Counter()
        self.first_divisions = self._divisions = divisions
        self._bar = Time(4)
        # staff, "" for all -> semitones, and octaves that double it
        self._moved: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._instruments: dict[str | None, Instrument] = {}
        for element in about.iterfind("score-instrument") if about is not None else ():
            self._instruments[element.get("id")] = Instrument(
                " ".join((element.findtext("instrument-name") or "").split())
            )
        for element in about.iterfind("midi-instrument") if about is not None else ():
            self._midi_instrument(element)
        named = (
            [element.get("id") for element in about.iterfind("midi-instrument")]
            if about is not None
            else []
        )
        self._default = named[0] if named else next(iter(self._instruments), None)

    def read(self, part: Element) -> None:
        for index, measure in enumerate(part.iterfind("measure")):
            length = self._measure(measure, index)
            self.lengths.append(length or None)
            self.bars.append(self._bar)
            self.implicit.append(measure.get("implicit") == "yes")

    def _measure(self, measure: Element, index: int) -> Time:
        now = latest = onset = Time(0)  # onset: of the note that <chord/> joins
        for element in measure:
            match element.tag:
                case "note":
                    if element.find("grace") is not None:
                        self.dropped["grace notes"] += element.find("cue") is None
                        continue
                    length = self._length(element)
                    if element.find("chord") is None:
                        onset = now
                        now += length
                    self._note(element, Place(index, onset), length)
                case "backup":
                    now = max(Time(0), now - self._duration(element.findtext("duration")))
                case "forward":
                    now += self._duration(element.findtext("duration"))
                case "attributes":
                    self._attributes(element, Place(index, now))
                case "direction" | "sound":
                    self._direction(element, Place(index, now + self._offset(element)))
                case "harmony":
                    self._harmony(element, Place(index, now + self._offset(element)))
            latest = max(latest, now)
        return latest

    def _duration(self, text: str | None) -> Time:
        length = self._number(text) / self._divisions
        if length < 0:
            raise self._damaged(say("a duration of {0}", text))
        return length

    def _length(self, note: Element) -> Time:
        """Of a note or rest: its duration, else that of its sign; a rest of a whole measure lasts
        as long as the metre's bar.
        """
        written = note.findtext("duration")
        if written is not None:
            return self._duration(written)
        rest, kind = note.find("rest"), (note.findtext("type") or "").strip()
        if kind not in _UNITS:
            if rest is not None:
                return self._bar
            raise self._damaged(say("a note without a duration"))
        length = _UNITS[kind] * (2 - Fraction(1, 2 ** len(note.findall("dot"))))
        ratio = note.find("time-modification")
        if ratio is not None:
            actual = self._number(ratio.findtext("actual-notes"))
            if actual <= 0:
                raise self._damaged(say("a tuplet of no notes"))
            length *= self._number(ratio.findtext("normal-notes")) / actual
        return length

    def _offset(self, element: Element) -> Time:
        return self._number(element.findtext("offset") or "0") / self._divisions

    def _note(self, element: Element, at: Place, length: Time) -> None:
        # cue notes are there to be read, not played
        if element.find("rest") is not None or element.find("cue") is not None:
            return
        named = element.find("instrument")
        instrument = self._instruments.get(self._default if named is None else named.get("id"))
        instrument = instrument or self._instruments.get(self._default) or Instrument()
        pitches = self._pitches(element, instrument, named is None)
        if not pitches or length == 0:
            self.dropped["notes without length" if pitches else "unpitched notes"] += 1
            return
        if element.find("unpitched") is not None:
            instrument = replace(instrument, drums=True)
        loud = element.get("dynamics")
        velocity = self._velocity(loud) if loud else None
        ties = frozenset(tie.get("type") for tie in element.iterfind("tie"))
        signs = element.find("notations/tied")
        tie, voice = (
            (signs.get("number") or "" if signs is not None else ""),
            (element.findtext("voice") or "").strip(),
        )
        for pitch in pitches:
            if 0 <= pitch <= 127:
                self.notes.append(
                    Sounded(at, length, pitch, velocity, instrument, ties, tie, voice)
                )
            else:
                self.dropped["notes beyond MIDI"] += 1

    def _pitches(self, element: Element, instrument: Instrument, by_default: bool) -> list[int]:
        """MIDI pitches that sound: one, or two where the part is doubled at the octave; none where
        the file does not name what is struck.
        """
        written = element.find("pitch")
        if written is None:
            guessed = by_default and len({one.key for one in self._instruments.values()}) > 1
            return [] if instrument.key is None or guessed else [instrument.key]
        step, octave = (
            (written.findtext("step") or "").strip(),
            self._whole(written.findtext("octave") or "4"),
        )
        if step not in _STEPS:
            raise self._damaged(say("a pitch called {0!r}", step))
        alter = self._number(written.findtext("alter") or "0")
        if alter.denominator != 1:
            self.lost.add("microtones")
        moved, doubled = self._moved.get(
            (element.findtext("staff") or "").strip()
        ) or self._moved.get("", (0, ()))
        pitch = _STEPS[step] + round(alter) + 12 * (octave + 1) + moved
        return [pitch, *(pitch + 12 * octaves for octaves in doubled)]

    def _attributes(self, element: Element, at: Place) -> None:
        if divisions := element.findtext("divisions"):
            if self._number(divisions) <= 0:
                raise self._damaged(say("divisions of no length"))
            if not self.lengths and not at.offset:
                self.first_divisions = self._number(divisions)
            self._divisions = self._number(divisions)
        for moved in element.iterfind("transpose"):
            semitones = self._whole(moved.findtext("chromatic") or "0") + 12 * self._whole(
                moved.findtext("octave-change") or "0"
            )
            doubled = moved.find("double")
            octaves = () if doubled is None else (1,) if doubled.get("above") == "yes" else (-1,)
            self._moved[moved.get("number") or ""] = (semitones, octaves)
        for key in element.iterfind("key"):
            if (fifths := key.findtext("fifths")) and abs(sharps := self._whole(fifths)) <= 7:
                self.keys.append((at, (sharps, (key.findtext("mode") or "").strip() == "minor")))
        for time in element.iterfind("time"):
            self._time(time, at)

    def _time(self, time: Element, at: Place) -> None:
        """A metre; several that are added (3/8 + 2/4) or a sum (3+2/8) as the one that they make
        together.
        """
        pairs: list[tuple[int, int]] = []
        for written, below in zip(time.iterfind("beats"), time.iterfind("beat-type"), strict=False):
            pairs.append(
                (
                    sum(self._whole(beats) for beats in (written.text or "").split("+")),
                    self._whole(below.text),
                )
            )
        if not pairs:
            return  # free metre
        if any(not (0 < beats <= _LARGEST and 0 < unit <= _LARGEST) for beats, unit in pairs):
            raise self._damaged(say("a metre of {0}/{1}", pairs[0][0], pairs[0][1]))
        unit = lcm(*(unit for _, unit in pairs))
        beats = sum(beats * unit // own for beats, own in pairs)
        self._bar = Time(4 * beats, unit)
        if not _is_metre(beats, unit):
            beats, unit = Fraction(beats, unit).as_integer_ratio()
        if not _is_metre(beats, unit):
            self.lost.add("unusual metres")
        elif time.get("number") in (None, "1"):
            self.metres.append((at, (beats, unit)))

    def _direction(self, element: Element, at: Place) -> None:
        sound = element if element.tag == "sound" else element.find("sound")
        given = sound.get("tempo") if sound is not None else None
        if given:
            self._tempo(at, self._number(given))
        for mark in element.iterfind("direction-type/metronome") if not given else ():
            units, count = (
                mark.findall("beat-unit"),
                re.search(r"\d+(\.\d+)?", (mark.findtext("per-minute") or "")[:24]),
            )
            unit = _UNITS.get((units[0].text or "").strip()) if len(units) == 1 else None
            if unit and count:
                self._tempo(
                    at,
                    Fraction(count[0])
                    * unit
                    * (2 - Fraction(1, 2 ** len(mark.findall("beat-unit-dot")))),
                )
        if sound is None:
            return
        if sound.get("dynamics"):
            self.loudness.append((at, self._velocity(sound.get("dynamics"))))
        for instrument in sound.iterfind("midi-instrument"):
            self._midi_instrument(instrument)
        if any(sound.get(jump) for jump in _JUMPS):
            self.lost.add("repeats")

    def _tempo(self, at: Place, quarters: Fraction) -> None:
        if 4 <= quarters <= 1000:
            self.tempos.append((at, float(quarters)))

    def _midi_instrument(self, element: Element) -> None:
        """An instrument with the changes of a <midi-instrument>."""
        known = self._instruments.get(element.get("id"), Instrument())
        if program := (element.findtext("midi-program") or "").strip():
            known = replace(known, program=min(max(self._whole(program) - 1, 0), 127))
        if channel := (element.findtext("midi-channel") or "").strip():
            known = replace(known, drums=channel == "10")
        if (key := (element.findtext("midi-unpitched") or "").strip()) and 1 <= self._whole(
            key
        ) <= 128:
            known = replace(known, key=self._whole(key) - 1)
        self._instruments[element.get("id")] = known

    def _harmony(self, element: Element, at: Place) -> None:
        step, kind = (
            (element.findtext("root/root-step") or "").strip(),
            (element.findtext("kind") or "").strip(),
        )
        quality = harmony.quality_of(kind)
        if step not in _STEPS or quality is None:
            if kind not in ("none", ""):
                self.lost.add("some chord symbols")
            self.chords.append((at, ()))
            return
        root = (_STEPS[step] + self._whole(element.findtext("root/root-alter") or "0")) % 12
        self.chords.append((at, harmony.realised(root, list(harmony.QUALITIES).index(quality))))

    def _velocity(self, loud: str | None) -> int:
        """From a percentage of MIDI's 90."""
        return min(max(round(self._number(loud) * 9 / 10), 1), 127)

    def _damaged(self, why: str) -> DataError:
        return DataError(
            say("the MusicXML is damaged: {0}", why),
            self._where,
            say("save it again, or set data.skip_bad=true"),
        )

    def _number(self, text: str | None) -> Fraction:
        return bounded.parse_number(text or "", self._where)

    def _whole(self, text: str | None) -> int:
        """A whole number, which may be written "-2.0"; rounded."""
        return round(self._number(text))


def _is_metre(beats: int, unit: int) -> bool:
    """Whether MIDI and a score have it."""
    return beats < 256 and unit <= 64 and unit & (unit - 1) == 0
