"""Levels of games: maps of tiles."""

from castalia.modalities.level.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.level"

MODALITY = Modality(
    name="level",
    about="levels of games as maps of tiles: text grids, .tmj of Tiled",
    package=_HERE,
    item="level",
    items=say("game levels"),
    codec=f"{_HERE}.codec:LevelCodec",
    first="level/ar",
    base="level/ar",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:LevelCheck",
    matcher=f"{_HERE}.copies:Levels",
    presenter=f"{_HERE}.presenter:LevelPresenter",
    contract=f"{_HERE}.contract:LevelContract",
    metrics={
        "levels": Named(
            f"{_HERE}.metrics:LevelScores",
            "levels that can be solved, their steps, patterns of two by two tiles",
        ),
    },
    titles={
        "solvable": say("Levels that can be solved, as drawn"),
        "solution-steps": say("Steps of the solutions"),
        "tile-patterns": say("Patterns of two by two tiles"),
        "bits-per-tile": say("Bits per tile"),
    },
    edits={"infill": Named(f"{_HERE}.edits:InfillLevels", "a part of a level made anew")},
    limits=(
        say(
            "A level that leaves is solved by a search under the declared rules, no more: whether "
            "it is fun, fair or fit for children nobody has checked."
        ),
    ),
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("maps in formats that are not read"),
            (".tmx", ".ldtk", ".tscn"),
            say("export them from the editor as JSON of Tiled (.tmj)"),
        ),
    ),
    media={".tmj": "application/json"},
    rank=28,
)
