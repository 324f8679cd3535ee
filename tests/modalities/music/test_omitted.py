"""What files of music hold and scores or forms do not keep is counted: before training, by check,
each with what keeps it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from castalia.checks.check import check
from castalia.data import builtin, source, stream
from castalia.data.data_report import summary
from castalia.modalities.music.codec import MusicCodec, MusicConfig
from castalia.modalities.music.contract import piece
from castalia.modalities.music.score import Metre, Note, Part, Score, Tempo

LINE = Part("melody", 0, False, tuple(Note(24 * step, 24, 60 + step) for step in range(8)))
BEAT = Part("kit", 0, True, tuple(Note(12 * step, 12, 36 + step % 3) for step in range(16)))
CHORDS = Part(
    "piano",
    0,
    False,
    tuple(Note(48 * step, 48, pitch) for step in range(4) for pitch in (48, 50, 55)),
)


def left_out(
    form: str, score: Score, fit_on: list[Score] | None = None, **config
) -> dict[str, int]:
    codec = MusicCodec(MusicConfig(form=form, **config))
    codec.fit(fit_on or [score])
    return {one.what: one.count for one in codec.omitted(score)}


def test_a_grid_says_what_it_does_not_hold():
    whole = Score((LINE,), 24, (Tempo(0, 90.0),), (Metre(0, 4, 4),))
    assert left_out("grid", whole) == {}
    assert left_out("grid", replace(whole, parts=(LINE, BEAT))) == {"notes of drums": 16}
    fast = replace(LINE, notes=tuple(Note(3 * step, 3, 60) for step in range(16)))
    # nine steps, rounded
    assert left_out("grid", replace(whole, parts=(fast,))) == {"notes faster than the grid": 16 - 9}
    assert left_out("grid", replace(whole, parts=(fast,)), steps=8) == {}
    turning = replace(
        whole,
        tempos=(Tempo(0, 90.0), Tempo(24, 60.0), Tempo(48, 60.0)),
        metres=(Metre(0, 4, 4), Metre(24, 4, 4), Metre(120, 3, 4)),
    )
    assert left_out("grid", turning) == {"changes of tempo": 1, "changes of metre": 1}
    second = replace(LINE, name="second", notes=LINE.notes[:3])
    assert left_out("grid", replace(whole, parts=(LINE, second)), [whole]) == {
        "notes of parts beyond those of the grid": 3
    }
    assert left_out("grid", replace(whole, parts=(CHORDS,)), [whole]) == {
        "notes that sound together within a part": 8
    }
    crowd = replace(
        whole, parts=tuple(replace(LINE, name=f"voice {number}") for number in range(6))
    )
    four = replace(whole, parts=tuple(replace(LINE, name=f"part {number}") for number in range(4)))
    # six in unison are one voice
    assert left_out("grid", crowd, [four]) == {"notes that sound together within a part": 48 - 8}
    loud = replace(LINE, notes=(LINE.notes[0]._replace(velocity=20), *LINE.notes[1:]))
    assert left_out("grid", replace(whole, parts=(loud,))) == {
        "scores whose notes differ in loudness": 1
    }


def test_what_a_grid_keeps_and_what_it_says_it_leaves_out_is_all_there_is():
    """Of any music: notes that come back from tokens and those that are said to be left
    out add up.
    """
    for number in range(12):
        score = piece("check", number)
        crowd = replace(score, parts=(*score.parts, BEAT, replace(CHORDS, name="more")))
        for given in (score, crowd):
            codec = MusicCodec(MusicConfig(form="grid"))
            codec.fit([score])
            said = sum(one.count for one in codec.omitted(given) if one.what.startswith("notes"))
            assert codec.decode(codec.encode(given)).count + said == given.count


def test_other_forms_say_it_too():
    score = Score((LINE, BEAT, Part("low", 0, False, (Note(0, 24, 12), Note(2, 1, 64)))), 24)
    assert left_out("chords", score) == {
        "notes of drums": 16,
        "notes beyond the keys of a piano": 1,
        "notes too short to be heard at a step": 1,
    }
    assert left_out("chords", Score((CHORDS,), 24), slots=2) == {
        "notes beyond the most that a step holds": 8
    }
    assert left_out("events", score) == {}
    twice = Score(
        (Part(notes=(Note(0, 24, 60), Note(0, 48, 60), Note(24 * 20, 24, 60))),),
        24,
        metres=(Metre(0, 24, 4),),
    )
    assert left_out("events", twice) == {
        "notes that are struck twice at once": 1,
        "notes late in bars longer than 192 steps": 1,
    }
    assert left_out("roll", score.cut(0, 400), [Score((LINE,), 24)]) == {
        "notes of drums": 16,
        "notes outside the range of the roll": 1,
    }


def test_what_files_hold_is_said_of_every_form():
    score = replace(
        Score((LINE,), 24), lost=("grace notes", "lyrics", "repeats"), dropped=(("grace notes", 5),)
    )
    said = list(MusicCodec(MusicConfig(form="events")).omitted(score))
    assert [(one.what, one.count) for one in said] == [
        ("grace notes", 5),
        ("scores with lyrics", 1),
        ("scores with repeats, played once", 1),
    ]
    assert all(one.remedy for one in said)
    assert MusicCodec().describe(score) == "without grace notes, lyrics, repeats"


def test_the_built_in_chorales_are_whole():
    codec = MusicCodec()
    scores = list(codec.read(builtin.path("chorales") / "valid.pieces.gz"))
    codec.fit(scores)
    assert [list(codec.omitted(score)) for score in scores] == [[]] * len(scores)


@pytest.fixture
def band(tmp_path: Path) -> Path:
    """A folder of tunes, each over drums that are most of its notes."""
    for number in range(12):
        tune = piece("check", number)
        MusicCodec().write(
            replace(tune, parts=(*tune.parts[:1], BEAT, replace(BEAT, name="more"))),
            tmp_path / f"{number:02d}.mid",
        )
    return tmp_path


def test_drums_are_counted_before_training_and_by_check(
    band: Path, tmp_path_factory: pytest.TempPathFactory
):
    dataset = stream.prepare(
        source.DataConfig(source=str(band)), MusicCodec(), home=tmp_path_factory.mktemp("home")
    )
    lines = summary(dataset.report)
    drums = next(line for line in lines if "notes of drums" in line)
    assert drums.startswith("left out: notes of drums: 384, e.g. ") and "(whole)" not in lines[0]
    assert "codec.form=events" in lines[lines.index(drums) + 1]
    document = check(band, overrides=["codec.form=grid"]).document
    said = [one for one in document.findings if one.code == "omitted"]
    assert any("notes of drums: 384" in one.words for one in said)
    kept = check(band).document  # drums in every piece: events are recommended, which keep them
    assert kept.next[0].command.startswith("castalia train music/ar-events")
    assert not any("drums" in one.words for one in kept.findings if one.code == "omitted")
