"""Write scores as MusicXML that notation programs open: bars, ties, voices, spelled pitches.

Pitches are spelled as the key asks (the one of the score, else the one estimated from its notes). A
note that no sign can write is tied together from several. A part called "chords" whose notes are
those of chord symbols is written as symbols above the first part. The manifest is a miscellaneous
field of the identification.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from castalia.codecs import ai_label
from castalia.modalities.music import harmony
from castalia.modalities.music.files.musicxml_read import FIELD, LABEL
from castalia.modalities.music.score import Metre, Note, Part, Score, lanes
from castalia.modalities.music.tokens.grid import CHORDS

_TYPES = ("whole", "half", "quarter", "eighth", "16th", "32nd", "64th")
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC '
    '"-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def write(score: Score, path: Path, manifest: dict[str, Any] | None = None) -> None:
    """The same score and manifest give the same bytes."""
    root = Element("score-partwise", version="4.0")
    if score.title:
        SubElement(SubElement(root, "work"), "work-title").text = _legal(score.title)
    about = SubElement(root, "identification")
    SubElement(SubElement(about, "encoding"), "software").text = "Castalia"
    if manifest is not None:
        fields = {FIELD: json.dumps(manifest, sort_keys=True), LABEL: ai_label.line(manifest)}
        held = SubElement(about, "miscellaneous")
        for name, text in fields.items():
            if text is not None:
                SubElement(held, "miscellaneous-field", name=name).text = text
    chords, parts = _symbols(score)
    listed = SubElement(root, "part-list")
    for number, part in enumerate(parts, 1):
        entry = SubElement(listed, "score-part", id=f"P{number}")
        SubElement(entry, "part-name").text = _legal(part.name)
        keys = sorted({note.pitch for note in part.notes}) if part.drums else [None]
        for key in keys:
            instrument = SubElement(entry, "score-instrument", id=_instrument(number, key))
            SubElement(instrument, "instrument-name").text = (
                f"Drum {key}" if key is not None else _legal(part.name) or f"Part {number}"
            )
        for key in keys:
            sound = SubElement(entry, "midi-instrument", id=_instrument(number, key))
            SubElement(sound, "midi-channel").text = (
                "10" if part.drums else str(1 + (number - 1) % 9)
            )
            SubElement(sound, "midi-program").text = str(part.program + 1)
            if key is not None:
                SubElement(sound, "midi-unpitched").text = str(key + 1)
    for number, part in enumerate(parts, 1):
        _part(
            SubElement(root, "part", id=f"P{number}"),
            part,
            score,
            chords if number == 1 else [],
            number == 1,
        )
    ElementTree.indent(root, " ")
    path.write_bytes((_HEAD + ElementTree.tostring(root, encoding="unicode") + "\n").encode())


def _symbols(score: Score) -> tuple[list[tuple[int, tuple[int, int] | None]], list[Part]]:
    """Chord symbols as (tick, (root, quality) or None for silence), and the parts that are written
    as notes.
    """
    part = next((part for part in score.parts if part.name == CHORDS and part.notes), None)
    others = [one for one in score.parts if one is not part]
    if part is None or not others:
        return [], list(score.parts) or [Part()]
    onsets: dict[tuple[int, int], list[int]] = {}
    for note in part.notes:
        onsets.setdefault((note.start, note.end), []).append(note.pitch)
    symbols: list[tuple[int, tuple[int, int] | None]] = []
    ended = 0
    for (start, end), pitches in sorted(onsets.items()):
        symbol = harmony.recognised(pitches)
        if harmony.realised(*symbol) != tuple(sorted(pitches)) or start < ended:
            return [], list(score.parts)  # these are not symbols
        if start > ended:
            symbols.append((ended, None))
        symbols.append((start, symbol))
        ended = end
    return [*symbols, *([(ended, None)] if ended < score.end else [])], others


class _Piece(NamedTuple):
    """A note within a bar. before, after: whether it is tied to what is there. lane: tells apart
    ties of one pitch that sound together; 0 needs no number.
    """

    note: Note
    before: bool
    after: bool
    lane: int


def _part(
    into: Element,
    part: Part,
    score: Score,
    chords: Sequence[tuple[int, tuple[int, int] | None]],
    leads: bool,
) -> None:
    bars = score.bar_lines
    metres = score.metres or (Metre(0, 4, 4),)
    tonic, minor = harmony.key_of(score)
    sharps = score.keys[0].sharps if score.keys else ((tonic + 3 * minor) * 7 + 5) % 12 - 5
    last = metres[-1]
    # the last bar is filled up
    end = max(score.end, bars[-1] + last.beats * 4 * score.resolution // last.unit)
    pieces = _cut(part, bars)
    clef = sum(note.pitch for note in part.notes) < 57 * len(part.notes)
    for number, (start, stop) in enumerate(zip(bars, [*bars[1:], end], strict=True), 1):
        measure = SubElement(into, "measure", number=str(number))
        attributes = Element("attributes")
        if number == 1:
            SubElement(attributes, "divisions").text = str(score.resolution)
            _key(attributes, sharps, score.keys[0].minor if score.keys else minor)
        changes = [
            key
            for key in (score.keys[1:] if number == 1 else score.keys)
            if start <= key.start < stop
        ]
        for key in changes:
            sharps = key.sharps
            if key.start == start:
                _key(attributes, sharps, key.minor)
        for metre in {
            metre[1:]: metre
            for metre in metres
            if start == metre.start or (number == 1 and metre.start <= start)
        }.values():
            time = SubElement(attributes, "time")
            SubElement(time, "beats").text, SubElement(time, "beat-type").text = (
                str(metre.beats),
                str(metre.unit),
            )
        if number == 1:
            held = SubElement(attributes, "clef")
            SubElement(held, "sign").text, SubElement(held, "line").text = (
                ("F", "4") if clef else ("G", "2")
            )
        if len(attributes):
            measure.append(attributes)
        for key in changes:
            if key.start > start:  # amid the bar
                SubElement(SubElement(measure, "forward"), "duration").text = str(key.start - start)
                _key(SubElement(measure, "attributes"), key.sharps, key.minor)
                SubElement(SubElement(measure, "backup"), "duration").text = str(key.start - start)
        for tempo in score.tempos if leads else ():
            if start <= tempo.start < stop:
                _tempo(measure, tempo.start - start, tempo.quarters)
        for tick, symbol in chords:
            if start <= tick < stop:
                _harmony(measure, tick - start, symbol)
        _bar(
            measure,
            pieces.get(start, []),
            start,
            stop,
            score.resolution,
            sharps,
            int(into.get("id", "P1")[1:]),
            part.drums,
        )


def _instrument(part: int, key: int | None) -> str:
    """The identifier of a part's instrument, or of one of its drums."""
    return f"P{part}-I{1 if key is None else key + 1}"


