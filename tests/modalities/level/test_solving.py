"""Solvers against levels whose answer is known, and against their own solutions, played."""

from __future__ import annotations

import itertools

import pytest

from castalia.data import builtin
from castalia.errors import RecipeError
from castalia.modalities.level import rules
from castalia.modalities.level.codec import LevelCodec
from castalia.modalities.level.level import Level
from castalia.modalities.level.play import Player, mend

STEP = {"l": (0, -1), "u": (-1, 0), "r": (0, 1), "d": (1, 0)}
SOKOBAN = Player(rules.load("sokoban"))
PLATFORMER = Player(rules.load("platformer"))
DUNGEON = Player(rules.load("dungeon"))


def level(*rows: str) -> Level:
    return Level(rows)


def boxes_after(one: Level, way: str) -> set[tuple[int, int]]:
    """Where boxes are after the moves; an assertion fails where a move is against the rules."""
    boxes, player = set(one.places("$*")), next(one.places("@+"))
    for letter in way:
        down, right = STEP[letter.lower()]
        to = (player[0] + down, player[1] + right)
        assert one.rows[to[0]][to[1]] != "#"
        assert (to in boxes) == letter.isupper()
        if letter.isupper():
            behind = (to[0] + down, to[1] + right)
            assert behind not in boxes and one.rows[behind[0]][behind[1]] != "#"
            boxes = (boxes - {to}) | {behind}
        player = to
    return boxes


def fewest_pushes(one: Level) -> int | None:
    """By looking at every position: an oracle for small levels."""
    boxes = frozenset(one.places("$*"))
    targets, ring = set(one.places(".+*")), {(next(one.places("@+")), boxes)}
    seen, pushes = set(ring), 0
    while ring:
        walked = set(ring)
        edge = set(ring)
        while edge:  # all that can be reached without a push
            edge = {
                (to, held)
                for (row, column), held in edge
                for down, right in STEP.values()
                if one.rows[(to := (row + down, column + right))[0]][to[1]] != "#"
                and to not in held
            } - walked
            walked |= edge
        if any(set(held) == targets for _, held in walked):
            return pushes
        ring = set()
        for (row, column), held in walked:
            for down, right in STEP.values():
                box, to = (row + down, column + right), (row + 2 * down, column + 2 * right)
                if box in held and to not in held and one.rows[to[0]][to[1]] != "#":
                    ring.add((box, frozenset(held - {box} | {to})))
        ring -= seen
        seen |= ring
        pushes += 1
    return None


def test_solutions_of_real_levels_are_played_to_their_end():
    levels = list(LevelCodec().read(builtin.path("boxoban") / "train.txt.gz"))
    assert len(levels) == 1000
    for one in levels[:40]:
        found = SOKOBAN.solve(one)
        assert found.solved and found.steps == sum(map(str.isupper, found.way))
        assert boxes_after(one, found.way) == set(one.places(".+*"))


def test_the_solver_agrees_with_looking_at_every_position():
    answers = set()
    floor = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2), (3, 3), (2, 2)]
    for number, (player, box, other, wall) in enumerate(itertools.permutations(floor, 4)):
        if number % 23:
            continue
        rows = [list("#####")] + [list("#   #") for _ in range(3)] + [list("#####")]
        for (row, column), tile in ((player, "@"), (box, "$"), (other, "."), (wall, "#")):
            rows[row][column] = tile
        one = level(*("".join(row) for row in rows))
        expected, found = fewest_pushes(one), SOKOBAN.solve(one)
        assert found.solved == (expected is not None), one
        assert not found.solved or found.steps == expected, one
        answers.add(found.solved)
    assert answers == {True, False}


