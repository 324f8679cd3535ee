"""What a look at scores tells: twins in other keys, what is lost, what is silent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from castalia.checks.check import check
from castalia.checks.check_page import page
from castalia.modalities.music.check import ScoreLook
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.music.contract import piece
from castalia.modalities.music.score import Key, Part, Score


def looked(*pieces: Score) -> ScoreLook:
    look = ScoreLook(len(pieces), len(pieces))
    for number, one in enumerate(pieces):
        look.add(number, one, Path(f"{number}.mid"), f"{number}.mid")
    return look


def finer(score: Score, times: int) -> Score:
    """The same music in more ticks."""
    parts = tuple(
        replace(
            part,
            notes=tuple(
                note._replace(start=note.start * times, length=note.length * times)
                for note in part.notes
            ),
        )
        for part in score.parts
    )
    return replace(score, parts=parts, resolution=score.resolution * times)


def test_the_same_music_has_the_same_content_whatever_its_ticks_and_titles():
    one = piece("check", 1)
    look = looked(one, finer(one, 4), replace(one, title="another"), one.transposed(1))
    assert (
        look.content[0].tobytes()
        == look.content[1].tobytes()
        == look.content[2].tobytes()
        != look.content[3].tobytes()
    )


def test_twins_in_other_keys_are_near_and_other_pieces_are_not():
    pieces = [piece("check", number) for number in range(30)]
    edited = replace(
        pieces[4],
        parts=(
            replace(pieces[4].parts[0], notes=pieces[4].parts[0].notes[:-1]),
            *pieces[4].parts[1:],
        ),
    )
    look = looked(*pieces, pieces[3].transposed(5), edited)
    found = look.near(np.arange(32))
    assert found.pairs.tolist() == [[3, 30], [4, 31]]
    assert found.distance[0] == 0.0
    assert 0 < found.distance[1] < 0.4


def test_facts():
    one = replace(piece("check", 1), keys=(Key(0, 1, True),), lost=("lyrics",))
    look = looked(one, Score(), Score((Part(drums=True, notes=piece("check", 2).parts[0].notes),)))
    facts = look.facts(np.arange(3))
    assert facts["keys"] == {"?": 2, "Em": 1}
    assert facts["metres"] == {"4/4": 1, "?": 2}
    assert facts["parts"] == {"0": 1, "1": 1, "3": 1}
    assert (facts["with_drums"], facts["in_voices"], facts["lost"]) == (1, 2, {"lyrics": 1})
    assert (look.silent, look.losing) == (["1.mid"], ["0.mid"])
    assert facts["lowest"] == min(note.pitch for part in one.parts for note in part.notes)
    assert facts["notes"] == one.count + len(piece("check", 2).parts[0].notes)


def test_a_folder_of_music(tmp_path: Path):
    """Named as music, twins and damage told, the page drawn, the next command given."""
    codec = MusicCodec()
    for number in range(12):
        codec.write(piece("check", number), tmp_path / f"{number:02d}.mid")
    codec.write(piece("check", 3).transposed(2), tmp_path / "twin.mid")
    (tmp_path / "bad.mid").write_bytes(b"nothing of the kind")
    (tmp_path / "song.mscz").write_bytes(b"PK")
    checked = check(tmp_path, evidence=True)
    document = checked.document
    assert (document.codec, document.items) == ("music", 13)
    assert document.duplicates["near"].copies == 1
    assert [one.file for one in document.unreadable] == ["bad.mid"]
    codes = {one.code for one in document.findings}
    assert {"near", "unreadable", "omitted"} <= codes
    assert document.facts["notes"] == sum(
        piece("check", number).count for number in (*range(12), 3)
    )
    assert document.next[0].command.startswith("castalia train music/ar")
    for language, says in (("en", "metres"), ("zh", "拍号")):
        drawn = page(checked, language)
        assert says in drawn
        assert drawn.count('<svg class="roll"') == 2


def test_music_that_no_grid_holds_is_sent_to_events(tmp_path: Path):
    """A piano's chords: every note would not find a voice."""
    codec = MusicCodec()
    for number in range(12):
        one = piece("check", number)
        crowd = tuple(
            note._replace(pitch=note.pitch + step)
            for note in one.parts[0].notes
            for step in (0, 1, 5)
        )
        codec.write(
            replace(one, parts=(Part("piano", notes=tuple(sorted(crowd))), one.parts[1])),
            tmp_path / f"{number:02d}.mid",
        )
    document = check(tmp_path).document
    assert document.facts["in_voices"] == 0
    assert [step.command.split()[2] for step in document.next] == ["music/ar-events"]