def _cut(part: Part, bars: Sequence[int]) -> dict[int, list[_Piece]]:
    """Notes cut at bar lines, by the first tick of their bars."""
    pieces: dict[int, list[_Piece]] = {}
    placed = [(note, lane) for lane, notes in enumerate(lanes(part.notes)) for note in notes]
    for note, lane in sorted(placed, key=lambda one: (one[0].start, one[0].pitch)):
        start = note.start
        bar = max(0, bisect_right(bars, start) - 1)
        while start < note.end:
            stop = min(bars[bar + 1] if bar + 1 < len(bars) else note.end, note.end)
            piece = note._replace(start=start, length=stop - start)
            pieces.setdefault(bars[bar], []).append(
                _Piece(piece, start > note.start, stop < note.end, lane)
            )
            start, bar = stop, bar + 1
    return pieces


def _bar(
    measure: Element,
    pieces: list[_Piece],
    start: int,
    stop: int,
    quarter: int,
    sharps: int,
    part: int,
    drums: bool,
) -> None:
    """The notes of a bar, voice by voice; those that begin and end together are a chord."""
    chords: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        chords.setdefault((piece.note.start, piece.note.end), []).append(piece)
    voices: list[list[tuple[int, int]]] = []
    for span in sorted(chords):
        free = next((voice for voice in voices if voice[-1][1] <= span[0]), None)
        voices.append([span]) if free is None else free.append(span)
    for number, voice in enumerate(voices or [[]], 1):
        if number > 1:
            SubElement(SubElement(measure, "backup"), "duration").text = str(stop - start)
        now = start
        for begins, ends in voice:
            _rest(measure, begins - now, quarter, number)
            lengths = _written(ends - begins, quarter)
            for place, (length, kind, dots) in enumerate(lengths):
                for order, piece in enumerate(chords[begins, ends]):
                    note = SubElement(measure, "note", dynamics=f"{piece.note.velocity / 0.9:.2f}")
                    if order:
                        SubElement(note, "chord")
                    _pitch(note, piece.note.pitch, sharps, drums)
                    SubElement(note, "duration").text = str(length)
                    tied = (
                        ("stop", piece.before or place > 0),
                        ("start", piece.after or place < len(lengths) - 1),
                    )
                    ties = [name for name, is_so in tied if is_so]
                    for name in ties:
                        SubElement(note, "tie", type=name)
                    SubElement(
                        note,
                        "instrument",
                        id=_instrument(part, piece.note.pitch if drums else None),
                    )
                    SubElement(note, "voice").text = str(number)
                    _sign(note, kind, dots)
                    if not ties:
                        continue
                    notations = SubElement(note, "notations")
                    for name in ties:
                        SubElement(
                            notations,
                            "tied",
                            {"type": name}
                            | ({"number": str(piece.lane + 1)} if 0 < piece.lane < 16 else {}),
                        )
            now = ends
        _rest(measure, stop - now, quarter, number)


