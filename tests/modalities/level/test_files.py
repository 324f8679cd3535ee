"""Files of levels: grids, Tiled's maps, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from castalia.errors import CastaliaError, DataError
from castalia.modalities.level import rules
from castalia.modalities.level.codec import LevelCodec, LevelConfig
from castalia.modalities.level.contract import rooms
from castalia.modalities.level.files import grids, tiled
from castalia.modalities.level.level import Level, symmetries

GRID = "; 1\n####\n#@ #\n####\n\n; 2\n####\n# $#\n####\n"


def read(tmp_path: Path, text: str, name: str = "a.txt", **config: Any) -> list[Level]:
    path = tmp_path / name
    path.write_text(text)
    return list(LevelCodec(LevelConfig(rules="", **config)).read(path))


def test_levels_stand_apart_by_empty_lines_and_comments(tmp_path: Path):
    assert [one.rows[1] for one in read(tmp_path, GRID)] == ["#@ #", "# $#"]
    assert read(tmp_path, GRID.replace("\n", "\r\n")) == read(tmp_path, GRID)


def test_ragged_rows_are_named_or_filled(tmp_path: Path):
    text = "####\n#@\n####\n"
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert "line 2" in str(caught.value.where) and "codec.fill" in str(caught.value.fix)
    assert read(tmp_path, text, fill=" ")[0].rows[1] == "#@  "


def test_large_levels_are_cut_into_pieces_that_stay_together(tmp_path: Path):
    wide = "\n".join(["-" * 20 + "X" * 10] * 4 + ["X" * 30]) + "\n"
    pieces = read(tmp_path, wide, cut="5x10", stride="5x5")
    assert [(one.height, one.width) for one in pieces] == [(5, 10)] * 4  # the fifth is of one tile
    codec = LevelCodec(LevelConfig(cut="5x10", stride="5x5"))
    assert codec.belongs(tmp_path / "a.txt") == ["0"] * 4
    assert len(read(tmp_path, "-" * 30 + "\n" + "-" * 29 + "X\n", cut="2x10")) == 1  # of one tile


def test_a_level_that_is_too_large_is_named_with_the_way_to_cut_it(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, "\n".join(["#" * 100] * 50))
    assert "50x100" in str(caught.value.what) and "codec.cut" in str(caught.value.fix)


def test_maps_of_tiled_come_back_as_they_were(tmp_path: Path):
    one = rooms(1, "tiled")[0]
    assert tiled.parsed(tiled.written(one), "a.tmj") == one
    assert read(tmp_path, tiled.written(one), "a.tmj") == [one]


def foreign_map(**changes: Any) -> str:
    """A map of a program that knows no property `char`."""
    known = json.loads(tiled.written(Level(("ab", "ba"))))
    del known["tilesets"][0]["tiles"]
    return json.dumps({**known, **changes})


def test_tiles_of_tiled_without_a_character_get_one_by_their_number():
    assert tiled.parsed(foreign_map(), "a.tmj").rows == ("01", "10")
    flipped = json.loads(foreign_map())
    flipped["layers"][0]["data"][0] |= 0x80000000
    flipped["layers"][0]["data"][3] = 0
    assert tiled.parsed(json.dumps(flipped), "a.tmj").rows == ("01", "1-")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (foreign_map(tilesets=[{"firstgid": 1, "source": "town.tsx"}]), "'town.tsx' lies outside"),
        (foreign_map(infinite=True), "infinite"),
        (foreign_map(layers=[{"type": "objectgroup"}]), "no tile layer"),
        (foreign_map(layers=[{"type": "tilelayer", "data": "eJw="}]), "packed"),
        (
            foreign_map(layers=[{"type": "tilelayer", "data": [1], "width": 2, "height": 2}]),
            "1 tile",
        ),
        (foreign_map(layers=[{"type": "tilelayer", "data": [9], "width": 1, "height": 1}]), "9"),
        (foreign_map(layers=[{"type": "tilelayer", "data": ["a"], "width": 1, "height": 1}]), "no"),
        (foreign_map(tilesets=[{"firstgid": "x"}]), "firstgid"),
        ("{}", "no map of Tiled"),
        ("{", ""),
        ('{"layers": [], "tilesets": [], "layers": 1}', ""),
    ],
)
def test_what_is_no_readable_map_is_named(text: str, why: str):
    with pytest.raises(CastaliaError) as caught:
        tiled.parsed(text, "a.tmj")
    assert why in str(caught.value.what)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (GRID.replace("####\n#", "#####\n####\n#", 1), False),  # rows of two lengths
        ("####\n#@ #\n#  #\n####\n\n####\n# $#\n#  #\n####\n", True),
        ("床前明月光\n疑是地上霜\n举头望明月\n低头思故乡\n", False),
        ("To be, or not\nto be, that i\ns the questio\nn: whether it\n", False),
        ("1,2,3,4\n5,6,7,8\n9,1,2,3\n4,5,6,7\n", False),
        ("", False),
    ],
)
def test_a_text_is_a_level_only_where_it_looks_like_one(tmp_path: Path, text: str, is_one: bool):
    assert grids.likely(text) == is_one
    (tmp_path / "a.txt").write_text(text)
    assert LevelCodec.claims("a.txt") and LevelCodec.prefers(tmp_path / "a.txt") == is_one


def test_readmes_beside_levels_are_no_levels():
    assert not LevelCodec.claims("README.txt") and LevelCodec.claims("world.tmj")


def test_an_unknown_tile_is_named_with_its_place():
    codec = LevelCodec(LevelConfig(rules=""))
    codec.fit([Level(("##", "#."))])
    with pytest.raises(DataError) as caught:
        codec.encode(Level(("##", "#?")))
    assert "'?'" in str(caught.value.what) and "row 2, column 2" in str(caught.value.where)
    with pytest.raises(DataError, match="larger"):
        codec.encode(Level(("###",)))
    with pytest.raises(DataError, match="smaller"):
        codec.encode(Level(("##",)))


def test_augmentations_are_symmetries_and_swap_the_sides_of_pipes():
    one = Level(("<>-", "[]-", "XXX"))
    codec = LevelCodec(LevelConfig(rules="platformer", scan="columns"))
    codec.fit([one])
    batch = codec.encode(one)[None].repeat(64, 1)
    made = codec.augmentations["mirror"](batch, torch.Generator().manual_seed(0))
    made = codec.augmentations["turn"](made, torch.Generator().manual_seed(0))
    mirror = symmetries(one, turns=False, mirror=codec.rules.mirror)["mirrored"]
    assert mirror.rows == ("-<>", "-[]", "XXX")
    assert {codec.decode(row) for row in made.long()} == {one, mirror}


def test_square_levels_seen_from_above_are_turned():
    one = Level(("#@ ", "#$ ", "#. "))
    codec = LevelCodec(LevelConfig(rules="sokoban"))
    codec.fit([one])
    batch, rng = codec.encode(one)[None].repeat(400, 1), torch.Generator().manual_seed(0)
    for change in codec.augmentations.values():
        batch = change(batch, rng)
    assert {codec.decode(row) for row in batch.long()} == set(symmetries(one).values())
    assert len(symmetries(one)) == 8 and rules.load("sokoban").turns


def test_a_picture_holds_its_tiles_and_other_pictures_are_refused(tmp_path: Path):
    one = rooms(1, "picture")[0]
    codec = LevelCodec(LevelConfig(rules=""))
    for name in ("a.png", "a.txt", "a.tmj", "a.glb"):
        codec.write(one, tmp_path / name)
    files = [path for path in tmp_path.iterdir() if path.suffix != ".json"]
    assert len(files) == 4 and len({LevelCodec.content(path) for path in files}) == 1
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    (tmp_path / "d.glb").write_bytes(b"glTF" + bytes(40))
    (tmp_path / "e.glb").write_bytes(b"glTF")
    for name, why in (
        ("b.png", "not one of a level"),
        ("c.png", "cannot be read"),
        ("d.glb", "not one of a level|JSON"),
        ("e.glb", "not one of a level"),
    ):
        with pytest.raises(DataError, match=why):
            LevelCodec.content(tmp_path / name)


def test_boxes_are_closed_meshes_of_the_tiles_they_stand_for(tmp_path: Path):
    trimesh = pytest.importorskip("trimesh")
    codec = LevelCodec(LevelConfig(rules="sokoban"))
    codec.write(Level(("#####", "#@$.#", "#####")), tmp_path / "a.glb")
    scene = trimesh.load(tmp_path / "a.glb", process=False)
    sizes = sorted(round(float(one.volume), 2) for one in scene.geometry.values())
    assert sizes == [0.05, 0.7, 0.9, 1.5, 12.0]  # target, box, player, floor, walls
    assert scene.bounds[1].tolist() == [5, 1, 3]
    codec = LevelCodec(LevelConfig(rules="platformer"))
    codec.write(Level(("--", "XX")), tmp_path / "b.glb")
    assert trimesh.load(tmp_path / "b.glb", process=False).bounds[1].tolist() == [2, 1, 1]