def test_two_boxes_frozen_away_from_targets_are_no_solution_and_on_targets_they_are():
    assert not SOKOBAN.solve(level("######", "#$$  #", "#$$@ #", "#....#", "######")).solved
    assert SOKOBAN.solve(level("######", "#**  #", "#**@ #", "######")).steps == 0


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (("#####", "# $.#", "#####"), "0 players"),
        (("#####", "#@@$.#", "#####"), "2 players"),
        (("######", "#@$$.#", "######"), "2 boxes and 1 targets"),
        (("######", "#@   #", "######"), "0 boxes and 0 targets"),
        (("#####", "#$@.#", "#####"), "cannot be pushed to any target"),
    ],
)
def test_what_is_wrong_with_a_sokoban_level_is_said(rows: tuple[str, ...], why: str):
    found = SOKOBAN.solve(level(*rows))
    assert not found.solved and why in str(found.why)


def test_the_search_stops_at_the_nodes_that_the_rules_allow():
    few = Player(rules.of_json({**rules.load("sokoban").model_dump(), "nodes": 1}, "test"))
    one = level("########", "#@ $  .#", "#      #", "########")
    found = few.solve(one)
    assert not found.solved and "first 1 positions" in str(found.why)
    assert SOKOBAN.solve(one).steps == 3


@pytest.mark.parametrize(("gap", "crossed"), [(7, True), (8, False)])
def test_a_jump_crosses_as_wide_a_gap_as_the_model_says(gap: int, crossed: bool):
    ground = "XXXX" + "-" * gap + "XXXX"
    found = PLATFORMER.solve(level(*["-" * len(ground)] * 6, ground))
    assert (found.solved, found.steps) == (crossed, int(crossed))


@pytest.mark.parametrize(("wall", "climbed"), [(4, True), (5, False)])
def test_a_jump_rises_as_high_as_the_rules_say(wall: int, climbed: bool):
    rows = ["--------"] * (8 - wall) + ["----X---"] * wall + ["XXXXXXXX"]
    assert PLATFORMER.solve(level(*rows)).solved == climbed


def test_the_way_through_a_platformer_says_where_it_ends():
    rows = ["----X---"] * 8 + ["XXXXXXXX"]
    assert "column 4 of 8" in str(PLATFORMER.solve(level(*rows)).why)
    assert "no ground at the left" in str(PLATFORMER.solve(level("----", "----")).why)


def test_rooms_whose_doors_are_shut_off_are_named():
    open_ = level("WWWW", "DFFD", "WWWW")
    shut = level("WWWWW", "DFPFD", "WWWWW")
    assert (DUNGEON.solve(open_).solved, DUNGEON.solve(open_).steps) == (True, 3)
    assert "row 2, column 1 to that in row 2, column 5" in str(DUNGEON.solve(shut).why)
    assert "there are 0 doors" in str(DUNGEON.solve(level("WWW", "WFW", "WWW")).why)


def test_pieces_that_are_missing_are_put_on_the_floor_the_same_way_each_time():
    drawn = level("########", "#@ $  .#", "#  $  @#", "#      #", "########")
    versions = list(mend.mended(drawn, SOKOBAN.rules))
    assert versions == list(mend.mended(drawn, SOKOBAN.rules))
    for one in versions:
        assert len(list(one.places("@"))) == 1
        assert len(list(one.places("$"))) == len(list(one.places("."))) == 2
    assert not list(mend.mended(level("#####", "#@$.#", "#####"), SOKOBAN.rules))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("play: fly", "play"),
        ("play: push\nwalls: '#'", "walls"),
        ("bands: {hard: 20, easy: 3}", "bands begin at rising"),
        ("swapped: '<'", "come in pairs"),
        ("[1, 2]", "no rules"),
    ],
)
def test_rules_that_mean_nothing_are_refused_by_name(text: str, named: str):
    with pytest.raises(RecipeError) as caught:
        rules.parsed(text, "mine.yaml")
    assert named in f"{caught.value.what} {caught.value.where}"


def test_rules_that_there_are_not_are_refused_with_what_was_meant():
    with pytest.raises(RecipeError) as caught:
        rules.load("socoban")
    assert "sokoban" in str(caught.value.fix)