def _rest(measure: Element, length: int, quarter: int, voice: int) -> None:
    for part, kind, dots in _written(length, quarter):
        note = SubElement(measure, "note")
        SubElement(note, "rest")
        _length(note, part, kind, dots, voice)


def _pitch(note: Element, pitch: int, sharps: int, drums: bool) -> None:
    """Of a drum the line or space that it is printed on: its instrument names the drum."""
    step, alter, octave = spelled(pitch, 0 if drums else sharps)
    element = SubElement(note, "unpitched" if drums else "pitch")
    SubElement(element, "display-step" if drums else "step").text = step
    if alter and not drums:
        SubElement(element, "alter").text = str(alter)
    SubElement(element, "display-octave" if drums else "octave").text = str(octave)


def _length(element: Element, length: int, kind: str, dots: int, voice: int) -> None:
    SubElement(element, "duration").text = str(length)
    SubElement(element, "voice").text = str(voice)
    _sign(element, kind, dots)


def _sign(element: Element, kind: str, dots: int) -> None:
    if kind:
        SubElement(element, "type").text = kind
        for _ in range(dots):
            SubElement(element, "dot")


def _written(length: int, quarter: int) -> list[tuple[int, str, int]]:
    """Ticks as (ticks, sign, dots) of signs that add up to them, the longest first; what no sign
    can write has none.
    """
    signs = []
    for power, kind in enumerate(_TYPES):
        for dots in (2, 1, 0):
            whole, part = divmod(4 * quarter * (2 ** (dots + 1) - 1), 2 ** (power + dots))
            if part == 0 and whole:
                signs.append((whole, kind, dots))
    parts = []
    for ticks, kind, dots in sorted(signs, key=lambda sign: (-sign[0], sign[2])):
        while length >= ticks:
            parts.append((ticks, kind, dots))
            length -= ticks
    return parts + ([(length, "", 0)] if length > 0 else [])


def spelled(pitch: int, sharps: int) -> tuple[str, int, int]:
    """(letter, semitones of alteration, octave): of the twelve names from the key's minor third
    below to its raised fifth on the line of fifths.
    """
    fifths = next(place for place in range(sharps - 3, sharps + 9) if place * 7 % 12 == pitch % 12)
    alter, letter = divmod(fifths + 1, 7)
    return "FCGDAEB"[letter], alter, (pitch - alter) // 12 - 1


def _key(attributes: Element, sharps: int, minor: bool) -> None:
    key = SubElement(attributes, "key")
    SubElement(key, "fifths").text, SubElement(key, "mode").text = (
        str(sharps),
        "minor" if minor else "major",
    )


def _tempo(measure: Element, offset: int, quarters: float) -> None:
    direction = SubElement(measure, "direction", placement="above")
    mark = SubElement(SubElement(direction, "direction-type"), "metronome")
    SubElement(mark, "beat-unit").text, SubElement(mark, "per-minute").text = (
        "quarter",
        f"{quarters:g}",
    )
    if offset:
        SubElement(direction, "offset").text = str(offset)
    SubElement(direction, "sound", tempo=f"{quarters:.9g}")


def _harmony(measure: Element, offset: int, symbol: tuple[int, int] | None) -> None:
    element = SubElement(measure, "harmony")
    root = SubElement(element, "root")
    name = harmony.NAMES[symbol[0]] if symbol else "C"
    SubElement(root, "root-step").text = name[0]
    if len(name) > 1:
        SubElement(root, "root-alter").text = "-1"
    SubElement(element, "kind").text = list(harmony.QUALITIES)[symbol[1]] if symbol else "none"
    if offset:
        SubElement(element, "offset").text = str(offset)


def _legal(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(character for character in text if character.isprintable())
