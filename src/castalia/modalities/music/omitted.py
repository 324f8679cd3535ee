"""Sentences about what a score or a form does not keep of a music file, counted, each with what
keeps it.

`of_file` is about reading: `Score.dropped` and `Score.lost`. What a form leaves out, its method
`omitted` lists with the words from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from castalia.language import Message, say
from castalia.modalities.music.score import Score
from castalia.omissions import Omission

EVENTS = say("codec.form=events keeps them (recipe music/ar-events)")
FINER = say("a larger codec.steps keeps more of them, codec.form=events most")
_NO_FORM = say("no form of music keeps them")
_NOTES = {  # kinds of `Score.dropped`
    "grace notes": (say("grace notes"), _NO_FORM),
    "notes without length": (
        say("notes without length"),
        say("give them a length in the program that made them"),
    ),
    "unpitched notes": (
        say("strokes of drums that name no key"),
        say("export with instruments' MIDI keys (<midi-unpitched>), as MuseScore does"),
    ),
    "notes beyond MIDI": (say("notes beyond MIDI's range"), say("transpose them into 0 .. 127")),
}
_KINDS = {  # names of `Score.lost`
    "lyrics": (say("scores with lyrics"), _NO_FORM),
    "dynamics": (say("scores with dynamics as signs"), _NO_FORM),
    "articulations": (say("scores with articulations"), _NO_FORM),
    "ornaments": (say("scores with ornaments"), say("write them out to have them played")),
    "fermatas": (say("scores with fermatas"), _NO_FORM),
    "pedal": (say("scores with pedal"), _NO_FORM),
    "repeats": (
        say("scores with repeats, played once"),
        say("write them out (unroll repeats) in a notation program to have them played"),
    ),
    "figured bass": (say("scores with figured bass"), _NO_FORM),
    "some chord symbols": (say("scores with chord symbols of unknown kinds"), _NO_FORM),
    "microtones": (say("scores with microtones, rounded to semitones"), _NO_FORM),
    "unusual metres": (say("scores with metres that MIDI does not have"), _NO_FORM),
    "the finest of its timing": (
        say("scores with times finer than a 10,080th of a quarter note"),
        _NO_FORM,
    ),
    "controllers": (say("scores with controllers"), _NO_FORM),
    "pitch bends": (say("scores with pitch bends"), _NO_FORM),
    "aftertouch": (say("scores with aftertouch"), _NO_FORM),
    "system messages": (say("scores with system messages"), _NO_FORM),
    "tracks that its header announces": (
        say("scores without tracks that their header announces"),
        say("copy them again if notes are missing"),
    ),
}


def of_file(score: Score) -> Iterator[Omission]:
    """What reading left out."""
    for name, count in score.dropped:
        what, remedy = _NOTES.get(name, (name, ""))
        yield Omission(what, count, "", remedy)
    counted = {name for name, _ in score.dropped}
    for name in score.lost:
        if name not in counted:
            what, remedy = _KINDS.get(name, (name, ""))
            yield Omission(what, 1, "", remedy)


def notes(what: Message, count: int, remedy: Message) -> Iterable[Omission]:
    """Notes that a form leaves out, if there are any."""
    return [Omission(what, count, "", remedy)] if count > 0 else []


def drums(score: Score) -> Iterable[Omission]:
    return notes(
        say("notes of drums"), sum(len(part.notes) for part in score.parts if part.drums), EVENTS
    )


def changes(score: Score) -> Iterator[Omission]:
    """Of forms that have one tempo, one metre and one loudness."""
    yield from notes(
        say("changes of tempo"),
        sum(one.quarters != other.quarters for one, other in pairwise(score.tempos)),
        EVENTS,
    )
    yield from notes(
        say("changes of metre"),
        sum(one[1:] != other[1:] for one, other in pairwise(score.metres)),
        EVENTS,
    )
    loud = {note.velocity for part in score.parts for note in part.notes}
    yield from notes(say("scores whose notes differ in loudness"), int(len(loud) > 1), EVENTS)
