"""MusicXML, plain (.musicxml, .xml) and compressed (.mxl), to scores (W3C MusicXML 4.0, score-partwise). Writing is in engraving.py.

A part of the file is a part of the score, whatever staves and voices it has. Tied notes are one note; transposing instruments sound as they sound. Chord
symbols become a part called "chords" whose notes are close chords (harmony.py), each until the next symbol. A pickup bar is told by a second metre where
the first whole bar begins. Repeats are played once; those and lyrics, dynamics, grace notes and ornaments are named in `Score.lost`.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from castalia.codecs import harmony, xmp
from castalia.codecs.grid import CHORDS
from castalia.codecs.score import Key, Metre, Note, Part, Score, Tempo
from castalia.errors import DataError

ENDINGS = (".musicxml", ".mxl", ".xml")
FIELD = "castalia"  # the name of the miscellaneous field that holds the manifest
LABEL = "castalia-label"
_LARGEST = 1 << 26  # bytes of an uncompressed score
_FINEST = 10_080  # ticks of a quarter note
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_UNITS = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25}
_LOST = {"lyric": "lyrics", "grace": "grace notes", "dynamics": "dynamics", "wedge": "dynamics", "articulations": "articulations",
         "ornaments": "ornaments", "fermata": "fermatas", "pedal": "pedal", "repeat": "repeats", "ending": "repeats", "figured-bass": "figured bass"}  # fmt: skip

Time = Fraction  # in quarter notes


def read(path: Path) -> Score:
    """Raises DataError for a file that is damaged or no MusicXML, and for one that holds no note."""
    score = parsed(path.read_bytes(), path.name)
    if score.count == 0:
        raise DataError("the score is empty: it holds no note", path.name, "remove it, or set data.skip_bad=true")
    return score


def parsed(data: bytes, name: str) -> Score:
    """A score from the bytes of a file, which may hold no note."""
    root = tree(data, name)
    reader = _Reader(name)
    try:
        about = {part.get("id"): part for part in root.iterfind("part-list/score-part")}
        for part in root.iterfind("part"):
            reader.part(part, about.get(part.get("id")))
    except (ValueError, ArithmeticError) as error:
        raise DataError(f"the MusicXML is damaged: {error}", name, "save it again, or set data.skip_bad=true") from error
    reader.lost |= {_LOST[element.tag] for element in root.iter() if element.tag in _LOST}
    title = (root.findtext("work/work-title") or root.findtext("movement-title") or "").strip()
    return reader.score(title)


def tree(data: bytes, name: str) -> ElementTree.Element:
    """The root, <score-partwise>."""
    if not data:
        raise DataError("the file is empty (zero bytes)", name, "copy it again, or set data.skip_bad=true")
    try:
        root = ElementTree.fromstring(_unpacked(data) if data[:2] == b"PK" else data)
    except (ElementTree.ParseError, zipfile.BadZipFile, zlib.error, KeyError, ValueError, LookupError, NotImplementedError) as error:
        # NotImplementedError: a compression that zipfile does not know
        raise DataError(f"the file is not MusicXML, or damaged: {error}", name, "save it again, or set data.skip_bad=true") from error
    if root.tag != "score-partwise":
        what = "is written bar by bar (score-timewise)" if root.tag == "score-timewise" else f"holds <{root.tag}> and no score"
        raise DataError(f"the XML {what}", name, "export it as partwise MusicXML, or set data.skip_bad=true")
    return root


def _unpacked(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = archive.getinfo(_rootfile(archive))
        if inside.file_size > _LARGEST:
            raise ValueError(f"{inside.file_size} bytes are too many for a score")
        return archive.read(inside)


def _rootfile(archive: zipfile.ZipFile) -> str:
    """What the container names; the first score where it names none (there are programs that forget to escape a title)."""
    names = [name for name in archive.namelist() if name.lower().endswith((".xml", ".musicxml")) and not name.startswith("META-INF/")]
    try:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        named = [element.get("full-path", "") for element in container.iter() if element.tag.endswith("rootfile")]
    except (ElementTree.ParseError, KeyError):
        named = []
    found = next((name for name in [*named, *names] if name in archive.namelist()), None)
    if found is None:
        raise ValueError("it holds no score")
    return found


@dataclass
class _Found:
    """A part as it is read; times in quarter notes."""

    name: str
    program: int
    drums: bool
    notes: list[tuple[Time, Time, int, int]] = field(default_factory=list)  # start, length, pitch, velocity


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lost: set[str] = set()
        self._parts: list[_Found] = []
        self._tempos: dict[Time, float] = {}
        self._metres: dict[Time, tuple[int, int]] = {}
        self._keys: dict[Time, tuple[int, bool]] = {}
        self._chords: list[tuple[Time, tuple[int, ...]]] = []
        self._end = Time(0)

    def part(self, part: ElementTree.Element, about: ElementTree.Element | None) -> None:
        def told(path: str) -> str:
            return ((about.findtext(path) if about is not None else None) or "").strip()

        program, drums = int(told("midi-instrument/midi-program") or 1) - 1, told("midi-instrument/midi-channel") == "10"
        found = _Found(" ".join(told("part-name").split()), min(max(program, 0), 127), drums)
        unpitched = told("midi-instrument/midi-unpitched")
        self._drum = int(unpitched) - 1 if unpitched else None
        self._divisions, self._moved, self._velocity = Time(1), 0, 80
        self._open: dict[tuple[int, Time], int] = {}  # pitch and end -> index of the note that is tied on there
        first, start, metre = not self._parts, Time(0), None
        for number, measure in enumerate(part.iterfind("measure")):
            length = self._measure(measure, start, found, first)
            metre = self._metres.get(start, metre)
            start += length
            if number == 0 and first and metre and length < Time(4 * metre[0], metre[1]):
                self._metres[start] = metre  # a pickup: bars are counted from here
        self._end = max(self._end, start)
        self._parts.append(found)

    def _measure(self, measure: ElementTree.Element, start: Time, found: _Found, first: bool) -> Time:
        now = latest = start
        onset = start  # of the note that <chord/> joins
        for element in measure:
            match element.tag:
                case "note":
                    length = self._duration(element)
                    if element.find("grace") is not None:
                        continue
                    if element.find("chord") is not None:
                        self._note(element, onset, length, found)
                        continue
                    onset = now
                    self._note(element, now, length, found)
                    now += length
                case "backup":
                    now = max(start, now - self._duration(element))
                case "forward":
                    now += self._duration(element)
                case "attributes":
                    self._attributes(element, now)
                case "direction" | "sound":
                    self._direction(element, now + self._offset(element))
                case "harmony":
                    self._harmony(element, now + self._offset(element))
            latest = max(latest, now)
        return latest - start

    def _duration(self, element: ElementTree.Element) -> Time:
        return Time((element.findtext("duration") or "0").strip()) / self._divisions

    def _offset(self, element: ElementTree.Element) -> Time:
        return Time((element.findtext("offset") or "0").strip()) / self._divisions

    def _note(self, element: ElementTree.Element, start: Time, length: Time, found: _Found) -> None:
        if element.find("rest") is not None or length <= 0:
            return
        pitch = self._pitch(element)
        if pitch is None or not 0 <= pitch <= 127:
            self.lost.add("unpitched notes" if pitch is None else "notes beyond MIDI")
            return
        ties = {tie.get("type") for tie in element.iterfind("tie")}
        index = self._open.pop((pitch, start), None) if "stop" in ties else None
        if index is not None:
            begun, held, *rest = found.notes[index]
            found.notes[index] = (begun, held + length, *rest)
        else:
            loud = element.get("dynamics")
            velocity = min(max(round(float(loud) * 0.9), 1), 127) if loud else self._velocity
            index = len(found.notes)
            found.notes.append((start, length, pitch, velocity))
        if "start" in ties:
            self._open[pitch, start + length] = index

    def _pitch(self, element: ElementTree.Element) -> int | None:
        written = element.find("pitch")
        if written is None:
            return self._drum
        step, octave = (written.findtext("step") or "").strip(), int(written.findtext("octave") or 4)
        if step not in _STEPS:
            raise ValueError(f"a pitch called {step!r}")
        return _STEPS[step] + round(float(written.findtext("alter") or 0)) + 12 * (octave + 1) + self._moved

    def _attributes(self, element: ElementTree.Element, now: Time) -> None:
        if divisions := element.findtext("divisions"):
            self._divisions = Time(divisions.strip())
            if self._divisions <= 0:
                raise ValueError("divisions of no length")
        if (fifths := element.findtext("key/fifths")) and abs(int(fifths)) <= 7:
            self._keys.setdefault(now, (int(fifths), (element.findtext("key/mode") or "").strip() == "minor"))
        beats, unit = element.findtext("time/beats"), element.findtext("time/beat-type")
        if beats and unit and int(unit) in (1, 2, 4, 8, 16, 32, 64):
            self._metres.setdefault(now, (sum(map(int, beats.split("+"))), int(unit)))
        if (moved := element.find("transpose")) is not None:
            self._moved = int(moved.findtext("chromatic") or 0) + 12 * int(moved.findtext("octave-change") or 0)

    def _direction(self, element: ElementTree.Element, now: Time) -> None:
        sound = element if element.tag == "sound" else element.find("sound")
        if sound is not None and sound.get("tempo"):
            self._tempo(now, float(sound.get("tempo") or 0))
        elif (mark := element.find("direction-type/metronome")) is not None:
            unit, count = _UNITS.get((mark.findtext("beat-unit") or "").strip()), (mark.findtext("per-minute") or "").strip()
            if unit and count.replace(".", "", 1).isdecimal():
                self._tempo(now, float(count) * unit * (1.5 if mark.find("beat-unit-dot") is not None else 1))
        if sound is not None and sound.get("dynamics"):
            self._velocity = min(max(round(float(sound.get("dynamics") or 0) * 0.9), 1), 127)

    def _tempo(self, now: Time, quarters: float) -> None:
        if 4 <= quarters <= 1000:
            self._tempos.setdefault(now, quarters)

    def _harmony(self, element: ElementTree.Element, now: Time) -> None:
        step, kind = (element.findtext("root/root-step") or "").strip(), (element.findtext("kind") or "").strip()
        quality = harmony.quality_of(kind)
        if step not in _STEPS or quality is None:
            if kind not in ("none", ""):
                self.lost.add("some chord symbols")
            self._chords.append((now, ()))
            return
        root = (_STEPS[step] + round(float(element.findtext("root/root-alter") or 0))) % 12
        self._chords.append((now, harmony.realised(root, list(harmony.QUALITIES).index(quality))))

    def score(self, title: str) -> Score:
        times = [time for part in self._parts for note in part.notes for time in note[:2]]
        times += [*self._tempos, *self._metres, *self._keys, *(time for time, _ in self._chords), self._end]
        resolution = lcm(1, *(time.denominator for time in times))
        if resolution > _FINEST:
            resolution = _FINEST
            self.lost.add("the finest of its timing")

        def tick(time: Time) -> int:
            return round(time * resolution)

        parts = [
            Part(part.name, part.program, part.drums, tuple(sorted(
                (Note(tick(start), max(1, tick(start + length) - tick(start)), pitch, velocity) for start, length, pitch, velocity in part.notes),
                key=lambda note: (note.start, note.pitch),
            )))
            for part in self._parts if part.notes
        ]  # fmt: skip
        chords = sorted(self._chords, key=lambda chord: chord[0])
        ends = [*(time for time, _ in chords[1:]), self._end][: len(chords)]
        notes = [
            Note(tick(start), tick(end) - tick(start), pitch, 64)
            for (start, pitches), end in zip(chords, ends, strict=True)
            for pitch in pitches
            if tick(end) > tick(start)
        ]
        if notes:
            parts.append(Part(CHORDS, 0, False, tuple(notes)))
        return Score(
            tuple(parts),
            resolution,
            tuple(Tempo(tick(time), quarters) for time, quarters in sorted(self._tempos.items())),
            tuple(Metre(tick(time), *metre) for time, metre in sorted(self._metres.items())),
            tuple(Key(tick(time), *key) for time, key in sorted(self._keys.items())),
            title,
            tuple(sorted(self.lost)),
        )


def read_manifest(data: bytes, name: str) -> dict[str, Any] | None:
    """The manifest that engraving.py put into a file; None if there is none."""
    try:
        found = json.loads(_fields(data, name).get(FIELD, ""))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def is_labelled(data: bytes, name: str, manifest: dict[str, Any]) -> bool:
    return _fields(data, name).get(LABEL) == xmp.line(manifest)


def _fields(data: bytes, name: str) -> dict[str, str]:
    fields = tree(data, name).iterfind("identification/miscellaneous/miscellaneous-field")
    return {element.get("name", ""): element.text or "" for element in fields}
